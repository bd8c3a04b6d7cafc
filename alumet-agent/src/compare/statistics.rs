//! Numbers that say what many runs have in common.

use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// What is known of a quantity after some runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Statistics {
    pub(super) count: usize,
    pub(super) mean: f64,
    /// Of the sample (`n − 1`); none of a single run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) standard_deviation: Option<f64>,
    pub(super) median: f64,
    pub(super) min: f64,
    pub(super) max: f64,
    /// How many are beyond the fences of Tukey: more than 1.5 interquartile ranges from the middle half (J. W. Tukey,
    /// *Exploratory Data Analysis*, 1977).
    pub(super) outliers: usize,
}

/// One quantity against another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Comparison {
    /// The mean divided by the mean of the other.
    pub(super) ratio: f64,
    /// Its standard deviation, by propagation of those of both means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) ratio_deviation: Option<f64>,
    /// How probable a difference of the means as large as this one is by chance, by the test of Welch (B. L. Welch, *Biometrika*
    /// 34, 1947).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) p_value: Option<f64>,
}

impl Statistics {
    /// Of these values; none of none.
    pub(super) fn of(values: &[f64]) -> Option<Self> {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let (min, max) = (*sorted.first()?, *sorted.last()?);
        let count = sorted.len();
        let mean = sorted.iter().sum::<f64>() / count as f64;
        let squares = sorted.iter().map(|value| (value - mean).powi(2)).sum::<f64>();
        let [low, median, high] = [0.25, 0.5, 0.75].map(|part| quantile(&sorted, part));
        let reach = 1.5 * (high - low);
        let is_far = |value: &&f64| **value < low - reach || **value > high + reach;
        Some(Self {
            count,
            mean,
            standard_deviation: (count > 1).then(|| (squares / (count - 1) as f64).sqrt()),
            median,
            min,
            max,
            outliers: sorted.iter().filter(is_far).count(),
        })
    }

    /// How it differs from another one; nothing if that is zero.
    pub(super) fn against(&self, base: &Self) -> Option<Comparison> {
        if base.mean == 0.0 {
            return None;
        }
        let ratio = self.mean / base.mean;
        let deviations = self.standard_deviation.zip(base.standard_deviation);
        let relative = |deviation: f64, mean: f64| (deviation / mean).powi(2);
        Some(Comparison {
            ratio,
            ratio_deviation: deviations
                .filter(|_| self.mean != 0.0)
                .map(|(own, other)| ratio * (relative(own, self.mean) + relative(other, base.mean)).sqrt()),
            p_value: deviations.and_then(|(own, other)| self.welch(base, own, other)),
        })
    }

    fn welch(&self, base: &Self, own: f64, other: f64) -> Option<f64> {
        let difference = (self.mean - base.mean).abs();
        let [(a, n), (b, m)] = [(own, self.count), (other, base.count)]
            .map(|(deviation, count)| (deviation.powi(2) / count as f64, count as f64 - 1.0));
        if a + b == 0.0 {
            // Without any scatter, a difference is no chance.
            return Some(if difference == 0.0 { 1.0 } else { 0.0 });
        }
        let freedom = (a + b).powi(2) / (a.powi(2) / n + b.powi(2) / m);
        let distribution = StudentsT::new(0.0, 1.0, freedom).ok()?;
        Some(2.0 * distribution.sf(difference / (a + b).sqrt()))
    }
}

/// The value below which that part of the sorted values lies, linear between two of them (type 7 of R. J. Hyndman and Y. Fan,
/// *The American Statistician* 50, 1996).
fn quantile(sorted: &[f64], part: f64) -> f64 {
    let place = part * (sorted.len().saturating_sub(1)) as f64;
    let below = place.floor() as usize;
    let at = |index: usize| sorted.get(index).or(sorted.last()).copied().unwrap_or(f64::NAN);
    at(below) + (place - place.floor()) * (at(below + 1) - at(below))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_those_of_other_programs() {
        // summary(x); sd(x); quantile(x)
        let x = Statistics::of(&[
            27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1, 21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4,
        ]);
        let x = x.unwrap();
        assert!((x.mean - 20.82).abs() < 0.001 && x.median == 21.0, "{x:?}");
        assert!((x.standard_deviation.unwrap() - 2.804_894).abs() < 1e-5, "{x:?}");
        assert_eq!((x.min, x.max, x.outliers, x.count), (16.9, 27.5, 1, 15));
        let y = Statistics::of(&[
            27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 31.3,
        ]);
        let y = y.unwrap();
        assert_eq!(y.outliers, 2);
        let p = x.against(&y).unwrap().p_value.unwrap();
        assert!((p - 0.006_460_408).abs() < 1e-8, "{p}");
        // The first example of the article on Welch's test in Wikipedia, as it stands there.
        let z = Statistics::of(&[
            27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0, 24.8, 20.2, 21.9, 22.1, 22.9, 20.5, 24.4,
        ]);
        let p = z.unwrap().against(&x).unwrap().p_value.unwrap();
        assert!((p - 0.021_378).abs() < 1e-6, "{p}");
    }

    #[test]
    fn a_single_run_has_no_deviation_and_nothing_to_compare_it_by() {
        let one = Statistics::of(&[2.0]).unwrap();
        assert_eq!((one.standard_deviation, one.median, one.outliers), (None, 2.0, 0));
        let twice = Statistics::of(&[4.0]).unwrap().against(&one).unwrap();
        assert_eq!(
            (twice.ratio, twice.p_value, twice.ratio_deviation),
            (2.0, None, None)
        );
        assert_eq!(Statistics::of(&[]), None);
        let zero = Statistics::of(&[0.0]).unwrap();
        assert_eq!(one.against(&zero), None);
    }

    #[test]
    fn values_without_scatter_differ_for_certain_or_not_at_all() {
        let (a, b) = (
            Statistics::of(&[1.0, 1.0]).unwrap(),
            Statistics::of(&[2.0, 2.0]).unwrap(),
        );
        assert_eq!(b.against(&a).unwrap().p_value, Some(0.0));
        assert_eq!(a.against(&a).unwrap().p_value, Some(1.0));
    }
}
