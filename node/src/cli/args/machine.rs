//! The part of the command line that is about this machine, and changes no byte of a result.

use std::num::NonZeroUsize;

use clap::Args;

use fruitnode_storage::S3Options;

/// Where S3 is. Credentials are found as by every other tool: environment, profile, single sign-on,
/// container or instance role. No byte of a result depends on any of it.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct StorageArgs {
    /// Another server than AWS: https://HOST:PORT; plain http:// on this machine alone.
    /// [default: AWS_ENDPOINT_URL, or AWS]
    #[arg(long, value_name = "URL", help_heading = "S3")]
    pub endpoint: Option<String>,
    /// Region of the bucket. [default: AWS_REGION, or that of the profile or the instance]
    #[arg(long, value_name = "NAME", help_heading = "S3")]
    pub region: Option<String>,
    /// Name the bucket in the path and not in the host. [default: true where an endpoint is given]
    #[arg(long, value_name = "BOOL", default_missing_value = "true", num_args = 0..=1,
          require_equals = true, help_heading = "S3")]
    pub path_style: Option<bool>,
    /// Profile of ~/.aws/config. [default: AWS_PROFILE]
    #[arg(long, value_name = "NAME", help_heading = "S3")]
    pub profile: Option<String>,
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
            alone: false,
        }
    }
}

/// Options that change how long it takes, and no byte of the result.
#[derive(Debug, Clone, Args)]
pub(crate) struct MachineArgs {
    /// Compute threads. [default: the processors of this machine]
    #[arg(long, value_name = "N", help_heading = "Machine")]
    pub threads: Option<NonZeroUsize>,
    /// Photographs handed to a compute thread at a time.
    #[arg(long, value_name = "N", default_value_t = batch_default(), help_heading = "Machine")]
    pub batch: NonZeroUsize,
    /// Kernels to compute with. [default: the fastest that this processor has]
    #[arg(long, value_name = "avx512|avx2|portable", help_heading = "Machine")]
    pub kernel: Option<String>,
    /// Fetch no weights: take those in the cache, or fail.
    #[arg(long, help_heading = "Machine")]
    pub offline: bool,
}

/// Photographs handed to a compute thread at a time, unless somebody says otherwise.
pub(super) fn batch_default() -> NonZeroUsize {
    NonZeroUsize::new(8).expect("not 0")
}
