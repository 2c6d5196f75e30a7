//! What a finished run says: a short table for people, one JSON document for programs.

use std::fmt::Write as _;

use indicatif::{HumanBytes, HumanCount};
use serde::Serialize;

use fruitnode_coordinator::ids::JobId;
use fruitnode_result::story::{Stage, Story, Work};

use crate::local::JobView;
use crate::tasks::JobContext;

/// The numbers of a finished run.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    schema_version: u32,
    outcome: &'static str,
    job: String,
    from: String,
    to: String,
    photographs: u64,
    bytes: u64,
    good: u64,
    quarantined: u64,
    /// Files that do not match `--pattern`.
    skipped: u64,
    /// Photographs that are hidden, excluded, or pictures of earlier results.
    passed_over: u64,
    /// Photographs of another time than was asked for.
    untimely: u64,
    #[serde(skip)]
    quarantine_words: Option<String>,
    features: usize,
    components: Option<u32>,
    gets: u64,
    gets_per_key: f64,
    inferences: u64,
    inferences_per_good_photograph: f64,
    inferences_wasted: u64,
    /// Photographs with features that an earlier run had finished.
    resumed: u64,
    failed_attempts: u32,
    threads: usize,
    kernel: String,
    preprocessing: String,
    /// What the report warns of.
    warnings: Vec<String>,
    #[serde(skip)]
    fit_warnings: Vec<String>,
    /// The whole job, from the first flag to the last rename.
    took_s: f64,
    photographs_per_s: f64,
    /// While features were made: what the processor and the kernels reach.
    photographs_per_s_features: f64,
    stages: std::collections::BTreeMap<String, Stage>,
    success_sha256: String,
}

impl Summary {
    /// Of a job that succeeded.
    pub(super) fn of(
        id: &JobId,
        context: &JobContext,
        view: &JobView,
        story: &Story,
        threads: usize,
        success_sha256: String,
    ) -> Self {
        let (keys, bytes) = view.listing.map_or((0, 0), |listing| (listing.keys, listing.bytes));
        let counts = &view.counts;
        let took_s = story.began().elapsed().as_secs_f64();
        let (stages, warnings) = (story.stages(), story.warnings());
        let extracting_s = stages
            .get("extract")
            .map_or(0.0, |stage| (stage.last_ended_ms - stage.first_began_ms) as f64 / 1e3);
        Self {
            schema_version: 1,
            outcome: "succeeded",
            job: id.to_string(),
            from: context.settings.from.clone(),
            to: context.settings.to.clone(),
            photographs: keys,
            bytes,
            good: counts.good,
            quarantined: counts.bad,
            skipped: Work::read(&story.work.skipped),
            passed_over: Work::read(&story.work.passed_over),
            untimely: Work::read(&story.work.untimely),
            quarantine_words: story.quarantine_words(),
            features: context.dim,
            components: view.components,
            gets: Work::read(&story.work.gets),
            gets_per_key: ratio(Work::read(&story.work.gets), keys),
            inferences: Work::read(&story.work.inferences),
            inferences_per_good_photograph: ratio(Work::read(&story.work.inferences), counts.good),
            inferences_wasted: Work::read(&story.work.inferences).saturating_sub(counts.inferences),
            resumed: Work::read(&story.work.resumed),
            failed_attempts: counts.failed_attempts,
            threads,
            kernel: context.extractor.kernel().to_string(),
            preprocessing: preprocessing(context),
            warnings: warnings.all,
            fit_warnings: warnings.of_fit,
            took_s,
            photographs_per_s: keys as f64 / took_s,
            photographs_per_s_features: keys as f64 / extracting_s.max(1e-3),
            stages,
            success_sha256,
        }
    }

    /// For programs.
    pub(super) fn json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers and strings are always JSON")
    }

    /// For people.
    pub(super) fn table(&self) -> String {
        let mut out = String::new();
        let mut line = |name: &str, text: String| {
            let _ = writeln!(out, "  {name:<26}{text}");
        };
        line(
            "photographs",
            format!("{} ({})", HumanCount(self.photographs), HumanBytes(self.bytes)),
        );
        line("rows of features", format!("{} x {}", HumanCount(self.good), self.features));
        line(
            "quarantined",
            match &self.quarantine_words {
                Some(words) => format!("{}: {words}", HumanCount(self.quarantined)),
                None => "0".to_owned(),
            },
        );
        if self.skipped > 0 {
            line("not matching --pattern", HumanCount(self.skipped).to_string());
        }
        if self.passed_over > 0 {
            let words = "hidden (. or _), excluded, or from earlier results";
            line("skipped", format!("{}: {words}", HumanCount(self.passed_over)));
        }
        if self.untimely > 0 {
            line("outside the time range", HumanCount(self.untimely).to_string());
        }
        if let Some(components) = self.components {
            line("components", components.to_string());
        }
        line("GETs per photograph", format!("{:.2}", self.gets_per_key));
        line("inferences per photograph", {
            let wasted = match self.inferences_wasted {
                0 => String::new(),
                wasted => format!(" ({wasted} wasted)"),
            };
            format!("{:.2}{wasted}", self.inferences_per_good_photograph)
        });
        if self.resumed > 0 {
            let words = "photographs that an earlier run had finished";
            line("resumed", format!("{} {words}", HumanCount(self.resumed)));
        }
        if self.failed_attempts > 0 {
            line("failed attempts", self.failed_attempts.to_string());
        }
        line("preprocessing", self.preprocessing.clone());
        line("speed", {
            let rate = self.photographs_per_s_features;
            let (threads, kernel) = (self.threads, &self.kernel);
            format!("{rate:.0} photographs/s for features, {threads} threads, {kernel}")
        });
        line("time", {
            let (took, rate) = (self.took_s, self.photographs_per_s);
            format!("{took:.1} s, {rate:.0} photographs/s overall")
        });
        for warning in &self.fit_warnings {
            let _ = writeln!(out, "  warning: {warning}");
        }
        let _ = writeln!(
            out,
            "\nresult in {}: open report.html first; report.json has the same for programs",
            self.to
        );
        let _ = writeln!(out, "next: fruitnode verify {}", shell_word(&self.to));
        out
    }
}

/// A word that a shell takes as it stands, quoted where it would not.
pub(super) fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// In one line: what is done to a photograph, and who said so.
fn preprocessing(context: &JobContext) -> String {
    let fields = context.preprocess.describe().into_iter();
    let words = fields.map(|(name, value, origin)| match name {
        "size" | "filter" | "channel_order" => format!("{value} ({origin})"),
        _ => format!("{name} {value} ({origin})"),
    });
    words.collect::<Vec<_>>().join(", ")
}

fn ratio(amount: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { amount as f64 / of as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_with_a_space_or_a_quote_can_be_pasted_into_a_shell() {
        assert_eq!(shell_word("out/a-b_1"), "out/a-b_1");
        assert_eq!(shell_word("my result"), "'my result'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
        assert_eq!(shell_word(""), "''");
    }
}
