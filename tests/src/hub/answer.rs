//! One request answered as a hub or its store would, or as a fault says.

use std::io;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_LENGTH, CONTENT_RANGE, ETAG, HeaderMap, LOCATION, RETRY_AFTER};
use hyper::{Request, Response, StatusCode};

use super::{Held, Seen, Server, State};

/// A commit, as the hub names it.
const COMMIT: &str = "5c1f0c1d2e3a4b5c6d7e8f901234567890abcdef";

/// Bytes that are sent at a time.
const CHUNK_BYTES: usize = 16 << 10;

/// One thing that goes wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The connection ends after so many bytes of the body.
    Cut(usize),
    /// Nothing more after so many bytes of the body, and no end either.
    Stall(usize),
    /// A status, and how many seconds to wait.
    Status(u16, Option<u64>),
    /// The whole file, whatever was asked for.
    WholeAnyway,
    /// The part that was asked for, though the validator is of another file.
    PartAnyway,
    /// A length that is not the body's, which then ends as if cut.
    Length(u64),
    /// Bytes without end, and without a length.
    Endless,
    /// To another place.
    Redirect(String),
}

type Body = BoxBody<Bytes, io::Error>;

/// The answer to a request, which is noted.
pub(super) fn answer(
    state: &mut State,
    server: Server,
    request: &Request<Incoming>,
) -> Response<Body> {
    let word = |name: &str| {
        let value = request.headers().get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let path = request.uri().path().trim_start_matches('/').to_owned();
    let seen = Seen {
        server,
        path: path.clone(),
        range: word("range"),
        if_range: word("if-range"),
        authorization: word("authorization"),
    };
    state.seen.push(seen.clone());
    let fault = state.faults.get_mut(server.name()).and_then(|faults| faults.pop_front());
    match &fault {
        Some(Fault::Status(status, after)) => {
            let mut response = empty(*status);
            if let Some(after) = after {
                response.headers_mut().insert(RETRY_AFTER, (*after).into());
            }
            return response;
        }
        Some(Fault::Redirect(place)) => {
            let mut response = empty(302);
            response.headers_mut().insert(LOCATION, place.parse().expect("an address"));
            return response;
        }
        _ => {}
    }
    let Some(held) = state.files.get(&path) else {
        let mut response = empty(404);
        let code = "EntryNotFound".parse().expect("a word");
        response.headers_mut().insert("x-error-code", code);
        return response;
    };
    match (server, state.store) {
        (Server::Endpoint, Some(store)) => point(held, &seen, &format!("http://{store}/{path}")),
        _ => send(held, &seen, fault),
    }
}

/// The hub says what the file is, and where.
fn point(held: &Held, seen: &Seen, place: &str) -> Response<Body> {
    if let Some(token) = &held.token
        && seen.authorization.as_deref() != Some(&format!("Bearer {token}"))
    {
        return empty(if seen.authorization.is_some() { 403 } else { 401 });
    }
    let mut response = empty(302);
    let headers = response.headers_mut();
    headers.insert(LOCATION, place.parse().expect("an address"));
    headers.insert("x-repo-commit", COMMIT.parse().expect("a commit"));
    headers.insert("x-linked-size", held.bytes.len().into());
    if let Some(promised) = &held.promised {
        let quoted = format!("\"{promised}\"");
        headers.insert("x-linked-etag", quoted.parse().expect("a digest"));
    }
    response
}

/// The store sends what was asked for.
fn send(held: &Held, seen: &Seen, fault: Option<Fault>) -> Response<Body> {
    let start = seen.range.as_deref().and_then(|range| {
        let start: usize = range.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok()?;
        let valid = seen.if_range.is_none()
            || seen.if_range == held.etag
            || fault == Some(Fault::PartAnyway);
        (valid && fault != Some(Fault::WholeAnyway)).then_some(start)
    });
    let len = held.bytes.len();
    if start.is_some_and(|start| start >= len) {
        return empty(416);
    }
    let bytes = held.bytes.slice(start.unwrap_or(0)..);
    let (mut body, mut length) = (pieces(bytes.clone(), None), Some(bytes.len() as u64));
    match fault {
        Some(Fault::Cut(after)) => body = pieces(bytes, Some(after)),
        Some(Fault::Stall(after)) => {
            let begun = stream::iter([Ok(Frame::data(bytes.slice(..after)))]);
            body = BodyExt::boxed(StreamBody::new(begun.chain(stream::pending())));
        }
        Some(Fault::Length(said)) => {
            let after = bytes.len().min(usize::try_from(said).unwrap_or(usize::MAX));
            (body, length) = (pieces(bytes, Some(after)), Some(said));
        }
        Some(Fault::Endless) => {
            let more =
                stream::repeat_with(|| Ok(Frame::data(Bytes::from_static(&[7; CHUNK_BYTES]))));
            (body, length) = (BodyExt::boxed(StreamBody::new(more)), None);
        }
        _ => {}
    }
    let mut response = Response::new(body);
    let headers: &mut HeaderMap = response.headers_mut();
    if let Some(etag) = &held.etag {
        headers.insert(ETAG, etag.parse().expect("a validator"));
    }
    if let Some(length) = length {
        headers.insert(CONTENT_LENGTH, length.into());
    }
    if let Some(start) = start {
        let range = format!("bytes {start}-{}/{len}", len - 1);
        headers.insert(CONTENT_RANGE, range.parse().expect("a range"));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

/// Bytes in pieces; if they are cut, the connection ends after so many.
fn pieces(bytes: Bytes, cut: Option<usize>) -> Body {
    let whole = bytes.slice(..cut.unwrap_or(bytes.len()).min(bytes.len()));
    let mut items: Vec<io::Result<Frame<Bytes>>> = (0..whole.len())
        .step_by(CHUNK_BYTES)
        .map(|at| Ok(Frame::data(whole.slice(at..whole.len().min(at + CHUNK_BYTES)))))
        .collect();
    if cut.is_some() {
        items.push(Err(io::ErrorKind::ConnectionReset.into()));
    }
    BodyExt::boxed(StreamBody::new(stream::iter(items)))
}

fn empty(status: u16) -> Response<Body> {
    let body = Full::new(Bytes::new()).map_err(|never| match never {});
    let mut response = Response::new(BodyExt::boxed(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}
