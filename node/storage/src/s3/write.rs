//! Single requests that change a bucket, and what their answers mean.

use std::ops::Range;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;

use crate::s3::bucket::{Bucket, NotRead};
use crate::s3::error::S3Error;
use crate::s3::etag;
use crate::s3::fault::{Blame, Fault};
use crate::s3::patience::{Load, within};

/// Keys that one request can delete.
pub(super) const DELETE_KEYS_MAX: usize = 1_000;

/// What must hold for a write to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition<E> {
    /// Nothing.
    None,
    /// There is no such object.
    Absent,
    /// The object has this `ETag`.
    Is(E),
}

impl Condition<String> {
    /// The same, borrowed.
    pub(super) fn as_deref(&self) -> Condition<&str> {
        match self {
            Self::None => Condition::None,
            Self::Absent => Condition::Absent,
            Self::Is(etag) => Condition::Is(etag),
        }
    }
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Written {
    /// It was done; the new `ETag`.
    Done(String),
    /// The condition does not hold.
    Unmet,
    /// The server knows no such condition.
    Unsupported,
}

/// An object as its head tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) size: u64,
    pub(super) etag: String,
}

/// An object that is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Doomed {
    pub(super) key: String,
    /// The one version that is meant; nothing for whatever there is.
    pub(super) etag: Option<String>,
}

/// What a refusal of a condition asks for.
enum Refusal {
    Unmet,
    Unsupported,
}

impl Bucket {
    /// Writes a whole object.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition<&str>,
    ) -> Result<Written, S3Error> {
        let put = || {
            let put = self.client.put_object().bucket(&self.name).key(key);
            let put = match condition {
                Condition::None => put,
                Condition::Absent => put.if_none_match("*"),
                Condition::Is(etag) => put.if_match(etag),
            };
            let (encryption, key) = self.encrypted();
            let put = put.set_server_side_encryption(encryption).set_ssekms_key_id(key);
            put.body(bytes.clone().into()).send()
        };
        match self.ask(Load::of(bytes.len()), |limit| within(limit, put())).await {
            Ok(done) => Ok(Written::Done(version(done.e_tag))),
            Err(fault) => match refusal(condition, &fault) {
                Some(Refusal::Unmet) => Ok(Written::Unmet),
                Some(Refusal::Unsupported) => Ok(Written::Unsupported),
                None => Err(self.failed(key, "s3:PutObject", &fault)),
            },
        }
    }

    /// Copies an object of at most 5 GiB within the bucket. `None` where there is nothing to copy
    /// or it is too large for one request.
    pub(super) async fn copy(
        &self,
        from: &str,
        to: &str,
        condition: Condition<&str>,
    ) -> Result<Option<Written>, S3Error> {
        let source = encode(&format!("{}/{from}", self.name));
        let copy = || {
            let copy = self.client.copy_object().bucket(&self.name).key(to).copy_source(&source);
            let copy = match condition {
                Condition::None => copy,
                Condition::Absent => copy.if_none_match("*"),
                Condition::Is(etag) => copy.if_match(etag),
            };
            let (encryption, key) = self.encrypted();
            copy.set_server_side_encryption(encryption).set_ssekms_key_id(key).send()
        };
        let fault = match self.ask(Load::copy(), |limit| within(limit, copy())).await {
            Ok(done) => {
                let etag = done.copy_object_result.and_then(|copied| copied.e_tag);
                return Ok(Some(Written::Done(version(etag))));
            }
            Err(fault) => fault,
        };
        match (refusal(condition, &fault), &fault.code[..]) {
            (Some(Refusal::Unmet), _) => Ok(Some(Written::Unmet)),
            (Some(Refusal::Unsupported), _) => Ok(Some(Written::Unsupported)),
            (None, "NoSuchKey" | "InvalidRequest" | "EntityTooLarge") => Ok(None),
            (None, _) => Err(self.failed(to, "s3:GetObject and s3:PutObject", &fault)),
        }
    }

    /// What stands under a key, if anything does.
    pub(super) async fn head(&self, key: &str) -> Result<Option<Head>, S3Error> {
        let head = || self.client.head_object().bucket(&self.name).key(key).send();
        match self.ask(Load::default(), |limit| within(limit, head())).await {
            Ok(head) => Ok(Some(Head {
                size: head.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                etag: version(head.e_tag),
            })),
            Err(fault) if fault.is(404) => Ok(None),
            Err(fault) => Err(self.failed(key, "s3:GetObject and s3:ListBucket", &fault)),
        }
    }

    /// The bytes under a key and their `ETag`, if there is such an object.
    pub(super) async fn get(&self, key: &str) -> Result<Option<(Bytes, String)>, S3Error> {
        self.get_part(key, None).await
    }

    /// The same of an object that somebody else may have written: without its bytes, if they are
    /// more than `bytes_max`.
    pub(super) async fn get_small(
        &self,
        key: &str,
        bytes_max: u64,
    ) -> Result<Option<(Option<Bytes>, String)>, S3Error> {
        let fits = |length: Option<u64>, etag: Option<&str>| match length {
            Some(length) if length <= bytes_max => Ok(length),
            _ => Err(etag.unwrap_or_default().to_owned()),
        };
        match self.read(key, (None, None), fits).await {
            Ok(read) => Ok(Some((Some(read.bytes), read.etag.unwrap_or_default()))),
            Err(NotRead::Refused(etag)) => Ok(Some((None, etag))),
            Err(NotRead::Fault(fault)) if fault.is(404) && fault.code != "NoSuchBucket" => Ok(None),
            Err(NotRead::Fault(fault)) => Err(self.failed(key, "s3:GetObject", &fault)),
        }
    }

    /// The bytes of an object, or of a range of it.
    pub(super) async fn get_part(
        &self,
        key: &str,
        range: Option<Range<u64>>,
    ) -> Result<Option<(Bytes, String)>, S3Error> {
        let due = range.as_ref().map(|range| range.end - range.start);
        let fits = |length: Option<u64>, _: Option<&str>| match (length, due) {
            (Some(length), Some(due)) if length != due => {
                Err(format!("received {length} bytes instead of the {due} requested"))
            }
            _ => Ok(due.or(length).unwrap_or_default()),
        };
        match self.read(key, (range.as_ref(), None), fits).await {
            Ok(read) => Ok(Some((read.bytes, read.etag.unwrap_or_default()))),
            Err(NotRead::Fault(fault)) if fault.is(404) && fault.code != "NoSuchBucket" => Ok(None),
            Err(NotRead::Fault(fault)) => Err(self.failed(key, "s3:GetObject", &fault)),
            Err(NotRead::Refused(words)) => Err(self.broken(key, words)),
        }
    }

    /// Removes an object. One that is not there is no error.
    pub(super) async fn remove(&self, key: &str) -> Result<(), S3Error> {
        self.remove_one(&Doomed { key: key.to_owned(), etag: None }).await?;
        Ok(())
    }

    /// Removes objects, a thousand at a time; those that are another version by now stay. How many
    /// stayed.
    pub(super) async fn remove_all(&self, doomed: &[Doomed]) -> Result<usize, S3Error> {
        let mut spared = 0;
        for doomed in doomed.chunks(DELETE_KEYS_MAX) {
            let objects = doomed.iter().map(|object| {
                let id =
                    ObjectIdentifier::builder().key(&object.key).set_e_tag(object.etag.clone());
                id.build().expect("the key is given")
            });
            let list = Delete::builder().set_objects(Some(objects.collect())).quiet(true).build();
            let list = list.expect("the objects are given");
            let request = || self.client.delete_objects().bucket(&self.name).delete(list.clone());
            let asked = self.ask(Load::default(), |limit| within(limit, request().send()));
            let refused = match asked.await {
                Ok(answer) => answer.errors.unwrap_or_default(),
                Err(fault)
                    if ["NotImplemented", "MissingContentMD5"].contains(&&fault.code[..]) =>
                {
                    // Some servers know the single request alone.
                    for object in doomed {
                        spared += usize::from(!self.remove_one(object).await?);
                    }
                    continue;
                }
                Err(fault) => return Err(self.failed(&doomed[0].key, "s3:DeleteObject", &fault)),
            };
            for error in refused {
                match error.code().unwrap_or_default() {
                    "NoSuchKey" => {}
                    "PreconditionFailed" | "ConditionalRequestConflict" => spared += 1,
                    code => {
                        let key = error.key().unwrap_or(&doomed[0].key);
                        let fault = Fault::told(code, error.message().unwrap_or_default());
                        if !matches!(fault.blame(), Blame::World(_)) {
                            return Err(self.failed(key, "s3:DeleteObject", &fault));
                        }
                        // Of a thousand one may meet a fault of the store's: alone it is asked for
                        // until it goes.
                        let object = doomed.iter().find(|object| object.key == key);
                        if let Some(object) = object {
                            spared += usize::from(!self.remove_one(object).await?);
                        }
                    }
                }
            }
        }
        Ok(spared)
    }

    /// Removes one object; false if it is another version by now.
    pub(super) async fn remove_one(&self, object: &Doomed) -> Result<bool, S3Error> {
        let remove = || {
            let remove = self.client.delete_object().bucket(&self.name).key(&object.key);
            remove.set_if_match(object.etag.clone())
        };
        match self.ask(Load::default(), |limit| within(limit, remove().send())).await {
            Ok(_) => Ok(true),
            Err(fault) if fault.is(404) && fault.code == "NoSuchKey" => Ok(true),
            Err(fault) if object.etag.is_some() && (fault.is(409) || fault.is(412)) => Ok(false),
            Err(fault) => Err(self.failed(&object.key, "s3:DeleteObject", &fault)),
        }
    }
}

/// Whether a failure is about the condition.
fn refusal(condition: Condition<&str>, fault: &Fault) -> Option<Refusal> {
    if condition == Condition::None {
        return None;
    }
    match (fault.status, &fault.code[..]) {
        (Some(412), _) => Some(Refusal::Unmet),
        // The object whose version was named is gone.
        (Some(404), "NoSuchKey") if condition != Condition::Absent => Some(Refusal::Unmet),
        (Some(501), _) | (_, "NotImplemented") => Some(Refusal::Unsupported),
        _ => None,
    }
}

/// A version in its one form; nothing where the server tells none.
fn version(etag: Option<String>) -> String {
    etag.as_deref().map(etag::canonical).unwrap_or_default()
}

/// A key as the header that names the source of a copy wants it.
pub(super) fn encode(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'/' | b'-' | b'_' | b'.' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::encode;

    #[test]
    fn the_source_of_a_copy_is_encoded_but_for_slashes() {
        assert_eq!(encode("b/a b+%/é.x~-_"), "b/a%20b%2B%25/%C3%A9.x~-_");
    }
}
