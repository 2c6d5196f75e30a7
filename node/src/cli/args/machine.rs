//! The part of the command line that is about this machine, and changes no byte of a result.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::{Args, ValueEnum};

use fruitnode_storage::{Encryption, S3Options};

use crate::cli::args::parse;

/// Where S3 is. Credentials are found as by every other tool: environment, profile, single sign-on,
/// container or instance role. No byte of a result depends on any of it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StorageArgs {
    /// S3-compatible server to use instead of AWS: https://HOST:PORT, or http:// for a server on
    /// this machine. [default: AWS_ENDPOINT_URL, or AWS]
    #[arg(long, value_name = "URL", help_heading = "S3")]
    pub endpoint: Option<String>,
    /// Region of the bucket. [default: AWS_REGION, or that of the profile or instance]
    #[arg(long, value_name = "NAME", help_heading = "S3")]
    pub region: Option<String>,
    /// Put the bucket name in the path instead of the host name. [default: true if an endpoint is
    /// given]
    #[arg(long, value_name = "BOOL", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, help_heading = "S3")]
    pub path_style: Option<bool>,
    /// Profile in ~/.aws/config. [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME", help_heading = "S3")]
    pub profile: Option<String>,
    /// Agree to pay for reading from a requester-pays bucket.
    #[arg(long, help_heading = "S3")]
    pub request_payer: bool,
    /// Do not sign requests: for public buckets. Needs no credentials.
    #[arg(long, help_heading = "S3", conflicts_with = "profile")]
    pub no_sign_request: bool,
    /// Server-side encryption of what is written. [default: that of the bucket]
    #[arg(long, value_name = "AES256|aws:kms", help_heading = "S3")]
    pub sse: Option<Sse>,
    /// Key ID for SSE-KMS; implies `--sse aws:kms`. [default: that of the bucket, or of the
    /// service]
    #[arg(long, value_name = "ID", help_heading = "S3",
          value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub sse_kms_key_id: Option<String>,
    /// Allow plain http:// to an endpoint on another machine. Only for private networks.
    #[arg(long, help_heading = "S3")]
    pub allow_http: bool,
}

/// How the server encrypts what is written, by the name that S3 gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sse {
    /// With a key managed by S3.
    #[value(name = "AES256")]
    Aes256,
    /// With a key of the key management service (KMS).
    #[value(name = "aws:kms")]
    Kms,
}

impl StorageArgs {
    /// As the storage takes them. An empty word is as good as none.
    pub(crate) fn options(&self) -> S3Options {
        let word = |word: &Option<String>| word.clone().filter(|word| !word.is_empty());
        S3Options {
            endpoint: word(&self.endpoint),
            region: word(&self.region),
            path_style: self.path_style,
            profile: word(&self.profile),
            request_payer: self.request_payer,
            no_sign_request: self.no_sign_request,
            encryption: match (self.sse, word(&self.sse_kms_key_id)) {
                (None, None) => None,
                (Some(Sse::Aes256), None) => Some(Encryption::Aes256),
                (_, key) => Some(Encryption::Kms(key)),
            },
            allow_http: self.allow_http,
            alone: false,
        }
    }
}

/// Options that change how long it takes, and no byte of the result.
#[derive(Debug, Clone, Args)]
pub(crate) struct MachineArgs {
    /// Number of compute threads. [default: one per CPU]
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroUsize>,
          help_heading = "Machine")]
    pub threads: Option<NonZeroUsize>,
    /// Photographs per batch of a compute thread.
    #[arg(long, value_name = "N", value_parser = parse::positive::<NonZeroUsize>,
          default_value_t = batch_default(), help_heading = "Machine")]
    pub batch: NonZeroUsize,
    /// Compute kernels. [default: the fastest ones this CPU supports]
    #[arg(long, value_name = "avx512|avx2|portable", help_heading = "Machine")]
    pub kernel: Option<String>,
    /// Do not download weights: use those in the cache, or fail.
    #[arg(long, help_heading = "Machine")]
    pub offline: bool,
    /// Start from nothing, and keep nothing if the run fails or is interrupted. Without it a run
    /// reuses the finished partitions that an earlier run of the same job left at the target.
    #[arg(long, help_heading = "Machine")]
    pub no_resume: bool,
    /// Fail when S3 has not answered for this long, such as 10m or 2h; the next run resumes.
    /// [default: wait until it answers]
    #[arg(long, value_name = "DURATION", value_parser = super::parse::duration,
          help_heading = "Machine")]
    pub give_up_after: Option<Duration>,
}

/// Photographs handed to a compute thread at a time, unless somebody says otherwise.
pub(super) fn batch_default() -> NonZeroUsize {
    NonZeroUsize::new(8).expect("not 0")
}
