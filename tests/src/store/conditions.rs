//! If-Match and If-None-Match, on reads and on writes.

use s3s::dto::{ETag, ETagCondition};
use s3s::{S3Result, s3_error};

use super::bucket::Object;
use super::switches::Switches;

/// The conditions of one request.
#[derive(Debug, Clone, Default)]
pub(super) struct Conditions {
    pub(super) if_match: Option<ETagCondition>,
    pub(super) if_none_match: Option<ETagCondition>,
}

impl Conditions {
    /// Those of a write, without what this server ignores.
    pub(super) fn of_write(
        if_match: Option<ETagCondition>,
        if_none_match: Option<ETagCondition>,
        switches: &Switches,
    ) -> Self {
        Self {
            if_match: if_match.filter(|_| !switches.ignore_if_match),
            if_none_match: if_none_match.filter(|_| !switches.ignore_if_none_match),
        }
    }

    /// Whether the object may be read.
    pub(super) fn read(&self, object: &Object) -> S3Result<()> {
        if self.if_match.as_ref().is_some_and(|wanted| !matches(wanted, object)) {
            return Err(s3_error!(PreconditionFailed, "If-Match does not hold"));
        }
        if self.if_none_match.as_ref().is_some_and(|unwanted| matches(unwanted, object)) {
            return Err(s3_error!(NotModified));
        }
        Ok(())
    }

    /// Whether the object may be written or removed where `there` is.
    pub(super) fn write(&self, there: Option<&Object>) -> S3Result<()> {
        if let Some(unwanted) = &self.if_none_match {
            if !unwanted.is_any() {
                let words = "If-None-Match of a write takes * alone";
                return Err(s3_error!(NotImplemented, "{words}"));
            }
            if there.is_some() {
                return Err(s3_error!(PreconditionFailed, "If-None-Match does not hold"));
            }
        }
        if let Some(wanted) = &self.if_match {
            let Some(there) = there else {
                return Err(s3_error!(NoSuchKey, "If-Match, and the key does not exist"));
            };
            if !matches(wanted, there) {
                return Err(s3_error!(PreconditionFailed, "If-Match does not hold"));
            }
        }
        Ok(())
    }

    /// Whether the source of a copy may be read. A copy has no answer `304`.
    pub(super) fn copy_source(&self, source: &Object) -> S3Result<()> {
        self.read(source).map_err(|_| s3_error!(PreconditionFailed, "the copy's source differs"))
    }
}

fn matches(condition: &ETagCondition, object: &Object) -> bool {
    match condition {
        ETagCondition::Any => true,
        ETagCondition::ETag(etag) => etag.strong_cmp(&ETag::Strong(object.etag.to_string())),
    }
}
