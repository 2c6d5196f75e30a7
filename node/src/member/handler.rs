//! What a node answers when others call: each call goes to the part that knows.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use fruitnode_consensus::pieces::Joined;
use fruitnode_consensus::{Consensus, ProposeError};
use fruitnode_coordinator::ids::{JobId, NodeId};
use fruitnode_coordinator::members::Process;
use fruitnode_mesh::authority::Authority;
use fruitnode_mesh::error::{Refusal, RefusalKind};
use fruitnode_mesh::handler::{Caller, Handler, Inbound, Outbound};
use fruitnode_mesh::identity::Identity;
use fruitnode_mesh::roster::Roster;
use fruitnode_proto::v1;
use fruitnode_proto::v1::from_member::Message;

use crate::actors::attend::Standing;
use crate::actors::envelope;
use crate::member::enrolment::{self, Tries};
use crate::member::infer::LargeRoom;
use crate::member::leaderless::Leaderless;
use crate::member::shared::{Shared, Voting};
use crate::member::voting::VotingHandle;
use crate::member::{control, explain, infer, moments, rows};

/// For a stream's first message.
const HELLO_WAIT: Duration = Duration::from_secs(5);

/// Answers calls for a node.
pub(super) struct NodeHandler {
    shared: Arc<Shared>,
    standing: watch::Receiver<Standing>,
    voting: VotingHandle,
    leaderless: Leaderless,
    tries: Tries,
    large: LargeRoom,
}

impl NodeHandler {
    pub(super) fn new(
        shared: Arc<Shared>,
        (standing, leaderless): (watch::Receiver<Standing>, Leaderless),
        voting: VotingHandle,
    ) -> Self {
        let (tries, large) = (Tries::default(), LargeRoom::default());
        Self { shared, standing, voting, leaderless, tries, large }
    }

    /// The coordinator's parts, if this node is the coordinator.
    fn leading(&self) -> Result<Voting, Refusal> {
        let attended = match &*self.standing.borrow() {
            Standing::Attending { leader } => Some(*leader),
            _ => None,
        };
        self.shared.voting.leading(&self.shared.book, self.shared.me, attended)
    }
}

impl NodeHandler {
    /// The log, as it is open now: it may be closed and opened again while a stream lasts, and what
    /// the stream brings belongs to whichever opening there is.
    fn log(&self) -> Result<Consensus, Refusal> {
        let voting = self.shared.voting.get();
        voting.map(|voting| voting.consensus).ok_or_else(|| lost("this node is not a voter"))
    }

    /// The coordinator's parts, if this node is the coordinator and a majority has just said so:
    /// what it tells people then is not out of date.
    async fn confirmed(&self) -> Result<Voting, Refusal> {
        let voting = self.leading()?;
        voting.consensus.confirm().await.map_err(|error| match error {
            ProposeError::NotLeader { leader } => self.shared.book.not_leader(leader),
            ProposeError::Stopped => Refusal::stopping(),
            error => lost(error),
        })?;
        Ok(voting)
    }
}

/// Turns a member away, and first tells it who there is, if it has an older roster: the coordinator
/// may have joined while it was away.
fn turned_away(
    refusal: Refusal,
    roster: &Roster,
    index: Option<u64>,
) -> Result<Outbound<v1::ToMember>, Refusal> {
    if index.is_none_or(|index| index >= roster.index) {
        return Err(refusal);
    }
    let mut messages: Vec<_> = envelope::roster(roster).into_iter().map(Ok).collect();
    messages.push(Err(refusal));
    let (out, stream) = mpsc::channel(messages.len());
    for message in messages {
        out.try_send(message).expect("the channel is as long as what is said");
    }
    Ok(stream)
}

fn lost(words: impl std::fmt::Display) -> Refusal {
    Refusal::new(RefusalKind::Unavailable, words.to_string())
}

#[async_trait]
impl Handler for NodeHandler {
    async fn enroll(
        &self,
        caller: Caller,
        request: v1::EnrollRequest,
    ) -> Result<v1::EnrollReply, Refusal> {
        let voting = self.leading()?;
        let from = caller.address.ip();
        enrolment::enroll(&voting, &self.tries, from, &self.shared.book, request).await
    }

    async fn readmit(
        &self,
        caller: Caller,
        request: v1::RenewRequest,
    ) -> Result<v1::EnrollReply, Refusal> {
        let (voting, from) = (self.leading()?, caller.address.ip());
        enrolment::readmit(&voting, &self.tries, from, &self.shared.book, &request.request).await
    }

    async fn exchange(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::RaftBatch>,
    ) -> Result<(), Refusal> {
        let from = caller.node()?;
        while let Some(batch) = inbound.next().await.map_err(lost)? {
            let v1::RaftBatch { messages, starts, incarnation } = batch;
            self.log()?.deliver(from, Process { starts, incarnation }, messages);
        }
        Ok(())
    }

    async fn install(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::Piece>,
    ) -> Result<(), Refusal> {
        let from = caller.node()?;
        self.log()?;
        let (mut joined, mut process) = (Joined::default(), Process::default());
        while let Some(piece) = inbound.next().await.map_err(lost)? {
            process = Process { starts: piece.starts, incarnation: piece.incarnation };
            let added = joined.add(&piece.bytes);
            added.map_err(|error| Refusal::new(RefusalKind::Exhausted, error.to_string()))?;
        }
        self.log()?.deliver(from, process, vec![joined.finish()]);
        Ok(())
    }

    async fn admit(&self, caller: Caller, request: v1::AdmitRequest) -> Result<(), Refusal> {
        let by = caller.node()?;
        let authority = Authority::load(self.shared.tls.ca(), &request.authority_key)
            .map_err(|error| Refusal::new(RefusalKind::Invalid, error.to_string()))?;
        // First: by it the node knows that it is to vote, and the others whom it hears then.
        self.shared.book.take(request.roster.unwrap_or_default());
        self.voting.admit(authority).await?;
        tracing::info!(%by, "this node votes");
        Ok(())
    }

    async fn attend(
        &self,
        caller: Caller,
        mut inbound: Inbound<v1::FromMember>,
    ) -> Result<Outbound<v1::ToMember>, Refusal> {
        let node = caller.node()?;
        let first = timeout(HELLO_WAIT, inbound.next()).await;
        let first = first.map_err(|_| lost("closing a silent stream"))?;
        let first = first.map_err(lost)?.and_then(|first| first.message);
        let Some(Message::Hello(hello)) = first else {
            return Err(Refusal::new(RefusalKind::Invalid, "a member's first word is its hello"));
        };
        match self.leading() {
            Ok(voting) => voting.leader.attend(node, hello, inbound).await,
            Err(refusal) => turned_away(refusal, &self.shared.book.now(), hello.roster_index),
        }
    }

    async fn renew(
        &self,
        caller: Caller,
        request: v1::RenewRequest,
    ) -> Result<v1::RenewReply, Refusal> {
        enrolment::renew(&self.leading()?, caller.node()?, &request.request).await
    }

    async fn moments(
        &self,
        _: Caller,
        request: v1::MomentsRequest,
    ) -> Result<Outbound<v1::Piece>, Refusal> {
        let bytes = moments::held(&self.shared.context, request).await?;
        Ok(control::pieces(bytes))
    }

    async fn status(
        &self,
        _: Caller,
        request: v1::StatusRequest,
    ) -> Result<v1::ClusterStatus, Refusal> {
        match self.confirmed().await {
            Ok(voting) => control::status(&voting, self.shared.me).await,
            Err(refusal) if request.partial_allowed && refusal.is_not_leader() => {
                let standing = self.standing.borrow().clone();
                Ok(control::partial(&self.shared, standing, self.leaderless.ms()).await)
            }
            Err(refusal) => Err(refusal),
        }
    }

    async fn create_token(
        &self,
        _: Caller,
        request: v1::CreateTokenRequest,
    ) -> Result<v1::CreateTokenReply, Refusal> {
        control::create_token(&self.leading()?, request).await
    }

    async fn list_tokens(&self, _: Caller) -> Result<v1::TokenList, Refusal> {
        control::list_tokens(&self.confirmed().await?).await
    }

    async fn revoke_token(&self, _: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        control::revoke_token(&self.leading()?, request.name).await
    }

    async fn create_client(
        &self,
        _: Caller,
        request: v1::CreateClientRequest,
    ) -> Result<v1::CreateClientReply, Refusal> {
        control::create_client(&self.leading()?, request).await
    }

    async fn list_clients(&self, _: Caller) -> Result<v1::ClientList, Refusal> {
        control::list_clients(&self.confirmed().await?).await
    }

    async fn revoke_client(&self, _: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        control::revoke_client(&self.leading()?, request.name).await
    }

    async fn drain_node(&self, caller: Caller, request: v1::DrainRequest) -> Result<(), Refusal> {
        if let Some(Identity::Node(node)) = caller.identity
            && node.0 != request.node
        {
            return Err(Refusal::denied(format!("{node} may only drain itself")));
        }
        control::drain(&self.leading()?, request).await
    }

    async fn remove_node(&self, _: Caller, request: v1::NodeRequest) -> Result<(), Refusal> {
        control::remove(&self.leading()?, NodeId(request.node)).await
    }

    async fn submit_job(
        &self,
        _: Caller,
        request: v1::SubmitRequest,
    ) -> Result<v1::JobStatus, Refusal> {
        control::submit(&self.leading()?, request).await
    }

    async fn list_jobs(&self, _: Caller) -> Result<v1::JobList, Refusal> {
        control::list_jobs(&self.confirmed().await?).await
    }

    async fn watch_job(
        &self,
        _: Caller,
        request: v1::NameRequest,
    ) -> Result<Outbound<v1::JobStatus>, Refusal> {
        control::watch(self.confirmed().await?, JobId(request.name)).await
    }

    async fn cancel_job(&self, _: Caller, request: v1::NameRequest) -> Result<(), Refusal> {
        control::cancel(&self.leading()?, JobId(request.name)).await
    }

    async fn rows(
        &self,
        _: Caller,
        request: v1::RowsRequest,
    ) -> Result<Outbound<v1::RowBatch>, Refusal> {
        Ok(rows::of_this_node(&self.shared.context, &JobId(request.job)))
    }

    async fn watch_rows(
        &self,
        _: Caller,
        request: v1::NameRequest,
    ) -> Result<Outbound<v1::RowBatch>, Refusal> {
        let voting = self.confirmed().await?;
        rows::of_all_nodes(voting, self.shared.peers.clone(), JobId(request.name)).await
    }

    async fn infer(
        &self,
        _: Caller,
        inbound: Inbound<v1::InferRequest>,
    ) -> Result<Outbound<v1::InferReply>, Refusal> {
        infer::infer(Arc::clone(&self.shared.context), self.large.clone(), inbound).await
    }

    async fn explain_job(
        &self,
        _: Caller,
        request: v1::ExplainRequest,
    ) -> Result<Outbound<v1::Explanation>, Refusal> {
        explain::job(&self.confirmed().await?, self.shared.storage.clone(), request).await
    }

    async fn backup(&self, _: Caller) -> Result<Outbound<v1::Piece>, Refusal> {
        control::backup(&self.confirmed().await?).await
    }
}
