use std::time::Duration;

/// What a destination says of the samples of a delivery, which it has but for those named here.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Receipt {
    pub(crate) rejected: Vec<Rejection>,
    pub(crate) again: Vec<usize>,
    pub(crate) after: Option<Duration>,
}

/// A sample that the destination will never take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejection {
    /// Its position in the delivery.
    pub(crate) sample: usize,
    /// The words of the destination.
    pub(crate) reason: String,
}

impl Receipt {
    /// The destination has all samples.
    pub fn all() -> Self {
        Self::default()
    }

    /// The destination will never take the sample at this position of the delivery, and says why. It is dropped and
    /// counted, and the first of each reason is logged.
    pub fn reject(&mut self, sample: usize, reason: impl Into<String>) {
        self.rejected.push(Rejection {
            sample,
            reason: reason.into(),
        });
    }

    /// The destination does not take the sample at this position now; it comes again.
    pub fn again(&mut self, sample: usize) {
        self.again.push(sample);
    }

    /// What comes again comes not before this time has passed.
    pub const fn after(&mut self, pause: Duration) {
        self.after = Some(pause);
    }

    /// Which sample each of those is that are not rejected by now, by its number from 0 on: what a server means that counts the
    /// items of a request in which the others are left out. They were rejected by ascending position.
    pub fn position_of_kept(&self) -> impl Fn(usize) -> usize + use<> {
        let rejected = self.rejected.iter().enumerate();
        let kept_before: Vec<usize> = rejected
            .map(|(count, rejection)| rejection.sample.saturating_sub(count))
            .collect();
        move |number| number.saturating_add(kept_before.partition_point(|kept| *kept <= number))
    }

    /// Brings the positions into order, each once: what is rejected does not come again, and what the delivery does not
    /// have is nothing.
    pub(crate) fn settle(&mut self, len: usize) {
        self.rejected.retain(|rejection| rejection.sample < len);
        self.rejected.sort_by_key(|rejection| rejection.sample);
        self.rejected.dedup_by_key(|rejection| rejection.sample);
        let rejected = &self.rejected;
        self.again.retain(|sample| {
            *sample < len
                && rejected
                    .binary_search_by_key(sample, |rejection| rejection.sample)
                    .is_err()
        });
        self.again.sort_unstable();
        self.again.dedup();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_confused_destination_says_is_brought_into_order() {
        let mut receipt = Receipt::all();
        for sample in [7, 3, 3, 10] {
            receipt.reject(sample, "no");
        }
        for sample in [5, 3, 1, 5, 99] {
            receipt.again(sample);
        }
        receipt.settle(10);
        let rejected: Vec<_> = receipt
            .rejected
            .iter()
            .map(|rejection| rejection.sample)
            .collect();
        assert_eq!((rejected, receipt.again), (vec![3, 7], vec![1, 5]));
    }

    #[test]
    fn the_number_of_an_item_leads_to_the_sample_that_it_is_of() {
        for left_out in [&[][..], &[0], &[9], &[3, 4, 5], &[0, 1, 4, 8]] {
            let mut receipt = Receipt::all();
            left_out.iter().for_each(|sample| receipt.reject(*sample, "no"));
            let position = receipt.position_of_kept();
            let found: Vec<_> = (0..10 - left_out.len()).map(position).collect();
            let kept: Vec<_> = (0..10).filter(|sample| !left_out.contains(sample)).collect();
            assert_eq!(found, kept);
            // What there is not, no delivery has either.
            let position = receipt.position_of_kept();
            assert!(position(10 - left_out.len()) >= 10 && position(usize::MAX) >= 10);
        }
    }
}
