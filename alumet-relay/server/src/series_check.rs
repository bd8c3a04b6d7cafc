//! Whether all series of a batch are those of the node that sent it.

use alumet_core::batch::Batch;
use alumet_core::series::SeriesId;
use alumet_core::{AttributeValue, Catalog};
use hashbrown::HashSet;

use crate::refusal::{Reason, Refusal};

/// Remembers which series of a session were looked at.
#[derive(Debug, Default)]
pub(crate) struct SeriesCheck {
    verified: HashSet<SeriesId>,
    /// The series of the last batch: usually those of the next one too.
    last: Vec<SeriesId>,
}

impl SeriesCheck {
    /// Refuses a batch with a series whose attribute `key` names another node than `node`.
    pub(crate) fn check(&mut self, batch: &Batch, key: &str, node: &str) -> Result<(), Refusal> {
        if batch.series() == self.last {
            return Ok(());
        }
        for series in batch.series() {
            if !self.verified.contains(series) {
                check_series(batch.catalog(), *series, key, node)?;
                self.verified.insert(*series);
            }
        }
        self.last.clear();
        self.last.extend_from_slice(batch.series());
        Ok(())
    }

    /// Series that are not used any more make room.
    pub(crate) fn forget(&mut self) {
        self.verified.clear();
        self.last.clear();
    }
}

fn check_series(catalog: &Catalog, series: SeriesId, key: &str, node: &str) -> Result<(), Refusal> {
    let Some(info) = catalog.describe(series) else {
        return Ok(());
    };
    let named = info.attributes().get(key).map(AttributeValue::to_string);
    if named.as_deref() == Some(node) {
        return Ok(());
    }
    let named = named.unwrap_or_default();
    Err(Refusal::new(
        Reason::Identity,
        format!(
            "`{node}` sends a series of `{}` with the attribute {key}={}; only nodes in `relays` of the server may do that",
            info.metric.name,
            named.escape_debug()
        ),
    ))
}

#[cfg(test)]
mod tests {
    use alumet_core::unit::Unit;
    use alumet_core::{Consumer, Resource, Timestamp};

    use super::*;

    alumet_core::metrics! {
        TEST = Gauge<u64> {
            name: "test",
            unit: Unit::ONE,
            description: "For tests.",
            resources: ["local_machine"],
            consumers: ["local_machine"],
            attributes: [],
        };
    }

    #[test]
    fn a_series_of_another_node_is_found_also_in_a_later_batch() {
        let catalog = Catalog::new();
        let metric = catalog.metric(&TEST).unwrap();
        let series = |node: &str| {
            let series = catalog.series(metric, Resource::LocalMachine, Consumer::LocalMachine);
            series.attribute("node", node.to_owned()).register()
        };
        let (own, foreign) = (series("a"), series("b"));
        let mut check = SeriesCheck::default();
        let mut batch = catalog.batch();
        batch.push(&own, Timestamp::default(), 1);
        assert_eq!(check.check(&batch, "node", "a"), Ok(()));
        batch.push(&foreign, Timestamp::default(), 1);
        for _ in 0..2 {
            let refusal = check.check(&batch, "node", "a").unwrap_err();
            assert_eq!(refusal.reason, Reason::Identity);
            assert!(refusal.message.contains("node=b"), "{refusal}");
        }
        let none = catalog
            .series(metric, Resource::LocalMachine, Consumer::LocalMachine)
            .register();
        let mut batch = catalog.batch();
        batch.push(&none, Timestamp::default(), 1);
        assert!(check.check(&batch, "node", "a").is_err());
    }
}
