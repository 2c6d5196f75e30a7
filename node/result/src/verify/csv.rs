//! The CSV table against the scores, read as a stream: it is the one file that is never held whole.

use std::io::{ErrorKind, Read};

use sha2::{Digest as _, Sha256};

use fruitnode_coordinator::ids::Digest;

use super::verdict::Check;
use crate::names::CSV;
use crate::rows::ScoreRows;
use crate::{csv_header, csv_rows};

/// Bytes read at a time where nothing is left to compare.
const DRAIN_BYTES: usize = 1 << 16;

/// A table in the middle of being compared.
pub(super) struct CsvCheck<'a> {
    pub(super) check: Check,
    table: Box<dyn Read + 'a>,
    hash: Sha256,
    bytes: u64,
    rows: u64,
    /// Whether what comes next can still be told.
    in_step: bool,
}

impl<'a> CsvCheck<'a> {
    /// Begins with the header for `k` components.
    pub(super) fn new(table: Box<dyn Read + 'a>, k: usize) -> Self {
        let mut csv = Self {
            check: Check::new("csv"),
            table,
            hash: Sha256::new(),
            bytes: 0,
            rows: 0,
            in_step: true,
        };
        csv.compare(&csv_header(k), "in its header");
        csv
    }

    /// Compares the lines of the next partition.
    pub(super) fn rows(&mut self, rows: &ScoreRows) {
        if !self.in_step {
            return;
        }
        match (csv_rows(rows), rows.subjects.first()) {
            (Ok(lines), Some(first)) => {
                let place = format!("after row {}, around `{}`", self.rows, first.path);
                self.compare(&lines, &place);
                self.rows += rows.subjects.len() as u64;
            }
            (Ok(_), None) => {}
            (Err(error), _) => {
                self.lose(&format!("the scores cannot be written as lines: {error}"))
            }
        }
    }

    /// Says that a partition's scores are unknown, so that no later line can be placed.
    pub(super) fn lose(&mut self, reason: &str) {
        self.in_step = false;
        self.check.hinder(format!("from row {} on: {reason}", self.rows));
    }

    /// Reads what is left. Returns the check, the digest and the size of the table.
    pub(super) fn finish(mut self) -> (Check, std::io::Result<(Digest, u64)>) {
        let mut rest = vec![0; DRAIN_BYTES];
        let mut left = 0u64;
        loop {
            match self.table.read(&mut rest) {
                Ok(0) => break,
                Ok(count) => {
                    self.hash.update(&rest[..count]);
                    left += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return (self.check, Err(error)),
            }
        }
        self.check.expect(!self.in_step || left == 0, || {
            format!("{CSV}: {left} bytes follow the last row: copy it again or run the job again")
        });
        self.check.figures(format!("{} rows", self.rows));
        let digest = Digest(self.hash.finalize().into());
        (self.check, Ok((digest, self.bytes + left)))
    }

    fn compare(&mut self, expected: &[u8], place: &str) {
        let mut found = Vec::with_capacity(expected.len());
        // An error shows again when the rest is read, and is told there.
        let _: std::io::Result<usize> =
            self.table.by_ref().take(expected.len() as u64).read_to_end(&mut found);
        self.hash.update(&found);
        self.bytes += found.len() as u64;
        if found != expected {
            self.in_step = false;
            let same = found.iter().zip(expected).take_while(|(a, b)| a == b).count();
            let line = expected[..same].iter().filter(|byte| **byte == b'\n').count();
            self.check.fail(format!(
                "{CSV}: differs from the scores {place}, {line} lines on: copy it again or run the \
                 job again"
            ));
        }
    }
}
