//! What the eigenvalues say: shares of variance, rank, and how many components make a share.

/// An eigenvalue at or below this part of the largest, times the number of columns or of the rows
/// of a partition, is rounding: 2.8e-13 at 1,280 columns, about the square of what f32 resolves.
const RANK_TOLERANCE: f64 = f64::EPSILON;
/// The least multiple of it: the length of the sums behind each second moment.
const RANK_TERMS_MIN: usize = 1024;
/// A share is reached when no more than this is missing. Without it, 3 of 4 equal eigenvalues
/// would explain less than 75 % whenever one of them is rounded the wrong way.
const SHARE_TOLERANCE: f64 = 1e-12;

/// Eigenvalues below this are not told from 0.
pub(super) fn tolerance(spectrum: &[f64]) -> f64 {
    let terms = spectrum.len().max(RANK_TERMS_MIN) as f64;
    RANK_TOLERANCE * terms * spectrum.first().copied().unwrap_or(0.0)
}

/// Directions with variance. `n` rows have at most `n - 1`, whatever rounding says.
pub(super) fn rank(spectrum: &[f64], rows: u64) -> usize {
    let tolerance = tolerance(spectrum);
    let above = spectrum.iter().take_while(|&&v| v > tolerance).count();
    above.min(usize::try_from(rows.saturating_sub(1)).unwrap_or(usize::MAX))
}

/// Each eigenvalue's part of their sum.
pub(super) fn ratios(spectrum: &[f64]) -> Vec<f64> {
    let total = sum(spectrum);
    spectrum.iter().map(|value| value / total).collect()
}

/// Share of variance of the first component, of the first two, and so on: never falling, the last
/// exactly 1. Sums are compensated (Neumaier, 1974), for adding rounded ratios is what puts
/// counts off by one.
pub(super) fn cumulative(spectrum: &[f64]) -> Vec<f64> {
    let total = sum(spectrum);
    let mut running = Compensated::default();
    let mut reached: f64 = 0.0;
    spectrum
        .iter()
        .map(|&value| {
            running.add(value);
            reached = reached.max(running.value() / total).min(1.0);
            reached
        })
        .collect()
}

/// The fewest components that reach the share, or the share that all `rank` of them reach.
pub(super) fn components_for(share: f64, spectrum: &[f64], rank: usize) -> Result<usize, f64> {
    let cumulative = cumulative(spectrum);
    let within_rank = &cumulative[..rank];
    match within_rank.iter().position(|&reached| reached >= share - SHARE_TOLERANCE) {
        Some(index) => Ok(index + 1),
        None => Err(within_rank.last().copied().unwrap_or(0.0)),
    }
}

/// Runs of published components whose variances cannot be told apart, as (first, last) from 0.
pub(super) fn equal_runs(spectrum: &[f64], rank: usize, k: usize) -> Vec<(usize, usize)> {
    let tolerance = tolerance(spectrum);
    let mut runs = Vec::new();
    let mut first = 0;
    for last in 0..rank {
        let ends = last + 1 == rank || spectrum[last] - spectrum[last + 1] > tolerance;
        if ends {
            if last > first && first < k {
                runs.push((first, last));
            }
            first = last + 1;
        }
    }
    runs
}

/// Compensated sum, in the order given.
pub(super) fn sum(values: &[f64]) -> f64 {
    let mut sum = Compensated::default();
    for &value in values {
        sum.add(value);
    }
    sum.value()
}

#[derive(Default)]
struct Compensated {
    sum: f64,
    lost: f64,
}

impl Compensated {
    fn add(&mut self, value: f64) {
        let next = self.sum + value;
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - next) + value
        } else {
            (value - next) + self.sum
        };
        self.sum = next;
    }

    fn value(&self) -> f64 {
        self.sum + self.lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_that_is_met_exactly_takes_no_further_component() {
        let equal = [1.0 + 2e-16, 1.0, 1.0 - 1e-16, 1.0 - 2e-16];
        assert_eq!(components_for(0.25, &equal, 4), Ok(1));
        assert_eq!(components_for(0.5, &equal, 4), Ok(2));
        assert_eq!(components_for(0.75, &equal, 4), Ok(3));
        assert_eq!(components_for(0.7500001, &equal, 4), Ok(4));
        assert_eq!(components_for(0.2499999, &equal, 4), Ok(1));
    }

    #[test]
    fn a_share_beyond_the_rank_says_what_is_reachable() {
        let spectrum = [2.0, 1.0, 1e-9];
        let reachable = components_for(1.0 - 1e-11, &spectrum, 2).expect_err("not with two");
        assert!((reachable - 3.0 / (3.0 + 1e-9)).abs() < 1e-15);
    }

    #[test]
    fn a_hundred_tenths_of_a_percent_are_a_tenth() {
        // Adding 0.001 a hundred times in f64 gives 0.10000000000000007.
        let spectrum = vec![0.001; 1000];
        for k in 1..=1000 {
            let share = k as f64 / 1000.0;
            if share < 1.0 {
                assert_eq!(components_for(share, &spectrum, 1000), Ok(k));
            }
        }
        assert_eq!(cumulative(&spectrum).last(), Some(&1.0));
    }

    #[test]
    fn cumulative_shares_never_fall_and_end_at_one() {
        let spectrum: Vec<f64> = (0..200).map(|i| libm::pow(10.0, -0.1 * f64::from(i))).collect();
        let shares = cumulative(&spectrum);
        assert!(shares.windows(2).all(|pair| pair[0] <= pair[1]));
        assert_eq!(shares.last(), Some(&1.0));
    }

    #[test]
    fn rank_counts_what_stands_above_rounding_and_never_reaches_the_rows() {
        let spectrum = [1.0, 1e-12, 1e-14, 0.0];
        assert_eq!(rank(&spectrum, 100), 2);
        assert_eq!(rank(&spectrum, 2), 1);
        assert_eq!(rank(&[0.0, 0.0], 10), 0);
    }

    #[test]
    fn runs_of_equal_variances_are_found_where_they_touch_what_is_published() {
        let spectrum = [5.0, 3.0, 3.0, 3.0, 1.0, 0.5, 0.5];
        assert_eq!(equal_runs(&spectrum, 7, 2), [(1, 3)]);
        assert_eq!(equal_runs(&spectrum, 7, 7), [(1, 3), (5, 6)]);
        assert_eq!(equal_runs(&spectrum, 7, 1), []);
    }
}
