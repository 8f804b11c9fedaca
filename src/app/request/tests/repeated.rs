//! Steps in which one call to the databases fails: each is taken as a whole or not at all, and the same call
//! again takes it, once.

use super::*;
use crate::{app::Written, domain::request::part::ObjectionDecision};

/// A step that is tried on requests of its own, one for each call that fails.
struct Tried<'r, Prepare, Take, IsTaken> {
    rights: &'r Rights,
    action: Action,
    /// Brings a request, or a person, to where the step can be taken.
    prepare: Prepare,
    take: Take,
    /// Whether it is taken; that it is half taken is asserted there.
    is_taken: IsTaken,
}

impl<Of, Prepare, Take, IsTaken> Tried<'_, Prepare, Take, IsTaken>
where
    Prepare: AsyncFn() -> Of,
    Take: AsyncFn(Call, &Of) -> Result<Written<RequestView>, Error>,
    IsTaken: AsyncFn(&Of) -> bool,
{
    /// Lets every call fail in its turn. Returns what the step was taken on.
    async fn whichever_call_fails(&self) -> Vec<Of> {
        let mut taken = Vec::new();
        for call in 0.. {
            let of = (self.prepare)().await;
            let has_struck = self.with_fault(call, &of).await;
            taken.push(of);
            if !has_struck {
                assert!(call > 15, "only {call} calls");
                break;
            }
        }
        taken
    }

    async fn with_fault(&self, n: u32, of: &Of) -> bool {
        let request_id = Some(Uuid::from_u128(u128::from(n) + 1));
        let call = self.rights.call(self.action);
        let call = call.idempotent(request_id, b"the same".to_vec());
        let faults = self.rights.it.registry.store().faults().clone();
        assert!(!(self.is_taken)(of).await);
        faults.fail_call(n);
        let first = (self.take)(call.clone(), of).await;
        let has_struck = faults.clear();
        let is_taken = (self.is_taken)(of).await;
        // What is answered is done. A fault after the commit may leave the answer open.
        assert!(is_taken || first.is_err(), "call {n}");
        assert!(has_struck || first.is_ok(), "call {n}");
        let second = (self.take)(call.clone(), of).await.expect("the same again");
        assert_eq!(second.replayed, is_taken, "call {n}");
        assert!((self.is_taken)(of).await, "call {n}");
        let third = (self.take)(call, of).await.expect("and again");
        assert!(third.replayed);
        for answer in first.into_iter().chain([third]) {
            assert_eq!(answer.value, second.value, "call {n}");
            assert_eq!(answer.revision, second.revision, "call {n}");
        }
        has_struck
    }
}

impl Rights {
    /// What a step left in the log, if it was taken: once.
    async fn has_logged(&self, id: SubjectRequestId, action: Action, outcomes: &[&str]) -> bool {
        let logged = self.logged(id).await;
        let of_action = logged.iter().filter(|(of, _)| of == action.name());
        let logged: Vec<_> = of_action.map(|(_, outcome)| outcome.as_str()).collect();
        assert!(logged.is_empty() || logged == outcomes, "{logged:?}");
        !logged.is_empty()
    }

    /// Entries of one kind in the journal; one whose mark was lost comes again, and counts once.
    fn journaled(&self, kind: &str) -> usize {
        let journal = std::fs::read_to_string(self.it.dir.path().join("journal.log"));
        let journal = journal.expect("a journal");
        let kind = format!("\"kind\":\"{kind}\"");
        let of_kind = journal.lines().filter(|line| line.contains(&kind));
        let ids = of_kind.filter_map(|line| line.split(' ').nth(2));
        ids.collect::<std::collections::BTreeSet<_>>().len()
    }

    async fn requests(&self, subject: SubjectId) -> Vec<RequestView> {
        let of_subject = ListRequests {
            state: None,
            due_before: None,
            subject: Some(SubjectRef::Id(subject)),
        };
        let registry = &self.it.registry;
        let listed = registry.list_requests(&self.it.caller, &of_subject, 10, None);
        listed.await.expect("listed").entries
    }

    /// A request whose copy is being written and whose objection stands.
    async fn begun(&self) -> SubjectRequestId {
        let ada = self.subscriber().await;
        let kinds = [RequestKind::Access, RequestKind::Objection];
        let id = self.created(ada, &kinds, about(&["newsletter"], &[])).await;
        self.verify(id).await.expect("verified");
        id
    }

    /// Whether a request that was begun is cut short: its copy is given up, its objection stands.
    async fn is_cut_short(&self, id: SubjectRequestId, state: RequestState) -> bool {
        let request = self.get(id).await;
        let is_cut_short = request.state == state;
        let copy = if is_cut_short {
            PartState::Dropped
        } else {
            assert_eq!(request.state, RequestState::InProgress);
            PartState::Running
        };
        assert_eq!(part_states(&request), [copy, PartState::Waiting]);
        assert_eq!(request.exports.len(), 1);
        assert_eq!(request.exports[0].destroyed_at.is_some(), is_cut_short);
        is_cut_short
    }

    /// Whether a key is left of the packages of these requests.
    async fn has_package_keys(&self, ids: &[SubjectRequestId]) -> bool {
        let mut found = false;
        for id in ids {
            let package = self.get(*id).await.exports[0].export_id;
            found |= self
                .snapshot()
                .await
                .has_own_key(package)
                .await
                .expect("looked");
        }
        found
    }
}

#[tokio::test]
async fn whichever_call_fails_a_request_is_received_with_its_corrections_or_not_and_once() {
    let it = Rights::new().await;
    let prepare = async || {
        let ada = it.subscriber().await;
        (ada, it.item(ada, "email_address").await)
    };
    let take = async |call, &(ada, item): &(SubjectId, ItemId)| {
        let scope = Scope {
            corrected_items: vec![item],
            ..about(&["newsletter"], &[])
        };
        let kinds = [RequestKind::Rectification, RequestKind::Objection];
        let asked = CreateRequest {
            corrections: vec![Correction {
                item_id: item,
                content: Content::Text("right".into()),
            }],
            ..request_of(ada, &kinds, scope)
        };
        it.it.registry.create_request(call, asked).await
    };
    let is_taken = async |&(ada, item): &(SubjectId, ItemId)| {
        let requests = it.requests(ada).await;
        assert!(requests.len() <= 1);
        let Some(request) = requests.first() else {
            return false;
        };
        let corrections = it.snapshot().await.read_corrections(&request.record).await;
        let corrections = corrections.expect("they open");
        assert_eq!(corrections.len(), 1);
        assert_eq!(corrections[0].item_id, item);
        let id = request.record.subject_request_id;
        it.has_logged(id, Action::CreateRequest, &["RECEIVED"])
            .await
    };
    let tried = Tried {
        rights: &it,
        action: Action::CreateRequest,
        prepare,
        take,
        is_taken,
    };
    tried.whichever_call_fails().await;
}

#[tokio::test]
async fn whichever_call_fails_an_objection_is_decided_in_the_request_and_for_every_check_or_not() {
    let it = Rights::new().await;
    let prepare = async || {
        let anna = it.client().await;
        let scope = about(&["fraud_screening"], &[]);
        let id = it.created(anna, &[RequestKind::Objection], scope).await;
        it.verify(id).await.expect("verified");
        (anna, id)
    };
    let take = async |call, &(_, id): &(SubjectId, SubjectRequestId)| {
        let decide = DecideObjection {
            subject_request_id: id,
            purpose: None,
            ruling: ObjectionRuling::Rejected,
            grounds: "file 7".to_owned(),
        };
        it.it.registry.decide_objection(call, decide).await
    };
    let is_taken = async |&(anna, id): &(SubjectId, SubjectRequestId)| {
        let made = it.get(id).await.record.parts[0].objections[0].clone();
        let rejected = made
            .decided
            .as_ref()
            .and_then(ObjectionDecision::rejected_at);
        let reason = it.reason(anna, "payment_details", "fraud_screening").await;
        let expected = match rejected {
            Some(_) => DecisionReason::Lawful,
            None => DecisionReason::Objected,
        };
        assert_eq!(reason, expected);
        // Nobody is told, so the decision is the end of it.
        let outcomes = ["REJECTED", "COMPLETED"];
        let is_logged = it.has_logged(id, Action::DecideObjection, &outcomes).await;
        assert_eq!(is_logged, rejected.is_some());
        is_logged
    };
    let tried = Tried {
        rights: &it,
        action: Action::DecideObjection,
        prepare,
        take,
        is_taken,
    };
    let taken = tried.whichever_call_fails().await;
    assert_eq!(it.journaled("OBJECTION_DECIDED"), taken.len());
}

#[tokio::test]
async fn whichever_call_fails_a_restriction_is_lifted_and_those_who_were_told_are_told_or_not() {
    let it = Rights::new().await;
    let prepare = async || {
        let ada = it.subscriber().await;
        let scope = about(&[], &["email_address"]);
        let id = it.created(ada, &[RequestKind::Restriction], scope).await;
        it.verify(id).await.expect("verified");
        (ada, id)
    };
    let take = async |call, &(_, id): &(SubjectId, SubjectRequestId)| {
        let registry = &it.it.registry;
        registry.lift_restriction(call, id, registry.now()).await
    };
    let is_taken = async |&(ada, id): &(SubjectId, SubjectRequestId)| {
        let made = it.get(id).await.record.parts[0].restriction.clone();
        let is_lifted = made.expect("it was made").lifted_at.is_some();
        let reason = it.reason(ada, "email_address", "newsletter").await;
        let mut told: Vec<_> = it.tasks(id).await.iter().map(|task| task.kind).collect();
        told.sort_unstable();
        let expected = if is_lifted {
            assert_eq!(told, [TaskKind::Restrict, TaskKind::LiftRestriction]);
            DecisionReason::Lawful
        } else {
            assert_eq!(told, [TaskKind::Restrict]);
            DecisionReason::ProcessingRestricted
        };
        assert_eq!(reason, expected);
        let outcomes = ["RESTRICTION_LIFTED", "WAITING_ON_PROCESSORS"];
        let is_logged = it.has_logged(id, Action::LiftRestriction, &outcomes).await;
        assert_eq!(is_logged, is_lifted);
        is_lifted
    };
    let tried = Tried {
        rights: &it,
        action: Action::LiftRestriction,
        prepare,
        take,
        is_taken,
    };
    let taken = tried.whichever_call_fails().await;
    assert_eq!(it.journaled("RESTRICTION_LIFTED"), taken.len());
}

#[tokio::test]
async fn whichever_call_fails_a_request_is_refused_and_its_copy_given_up_or_goes_on() {
    let it = Rights::new().await;
    let take = async |call, id: &SubjectRequestId| {
        let reason = "excessive".to_owned();
        it.it.registry.reject_request(call, *id, reason).await
    };
    let is_taken = async |id: &SubjectRequestId| {
        let is_logged = it
            .has_logged(*id, Action::RejectRequest, &["REJECTED"])
            .await;
        let is_refused = it.is_cut_short(*id, RequestState::Rejected).await;
        assert_eq!(is_logged, is_refused);
        is_refused
    };
    let tried = Tried {
        rights: &it,
        action: Action::RejectRequest,
        prepare: async || it.begun().await,
        take,
        is_taken,
    };
    let taken = tried.whichever_call_fails().await;
    assert!(!it.has_package_keys(&taken).await);
}

#[tokio::test]
async fn whichever_call_fails_a_request_is_taken_back_and_its_copy_given_up_or_goes_on() {
    let it = Rights::new().await;
    let take = async |call, id: &SubjectRequestId| it.it.registry.cancel_request(call, *id).await;
    let is_taken = async |id: &SubjectRequestId| {
        let is_logged = it
            .has_logged(*id, Action::CancelRequest, &["CANCELLED"])
            .await;
        let is_taken_back = it.is_cut_short(*id, RequestState::Cancelled).await;
        assert_eq!(is_logged, is_taken_back);
        is_taken_back
    };
    let tried = Tried {
        rights: &it,
        action: Action::CancelRequest,
        prepare: async || it.begun().await,
        take,
        is_taken,
    };
    let taken = tried.whichever_call_fails().await;
    assert!(!it.has_package_keys(&taken).await);
}

#[tokio::test]
async fn whichever_call_fails_a_deadline_is_extended_once_or_stays() {
    let it = Rights::new().await;
    let prepare = async || {
        let ada = it.subscriber().await;
        it.created(ada, &[RequestKind::Access], Scope::default())
            .await
    };
    let take = async |call, id: &SubjectRequestId| {
        let reason = "many requests".to_owned();
        it.it.registry.extend_request(call, *id, reason).await
    };
    let is_taken = async |id: &SubjectRequestId| {
        let clock = it.get(*id).await.record.clock;
        let months = if clock.extension_reason.is_some() {
            3
        } else {
            1
        };
        let days = (clock.due_at.duration_since(it.it.registry.now())).as_hours() / 24;
        assert!(
            (months * 30..months * 31 + 3).contains(&days),
            "{days} days"
        );
        let is_logged = it
            .has_logged(*id, Action::ExtendRequest, &["RECEIVED"])
            .await;
        assert_eq!(is_logged, months == 3);
        is_logged
    };
    let tried = Tried {
        rights: &it,
        action: Action::ExtendRequest,
        prepare,
        take,
        is_taken,
    };
    tried.whichever_call_fails().await;
}
