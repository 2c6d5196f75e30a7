//! What the plot and the table of the spectrum say, and their digests.

use super::chart::{Chart, LEFT, RIGHT};
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
fn the_picture_draws_thirty_to_sixty_components_if_there_are_as_many() {
    for (rank, k, bars) in [(1_280, 2, 30), (1_280, 45, 45), (1_280, 100, 60), (12, 2, 12)] {
        let picture = svg(rank, k, Target::Components(k));
        let drawn = picture.matches("<rect class=\"kept\"").count()
            + picture.matches("<rect class=\"rest\"").count();
        // Two more are the legend's.
        assert_eq!(drawn, bars + 2, "rank {rank}, k {k}");
    }
}

#[test]
fn the_border_stands_after_the_last_kept_component_or_points_beyond() {
    assert!(svg(1_280, 2, Target::Components(2)).contains(">k = 2<"));
    assert!(svg(1_280, 60, Target::Components(60)).contains("class=\"cut\" d=\"M896 "));
    let beyond = svg(1_280, 1_100, Target::Components(1_100));
    assert!(beyond.contains(">k = 1,100 →<"));
    assert!(!beyond.contains("class=\"cut\" d="));
}

#[test]
fn a_share_that_was_asked_for_is_drawn_and_a_count_is_not() {
    assert!(svg(100, 7, Target::Share(0.95)).contains(">95 % asked for<"));
    assert!(!svg(100, 7, Target::Components(7)).contains("class=\"goal\" d="));
}

#[test]
fn the_picture_says_what_it_shows_to_those_who_cannot_see_it() {
    let picture = svg(1_280, 50, Target::Components(50));
    assert!(
        picture.contains("22,688 photographs, 1,280 features: 50 components keep 98.84 %</desc>")
    );
    for foreign in ["<script", "href", "http://www.w3.org/1999", "@import", "url("] {
        assert!(!picture.contains(foreign), "{foreign}");
    }
}

#[test]
fn every_scale_has_a_handful_of_ticks_and_the_largest_share_below_the_last() {
    for largest in [1.0, 0.5, 0.1234, 0.031, 0.004, 0.0009] {
        let chart = Chart::new(1_280, 50, largest);
        assert!((1..=6).contains(&chart.ticks), "{largest}");
        assert!(chart.step * chart.ticks as f64 >= largest * 0.999_999);
        assert!(chart.x(0) >= LEFT && chart.x(chart.bars) <= RIGHT + 1e-9);
    }
}

/// A digest that changes here means that published bytes change: say so in the release notes.
#[test]
fn the_bytes_are_those_of_the_last_release() {
    let digest = sha256(svg(1_280, 50, Target::Share(0.95)).as_bytes()).hex();
    assert_eq!(digest[..16], *"e1cfd8d8c0ad434a");
}
