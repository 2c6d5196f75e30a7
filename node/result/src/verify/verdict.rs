//! What was checked, with figures, and what was found wrong, in words.

use std::fmt;

use serde::Serialize;

/// Findings of one check that are kept in full: a thousand broken rows have one cause.
const FINDINGS_MAX: usize = 10;

/// Name of the check that takes the place of `moments` and `certificate` where the components were
/// given: these cannot be held against features that they were not fitted to.
pub const GIVEN_MODEL: &str = "given-model";

/// The outcome of all checks, in the order in which they build on each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Verdict {
    /// One entry per check that applies to this result.
    pub checks: Vec<Check>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Stable name.
    pub name: &'static str,
    /// How it ended.
    pub status: Status,
    /// What was counted or measured.
    pub figures: String,
    /// What is wrong, naming the file and what to do; the first few.
    pub findings: Vec<String>,
    /// How many findings there are in all.
    pub found: u64,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Nothing is wrong.
    Passed,
    /// Something is wrong.
    Failed,
    /// Damage elsewhere left nothing to check, or not all of it.
    NotMade,
}

impl Verdict {
    /// Whether every check was made and passed.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.status == Status::Passed)
    }

    /// The check of this name, if it applies.
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.name == name)
    }
}

impl Check {
    /// A check that has found nothing yet.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            status: Status::Passed,
            figures: String::new(),
            findings: Vec::new(),
            found: 0,
        }
    }

    /// Notes something wrong.
    pub(super) fn fail(&mut self, finding: impl Into<String>) {
        self.status = Status::Failed;
        self.found += 1;
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding.into());
        }
    }

    /// Notes something wrong, if it is.
    pub(super) fn expect(&mut self, holds: bool, finding: impl FnOnce() -> String) {
        if !holds {
            self.fail(finding());
        }
    }

    /// Notes that damage elsewhere stands in the way. What was found stays found.
    pub(super) fn hinder(&mut self, reason: impl Into<String>) {
        if self.status == Status::Passed {
            self.status = Status::NotMade;
            self.figures = reason.into();
        }
    }

    /// Sets the figures of a check that was made.
    pub(super) fn figures(&mut self, figures: impl Into<String>) {
        if self.status != Status::NotMade {
            self.figures = figures.into();
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for check in &self.checks {
            let status = match check.status {
                Status::Passed => "ok",
                Status::Failed => "FAILED",
                Status::NotMade => "not made",
            };
            writeln!(f, "{:<12} {status:<8} {}", check.name, check.figures)?;
            for finding in &check.findings {
                writeln!(f, "    {finding}")?;
            }
            let more = check.found - check.findings.len() as u64;
            if more > 0 {
                writeln!(f, "    and {more} more")?;
            }
        }
        Ok(())
    }
}
