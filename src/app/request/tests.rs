//! Requests in sentences, over a real store.

mod end;
mod failing;
mod receipt;
mod repeated;
mod ruling;
mod verification;

use std::{sync::Arc, time::Duration};

use uuid::Uuid;

use super::*;
use crate::{
    app::{
        Call, Error, Missing,
        export::destroy_exports,
        purpose::Check,
        scene::{person, say},
        subject::Subject,
        testing::{TestRegistry, registry},
    },
    domain::{
        audit::Action,
        consent::ConsentChoice::Given,
        decision::{DecisionReason, Query},
        id::{ItemId, SubjectId},
        item::Content,
        request::{
            Correction, IdentityMethod, ObjectionRuling, RequestKind, Scope, part::PartState,
        },
        subject_ref::SubjectRef,
        task::{StateName, Task, TaskKind},
    },
    store::audit::AuditFilter,
};

/// A registry and what these tests ask of it.
struct Rights {
    it: TestRegistry,
}

impl Rights {
    async fn new() -> Self {
        Self {
            it: registry().await,
        }
    }

    fn call(&self, action: Action) -> Call {
        Call::new(self.it.caller.clone(), action)
    }

    /// A visitor who said yes to the newsletter.
    async fn subscriber(&self) -> SubjectId {
        let ada = person(
            &self.it,
            "visitor",
            &["email_address", "browser_and_device"],
        )
        .await;
        say(&self.it, &[ada], Given, "newsletter").await;
        ada
    }

    async fn client(&self) -> SubjectId {
        person(&self.it, "client", &["payment_details", "email_address"]).await
    }

    async fn create(&self, asked: CreateRequest) -> Result<RequestView, Error> {
        let call = self.call(Action::CreateRequest);
        Ok(self.it.registry.create_request(call, asked).await?.value)
    }

    async fn created(
        &self,
        subject: SubjectId,
        kinds: &[RequestKind],
        scope: Scope,
    ) -> SubjectRequestId {
        let asked = request_of(subject, kinds, scope);
        let created = self.create(asked).await.expect("created");
        created.record.subject_request_id
    }

    async fn verify(&self, id: SubjectRequestId) -> Result<RequestView, Error> {
        let call = self.call(Action::VerifyIdentity);
        let method = IdentityMethod::Login;
        let verified = self.it.registry.verify_identity(call, id, method).await;
        Ok(verified?.value)
    }

    async fn get(&self, id: SubjectRequestId) -> RequestView {
        let got = self.it.registry.get_request(&self.it.caller, id).await;
        got.expect("it is there")
    }

    async fn advance(&self) -> u64 {
        let advanced = self.it.registry.advance_requests().await;
        advanced.expect("advanced")
    }

    async fn reason(&self, subject: SubjectId, data: &str, purpose: &str) -> DecisionReason {
        let check = Check {
            subject: SubjectRef::Id(subject),
            query: Query {
                data_categories: vec![data.parse().expect("a name")],
                item_ids: Vec::new(),
                purpose: purpose.parse().expect("a name"),
                processor: None,
            },
            at_least_as_fresh: None,
            explain: false,
            record: false,
            as_of: None,
        };
        let action = Action::CheckPurpose;
        let answer = self
            .it
            .registry
            .check_purpose(self.it.caller.clone(), action, check)
            .await;
        answer.expect("an answer").decision.reason
    }

    async fn snapshot(&self) -> crate::store::Snapshot {
        let snapshot = self
            .it
            .registry
            .store
            .snapshot(self.it.registry.clock_now());
        snapshot.await.expect("a snapshot")
    }

    async fn tasks(&self, id: SubjectRequestId) -> Vec<Task> {
        let tasks = self.snapshot().await.list_request_tasks(id).await;
        tasks.expect("listed")
    }

    async fn item(&self, subject: SubjectId, data: &str) -> ItemId {
        let data = data.parse().expect("a name");
        let items = self
            .snapshot()
            .await
            .list_item_states(&[subject], &[data])
            .await;
        let items: Vec<_> = items.expect("listed").into_values().flatten().collect();
        items[0].item_id
    }

    async fn content(&self, subject: SubjectId, item: ItemId) -> Option<Content> {
        let mut items = self
            .snapshot()
            .await
            .read_items(subject, &[item])
            .await
            .expect("read");
        items.pop().expect("it is live").content
    }

    fn pass(&self, seconds: u64) {
        self.it.clock.advance(Duration::from_secs(seconds));
    }

    /// What time alone does to a task that nobody takes.
    async fn let_tasks_run_out(&self) {
        for _ in 0..2 {
            self.pass(31 * 24 * 3_600);
            self.it.registry.age_tasks().await.expect("aged");
        }
    }

    async fn logged(&self, id: SubjectRequestId) -> Vec<(String, String)> {
        let snapshot = self.snapshot().await;
        let filter = AuditFilter::default();
        let entries = snapshot.list_audit_entries(&filter, None, 100).await;
        let entries = entries.expect("listed").into_iter().rev();
        let of_request = entries.filter(|it| it.detail.subject_request_id == Some(id));
        of_request
            .map(|it| (it.action.clone(), it.detail.outcome.clone()))
            .collect()
    }
}

fn request_of(subject: SubjectId, kinds: &[RequestKind], scope: Scope) -> CreateRequest {
    CreateRequest {
        kinds: kinds.to_vec(),
        subject: SubjectRef::Id(subject),
        scope,
        corrections: Vec::new(),
        channel: "email".parse().expect("a name"),
        received_at: None,
    }
}

fn about(purposes: &[&str], data: &[&str]) -> Scope {
    Scope {
        purposes: purposes
            .iter()
            .map(|it| it.parse().expect("a name"))
            .collect(),
        data_categories: data.iter().map(|it| it.parse().expect("a name")).collect(),
        ..Scope::default()
    }
}

fn part_states(request: &RequestView) -> Vec<PartState> {
    request.record.parts.iter().map(|part| part.state).collect()
}

fn fields(error: &Error) -> Vec<String> {
    let Error::Invalid(violations) = error else {
        panic!("{error:?}");
    };
    violations.iter().map(|one| one.field.clone()).collect()
}
