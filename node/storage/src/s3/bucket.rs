//! One prefix of one bucket: its pages and its bytes. Everything that reads goes through here.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{EncodingType, ServerSideEncryption};
use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use crate::s3::connect::{Encryption, S3Options, connect};
use crate::s3::error::{Asked, S3Error};
use crate::s3::etag;
use crate::s3::fault::{Fault, root_cause};
use crate::s3::patience::{Asking, Load, Patience, within};

/// Longest wait for the next bytes of a body, once its head has come.
const BODY_PAUSE_MAX: Duration = Duration::from_secs(30);

/// A prefix of a bucket, and a client that reaches it.
#[derive(Clone)]
pub(super) struct Bucket {
    pub(super) client: Client,
    /// The server, as messages name it.
    server: String,
    /// Its name.
    pub(super) name: String,
    /// What every key begins with: empty, or ends with `/`.
    pub(super) prefix: String,
    /// How it is asked.
    pub(super) asking: Asking,
    /// How what is written is encrypted.
    encryption: Option<Encryption>,
}

/// An object, or a range of it, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) bytes: Bytes,
    pub(super) etag: Option<String>,
}

/// Why an object was not read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// What the store said.
    Fault(Fault),
    /// It answered with bytes that were not asked for.
    Refused(String),
}

/// One object of a listing. Its key is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) etag: Option<String>,
    /// Microseconds since 1970-01-01 UTC.
    pub(super) modified_us: i64,
}

/// One page of a listing.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) objects: Vec<Listed>,
    /// Prefixes of keys that were rolled up.
    pub(super) folders: Vec<String>,
    /// Asks for the next page.
    pub(super) next: Option<String>,
}

/// Which page.
#[derive(Debug, Clone, Default)]
pub(super) struct Query<'a> {
    pub(super) prefix: &'a str,
    /// Only keys after this one.
    pub(super) after: Option<&'a str>,
    /// What the page before gave.
    pub(super) next: Option<String>,
    /// Whether keys below the next `/` are rolled up.
    pub(super) shallow: bool,
    pub(super) keys_max: Option<i32>,
}

impl Bucket {
    /// Reaches a prefix of a bucket, as far as that can be done without a request.
    pub(super) async fn reach(
        name: &str,
        prefix: &str,
        options: &S3Options,
    ) -> Result<Self, S3Error> {
        let (client, server) = connect(options).await?;
        let patience = if options.alone { Patience::Alone } else { Patience::Shared };
        let bucket = Self::with(client, server, (name, prefix), patience);
        Ok(Self { encryption: options.encryption.clone(), ..bucket })
    }

    /// Of a client that is there already.
    pub(super) fn with(
        client: Client,
        server: String,
        (name, prefix): (&str, &str),
        patience: Patience,
    ) -> Self {
        let asking = Asking::of(&server, patience);
        let (name, prefix, encryption) = (name.to_owned(), prefix.to_owned(), None);
        Self { client, server, name, prefix, asking, encryption }
    }

    /// How what is written is to be encrypted: the algorithm, and the key where one is named.
    pub(super) fn encrypted(&self) -> (Option<ServerSideEncryption>, Option<String>) {
        match &self.encryption {
            None => (None, None),
            Some(Encryption::Aes256) => (Some(ServerSideEncryption::Aes256), None),
            Some(Encryption::Kms(key)) => (Some(ServerSideEncryption::AwsKms), key.clone()),
        }
    }

    /// As users write it.
    pub(super) fn uri(&self) -> String {
        format!("s3://{}/{}", self.name, self.prefix)
    }

    /// The whole key of a name below the prefix.
    pub(super) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// An object, as users write it.
    pub(super) fn place(&self, key: &str) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// The meaning of a failed request about a key, which took the `right`.
    pub(super) fn failed(&self, key: &str, right: &'static str, fault: &Fault) -> S3Error {
        S3Error::of(Asked { place: self.place(key), server: &self.server, right }, fault)
    }

    /// An answer that makes no sense, in words.
    pub(super) fn broken(&self, key: &str, words: impl Into<String>) -> S3Error {
        S3Error::Nonsense { place: self.place(key), words: words.into() }
    }

    /// One page of a listing.
    pub(super) async fn page(&self, query: Query<'_>) -> Result<Page, S3Error> {
        let first = query.next.is_none();
        let list = || {
            self.client
                .list_objects_v2()
                .bucket(&self.name)
                .prefix(query.prefix)
                // XML cannot hold every character that a key can.
                .encoding_type(EncodingType::Url)
                .set_delimiter(query.shallow.then(|| "/".to_owned()))
                .set_start_after(query.after.filter(|_| first).map(str::to_owned))
                .set_continuation_token(query.next.clone())
                .set_max_keys(query.keys_max)
        };
        let page = self
            .ask(Load::default(), |limit| within(limit, list().send()))
            .await
            .map_err(|fault| self.failed(query.prefix, "s3:ListBucket", &fault))?;
        let unclear = |words: &str| self.broken(query.prefix, words);
        if page.is_truncated == Some(true) && page.next_continuation_token.is_none() {
            return Err(unclear(
                "a page of its listing is truncated but has no continuation token",
            ));
        }
        let encoded = page.encoding_type.is_some();
        let text = |key: &str| match encoded {
            true => decode(key).ok_or_else(|| unclear("it lists a key that is not UTF-8")),
            false => Ok(key.to_owned()),
        };
        let mut objects = Vec::with_capacity(page.contents().len());
        for object in page.contents() {
            let at = object.last_modified();
            objects.push(Listed {
                key: text(object.key().unwrap_or_default())?,
                size: object.size().and_then(|size| u64::try_from(size).ok()).unwrap_or_default(),
                etag: object.e_tag().map(etag::canonical).filter(|etag| !etag.is_empty()),
                modified_us: at.map_or(0, |at| {
                    let micros = i64::from(at.subsec_nanos()) / 1_000;
                    at.secs().saturating_mul(1_000_000).saturating_add(micros)
                }),
            });
        }
        let folders = page.common_prefixes().iter().filter_map(|folder| folder.prefix());
        let folders = folders.map(text).collect::<Result<_, _>>()?;
        let next = page.next_continuation_token.filter(|_| page.is_truncated != Some(false));
        Ok(Page { objects, folders, next })
    }

    /// Whether nothing lies below the prefix.
    pub(super) async fn is_empty(&self) -> Result<bool, S3Error> {
        let query = Query { prefix: &self.prefix, keys_max: Some(1), ..Query::default() };
        Ok(self.page(query).await?.objects.is_empty())
    }

    /// Every object that begins with a whole prefix.
    pub(super) async fn all(&self, prefix: &str) -> Result<Vec<Listed>, S3Error> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let page = self.page(Query { prefix, next, ..Query::default() }).await?;
            all.extend(page.objects);
            next = page.next;
            if next.is_none() {
                return Ok(all);
            }
        }
    }

    /// The bytes of an object, or of a range of it, if their length and `ETag` `fit`, which says
    /// how many bytes are to come, or what is wrong.
    pub(super) async fn read(
        &self,
        key: &str,
        (range, if_match): (Option<&Range<u64>>, Option<&str>),
        fits: impl Fn(Option<u64>, Option<&str>) -> Result<u64, String> + Sync,
    ) -> Result<Read, NotRead> {
        // The last byte is counted in.
        let range = range.map(|range| format!("bytes={}-{}", range.start, range.end - 1));
        let fits = &fits;
        let read = |limit| {
            let get = self.client.get_object().bucket(&self.name).key(key);
            let get = get.set_range(range.clone()).set_if_match(if_match.map(str::to_owned));
            Box::pin(async move {
                let reply = within(limit, get.send()).await?;
                let length = reply.content_length.and_then(|length| u64::try_from(length).ok());
                let etag = reply.e_tag.as_deref().map(etag::canonical);
                match fits(length, etag.as_deref()) {
                    Err(words) => Ok::<_, Fault>(Err(words)),
                    Ok(length) => {
                        let bytes = body(reply.body, length).await?;
                        Ok(Ok(Read { bytes, etag }))
                    }
                }
            })
        };
        match self.ask(Load::default(), read).await {
            Ok(Ok(read)) => Ok(read),
            Ok(Err(words)) => Err(NotRead::Refused(words)),
            Err(fault) => Err(NotRead::Fault(fault)),
        }
    }
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({} at {})", self.uri(), self.server)
    }
}

/// The whole of a body of a known length.
async fn body(mut stream: ByteStream, length: u64) -> Result<Bytes, Fault> {
    let most = usize::try_from(length).unwrap_or(usize::MAX);
    let mut bytes = BytesMut::new();
    loop {
        match timeout(BODY_PAUSE_MAX, stream.try_next()).await {
            Err(_) => {
                let pause = BODY_PAUSE_MAX.as_secs();
                let words = format!("no data for {pause} seconds");
                return Err(Fault::cut_off(words));
            }
            Ok(Err(error)) => return Err(Fault::cut_off(root_cause(&error))),
            Ok(Ok(None)) if bytes.len() == most => return Ok(bytes.freeze()),
            Ok(Ok(None)) => {
                let words = format!("{} of {length} bytes were received", bytes.len());
                return Err(Fault::cut_off(words));
            }
            Ok(Ok(Some(more))) if bytes.len() + more.len() > most => {
                return Err(Fault::cut_off(format!("more than {length} bytes were received")));
            }
            Ok(Ok(Some(more))) => bytes.extend_from_slice(&more),
        }
    }
}

/// The text of a percent-encoded key, where `+` is a space; nothing if it is not UTF-8.
fn decode(key: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(key.len());
    let mut rest = key.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                u8::try_from(digit()? * 16 + digit()?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn keys_are_decoded_as_servers_encode_them() {
        for (encoded, text) in [
            ("a+b%2B%25.jpg", Some("a b+%.jpg")),
            ("%C3%A9%0A//../x", Some("é\n//../x")),
            ("%FF", None),
            ("%4", None),
            ("%zz", None),
        ] {
            assert_eq!(decode(encoded).as_deref(), text, "{encoded}");
        }
    }
}
