//! Requests in sentences, over a real store.

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

#[tokio::test]
async fn what_takes_a_permission_away_is_seen_by_the_check_after_the_verification_and_not_before() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [
        RequestKind::Withdrawal,
        RequestKind::Objection,
        RequestKind::Restriction,
    ];
    for (kind, scope, data, purpose, reason) in [
        (
            kinds[0],
            about(&["newsletter"], &[]),
            "email_address",
            "newsletter",
            DecisionReason::ConsentWithdrawn,
        ),
        (
            kinds[1],
            about(&["website_functionality"], &[]),
            "browser_and_device",
            "website_functionality",
            DecisionReason::Objected,
        ),
        (
            kinds[2],
            about(&[], &["browser_and_device"]),
            "browser_and_device",
            "website_functionality",
            DecisionReason::ProcessingRestricted,
        ),
    ] {
        let before = it.reason(ada, data, purpose).await;
        let id = it.created(ada, &[kind], scope).await;
        assert_eq!(it.reason(ada, data, purpose).await, before, "{kind:?}");
        it.verify(id).await.expect("verified");
        assert_eq!(it.reason(ada, data, purpose).await, reason, "{kind:?}");
    }
}

#[tokio::test]
async fn a_later_yes_outlives_a_withdrawal_that_was_asked_for_before_it() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    it.pass(60);
    let id = it
        .created(ada, &[RequestKind::Withdrawal], about(&["newsletter"], &[]))
        .await;
    it.pass(60);
    say(&it.it, &[ada], Given, "newsletter").await;
    it.verify(id).await.expect("verified");
    let reason = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(reason, DecisionReason::Lawful);
}

#[tokio::test]
async fn all_purposes_are_withdrawn_and_those_that_rest_on_no_consent_are_not() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let scope = Scope {
        all_purposes: true,
        ..Scope::default()
    };
    let id = it.created(ada, &[RequestKind::Withdrawal], scope).await;
    it.verify(id).await.expect("verified");
    let newsletter = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(newsletter, DecisionReason::ConsentWithdrawn);
    let site = it
        .reason(ada, "browser_and_device", "website_functionality")
        .await;
    assert_eq!(site, DecisionReason::Lawful);
}

#[tokio::test]
async fn every_step_is_journaled_audited_and_tells_the_recipients_under_the_request() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [RequestKind::Objection, RequestKind::Restriction];
    let scope = about(&["newsletter"], &["email_address"]);
    let id = it.created(ada, &kinds, scope).await;
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(verified.state, RequestState::WaitingOnProcessors);
    let mut tasks = it.tasks(id).await;
    tasks.sort_by_key(|task| task.kind);
    let told: Vec<_> = tasks
        .iter()
        .map(|task| {
            (
                task.kind,
                task.recipient.processor().map(ToString::to_string),
            )
        })
        .collect();
    let aweber = Some("aweber".to_owned());
    assert_eq!(
        told,
        [
            (TaskKind::Restrict, aweber.clone()),
            (TaskKind::Stop, aweber)
        ]
    );
    assert_eq!(verified.open_tasks, 2);
    let log = it.logged(id).await;
    let log: Vec<_> = log.iter().map(|(a, o)| (a.as_str(), o.as_str())).collect();
    assert_eq!(
        log,
        [
            ("CreateRequest", "RECEIVED"),
            ("VerifyIdentity", "OBJECTION_RECORDED"),
            ("VerifyIdentity", "RESTRICTION_APPLIED"),
            ("VerifyIdentity", "WAITING_ON_PROCESSORS"),
        ]
    );
    let journal = std::fs::read_to_string(it.it.dir.path().join("journal.log")).expect("a journal");
    assert!(
        journal.contains("OBJECTED") && journal.contains("RESTRICTED"),
        "{journal}"
    );
}

#[tokio::test]
async fn a_right_value_is_put_in_place_when_the_identity_is_verified_and_forgotten_where_it_waited()
{
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let item = it.item(ada, "email_address").await;
    let right = Content::Text("ada.lovelace@example.org".into());
    let asked = CreateRequest {
        corrections: vec![Correction {
            item_id: item,
            content: right.clone(),
        }],
        ..request_of(
            ada,
            &[RequestKind::Rectification],
            Scope {
                corrected_items: vec![item],
                ..Scope::default()
            },
        )
    };
    let created = it.create(asked).await.expect("created");
    assert_ne!(it.content(ada, item).await, Some(right.clone()));
    it.pass(60);
    let verified = it
        .verify(created.record.subject_request_id)
        .await
        .expect("verified");
    assert_eq!(it.content(ada, item).await, Some(right));
    let waiting = it.snapshot().await.read_corrections(&verified.record).await;
    assert!(waiting.expect("read").is_empty());
    let tasks = it.tasks(verified.record.subject_request_id).await;
    assert_eq!(tasks.len(), 1);
    assert_eq!(tasks[0].kind, TaskKind::Rectify);
}

#[tokio::test]
async fn a_request_that_others_do_nothing_about_comes_to_its_end_by_time_alone() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let id = it
        .created(ada, &[RequestKind::Objection], about(&["newsletter"], &[]))
        .await;
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(verified.state, RequestState::WaitingOnProcessors);
    assert_eq!(part_states(&verified), [PartState::Waiting]);
    assert_eq!(it.advance().await, 0, "nothing has happened");
    it.let_tasks_run_out().await;
    assert_eq!(it.tasks(id).await[0].state_name(), StateName::Unconfirmed);
    assert_eq!(it.advance().await, 1);
    let ended = it.get(id).await;
    assert_eq!(ended.state, RequestState::Completed);
    assert_eq!(part_states(&ended), [PartState::Done]);
    assert_eq!((ended.open_tasks, ended.unconfirmed_tasks), (0, 1));
    assert!(ended.record.completed_at.is_some() && ended.record.answered_at.is_none());
    assert_eq!(it.advance().await, 0, "it has come to its end");
    assert_eq!(
        it.logged(id).await.last().expect("an entry").0,
        "AdvanceRequest"
    );
}

#[tokio::test]
async fn a_copy_is_begun_and_what_must_come_after_it_waits() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [
        RequestKind::Access,
        RequestKind::Erasure,
        RequestKind::Objection,
    ];
    let id = it.created(ada, &kinds, about(&["newsletter"], &[])).await;
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(
        part_states(&verified),
        [PartState::Running, PartState::Pending, PartState::Waiting]
    );
    assert_eq!(verified.state, RequestState::InProgress);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_at_once_and_nobody_and_nothing_unknown_is_asked_about()
 {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let mut asked = request_of(
        ada,
        &[RequestKind::Objection, RequestKind::Objection],
        Scope::default(),
    );
    asked.received_at = Some(it.it.registry.now() + crate::app::registry::AHEAD_MAX);
    asked.received_at = asked.received_at.map(|at| at + Duration::from_micros(1));
    let error = it.create(asked).await.expect_err("wrong");
    assert_eq!(
        fields(&error),
        ["kinds[1]", "scope.purposes", "received_at"]
    );
    let nobody = SubjectId(Uuid::from_u128(9));
    let asked = request_of(nobody, &[RequestKind::Access], Scope::default());
    let error = it.create(asked).await.expect_err("nobody");
    assert!(matches!(error, Error::NotFound(Missing::Subject)));
    let scope = Scope {
        item_ids: vec![ItemId(Uuid::from_u128(9))],
        ..Scope::default()
    };
    let asked = request_of(ada, &[RequestKind::Erasure], scope);
    let error = it.create(asked).await.expect_err("nothing");
    assert!(matches!(error, Error::NotFound(Missing::Item)));
    let error = it
        .verify(SubjectRequestId(Uuid::from_u128(9)))
        .await
        .expect_err("none");
    assert!(matches!(error, Error::NotFound(Missing::SubjectRequest)));
}

#[tokio::test]
async fn a_clock_that_is_a_little_ahead_means_now() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let mut asked = request_of(ada, &[RequestKind::Access], Scope::default());
    asked.received_at = Some(it.it.registry.now() + crate::app::registry::AHEAD_MAX);
    let created = it.create(asked).await.expect("created");
    assert_eq!(created.record.received_at, created.record.recorded_at);
}

#[tokio::test]
async fn an_objection_is_decided_once_and_a_rejected_one_stands_no_longer() {
    let it = Rights::new().await;
    let anna = it.client().await;
    let objected = || it.reason(anna, "payment_details", "fraud_screening");
    let scope = about(&["fraud_screening", "newsletter"], &[]);
    let id = it.created(anna, &[RequestKind::Objection], scope).await;
    let decide = async |purpose: Option<&str>, ruling| {
        let call = it.call(Action::DecideObjection);
        let decide = DecideObjection {
            subject_request_id: id,
            purpose: purpose.map(|it| it.parse().expect("a name")),
            ruling,
            grounds: "file 7".to_owned(),
        };
        it.it.registry.decide_objection(call, decide).await
    };
    let early = decide(None, ObjectionRuling::Upheld).await;
    assert!(
        matches!(early, Err(Error::IllegalTransition(_))),
        "nothing was made yet"
    );
    it.verify(id).await.expect("verified");
    assert_eq!(objected().await, DecisionReason::Objected);
    for purpose in [None, Some("newsletter")] {
        let refused = decide(purpose, ObjectionRuling::Rejected).await;
        assert!(
            matches!(refused, Err(Error::IllegalTransition(_))),
            "{purpose:?}"
        );
    }
    assert_eq!(objected().await, DecisionReason::Objected);
    let rejected = decide(Some("fraud_screening"), ObjectionRuling::Rejected).await;
    let rejected = rejected.expect("decided").value;
    let made = &rejected.record.parts[0].objections[0];
    let decision = made.decided.as_ref().expect("decided");
    assert_eq!(decision.grounds, "file 7");
    assert_eq!(objected().await, DecisionReason::Lawful);
    let again = decide(Some("fraud_screening"), ObjectionRuling::Upheld).await;
    assert!(matches!(again, Err(Error::IllegalTransition(_))));
    let rest = decide(None, ObjectionRuling::Upheld)
        .await
        .expect("decided")
        .value;
    let upheld = rest.record.parts[0].objections[1].decided.as_ref();
    assert!(upheld.expect("decided").upheld_at().is_some());
    assert_eq!(
        it.logged(id).await.last().expect("an entry").0,
        "DecideObjection"
    );
}

#[tokio::test]
async fn a_restriction_is_lifted_once_and_those_who_were_told_are_told() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let id = it
        .created(
            ada,
            &[RequestKind::Restriction],
            about(&[], &["email_address"]),
        )
        .await;
    let lift = async |at| {
        let call = it.call(Action::LiftRestriction);
        it.it.registry.lift_restriction(call, id, at).await
    };
    let now = it.it.registry.now();
    assert!(
        matches!(lift(now).await, Err(Error::IllegalTransition(_))),
        "not verified"
    );
    it.verify(id).await.expect("verified");
    let restricted = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(restricted, DecisionReason::ProcessingRestricted);
    let ahead = now + crate::app::registry::AHEAD_MAX + Duration::from_micros(1);
    assert_eq!(
        fields(&lift(ahead).await.expect_err("ahead")),
        ["informed_at"]
    );
    let lifted = lift(now).await.expect("lifted").value;
    assert!(
        lifted.record.parts[0]
            .restriction
            .as_ref()
            .expect("made")
            .lifted_at
            .is_some()
    );
    let free = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(free, DecisionReason::Lawful);
    assert!(
        matches!(lift(now).await, Err(Error::IllegalTransition(_))),
        "lifted already"
    );
    let tasks = it.tasks(id).await;
    let of = |kind| {
        let of_kind = tasks.iter().filter(move |task| task.kind == kind);
        of_kind
            .map(|it| (&it.recipient, &it.item_ids))
            .collect::<Vec<_>>()
    };
    assert_eq!(of(TaskKind::Restrict), of(TaskKind::LiftRestriction));
    assert_eq!(tasks.len(), 2);
    it.let_tasks_run_out().await;
    it.advance().await;
    assert_eq!(it.get(id).await.state, RequestState::Completed);
}

#[tokio::test]
async fn a_request_goes_with_the_person_it_is_of_into_a_merge() {
    let it = Rights::new().await;
    let (ada, survivor) = (it.subscriber().await, it.client().await);
    let item = it.item(ada, "email_address").await;
    let right = Content::Text("right".into());
    let scope = Scope {
        corrected_items: vec![item],
        purposes: vec!["newsletter".parse().expect("a name")],
        ..Scope::default()
    };
    let asked = CreateRequest {
        corrections: vec![Correction {
            item_id: item,
            content: right.clone(),
        }],
        ..request_of(
            ada,
            &[RequestKind::Rectification, RequestKind::Objection],
            scope,
        )
    };
    let id = it
        .create(asked)
        .await
        .expect("created")
        .record
        .subject_request_id;
    let call = it.call(Action::MergeSubjects);
    let merged = it
        .it
        .registry
        .merge_subjects(call, SubjectRef::Id(survivor), SubjectRef::Id(ada));
    let Subject { subject_id, .. } = merged.await.expect("merged").value;
    assert_eq!(subject_id, survivor);
    let verified = it.verify(id).await.expect("verified");
    assert_eq!(verified.record.subject_id, survivor);
    assert_eq!(it.content(survivor, item).await, Some(right));
    let of_survivor = ListRequests {
        state: None,
        due_before: None,
        subject: Some(SubjectRef::Id(ada)),
    };
    let listed = it
        .it
        .registry
        .list_requests(&it.it.caller, &of_survivor, 10, None);
    assert_eq!(listed.await.expect("listed").entries.len(), 1);
}

#[tokio::test]
async fn a_request_of_a_person_who_is_erased_meanwhile_comes_to_its_end_and_still_answers() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let begun = it
        .created(ada, &[RequestKind::Access], Scope::default())
        .await;
    it.verify(begun).await.expect("verified");
    let kinds = [
        RequestKind::Objection,
        RequestKind::Restriction,
        RequestKind::Withdrawal,
        RequestKind::Portability,
        RequestKind::Erasure,
    ];
    let later = it.created(ada, &kinds, about(&["newsletter"], &[])).await;
    let at = it.it.registry.now();
    let erased = it.it.registry.store.write("erase", at, move |tx| {
        Box::pin(async move {
            destroy_exports(tx, ada, later).await?;
            Ok::<_, Error>(tx.restore_erasure(ada, at).await?)
        })
    });
    erased.await.expect("erased");
    it.it
        .registry
        .complete_erasures()
        .await
        .expect("the key is gone");
    assert_eq!(it.advance().await, 1);
    assert_eq!(it.get(begun).await.state, RequestState::Completed);
    let verified = it.verify(later).await.expect("verified");
    assert_eq!(verified.state, RequestState::Completed);
    assert!(
        part_states(&verified)
            .iter()
            .all(|state| *state == PartState::Done)
    );
    assert_eq!(verified.record.subject_id, ada);
}

#[tokio::test]
async fn what_is_refused_or_taken_back_is_dropped_and_what_was_carried_out_goes_on() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let kinds = [RequestKind::Access, RequestKind::Objection];
    let id = it.created(ada, &kinds, about(&["newsletter"], &[])).await;
    it.verify(id).await.expect("verified");
    let call = it.call(Action::CancelRequest);
    let cancelled = it.it.registry.cancel_request(call, id).await;
    let cancelled = cancelled.expect("cancelled").value;
    assert_eq!(cancelled.state, RequestState::Cancelled);
    assert_eq!(
        part_states(&cancelled),
        [PartState::Dropped, PartState::Waiting]
    );
    assert!(cancelled.record.completed_at.is_none());
    let reason = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(reason, DecisionReason::Objected, "it stays so");
    it.let_tasks_run_out().await;
    assert_eq!(it.advance().await, 1);
    let ended = it.get(id).await;
    assert_eq!(ended.state, RequestState::Cancelled);
    assert!(ended.record.completed_at.is_some());
    assert_eq!(it.advance().await, 0);
}

#[tokio::test]
async fn a_request_is_received_once_under_one_request_id() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let call = it
        .call(Action::CreateRequest)
        .idempotent(Some(Uuid::from_u128(5)), b"the same".to_vec());
    let asked = request_of(ada, &[RequestKind::Access], Scope::default());
    let first = it.it.registry.create_request(call.clone(), asked.clone());
    let first = first.await.expect("created");
    let second = it
        .it
        .registry
        .create_request(call, asked)
        .await
        .expect("repeated");
    assert!(second.replayed && !first.replayed);
    assert_eq!(first.value, second.value);
    let all = ListRequests {
        state: None,
        due_before: None,
        subject: None,
    };
    let listed = it.it.registry.list_requests(&it.it.caller, &all, 10, None);
    assert_eq!(listed.await.expect("listed").entries, [first.value]);
}

#[tokio::test]
async fn whichever_call_to_the_database_fails_a_verification_is_whole_or_not_at_all() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let item = it.item(ada, "email_address").await;
    let right = Content::Text("right".into());
    let kinds = [
        RequestKind::Rectification,
        RequestKind::Objection,
        RequestKind::Restriction,
        RequestKind::Withdrawal,
        RequestKind::Access,
    ];
    let scope = Scope {
        corrected_items: vec![item],
        ..about(&["newsletter"], &["browser_and_device"])
    };
    let asked = CreateRequest {
        corrections: vec![Correction {
            item_id: item,
            content: right.clone(),
        }],
        ..request_of(ada, &kinds, scope)
    };
    let id = it
        .create(asked)
        .await
        .expect("created")
        .record
        .subject_request_id;
    let faults = it.it.registry.store().faults().clone();
    for call in 0.. {
        faults.fail_call(call);
        let verified = it.verify(id).await;
        let struck = faults.clear();
        if verified.is_ok() {
            assert!(call > 30, "{call}");
            break;
        }
        assert!(struck, "call {call}");
        let now = it.get(id).await;
        if now.state != RequestState::Received {
            // It was committed, and what came after the commit failed: a replay would show it.
            assert!(call > 30, "{call}");
            break;
        }
        assert_eq!(part_states(&now), [PartState::Pending; 5], "call {call}");
        assert!(it.tasks(id).await.is_empty(), "call {call}");
        assert_ne!(
            it.content(ada, item).await,
            Some(right.clone()),
            "call {call}"
        );
        let reason = it.reason(ada, "email_address", "newsletter").await;
        assert_eq!(reason, DecisionReason::Lawful, "call {call}");
    }
    assert_eq!(it.content(ada, item).await, Some(right));
    let mut kinds: Vec<_> = it.tasks(id).await.iter().map(|task| task.kind).collect();
    kinds.sort_unstable();
    // Nobody has what runs in the browser, so nobody is told of the restriction. The withdrawal tells
    // nobody anything that the objection did not.
    assert_eq!(kinds, [TaskKind::Rectify, TaskKind::Stop]);
    let reason = it.reason(ada, "email_address", "newsletter").await;
    assert_eq!(reason, DecisionReason::Objected);
}

#[tokio::test]
async fn whichever_call_fails_an_advance_is_whole_or_not_at_all_and_a_later_round_does_it() {
    let it = Rights::new().await;
    let ada = it.subscriber().await;
    let id = it
        .created(ada, &[RequestKind::Objection], about(&["newsletter"], &[]))
        .await;
    it.verify(id).await.expect("verified");
    it.let_tasks_run_out().await;
    let faults = it.it.registry.store().faults().clone();
    let mut rounds = 0;
    for call in 0.. {
        faults.fail_call(call);
        // A request that fails is said in the log; the round itself may be in order.
        let moved = it.it.registry.advance_requests().await;
        faults.clear();
        let state = it.get(id).await.state;
        if matches!(moved, Ok(1)) || state == RequestState::Completed {
            break;
        }
        assert_eq!(state, RequestState::WaitingOnProcessors, "call {call}");
        rounds = call;
    }
    assert!(rounds > 10, "{rounds}");
    assert_eq!(it.get(id).await.state, RequestState::Completed);
    let advanced = it.logged(id).await;
    let advanced = advanced
        .iter()
        .filter(|(action, _)| action == "AdvanceRequest");
    assert_eq!(advanced.count(), 1);
}

#[tokio::test]
async fn of_verifications_at_once_one_is_done() {
    let it = Arc::new(Rights::new().await);
    let ada = it.subscriber().await;
    let id = it
        .created(ada, &[RequestKind::Objection], about(&["newsletter"], &[]))
        .await;
    let mut racers = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let it = it.clone();
        racers.spawn(async move { it.verify(id).await.map(|_| ()) });
    }
    let outcomes = racers.join_all().await;
    assert_eq!(outcomes.iter().filter(|it| it.is_ok()).count(), 1);
    let refused = outcomes.iter().filter_map(|it| it.as_ref().err());
    assert!(
        refused
            .clone()
            .all(|it| matches!(it, Error::IllegalTransition(_)))
    );
    assert_eq!(it.tasks(id).await.len(), 1);
}
