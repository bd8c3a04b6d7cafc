//! What the gateway says is stored.

use std::collections::HashMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use alumet_core::Timestamp;
use serde_json::Value;

use crate::dump::Expected;
use crate::process::get;

/// Asks a gateway for what was measured since an instant.
pub(crate) struct Stored {
    port: u16,
    range: String,
}

impl Stored {
    /// One that listens at this port.
    pub(crate) fn new(port: u16, since: Timestamp) -> Self {
        Self {
            port,
            range: format!("resource_kind=gpu&from={:.3}", since.as_nanos() as f64 / 1e9),
        }
    }

    /// Waits until there is anything.
    pub(crate) fn wait_for_first(&self) {
        let first = self.wait_for(1, Duration::from_secs(60));
        assert!(first.is_some(), "nothing arrives");
    }

    /// Waits until there are so many samples; says how long that took, if it did not take too long.
    pub(crate) fn wait_for(&self, samples: u64, patience: Duration) -> Option<Duration> {
        let begin = Instant::now();
        let path = format!("/api/v1/query?{}&aggregate=count&by=resource_kind", self.range);
        loop {
            let answer = get(self.port, &path);
            let found = answer["rows"][0]["points"][0][1].as_f64().unwrap_or_default();
            if found >= samples as f64 {
                return Some(begin.elapsed());
            }
            if begin.elapsed() > patience {
                return None;
            }
            sleep(Duration::from_millis(50));
        }
    }

    /// The series that have not exactly what is expected.
    pub(crate) fn differences(&self, expected: &Expected) -> Vec<String> {
        let (mut counts, mut means) = (self.of_series("count"), self.of_series("mean"));
        let mut differences = Vec::new();
        for (series, (count, sum)) in &expected.series {
            let found = counts.remove(series).unwrap_or_default();
            let mean = means.remove(series).unwrap_or_default();
            let expected = sum / *count as f64;
            // Sums of floats, in another order.
            let is_equal = (mean - expected).abs() <= 1e-9 * expected.abs();
            if *count > 0 && (found != *count as f64 || !is_equal) {
                differences.push(format!(
                    "{series:?}: {found} samples of {count}, mean {mean} instead of {expected}"
                ));
            }
        }
        differences.extend(
            counts
                .into_keys()
                .map(|series| format!("{series:?}, which was never sent")),
        );
        differences
    }

    /// What is computed of each series.
    fn of_series(&self, aggregate: &str) -> HashMap<(String, String), f64> {
        let path = format!("/api/v1/query?{}&aggregate={aggregate}", self.range);
        let answer = get(self.port, &path);
        let rows = answer["rows"].as_array().expect("rows").iter();
        let text = |row: &Value, label: &str| row["labels"][label].as_str().unwrap_or_default().to_owned();
        rows.map(|row| {
            let key = (text(row, "resource_id"), text(row, "metric"));
            (key, row["points"][0][1].as_f64().unwrap_or_default())
        })
        .collect()
    }
}
