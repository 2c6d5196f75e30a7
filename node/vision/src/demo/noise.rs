//! Chance and texture: SplitMix64 (Steele, Lea, Flood 2014) and smooth noise on a lattice.

use super::geometry::Vec3;

/// A seeded generator; every picture has its own.
#[derive(Debug, Clone)]
pub(super) struct SplitMix {
    state: u64,
}

impl SplitMix {
    pub(super) fn new(seed: u64) -> Self {
        SplitMix { state: seed }
    }

    pub(super) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        scramble(self.state)
    }

    /// Evenly between `low` and `high`.
    pub(super) fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * unit(self.next())
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        unit(self.next()) < probability
    }

    /// A whole number below `end`.
    pub(super) fn below(&mut self, end: u32) -> u32 {
        (unit(self.next()) * f64::from(end)) as u32
    }
}

/// Smooth noise of 0 to 1 with features about 1 wide: lattice values, blended by cubics.
pub(super) fn noise(at: Vec3, seed: u64) -> f64 {
    let (fx, fy, fz) = (at.x.floor(), at.y.floor(), at.z.floor());
    let ease = |t: f64| t * t * (3.0 - 2.0 * t);
    let (tx, ty, tz) = (ease(at.x - fx), ease(at.y - fy), ease(at.z - fz));
    let (ix, iy, iz) = (fx as i64, fy as i64, fz as i64);
    let corner = |dx: i64, dy: i64, dz: i64| lattice(ix + dx, iy + dy, iz + dz, seed);
    let along_x = |dy, dz| blend(corner(0, dy, dz), corner(1, dy, dz), tx);
    let along_y = |dz| blend(along_x(0, dz), along_x(1, dz), ty);
    blend(along_y(0), along_y(1), tz)
}

/// Two octaves of [`noise`].
pub(super) fn clouds(at: Vec3, seed: u64) -> f64 {
    0.67 * noise(at, seed) + 0.33 * noise(at * 2.13, seed ^ 0x5bd1)
}

/// 0 to 1, of one point of the lattice.
fn lattice(x: i64, y: i64, z: i64, seed: u64) -> f64 {
    let key = (x as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        ^ (y as u64).wrapping_mul(0xc2b2_ae3d_27d4_eb4f)
        ^ (z as u64).wrapping_mul(0x1656_67b1_9e37_79f9);
    unit(scramble(key.wrapping_add(seed)))
}

fn blend(a: f64, b: f64, share: f64) -> f64 {
    a + (b - a) * share
}

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::super::geometry::vec3;
    use super::{SplitMix, noise};

    #[test]
    fn the_generator_gives_the_published_sequence() {
        let mut random = SplitMix::new(1_234_567);
        let expected = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973];
        assert_eq!([random.next(), random.next()], expected);
    }

    #[test]
    fn noise_is_smooth_and_stays_between_0_and_1() {
        let mut random = SplitMix::new(3);
        for _ in 0..1_000 {
            let mut side = || random.between(-9.0, 9.0);
            let at = vec3(side(), side(), side());
            let here = noise(at, 5);
            assert!((0.0..=1.0).contains(&here));
            assert!((noise(at + vec3(1e-6, 0.0, 0.0), 5) - here).abs() < 1e-5);
        }
    }
}
