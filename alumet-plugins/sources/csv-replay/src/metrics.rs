//! The metrics of this plugin: one table. Those of a file are known once it is read.

use alumet_core::unit::Unit;

alumet_core::metrics! {
    pub CSV_REPLAY_BAD_ROWS = Counter<u64> {
        name: "csv_replay_bad_rows",
        unit: Unit::ONE,
        description: "Rows that were left out, as a whole or in part, because something in them is wrong.",
    };
}
