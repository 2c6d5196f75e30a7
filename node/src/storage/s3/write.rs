//! Single requests that change a bucket, and what their answers mean.

use std::time::Duration;

use aws_sdk_s3::error::ProvideErrorMetadata;
use aws_sdk_s3::types::{Delete, ObjectIdentifier};
use bytes::Bytes;
use tokio::time::sleep;

use crate::storage::s3::bucket::{BODY_ATTEMPTS_MAX, Bucket, body};
use crate::storage::s3::connect::Failed;
use crate::storage::s3::error::{S3Error, status};

/// Keys that one request can delete.
pub(super) const DELETE_KEYS_MAX: usize = 1_000;

/// Times a conditional request is repeated that met another one under way.
const CONFLICTS_MAX: u32 = 5;

/// Wait before that.
const CONFLICT_PAUSE: Duration = Duration::from_millis(200);

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
    Again,
}

impl Bucket {
    /// Writes a whole object.
    pub(super) async fn put(
        &self,
        key: &str,
        bytes: Bytes,
        condition: Condition<&str>,
    ) -> Result<Written, S3Error> {
        let mut conflicts = 0;
        loop {
            let put = self.client.put_object().bucket(&self.name).key(key);
            let put = match condition {
                Condition::None => put,
                Condition::Absent => put.if_none_match("*"),
                Condition::Is(etag) => put.if_match(etag),
            };
            let error = match put.body(bytes.clone().into()).send().await {
                Ok(done) => return Ok(Written::Done(done.e_tag.unwrap_or_default())),
                Err(error) => error,
            };
            match refusal(condition, &error) {
                Some(Refusal::Again) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    sleep(CONFLICT_PAUSE).await;
                }
                Some(Refusal::Unmet | Refusal::Again) => return Ok(Written::Unmet),
                Some(Refusal::Unsupported) => return Ok(Written::Unsupported),
                None => return Err(self.failed(key, "s3:PutObject", &error)),
            }
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
        let mut conflicts = 0;
        loop {
            let copy = self.client.copy_object().bucket(&self.name).key(to).copy_source(&source);
            let copy = match condition {
                Condition::None => copy,
                Condition::Absent => copy.if_none_match("*"),
                Condition::Is(etag) => copy.if_match(etag),
            };
            let error = match copy.send().await {
                Ok(done) => {
                    let etag = done.copy_object_result.and_then(|copied| copied.e_tag);
                    return Ok(Some(Written::Done(etag.unwrap_or_default())));
                }
                Err(error) => error,
            };
            match (refusal(condition, &error), error.code()) {
                (Some(Refusal::Again), _) if conflicts < CONFLICTS_MAX => {
                    conflicts += 1;
                    sleep(CONFLICT_PAUSE).await;
                }
                (Some(Refusal::Unmet | Refusal::Again), _) => return Ok(Some(Written::Unmet)),
                (Some(Refusal::Unsupported), _) => return Ok(Some(Written::Unsupported)),
                (None, Some("NoSuchKey" | "InvalidRequest" | "EntityTooLarge")) => return Ok(None),
                (None, _) => {
                    let right = "s3:GetObject and s3:PutObject";
                    return Err(self.failed(to, right, &error));
                }
            }
        }
    }

    /// What stands under a key, if anything does.
    pub(super) async fn head(&self, key: &str) -> Result<Option<Head>, S3Error> {
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(head) => Ok(Some(Head {
                size: head.content_length.and_then(|size| u64::try_from(size).ok()).unwrap_or(0),
                etag: head.e_tag.unwrap_or_default(),
            })),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(self.failed(key, "s3:GetObject and s3:ListBucket", &error)),
        }
    }

    /// The bytes under a key and their `ETag`, if there is such an object.
    pub(super) async fn get(&self, key: &str) -> Result<Option<(Bytes, String)>, S3Error> {
        self.get_part(key, None).await
    }

    /// The bytes of an object, or of a range of it.
    pub(super) async fn get_part(
        &self,
        key: &str,
        range: Option<std::ops::Range<u64>>,
    ) -> Result<Option<(Bytes, String)>, S3Error> {
        let mut words = String::new();
        for _ in 0..BODY_ATTEMPTS_MAX {
            let reply = match self.open(key, range.as_ref(), None).await {
                Ok(reply) => reply,
                Err(error)
                    if status(&error) == Some(404) && error.code() != Some("NoSuchBucket") =>
                {
                    return Ok(None);
                }
                Err(error) => return Err(self.failed(key, "s3:GetObject", &error)),
            };
            let length = reply.content_length.and_then(|length| u64::try_from(length).ok());
            let due = range.as_ref().map(|range| range.end - range.start);
            match (length, due) {
                (Some(length), Some(due)) if length != due => {
                    let words = format!("{length} bytes came where {due} were asked for");
                    return Err(self.broken(key, words));
                }
                _ => {}
            }
            let length = due.or(length).unwrap_or_default();
            let etag = reply.e_tag.unwrap_or_default();
            match body(reply.body, length).await {
                Ok(bytes) => return Ok(Some((bytes, etag))),
                Err(why) => words = why,
            }
        }
        Err(self.broken(key, words))
    }

    /// Removes an object. One that is not there is no error.
    pub(super) async fn remove(&self, key: &str) -> Result<(), S3Error> {
        match self.client.delete_object().bucket(&self.name).key(key).send().await {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) && error.code() == Some("NoSuchKey") => {
                Ok(())
            }
            Err(error) => Err(self.failed(key, "s3:DeleteObject", &error)),
        }
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
            let request = self.client.delete_objects().bucket(&self.name).delete(list);
            let refused = match request.send().await {
                Ok(answer) => answer.errors.unwrap_or_default(),
                Err(error)
                    if matches!(error.code(), Some("NotImplemented" | "MissingContentMD5")) =>
                {
                    // Some servers know the single request alone.
                    for object in doomed {
                        spared += usize::from(!self.remove_one(object).await?);
                    }
                    continue;
                }
                Err(error) => return Err(self.failed(&doomed[0].key, "s3:DeleteObject", &error)),
            };
            for error in refused {
                match error.code().unwrap_or_default() {
                    "NoSuchKey" => {}
                    "PreconditionFailed" | "ConditionalRequestConflict" => spared += 1,
                    code => {
                        let place = self.place(error.key().unwrap_or(&doomed[0].key));
                        let words = format!("{code}: {}", error.message().unwrap_or_default());
                        return Err(match code {
                            "AccessDenied" => {
                                S3Error::Denied { place, words, right: "s3:DeleteObject" }
                            }
                            _ => S3Error::Failed { place, words },
                        });
                    }
                }
            }
        }
        Ok(spared)
    }

    /// Removes one object; false if it is another version by now.
    pub(super) async fn remove_one(&self, object: &Doomed) -> Result<bool, S3Error> {
        let request = self.client.delete_object().bucket(&self.name).key(&object.key);
        match request.set_if_match(object.etag.clone()).send().await {
            Ok(_) => Ok(true),
            Err(error) if status(&error) == Some(404) && error.code() == Some("NoSuchKey") => {
                Ok(true)
            }
            Err(error) if object.etag.is_some() && matches!(status(&error), Some(409 | 412)) => {
                Ok(false)
            }
            Err(error) => Err(self.failed(&object.key, "s3:DeleteObject", &error)),
        }
    }
}

/// Whether a failure is about the condition.
fn refusal<E: ProvideErrorMetadata>(
    condition: Condition<&str>,
    error: &Failed<E>,
) -> Option<Refusal> {
    if condition == Condition::None {
        return None;
    }
    match (status(error), error.code()) {
        (Some(412), _) => Some(Refusal::Unmet),
        // The object whose version was named is gone.
        (Some(404), Some("NoSuchKey")) if condition != Condition::Absent => Some(Refusal::Unmet),
        (Some(409), Some("ConditionalRequestConflict" | "OperationAborted")) => {
            Some(Refusal::Again)
        }
        (Some(501), _) | (_, Some("NotImplemented")) => Some(Refusal::Unsupported),
        _ => None,
    }
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
