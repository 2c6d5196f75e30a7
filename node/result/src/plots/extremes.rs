//! What the components mean, as pictures: the photographs at both ends of each of the first ones.

use super::picture::{Anchor, Ink, Picture};
use super::pixels::Photo;
use super::words::{counted, grouped, percent};
use crate::FittedView;
use crate::error::WriteError;
use crate::rows::ScoreRows;
use crate::thumbnails::{SIDE, Thumbnail, abreast, is_sampled};

/// Components shown.
const COMPONENTS_MAX: usize = 6;
/// Photographs at each end.
const ENDS: usize = 6;

const WIDTH: u32 = 960;
const LEFT: f64 = 24.0;
const RIGHT: f64 = 936.0;
const TOP: f64 = 96.0;
const PITCH: f64 = SIDE as f64 + 8.0;
const ROW: f64 = SIDE as f64 + 44.0;

/// A photograph at one end.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    score: f32,
    path: String,
    thumbnail: Thumbnail,
}

/// Photographs at one end of a component, scores ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Strip {
    /// Their keys.
    pub(crate) keys: Vec<String>,
    /// Their thumbnails side by side, as PNG.
    pub(crate) png: Vec<u8>,
}

/// The extremes found so far, among the photographs that have a thumbnail.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Extremes {
    /// Lowest and highest of each component.
    ends: Vec<[Vec<Seen>; 2]>,
    sampled: u64,
    rows: u64,
}

impl Extremes {
    /// Takes in the rows of a partition and its thumbnails, which are those of the rows that
    /// [`is_sampled`] chooses, of `listed` keys in all.
    ///
    /// # Errors
    /// When there are more or fewer thumbnails than such rows.
    pub fn push(
        &mut self,
        rows: &ScoreRows,
        thumbnails: Vec<Thumbnail>,
        listed: u64,
    ) -> Result<(), WriteError> {
        self.ends.resize_with(rows.k.min(COMPONENTS_MAX), Default::default);
        self.rows += rows.subjects.len() as u64;
        let scores = rows.subjects.iter().zip(rows.values.chunks_exact(rows.k.max(1)));
        let mut thumbnails = thumbnails.into_iter();
        for (subject, scores) in scores.filter(|(row, _)| is_sampled(&row.path, listed)) {
            let thumbnail = thumbnails.next().ok_or_else(too_few)?;
            self.sampled += 1;
            for (ends, score) in self.ends.iter_mut().zip(scores) {
                for (end, sign) in ends.iter_mut().zip([1.0, -1.0]) {
                    meet(end, sign, *score, &subject.path, &thumbnail);
                }
            }
        }
        if thumbnails.next().is_some() { Err(too_few()) } else { Ok(()) }
    }

    /// Whose extremes these are, in words.
    pub(crate) fn among(&self) -> String {
        match self.sampled == self.rows {
            true => format!("among {}", counted(self.rows, "photograph")),
            false => format!(
                "among {} of {}, chosen by the hash of their keys",
                grouped(self.sampled),
                counted(self.rows, "photograph")
            ),
        }
    }

    /// For each component its two ends as strips: the second is empty where one holds them all.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub(crate) fn strips(&self) -> Result<Vec<[Option<Strip>; 2]>, WriteError> {
        let ends = (0..self.ends.len()).map(|component| {
            let (low, high) = self.apart(component);
            Ok([strip(&low)?, strip(&high)?])
        });
        ends.collect()
    }

    /// The lowest and the highest of a component, scores ascending. Where there are so few that
    /// the ends would share some, the lowest are all there are.
    fn apart(&self, component: usize) -> (Vec<&Seen>, Vec<&Seen>) {
        let [low, high] = &self.ends[component];
        let rest = (self.sampled as usize).saturating_sub(ENDS).min(ENDS);
        let high = high.iter().take(rest).rev();
        match self.sampled as usize <= 2 * ENDS {
            true => (low.iter().chain(high).collect(), Vec::new()),
            false => (low.iter().collect(), high.collect()),
        }
    }

    /// The picture as PNG. `model` gives the shares.
    ///
    /// # Errors
    /// When the encoder refuses.
    pub fn to_png(&self, model: &FittedView<'_>) -> Result<Vec<u8>, WriteError> {
        let mut picture = Picture {
            width: WIDTH,
            height: (TOP + ROW * self.ends.len() as f64) as u32,
            title: "Photographs with the lowest and highest scores".to_owned(),
            summary: format!("{}; scores rise from left to right", self.among()),
            items: Vec::new(),
        };
        let mut photos = Vec::new();
        for component in 0..self.ends.len() {
            let top = TOP + ROW * component as f64;
            let share = percent(model.ratios.get(component).copied().unwrap_or(0.0), 1);
            let words = format!("component {} ({share} of variance)", component + 1);
            picture.text(Ink::Text, Anchor::Start, (LEFT, top), words);
            let (low, high) = self.apart(component);
            let from = RIGHT + 8.0 - high.len() as f64 * PITCH;
            for (strip, left) in [(low, LEFT), (high, from)] {
                photos.extend(strip.into_iter().zip(0..).map(|(seen, n)| Photo {
                    left: left + f64::from(n) * PITCH,
                    top: top + 10.0,
                    pixels: seen.thumbnail.clone(),
                }));
            }
        }
        picture.to_png_with(&photos)
    }
}

/// Thumbnails side by side, and whose they are.
fn strip(seen: &[&Seen]) -> Result<Option<Strip>, WriteError> {
    let pictures: Vec<&[u8]> = seen.iter().map(|seen| seen.thumbnail.as_slice()).collect();
    let png = match pictures.is_empty() {
        true => return Ok(None),
        false => abreast(&pictures)?,
    };
    Ok(Some(Strip { keys: seen.iter().map(|seen| seen.path.clone()).collect(), png }))
}

/// Keeps a photograph if it is nearer to the end than one that is there.
fn meet(end: &mut Vec<Seen>, sign: f32, score: f32, path: &str, thumbnail: &Thumbnail) {
    let at = end.partition_point(|seen| {
        (sign * seen.score).total_cmp(&(sign * score)).then_with(|| seen.path.as_str().cmp(path))
            == std::cmp::Ordering::Less
    });
    if at < ENDS {
        let (path, thumbnail) = (path.to_owned(), thumbnail.clone());
        end.insert(at, Seen { score, path, thumbnail });
        end.truncate(ENDS);
    }
}

fn too_few() -> WriteError {
    let reason = "thumbnails and rows do not belong together".to_owned();
    WriteError::Encode { format: "PNG", reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Subject;
    use crate::thumbnails::read_strip;

    fn part(paths: &[&str], scores: &[f32]) -> ScoreRows {
        let subject = |path: &&str| Subject {
            path: (*path).to_owned(),
            label: None,
            size: 1,
            modified_us: 0,
        };
        ScoreRows { subjects: paths.iter().map(subject).collect(), k: 1, values: scores.to_vec() }
    }

    fn thumbnails(count: usize) -> Vec<Thumbnail> {
        (0..count).map(|n| vec![n as u8; (SIDE * SIDE * 3) as usize]).collect()
    }

    #[test]
    fn the_ends_are_the_lowest_and_highest_whatever_the_order_of_parts() {
        let (first, second) = (["a", "b", "c", "d"], ["e", "f", "g", "h", "i"]);
        let parts =
            [part(&first, &[3.0, -1.0, 9.0, 3.0]), part(&second, &[-2.0, 8.0, 0.0, 0.5, 7.0])];
        let ends = |order: [usize; 2]| {
            let mut extremes = Extremes::default();
            for at in order {
                let thumbnails = thumbnails(parts[at].subjects.len());
                extremes.push(&parts[at], thumbnails, 9).unwrap();
            }
            extremes.ends
        };
        let found = ends([0, 1]);
        let keys =
            |end: usize| found[0][end].iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>();
        assert_eq!(keys(0), ["e", "b", "g", "h", "a", "d"]);
        assert_eq!(keys(1), ["c", "f", "i", "a", "d", "h"]);
        assert_eq!(found, ends([1, 0]));
    }

    #[test]
    fn no_photograph_is_shown_twice_however_few_there_are() {
        for (count, low, high) in
            [(1, 1, 0), (2, 2, 0), (7, 7, 0), (12, 12, 0), (13, 6, 6), (40, 6, 6)]
        {
            let paths: Vec<String> = (0..count).map(|n| format!("{n:02}")).collect();
            let paths: Vec<&str> = paths.iter().map(String::as_str).collect();
            let scores: Vec<f32> = (0..count).map(|n| n as f32).collect();
            let mut extremes = Extremes::default();
            extremes.push(&part(&paths, &scores), thumbnails(count), count as u64).unwrap();
            let strips = extremes.strips().unwrap();
            let keys = strips[0].iter().flatten().flat_map(|strip| strip.keys.clone());
            let keys: Vec<String> = keys.collect();
            let due = paths[..low].iter().chain(&paths[count - high..]);
            assert!(keys.iter().eq(due), "{count}: {keys:?}");
            assert_eq!(strips[0][1].is_some(), high > 0);
        }
    }

    #[test]
    fn thumbnails_of_other_rows_are_refused() {
        let rows = part(&["a", "b"], &[1.0, 2.0]);
        for count in [1, 3] {
            assert!(Extremes::default().push(&rows, thumbnails(count), 2).is_err(), "{count}");
        }
        let strip = crate::thumbnails::strip(&thumbnails(2)).unwrap();
        Extremes::default().push(&rows, read_strip(&strip.into()).unwrap(), 2).unwrap();
    }
}
