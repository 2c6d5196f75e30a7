//! What a node answers: one method per call, in plain types. The mesh has checked who calls, and
//! whether they may, before a method is reached.

use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::sync::mpsc;

use fruitnode_coordinator::ids::NodeId;
use fruitnode_proto::v1;

pub use crate::inbound::Inbound;

use crate::error::Refusal;
use crate::identity::Identity;

/// Messages of a stream to the other side. It ends when the sender is dropped, or with a refusal.
/// Keep it short: what waits in it is memory.
pub type Outbound<T> = mpsc::Receiver<Result<T, Refusal>>;

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Who the certificate speaks for; nobody where there is none, which only enrolment sees.
    pub identity: Option<Identity>,
    /// The certificate's serial number; empty where there is none.
    pub serial: String,
    /// Where the call comes from.
    pub address: SocketAddr,
}

impl Caller {
    /// The node that calls, or a refusal.
    pub fn node(&self) -> Result<NodeId, Refusal> {
        match self.identity {
            Some(Identity::Node(node)) => Ok(node),
            _ => Err(Refusal::denied("only nodes of the cluster may make this call")),
        }
    }
}

/// What a node does when it is called. A method that is not given answers that the node does not
/// know the call.
#[async_trait]
#[allow(unused_variables, reason = "the names tell what a method is given")]
pub trait Handler: Send + Sync + 'static {
    /// A new node asks to be let in. With an empty secret it asks where the coordinator is.
    async fn enroll(
        &self,
        caller: Caller,
        request: v1::EnrollRequest,
    ) -> Result<v1::EnrollReply, Refusal> {
        Err(Refusal::unimplemented("Enroll"))
    }

    /// A member whose certificate has ended asks for another one by its key.
    async fn readmit(
        &self,
        caller: Caller,
        request: v1::RenewRequest,
    ) -> Result<v1::EnrollReply, Refusal> {
        Err(Refusal::unimplemented("Readmit"))
    }

    /// Messages of raft from the voter that calls, until it hangs up.
    async fn exchange(
        &self,
        caller: Caller,
        inbound: Inbound<v1::RaftBatch>,
    ) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("Exchange"))
    }

    /// A message of raft with a snapshot, in pieces.
    async fn install(&self, caller: Caller, inbound: Inbound<v1::Piece>) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("Install"))
    }

    /// The coordinator makes this node a voter-to-be.
    async fn admit(&self, caller: Caller, request: v1::AdmitRequest) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("Admit"))
    }

    /// A member attends at the coordinator.
    async fn attend(
        &self,
        caller: Caller,
        inbound: Inbound<v1::FromMember>,
    ) -> Result<Outbound<v1::ToMember>, Refusal> {
        Err(Refusal::unimplemented("Attend"))
    }

    /// A node asks for a new certificate of its own.
    async fn renew(
        &self,
        caller: Caller,
        request: v1::RenewRequest,
    ) -> Result<v1::RenewReply, Refusal> {
        Err(Refusal::unimplemented("Renew"))
    }

    /// A node asks for moments held here.
    async fn moments(
        &self,
        caller: Caller,
        request: v1::MomentsRequest,
    ) -> Result<Outbound<v1::Piece>, Refusal> {
        Err(Refusal::unimplemented("Moments"))
    }

    /// A node asks for rows as they are made here.
    async fn rows(
        &self,
        caller: Caller,
        request: v1::RowsRequest,
    ) -> Result<Outbound<v1::RowBatch>, Refusal> {
        Err(Refusal::unimplemented("Rows"))
    }

    /// Photographs in, rows out.
    async fn infer(
        &self,
        caller: Caller,
        inbound: Inbound<v1::InferRequest>,
    ) -> Result<Outbound<v1::InferReply>, Refusal> {
        Err(Refusal::unimplemented("Infer"))
    }

    /// How the cluster is, or as much of it as this node knows, if that is allowed.
    async fn status(
        &self,
        caller: Caller,
        request: v1::StatusRequest,
    ) -> Result<v1::ClusterStatus, Refusal> {
        Err(Refusal::unimplemented("Status"))
    }

    /// A new token for nodes to join with.
    async fn create_token(
        &self,
        caller: Caller,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenReply, Refusal> {
        Err(Refusal::unimplemented("CreateToken"))
    }

    /// Tokens there are, without their secrets.
    async fn list_tokens(&self, caller: Caller) -> Result<v1::TokenList, Refusal> {
        Err(Refusal::unimplemented("ListTokens"))
    }

    /// Takes a token back.
    async fn revoke_token(&self, caller: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("RevokeToken"))
    }

    /// A certificate for a person.
    async fn create_client(
        &self,
        caller: Caller,
        request: v1::CreateClientRequest,
    ) -> Result<v1::CreateClientReply, Refusal> {
        Err(Refusal::unimplemented("CreateClient"))
    }

    /// People's certificates.
    async fn list_clients(&self, caller: Caller) -> Result<v1::ClientList, Refusal> {
        Err(Refusal::unimplemented("ListClients"))
    }

    /// Takes the certificates of a person back.
    async fn revoke_client(&self, caller: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("RevokeClient"))
    }

    /// Gives a node no more leases, or leases again. A node may ask this for itself alone.
    async fn drain_node(&self, caller: Caller, request: v1::DrainRequest) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("DrainNode"))
    }

    /// Removes a node for good.
    async fn remove_node(&self, caller: Caller, request: v1::NodeRequest) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("RemoveNode"))
    }

    /// Begins a job; the same one again is the same job.
    async fn submit_job(
        &self,
        caller: Caller,
        request: v1::SubmitRequest,
    ) -> Result<v1::JobStatus, Refusal> {
        Err(Refusal::unimplemented("SubmitJob"))
    }

    /// Jobs there are.
    async fn list_jobs(&self, caller: Caller) -> Result<v1::JobList, Refusal> {
        Err(Refusal::unimplemented("ListJobs"))
    }

    /// The job now, and whenever it changes, to its end.
    async fn watch_job(
        &self,
        caller: Caller,
        request: v1::NameRequest,
    ) -> Result<Outbound<v1::JobStatus>, Refusal> {
        Err(Refusal::unimplemented("WatchJob"))
    }

    /// Ends a job.
    async fn cancel_job(&self, caller: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        Err(Refusal::unimplemented("CancelJob"))
    }

    /// The story of a job, or of one photograph.
    async fn explain_job(
        &self,
        caller: Caller,
        request: v1::ExplainRequest,
    ) -> Result<Outbound<v1::Explanation>, Refusal> {
        Err(Refusal::unimplemented("ExplainJob"))
    }

    /// Rows of a job as nodes make them.
    async fn watch_rows(
        &self,
        caller: Caller,
        request: v1::NameRequest,
    ) -> Result<Outbound<v1::RowBatch>, Refusal> {
        Err(Refusal::unimplemented("WatchRows"))
    }

    /// A snapshot of the cluster's state, without any secret.
    async fn backup(&self, caller: Caller) -> Result<Outbound<v1::Piece>, Refusal> {
        Err(Refusal::unimplemented("Backup"))
    }
}
