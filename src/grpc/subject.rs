//! `SubjectService`.

use std::mem::take;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    choice::optional_number,
    parse::Parse,
    render::{instant, texts},
};
use crate::{
    app::{Call, Error, Registry, subject::Subject},
    domain::{audit::Action, revision::Revision},
    proto::v1::{
        self,
        subject_service_server::{SubjectService, SubjectServiceServer},
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> SubjectServiceServer<Subjects> {
    SubjectServiceServer::new(Subjects { registry })
}

/// People: how they are recognised, in which roles they are known.
#[derive(Clone)]
pub struct Subjects {
    registry: Registry,
}

#[tonic::async_trait]
impl SubjectService for Subjects {
    async fn get_subject(
        &self,
        request: Request<v1::GetSubjectRequest>,
    ) -> Result<Response<v1::GetSubjectResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let subject = parse.subject("subject", message.subject);
        let fresh = parse.opaque("at_least_as_fresh", message.at_least_as_fresh);
        let (subject, fresh) = parse
            .finish(|| Ok((subject?, fresh?)))
            .map_err(Error::from)?;
        let fresh = fresh.map(|fresh| fresh.parse::<Revision>()).transpose();
        let fresh = fresh.map_err(|_| Error::RevisionUnknown)?;
        let call = Call::new(caller, Action::GetSubject);
        let (subject, revision) = self.registry.get_subject(call, &subject, fresh).await?;
        Ok(Response::new(v1::GetSubjectResponse {
            subject: Some(render(subject)),
            revision: revision.to_string(),
        }))
    }

    async fn link_identifier(
        &self,
        request: Request<v1::LinkIdentifierRequest>,
    ) -> Result<Response<v1::LinkIdentifierResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let subject = parse.subject("subject", message.subject);
        let identifier = parse.required("identifier", message.identifier, Parse::identifier);
        let (request_id, subject, identifier) = parse
            .finish(|| Ok((request_id?, subject?, identifier?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::LinkIdentifier).idempotent(request_id, canonical);
        let linked = self
            .registry
            .link_identifier(call, subject, identifier)
            .await?;
        Ok(Response::new(v1::LinkIdentifierResponse {
            subject: Some(render(linked.value)),
            revision: linked.revision.to_string(),
        }))
    }

    async fn unlink_identifier(
        &self,
        request: Request<v1::UnlinkIdentifierRequest>,
    ) -> Result<Response<v1::UnlinkIdentifierResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let subject = parse.subject("subject", message.subject);
        let identifier = parse.required("identifier", message.identifier, Parse::identifier);
        let (request_id, subject, identifier) = parse
            .finish(|| Ok((request_id?, subject?, identifier?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::UnlinkIdentifier).idempotent(request_id, canonical);
        let unlinked = self
            .registry
            .unlink_identifier(call, subject, identifier)
            .await?;
        Ok(Response::new(v1::UnlinkIdentifierResponse {
            subject: Some(render(unlinked.value)),
            revision: unlinked.revision.to_string(),
        }))
    }

    async fn merge_subjects(
        &self,
        request: Request<v1::MergeSubjectsRequest>,
    ) -> Result<Response<v1::MergeSubjectsResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let into = parse.subject("into", message.into);
        let from = parse.subject("from", message.from);
        let (request_id, into, from) = parse
            .finish(|| Ok((request_id?, into?, from?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::MergeSubjects).idempotent(request_id, canonical);
        let merged = self.registry.merge_subjects(call, into, from).await?;
        Ok(Response::new(v1::MergeSubjectsResponse {
            subject: Some(render(merged.value)),
            revision: merged.revision.to_string(),
        }))
    }

    async fn add_subject_category(
        &self,
        request: Request<v1::AddSubjectCategoryRequest>,
    ) -> Result<Response<v1::AddSubjectCategoryResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let subject = parse.subject("subject", message.subject);
        let category = parse.name("subject_category", &message.subject_category);
        let started_at = parse.instant("started_at", message.started_at);
        let (request_id, subject, category, started_at) = parse
            .finish(|| Ok((request_id?, subject?, category?, started_at?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::AddSubjectCategory).idempotent(request_id, canonical);
        let added = self
            .registry
            .add_subject_category(call, subject, category, started_at)
            .await?;
        Ok(Response::new(v1::AddSubjectCategoryResponse {
            subject: Some(render(added.value)),
            revision: added.revision.to_string(),
        }))
    }

    async fn end_subject_category(
        &self,
        request: Request<v1::EndSubjectCategoryRequest>,
    ) -> Result<Response<v1::EndSubjectCategoryResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = take(&mut message.request_id);
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let subject = parse.subject("subject", message.subject);
        let category = parse.name("subject_category", &message.subject_category);
        let ended_at = parse.instant("ended_at", message.ended_at);
        let (request_id, subject, category, ended_at) = parse
            .finish(|| Ok((request_id?, subject?, category?, ended_at?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::EndSubjectCategory).idempotent(request_id, canonical);
        let ended = self
            .registry
            .end_subject_category(call, subject, category, ended_at)
            .await?;
        Ok(Response::new(v1::EndSubjectCategoryResponse {
            subject: Some(render(ended.value)),
            revision: ended.revision.to_string(),
        }))
    }
}

fn render(subject: Subject) -> v1::Subject {
    let Subject {
        subject_id,
        memberships,
        identifiers,
        created_at,
        merged_ids,
    } = subject;
    v1::Subject {
        subject_id: subject_id.to_string(),
        categories: memberships
            .into_iter()
            .map(|stay| v1::SubjectMembership {
                subject_category: stay.category.to_string(),
                started_at: Some(instant(stay.started_at)),
                ended_at: stay.ended_at.map(instant),
            })
            .collect(),
        identifiers: identifiers
            .into_iter()
            .map(|linked| v1::SubjectIdentifier {
                kind: optional_number(linked.kind),
                linked_at: Some(instant(linked.linked_at)),
                identifier: Some(v1::Identifier {
                    r#type: linked.identifier.identifier_type.to_string(),
                    value: linked.identifier.value.expose().to_owned(),
                }),
            })
            .collect(),
        created_at: Some(instant(created_at)),
        merged_ids: texts(&merged_ids),
    }
}
