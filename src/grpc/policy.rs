//! `PolicyService`.

mod form;
mod read;
mod record;
pub mod render;
mod report;
#[cfg(test)]
mod tests;

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    parse::{
        Parse, Parsed,
        limits::{LOCALE_BYTES_MAX, POLICY_BYTES_MAX},
    },
    render::instant,
};
use crate::{
    app::{
        Call, Error, Registry,
        policy::{PolicyReport, Publication},
    },
    domain::{
        audit::Action,
        name::PolicyVersion,
        policy::{compile::CompiledPolicy, model::Policy, processing_record::processing_record},
        violation::Violations,
    },
    proto::v1::{
        self,
        policy_service_server::{PolicyService, PolicyServiceServer},
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> PolicyServiceServer<Policies> {
    PolicyServiceServer::new(Policies { registry })
}

/// The versions of the policy, and what can be read off them.
#[derive(Clone)]
pub struct Policies {
    registry: Registry,
}

#[tonic::async_trait]
impl PolicyService for Policies {
    async fn publish_policy(
        &self,
        request: Request<v1::PublishPolicyRequest>,
    ) -> Result<Response<v1::PublishPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let request_id = std::mem::take(&mut message.request_id);
        // The key itself is no part of what was asked.
        let canonical = message.encode_to_vec();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&request_id);
        let policy = parse.required("policy", message.policy, policy);
        let (request_id, policy) = parse
            .finish(|| Ok((request_id?, policy?)))
            .map_err(Error::from)?;
        if message.validate_only {
            let report = self.registry.preview_policy(&caller, policy).await?;
            return Ok(Response::new(published(&report, None, String::new())));
        }
        let call = Call::new(caller, Action::PublishPolicy).idempotent(request_id, canonical);
        let (report, written) = self
            .registry
            .publish_policy(call, policy, message.accept_findings)
            .await?;
        let publication = report.publication.as_ref();
        let revision = written.revision.to_string();
        Ok(Response::new(published(&report, publication, revision)))
    }

    async fn get_policy(
        &self,
        request: Request<v1::GetPolicyRequest>,
    ) -> Result<Response<v1::GetPolicyResponse>, Status> {
        let caller = caller(&request)?;
        let version = version(&request.into_inner().version).map_err(Error::from)?;
        let (policy, publication, in_force) = self
            .registry
            .get_policy(&caller, Action::GetPolicy, version.as_ref())
            .await?;
        Ok(Response::new(v1::GetPolicyResponse {
            policy: Some(render::policy(policy.policy())),
            published_at: Some(instant(publication.published_at)),
            in_force,
        }))
    }

    async fn list_policies(
        &self,
        request: Request<v1::ListPoliciesRequest>,
    ) -> Result<Response<v1::ListPoliciesResponse>, Status> {
        let caller = caller(&request)?;
        let v1::ListPoliciesRequest {
            page_size,
            page_token,
        } = request.into_inner();
        let mut parse = Parse::new();
        let page = parse.page(page_size, page_token);
        let page = parse.finish(|| page).map_err(Error::from)?;
        let listed = self
            .registry
            .list_policies(&caller, page.size, page.token.as_deref())
            .await?;
        let policies = listed.entries.iter();
        Ok(Response::new(v1::ListPoliciesResponse {
            policies: policies
                .map(|(policy, publication, in_force)| summary(policy, publication, *in_force))
                .collect(),
            next_page_token: listed.next.unwrap_or_default(),
        }))
    }

    async fn get_consent_form(
        &self,
        request: Request<v1::GetConsentFormRequest>,
    ) -> Result<Response<v1::GetConsentFormResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let category = parse.name("subject_category", &message.subject_category);
        let locale = locale(&mut parse, message.locale);
        let (category, locale) = parse
            .finish(|| Ok((category?, locale?)))
            .map_err(Error::from)?;
        let form = self
            .registry
            .get_consent_form(&caller, &category, &locale)
            .await?;
        Ok(Response::new(v1::GetConsentFormResponse {
            form: Some(form::form(form)),
        }))
    }

    async fn get_processing_record(
        &self,
        request: Request<v1::GetProcessingRecordRequest>,
    ) -> Result<Response<v1::GetProcessingRecordResponse>, Status> {
        let caller = caller(&request)?;
        let version = version(&request.into_inner().version).map_err(Error::from)?;
        let (policy, ..) = self
            .registry
            .get_policy(&caller, Action::GetProcessingRecord, version.as_ref())
            .await?;
        let record = record::record(&policy, &processing_record(&policy));
        Ok(Response::new(v1::GetProcessingRecordResponse {
            record: Some(record),
        }))
    }
}

fn policy(parse: &mut Parse, message: v1::Policy) -> Parsed<Policy> {
    if message.encoded_len() > POLICY_BYTES_MAX {
        let rule = format!("must have at most {POLICY_BYTES_MAX} bytes");
        return Err(parse.refuse("", rule));
    }
    read::policy(parse, message)
}

fn version(version: &str) -> Result<Option<PolicyVersion>, Violations> {
    let mut parse = Parse::new();
    let version = parse.optional_name("version", version);
    parse.finish(|| version)
}

fn locale(parse: &mut Parse, locale: String) -> Parsed<String> {
    let is_tag = |text: &str| {
        let mut parts = text.split('-');
        parts.all(|part| {
            (1..=8).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
        })
    };
    let locale = parse.text("locale", locale, LOCALE_BYTES_MAX)?;
    if locale.is_empty() || is_tag(&locale) {
        Ok(locale)
    } else {
        Err(parse.refuse(
            "locale",
            "must be a language tag (BCP 47) such as en or de-AT",
        ))
    }
}

fn published(
    report: &PolicyReport,
    publication: Option<&Publication>,
    revision: String,
) -> v1::PublishPolicyResponse {
    v1::PublishPolicyResponse {
        policy: Some(render::policy(report.policy.policy())),
        findings: report::findings(&report.findings),
        diff: Some(report::diff(report)),
        published_at: publication.map(|publication| instant(publication.published_at)),
        revision,
        finding_count: report::count(report.findings.len()),
    }
}

fn summary(
    policy: &CompiledPolicy,
    publication: &Publication,
    in_force: bool,
) -> v1::PolicySummary {
    v1::PolicySummary {
        id: policy.policy().id.clone(),
        version: policy.version().to_string(),
        effective_from: Some(instant(policy.effective_from())),
        published_at: Some(instant(publication.published_at)),
        in_force,
    }
}
