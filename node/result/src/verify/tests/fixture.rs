//! A published result in memory, made with the plainest arithmetic there is.

use std::collections::BTreeMap;
use std::io::{Error, ErrorKind, Result};

use crate::digest::sha256;
use crate::model::{
    ModelArrays, ModelFacts, SCHEMA_VERSION, Setting, Standardize, Target, Weights, model_json,
    model_npz, model_readme, model_safetensors,
};
use crate::names;
use crate::plots::{Cloud, Extremes, Sample, scatter};
use crate::report::{Classes, Components, Counts, Figure, File, Report};
use crate::rows::{BadRow, FeatureRows, ScoreRows, Subject};
use crate::scree::{scree_csv, scree_png, scree_svg};
use crate::verify::{Arithmetic, Published, Whole};
use crate::{
    FittedView, Success, csv_header, csv_rows, features_part, quarantine_part, scores_part,
};

pub(super) const DIM: usize = 5;
pub(super) const K: usize = 2;
const KEYS: [usize; 3] = [8, 5, 9];

/// Files by name.
#[derive(Clone, Default)]
pub(super) struct Memory(pub(super) BTreeMap<String, Vec<u8>>);

impl Published for Memory {
    fn list(&self) -> Result<Vec<String>> {
        Ok(self.0.keys().cloned().collect())
    }

    fn read(&self, name: &str) -> Result<Vec<u8>> {
        let none = || Error::new(ErrorKind::NotFound, "no such key");
        self.0.get(name).cloned().ok_or_else(none)
    }
}

impl Memory {
    /// Writes report and `_SUCCESS` anew, so that digests agree with whatever the files hold.
    pub(super) fn seal(&mut self, mut report: Report) {
        report.files = self.public(names::REPORT);
        self.0.insert(names::REPORT.to_owned(), report.to_bytes());
        let files = self.public("").into_keys().map(|name| {
            let digest = sha256(&self.0[&name]);
            (name, digest)
        });
        let success = Success { files: files.collect() };
        self.0.insert(names::SUCCESS.to_owned(), success.to_bytes());
    }

    fn public(&self, but: &str) -> BTreeMap<String, File> {
        let public = self.0.iter().filter(|(name, _)| {
            !name.starts_with("_run/") && *name != names::SUCCESS && *name != but
        });
        let file = |(name, bytes): (&String, &Vec<u8>)| {
            let file = File { bytes: bytes.len() as u64, sha256: sha256(bytes).hex() };
            (name.clone(), file)
        };
        public.map(file).collect()
    }
}

/// Sums in the order of the rows, nothing clever.
pub(super) struct Plain;

impl Arithmetic for Plain {
    type Moments = Whole;

    fn of_rows(&self, values: &[f32], dim: usize) -> Whole {
        let count = values.len() / dim;
        let mut mean = vec![0.0; dim];
        for row in values.chunks(dim) {
            for (mean, value) in mean.iter_mut().zip(row) {
                *mean += f64::from(*value) / count as f64;
            }
        }
        let mut products = vec![0.0; dim * dim];
        for row in values.chunks(dim) {
            for (at, product) in products.iter_mut().enumerate() {
                let (i, j) = (at / dim, at % dim);
                *product += (f64::from(row[i]) - mean[i]) * (f64::from(row[j]) - mean[j]);
            }
        }
        Whole { count: count as u64, mean, products }
    }

    fn merge(&self, left: Whole, right: Whole) -> Whole {
        let dim = left.mean.len();
        let (n, m) = (left.count as f64, right.count as f64);
        let apart: Vec<f64> = left.mean.iter().zip(&right.mean).map(|(a, b)| b - a).collect();
        let product = |at: usize| {
            let between = apart[at / dim] * apart[at % dim] * n * m / (n + m);
            left.products[at] + right.products[at] + between
        };
        Whole {
            count: left.count + right.count,
            mean: (0..dim).map(|j| left.mean[j] + apart[j] * m / (n + m)).collect(),
            products: (0..dim * dim).map(product).collect(),
        }
    }

    fn whole(&self, moments: &Whole) -> Whole {
        moments.clone()
    }

    fn project(&self, model: &FittedView<'_>, values: &[f32]) -> Vec<f32> {
        let (dim, center) = (model.mean.len(), model.center());
        let mut scores = Vec::new();
        for row in values.chunks(dim) {
            for component in model.components.chunks(dim) {
                let terms = (0..dim)
                    .map(|j| component[j] * (f64::from(row[j]) - center[j]) / model.scale[j]);
                scores.push(terms.sum::<f64>() as f32);
            }
        }
        scores
    }
}

/// Feature and bad rows per partition; the second partition has no bad row.
fn partitions() -> Vec<(FeatureRows, Vec<BadRow>)> {
    let mut state = 3u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 16_777_216.0
    };
    let mut key = 0;
    let mut all = Vec::new();
    for (partition, keys) in KEYS.into_iter().enumerate() {
        let (mut good, mut bad) = (FeatureRows { dim: DIM, ..FeatureRows::default() }, Vec::new());
        for at in 0..keys {
            let subject = Subject {
                path: format!("Apple/{key:03}.jpg"),
                label: [Some("Apple"), Some("=Pomme, \"d'été\""), None][key as usize % 3]
                    .map(str::to_owned),
                size: 4_000 + key,
                modified_us: 1_700_000_000_000_000,
            };
            key += 1;
            if partition != 1 && at % 4 == 3 {
                bad.push(BadRow {
                    subject,
                    code: ["denied", "jpeg_truncated"][at % 8 / 4].to_owned(),
                    detail: "ends early".to_owned(),
                });
                continue;
            }
            good.subjects.push(subject);
            let common = next();
            good.values.extend((0..DIM).map(|j| common * j as f32 + next()));
        }
        all.push((good, bad));
    }
    all
}

/// Eigenvalues and vectors (in rows) of a symmetric matrix, by Jacobi's rotations.
fn eigen(mut matrix: Vec<f64>, dim: usize) -> Vec<(f64, Vec<f64>)> {
    let mut vectors: Vec<f64> =
        (0..dim * dim).map(|at| f64::from(u8::from(at % (dim + 1) == 0))).collect();
    for _ in 0..60 {
        for (p, q) in (0..dim).flat_map(|p| (p + 1..dim).map(move |q| (p, q))) {
            let theta = 0.5
                * f64::atan2(2.0 * matrix[p * dim + q], matrix[q * dim + q] - matrix[p * dim + p]);
            let (s, c) = theta.sin_cos();
            for j in 0..dim {
                let (a, b) = (matrix[j * dim + p], matrix[j * dim + q]);
                (matrix[j * dim + p], matrix[j * dim + q]) = (c * a - s * b, s * a + c * b);
            }
            for j in 0..dim {
                let (a, b) = (matrix[p * dim + j], matrix[q * dim + j]);
                (matrix[p * dim + j], matrix[q * dim + j]) = (c * a - s * b, s * a + c * b);
                let (a, b) = (vectors[p * dim + j], vectors[q * dim + j]);
                (vectors[p * dim + j], vectors[q * dim + j]) = (c * a - s * b, s * a + c * b);
            }
        }
    }
    let mut pairs: Vec<(f64, Vec<f64>)> = (0..dim)
        .map(|i| (matrix[i * dim + i].max(0.0), vectors[i * dim..(i + 1) * dim].to_vec()))
        .collect();
    pairs.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (_, vector) in &mut pairs {
        let largest = vector.iter().copied().max_by(|a, b| a.abs().total_cmp(&b.abs())).unwrap();
        vector.iter_mut().for_each(|value| *value *= largest.signum());
    }
    pairs
}

pub(super) fn facts(standardize: Standardize, centred: bool) -> ModelFacts {
    let good = partitions().iter().map(|(good, _)| good.subjects.len() as u64).sum();
    ModelFacts {
        schema_version: SCHEMA_VERSION,
        dim: DIM as u32,
        rows: good,
        k: K as u32,
        rank: DIM as u32,
        target: Target::Components(K as u32),
        standardize,
        convention: "spark".to_owned(),
        centred,
        eigenvalue_ddof: 1,
        scale_ddof: 1,
        fit_class: "test".to_owned(),
        weights: Weights {
            family: "mobilenet_v2".to_owned(),
            width: "1.0".to_owned(),
            sha256: "00".repeat(32),
            dim: DIM as u32,
        },
        preprocessing: vec![Setting {
            name: "filter".to_owned(),
            value: "bicubic".to_owned(),
            origin: "default".to_owned(),
        }],
        pooling: "avg".to_owned(),
        compute_class: "cpu-test".to_owned(),
    }
}

fn fit(facts: &ModelFacts) -> ModelArrays {
    let leaves = partitions().into_iter().map(|(good, _)| Plain.of_rows(&good.values, DIM));
    // Three partitions: the first two, then the third.
    let whole = leaves.reduce(|left, right| Plain.merge(left, right)).unwrap();
    let freedom = whole.count as f64 - 1.0;
    let scale: Vec<f64> = (0..DIM)
        .map(|j| match facts.standardize {
            Standardize::MeanStd => (whole.products[j * DIM + j] / freedom).sqrt(),
            _ => 1.0,
        })
        .collect();
    let covariance = (0..DIM * DIM)
        .map(|at| whole.products[at] / freedom / scale[at / DIM] / scale[at % DIM])
        .collect();
    let pairs = eigen(covariance, DIM);
    let total: f64 = pairs.iter().map(|(value, _)| value).sum();
    ModelArrays {
        mean: whole.mean,
        scale,
        components: pairs.iter().take(K).flat_map(|(_, vector)| vector.clone()).collect(),
        eigenvalues: pairs.iter().map(|(value, _)| *value).collect(),
        ratios: pairs.iter().map(|(value, _)| value / total).collect(),
    }
}

/// A whole result, and its report, which [`Memory::seal`] needs again after a change.
pub(super) fn published(facts: &ModelFacts) -> (Memory, Report) {
    let arrays = fit(facts);
    let view = arrays.view(facts).unwrap();
    let mut files = BTreeMap::new();
    let mut csv = csv_header(K);
    let mut sample = Sample::against(Cloud::of(&view));
    let mut counts = Counts::default();
    let mut bytes = 0;
    for (partition, (good, bad)) in (0..).zip(partitions()) {
        let scores = ScoreRows {
            subjects: good.subjects.clone(),
            k: K,
            values: Plain.project(&view, &good.values),
        };
        csv.extend(csv_rows(&scores).unwrap());
        sample.push(&scores);
        counts.good += good.subjects.len() as u64;
        counts.bad += bad.len() as u64;
        bytes += good.subjects.iter().map(|subject| subject.size).sum::<u64>();
        bytes += bad.iter().map(|row| row.subject.size).sum::<u64>();
        for row in &bad {
            *counts.bad_by_code.entry(row.code.clone()).or_default() += 1;
        }
        files.insert(names::features_part(partition), features_part(&good).unwrap());
        files.insert(names::scores_part(partition), scores_part(&scores).unwrap());
        if !bad.is_empty() {
            files.insert(names::quarantine_part(partition), quarantine_part(&bad).unwrap());
        }
    }
    let picture = scatter(&sample, &view);
    counts.listed = counts.good + counts.bad;
    for (name, content) in [
        (names::CSV, csv),
        (names::SCREE_CSV, scree_csv(&view).unwrap()),
        (names::SCREE_SVG, scree_svg(&view).unwrap()),
        (names::SCREE_PNG, scree_png(&view).unwrap()),
        (names::SCATTER_SVG, picture.to_svg()),
        (names::SCATTER_PNG, picture.to_png().unwrap()),
        (names::EXTREMES_PNG, Extremes::default().to_png(&view).unwrap()),
        (names::MODEL_SAFETENSORS, model_safetensors(&view).unwrap()),
        (names::MODEL_JSON, model_json(&view).unwrap()),
        (names::MODEL_NPZ, model_npz(&view).unwrap()),
        (names::MODEL_README, model_readme(&view).unwrap()),
    ] {
        files.insert(name.to_owned(), content);
    }
    files.insert("_run/job-1/story.jsonl".to_owned(), b"{}\n".to_vec());
    let report = report(&view, counts, bytes);
    let mut memory = Memory(files);
    memory.seal(report.clone());
    (memory, report)
}

fn report(view: &FittedView<'_>, counts: Counts, bytes: u64) -> Report {
    let facts = view.facts;
    Report {
        schema_version: crate::report::SCHEMA_VERSION,
        fruitnode: "0.1.0".to_owned(),
        source: "s3://fruits/Test".to_owned(),
        counts,
        bytes,
        partitions: KEYS.len() as u32,
        options: BTreeMap::new(),
        preprocessing: facts.preprocessing.clone(),
        weights: facts.weights.clone(),
        pca: Some(Components {
            standardize: facts.standardize,
            convention: facts.convention.clone(),
            target: facts.target,
            k: facts.k,
            rank: facts.rank,
            share: view.share(),
            spectrum_head: view.ratios[..3].to_vec(),
            given: false,
        }),
        certificate: vec![Figure { name: "orthonormality".to_owned(), value: 1e-15, limit: 1e-10 }],
        classes: Classes { compute: "cpu/1".to_owned(), fit: Some(facts.fit_class.clone()) },
        warnings: Vec::new(),
        files: BTreeMap::new(),
    }
}
