//! `AuditService`.

mod log;

use std::pin::Pin;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    decision::{TRACE_STEPS_MAX, decision},
    parse::{
        Page, Parse, Parsed,
        limits::{DATA_CATEGORIES_MAX, FILTER_BYTES_MAX},
    },
    render::{instant, text, texts},
};
use crate::{
    app::{
        Error, Registry,
        audit::{AuditEntry, AuditFilter, KeptDecision},
        decision::Answer,
    },
    domain::{
        audit::{Action, AuditDetail},
        subject_ref::SubjectRef,
    },
    proto::v1::{
        self,
        audit_service_server::{AuditService, AuditServiceServer},
        subject_ref::Ref,
    },
};

/// What an entry says when nothing was decided: that it stands there is the outcome.
const DONE: &str = "OK";

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> AuditServiceServer<AuditLog> {
    AuditServiceServer::new(AuditLog { registry })
}

/// Who did what, and why.
#[derive(Clone)]
pub struct AuditLog {
    registry: Registry,
}

#[tonic::async_trait]
impl AuditService for AuditLog {
    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let asked = asked(&mut parse, request.into_inner());
        let (subject, filter, page) = parse.finish(|| asked).map_err(Error::from)?;
        let listed = self
            .registry
            .list_audit_entries(
                &caller,
                subject.as_ref(),
                filter,
                page.size,
                page.token.as_deref(),
            )
            .await?;
        Ok(Response::new(v1::ListAuditEntriesResponse {
            entries: listed.entries.into_iter().map(entry).collect(),
            next_page_token: listed.next.unwrap_or_default(),
        }))
    }

    async fn get_decision(
        &self,
        request: Request<v1::GetDecisionRequest>,
    ) -> Result<Response<v1::GetDecisionResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let decision_id = parse.id("decision_id", &request.into_inner().decision_id);
        let decision_id = parse.finish(|| decision_id).map_err(Error::from)?;
        let found = self.registry.get_decision(&caller, decision_id).await?;
        Ok(Response::new(kept(found)))
    }

    async fn get_checkpoint(
        &self,
        request: Request<v1::GetCheckpointRequest>,
    ) -> Result<Response<v1::GetCheckpointResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let size = log::size(&mut parse, "tree_size", request.into_inner().tree_size);
        let size = parse.finish(|| size).map_err(Error::from)?;
        let signed = self.registry.get_checkpoint(&caller, size).await?;
        Ok(Response::new(v1::GetCheckpointResponse {
            checkpoint: Some(log::checkpoint(signed)),
        }))
    }

    async fn get_inclusion_proof(
        &self,
        request: Request<v1::GetInclusionProofRequest>,
    ) -> Result<Response<v1::GetInclusionProofResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let message = request.into_inner();
        let audit_id = parse.id("audit_id", &message.audit_id);
        let size = log::size(&mut parse, "tree_size", message.tree_size);
        let (audit_id, size) = parse
            .finish(|| Ok((audit_id?, size?)))
            .map_err(Error::from)?;
        let registry = &self.registry;
        let proof = registry
            .get_inclusion_proof(&caller, audit_id, size)
            .await?;
        Ok(Response::new(log::inclusion(proof)))
    }

    async fn get_consistency_proof(
        &self,
        request: Request<v1::GetConsistencyProofRequest>,
    ) -> Result<Response<v1::GetConsistencyProofResponse>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let message = request.into_inner();
        let from = log::size(&mut parse, "from_tree_size", message.from_tree_size);
        let to = log::size(&mut parse, "to_tree_size", message.to_tree_size);
        let (from, to) = parse.finish(|| Ok((from?, to?))).map_err(Error::from)?;
        let registry = &self.registry;
        let proof = registry
            .get_consistency_proof(&caller, from.unwrap_or(0), to)
            .await?;
        Ok(Response::new(log::consistency(&proof)))
    }

    type ExportAuditLogStream =
        Pin<Box<dyn Stream<Item = Result<v1::ExportAuditLogResponse, Status>> + Send>>;

    async fn export_audit_log(
        &self,
        request: Request<v1::ExportAuditLogRequest>,
    ) -> Result<Response<Self::ExportAuditLogStream>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let from = request.into_inner().from_position;
        let from = log::size(&mut parse, "from_position", from);
        let from = parse.finish(|| from).map_err(Error::from)?;
        let exported = self
            .registry
            .export_audit_log(caller, from.unwrap_or(0))
            .await?;
        let parts = exported.map(|part| part.map(log::part).map_err(Status::from));
        Ok(Response::new(parts.boxed()))
    }
}

fn asked(
    parse: &mut Parse,
    message: v1::ListAuditEntriesRequest,
) -> Parsed<(Option<SubjectRef>, AuditFilter, Page)> {
    let subject = match message.subject {
        None => Ok(None),
        subject => parse.subject("subject", subject).map(Some),
    };
    let caller = parse.text("caller", message.caller, FILTER_BYTES_MAX);
    let actions = actions(parse, &message.action);
    let data_categories = parse.names(
        "data_categories",
        message.data_categories,
        DATA_CATEGORIES_MAX,
    );
    let from = parse.instant("from", message.from);
    let to = parse.instant("to", message.to);
    let page = parse.page(message.page_size, message.page_token);
    let filter = AuditFilter {
        subjects: Vec::new(),
        caller: Some(caller?).filter(|caller| !caller.is_empty()),
        actions: actions?,
        data_categories: data_categories?,
        content_reads: message.content_reads,
        from: from?,
        to: to?,
    };
    Ok((subject?, filter, page?))
}

fn actions(parse: &mut Parse, name: &str) -> Parsed<Vec<Action>> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    let named = Action::ALL.iter().find(|action| action.name() == name);
    match named {
        Some(action) => Ok(vec![*action]),
        None => Err(parse.refuse("action", "must be the name of an RPC, such as FetchRecords")),
    }
}

fn entry(entry: AuditEntry) -> v1::AuditEntry {
    let AuditDetail {
        subject_id: _,
        data_categories,
        purposes,
        processors,
        item_ids,
        consent_ids,
        disclosure_id,
        decision_id,
        policy_version,
        revision,
        outcome,
        subject_request_id,
        task_ids,
        legal_hold_id,
        export_id,
    } = entry.detail;
    let pseudonym = entry.subject_pseudonym.unwrap_or_default();
    v1::AuditEntry {
        audit_id: entry.audit_id.to_string(),
        at: Some(instant(entry.at)),
        caller: entry.caller,
        action: entry.action,
        subject_pseudonym: URL_SAFE_NO_PAD.encode(pseudonym),
        outcome: if outcome.is_empty() {
            DONE.to_owned()
        } else {
            outcome
        },
        data_categories: texts(&data_categories),
        purposes: texts(&purposes),
        processors: texts(&processors),
        item_ids: texts(&item_ids),
        consent_ids: texts(&consent_ids),
        disclosure_id: text(disclosure_id.as_ref()),
        decision_id: text(decision_id.as_ref()),
        policy_version: text(policy_version.as_ref()),
        revision,
        subject_request_id: text(subject_request_id.as_ref()),
        task_ids: texts(&task_ids),
        legal_hold_id: text(legal_hold_id.as_ref()),
        export_id: text(export_id.as_ref()),
        position: entry.position,
    }
}

fn kept(kept: KeptDecision) -> v1::GetDecisionResponse {
    let answer = Answer {
        decision: kept.decision,
        revision: kept.revision,
        decision_id: Some(kept.decision_id),
    };
    let subject = kept.subject_id.map(|id| v1::SubjectRef {
        r#ref: Some(Ref::SubjectId(id.to_string())),
    });
    v1::GetDecisionResponse {
        decision: Some(decision(&answer, TRACE_STEPS_MAX)),
        subject,
        purpose: kept.query.purpose.to_string(),
        processor: text(kept.query.processor.as_ref()),
        caller: kept.decided_for,
        decided_at: Some(instant(kept.decided_at)),
    }
}
