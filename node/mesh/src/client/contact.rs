//! Calls of people, at any node: those that are the coordinator's find it by themselves.

use std::time::Duration;

use futures_util::{StreamExt, stream};
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Response, Status, Streaming};

use fruitnode_proto::v1;

use crate::client::link::Link;
use crate::client::look::look;
use crate::client::route::{Again, Route};
use crate::credentials::Credentials;
use crate::error::MeshError;
use crate::generated::control_client::ControlClient;
use crate::generated::inference_client::InferenceClient;
use crate::handler::Inbound;
use crate::identity;
use crate::inbound::endless;
use crate::tls::{Dial, Tls};
use crate::{MESSAGE_BYTES_MAX, PIECE_BYTES_MAX};

/// How long a call may take, the way to the coordinator included, unless said otherwise.
pub const CALL_LIMIT: Duration = Duration::from_secs(30);

/// A way into the cluster for whoever has a certificate of it.
pub struct Contact {
    route: Route,
}

impl Contact {
    /// Connects to whichever of these addresses (`HOST:PORT`) answers first.
    pub async fn connect(
        addresses: &[String],
        credentials: &Credentials,
    ) -> Result<Self, MeshError> {
        let tls = Tls::new(credentials).map_err(|error| MeshError::Invalid(error.to_string()))?;
        let cluster = tls.cluster();
        let dial = move |node, address: &str| {
            let name = match node {
                Some(node) => identity::node_name(node, &cluster),
                None => identity::any_name(&cluster),
            };
            Dial::to(&tls, &name, address)
        };
        let route = Route::new(addresses.to_vec(), CALL_LIMIT, Box::new(dial));
        route.link().await?;
        Ok(Self { route })
    }

    /// Lets calls take this long instead of [`CALL_LIMIT`].
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.route.set_limit(limit);
        self
    }

    /// How the cluster is, as its coordinator sees it, which is waited for.
    pub async fn status(&self) -> Result<v1::ClusterStatus, MeshError> {
        let request = v1::StatusRequest::default();
        self.one("status", Again::Yes, request, |mut control, request| async move {
            control.status(request).await
        })
        .await
    }

    /// How the cluster is, as its coordinator sees it, or else what nodes know by themselves:
    /// nobody is waited for. Only where no node can say anything at the moment, or all are of an
    /// older release, the coordinator is waited for all the same.
    pub async fn look(&self) -> Result<v1::ClusterStatus, MeshError> {
        let limit = self.route.limit();
        match timeout(limit, look(&self.route)).await {
            Ok(Err(
                MeshError::NotLeader { .. }
                | MeshError::Unavailable(_)
                | MeshError::Unreachable { .. },
            )) => self.status().await,
            Ok(answer) => answer,
            Err(_) => {
                Err(MeshError::TimedOut { what: "status".to_owned(), seconds: limit.as_secs() })
            }
        }
    }

    /// A new token for nodes to join with.
    pub async fn create_token(
        &self,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenReply, MeshError> {
        self.one("creating a token", Again::No, request, |mut control, request| async move {
            control.create_token(request).await
        })
        .await
    }

    /// Tokens there are, without their secrets.
    pub async fn list_tokens(&self) -> Result<v1::TokenList, MeshError> {
        self.one("listing tokens", Again::Yes, v1::Unit {}, |mut control, unit| async move {
            control.list_tokens(unit).await
        })
        .await
    }

    /// Takes a token back.
    pub async fn revoke_token(&self, request: v1::NameRequest) -> Result<(), MeshError> {
        self.done("revoking a token", request, |mut control, request| async move {
            control.revoke_token(request).await
        })
        .await
    }

    /// A certificate for a person.
    pub async fn create_client(
        &self,
        request: v1::CreateClientRequest,
    ) -> Result<v1::CreateClientReply, MeshError> {
        self.one("creating a certificate", Again::No, request, |mut control, request| async move {
            control.create_client(request).await
        })
        .await
    }

    /// People's certificates, revoked and expired ones included.
    pub async fn list_clients(&self) -> Result<v1::ClientList, MeshError> {
        self.one("listing clients", Again::Yes, v1::Unit {}, |mut control, unit| async move {
            control.list_clients(unit).await
        })
        .await
    }

    /// Takes the certificates of a person back.
    pub async fn revoke_client(&self, request: v1::NameRequest) -> Result<(), MeshError> {
        self.done("revoking a certificate", request, |mut control, request| async move {
            control.revoke_client(request).await
        })
        .await
    }

    /// Gives a node no more leases, or leases again.
    pub async fn drain_node(&self, request: v1::DrainRequest) -> Result<(), MeshError> {
        self.done("draining a node", request, |mut control, request| async move {
            control.drain_node(request).await
        })
        .await
    }

    /// Removes a node for good.
    pub async fn remove_node(&self, request: v1::NodeRequest) -> Result<(), MeshError> {
        self.done("removing a node", request, |mut control, request| async move {
            control.remove_node(request).await
        })
        .await
    }

    /// Begins a job; the same one again is the same job.
    pub async fn submit_job(&self, request: v1::SubmitRequest) -> Result<v1::JobStatus, MeshError> {
        self.one("submitting a job", Again::Yes, request, |mut control, request| async move {
            control.submit_job(request).await
        })
        .await
    }

    /// Jobs there are.
    pub async fn list_jobs(&self) -> Result<v1::JobList, MeshError> {
        self.one("listing jobs", Again::Yes, v1::Unit {}, |mut control, unit| async move {
            control.list_jobs(unit).await
        })
        .await
    }

    /// The job now, and whenever it changes, to its end.
    pub async fn watch_job(
        &self,
        request: v1::NameRequest,
    ) -> Result<Inbound<v1::JobStatus>, MeshError> {
        self.many("watching a job", request, |mut control, request| async move {
            control.watch_job(request).await
        })
        .await
    }

    /// Ends a job.
    pub async fn cancel_job(&self, request: v1::NameRequest) -> Result<(), MeshError> {
        self.done("cancelling a job", request, |mut control, request| async move {
            control.cancel_job(request).await
        })
        .await
    }

    /// The story of a job, or of one photograph.
    pub async fn explain_job(
        &self,
        request: v1::ExplainRequest,
    ) -> Result<Inbound<v1::Explanation>, MeshError> {
        self.many("explaining a job", request, |mut control, request| async move {
            control.explain_job(request).await
        })
        .await
    }

    /// Rows of a job as nodes make them.
    pub async fn watch_rows(
        &self,
        request: v1::NameRequest,
    ) -> Result<Inbound<v1::RowBatch>, MeshError> {
        self.many("watching rows", request, |mut control, request| async move {
            control.watch_rows(request).await
        })
        .await
    }

    /// A snapshot of the cluster's state, in pieces.
    pub async fn backup(&self) -> Result<Inbound<v1::Piece>, MeshError> {
        self.many(
            "a backup",
            v1::Unit {},
            |mut control, unit| async move { control.backup(unit).await },
        )
        .await
    }

    /// Photographs in, rows out, at the node that is connected, whichever that is. Whoever sends
    /// photographs reads rows at the same time: what waits in between is bounded. A photograph
    /// that is larger than a message goes in pieces.
    pub async fn infer(
        &self,
        photographs: mpsc::Receiver<v1::InferRequest>,
    ) -> Result<Inbound<v1::InferReply>, MeshError> {
        let link = self.route.link().await?;
        let mut inference = InferenceClient::new(link.channel())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        let pieces = ReceiverStream::new(photographs)
            .flat_map(|photograph| stream::iter(in_pieces(photograph)));
        match inference.infer(pieces).await {
            Ok(rows) => Ok(inbound(&link, rows)),
            Err(status) => Err(link.error(&status)),
        }
    }

    async fn one<Q, T, F>(
        &self,
        what: &str,
        again: Again,
        request: Q,
        call: impl Fn(ControlClient<Channel>, Q) -> F,
    ) -> Result<T, MeshError>
    where
        Q: Message + Clone,
        F: Future<Output = Result<Response<T>, Status>>,
    {
        check_size(what, &request)?;
        let made = |link: Link| {
            let answer = call(link.control(), request.clone());
            async move { answer.await.map(Response::into_inner).map_err(|s| link.error(&s)) }
        };
        self.route.ask(what, again, made).await
    }

    async fn done<Q, F>(
        &self,
        what: &str,
        request: Q,
        call: impl Fn(ControlClient<Channel>, Q) -> F,
    ) -> Result<(), MeshError>
    where
        Q: Message + Clone,
        F: Future<Output = Result<Response<v1::Unit>, Status>>,
    {
        self.one(what, Again::Yes, request, call).await.map(|v1::Unit {}| ())
    }

    async fn many<Q, T, F>(
        &self,
        what: &str,
        request: Q,
        call: impl Fn(ControlClient<Channel>, Q) -> F,
    ) -> Result<Inbound<T>, MeshError>
    where
        Q: Message + Clone,
        F: Future<Output = Result<Response<Streaming<T>>, Status>>,
    {
        check_size(what, &request)?;
        let made = |link: Link| {
            let answer = call(link.control(), request.clone());
            async move {
                let answer = answer.await.map_err(|status| link.error(&status))?;
                Ok(inbound(&link, answer))
            }
        };
        self.route.ask(what, Again::Yes, made).await
    }
}

/// A photograph in messages that are not too large.
fn in_pieces(request: v1::InferRequest) -> impl Iterator<Item = v1::InferRequest> {
    let v1::InferRequest { mut options, photograph, more } = request;
    let count = photograph.len().div_ceil(PIECE_BYTES_MAX).max(1);
    (0..count).map(move |at| {
        let from = at * PIECE_BYTES_MAX;
        let to = photograph.len().min(from + PIECE_BYTES_MAX);
        v1::InferRequest {
            options: options.take(),
            photograph: photograph[from..to].to_vec(),
            more: more || at + 1 < count,
        }
    })
}

/// What is too large would break on the way, and nobody would be told why.
fn check_size(what: &str, request: &impl Message) -> Result<(), MeshError> {
    if request.encoded_len() <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    let limit = MESSAGE_BYTES_MAX >> 20;
    let words = format!("{what} needs a message of more than {limit} MiB: send less");
    Err(MeshError::Exhausted(words))
}

fn inbound<T>(link: &Link, answer: Response<Streaming<T>>) -> Inbound<T> {
    Inbound::from_wire(answer.into_inner(), endless(), link.explain())
}
