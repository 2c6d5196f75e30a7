//! A store on a port of its own: a thread with a runtime, which ends with the handle.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use s3s::host::{S3Host, VirtualHost};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{Body, HttpError, S3Result};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::bucket::Object;
use super::counters::Counters;
use super::gate::{Gate, Keys, Noted, NotedSlot, Shared, locked};
use super::habits::{self, Fate};
use super::service::Service;
use super::switches::{Hold, Switches};
use super::{ACCESS_KEY, SECRET_KEY};

/// What a store is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Name of the one bucket.
    pub bucket: String,
    /// Its region; what is signed for another is refused.
    pub region: String,
    /// Where it listens: on loopback, or in a network namespace of a storm's own.
    pub address: IpAddr,
    /// Port there; 0 for a free one.
    pub port: u16,
    /// How it behaves at first.
    pub switches: Switches,
}

/// A store that serves. Dropped, it stops.
#[derive(Debug)]
pub struct Store {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// `BUCKET.localhost` names a bucket; whatever else is an address does not.
#[derive(Debug, Clone, Copy)]
struct Hosts;

impl Default for Setup {
    fn default() -> Self {
        Self {
            bucket: "fruit".to_owned(),
            region: "us-east-1".to_owned(),
            address: Ipv4Addr::LOCALHOST.into(),
            port: 0,
            switches: Switches::default(),
        }
    }
}

impl Store {
    /// One that keeps every promise, with an empty bucket `fruit`.
    pub fn new() -> Self {
        Self::start(Setup::default()).expect("a free port on 127.0.0.1")
    }

    /// Starts one; it serves when this returns.
    pub fn start(setup: Setup) -> io::Result<Self> {
        let shared = Arc::new(Shared::new(setup.bucket, setup.region, setup.switches));
        let (ready, is_ready) = mpsc::channel();
        let (stop, stopped) = oneshot::channel();
        let served = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => return drop(ready.send(Err(error))),
            };
            runtime.block_on(serve(served, (setup.address, setup.port), ready, stopped));
        })?;
        let address = is_ready.recv().map_err(io::Error::other)??;
        Ok(Self { shared, address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens, for `--endpoint`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Name of its bucket.
    pub fn bucket(&self) -> &str {
        &self.shared.bucket_name
    }

    /// What a process needs in its environment to be let in, and nothing of the caller's own.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY.to_owned()),
            ("AWS_REGION", self.shared.region.clone()),
            ("AWS_ENDPOINT_URL", self.url()),
            ("AWS_EC2_METADATA_DISABLED", "true".to_owned()),
            ("AWS_CONFIG_FILE", "/dev/null".to_owned()),
            ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null".to_owned()),
        ]
    }

    /// Puts an object there, past the protocol and its counters.
    pub fn put(&self, key: &str, bytes: impl Into<Bytes>, modified_s: i64) {
        let object = Object::new(bytes.into(), modified_s);
        self.shared.bucket().objects.insert(key.to_owned(), object);
    }

    /// Puts one there that exists already; its bytes are shared.
    pub fn put_object(&self, key: String, object: Object) {
        self.shared.bucket().objects.insert(key, object);
    }

    /// Puts every file below a folder there, under its relative path, with its time of
    /// modification in whole seconds; how many there were.
    pub fn put_folder(&self, prefix: &str, folder: &Path) -> io::Result<usize> {
        let files = crate::sandbox::files(folder);
        for file in &files {
            let name = file.strip_prefix(folder).expect("it lies below").display();
            let modified = std::fs::metadata(file)?.modified()?;
            let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            let modified_s = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
            self.put(&format!("{prefix}{name}"), std::fs::read(file)?, modified_s);
        }
        Ok(files.len())
    }

    /// Removes an object, past the protocol and its counters.
    pub fn remove(&self, key: &str) {
        self.shared.bucket().objects.remove(key);
    }

    /// The object under a key.
    pub fn object(&self, key: &str) -> Option<Object> {
        self.shared.bucket().objects.get(key).cloned()
    }

    /// All keys that begin so, in byte order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let bucket = self.shared.bucket();
        let from = bucket.objects.range(prefix.to_owned()..);
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    /// Keys of the uploads that were neither completed nor aborted.
    pub fn unfinished_uploads(&self) -> Vec<String> {
        self.shared.bucket().uploads.values().map(|upload| upload.key.clone()).collect()
    }

    /// What was asked so far.
    pub fn counters(&self) -> Counters {
        self.shared.counters().clone()
    }

    /// Counts from zero again.
    pub fn forget(&self) {
        *self.shared.counters() = Counters::default();
    }

    /// Changes how it behaves from the next request on.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.shared.switches());
    }

    /// Lets requests wait, from one on.
    pub fn hold(&self, hold: Hold) {
        self.shared.hold(Some(hold), false);
    }

    /// Lets others wait besides.
    pub fn hold_too(&self, hold: Hold) {
        self.shared.hold_too(hold);
    }

    /// Carries out what waits because of the first of several holds, and holds no more of it.
    pub fn let_go_first(&self) {
        self.shared.let_go_first();
    }

    /// Requests that came and were not answered yet, those that wait among them.
    pub fn under_way(&self) -> u64 {
        self.shared.under_way.load(Ordering::Relaxed)
    }

    /// How many have been made to wait since then.
    pub fn held(&self) -> u64 {
        self.shared.held()
    }

    /// Carries out what waits, and holds nothing any more.
    pub fn let_go(&self) {
        self.shared.hold(None, false);
    }

    /// Answers 503 to what waits, carries none of it out, and holds nothing any more.
    pub fn refuse_held(&self) {
        self.shared.hold(None, true);
    }
}

impl Default for Store {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        drop(self.stop.take());
        self.refuse_held();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl S3Host for Hosts {
    fn parse_host_header<'a>(&'a self, host: &'a str) -> S3Result<VirtualHost<'a>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        let virtual_host = VirtualHost::new(host);
        Ok(match name.strip_suffix(".localhost") {
            Some(bucket) => virtual_host.with_bucket(bucket),
            None => virtual_host,
        })
    }
}

async fn serve(
    shared: Arc<Shared>,
    place: (IpAddr, u16),
    ready: mpsc::Sender<io::Result<SocketAddr>>,
    mut stopped: oneshot::Receiver<()>,
) {
    let bound = TcpListener::bind(place).await;
    let listener = match bound.and_then(|listener| Ok((listener.local_addr()?, listener))) {
        Ok((address, listener)) => {
            drop(ready.send(Ok(address)));
            listener
        }
        Err(error) => return drop(ready.send(Err(error))),
    };
    let mut builder = S3ServiceBuilder::new(Service(Arc::clone(&shared)));
    builder.set_auth(Keys);
    builder.set_access(Gate(Arc::clone(&shared)));
    builder.set_host(Hosts);
    let service = builder.build();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => return,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                let Ok((socket, _)) = accepted else { continue };
                let _ = socket.set_nodelay(true);
                let (shared, service) = (Arc::clone(&shared), service.clone());
                let answer = service_fn(move |request| {
                    answer(Arc::clone(&shared), service.clone(), request)
                });
                connections.spawn(async move {
                    // A client that goes away, and a reply that is lost on purpose, end here.
                    let _ = http1::Builder::new()
                        .serve_connection(TokioIo::new(socket), answer)
                        .await;
                });
            }
        }
    }
}

/// One request, from its headers to its reply; an error closes the connection without one.
async fn answer(
    shared: Arc<Shared>,
    service: S3Service,
    request: Request<Incoming>,
) -> Result<Response<Body>, HttpError> {
    if request.method() == Method::GET && request.uri().path() == "/_test/counters" {
        return Ok(reply(StatusCode::OK, "application/json", shared.counters().json().to_string()));
    }
    if let Some(refused) = wrong_region(&shared, &request) {
        return Ok(refused);
    }
    let _under_way = UnderWay::begin(&shared);
    let slot = NotedSlot::default();
    let mut request = request.map(Body::from);
    match habits::before(&shared, &mut request) {
        Fate::Done => {}
        Fate::Refused(refused) => return Ok(refused),
        Fate::Silence => return std::future::pending().await,
    }
    request.extensions_mut().insert(Arc::clone(&slot));
    let response = service.call(request).await?;
    let noted = locked(&slot).take();
    let is_listing = noted.as_ref().is_some_and(|noted| noted.operation == "ListObjectsV2");
    let response = habits::after(&shared, is_listing, response).await?;
    match noted {
        Some(noted) if response.status().is_success() => afterwards(&shared, noted, response).await,
        _ => Ok(response),
    }
}

/// A request until it is answered, or given up by its client.
struct UnderWay(Arc<Shared>);

impl UnderWay {
    fn begin(shared: &Arc<Shared>) -> Self {
        shared.under_way.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

/// What becomes of the reply to a request that was carried out.
async fn afterwards(
    shared: &Shared,
    noted: Noted,
    response: Response<Body>,
) -> Result<Response<Body>, HttpError> {
    let (cut_body, lose_reply, lose_reply_of) = {
        let switches = shared.switches();
        (switches.cut_body, switches.lose_reply, switches.lose_reply_of)
    };
    if noted.operation == "GetObject" {
        if cut_body.hits(noted.number_of_kind) {
            shared.counters().faults += 1;
            return cut(response).await;
        }
        shared.counters().gets.entry(noted.key).or_default().whole += 1;
        return Ok(response);
    }
    if ["Get", "Head", "List"].iter().any(|read| noted.operation.starts_with(read)) {
        return Ok(response);
    }
    let mut counters = shared.counters();
    counters.writes += 1;
    let lost = match lose_reply_of {
        Some(operation) if operation == noted.operation => lose_reply.hits(noted.number_of_kind),
        Some(_) => false,
        None => lose_reply.hits(counters.writes),
    };
    if lost {
        counters.faults += 1;
        return Err(HttpError::new("the reply is lost on purpose".into()));
    }
    Ok(response)
}

/// The first half of the body, then nothing more and the connection closed.
async fn cut(response: Response<Body>) -> Result<Response<Body>, HttpError> {
    let (parts, body) = response.into_parts();
    let bytes = BodyExt::collect(body).await.map_err(HttpError::new)?.to_bytes();
    let half = bytes.slice(..bytes.len() / 2);
    let sent = stream::iter([Ok(Frame::data(half))]);
    // What was sent before leaves this machine while the rest is waited for.
    let lost = stream::once(async {
        tokio::task::yield_now().await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    let frames = sent.chain(lost);
    let body = Body::http_body_unsync(StreamBody::new(frames));
    Ok(Response::from_parts(parts, body))
}

/// What S3 says to a request for another region, or for a bucket that lies in one.
fn wrong_region(shared: &Shared, request: &Request<Incoming>) -> Option<Response<Body>> {
    let signed = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    // `AWS4-HMAC-SHA256 Credential=KEY/DATE/REGION/s3/aws4_request, …`
    let signed = signed.split_once("Credential=")?.1.split('/').nth(2)?;
    let (status, region, body) = match shared.switches().moved_to.clone() {
        Some(region) => {
            let words = "The bucket you are attempting to access must be addressed using the \
                         specified endpoint.";
            let endpoint = format!("s3.{region}.amazonaws.com");
            let bucket = &shared.bucket_name;
            let body = format!(
                "<Error><Code>PermanentRedirect</Code><Message>{words}</Message>\
                 <Endpoint>{endpoint}</Endpoint><Bucket>{bucket}</Bucket></Error>"
            );
            (StatusCode::MOVED_PERMANENTLY, region, body)
        }
        None if signed == shared.region => return None,
        None => {
            let region = shared.region.clone();
            let body = format!(
                "<Error><Code>AuthorizationHeaderMalformed</Code><Message>The authorization \
                 header is malformed; the region '{signed}' is wrong; expecting '{region}'\
                 </Message><Region>{region}</Region></Error>"
            );
            (StatusCode::BAD_REQUEST, region, body)
        }
    };
    let declared = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    let mut refused = reply(status, "application/xml", declared);
    if let Ok(region) = region.parse() {
        refused.headers_mut().insert("x-amz-bucket-region", region);
    }
    Some(refused)
}

pub(super) fn reply(status: StatusCode, kind: &'static str, text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}
