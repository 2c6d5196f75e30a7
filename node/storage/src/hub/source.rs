//! Where weights come from, in the words of a user: `hf://owner/name`, `https://…`, `s3://…`.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

/// What a repository's weights are called unless the user says otherwise.
const FILE_DEFAULT: &str = "model.safetensors";
const REVISION_DEFAULT: &str = "main";

/// A place that is understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A file in a repository of a model hub.
    Hub {
        /// Whose.
        owner: String,
        /// Which repository.
        name: String,
        /// Branch, tag or commit.
        revision: String,
        /// Path of the file.
        file: String,
    },
    /// A file on a server; plain HTTP on this machine alone.
    Web(Url),
    /// An object in a bucket.
    Bucket {
        /// `s3://BUCKET/KEY`.
        place: String,
        /// The server, if it is not AWS: others have other buckets of the same name.
        endpoint: Option<String>,
    },
}

/// Words that are no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// Another scheme, or none.
    #[error(
        "`{0}` is not a source of weights: write hf://owner/name[@revision][/file.safetensors], \
         https://… or s3://…"
    )]
    Unknown(String),
    /// Not as a hub's repositories are called.
    #[error("`{0}` does not name a repository: write hf://owner/name[@revision][/file]")]
    Hub(String),
    /// HTTP without TLS to another machine.
    #[error("`{0}` would be downloaded without encryption: write https://")]
    Plain(String),
}

impl Source {
    /// Whether a word is meant as a source and not as a file.
    pub fn is_meant(text: &str) -> bool {
        text.contains("://")
    }

    /// Understands a user's words.
    ///
    /// # Errors
    /// What is wrong with them, and how they should be.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        if let Some(path) = text.strip_prefix("hf://") {
            return hub(path).ok_or_else(|| SourceError::Hub(text.to_owned()));
        }
        if text.starts_with("s3://") {
            return Ok(Self::Bucket { place: text.to_owned(), endpoint: None });
        }
        let unknown = || SourceError::Unknown(without_secrets(text));
        let url = Url::parse(text).map_err(|_| unknown())?;
        match url.scheme() {
            "https" => Ok(Self::Web(url)),
            "http" if is_loopback(&url) => Ok(Self::Web(url)),
            "http" => Err(SourceError::Plain(without_secrets(text))),
            _ => Err(unknown()),
        }
    }

    /// The same source, where buckets are looked for at a server that a user names.
    pub fn at(self, server: Option<&str>) -> Self {
        match self {
            Self::Bucket { place, .. } => {
                Self::Bucket { place, endpoint: server.map(str::to_owned) }
            }
            other => other,
        }
    }

    /// What tells this source from every other, for the names of its part and lock.
    pub(super) fn identity(&self, endpoint: &Url) -> String {
        match self {
            Self::Hub { .. } => format!("{endpoint} {self}"),
            Self::Web(url) => url.to_string(),
            Self::Bucket { place, endpoint: None } => place.clone(),
            Self::Bucket { place, endpoint: Some(server) } => format!("{server} {place}"),
        }
    }

    /// Where the first request goes.
    pub(super) fn url(&self, endpoint: &Url) -> Option<Url> {
        match self {
            Self::Web(url) => Some(url.clone()),
            Self::Bucket { .. } => None,
            Self::Hub { owner, name, revision, file } => {
                let mut url = endpoint.clone();
                url.path_segments_mut()
                    .ok()?
                    .pop_if_empty()
                    .extend([owner, name, "resolve", revision])
                    .extend(file.split('/'));
                Some(url)
            }
        }
    }
}

impl fmt::Display for Source {
    /// The source without what may be secret in an address.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Hub { owner, name, revision, file } => {
                write!(f, "hf://{owner}/{name}@{revision}/{file}")
            }
            Self::Web(url) => f.write_str(&without_secrets(url.as_str())),
            Self::Bucket { place, .. } => f.write_str(place),
        }
    }
}

/// Whether an address is on this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    let Some(host) = url.host_str() else { return false };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn hub(path: &str) -> Option<Source> {
    let mut parts = path.splitn(3, '/');
    let (owner, rest, file) = (parts.next()?, parts.next()?, parts.next());
    let (name, revision) = rest.split_once('@').unwrap_or((rest, REVISION_DEFAULT));
    let file = file.unwrap_or(FILE_DEFAULT);
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let names = |text: &str| !text.is_empty() && text.chars().all(plain) && !text.contains("..");
    // A revision with slashes, as `refs/pr/1`, is written with %2F.
    let revision = revision.replace("%2F", "/");
    let levels = |text: &str| text.split('/').all(|level| !matches!(level, "" | "." | ".."));
    let printed = |text: &str| !text.chars().any(char::is_control);
    (names(owner) && names(name) && levels(&revision) && levels(file))
        .then_some(())
        .filter(|()| printed(&revision) && printed(file))?;
    let (owner, name, file) = (owner.to_owned(), name.to_owned(), file.to_owned());
    Some(Source::Hub { owner, name, revision, file })
}

/// An address without user, password and query: signed addresses are passwords too.
pub(super) fn without_secrets(text: &str) -> String {
    let Ok(mut url) = Url::parse(text) else {
        return text.split(['?', '#']).next().unwrap_or_default().to_owned();
    };
    url.set_query(None);
    url.set_fragment(None);
    // Refused by addresses that have neither, which is what is wanted.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> String {
        let endpoint = Url::parse("https://hub.example/base/").unwrap();
        Source::parse(text).unwrap().url(&endpoint).unwrap().to_string()
    }

    #[test]
    fn repositories_become_addresses_of_the_hub() {
        for (text, path) in [
            ("hf://timm/mobilenetv2_100", "timm/mobilenetv2_100/resolve/main/model.safetensors"),
            ("hf://a/b@v1.0", "a/b/resolve/v1.0/model.safetensors"),
            ("hf://a/b@refs%2Fpr%2F1/x y/w.bin", "a/b/resolve/refs%2Fpr%2F1/x%20y/w.bin"),
            ("hf://a/b/w?.bin", "a/b/resolve/main/w%3F.bin"),
        ] {
            assert_eq!(address(text), format!("https://hub.example/base/{path}"));
        }
    }

    #[test]
    fn what_is_no_source_is_refused_in_words() {
        for text in [
            "hf://",
            "hf://a",
            "hf:///b",
            "hf://a/",
            "hf://a/b/../c",
            "hf://a/b@/x",
            "hf://a/b//c",
            "hf://a/b@..%2F..",
            "hf://a b/c",
        ] {
            assert_eq!(Source::parse(text), Err(SourceError::Hub(text.to_owned())), "{text}");
        }
        for text in ["ftp://a/b", "file:///etc/passwd", "://", "data://x"] {
            assert!(matches!(Source::parse(text), Err(SourceError::Unknown(_))), "{text}");
        }
        for text in ["http://example.org/w", "http://127.0.0.1.example.org/", "http://10.0.0.1/"] {
            assert!(matches!(Source::parse(text), Err(SourceError::Plain(_))), "{text}");
        }
        for text in ["http://127.0.0.1:80/w", "http://[::1]/w", "http://localhost/w", "https://a/w"]
        {
            assert!(matches!(Source::parse(text), Ok(Source::Web(_))), "{text}");
        }
    }

    #[test]
    fn what_may_be_secret_in_an_address_is_never_said() {
        let source = Source::parse("https://me:word@host/w.bin?X-Amz-Signature=abc#x").unwrap();
        assert_eq!(source.to_string(), "https://host/w.bin");
        let error = Source::parse("http://me:word@host/w?token=abc").unwrap_err().to_string();
        assert!(!error.contains("word@") && !error.contains("abc"), "{error}");
    }
}
