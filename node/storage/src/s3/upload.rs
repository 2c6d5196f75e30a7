//! Objects that are written piece by piece: one request if they are small, else parts.

use std::sync::Arc;

use async_trait::async_trait;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::{Bytes, BytesMut};
use tokio::runtime::Handle;
use tracing::{Instrument, warn};

use crate::s3::bucket::Bucket;
use crate::s3::error::S3Error;
use crate::s3::patience::{Load, within};
use crate::s3::publication::Shared;
use crate::s3::write::encode;
use crate::sink::{ObjectWriter, SinkError, is_private};

/// Size of the first parts, and of the largest object that needs none.
pub(super) const PART_BYTES: u64 = 8 << 20;

/// Parts after which they grow twofold. 10,000 parts then hold more than an object can.
const PARTS_ALIKE: u32 = 1_000;

/// Largest part of a copy.
const COPY_PART_BYTES: u64 = 1 << 30;

/// An object under construction.
pub(super) struct Writer {
    sink: Arc<Shared>,
    name: String,
    /// The name that parts are written under.
    written_as: String,
    buffer: BytesMut,
    written: u64,
    upload: Option<Upload>,
    broken: bool,
}

/// Parts of one object. Dropped unfinished, they are given up.
pub(super) struct Upload {
    bucket: Bucket,
    key: String,
    id: String,
    parts: Vec<CompletedPart>,
    finished: bool,
}

/// Size in bytes of a part, by its number from 0.
fn part_bytes(number: u32) -> u64 {
    PART_BYTES << (number / PARTS_ALIKE).min(9)
}

/// Writes an object whose bytes are all there, part by part: what fails is sent again in part.
pub(super) async fn put_in_parts(
    sink: &Arc<Shared>,
    name: &str,
    mut bytes: Bytes,
) -> Result<(), SinkError> {
    sink.before_write(name).await?;
    let size = bytes.len() as u64;
    let written = written_as(sink, name);
    let mut upload = Upload::begin(&sink.bucket, &sink.bucket.key(&written)).await?;
    while !bytes.is_empty() {
        let due = usize::try_from(part_bytes(upload.number())).unwrap_or(usize::MAX);
        let part = bytes.split_to(due.min(bytes.len()));
        upload.part(part).await?;
    }
    sink.before_write(name).await?;
    sink.to_the_end(Box::pin(async move { upload.finish(size).await })).await?;
    match written == name {
        true => Ok(()),
        false => sink.publish(&written, name).await,
    }
}

/// Where the bytes of a name go: those of a public one are copied there afterwards.
fn written_as(sink: &Shared, name: &str) -> String {
    if is_private(name) { name.to_owned() } else { sink.stage() }
}

impl Writer {
    /// Begins the object `name` of a sink.
    pub(super) fn begin(sink: Arc<Shared>, name: &str) -> Self {
        let (name, buffer) = (name.to_owned(), BytesMut::new());
        let written_as = String::new();
        Self { sink, name, written_as, buffer, written: 0, upload: None, broken: false }
    }

    fn due(&self) -> u64 {
        part_bytes(self.upload.as_ref().map_or(0, Upload::number))
    }

    /// Sends a part from what is held back.
    async fn send(&mut self, length: usize) -> Result<(), SinkError> {
        let part = self.buffer.split_to(length).freeze();
        if self.upload.is_none() {
            self.sink.check_open()?;
            let bucket = &self.sink.bucket;
            self.written_as = written_as(&self.sink, &self.name);
            self.upload = Some(Upload::begin(bucket, &bucket.key(&self.written_as)).await?);
        }
        let upload = self.upload.as_mut().expect("it was begun just now");
        Ok(upload.part(part).await?)
    }
}

#[async_trait]
impl ObjectWriter for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        if self.broken {
            return Err(SinkError::Closed);
        }
        self.written += bytes.len() as u64;
        self.buffer.extend_from_slice(&bytes);
        while self.buffer.len() as u64 > self.due() {
            // A part that fails is lost, and with it the object.
            self.broken = true;
            let due = usize::try_from(self.due()).unwrap_or(usize::MAX);
            self.send(due).await?;
            self.broken = false;
        }
        Ok(())
    }

    async fn finish(mut self: Box<Self>) -> Result<u64, SinkError> {
        if self.broken {
            return Err(SinkError::Closed);
        }
        if self.upload.is_none() {
            let bytes = std::mem::take(&mut self.buffer).freeze();
            self.sink.put(&self.name, bytes).await?;
            return Ok(self.written);
        }
        let rest = self.buffer.len();
        if rest > 0 {
            self.send(rest).await?;
        }
        self.sink.before_write(&self.name).await?;
        let (upload, written) = (self.upload.take().expect("it was begun"), self.written);
        let finish = Box::pin(async move { upload.finish(written).await });
        self.sink.to_the_end(finish).await?;
        if self.written_as != self.name {
            self.sink.publish(&self.written_as, &self.name).await?;
        }
        Ok(written)
    }
}

impl Upload {
    /// Begins an object of parts.
    pub(super) async fn begin(bucket: &Bucket, key: &str) -> Result<Self, S3Error> {
        let begin = || {
            let begin = bucket.client.create_multipart_upload().bucket(&bucket.name).key(key);
            let (encryption, id) = bucket.encrypted();
            begin.set_server_side_encryption(encryption).set_ssekms_key_id(id).send()
        };
        let begun = bucket.ask(Load::default(), |limit| within(limit, begin())).await;
        let begun = begun.map_err(|fault| bucket.failed(key, "s3:PutObject", &fault))?;
        let id = begun
            .upload_id
            .ok_or_else(|| bucket.broken(key, "the server returned no upload ID"))?;
        let (bucket, key) = (bucket.clone(), key.to_owned());
        Ok(Self { bucket, key, id, parts: Vec::new(), finished: false })
    }

    /// Number of the next part, from 0.
    fn number(&self) -> u32 {
        u32::try_from(self.parts.len()).unwrap_or(u32::MAX)
    }

    fn next(&self) -> i32 {
        i32::try_from(self.parts.len() + 1).unwrap_or(i32::MAX)
    }

    async fn part(&mut self, bytes: Bytes) -> Result<(), S3Error> {
        let number = self.next();
        let bucket = &self.bucket;
        let part = || {
            let part = bucket.client.upload_part().bucket(&bucket.name).key(&self.key);
            part.upload_id(&self.id).part_number(number).body(bytes.clone().into()).send()
        };
        let sent = bucket
            .ask(Load::of(bytes.len()), |limit| within(limit, part()))
            .await
            .map_err(|fault| bucket.failed(&self.key, "s3:PutObject", &fault))?;
        let part = CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag);
        self.parts.push(part.build());
        Ok(())
    }

    /// Copies an object of `size` bytes part by part: for those that one request cannot copy.
    pub(super) async fn copy(mut self, from: &str, size: u64) -> Result<(), S3Error> {
        let mut start = 0;
        while start < size {
            let (number, end) = (self.next(), (start + COPY_PART_BYTES).min(size));
            let bucket = &self.bucket;
            let copy = || {
                let copy = bucket.client.upload_part_copy().bucket(&bucket.name).key(&self.key);
                copy.upload_id(&self.id)
                    .part_number(number)
                    .copy_source(encode(&format!("{}/{from}", bucket.name)))
                    .copy_source_range(format!("bytes={start}-{}", end - 1))
                    .send()
            };
            let sent = bucket.ask(Load::copy(), |limit| within(limit, copy())).await;
            let sent = sent.map_err(|fault| {
                bucket.failed(&self.key, "s3:GetObject and s3:PutObject", &fault)
            })?;
            let etag = sent.copy_part_result.and_then(|part| part.e_tag);
            let part = CompletedPart::builder().part_number(number).set_e_tag(etag);
            self.parts.push(part.build());
            start = end;
        }
        self.finish(size).await
    }

    /// Makes the object appear.
    async fn finish(mut self, size: u64) -> Result<(), S3Error> {
        let parts = CompletedMultipartUpload::builder().set_parts(Some(self.parts.clone())).build();
        let bucket = &self.bucket;
        let finish = || {
            let finish = bucket.client.complete_multipart_upload().bucket(&bucket.name);
            let finish = finish.key(&self.key).upload_id(&self.id);
            finish.multipart_upload(parts.clone()).send()
        };
        let done = bucket.ask(Load::copy(), |limit| within(limit, finish())).await;
        match done {
            Ok(_) => {}
            // The answer to an earlier attempt was lost.
            Err(fault)
                if fault.is(404)
                    && fault.code == "NoSuchUpload"
                    && bucket.head(&self.key).await?.is_some_and(|head| head.size == size) => {}
            Err(fault) => return Err(bucket.failed(&self.key, "s3:PutObject", &fault)),
        }
        self.finished = true;
        Ok(())
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        let (bucket, key, id) = (self.bucket.clone(), self.key.clone(), self.id.clone());
        let give_up = async move {
            let abort = || {
                let abort = bucket.client.abort_multipart_upload().bucket(&bucket.name);
                abort.key(&key).upload_id(&id).send()
            };
            if let Err(fault) = bucket.ask(Load::default(), |limit| within(limit, abort())).await {
                let error = bucket.failed(&key, "s3:AbortMultipartUpload", &fault);
                warn!(%error, "cannot abort an unfinished upload; the next run for this target \
                               does it");
            }
        };
        // Without a reactor the process is ending: the next run does it.
        if let Ok(reactor) = Handle::try_current() {
            reactor.spawn(give_up.instrument(tracing::debug_span!("give-up-upload")));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::part_bytes;

    #[test]
    fn ten_thousand_parts_hold_the_largest_object_and_none_is_too_large() {
        let sizes = (0..10_000).map(part_bytes);
        assert!(sizes.clone().sum::<u64>() >= 5 << 40);
        assert!(sizes.clone().all(|size| (5 << 20..=5 << 30).contains(&size)));
        assert_eq!(sizes.take(1_000).sum::<u64>(), 8_000 << 20);
    }
}
