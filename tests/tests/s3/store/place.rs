//! A bucket somewhere, and the library that everybody speaks S3 with.

use std::fmt::Debug;
use std::future::Future;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Builder, Credentials, Region, RequestChecksumCalculation,
};
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use fruitnode_tests::store::{ACCESS_KEY, SECRET_KEY, Store};

/// Where a promise is tried: below a prefix that nothing else uses.
pub(crate) struct Place {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) prefix: String,
}

/// Access to a server.
#[derive(Clone)]
pub(crate) struct Access {
    pub(crate) url: String,
    pub(crate) bucket: String,
    pub(crate) region: String,
    pub(crate) key: String,
    pub(crate) secret: String,
}

impl Access {
    /// That of a store's owner.
    pub(crate) fn to(store: &Store) -> Self {
        Self {
            url: store.url(),
            bucket: store.bucket().to_owned(),
            region: "us-east-1".to_owned(),
            key: ACCESS_KEY.to_owned(),
            secret: SECRET_KEY.to_owned(),
        }
    }

    /// A place that retries nothing, so that every answer is seen.
    pub(crate) fn place(&self, prefix: &str) -> Place {
        let config = self.config().build();
        let client = Client::from_conf(config);
        Place { client, bucket: self.bucket.clone(), prefix: prefix.to_owned() }
    }

    pub(crate) fn config(&self) -> Builder {
        let credentials = Credentials::new(&self.key, &self.secret, None, None, "test");
        aws_sdk_s3::Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(&self.url)
            .force_path_style(true)
            .region(Region::new(self.region.clone()))
            .credentials_provider(credentials)
            .retry_config(RetryConfig::disabled())
            // Checksums that not every server knows are left away, as the program does.
            .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
    }
}

impl Place {
    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}{name}", self.prefix)
    }

    /// Writes an object; its ETag.
    pub(crate) async fn put(&self, name: &str, bytes: &[u8]) -> String {
        let put = self.client.put_object().bucket(&self.bucket).key(self.key(name));
        let put = put.body(ByteStream::from(bytes.to_vec())).send().await;
        put.expect("a plain put").e_tag.expect("a put gives an ETag")
    }

    /// The bytes of an object.
    pub(crate) async fn get(&self, name: &str) -> Vec<u8> {
        let got = self.client.get_object().bucket(&self.bucket).key(self.key(name)).send().await;
        let body = got.expect("a plain get").body.collect().await;
        body.expect("the whole body").to_vec()
    }

    /// Whether there is such an object.
    pub(crate) async fn has(&self, name: &str) -> bool {
        let head = self.client.head_object().bucket(&self.bucket).key(self.key(name)).send().await;
        match head {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(said(&error).0, 404, "{error:?}");
                false
            }
        }
    }
}

/// Status and S3's code of a refusal; (0, "") of what never came to an answer.
pub(crate) fn said<E>(error: &SdkError<E, HttpResponse>) -> (u16, String)
where
    E: ProvideErrorMetadata + Debug,
{
    let status = error.raw_response().map_or(0, |response| response.status().as_u16());
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    (status, code.unwrap_or_default().to_owned())
}

/// The refusal of what must be refused.
#[track_caller]
pub(crate) fn refused<T: Debug, E>(outcome: Result<T, SdkError<E, HttpResponse>>) -> (u16, String)
where
    E: ProvideErrorMetadata + Debug,
{
    said(&outcome.expect_err("it must be refused"))
}

/// Runs what waits, on a runtime of its own.
pub(crate) fn run<T>(what: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(what)
}
