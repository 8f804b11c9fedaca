//! `ConsentService`.

mod read;
mod render;
#[cfg(test)]
mod tests;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    render::{instant, texts},
};
use crate::{
    app::{Call, Error, Registry},
    domain::audit::Action,
    proto::v1::{
        self,
        consent_service_server::{ConsentService, ConsentServiceServer},
    },
};

pub(super) use render::recipient;

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> ConsentServiceServer<Consents> {
    ConsentServiceServer::new(Consents { registry })
}

/// Consent as facts, their history and their receipts.
#[derive(Clone)]
pub struct Consents {
    registry: Registry,
}

#[tonic::async_trait]
impl ConsentService for Consents {
    async fn record_consent(
        &self,
        request: Request<v1::RecordConsentRequest>,
    ) -> Result<Response<v1::RecordConsentResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let (request_id, subject, statement) =
            read::record(&request_id, message).map_err(Error::from)?;
        let call = Call::new(caller, Action::RecordConsent).idempotent(request_id, canonical);
        let written = self
            .registry
            .record_consent(call, subject, statement)
            .await?;
        Ok(Response::new(v1::RecordConsentResponse {
            consents: written.value.into_iter().map(render::consent).collect(),
            revision: written.revision.to_string(),
        }))
    }

    async fn withdraw_consent(
        &self,
        request: Request<v1::WithdrawConsentRequest>,
    ) -> Result<Response<v1::WithdrawConsentResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let (request_id, command) = read::withdraw(&request_id, message).map_err(Error::from)?;
        let call = Call::new(caller, Action::WithdrawConsent).idempotent(request_id, canonical);
        let written = self.registry.withdraw_consent(call, command).await?;
        let withdrawn = written.value;
        Ok(Response::new(v1::WithdrawConsentResponse {
            consents: withdrawn.facts.into_iter().map(render::consent).collect(),
            subject_ids: texts(&withdrawn.subject_ids),
            revision: written.revision.to_string(),
        }))
    }

    async fn list_consents(
        &self,
        request: Request<v1::ListConsentsRequest>,
    ) -> Result<Response<v1::ListConsentsResponse>, Status> {
        let caller = caller(&request)?;
        let query = read::list(request.into_inner())?;
        let page = self.registry.list_consents(&caller, query).await?;
        Ok(Response::new(v1::ListConsentsResponse {
            consents: page.entries.into_iter().map(render::consent).collect(),
            next_page_token: page.next.unwrap_or_default(),
        }))
    }

    async fn get_consent_receipt(
        &self,
        request: Request<v1::GetConsentReceiptRequest>,
    ) -> Result<Response<v1::GetConsentReceiptResponse>, Status> {
        let caller = caller(&request)?;
        let (subject, consent) = read::receipt(request.into_inner()).map_err(Error::from)?;
        let signed = self
            .registry
            .get_consent_receipt(&caller, &subject, consent)
            .await?;
        Ok(Response::new(v1::GetConsentReceiptResponse {
            receipt: Some(render::receipt(signed.receipt)),
            envelope: signed.envelope.to_json(),
        }))
    }

    async fn issue_withdrawal_token(
        &self,
        request: Request<v1::IssueWithdrawalTokenRequest>,
    ) -> Result<Response<v1::IssueWithdrawalTokenResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let (request_id, command) = read::issue(&request_id, message).map_err(Error::from)?;
        let call =
            Call::new(caller, Action::IssueWithdrawalToken).idempotent(request_id, canonical);
        let written = self.registry.issue_withdrawal_token(call, command).await?;
        Ok(Response::new(v1::IssueWithdrawalTokenResponse {
            withdrawal_token: written.value.token,
            expires_at: Some(instant(written.value.expires_at)),
            revision: written.revision.to_string(),
        }))
    }
}
