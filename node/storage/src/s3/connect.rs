//! How a client finds its server, its credentials and its patience.

use std::env;
use std::net::IpAddr;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableRegionProvider;
use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::interceptors::BeforeTransmitInterceptorContextMut;
use aws_sdk_s3::config::{
    Builder, ConfigBag, Intercept, ProvideCredentials, RequestChecksumCalculation,
    ResponseChecksumValidation, RuntimeComponents, SharedCredentialsProvider, SharedHttpClient,
};
use aws_sdk_s3::error::BoxError;
use aws_smithy_http_client::Connector;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use tracing::warn;
use url::Url;

use crate::s3::descriptors::requests_most;
use crate::s3::error::S3Error;
use crate::s3::fault::root_cause;

/// Attempts at whatever gives out credentials, the first included. What is asked of a store is
/// repeated elsewhere.
const ATTEMPTS_MAX: u32 = 5;

/// Longest wait for a connection, TLS included: one lost packet of its beginning is sent again
/// after 3 seconds.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(3_100);

/// Longest wait for the head of a reply of whatever gives out credentials.
const REPLY_TIMEOUT: Duration = Duration::from_secs(30);

/// Region for servers that have none, and where AWS is asked which region a bucket is in.
const REGION_DEFAULT: &str = "us-east-1";

/// Where S3 is. No part of a job's bits: the same photographs may be reached by several ways.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct S3Options {
    /// URL of another server than AWS.
    pub endpoint: Option<String>,
    /// Region, when the environment and the profile are not to decide.
    pub region: Option<String>,
    /// Whether the bucket stands in the path; unless said, where an endpoint is given.
    pub path_style: Option<bool>,
    /// Profile of the shared configuration.
    pub profile: Option<String>,
    /// Whether whoever asks pays for what is read (`x-amz-request-payer`).
    pub request_payer: bool,
    /// Whether requests go unsigned, to buckets that are open to everybody.
    pub no_sign_request: bool,
    /// How what is written is encrypted, where it is not as the bucket has it.
    pub encryption: Option<Encryption>,
    /// Whether an endpoint on another machine may be spoken to unencrypted.
    pub allow_http: bool,
    /// Whether nobody else can do what this process cannot: then a store that was there is waited
    /// for as long as it takes. Else what was waited for in vain is an error after half a minute.
    pub alone: bool,
}

/// How the server encrypts what is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Encryption {
    /// With a key of its own.
    Aes256,
    /// With a key of a key management service: the one that is named, or the service's own.
    Kms(Option<String>),
}

/// Says in every request that whoever asks pays.
#[derive(Debug)]
struct RequestPayer;

impl Intercept for RequestPayer {
    fn name(&self) -> &'static str {
        "request-payer"
    }

    fn modify_before_signing(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().insert("x-amz-request-payer", "requester");
        Ok(())
    }
}

/// A client, and the server it speaks to as messages name it.
pub(super) async fn connect(options: &S3Options) -> Result<(Client, String), S3Error> {
    let shared = load(options).await;
    let endpoint = match &options.endpoint {
        Some(endpoint) => Some(endpoint.clone()),
        None => env::var("AWS_ENDPOINT_URL_S3")
            .ok()
            .filter(|endpoint| !endpoint.is_empty())
            .or_else(|| shared.endpoint_url().map(str::to_owned)),
    };
    if let Some(endpoint) = &endpoint {
        check_endpoint(endpoint, options.allow_http)?;
    }
    if !options.no_sign_request {
        check_credentials(&shared, options).await?;
    }
    let region = shared.region().map_or(REGION_DEFAULT, Region::as_ref);
    let server = endpoint.clone().unwrap_or_else(|| format!("https://s3.{region}.amazonaws.com"));
    let mut builder = Builder::from(&shared)
        .force_path_style(options.path_style.unwrap_or_else(|| endpoint.is_some()))
        // Servers other than AWS refuse checksums they do not know, and every byte that matters is
        // under a digest of our own.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        // All of that is up to who asks, who knows what it is about.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).build())
        // A reader whose processors are busy looks like a stream that stalls; bodies have a
        // time-out of their own.
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    if options.request_payer {
        builder = builder.interceptor(RequestPayer);
    }
    if options.no_sign_request {
        builder = builder.allow_no_auth();
    }
    Ok((Client::from_conf(builder.build()), server))
}

async fn load(options: &S3Options) -> SdkConfig {
    // No proxy reaches what is on this machine.
    let near = options.endpoint.as_deref().is_some_and(is_near);
    let http = client(if near { ProxyConfig::disabled() } else { ProxyConfig::from_env() });
    let provided = ProviderConfig::without_region().with_http_client(http.clone());
    let region = region(options, &provided).await;
    let provided = provided.with_region(Some(region.clone()));
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12())
        .http_client(http)
        .region(region)
        .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS_MAX))
        .timeout_config(patience());
    if let Some(profile) = &options.profile {
        // A profile that is named on the command line wins over keys in the environment.
        let provider = ProfileFileCredentialsProvider::builder().configure(&provided);
        let provider = SharedCredentialsProvider::new(provider.profile_name(profile).build());
        loader = loader.profile_name(profile).credentials_provider(provider);
    }
    if options.no_sign_request {
        loader = loader.no_credentials();
    }
    loader.load().await
}

/// Speaks TLS by rustls with ring, whatever other provider the process knows of.
fn client(proxy: ProxyConfig) -> SharedHttpClient {
    aws_smithy_http_client::Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder().proxy_config(proxy.clone());
        connector.set_pool_max_idle_per_host(Some(requests_most() as usize));
        connector.set_connector_settings(settings.cloned());
        connector.set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl));
        connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build()
    })
}

fn is_near(endpoint: &str) -> bool {
    Url::parse(endpoint).is_ok_and(|url| url.host_str().is_some_and(is_loopback))
}

async fn region(options: &S3Options, provided: &ProviderConfig) -> Region {
    if let Some(region) = &options.region {
        return Region::new(region.clone());
    }
    let mut profile = ProfileFileRegionProvider::builder().configure(provided);
    if let Some(name) = &options.profile {
        profile = profile.profile_name(name);
    }
    let mut chain = RegionProviderChain::first_try(EnvironmentVariableRegionProvider::new())
        .or_else(profile.build());
    if options.endpoint.is_none() {
        // Asks the instance, which is slow where there is none.
        chain = chain.or_else(ImdsRegionProvider::builder().configure(provided).build());
    }
    let told = chain.region().await;
    told.unwrap_or(Region::from_static(REGION_DEFAULT))
}

fn patience() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT_TIMEOUT).read_timeout(REPLY_TIMEOUT).build()
}

/// Asks for credentials once, so that their absence is told before anything is begun.
async fn check_credentials(shared: &SdkConfig, options: &S3Options) -> Result<(), S3Error> {
    let Some(provider) = shared.credentials_provider() else {
        return Err(S3Error::NoCredentials { words: "none are configured".to_owned() });
    };
    match provider.provide_credentials().await {
        Ok(_) => Ok(()),
        Err(error) => {
            let mut words = root_cause(&error);
            // What the client says of a profile that it does not find.
            if words.contains("was not enabled") {
                words = "no such profile, or it has no credentials".to_owned();
            }
            Err(match &options.profile {
                Some(profile) => S3Error::BadProfile { profile: profile.clone(), words },
                None => S3Error::NoCredentials { words },
            })
        }
    }
}

/// Refuses what is no URL of a server, and what would send photographs and signatures in the clear.
fn check_endpoint(endpoint: &str, allow_http: bool) -> Result<(), S3Error> {
    let bad = |why: &str| S3Error::BadEndpoint { endpoint: endpoint.to_owned(), why: why.into() };
    let url = Url::parse(endpoint).map_err(|error| bad(&error.to_string()))?;
    let Some(host) = url.host_str() else {
        return Err(bad("it has no host"));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it contains a user name or a password, which must not be in a URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it has a `?` or `#`"));
    }
    match url.scheme() {
        "https" => Ok(()),
        "http" if is_loopback(host) => Ok(()),
        "http" if allow_http => {
            warn!(endpoint, "photographs and results cross the network unencrypted");
            Ok(())
        }
        "http" => Err(S3Error::PlainHttp { endpoint: endpoint.to_owned() }),
        _ => Err(bad("it starts with neither https:// nor http://")),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::{S3Options, check_endpoint, connect};
    use crate::s3::S3Error;

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for endpoint in [
            "https://s3.example.org",
            "https://10.0.0.1:9000/",
            "http://127.0.0.1:9000",
            "http://localhost:9000",
            "http://[::1]:9000",
        ] {
            assert!(check_endpoint(endpoint, false).is_ok(), "{endpoint}");
        }
        for endpoint in
            ["http://s3.example.org", "http://10.0.0.1:9000", "http://127.0.0.1.example.org"]
        {
            let error = check_endpoint(endpoint, false).unwrap_err();
            assert!(matches!(error, S3Error::PlainHttp { .. }), "{endpoint}: {error}");
            assert!(error.to_string().contains(endpoint));
            assert!(check_endpoint(endpoint, true).is_ok(), "{endpoint}");
        }
    }

    #[test]
    fn what_is_no_endpoint_is_refused_by_name() {
        for endpoint in
            ["", "s3.example.org", "ftp://x", "https://", "https://a:b@c", "http://[::1"]
        {
            let error = check_endpoint(endpoint, false).unwrap_err();
            assert!(matches!(error, S3Error::BadEndpoint { .. }), "{endpoint}: {error}");
            assert!(error.to_string().contains(&format!("`{endpoint}`")), "{error}");
        }
    }

    #[test]
    fn a_profile_that_is_not_there_is_named() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let options = S3Options {
            endpoint: Some("http://127.0.0.1:9".to_owned()),
            profile: Some("no-such-profile-of-fruit".to_owned()),
            ..S3Options::default()
        };
        let error = runtime.block_on(connect(&options)).map(drop).unwrap_err();
        assert!(matches!(error, S3Error::BadProfile { .. }), "{error}");
        assert!(error.to_string().contains("no-such-profile-of-fruit"), "{error}");
    }
}
