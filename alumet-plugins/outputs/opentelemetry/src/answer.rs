//! What a collector says about points that it does not take.

use alumet_core::output::Receipt;

/// `ExportMetricsServiceResponse`
#[derive(prost::Message)]
pub(crate) struct Response {
    #[prost(message, optional, tag = "1")]
    partial_success: Option<PartialSuccess>,
}

/// `ExportMetricsPartialSuccess`
#[derive(prost::Message)]
struct PartialSuccess {
    #[prost(int64, tag = "1")]
    rejected_data_points: i64,
    #[prost(string, tag = "2")]
    error_message: String,
}

impl Response {
    /// Adds it to the receipt of those samples that have none of the `points` that were sent. The rest is said to be a warning,
    /// if it is one.
    ///
    /// It says how many points are rejected and not which, and nothing may come again, because the others are written. So it
    /// is the last ones that are counted as rejected.
    pub(crate) fn tell(self, receipt: &mut Receipt, points: usize) -> Option<String> {
        let PartialSuccess {
            rejected_data_points,
            error_message,
        } = self.partial_success?;
        let count = usize::try_from(rejected_data_points).unwrap_or_default();
        let position = receipt.position_of_kept();
        for point in (0..points).rev().take(count) {
            receipt.reject(position(point), &*error_message);
        }
        (count == 0 && !error_message.is_empty()).then_some(error_message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_points_are_rejected_as_the_server_counts_and_none_that_was_not_sent() {
        for (count, expected) in [(0, &[][..]), (-1, &[]), (2, &[1, 4]), (i64::MAX, &[0, 1, 4])] {
            let response = Response {
                partial_success: Some(PartialSuccess {
                    rejected_data_points: count,
                    error_message: "no".to_owned(),
                }),
            };
            let mut receipt = Receipt::all();
            receipt.reject(2, "not sent");
            receipt.reject(3, "not sent");
            let mut rejected = receipt.clone();
            let warning = response.tell(&mut receipt, 3);
            for position in expected.iter().rev() {
                rejected.reject(*position, "no");
            }
            assert_eq!(receipt, rejected);
            assert_eq!(warning.is_some(), expected.is_empty());
        }
        assert_eq!(Response::default().tell(&mut Receipt::all(), 5), None);
    }
}
