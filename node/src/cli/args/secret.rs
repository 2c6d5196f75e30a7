//! A word that must not be shown.

use std::fmt;

/// A secret in words. Neither logs nor messages show it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// A secret, without the space around it.
    pub(crate) fn of(word: &str) -> Self {
        Self(word.trim().to_owned())
    }

    /// As clap takes it: whatever it is, so that no message repeats it.
    #[allow(clippy::unnecessary_wraps, reason = "a parser of clap may fail")]
    pub(crate) fn parse(word: &str) -> Result<Self, String> {
        Ok(Self::of(word))
    }

    /// The words themselves.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(not shown)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown_even_to_those_who_look_for_faults() {
        let secret = Secret::parse(" FN1.aa.bb.cc\n").expect("whatever it is");
        assert_eq!(secret.reveal(), "FN1.aa.bb.cc");
        assert!(!format!("{:?}", Some(&secret)).contains("FN1"));
    }
}
