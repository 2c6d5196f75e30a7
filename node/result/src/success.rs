//! `_SUCCESS`: the mark that a result is complete, and the SHA-256 of each of its files.
//!
//! The format is that of coreutils, so that `cd OUT && sha256sum -c _SUCCESS` checks a local copy
//! without any program of ours. It may come from anywhere: names that lead out of the folder are
//! refused before anyone opens them.

use std::collections::BTreeMap;

use fruitnode_coordinator::ids::Digest;

use crate::digest::parse_hex;
use crate::error::ReadError;

const FORMAT: &str = "_SUCCESS";

/// Every published file but `_SUCCESS` itself, with its digest, in the byte order of the names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Success {
    /// Name relative to the output folder, and SHA-256.
    pub files: BTreeMap<String, Digest>,
}

impl Success {
    /// `<64 hexadecimal digits>  <name>` and a line end for each file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for (name, digest) in &self.files {
            text.push_str(&digest.hex());
            text.push_str("  ");
            text.push_str(name);
            text.push('\n');
        }
        text.into_bytes()
    }

    /// Reads what [`Success::to_bytes`] wrote.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReadError> {
        let text = std::str::from_utf8(bytes)
            .map_err(|_| ReadError::new(FORMAT, "it is not UTF-8 text"))?;
        if text.is_empty() {
            let reason =
                "it is empty, so another program wrote it (the marker of Spark has no digests)";
            return Err(ReadError::new(FORMAT, reason));
        }
        let lines = text
            .strip_suffix('\n')
            .ok_or_else(|| ReadError::new(FORMAT, "its last line is incomplete"))?;
        let mut files = BTreeMap::new();
        for (number, line) in (1..).zip(lines.split('\n')) {
            let (digest, name) = parse_line(line)
                .map_err(|reason| ReadError::new(FORMAT, format!("line {number} {reason}")))?;
            if files.last_key_value().is_some_and(|(last, _): (&String, _)| **last >= *name) {
                let reason = format!("line {number} is out of order: `{name}`");
                return Err(ReadError::new(FORMAT, reason));
            }
            files.insert(name.to_owned(), digest);
        }
        Ok(Self { files })
    }
}

fn parse_line(line: &str) -> Result<(Digest, &str), String> {
    let (digest, name) = line.split_once("  ").ok_or("is not `<digest>  <name>`")?;
    let digest = parse_hex(digest).ok_or("does not begin with 64 hexadecimal digits")?;
    if !stays_inside(name) {
        return Err(format!("names {name:?}, which is not a plain relative path"));
    }
    Ok((digest, name))
}

/// Whether a name, joined to a folder or a prefix on any system, stays below it.
fn stays_inside(name: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    name.split('/').all(plain) && !name.contains(['\\', ':']) && !name.contains(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    fn of(names: &[&str]) -> Success {
        let files =
            names.iter().map(|name| ((*name).to_owned(), sha256(name.as_bytes()))).collect();
        Success { files }
    }

    #[test]
    fn what_is_written_is_what_sha256sum_prints() {
        let text = String::from_utf8(of(&["b", "a/c"]).to_bytes()).unwrap();
        let [a, b] = [sha256(b"a/c").hex(), sha256(b"b").hex()];
        assert_eq!(text, format!("{a}  a/c\n{b}  b\n"));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let success = of(&["report.json", "features/part-00000.parquet", "model/pca.npz"]);
        assert_eq!(Success::parse(&success.to_bytes()), Ok(success));
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        let hex = sha256(b"").hex();
        for name in [
            "",
            "/etc/passwd",
            "../x",
            "a/../../x",
            "a//b",
            "a/",
            "./a",
            "a/.",
            "c:\\x",
            "a\\b",
            "a\0b",
            "a\rb",
            "s3://other/x",
        ] {
            let error = Success::parse(format!("{hex}  {name}\n").as_bytes()).unwrap_err();
            assert!(error.to_string().contains("line 1 names"), "{name}: {error}");
        }
    }

    #[test]
    fn every_kind_of_damage_is_told_in_words() {
        let whole = of(&["a", "b"]).to_bytes();
        let text = String::from_utf8(whole.clone()).unwrap();
        let lines: Vec<_> = text.lines().collect();
        for (bytes, words) in [
            (Vec::new(), "it is empty"),
            (vec![0xff, 0xfe], "not UTF-8"),
            (whole[..whole.len() - 1].to_vec(), "incomplete"),
            (whole[3..].to_vec(), "64 hexadecimal digits"),
            (format!("{}\n{}\n", lines[1], lines[0]).into_bytes(), "line 2 is out of order"),
            (format!("{}\n{}\n", lines[0], lines[0]).into_bytes(), "line 2 is out of order"),
            (b"hello\n".to_vec(), "line 1 is not"),
            ([&whole[..], b"\n"].concat(), "line 3 is not"),
        ] {
            let error = Success::parse(&bytes).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
