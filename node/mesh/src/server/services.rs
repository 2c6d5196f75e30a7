//! The services of the contract, handed to a [`Handler`] call by call.

use std::future::Future;
use std::sync::Arc;

use tonic::{Request, Response, Status, Streaming, async_trait};

use fruitnode_proto::v1;

use crate::error::Refusal;
use crate::generated::consensus_server::Consensus;
use crate::generated::control_server::Control;
use crate::generated::enrolment_server::Enrolment;
use crate::generated::inference_server::Inference;
use crate::generated::reduction_server::Reduction;
use crate::generated::work_server::Work;
use crate::handler::{Caller, Handler, Inbound, Outbound};
use crate::inbound::of_caller;
use crate::server::guard::Pass;
use crate::server::outgoing::Outgoing;

type Answer<T> = Result<Response<T>, Status>;

/// Every service, over one handler.
#[derive(Clone)]
pub(super) struct Services {
    handler: Arc<dyn Handler>,
}

/// A call that the guard let through.
struct Call<T> {
    pass: Pass,
    message: T,
}

impl Services {
    pub(super) fn new(handler: Arc<dyn Handler>) -> Self {
        Self { handler }
    }
}

impl<T> Call<T> {
    fn of(request: Request<T>) -> Result<Self, Status> {
        let (_, mut extensions, message) = request.into_parts();
        // Nothing is answered that did not come through the guard.
        let pass = extensions.remove::<Pass>();
        let pass = pass.ok_or_else(|| Refusal::denied("the call was not let through"))?;
        Ok(Self { pass, message })
    }

    fn caller(&self) -> Caller {
        self.pass.caller()
    }
}

impl Pass {
    async fn wait<T>(&self, answer: impl Future<Output = Result<T, Refusal>>) -> Result<T, Status> {
        tokio::select! {
            biased;
            refusal = self.cut_off() => Err(refusal.into()),
            answer = answer => answer.map_err(Status::from),
        }
    }

    async fn one<T>(&self, answer: impl Future<Output = Result<T, Refusal>>) -> Answer<T> {
        self.wait(answer).await.map(Response::new)
    }

    async fn done(&self, answer: impl Future<Output = Result<(), Refusal>>) -> Answer<v1::Unit> {
        self.wait(answer).await.map(|()| Response::new(v1::Unit {}))
    }

    async fn many<T>(
        &self,
        answer: impl Future<Output = Result<Outbound<T>, Refusal>>,
    ) -> Answer<Outgoing<T>> {
        let messages = self.wait(answer).await?;
        Ok(Response::new(Outgoing::new(messages, self.ending())))
    }

    fn inbound<T>(&self, messages: Streaming<T>) -> Inbound<T> {
        Inbound::from_wire(messages, self.ending(), Box::new(of_caller))
    }
}

#[async_trait]
impl Enrolment for Services {
    async fn enroll(&self, request: Request<v1::EnrollRequest>) -> Answer<v1::EnrollReply> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.enroll(call.caller(), call.message)).await
    }

    async fn readmit(&self, request: Request<v1::RenewRequest>) -> Answer<v1::EnrollReply> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.readmit(call.caller(), call.message)).await
    }
}

#[async_trait]
impl Consensus for Services {
    async fn exchange(&self, request: Request<Streaming<v1::RaftBatch>>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        let (caller, inbound) = (call.caller(), call.pass.inbound(call.message));
        call.pass.done(self.handler.exchange(caller, inbound)).await
    }

    async fn install(&self, request: Request<Streaming<v1::Piece>>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        let (caller, inbound) = (call.caller(), call.pass.inbound(call.message));
        call.pass.done(self.handler.install(caller, inbound)).await
    }

    async fn admit(&self, request: Request<v1::AdmitRequest>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        call.pass.done(self.handler.admit(call.caller(), call.message)).await
    }
}

#[async_trait]
impl Work for Services {
    type AttendStream = Outgoing<v1::ToMember>;

    async fn attend(
        &self,
        request: Request<Streaming<v1::FromMember>>,
    ) -> Answer<Outgoing<v1::ToMember>> {
        let call = Call::of(request)?;
        let (caller, inbound) = (call.caller(), call.pass.inbound(call.message));
        call.pass.many(self.handler.attend(caller, inbound)).await
    }

    async fn renew(&self, request: Request<v1::RenewRequest>) -> Answer<v1::RenewReply> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.renew(call.caller(), call.message)).await
    }
}

#[async_trait]
impl Reduction for Services {
    type MomentsStream = Outgoing<v1::Piece>;
    type RowsStream = Outgoing<v1::RowBatch>;

    async fn moments(&self, request: Request<v1::MomentsRequest>) -> Answer<Outgoing<v1::Piece>> {
        let call = Call::of(request)?;
        call.pass.many(self.handler.moments(call.caller(), call.message)).await
    }

    async fn rows(&self, request: Request<v1::RowsRequest>) -> Answer<Outgoing<v1::RowBatch>> {
        let call = Call::of(request)?;
        call.pass.many(self.handler.rows(call.caller(), call.message)).await
    }
}

#[async_trait]
impl Inference for Services {
    type InferStream = Outgoing<v1::InferReply>;

    async fn infer(
        &self,
        request: Request<Streaming<v1::InferRequest>>,
    ) -> Answer<Outgoing<v1::InferReply>> {
        let call = Call::of(request)?;
        let (caller, inbound) = (call.caller(), call.pass.inbound(call.message));
        call.pass.many(self.handler.infer(caller, inbound)).await
    }
}

#[async_trait]
impl Control for Services {
    type WatchJobStream = Outgoing<v1::JobStatus>;
    type ExplainJobStream = Outgoing<v1::Explanation>;
    type WatchRowsStream = Outgoing<v1::RowBatch>;
    type BackupStream = Outgoing<v1::Piece>;

    async fn status(&self, request: Request<v1::StatusRequest>) -> Answer<v1::ClusterStatus> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.status(call.caller(), call.message)).await
    }

    async fn create_token(
        &self,
        request: Request<v1::CreateTokenRequest>,
    ) -> Answer<v1::CreateTokenReply> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.create_token(call.caller(), call.message)).await
    }

    async fn list_tokens(&self, request: Request<v1::Unit>) -> Answer<v1::TokenList> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.list_tokens(call.caller())).await
    }

    async fn revoke_token(&self, request: Request<v1::NameRequest>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        call.pass.done(self.handler.revoke_token(call.caller(), call.message)).await
    }

    async fn create_client(
        &self,
        request: Request<v1::CreateClientRequest>,
    ) -> Answer<v1::CreateClientReply> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.create_client(call.caller(), call.message)).await
    }

    async fn list_clients(&self, request: Request<v1::Unit>) -> Answer<v1::ClientList> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.list_clients(call.caller())).await
    }

    async fn revoke_client(&self, request: Request<v1::NameRequest>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        call.pass.done(self.handler.revoke_client(call.caller(), call.message)).await
    }

    async fn drain_node(&self, request: Request<v1::DrainRequest>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        call.pass.done(self.handler.drain_node(call.caller(), call.message)).await
    }

    async fn remove_node(&self, request: Request<v1::NodeRequest>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        call.pass.done(self.handler.remove_node(call.caller(), call.message)).await
    }

    async fn submit_job(&self, request: Request<v1::SubmitRequest>) -> Answer<v1::JobStatus> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.submit_job(call.caller(), call.message)).await
    }

    async fn list_jobs(&self, request: Request<v1::Unit>) -> Answer<v1::JobList> {
        let call = Call::of(request)?;
        call.pass.one(self.handler.list_jobs(call.caller())).await
    }

    async fn watch_job(
        &self,
        request: Request<v1::NameRequest>,
    ) -> Answer<Outgoing<v1::JobStatus>> {
        let call = Call::of(request)?;
        call.pass.many(self.handler.watch_job(call.caller(), call.message)).await
    }

    async fn cancel_job(&self, request: Request<v1::NameRequest>) -> Answer<v1::Unit> {
        let call = Call::of(request)?;
        call.pass.done(self.handler.cancel_job(call.caller(), call.message)).await
    }

    async fn explain_job(
        &self,
        request: Request<v1::ExplainRequest>,
    ) -> Answer<Outgoing<v1::Explanation>> {
        let call = Call::of(request)?;
        call.pass.many(self.handler.explain_job(call.caller(), call.message)).await
    }

    async fn watch_rows(
        &self,
        request: Request<v1::NameRequest>,
    ) -> Answer<Outgoing<v1::RowBatch>> {
        let call = Call::of(request)?;
        call.pass.many(self.handler.watch_rows(call.caller(), call.message)).await
    }

    async fn backup(&self, request: Request<v1::Unit>) -> Answer<Outgoing<v1::Piece>> {
        let call = Call::of(request)?;
        call.pass.many(self.handler.backup(call.caller())).await
    }
}
