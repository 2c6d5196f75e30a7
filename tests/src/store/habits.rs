//! What other servers do otherwise than S3, in the HTTP around each request: who may ask, how
//! versions are written, and objects that nobody can read.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::{AUTHORIZATION, ETAG, HeaderValue, IF_MATCH};
use hyper::{Method, Request, Response, StatusCode};
use s3s::{Body, HttpError};

use super::gate::Shared;
use super::server::reply;

/// What a server does otherwise.
#[derive(Debug, Clone, Default)]
pub struct Habits {
    /// Objects that are listed and answered so when they are read.
    pub unreadable: Vec<Unreadable>,
    /// A condition is refused whose version stands in quotes (Ceph, DigitalOcean). Only of what is
    /// not signed: such a header cannot be made one that the store understands.
    pub bare_conditions: bool,
    /// How versions are written in listings.
    pub listed: Versions,
    /// How versions are written in answers.
    pub answered: Versions,
    /// Requests are refused that do not say `x-amz-request-payer: requester`.
    pub requester_pays: bool,
    /// Writes are refused that do not ask for encryption.
    pub encrypted_only: bool,
    /// Requests are refused that are signed, and unsigned ones are the owner's.
    pub public: bool,
    /// Each page of a listing is in no order.
    pub unordered: bool,
}

/// An object that cannot be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// Its key, or the end of it.
    pub key: &'static str,
    /// Status of the answer; nothing where none comes.
    pub status: Option<u16>,
    /// Code of the answer.
    pub code: &'static str,
    /// Words of the answer.
    pub words: &'static str,
}

/// How a version is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// `"5d41"`, as RFC 9110 has it.
    #[default]
    Quoted,
    /// `5d41`
    Bare,
    /// `W/"5d41"`
    Weak,
    /// `"5d41-gzip"`, by a proxy that compresses.
    Rewritten,
}

impl Versions {
    fn write(self, etag: &str) -> String {
        let bare = etag.trim_matches('"');
        match self {
            Self::Quoted => format!("\"{bare}\""),
            Self::Bare => bare.to_owned(),
            Self::Weak => format!("W/\"{bare}\""),
            Self::Rewritten => format!("\"{bare}-gzip\""),
        }
    }
}

/// What becomes of a request.
pub(super) enum Fate {
    /// The store carries it out.
    Done,
    /// It is refused with this.
    Refused(Response<Body>),
    /// It is never answered.
    Silence,
}

/// Changes a request to what the store understands, if it is to be carried out.
pub(super) fn before(shared: &Shared, request: &mut Request<Body>) -> Fate {
    let habits = shared.switches().habits.clone();
    let said = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    let denied = || Fate::Refused(error(403, "AccessDenied", "Access Denied"));
    if habits.requester_pays && said("x-amz-request-payer") != Some("requester") {
        return denied();
    }
    let writes = match *request.method() {
        Method::PUT => !request.uri().query().unwrap_or_default().contains("partNumber"),
        Method::POST => request.uri().query().unwrap_or_default().starts_with("uploads"),
        _ => false,
    };
    if habits.encrypted_only && writes && said("x-amz-server-side-encryption").is_none() {
        return denied();
    }
    if habits.public && request.headers().contains_key(AUTHORIZATION) {
        let words = "The AWS Access Key Id you provided does not exist in our records.";
        return Fate::Refused(error(403, "InvalidAccessKeyId", words));
    }
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let path = request.uri().path().replace("%20", " ");
    let broken = habits.unreadable.iter().find(|it| reads && path.ends_with(it.key));
    if let Some(Unreadable { status, code, words, .. }) = broken {
        let counted = path.trim_start_matches('/').split_once('/').map(|(_, key)| key.to_owned());
        let gets = &mut shared.counters().gets;
        gets.entry(counted.unwrap_or_default()).or_default().asked += 1;
        return match status {
            Some(status) => Fate::Refused(error(*status, code, words)),
            None => Fate::Silence,
        };
    }
    if habits.bare_conditions
        && let Some(version) = said("if-match").map(str::to_owned)
    {
        if version.starts_with('"') {
            return Fate::Refused(error(412, "PreconditionFailed", "a version has no quotes"));
        }
        let quoted = HeaderValue::from_str(&format!("\"{version}\"")).expect("it was a header");
        request.headers_mut().insert(IF_MATCH, quoted);
    }
    Fate::Done
}

/// The answer as this server writes it.
pub(super) async fn after(
    shared: &Shared,
    is_listing: bool,
    response: Response<Body>,
) -> Result<Response<Body>, HttpError> {
    let habits = shared.switches().habits.clone();
    let (mut parts, body) = response.into_parts();
    if let Some(etag) = parts.headers.get(ETAG).and_then(|etag| etag.to_str().ok()) {
        let written = habits.answered.write(etag);
        parts.headers.insert(ETAG, HeaderValue::from_str(&written).expect("it was a header"));
    }
    let as_it_is = habits.listed == Versions::Quoted && !habits.unordered;
    if !is_listing || as_it_is {
        return Ok(Response::from_parts(parts, body));
    }
    let bytes = BodyExt::collect(body).await.map_err(HttpError::new)?.to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let text = listed(&text, &habits);
    parts.headers.remove("content-length");
    Ok(Response::from_parts(parts, Body::from(Bytes::from(text))))
}

/// A page of a listing as this server writes it.
fn listed(page: &str, habits: &Habits) -> String {
    let (head, rest) = page.split_once("<Contents>").unwrap_or((page, ""));
    let Some((contents, tail)) = rest.rsplit_once("</Contents>") else { return page.to_owned() };
    let mut objects: Vec<String> =
        contents.split("</Contents><Contents>").map(String::from).collect();
    for object in &mut objects {
        let Some((before, rest)) = object.split_once("<ETag>") else { continue };
        let Some((etag, after)) = rest.split_once("</ETag>") else { continue };
        let written = habits.listed.write(&etag.replace("&quot;", "\""));
        *object = format!("{before}<ETag>{}</ETag>{after}", written.replace('"', "&quot;"));
    }
    if habits.unordered {
        objects.reverse();
    }
    let objects: String =
        objects.iter().map(|object| format!("<Contents>{object}</Contents>")).collect();
    format!("{head}{objects}{tail}")
}

fn error(status: u16, code: &str, words: &str) -> Response<Body> {
    let text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>{words}\
         </Message></Error>"
    );
    let status = StatusCode::from_u16(status).expect("a status");
    reply(status, "application/xml", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_written_as_the_server_would() {
        let page = "<R><Name>b</Name><Contents><Key>a</Key><ETag>&quot;1&quot;</ETag></Contents>\
                    <Contents><Key>b</Key><ETag>&quot;2&quot;</ETag></Contents><Last/></R>";
        let habits = Habits { listed: Versions::Bare, unordered: true, ..Habits::default() };
        assert_eq!(
            listed(page, &habits),
            "<R><Name>b</Name><Contents><Key>b</Key><ETag>2</ETag></Contents>\
             <Contents><Key>a</Key><ETag>1</ETag></Contents><Last/></R>"
        );
        assert_eq!(listed("<R/>", &habits), "<R/>");
        let weak = Habits { listed: Versions::Weak, ..Habits::default() };
        assert!(listed(page, &weak).contains("W/&quot;1&quot;"));
    }
}
