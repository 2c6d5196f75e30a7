//! A new node's first call: without a certificate, to whoever has that of the authority its token
//! pins.

use std::time::Duration;

use fruitnode_proto::v1;

use crate::mesh::MESSAGE_BYTES_MAX;
use crate::mesh::authority::pin_of;
use crate::mesh::client::link::Link;
use crate::mesh::client::route::{Again, Route};
use crate::mesh::error::MeshError;
use crate::mesh::generated::enrolment_client::EnrolmentClient;
use crate::mesh::tls::{Dial, Pinned};
use crate::mesh::token::Token;

/// How long joining may take, the way to the coordinator included.
const ENROL_LIMIT: Duration = Duration::from_secs(30);

/// Joins the cluster of the token by any of its nodes. Of `request`, the token and the secret are
/// filled in here: the secret goes to the coordinator alone, and on no connection before the other
/// side has shown the authority that the token pins.
pub async fn enroll(
    address: &str,
    token: &Token,
    request: v1::EnrollRequest,
) -> Result<v1::EnrollReply, MeshError> {
    let pinned = Pinned::new(token.pin);
    let route = {
        let pinned = pinned.clone();
        let dial = move |_, address: &str| {
            Dial::pinned(&pinned, address).map_err(|error| MeshError::Invalid(error.to_string()))
        };
        Route::new(vec![address.to_owned()], ENROL_LIMIT, Box::new(dial))
    };
    let asked = v1::EnrollRequest { token: token.id.clone(), secret: Vec::new(), ..request };
    let call = |link: Link| {
        let question = v1::EnrollRequest { secret: Vec::new(), ..asked.clone() };
        let request = v1::EnrollRequest { secret: token.secret.to_vec(), ..asked.clone() };
        async move {
            let mut enrolment = EnrolmentClient::new(link.channel())
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .max_encoding_message_size(MESSAGE_BYTES_MAX);
            enrolment.enroll(question).await.map_err(|status| link.error(&status))?;
            let reply = enrolment.enroll(request).await.map_err(|status| link.error(&status))?;
            Ok(reply.into_inner())
        }
    };
    let reply = route.ask("joining", Again::No, call).await?;
    let found = pinned.found().filter(|found| found.cluster == reply.cluster);
    let authority = reply.certificates.last();
    if found.is_none() || authority.and_then(|ca| pin_of(ca).ok()) != Some(token.pin) {
        let words = "the node gave certificates of another authority than that of the token";
        return Err(MeshError::Tls { address: address.to_owned(), words: words.to_owned() });
    }
    Ok(reply)
}
