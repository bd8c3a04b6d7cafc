//! The built-in models, by hand.

use alumet_core::testkit::assert_lines;
use alumet_plugin_energy_attribution::Config;

use crate::stage::{self, Stage};

/// A tenth of a CPU, in nanoseconds.
const TENTH: f64 = 1e8;

#[test]
fn energy_is_shared_by_cpu_time_and_what_nobody_used_is_told_apart() {
    let mut stage = Stage::new(Config::default());
    let (package, busy) = (stage.package(0), stage.kernel("user"));
    let (one, two) = (stage.process(1), stage.process(2));
    stage.samples(
        "all",
        0,
        [(&package, 0.0), (&busy, 0.0), (&one, 0.0), (&two, 0.0)],
    );
    assert_lines(stage.lines(), [] as [&str; 0]);
    // A second of one CPU was used, of which two processes tell.
    stage.samples(
        "all",
        1000,
        [
            (&package, 30.0),
            (&busy, 1000.0),
            (&one, 2.0 * TENTH),
            (&two, 5.0 * TENTH),
        ],
    );
    assert_lines(
        stage.lines(),
        [
            "1000: attributed_energy local_machine {consumers=process, part=unattributed} 9",
            "1000: attributed_energy process:1 {} 6",
            "1000: attributed_energy process:2 {} 15",
        ],
    );
    assert_eq!(stage::all().len(), 6);
}
