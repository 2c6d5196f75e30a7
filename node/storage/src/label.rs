//! How a label is found in a photograph's key. Pure: a label depends on the key alone.

use std::fmt;
use std::str::FromStr;

use regex::Regex;
use thiserror::Error;

/// Where labels come from, as `--label-from` says it.
#[derive(Debug, Clone)]
pub enum LabelRule {
    /// The folder inside the source that directly holds the file; files at the top have none.
    ParentDir,
    /// Nothing has a label.
    None,
    /// What a regular expression finds in the key: its first group, or the whole match if it has no
    /// group. Where it finds nothing, there is no label.
    Regex(Regex),
}

/// A rule that cannot be used.
#[derive(Debug, Error)]
pub enum LabelError {
    /// None of the three forms.
    #[error("`{0}` is not a label rule: use `parent-dir`, `none` or `regex:EXPRESSION`")]
    Unknown(String),
    /// `regex:` with nothing behind it.
    #[error("`regex:` needs an expression, for example `regex:^([^/]+)/`")]
    EmptyRegex,
    /// Not a regular expression.
    #[error("`{expression}` is not a valid regular expression")]
    BadRegex {
        /// The expression.
        expression: String,
        /// Where it is wrong.
        #[source]
        source: regex::Error,
    },
    /// More groups than one: which of them is meant?
    #[error("`{0}` has more than one group: keep one, and write the others as `(?:...)`")]
    ManyGroups(String),
}

impl LabelRule {
    /// The label of a photograph, from its key below the source.
    pub fn label(&self, key: &str) -> Option<String> {
        let found = match self {
            Self::None => None,
            Self::ParentDir => {
                let (folders, _) = key.rsplit_once('/')?;
                Some(folders.rsplit_once('/').map_or(folders, |(_, last)| last))
            }
            Self::Regex(regex) => {
                let found = regex.captures(key)?;
                let group = if found.len() > 1 { found.get(1) } else { found.get(0) };
                group.map(|group| group.as_str())
            }
        };
        found.filter(|label| !label.is_empty()).map(str::to_owned)
    }
}

impl FromStr for LabelRule {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, LabelError> {
        match text.split_once(':') {
            None if text == "parent-dir" => Ok(Self::ParentDir),
            None if text == "none" => Ok(Self::None),
            Some(("regex", "")) => Err(LabelError::EmptyRegex),
            Some(("regex", expression)) => {
                let regex = Regex::new(expression).map_err(|source| LabelError::BadRegex {
                    expression: expression.to_owned(),
                    source,
                })?;
                if regex.captures_len() > 2 {
                    return Err(LabelError::ManyGroups(expression.to_owned()));
                }
                Ok(Self::Regex(regex))
            }
            None | Some(_) => Err(LabelError::Unknown(text.to_owned())),
        }
    }
}

/// The form that parses back to the same rule.
impl fmt::Display for LabelRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ParentDir => f.write_str("parent-dir"),
            Self::None => f.write_str("none"),
            Self::Regex(regex) => write!(f, "regex:{}", regex.as_str()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LabelRule;

    fn label(rule: &str, key: &str) -> Option<String> {
        rule.parse::<LabelRule>().unwrap().label(key)
    }

    fn refusal(rule: &str) -> String {
        rule.parse::<LabelRule>().unwrap_err().to_string()
    }

    #[test]
    fn the_folder_that_holds_the_file_is_the_label() {
        assert_eq!(label("parent-dir", "Test/Apple Braeburn/3_100.jpg").unwrap(), "Apple Braeburn");
        assert_eq!(label("parent-dir", "Apple/1.jpg").unwrap(), "Apple");
    }

    #[test]
    fn a_file_at_the_top_has_no_label() {
        assert_eq!(label("parent-dir", "1.jpg"), None);
        assert_eq!(label("parent-dir", "a//1.jpg"), None, "a folder without a name");
        assert_eq!(label("none", "Apple/1.jpg"), None);
    }

    #[test]
    fn an_expression_gives_its_group_or_its_whole_match() {
        assert_eq!(label("regex:^([^/_]+)_", "apple_07.jpg").unwrap(), "apple");
        assert_eq!(label("regex:[a-z]+", "07-pear.jpg").unwrap(), "pear");
        assert_eq!(label("regex:^(\\d)", "apple.jpg"), None);
        assert_eq!(label("regex:x(y)?", "x.jpg"), None, "the group took no part");
        assert_eq!(label("regex:a:b", "a:b.jpg").unwrap(), "a:b");
    }

    #[test]
    fn what_cannot_be_used_is_refused_in_words() {
        assert!(refusal("parent").contains("`parent-dir`, `none` or `regex:EXPRESSION`"));
        assert!(refusal("glob:x").contains("`glob:x`"));
        assert!(refusal("regex:").contains("needs an expression"));
        assert!(refusal("regex:(").contains("`(` is not a valid regular expression"));
        assert!(refusal("regex:(a)(b)").contains("more than one group"));
    }

    #[test]
    fn a_rule_prints_as_it_parses() {
        for text in ["parent-dir", "none", "regex:^([^/]+)/"] {
            assert_eq!(text.parse::<LabelRule>().unwrap().to_string(), text);
        }
    }
}
