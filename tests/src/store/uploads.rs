//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use s3s::crypto::{Checksum, Md5};
use s3s::dto::{CompletedPart, ETag};
use s3s::{S3Result, s3_error};

use super::bucket::{Bucket, Object, hex, now_s};
use super::conditions::Conditions;

/// Bytes that each part but the last has at least.
const PART_BYTES_MIN: usize = 5 * 1024 * 1024;

/// Parts of one object at most.
const PARTS_MAX: i32 = 10_000;

/// An upload that is neither completed nor aborted.
#[derive(Debug, Clone)]
pub(super) struct Upload {
    pub(super) key: String,
    pub(super) begun_s: i64,
    pub(super) parts: BTreeMap<i32, Part>,
}

/// One of its parts.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) body: Bytes,
    pub(super) md5: [u8; 16],
    pub(super) modified_s: i64,
}

impl Bucket {
    /// Begins an upload; its id. Ids never repeat, and later ones sort later.
    pub(super) fn begin_upload(&mut self, key: String) -> String {
        self.uploads_begun += 1;
        let id = format!("upload-{:010}", self.uploads_begun);
        let upload = Upload { key, begun_s: now_s(), parts: BTreeMap::new() };
        self.uploads.insert(id.clone(), upload);
        id
    }

    /// An upload by id; it must be one of this key.
    pub(super) fn upload(&mut self, key: &str, id: &str) -> S3Result<&mut Upload> {
        let upload = self.uploads.get_mut(id).filter(|upload| upload.key == key);
        upload.ok_or_else(|| s3_error!(NoSuchUpload, "The specified upload does not exist."))
    }

    /// Keeps a part; its ETag.
    pub(super) fn put_part(
        &mut self,
        key: &str,
        id: &str,
        number: i32,
        body: Bytes,
    ) -> S3Result<ETag> {
        if !(1..=PARTS_MAX).contains(&number) {
            return Err(s3_error!(InvalidArgument, "Part number must be from 1 to {PARTS_MAX}"));
        }
        let part = Part { md5: Md5::checksum(&body), body, modified_s: now_s() };
        let etag = part.etag();
        self.upload(key, id)?.parts.insert(number, part);
        Ok(etag)
    }

    /// Makes an object of the parts, in one step.
    pub(super) fn complete_upload(
        &mut self,
        key: &str,
        id: &str,
        wanted: &[CompletedPart],
        conditions: &Conditions,
    ) -> S3Result<Object> {
        let object = self.upload(key, id)?.assemble(wanted)?;
        let object = self.put(key.to_owned(), object, conditions)?;
        self.uploads.remove(id);
        Ok(object)
    }

    pub(super) fn abort_upload(&mut self, key: &str, id: &str) -> S3Result<()> {
        self.upload(key, id)?;
        self.uploads.remove(id);
        Ok(())
    }
}

impl Upload {
    fn assemble(&self, wanted: &[CompletedPart]) -> S3Result<Object> {
        let mut body = BytesMut::new();
        let mut digests = Vec::new();
        if !wanted.iter().is_sorted_by(|one, next| one.part_number < next.part_number) {
            return Err(s3_error!(InvalidPartOrder, "The parts are not in ascending order"));
        }
        for (at, wanted_part) in wanted.iter().enumerate() {
            let number = wanted_part.part_number.unwrap_or_default();
            let part = self.parts.get(&number).filter(|part| {
                wanted_part.e_tag.as_ref().is_some_and(|etag| etag.strong_cmp(&part.etag()))
            });
            let Some(part) = part else {
                return Err(s3_error!(InvalidPart, "Part {number} is not there, or differs"));
            };
            if at + 1 < wanted.len() && part.body.len() < PART_BYTES_MIN {
                return Err(s3_error!(EntityTooSmall, "Part {number} is too small"));
            }
            body.extend_from_slice(&part.body);
            digests.extend_from_slice(&part.md5);
        }
        if wanted.is_empty() {
            return Err(s3_error!(MalformedXML, "You must specify at least one part"));
        }
        let etag = format!("{}-{}", hex(&Md5::checksum(&digests)), wanted.len()).into();
        Ok(Object { body: body.freeze(), etag, modified_s: now_s() })
    }
}

impl Part {
    pub(super) fn etag(&self) -> ETag {
        ETag::Strong(hex(&self.md5))
    }
}
