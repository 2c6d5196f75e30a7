//! What the plot and the table of the spectrum say, and their digests.

use super::*;
use crate::digest::sha256;
use crate::model::tests::{arrays, facts};
use crate::model::{ModelArrays, ModelFacts, Target};

/// A spectrum that falls as those of photographs do.
fn falling(dim: u32, k: u32, target: Target) -> (ModelFacts, ModelArrays) {
    let eigenvalues: Vec<f64> = (1..=dim).map(|n| 1.0 / f64::from(n * n)).collect();
    let total: f64 = eigenvalues.iter().sum();
    let arrays = ModelArrays {
        mean: vec![0.0; dim as usize],
        scale: vec![1.0; dim as usize],
        components: vec![0.0; (dim * k) as usize],
        ratios: eigenvalues.iter().map(|value| value / total).collect(),
        eigenvalues,
    };
    let facts = ModelFacts { dim, rows: 22_688, k, rank: dim, target, ..facts() };
    (facts, arrays)
}

fn svg(dim: u32, k: u32, target: Target) -> String {
    let (facts, arrays) = falling(dim, k, target);
    String::from_utf8(scree_svg(&arrays.view(&facts).unwrap()).unwrap()).unwrap()
}

#[test]
fn the_table_has_a_line_per_component_that_the_data_determine() {
    let facts = facts();
    let bytes = scree_csv(&arrays().view(&facts).unwrap()).unwrap();
    assert_eq!(
        String::from_utf8(bytes).unwrap(),
        "component,eigenvalue,ratio,cumulative,kept\n\
         1,2.0,0.5714285714285714,0.5714285714285714,true\n\
         2,1.0,0.2857142857142857,0.8571428571428571,true\n\
         3,0.5,0.14285714285714285,1.0,false\n"
    );
}

#[test]
fn the_picture_draws_thirty_components_if_there_are_as_many() {
    for (rank, k, bars) in [(1_280, 2, 30), (1_280, 100, 30), (12, 2, 12)] {
        let picture = svg(rank, k, Target::Components(k));
        let drawn = picture.matches("<rect class=\"kept\"").count()
            + picture.matches("<rect class=\"rest\"").count();
        assert_eq!(drawn, bars, "rank {rank}, k {k}");
    }
}

#[test]
fn every_crossing_lies_within_the_curve_and_is_told() {
    for (rank, k) in [(1, 1), (2, 1), (30, 30), (1_280, 2), (1_280, 1_100)] {
        let (facts, arrays) = falling(rank, k, Target::Components(k));
        let scales = Scales::of(&arrays.view(&facts).unwrap());
        let curve = scales.curve();
        assert_eq!(curve.first(), Some(&(0, 0.0)), "rank {rank}");
        assert_eq!(curve.last().unwrap().0, scales.until, "rank {rank}");
        assert!(scales.until >= k as usize && scales.until <= rank as usize);
        assert!(curve.len() <= 410, "{}", curve.len());
        let picture = svg(rank, k, Target::Components(k));
        for (share, needed) in scales.needed {
            assert!(curve.iter().any(|(count, _)| *count == needed), "{share}: {needed}");
            assert!(scales.share(needed) >= share, "{share}: {needed}");
            assert!(scales.share(needed - 1) < share, "{share}: {needed}");
            assert!(picture.contains(&format!(">{:.0} %: k = {needed}<", 100.0 * share)));
        }
    }
}

#[test]
fn a_share_that_was_asked_for_takes_what_the_fit_counted() {
    let (facts, arrays) = falling(100, 33, Target::Share(0.95));
    let scales = Scales::of(&arrays.view(&facts).unwrap());
    assert_eq!(scales.needed[2], (0.95, 33));
}

#[test]
fn the_picture_says_what_it_shows_to_those_who_cannot_see_it() {
    let picture = svg(1_280, 50, Target::Components(50));
    let words = "22,688 photographs, 1,280 features; 50 components kept, 98.84 % of the variance";
    assert!(picture.contains(&format!("{words}</desc>")), "{picture}");
    for foreign in ["<script", "href", "http://www.w3.org/1999", "@import", "url("] {
        assert!(!picture.contains(foreign), "{foreign}");
    }
}

/// A digest that changes here means that published bytes change: say so in the release notes.
#[test]
fn the_bytes_are_those_of_the_last_release() {
    let digest = sha256(svg(1_280, 50, Target::Share(0.95)).as_bytes()).hex();
    assert_eq!(digest[..16], *"9188665bdfce15c1");
}
