//! A request of erasure, from its receipt to the answer: killed at any call, it is done as a whole or not at
//! all, what was answered is done, and the same request again does it once.

use registry::{
    app::{
        Error, Registry, Written,
        request::{CreateRequest, ListRequests, RequestView},
    },
    domain::{
        audit::Action,
        event::EventKind,
        id::{SubjectId, SubjectRequestId},
        request::{IdentityMethod, RequestKind, RequestState, Scope},
        subject_ref::SubjectRef,
    },
    store::audit::AuditFilter,
};
use uuid::Uuid;

use super::{Deed, Heard, Work, person, start};
use crate::{
    harness::{Place, everything, number, repeatable},
    on_both,
};

/// The answers to a request that was carried out.
pub struct Answers {
    /// That it was received.
    pub received: Written<RequestView>,
    /// That it was carried out.
    pub verified: Written<RequestView>,
}

/// Asks for the erasure and verifies the identity, under the same `request_id`s whoever asks and however
/// often; `say` hears each answer.
pub async fn ask(
    registry: &Registry,
    subject: SubjectId,
    say: impl Fn(String),
) -> Result<Answers, Error> {
    let again = |action, nth| {
        let request_id = Uuid::from_u128(subject.0.as_u128() ^ nth);
        repeatable(action, request_id, b"the same")
    };
    let create = CreateRequest {
        kinds: vec![RequestKind::Erasure],
        subject: SubjectRef::Id(subject),
        scope: Scope::default(),
        corrections: Vec::new(),
        channel: "email".parse().expect("a name"),
        received_at: None,
    };
    let received = registry.create_request(again(Action::CreateRequest, 1), create);
    let received = received.await?;
    let id = received.value.record.subject_request_id;
    say(id.to_string());
    let method = IdentityMethod::Login;
    let verified = registry.verify_identity(again(Action::VerifyIdentity, 2), id, method);
    let verified = verified.await?;
    say(verified.value.state.as_str().to_owned());
    Ok(Answers { received, verified })
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Unknown,
    Received,
    Erased,
}

/// How far it has come, as a whole, and its id.
async fn stage(
    place: &Place,
    registry: &Registry,
    client: SubjectId,
) -> (Stage, Option<SubjectRequestId>) {
    let list = ListRequests {
        state: None,
        due_before: None,
        subject: Some(SubjectRef::Id(client)),
    };
    let caller = everything("tests");
    let listed = registry.list_requests(&caller, &list, 10, None);
    let mut listed = listed.await.expect("listed").entries;
    assert!(listed.len() <= 1, "it is received once");
    let is_erased = person::is_erased(place, registry, client).await;
    let Some(request) = listed.pop() else {
        assert!(!is_erased);
        return (Stage::Unknown, None);
    };
    let id = request.record.subject_request_id;
    if !is_erased {
        assert_eq!(request.state, RequestState::Received);
        return (Stage::Received, Some(id));
    }
    let tasks = person::tasks(place, registry, id).await;
    assert_eq!(person::told(&tasks), ["aweber", "crm"]);
    assert_eq!(request.state, RequestState::WaitingOnProcessors);
    (Stage::Erased, Some(id))
}

/// What was answered is done, and what was not may be.
fn compare(heard: &Heard, (stage, id): (Stage, Option<SubjectRequestId>)) {
    match heard.answers.as_slice() {
        [] => {}
        [received] => {
            assert_eq!(Some(received), id.map(|id| id.to_string()).as_ref());
        }
        [received, verified] => {
            assert_eq!(Some(received), id.map(|id| id.to_string()).as_ref());
            assert_eq!(verified, "WAITING_ON_PROCESSORS");
            assert_eq!(stage, Stage::Erased);
        }
        others => panic!("{others:?}"),
    }
}

/// The same request again, and again, is answered alike, and does what was not done.
async fn repeat(
    registry: &Registry,
    client: SubjectId,
    (stage, id): (Stage, Option<SubjectRequestId>),
) -> SubjectRequestId {
    let first = ask(registry, client, drop).await.expect("carried out");
    let received = first.received.value.record.subject_request_id;
    assert_eq!(id.unwrap_or(received), received);
    assert_eq!(first.received.replayed, stage > Stage::Unknown);
    assert_eq!(first.verified.replayed, stage == Stage::Erased);
    let second = ask(registry, client, drop).await.expect("answered");
    assert!(second.received.replayed && second.verified.replayed);
    assert_eq!(second.received.revision, first.received.revision);
    assert_eq!(second.verified.revision, first.verified.revision);
    assert_eq!(second.verified.value, first.verified.value);
    received
}

/// Everything is done, and once.
async fn assert_done(
    place: &Place,
    registry: &Registry,
    client: SubjectId,
    request: SubjectRequestId,
) {
    let done = stage(place, registry, client).await;
    assert_eq!(done, (Stage::Erased, Some(request)));
    let snapshot = person::snapshot(place, registry).await;
    assert!(!snapshot.has_key(client).await.expect("looked"));
    snapshot.close().await.expect("closed");
    assert_eq!(person::journaled(place, client, "ERASED").await, 1);
    let subject = SubjectRef::Id(client);
    let filter = AuditFilter {
        actions: vec![Action::CreateRequest, Action::VerifyIdentity],
        ..AuditFilter::default()
    };
    let caller = everything("tests");
    let logged = registry.list_audit_entries(&caller, Some(&subject), filter, 100, None);
    let logged = logged.await.expect("listed").entries;
    let mut logged: Vec<_> = logged.iter().map(|it| it.detail.outcome.as_str()).collect();
    logged.sort_unstable();
    let once = ["ERASED", "RECEIVED", "RETAINED", "WAITING_ON_PROCESSORS"];
    assert_eq!(logged, once);
}

/// The recipients do their part, and the request comes to its end with a certificate that says all of it.
async fn assert_ends(place: &Place, registry: &Registry, request: SubjectRequestId) {
    let tasks = person::tasks(place, registry, request).await;
    person::complete(registry, &tasks).await;
    assert_eq!(registry.advance_requests().await.expect("moved on"), 1);
    let ended = registry.get_request(&everything("tests"), request).await;
    assert_eq!(ended.expect("it is there").state, RequestState::Completed);
    let certificate = person::certificate(registry, request).await;
    assert!(certificate.whole_subject && certificate.is_complete);
    assert!(!certificate.is_final && certificate.key_destroyed_at.is_some());
    let counted = (certificate.erased_items, certificate.kept_items);
    assert_eq!((counted, certificate.suppressed_identifiers), ((2, 1), 2));
    let told = certificate.recipients.iter();
    let mut told: Vec<_> = told.map(|it| (it.tasks, it.ended, it.told_later)).collect();
    told.sort_unstable();
    assert_eq!(told, [(0, 0, 1), (1, 1, 0), (1, 1, 0)]);
}

/// Each of them was said to be erased, once, and of each only what stays has keys: the order, and what
/// names the person to the ledger later.
async fn assert_nothing_is_left_over(place: &Place, registry: &Registry, clients: &[SubjectId]) {
    while registry.place_events().await.expect("placed") > 0 {}
    let kinds = [EventKind::SubjectErased];
    let snapshot = person::snapshot(place, registry).await;
    let events = snapshot.list_events(0..i64::MAX, &kinds, &[], 10_000).await;
    snapshot.close().await.expect("closed");
    let events = events.expect("listed").into_iter();
    let mut erased: Vec<_> = events.filter_map(|it| it.event.subject_id).collect();
    erased.sort_unstable();
    let mut expected = clients.to_vec();
    expected.sort_unstable();
    assert_eq!(erased, expected);
    place.clock.advance(std::time::Duration::from_hours(48));
    registry.keep_up().await.expect("kept up");
    let connection = place.connect_to_keys().await;
    let keys = "SELECT count(*) AS n FROM subject_keys WHERE wrapped IS NOT NULL";
    let left = usize::try_from(number(&connection, keys).await).expect("a number");
    assert_eq!(left, 2 * clients.len());
}

/// Of a process that was killed when all was committed and nothing else was done, another one takes over,
/// and is killed at any call in its turn.
async fn kill_again(
    place: &Place,
    mut registry: Registry,
    clients: &mut Vec<SubjectId>,
    committed: u32,
) -> Registry {
    for call in 0.. {
        let nth = u32::try_from(clients.len()).expect("a number");
        let client = person::client(&registry, nth, None).await;
        clients.push(client);
        drop(registry);
        let first = Work::at(place, Deed::Request, client, committed);
        assert!(first.kill().await.was_killed);
        let heard = Work::at(place, Deed::Restart, client, call).kill().await;

        registry = place.replica().await;
        let left = stage(place, &registry, client).await;
        assert_eq!(left.0, Stage::Erased);
        compare(&heard, left);
        start(&registry).await;
        let request = repeat(&registry, client, left).await;
        assert_done(place, &registry, client, request).await;
        assert_ends(place, &registry, request).await;
        if !heard.was_killed {
            assert!(call > 25, "only {call} calls");
            break;
        }
    }
    registry
}

on_both! {
    async fn killed_at_any_call_an_erasure_is_whole_or_not_begun_and_the_same_request_again_does_it_once(place: Place) {
        let mut registry = person::shop(&place).await;
        let (mut clients, mut stages) = (Vec::new(), Vec::new());
        for call in 0.. {
            let client = person::client(&registry, call, None).await;
            clients.push(client);
            drop(registry);
            let heard = Work::at(&place, Deed::Request, client, call).kill().await;

            registry = place.replica().await;
            let left = stage(&place, &registry, client).await;
            compare(&heard, left);
            assert!(heard.was_killed || heard.answers.len() == 2);
            start(&registry).await;
            assert_eq!(stage(&place, &registry, client).await, left, "a start begins nothing");
            let request = repeat(&registry, client, left).await;
            assert_done(&place, &registry, client, request).await;
            assert_ends(&place, &registry, request).await;
            stages.push(left.0);
            if !heard.was_killed {
                break;
            }
        }
        assert!(stages.is_sorted(), "{stages:?}");
        let before = |stage| stages.partition_point(|one| *one < stage);
        let (received, committed) = (before(Stage::Received), before(Stage::Erased));
        // The receipt; then the erasure up to its commit; then the journal, the key and the answer.
        assert!(received > 10 && committed > received + 50 && stages.len() > committed + 8, "{stages:?}");

        let committed = u32::try_from(committed).expect("a number");
        let registry = kill_again(&place, registry, &mut clients, committed).await;
        assert_nothing_is_left_over(&place, &registry, &clients).await;
    }
}
