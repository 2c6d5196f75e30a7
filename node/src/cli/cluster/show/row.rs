//! Rows of features as they are made, one to a line.

use fruitnode_proto::v1::row_batch::Row;
use serde_json::{Value, json};

use crate::cli::cluster::show::node;
use crate::cli::cluster::show::table::count;
use crate::cli::plain::plain;

/// Numbers of a row that people are shown.
const NUMBERS_SHOWN: usize = 4;

/// For programs, in one line.
pub(crate) fn json(row: &Row) -> Value {
    if row.code.is_empty() {
        return json!({"path": row.path, "label": row.label, "features": row.features});
    }
    json!({"path": row.path, "label": row.label, "code": row.code})
}

/// For people, in one line.
pub(crate) fn line(row: &Row) -> String {
    let (path, label) = (plain(&row.path), plain(&row.label));
    if !row.code.is_empty() {
        return format!("{path}  {label}  quarantined: {}", plain(&row.code));
    }
    let shown = row.features.iter().take(NUMBERS_SHOWN).map(|number| format!("{number:.3}"));
    let shown = shown.collect::<Vec<_>>().join(" ");
    let more = if row.features.len() > NUMBERS_SHOWN { " …" } else { "" };
    format!("{path}  {label}  {} features: {shown}{more}", row.features.len())
}

/// That rows were left out.
pub(crate) fn skipped(node: u64, rows: u64) -> String {
    let node = node::id(node);
    format!("{} rows of {node} were skipped: they were computed faster than read", count(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_one_line_whatever_its_path_holds() {
        let good = Row {
            path: "Apple\n/1.jpg".to_owned(),
            label: "Apple".to_owned(),
            features: vec![0.5, 0.25, 0.0, 1.0, 2.0],
            code: String::new(),
        };
        let text = line(&good);
        assert_eq!(text, "Apple\u{fffd}/1.jpg  Apple  5 features: 0.500 0.250 0.000 1.000 …");
        assert_eq!(json(&good)["features"][1], 0.25);
        assert!(!json(&good).to_string().contains('\n'));
        let bad = Row { code: "truncated".to_owned(), features: Vec::new(), ..good };
        assert!(line(&bad).ends_with("quarantined: truncated"));
        assert!(json(&bad).get("features").is_none());
        assert_eq!(
            skipped(2, 1_234),
            "1,234 rows of n2 were skipped: they were computed faster than read"
        );
    }
}
