//! What the environment says: where the cache is, which hub is asked, and with which token.

use std::fmt;
use std::fs;
use std::path::PathBuf;

use reqwest::Url;

use crate::S3Options;
use crate::hub::cache::Cache;
use crate::hub::error::PullError;
use crate::hub::source::is_loopback;

const ENDPOINT_DEFAULT: &str = "https://huggingface.co";

/// Longest token that is read from a file, in bytes.
const TOKEN_BYTES_MAX: usize = 4_096;

/// A secret that is sent to the hub, and shown to nobody.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(pub String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// Everything that a pull takes from its surroundings.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// Where fetched weights are kept.
    pub cache: Cache,
    /// The hub.
    pub endpoint: Url,
    /// Who asks, if a token was given.
    pub token: Option<Token>,
    /// Where S3 is.
    pub storage: S3Options,
}

impl Surroundings {
    /// What this process's environment says.
    ///
    /// # Errors
    /// When there is no place for a cache, or the hub's address is none.
    pub fn of_env() -> Result<Self, PullError> {
        Self::of(&|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
    }

    /// What an environment says: `FRUITNODE_CACHE`, `XDG_CACHE_HOME`, `HOME`; `HF_ENDPOINT`;
    /// `HF_TOKEN`, `HF_TOKEN_PATH`, `HF_HOME`.
    ///
    /// # Errors
    /// When there is no place for a cache, or the hub's address is none.
    pub fn of(variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, PullError> {
        let home = variable("HOME").map(PathBuf::from);
        let dot_cache = || {
            variable("XDG_CACHE_HOME")
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(".cache")))
        };
        let root = variable("FRUITNODE_CACHE")
            .map(PathBuf::from)
            .or_else(|| dot_cache().map(|cache| cache.join("fruitnode")))
            .ok_or(PullError::NoCache)?;
        let text = variable("HF_ENDPOINT").unwrap_or_else(|| ENDPOINT_DEFAULT.to_owned());
        let endpoint = Url::parse(&text)
            .ok()
            .filter(|url| url.scheme() == "https" || url.scheme() == "http" && is_loopback(url))
            .ok_or(PullError::Endpoint(text))?;
        let file = variable("HF_TOKEN_PATH").map(PathBuf::from).or_else(|| {
            let hub = variable("HF_HOME").map(PathBuf::from);
            Some(hub.or_else(|| Some(dot_cache()?.join("huggingface")))?.join("token"))
        });
        let kept = || fs::read_to_string(file?).ok().filter(|text| text.len() <= TOKEN_BYTES_MAX);
        let token = variable("HF_TOKEN").or_else(kept).map(|text| text.trim().to_owned());
        let token = token.filter(|text| !text.is_empty()).map(Token);
        Ok(Self { cache: Cache::at(root), endpoint, token, storage: S3Options::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Surroundings, PullError> {
        Surroundings::of(&|name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_cache_is_where_it_was_said_to_be() {
        let root = |variables: &[(&str, &str)]| of(variables).unwrap().cache.root().to_owned();
        assert_eq!(root(&[("HOME", "/h")]), PathBuf::from("/h/.cache/fruitnode"));
        let both = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x")];
        assert_eq!(root(&both), PathBuf::from("/x/fruitnode"));
        let all = [("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("FRUITNODE_CACHE", "/f")];
        assert_eq!(root(&all), PathBuf::from("/f"));
        assert!(matches!(of(&[]), Err(PullError::NoCache)));
    }

    #[test]
    fn a_hub_without_encryption_gets_no_token() {
        for endpoint in ["http://hub.example", "nonsense", "ftp://hub.example"] {
            let error = of(&[("HOME", "/h"), ("HF_ENDPOINT", endpoint)]).unwrap_err().to_string();
            assert!(error.contains(endpoint) && error.contains("HF_ENDPOINT"), "{error}");
        }
        of(&[("HOME", "/h"), ("HF_ENDPOINT", "http://127.0.0.1:99")]).unwrap();
    }

    #[test]
    fn a_token_comes_from_the_environment_or_its_file_and_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("token"), "from-file\n").unwrap();
        let home = dir.path().display().to_string();
        let token = |variables: &[(&str, &str)]| of(variables).unwrap().token;
        let file = [("HOME", "/h"), ("HF_HOME", home.as_str())];
        assert_eq!(token(&file), Some(Token("from-file".to_owned())));
        let both = [file[0], file[1], ("HF_TOKEN", "given")];
        assert_eq!(token(&both), Some(Token("given".to_owned())));
        assert!(!format!("{:?}", of(&both).unwrap()).contains("given"));
        assert_eq!(token(&[("HOME", "/nowhere")]), None);
    }
}
