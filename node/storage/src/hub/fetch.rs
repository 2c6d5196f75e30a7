//! One attempt: a request, its redirects, and a body that is written to the part.

use std::io::Write;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, AUTHORIZATION, HeaderValue, IF_RANGE, LOCATION, RANGE};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};

use crate::hub::Token;
use crate::hub::answer::{self, Linked};
use crate::hub::error::PullError;
use crate::hub::event::Event;
use crate::hub::part::{Facts, Part};
use crate::hub::source::{Source, is_loopback};
use crate::hub::surroundings::Surroundings;

const CONNECT: Duration = Duration::from_secs(30);
/// Longest silence in the middle of an answer.
const SILENCE: Duration = Duration::from_secs(60);
const REDIRECTS_MAX: usize = 10;

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Trouble {
    /// Another may go well; after this long, if the server said.
    Passing(String, Option<Duration>),
    /// None will.
    Final(PullError),
}

/// How an attempt ended well.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The part is the whole file.
    Whole(Linked),
    /// Nothing was fetched: the hub says that the file has this digest, and it is here.
    Here(Linked, String),
}

/// What comes of asking.
enum Asked {
    /// An answer with a body, or that there is no more.
    Answer(Response),
    /// The file has this digest, and is here.
    Here(String),
}

/// What attempts at one source share.
pub(super) struct Fetcher<'a> {
    client: Client,
    source: &'a Source,
    words: String,
    first: Url,
    token: Option<&'a Token>,
    surroundings: &'a Surroundings,
    expected: Option<&'a str>,
    bytes_max: u64,
}

impl<'a> Fetcher<'a> {
    /// A fetcher of a source that is not in a bucket.
    pub(super) fn new(
        surroundings: &'a Surroundings,
        source: &'a Source,
        expected: Option<&'a str>,
        bytes_max: u64,
    ) -> Result<Self, PullError> {
        let words = source.to_string();
        let first =
            source.url(&surroundings.endpoint).ok_or_else(|| PullError::NoObject(words.clone()))?;
        let token = surroundings.token.as_ref().filter(|_| matches!(source, Source::Hub { .. }));
        let client = client(&first).map_err(PullError::Client)?;
        Ok(Self { client, source, words, first, token, surroundings, expected, bytes_max })
    }

    /// Fetches what is missing of the part.
    pub(super) async fn attempt(
        &self,
        part: &Part,
        tell: &mut dyn FnMut(Event),
    ) -> Result<Fetched, Trouble> {
        let known = part.facts();
        if known.is_none() {
            part.discard();
        }
        let mut linked = Linked::default();
        let response = match self.ask(part.len(), known.as_ref(), &mut linked).await? {
            Asked::Answer(response) => response,
            Asked::Here(sha256) => return Ok(Fetched::Here(linked, sha256)),
        };
        if response.status() == StatusCode::RANGE_NOT_SATISFIABLE
            && let Some(known) = &known
            && known.total == Some(part.len())
            && (linked.sha256.is_none() || linked.sha256 == known.promised)
        {
            // Whoever fetched the last byte did not come to give the file its name.
            return Ok(Fetched::Whole(linked));
        }
        let (mut file, begun) = self.place(part, known, &linked, &response)?;
        let total = begun.total;
        let mut bytes = part.len();
        self.check_size(part, total.unwrap_or(bytes))?;
        if linked.bytes.is_some_and(|said| total.is_some_and(|total| total != said)) {
            return Err(self.unusable("its size differs from the one the hub gives"));
        }
        tell(Event::At { bytes, total });
        let mut body = response;
        loop {
            let chunk = body.chunk().await.map_err(|error| lost(&error))?;
            let Some(chunk) = chunk else { break };
            bytes += chunk.len() as u64;
            self.check_size(part, bytes)?;
            file.write_all(&chunk).map_err(|source| {
                Trouble::Final(PullError::Cache { path: part.path.clone(), source })
            })?;
            tell(Event::At { bytes, total });
        }
        match total.or(linked.bytes) {
            Some(total) if bytes < total => {
                let words = format!("the answer ended after {bytes} of {total} bytes");
                Err(Trouble::Passing(words, None))
            }
            Some(total) if bytes > total => {
                part.discard();
                Err(self.unusable("it is longer than announced"))
            }
            _ => Ok(Fetched::Whole(linked)),
        }
    }

    /// Asks, and follows redirects: the token goes to the first server alone.
    async fn ask(
        &self,
        have: u64,
        known: Option<&Facts>,
        linked: &mut Linked,
    ) -> Result<Asked, Trouble> {
        let mut url = self.first.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = self.client.get(url.clone());
            request = request.header(ACCEPT_ENCODING, "identity");
            let ours = url.origin() == self.first.origin();
            if let Some(Token(token)) = self.token.filter(|_| ours) {
                let mut value =
                    HeaderValue::from_str(&format!("Bearer {token}")).map_err(|_| {
                        self.unusable(
                            "the token contains characters that cannot be sent: check HF_TOKEN",
                        )
                    })?;
                value.set_sensitive(true);
                request = request.header(AUTHORIZATION, value);
            }
            if let Some(etag) = known.and_then(|known| known.etag.as_deref()) {
                request = request.header(RANGE, format!("bytes={have}-")).header(IF_RANGE, etag);
            }
            let response = request.send().await.map_err(|error| lost(&error))?;
            if ours && matches!(self.source, Source::Hub { .. }) {
                linked.read(response.headers());
                // What the hub says of the file decides before a byte of it is sent.
                self.check_promise(linked)?;
                let here = linked
                    .sha256
                    .as_deref()
                    .filter(|promised| self.surroundings.cache.find(promised).is_some());
                if let Some(promised) = here {
                    return Ok(Asked::Here(promised.to_owned()));
                }
            }
            let status = response.status();
            if status.is_redirection() && response.headers().contains_key(LOCATION) {
                url = self.next(&url, &response)?;
                continue;
            }
            return match status {
                StatusCode::OK | StatusCode::PARTIAL_CONTENT => Ok(Asked::Answer(response)),
                StatusCode::RANGE_NOT_SATISFIABLE => Ok(Asked::Answer(response)),
                status if answer::passing(status) => {
                    let after = answer::retry_after(response.headers());
                    Err(Trouble::Passing(format!("the server answered {status}"), after))
                }
                _ => {
                    let with_token = self.token.is_some();
                    Err(Trouble::Final(answer::refusal(&self.words, with_token, &response)))
                }
            };
        }
        Err(self.unusable("too many redirects"))
    }

    fn next(&self, from: &Url, response: &Response) -> Result<Url, Trouble> {
        let place = response.headers().get(LOCATION).and_then(|place| place.to_str().ok());
        let url = place.and_then(|place| from.join(place).ok());
        let url = url.ok_or_else(|| self.unusable("it redirects without saying where"))?;
        // Who began on this machine may stay there; nobody is led from outside to it.
        let here = url.scheme() == "http" && is_loopback(&url) && is_loopback(&self.first);
        match url.scheme() == "https" || here {
            true => Ok(url),
            false => Err(self.unusable("it redirects to an unencrypted address")),
        }
    }

    /// Where the body is written: behind the part, or in place of it.
    fn place(
        &self,
        part: &Part,
        known: Option<Facts>,
        linked: &Linked,
        response: &Response,
    ) -> Result<(std::fs::File, Facts), Trouble> {
        let trouble = |source| Trouble::Final(PullError::Cache { path: part.path.clone(), source });
        let again = |words: &str| {
            part.discard();
            Err(Trouble::Passing(words.to_owned(), Some(Duration::ZERO)))
        };
        let headers = response.headers();
        let etag = answer::strong_etag(headers);
        match response.status() {
            StatusCode::OK => {
                let total = answer::length(headers);
                let facts = Facts { etag, total, promised: linked.sha256.clone() };
                self.check_size(part, total.unwrap_or(0))?;
                Ok((part.begin(&facts).map_err(trouble)?, facts))
            }
            StatusCode::PARTIAL_CONTENT => {
                let range = answer::range(headers);
                let (Some(known), Some(range)) = (known, range) else {
                    return again("the server sent a different part than the one requested");
                };
                let same = range.start == part.len()
                    && (etag.is_none() || etag == known.etag)
                    && (range.total.is_none()
                        || known.total.is_none_or(|t| Some(t) == range.total))
                    && (linked.sha256.is_none() || linked.sha256 == known.promised);
                if !same {
                    return again("the file has changed since its first part was downloaded");
                }
                let known = Facts { total: known.total.or(range.total), ..known };
                Ok((part.go_on().map_err(trouble)?, known))
            }
            // More is here than there is: of another file.
            _ => again("the server has no more data than was already downloaded"),
        }
    }

    fn check_promise(&self, linked: &Linked) -> Result<(), Trouble> {
        match (self.expected, &linked.sha256) {
            (Some(expected), Some(promised)) if expected != promised => {
                Err(Trouble::Final(PullError::Digest {
                    source_words: self.words.clone(),
                    found: promised.clone(),
                    expected: expected.to_owned(),
                    who: "--sha256",
                }))
            }
            _ => Ok(()),
        }
    }

    fn check_size(&self, part: &Part, bytes: u64) -> Result<(), Trouble> {
        if bytes <= self.bytes_max {
            return Ok(());
        }
        part.discard();
        let (source_words, limit) = (self.words.clone(), self.bytes_max);
        Err(Trouble::Final(PullError::TooLarge { source_words, limit }))
    }

    fn unusable(&self, what: &str) -> Trouble {
        let (source_words, what) = (self.words.clone(), what.to_owned());
        Trouble::Final(PullError::Answer { source_words, what })
    }
}

/// A client that follows nothing by itself.
fn client(first: &Url) -> Result<Client, reqwest::Error> {
    // The one place where a provider of cryptography is named for the process; that another is
    // there already means that somebody named the same one before.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let builder = Client::builder()
        .redirect(Policy::none())
        .referer(false)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("fruitnode/", env!("CARGO_PKG_VERSION")));
    // No proxy reaches what is on this machine.
    if is_loopback(first) { builder.no_proxy() } else { builder }.build()
}

/// A lost connection in words, without the address: that may be signed.
fn lost(error: &reqwest::Error) -> Trouble {
    let kind = match error {
        error if error.is_timeout() => "no answer in time",
        error if error.is_connect() => "cannot connect",
        _ => "the connection was lost",
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let detail = cause.to_string();
    let words = match std::ptr::addr_eq(cause, error) {
        true => kind.to_owned(),
        false => format!("{kind} ({detail})"),
    };
    Trouble::Passing(words, None)
}
