//! What each event costs, learnt from the power of the whole machine.

/// Learns the joules of a CPU second and of each event by least squares.
///
/// The power of an interval is taken for the sum of a constant and of rates times weights. Earlier intervals count less and less
/// (recursive least squares in information form, with a forgetting factor: Ljung, "System Identification", 1999, 11.2), and no weight is
/// negative, for nothing that is done gives energy back (coordinate descent: Franc, Hlaváč, Navara, "Sequential Coordinate-Wise Algorithm
/// for the Non-negative Least Squares Problem", 2005).
#[derive(Debug, Clone, Default)]
pub(crate) struct Weights {
    /// Sums of products of rates, a row after the other, and of rates and power; the first rate is the constant 1.
    products: Vec<f64>,
    powers: Vec<f64>,
    /// How many intervals count.
    points: f64,
}

impl Weights {
    /// An interval counts half as much after 700 others.
    const FORGETTING: f64 = 0.999;
    /// For each weight.
    const LEAST_POINTS: f64 = 10.0;
    /// A rate of which the others tell all but this part cannot be told from them.
    const LEAST_OWN_PART: f64 = 1e-4;

    /// Learns from what was counted in an interval, and the energy of that interval.
    pub(crate) fn learn(&mut self, counts: &[f64], joules: f64, seconds: f64) {
        let rates: Vec<_> = std::iter::once(1.0)
            .chain(counts.iter().map(|count| count / seconds))
            .collect();
        let watts = joules / seconds;
        if !rates.iter().chain([&watts]).all(|value| value.is_finite()) {
            return;
        }
        let length = rates.len();
        self.products.resize(length * length, 0.0);
        self.powers.resize(length, 0.0);
        self.points = self.points * Self::FORGETTING + 1.0;
        for (row, rate) in rates.iter().enumerate() {
            self.powers[row] = self.powers[row] * Self::FORGETTING + rate * watts;
            for (column, other) in rates.iter().enumerate() {
                let product = &mut self.products[row * length + column];
                *product = *product * Self::FORGETTING + rate * other;
            }
        }
    }

    /// The joules of one of each that is counted.
    ///
    /// # Errors
    /// Why they are not known.
    pub(crate) fn fit(&self) -> Result<Vec<f64>, &'static str> {
        let length = self.powers.len();
        if self.points < Self::LEAST_POINTS * length.max(1) as f64 {
            return Err("too few intervals of energy have been seen to learn from");
        }
        // Rates differ by many orders of magnitude.
        let scale: Vec<_> = (0..length)
            .map(|index| self.products[index * length + index].sqrt())
            .collect();
        if scale.contains(&0.0) {
            return Err("a counter has not counted anything");
        }
        let products: Vec<_> = (0..length * length)
            .map(|index| self.products[index] / scale[index / length] / scale[index % length])
            .collect();
        let (lower, least_own_part) = decompose(&products, length);
        if least_own_part < Self::LEAST_OWN_PART {
            return Err("the counters rise and fall together, so that what each costs cannot be told");
        }
        let powers: Vec<_> = self
            .powers
            .iter()
            .zip(&scale)
            .map(|(power, scale)| power / scale)
            .collect();
        let mut weights = solve(&lower, &powers);
        if weights.iter().skip(1).any(|weight| *weight < 0.0) {
            descend(&products, &powers, &mut weights);
        }
        let weights = weights.iter().zip(&scale).map(|(weight, scale)| weight / scale);
        Ok(weights.skip(1).collect())
    }
}

/// The Cholesky decomposition of a matrix with ones on its diagonal, and its smallest pivot: the part of a rate that those before it do
/// not tell.
fn decompose(products: &[f64], length: usize) -> (Vec<f64>, f64) {
    let mut lower = vec![0.0; length * length];
    let mut least = f64::INFINITY;
    for row in 0..length {
        for column in 0..=row {
            let known: f64 = (0..column)
                .map(|k| lower[row * length + k] * lower[column * length + k])
                .sum();
            let rest = products[row * length + column] - known;
            if row == column {
                least = least.min(rest);
                lower[row * length + column] = rest.max(f64::MIN_POSITIVE).sqrt();
            } else {
                lower[row * length + column] = rest / lower[column * length + column];
            }
        }
    }
    (lower, least)
}

/// The weights with the least error, from the decomposition.
fn solve(lower: &[f64], powers: &[f64]) -> Vec<f64> {
    let length = powers.len();
    let mut weights = powers.to_vec();
    for row in 0..length {
        let known: f64 = (0..row).map(|k| lower[row * length + k] * weights[k]).sum();
        weights[row] = (weights[row] - known) / lower[row * length + row];
    }
    for row in (0..length).rev() {
        let known: f64 = (row + 1..length)
            .map(|k| lower[k * length + row] * weights[k])
            .sum();
        weights[row] = (weights[row] - known) / lower[row * length + row];
    }
    weights
}

/// Moves weights to those with the least error of which none but the first is negative.
fn descend(products: &[f64], powers: &[f64], weights: &mut [f64]) {
    const MOST_SWEEPS: usize = 2000;
    let length = powers.len();
    for _ in 0..MOST_SWEEPS {
        let mut moved: f64 = 0.0;
        for index in 0..length {
            let explained: f64 = (0..length)
                .map(|other| products[index * length + other] * weights[other])
                .sum();
            let step = weights[index] + powers[index] - explained;
            let step = if index == 0 { step } else { step.max(0.0) };
            moved = moved.max((step - weights[index]).abs());
            weights[index] = step;
        }
        let largest = weights
            .iter()
            .fold(0.0_f64, |largest, weight| largest.max(weight.abs()));
        if moved <= 1e-9 * largest {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A number between 0 and 1 that looks random.
    fn noise(seed: u64) -> f64 {
        let mixed = (seed.wrapping_add(1)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ (mixed >> 32)) as u32 as f64 / f64::from(u32::MAX)
    }

    #[test]
    fn too_little_and_too_similar_experience_is_none() {
        let mut weights = Weights::default();
        assert!(weights.fit().is_err());
        (0..29).for_each(|point| weights.learn(&[noise(point), noise(point + 100)], 1.0, 1.0));
        assert!(weights.fit().is_err_and(|reason| reason.contains("too few")));
        weights.learn(&[0.3, 0.7], 1.0, 1.0);
        weights.learn(&[0.1, 0.2], 1.0, 1.0);
        assert!(weights.fit().is_ok());
        let mut same = Weights::default();
        (0..100).for_each(|point| same.learn(&[noise(point), 2.0 * noise(point)], 1.0, 1.0));
        assert!(same.fit().is_err_and(|reason| reason.contains("together")));
        let mut none = Weights::default();
        (0..100).for_each(|point| none.learn(&[noise(point), 0.0], 1.0, 1.0));
        assert!(none.fit().is_err_and(|reason| reason.contains("not counted")));
    }

    #[test]
    fn what_changes_is_learnt_anew() {
        let mut weights = Weights::default();
        for point in 0..20_000_u64 {
            let joules = if point < 10_000 { 5.0 } else { 9.0 };
            weights.learn(&[noise(point)], joules * noise(point), 1.0);
        }
        assert!((weights.fit().unwrap()[0] - 9.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn the_truth_is_found_and_never_less_than_nothing(
            constant in 0.0..50.0_f64,
            truth in proptest::collection::vec(prop_oneof![Just(0.0), 0.1..100.0_f64], 1..5),
            seed: u32,
            seconds in 0.1..10.0_f64,
        ) {
            let mut weights = Weights::default();
            for point in 0..500_u64 {
                // Events are many orders of magnitude more than seconds.
                let counts: Vec<_> = (0..truth.len() as u64)
                    .map(|k| noise(u64::from(seed) + point * 10 + k) * seconds * 10_f64.powi(3 * k as i32))
                    .collect();
                let joules: f64 = counts.iter().zip(&truth).enumerate()
                    .map(|(k, (count, weight))| count * weight / 10_f64.powi(3 * k as i32)).sum();
                let error = 1.0 + (noise(u64::from(seed) + point + 77) - 0.5) * 0.01;
                weights.learn(&counts, (joules + constant * seconds) * error, seconds);
            }
            for (k, (found, weight)) in weights.fit().unwrap().iter().zip(&truth).enumerate() {
                let found = found * 10_f64.powi(3 * k as i32);
                prop_assert!(found >= 0.0 && (found - weight).abs() < 1.0, "{found} for {weight}");
            }
        }
    }
}
