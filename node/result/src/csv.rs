//! The scores as one CSV table: UTF-8, RFC 4180 quoting, `\n` after every line.
//!
//! The table is written in chunks, one per run of partitions, and never held whole: its bytes are
//! `csv_header` followed by `csv_rows` of every partition in order.
//!
//! A spreadsheet runs a cell that begins like a formula. Keys and labels come from whoever fills
//! the bucket, so such a cell is written behind a single quote `'`. A cell that begins with `'`
//! gets one more, which makes the rule reversible: to undo it, take one leading `'` off, if there
//! is one (pandas: `table["path"].str.removeprefix("'")`). Numbers are never touched.

use crate::columns::check_rows;
use crate::decimal::push_f32;
use crate::error::WriteError;
use crate::rows::ScoreRows;

/// Bytes of one number and its comma on average, for the first reservation.
const NUMBER_BYTES: usize = 13;

/// `path,label,pca_1,...,pca_k` and a line end.
pub fn csv_header(k: usize) -> Vec<u8> {
    let mut line = String::from("path,label");
    for component in 1..=k {
        line.push_str(",pca_");
        line.push_str(&component.to_string());
    }
    line.push('\n');
    line.into_bytes()
}

/// The lines of these rows, without header. A missing label is an empty cell, an empty one `""`.
/// Each number is the shortest decimal that reads back to the same single; `-0` is written `0.0`.
pub fn csv_rows(rows: &ScoreRows) -> Result<Vec<u8>, WriteError> {
    check_rows(&rows.subjects, rows.k, &rows.values)?;
    let mut out = Vec::with_capacity(rows.subjects.len() * (64 + rows.k * NUMBER_BYTES));
    for (row, subject) in rows.subjects.iter().enumerate() {
        push_text(&mut out, &subject.path);
        out.push(b',');
        if let Some(label) = &subject.label {
            push_text(&mut out, label);
        }
        for value in &rows.values[row * rows.k..(row + 1) * rows.k] {
            out.push(b',');
            push_f32(&mut out, *value);
        }
        out.push(b'\n');
    }
    Ok(out)
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    let guard = if would_run(text) { "'" } else { "" };
    let quoted = text.is_empty() || text.contains([',', '"', '\n', '\r']);
    if !quoted {
        out.extend_from_slice(guard.as_bytes());
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    out.extend_from_slice(guard.as_bytes());
    for byte in text.bytes() {
        if byte == b'"' {
            out.push(b'"');
        }
        out.push(byte);
    }
    out.push(b'"');
}

/// Whether a spreadsheet might take the cell for a formula. Programs strip quotes and blanks before
/// they look, so these are looked through; some read the full-width signs as well.
fn would_run(text: &str) -> bool {
    let bare = text.trim_start_matches(['"', ' ', '\u{a0}', '\u{feff}']);
    text.starts_with('\'')
        || bare.starts_with([
            '=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}',
        ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::Subject;

    fn table(cells: &[(&str, Option<&str>)], values: &[f32]) -> ScoreRows {
        ScoreRows {
            subjects: cells
                .iter()
                .map(|(path, label)| Subject {
                    path: (*path).to_owned(),
                    label: label.map(str::to_owned),
                    size: 1,
                    modified_us: 0,
                })
                .collect(),
            k: values.len() / cells.len(),
            values: values.to_vec(),
        }
    }

    fn text(rows: &ScoreRows) -> String {
        String::from_utf8(csv_rows(rows).unwrap()).unwrap()
    }

    #[test]
    fn the_header_counts_components_from_one() {
        assert_eq!(csv_header(3), b"path,label,pca_1,pca_2,pca_3\n");
        assert_eq!(csv_header(0), b"path,label\n");
    }

    #[test]
    fn a_plain_row_is_plain() {
        let rows = table(
            &[("Apple Braeburn/0_100.jpg", Some("Apple Braeburn"))],
            &[1.0, -0.25, -0.0, 1.5e-7],
        );
        assert_eq!(text(&rows), "Apple Braeburn/0_100.jpg,Apple Braeburn,1.0,-0.25,0.0,1.5e-7\n");
    }

    #[test]
    fn a_missing_label_differs_from_an_empty_one() {
        let rows = table(&[("a", None), ("b", Some(""))], &[1.0, 2.0]);
        assert_eq!(text(&rows), "a,,1.0\nb,\"\",2.0\n");
    }

    #[test]
    fn commas_quotes_and_line_ends_are_quoted() {
        let rows = table(&[("a\"b", Some("x,y")), ("c\nd", Some("e\rf"))], &[1.0, 2.0]);
        assert_eq!(text(&rows), "\"a\"\"b\",\"x,y\",1.0\n\"c\nd\",\"e\rf\",2.0\n");
    }

    #[test]
    fn nothing_that_a_spreadsheet_would_run_stands_bare() {
        for (key, cell) in [
            ("=1+1", "'=1+1"),
            ("+1", "'+1"),
            ("-1", "'-1"),
            ("@SUM(A1)", "'@SUM(A1)"),
            ("\t=1", "'\t=1"),
            ("\r=1", "\"'\r=1\""),
            ("\"=1", "\"'\"\"=1\""),
            ("\" \"@x", "\"'\"\" \"\"@x\""),
            ("  =1", "'  =1"),
            ("\u{ff1d}1", "'\u{ff1d}1"),
            ("'quoted", "''quoted"),
            ("'=1", "''=1"),
            ("=1,=2", "\"'=1,=2\""),
            ("a=1", "a=1"),
            ("1-2.jpg", "1-2.jpg"),
        ] {
            assert_eq!(text(&table(&[(key, None)], &[0.5])), format!("{cell},,0.5\n"));
        }
    }

    #[test]
    fn every_cell_reads_back_to_the_key_it_came_from() {
        for key in ["=1", "'=1", "''", "\"", "\"=", "a,b", "x\n", " ", "é,\"'", "'-"] {
            let line = text(&table(&[(key, None)], &[1.0]));
            let cell = line.strip_suffix(",,1.0\n").unwrap();
            let bare = match cell.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
                Some(inner) => inner.replace("\"\"", "\""),
                None => cell.to_owned(),
            };
            assert_eq!(bare.strip_prefix('\'').unwrap_or(&bare), key);
        }
    }

    #[test]
    fn chunks_put_together_are_the_whole() {
        let whole = table(&[("a", None), ("b", Some("x")), ("c", None)], &[1.0, 2.0, 3.0]);
        let first = table(&[("a", None)], &[1.0]);
        let rest = table(&[("b", Some("x")), ("c", None)], &[2.0, 3.0]);
        assert_eq!(text(&whole), text(&first) + &text(&rest));
    }

    #[test]
    fn a_score_that_is_no_number_is_refused() {
        let error = csv_rows(&table(&[("a", None)], &[1.0, f32::NAN])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "column 1 of `a` is not finite: check the weights and the photograph"
        );
    }
}
