//! Calls without a certificate, to whoever has that of an authority that is known already: a new
//! node's first one, and that of a node whose certificate has ended.

use std::sync::Arc;
use std::time::Duration;

use tonic::Response;
use tonic::transport::Channel;

use fruitnode_proto::v1;

use crate::MESSAGE_BYTES_MAX;
use crate::authority::pin_of;
use crate::client::link::Link;
use crate::client::route::{Again, Route};
use crate::error::MeshError;
use crate::generated::enrolment_client::EnrolmentClient;
use crate::tls::{Dial, Pinned};
use crate::token::Token;

/// How long joining may take, the way to the coordinator included.
const ENROL_LIMIT: Duration = Duration::from_secs(30);

/// How long a new node waits for one that answers: both may have been started at the same moment.
const ENROL_PATIENCE: Duration = Duration::from_secs(10);

/// Joins the cluster of the token by any of its nodes. Of `request`, the token and the secret are
/// filled in here: the secret goes to the coordinator alone, and on no connection before the other
/// side has shown the authority that the token pins.
pub async fn enroll(
    addresses: &[String],
    token: &Token,
    request: v1::EnrollRequest,
) -> Result<v1::EnrollReply, MeshError> {
    let pinned = Pinned::new(token.pin);
    let route = route(addresses, &pinned).patient(ENROL_PATIENCE);
    let asked = v1::EnrollRequest { token: token.id.clone(), secret: Vec::new(), ..request };
    let call = |link: Link| {
        let question = v1::EnrollRequest { secret: Vec::new(), ..asked.clone() };
        let request = v1::EnrollRequest { secret: token.secret.to_vec(), ..asked.clone() };
        async move {
            let mut enrolment = enrolment(&link);
            enrolment.enroll(question).await.map_err(|status| link.error(&status))?;
            let reply = enrolment.enroll(request).await.map_err(|status| link.error(&status))?;
            Ok(reply.into_inner())
        }
    };
    // The key says who asks: whoever asks twice is one node, and uses the token once.
    let reply = route.ask("joining", Again::Yes, call).await?;
    let found = pinned.found().filter(|found| found.cluster == reply.cluster);
    let authority = reply.certificates.last();
    if found.is_none() || authority.and_then(|ca| pin_of(ca).ok()) != Some(token.pin) {
        let words = "the node presented certificates of a different authority than the token's";
        let address = addresses.join(", ");
        return Err(MeshError::Tls { address, words: words.to_owned() });
    }
    Ok(reply)
}

/// Has a member's certificate made anew that has ended, so that it can be shown to nobody. Whoever
/// answers must be of the authority with this certificate (DER).
pub async fn readmit(
    addresses: &[String],
    ca: &[u8],
    request: v1::RenewRequest,
) -> Result<v1::EnrollReply, MeshError> {
    let pin = pin_of(ca).map_err(|error| MeshError::Invalid(error.to_string()))?;
    let call = |link: Link| {
        let request = request.clone();
        async move {
            let reply = enrolment(&link).readmit(request).await;
            reply.map(Response::into_inner).map_err(|status| link.error(&status))
        }
    };
    route(addresses, &Pinned::new(pin)).ask("renewing the certificate", Again::Yes, call).await
}

/// The way to the coordinator for who has no certificate.
fn route(addresses: &[String], pinned: &Arc<Pinned>) -> Route {
    let pinned = pinned.clone();
    let dial = move |_, address: &str| {
        Dial::pinned(&pinned, address).map_err(|error| MeshError::Invalid(error.to_string()))
    };
    Route::new(addresses.to_vec(), ENROL_LIMIT, Box::new(dial))
}

fn enrolment(link: &Link) -> EnrolmentClient<Channel> {
    EnrolmentClient::new(link.channel())
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}
