//! How far the work was at regular moments, in bounded memory however long it takes.

/// Moments kept: an hour by the second, or a day by the minute.
const POINTS_MAX: usize = 3_600;

/// Points at regular distances; when there are too many, every second one goes, and from then on
/// half as many come.
#[derive(Debug, Default)]
pub(super) struct Throughput {
    points: Vec<[u64; 3]>,
    /// Calls between two points, as a power of two.
    halvings: u32,
    calls: u64,
}

impl Throughput {
    /// Takes a point, or leaves it.
    pub(super) fn push(&mut self, point: [u64; 3]) {
        let due = self.calls.is_multiple_of(1 << self.halvings);
        self.calls += 1;
        if !due {
            return;
        }
        self.points.push(point);
        if self.points.len() == POINTS_MAX {
            let mut nth = 0;
            self.points.retain(|_| {
                nth += 1;
                nth % 2 == 1
            });
            self.halvings += 1;
        }
    }

    /// All points kept, in order.
    pub(super) fn points(&self) -> Vec<[u64; 3]> {
        self.points.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_long_a_run_takes_its_points_are_few_and_evenly_spread() {
        let mut throughput = Throughput::default();
        for second in 0..100_000 {
            throughput.push([second * 1_000, second, 0]);
        }
        let points = throughput.points();
        assert!(
            points.len() < POINTS_MAX && points.len() >= POINTS_MAX / 2 - 1,
            "{}",
            points.len()
        );
        let step = points[1][0] - points[0][0];
        assert!(points.windows(2).all(|pair| pair[1][0] - pair[0][0] == step), "{step}");
        assert_eq!(points[0][0], 0);
    }
}
