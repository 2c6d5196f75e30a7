//! The walk over the partitions: features, quarantine, scores and table lines side by side, one
//! partition in memory at a time.

use std::collections::BTreeMap;
use std::vec::IntoIter;

use super::arithmetic::{Arithmetic, Forest};
use super::csv::CsvCheck;
use super::folder::Folder;
use super::keys::Keys;
use super::model::Model;
use super::report::is_given;
use super::verdict::Check;
use crate::names::{self, CSV, Name, REPORT, SCATTER_PNG, SCATTER_SVG};
use crate::plots::{Cloud, Sample, scatter};
use crate::rows::{FeatureRows, ScoreRows};
use crate::{FittedView, Report, read_features_part, read_quarantine_part, read_scores_part};

/// What the walk found.
pub(super) struct Walk<M> {
    pub(super) rows: Check,
    pub(super) keys: Check,
    pub(super) scores: Check,
    pub(super) projection: Check,
    pub(super) csv: Option<Check>,
    /// Moments of all features, if every part is whole.
    pub(super) moments: Option<M>,
}

/// Walks over all partitions.
pub(super) fn walk<A: Arithmetic>(
    folder: &mut Folder<'_>,
    arithmetic: &A,
    with_pca: bool,
    model: Option<&Model>,
    report: Option<&Report>,
) -> Walk<A::Moments> {
    let published = folder.published;
    let view = model.and_then(Model::view);
    let table = match (with_pca, &view) {
        (true, Some(view)) => Some((published.open(CSV), view.k())),
        _ => None,
    };
    let quarantine = folder.parts(|name| match name {
        Name::Quarantine(part) => Some(part),
        _ => None,
    });
    let mut walker = Walker {
        folder,
        arithmetic,
        // Of a given model there is nothing to compare moments with.
        forest: (view.is_some() && !report.is_some_and(is_given)).then(Forest::new),
        sample: view.as_ref().map(|view| Sample::against(Cloud::of(view))),
        view,
        counted: Counted::default(),
        keys: Keys::default(),
        quarantine: quarantine.into_iter(),
        csv: None,
        on_rows: Check::new("rows"),
        on_keys: Check::new("keys"),
        on_scores: Check::new("scores"),
        on_projection: Check::new("projection"),
    };
    match table {
        Some((Ok(table), k)) => walker.csv = Some(CsvCheck::new(table, k)),
        Some((Err(error), _)) => walker.folder.unreadable(CSV, &error),
        None => {}
    }
    for part in walker.due_parts(with_pca, report) {
        walker.visit(part, with_pca);
    }
    walker.finish(with_pca, report)
}

#[derive(Default)]
struct Counted {
    good: u64,
    bad: u64,
    bad_by_code: BTreeMap<String, u64>,
    bytes: u64,
    scores: u64,
    projected: u64,
}

struct Walker<'f, 'a, A: Arithmetic> {
    folder: &'f mut Folder<'a>,
    arithmetic: &'f A,
    view: Option<FittedView<'f>>,
    counted: Counted,
    keys: Keys,
    quarantine: IntoIter<u32>,
    /// None without a model to compare with, and as soon as a features part is lost.
    forest: Option<Forest<A::Moments>>,
    csv: Option<CsvCheck<'a>>,
    /// None without a model, and as soon as a scores part is lost.
    sample: Option<Sample>,
    on_rows: Check,
    on_keys: Check,
    on_scores: Check,
    on_projection: Check,
}

impl<A: Arithmetic> Walker<'_, '_, A> {
    /// The parts to visit, after saying which should be there and are not.
    fn due_parts(&mut self, with_pca: bool, report: Option<&Report>) -> Vec<u32> {
        let features = self.folder.parts(|name| match name {
            Name::Features(part) => Some(part),
            _ => None,
        });
        let scores = self.folder.parts(|name| match name {
            Name::Scores(part) => Some(part),
            _ => None,
        });
        let partitions = report.map_or(features.len() as u64, |report| report.partitions.into());
        let whole = features.iter().map(|part| u64::from(*part)).eq(0..partitions);
        self.on_rows.expect(whole, || {
            format!(
                "features/: has {} parts, but there are {partitions} partitions, numbered from 0: \
                 run the job again",
                features.len()
            )
        });
        if !whole {
            self.forest = None;
        }
        self.on_scores.expect(!with_pca || scores == features, || {
            "pca/: does not have the same parts as features/: run the job again".to_owned()
        });
        features
    }

    fn visit(&mut self, part: u32, with_pca: bool) {
        let name = names::features_part(part);
        let features = self.features(&name);
        if let Some(rows) = &features {
            self.follow(rows, &name);
        } else {
            self.forest = None;
            self.on_rows.hinder(format!("{name} is damaged or missing"));
            self.on_keys.hinder(format!("{name} is damaged or missing"));
        }
        if with_pca {
            self.compare(part, features.as_ref());
        }
    }

    fn features(&mut self, name: &str) -> Option<FeatureRows> {
        let bytes = self.folder.load(name)?;
        match read_features_part(&bytes) {
            Ok(rows) => Some(rows),
            Err(error) => {
                self.on_rows.fail(format!("{name}: {error}"));
                None
            }
        }
    }

    /// Counts rows, follows their keys and adds them to the moments.
    fn follow(&mut self, rows: &FeatureRows, name: &str) {
        for subject in &rows.subjects {
            while self.keys.bad_up_to().is_none_or(|bad| bad <= subject.path.as_str()) {
                if !self.next_bad() {
                    break;
                }
            }
            self.keys.good(&subject.path, name, &mut self.on_keys);
            self.counted.bytes = self.counted.bytes.saturating_add(subject.size);
        }
        self.counted.good += rows.subjects.len() as u64;
        let dim = self.view.map_or(rows.dim, |view| view.mean.len());
        if rows.dim != dim {
            self.on_rows.fail(format!(
                "{name}: has {} features per row, but the model has {dim}: run the job again",
                rows.dim
            ));
            self.forest = None;
        }
        if let Some(forest) = &mut self.forest {
            let moments = self.arithmetic.of_rows(&rows.values, rows.dim);
            forest.push(moments, |left, right| self.arithmetic.merge(left, right));
        }
    }

    /// Takes in the next quarantine part; false when there is none.
    fn next_bad(&mut self) -> bool {
        let Some(part) = self.quarantine.next() else {
            return false;
        };
        let name = names::quarantine_part(part);
        let rows = match self.folder.load(&name).map(|bytes| read_quarantine_part(&bytes)) {
            Some(Ok(rows)) => rows,
            Some(Err(error)) => {
                self.on_rows.fail(format!("{name}: {error}"));
                return true;
            }
            None => {
                self.on_rows.hinder(format!("{name} is damaged or missing"));
                self.on_keys.hinder(format!("{name} is damaged or missing"));
                return true;
            }
        };
        for row in rows {
            self.keys.bad(&row.subject.path, &name, &mut self.on_keys);
            self.counted.bad += 1;
            self.counted.bytes = self.counted.bytes.saturating_add(row.subject.size);
            *self.counted.bad_by_code.entry(row.code).or_default() += 1;
        }
        true
    }

    /// Compares the scores with the features, and the table with the scores.
    fn compare(&mut self, part: u32, features: Option<&FeatureRows>) {
        let name = names::scores_part(part);
        let read = self.folder.load(&name).map(|bytes| read_scores_part(&bytes));
        let scores = match read {
            Some(Ok(scores)) => scores,
            lost => {
                if let Some(Err(error)) = lost {
                    self.on_scores.fail(format!("{name}: {error}"));
                }
                let reason = format!("{name} is damaged or missing");
                self.on_scores.hinder(reason.as_str());
                self.on_projection.hinder(reason.as_str());
                self.csv.iter_mut().for_each(|csv| csv.lose(&reason));
                self.sample = None;
                return;
            }
        };
        self.counted.scores += scores.subjects.len() as u64;
        if let Some(csv) = &mut self.csv {
            csv.rows(&scores);
        }
        if let Some(sample) = &mut self.sample {
            sample.push(&scores);
        }
        let Some(features) = features else {
            let reason = format!("{} is damaged or missing", names::features_part(part));
            self.on_scores.hinder(reason.as_str());
            self.on_projection.hinder(reason);
            return;
        };
        self.on_scores.expect(scores.subjects == features.subjects, || {
            format!(
                "{name}: its rows do not match those of {}: run the job again",
                names::features_part(part)
            )
        });
        self.project(&name, features, &scores);
    }

    fn project(&mut self, name: &str, features: &FeatureRows, scores: &ScoreRows) {
        let Some(view) = self.view else {
            self.on_projection.hinder("the model is damaged or missing");
            return;
        };
        let fits = features.dim == view.mean.len()
            && scores.k == view.k()
            && scores.subjects.len() == features.subjects.len();
        if !fits {
            self.on_projection.fail(format!(
                "{name}: {} rows of {} scores for {} rows of {} features, but the model makes {} \
                 of {}",
                scores.subjects.len(),
                scores.k,
                features.subjects.len(),
                features.dim,
                view.k(),
                view.mean.len()
            ));
            return;
        }
        let due = self.arithmetic.project(&view, &features.values);
        let differ = |at: &usize| {
            let due = due.get(*at).map(|due| due.to_bits());
            due != Some(scores.values[*at].to_bits())
        };
        let wrong: Vec<usize> = (0..scores.values.len()).filter(differ).collect();
        if let Some(first) = wrong.first() {
            self.on_projection.fail(format!(
                "{name}: {} scores do not match the model, the first one at `{}`, component {}: \
                 run the job again",
                wrong.len(),
                scores.subjects[first / scores.k].path,
                first % scores.k + 1
            ));
        }
        self.counted.projected += scores.values.len() as u64;
    }

    fn finish(mut self, with_pca: bool, report: Option<&Report>) -> Walk<A::Moments> {
        while self.next_bad() {}
        match report {
            Some(report) => self.compare_counts(report),
            None => self.on_rows.hinder(format!("{REPORT} is damaged or missing")),
        }
        let Counted { good, bad, bytes, .. } = self.counted;
        self.on_rows.figures(format!("{good} good, {bad} bad, {bytes} bytes of photographs"));
        self.on_keys.figures(format!("{} keys, each in one row", good + bad));
        self.compare_scatter();
        self.on_scores.figures(format!("{} rows", self.counted.scores));
        let projected = format!("{} scores, equal bit for bit", self.counted.projected);
        self.on_projection.figures(projected);
        let csv = self.csv.map(|csv| {
            let (check, end) = csv.finish();
            match end {
                Ok((found, size)) => drop(self.folder.judge(CSV, found, size)),
                Err(error) => self.folder.unreadable(CSV, &error),
            }
            check
        });
        let unread = || {
            let mut check = Check::new("csv");
            check.hinder("the model or the table is damaged or missing");
            check
        };
        Walk {
            rows: self.on_rows,
            keys: self.on_keys,
            scores: self.on_scores,
            projection: self.on_projection,
            csv: with_pca.then(|| csv.unwrap_or_else(unread)),
            moments: self
                .forest
                .and_then(|forest| forest.finish(|left, right| self.arithmetic.merge(left, right))),
        }
    }

    /// Draws the scores again, and compares both pictures.
    fn compare_scatter(&mut self) {
        let (Some(sample), Some(view)) = (self.sample.take(), self.view) else { return };
        let picture = scatter(&sample, &view);
        let drawn = [(SCATTER_SVG, Ok(picture.to_svg())), (SCATTER_PNG, picture.to_png())];
        for (name, due) in drawn {
            let Some(published) = self.folder.load(name) else {
                self.on_scores.hinder(format!("{name} is damaged or missing"));
                continue;
            };
            self.on_scores.expect(due.is_ok_and(|due| due == published), || {
                format!(
                    "{name}: does not match pca/, or was drawn by another release: verify with \
                     that release"
                )
            });
        }
    }

    fn compare_counts(&mut self, report: &Report) {
        // Rows of a damaged part were not counted, and their absence is no second finding.
        if self.on_rows.status == super::Status::NotMade {
            return;
        }
        let (said, counted) = (&report.counts, &self.counted);
        for (what, said, found) in [
            ("good rows", said.good, counted.good),
            ("bad rows", said.bad, counted.bad),
            ("rows in all", said.listed, counted.good + counted.bad),
            ("bytes of photographs", report.bytes, counted.bytes),
        ] {
            self.on_rows.expect(said == found, || {
                format!(
                    "{REPORT}: gives {said} {what}, but the parts have {found}: run the job again"
                )
            });
        }
        self.on_rows.expect(said.bad_by_code == counted.bad_by_code, || {
            format!("{REPORT}: its counts per code do not match _quarantine/: run the job again")
        });
    }
}
