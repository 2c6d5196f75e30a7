//! Moments against their definition, the tree against the whole, every kernel against the others.

use proptest::collection::vec;
use proptest::prelude::{Strategy, prop_assert, prop_assert_eq, proptest};

use fruitnode_coordinator::tree::{ReducePlan, TreeNode};

use super::kernel::Kernel;
use super::{Moments, MomentsError, gather, merge};

/// Rows without a pattern, about 0, from a fixed generator.
fn rows(count: usize, dim: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    (0..count * dim)
        .map(|_| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            ((state >> 40) as f32 - 8_388_608.0) / 1_048_576.0
        })
        .collect()
}

/// The definition, one chain after the other.
fn by_definition(values: &[f32], dim: usize) -> Moments {
    let count = values.len() / dim;
    let column = |j: usize| values.iter().skip(j).step_by(dim).map(|&v| f64::from(v));
    let shift: Vec<f64> = values[..dim].iter().map(|&v| f64::from(v)).collect();
    let offset: Vec<f64> =
        (0..dim).map(|j| column(j).map(|v| v - shift[j]).sum::<f64>() / count as f64).collect();
    let deviation = |j: usize| column(j).map(|v| (v - shift[j]) - offset[j]).collect::<Vec<_>>();
    let deviations: Vec<Vec<f64>> = (0..dim).map(deviation).collect();
    let mut m2 = Vec::new();
    for i in 0..dim {
        for j in i..dim {
            let pairs = deviations[i].iter().zip(&deviations[j]);
            m2.push(pairs.fold(0.0, |sum, (a, b)| a.mul_add(*b, sum)));
        }
    }
    let mean = shift.iter().zip(&offset).map(|(s, o)| s + o).collect();
    Moments::from_parts(count as u64, mean, m2).expect("a whole triangle")
}

fn reduce(plan: ReducePlan, node: TreeNode, parts: &[Moments]) -> Moments {
    match plan.children(node) {
        None => parts[plan.leaves(node).start as usize].clone(),
        Some((left, right)) => {
            Moments::merge(&reduce(plan, left, parts), &reduce(plan, right, parts))
                .expect("one dimension")
        }
    }
}

fn reduced(values: &[f32], dim: usize, rows_per_part: usize) -> Moments {
    let parts: Vec<Moments> =
        values.chunks(rows_per_part * dim).map(|part| Moments::of_rows(part, dim)).collect();
    let plan = ReducePlan::new(u32::try_from(parts.len()).expect("few parts"));
    reduce(plan, plan.root().expect("some rows"), &parts)
}

/// Largest difference of second moments, as a part of what the diagonals allow.
fn distance(a: &Moments, b: &Moments) -> f64 {
    let mut most: f64 = 0.0;
    for i in 0..a.dim() {
        for (offset, (x, y)) in a.m2_row(i).iter().zip(b.m2_row(i)).enumerate() {
            let size = (a.m2_diagonal(i) * a.m2_diagonal(i + offset)).sqrt();
            most = most.max(if x == y { 0.0 } else { (x - y).abs() / size });
        }
    }
    most
}

#[test]
fn every_kernel_gives_the_bits_of_the_definition() {
    // Around the edges of tiles (8 and 24 columns) and of blocks (128 rows).
    for dim in [1, 2, 7, 8, 9, 23, 24, 25, 31, 48, 50, 73] {
        for count in [1, 2, 127, 128, 129, 300] {
            let values = rows(count, dim, 7);
            let expected = by_definition(&values, dim);
            for kernel in Kernel::available() {
                let found = gather::moments(kernel, &values, dim);
                assert_eq!(found, expected, "{count} x {dim} with {kernel:?}");
                assert_eq!(found.digest(), expected.digest());
            }
        }
    }
}

#[test]
fn every_kernel_merges_to_the_same_bits() {
    for dim in [1, 5, 8, 17, 64] {
        let left = Moments::of_rows(&rows(20, dim, 1), dim);
        let right = Moments::of_rows(&rows(33, dim, 2), dim);
        let mut digests: Vec<_> = Kernel::available()
            .into_iter()
            .map(|kernel| merge::merge(kernel, &left, &right).expect("one dimension"))
            .map(|moments| moments.digest())
            .collect();
        digests.dedup();
        assert_eq!(digests.len(), 1, "{dim}");
    }
}

#[test]
fn a_constant_column_keeps_its_value_and_has_no_moment_whatever_is_merged() {
    let (dim, constants) = (5, [0.1f32, -3.0e30, 16_777_217.0]);
    let mut values = rows(1000, dim, 3);
    for row in values.chunks_exact_mut(dim) {
        row[..3].copy_from_slice(&constants);
    }
    for rows_per_part in [1, 7, 128, 999, 1000] {
        let moments = reduced(&values, dim, rows_per_part);
        for (column, constant) in constants.into_iter().enumerate() {
            assert_eq!(moments.mean()[column], f64::from(constant));
            assert!(moments.m2_row(column).iter().all(|&m2| m2 == 0.0));
        }
        assert!(moments.m2_diagonal(3) > 0.0);
    }
}

#[test]
fn an_empty_side_gives_the_other_bit_for_bit() {
    let some = Moments::of_rows(&rows(10, 6, 4), 6);
    let none = Moments::empty(6);
    assert_eq!(Moments::of_rows(&[], 6), none);
    for merged in [Moments::merge(&some, &none), Moments::merge(&none, &some)] {
        assert_eq!(merged.map(|moments| moments.digest()), Ok(some.digest()));
    }
    assert_eq!(Moments::merge(&none, &none), Ok(none));
}

#[test]
fn moments_of_different_columns_do_not_merge() {
    let (left, right) = (3, 4);
    assert_eq!(
        Moments::merge(&Moments::empty(left), &Moments::empty(right)),
        Err(MomentsError::DimensionMismatch { left, right })
    );
    let expected = MomentsError::WrongLength { dim: 2, found: 4, expected: 3 };
    assert_eq!(Moments::from_parts(1, vec![0.0; 2], vec![0.0; 4]), Err(expected));
}

#[test]
fn a_far_mean_costs_no_digits() {
    // A tenth wide and 8,192 away from 0, in values that f32 holds exactly.
    let near: Vec<f32> = rows(4096, 3, 9).iter().map(|v| (v * 16.0).round() / 1024.0).collect();
    let far: Vec<f32> = near.iter().map(|v| v + 8192.0).collect();
    // In one part nothing is lost at all; a merge sees means that are rounded.
    assert_eq!(reduced(&near, 3, 4096).m2(), reduced(&far, 3, 4096).m2());
    for rows_per_part in [100, 1024] {
        let [near, far] = [&near, &far].map(|values| reduced(values, 3, rows_per_part));
        assert!(distance(&near, &far) < 1e-11, "{}", distance(&near, &far));
    }
}

#[test]
fn covariance_divides_by_what_is_asked_and_is_symmetric() {
    let moments = Moments::of_rows(&[1.0, 10.0, 2.0, 30.0, 6.0, 50.0], 2);
    assert_eq!(moments.mean(), [3.0, 30.0]);
    assert_eq!(moments.covariance(0, 0, 1), Some(7.0));
    assert_eq!(moments.covariance(0, 1, 0), moments.covariance(1, 0, 0));
    assert_eq!(moments.covariance(1, 0, 1), Some(50.0));
    assert_eq!(moments.covariance(0, 0, 3), None);
    assert_eq!(Moments::empty(2).covariance(0, 0, 0), None);
}

#[test]
fn the_digest_covers_every_number() {
    let moments = Moments::of_rows(&rows(5, 3, 1), 3);
    let (count, mean, m2) = (moments.count, moments.mean.clone(), moments.m2.clone());
    let mut digests = vec![moments.digest()];
    let mut add = |count, mean: &[f64], m2: &[f64]| {
        let other = Moments::from_parts(count, mean.to_vec(), m2.to_vec());
        digests.push(other.expect("a whole triangle").digest());
    };
    add(count + 1, &mean, &m2);
    for i in 0..3 {
        let mut other = mean.clone();
        other[i] = f64::from_bits(other[i].to_bits() ^ 1);
        add(count, &other, &m2);
    }
    for i in 0..6 {
        let mut other = m2.clone();
        other[i] = f64::from_bits(other[i].to_bits() ^ 1);
        add(count, &mean, &other);
    }
    digests.sort_unstable();
    digests.dedup();
    assert_eq!(digests.len(), 11);
}

#[test]
fn what_is_not_finite_shows_in_the_mean_and_has_one_form() {
    for bad in [f32::NAN, -f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        for row in [0, 2] {
            let mut values = rows(4, 9, 5);
            values[row * 9 + 4] = bad;
            let portable = gather::moments(Kernel::portable(), &values, 9);
            assert!(!portable.is_finite() && !portable.mean()[4].is_finite());
            assert!(portable.mean()[3].is_finite());
            for kernel in Kernel::available() {
                let found = gather::moments(kernel, &values, 9);
                assert_eq!(found.digest(), portable.digest(), "{kernel:?}");
            }
        }
    }
}

fn splits() -> impl Strategy<Value = (usize, usize, usize, u64)> {
    (1..400usize, 1..30usize, 1..120usize, 0..1000u64)
}

proptest! {
    #[test]
    fn any_split_in_tree_order_is_close_to_the_whole((count, dim, part, seed) in splits()) {
        let values = rows(count, dim, seed);
        let whole = Moments::of_rows(&values, dim);
        let split = reduced(&values, dim, part);
        prop_assert_eq!(split.count(), whole.count());
        prop_assert!(distance(&whole, &split) < 1e-13);
        for (a, b) in whole.mean().iter().zip(split.mean()) {
            prop_assert!((a - b).abs() < 1e-14 * 16.0);
        }
        prop_assert_eq!(split.digest(), reduced(&values, dim, part).digest());
    }

    #[test]
    fn moments_survive_their_parts(values in vec(-1e3f32..1e3, 4..5usize)) {
        let moments = Moments::of_rows(&values, 2);
        let parts = (moments.count(), moments.mean().to_vec(), moments.m2().to_vec());
        prop_assert_eq!(Moments::from_parts(parts.0, parts.1, parts.2), Ok(moments));
    }
}
