//! What the law made stay goes when its time has come: killed at any call, it is still there as a whole or
//! gone, and goes once.

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use registry::{
    app::Registry,
    domain::id::{SubjectId, SubjectRequestId},
};

use super::{Deed, Work, person, request::ask, start};
use crate::{
    harness::{Place, instant},
    on_both,
    sample::{items, text},
};

/// When these tests begin: the policy was in force ten years before.
const BEGIN: &str = "2030-06-01T12:00:00Z";
/// What goes by between an erasure and the end of what it left.
const LATER: std::time::Duration = std::time::Duration::from_hours(2);

/// When that was collected which the law keeps for one more hour.
fn almost_ten_years_ago(now: Timestamp) -> Timestamp {
    let ago = now.to_zoned_datetime(TimeZone::UTC) - 10.years() + 1.hour();
    ago.timestamp()
}

/// A client who was erased, and whose order stays for one more hour. Everybody else has done their part.
async fn erased(place: &Place, registry: &Registry, nth: u32) -> (SubjectId, SubjectRequestId) {
    let since = almost_ten_years_ago(place.now());
    let client = person::client(registry, nth, Some(since)).await;
    let answers = ask(registry, client, drop).await.expect("erased");
    let request = answers.verified.value.record.subject_request_id;
    let tasks = person::tasks(place, registry, request).await;
    person::complete(registry, &tasks).await;
    assert_eq!(registry.advance_requests().await.expect("moved on"), 1);
    (client, request)
}

/// Whether the order is gone, and the ledger told of it, or neither.
async fn is_gone(
    place: &Place,
    registry: &Registry,
    client: SubjectId,
    request: SubjectRequestId,
) -> bool {
    let snapshot = person::snapshot(place, registry).await;
    let own_keys = snapshot.list_own_keys(client).await.expect("listed");
    let notices = snapshot.list_notices(client).await.expect("listed");
    snapshot.close().await.expect("closed");
    let left = items(registry, client).await.expect("everything opens");
    let tasks = person::tasks(place, registry, request).await;
    let is_gone = left.is_empty();
    assert_eq!(
        (own_keys.is_empty(), notices.is_empty()),
        (is_gone, is_gone)
    );
    if is_gone {
        assert_eq!(person::told(&tasks), ["aweber", "crm", "ledger"]);
    } else {
        assert_eq!(text(&left[0]), person::ORDER);
        assert_eq!(person::told(&tasks), ["aweber", "crm"]);
    }
    is_gone
}

on_both! {
    async fn killed_at_any_call_what_had_to_stay_is_there_or_gone_and_goes_once(place: Place) {
        place.clock.set(instant(BEGIN));
        let mut registry = person::shop(&place).await;
        let mut gone = Vec::new();
        for call in 0.. {
            let (client, request) = erased(&place, &registry, call).await;
            let own_keys = person::own_keys(&place, &registry, client).await;
            place.clock.advance(LATER);
            drop(registry);
            let heard = Work::at(&place, Deed::Later, client, call).kill().await;

            registry = place.replica().await;
            let left = is_gone(&place, &registry, client, request).await;
            assert_eq!(heard.was_killed, heard.answers.is_empty());
            assert!(heard.was_killed || left, "what was answered is done");
            start(&registry).await;
            assert_eq!(is_gone(&place, &registry, client, request).await, left, "a start lets nothing go");
            assert_eq!(registry.resume_erasure(client).await.expect("looked at"), !left);
            assert!(!registry.resume_erasure(client).await.expect("looked at"));
            assert!(is_gone(&place, &registry, client, request).await);
            assert!(!person::has_keys(&place, &registry, &own_keys).await);
            assert_eq!(person::journaled(&place, client, "ITEMS_DELETED").await, 1);
            let tasks = person::tasks(&place, &registry, request).await;
            person::complete(&registry, &tasks[2..]).await;
            let certificate = person::certificate(&registry, request).await;
            assert!(certificate.is_final && certificate.is_complete);
            assert_eq!((certificate.erased_items, certificate.kept_items), (3, 0));
            gone.push(left);
            if !heard.was_killed {
                break;
            }
        }
        assert!(gone.is_sorted(), "{gone:?}");
        let committed = gone.partition_point(|gone| !gone);
        assert!(committed > 15 && gone.len() > committed + 5, "{gone:?}");
    }
}
