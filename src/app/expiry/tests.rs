use std::time::Duration;

use super::*;
use crate::{
    app::{
        Call,
        scene::{people, person, say},
        testing::{TestRegistry, registry},
    },
    domain::{
        audit::Action,
        consent::ConsentChoice,
        event::{Event, EventKind},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
    },
};

const DAY: Duration = Duration::from_hours(24);

/// A registry under a policy by which consents run out after ten days.
async fn under() -> TestRegistry {
    let test = registry().await;
    let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
    policy.version = "with-an-end".parse().expect("a version");
    policy.effective_from = test.registry.now() + DAY;
    policy.consent.expires_after = Some(jiff::ToSpan::days(10));
    let call = Call::new(test.caller.clone(), Action::PublishPolicy);
    let published = test.registry.publish_policy(call, policy, true).await;
    published.expect("published");
    test.clock.advance(DAY);
    test
}

async fn round(test: &TestRegistry) -> Announcement {
    test.registry.announce_expiries().await.expect("looked")
}

async fn expired(test: &TestRegistry) -> Vec<Event> {
    while test.registry.place_events().await.expect("placed") > 0 {}
    let snapshot = test.registry.store().snapshot(test.registry.now()).await;
    let kinds = [EventKind::ConsentExpired];
    let snapshot = snapshot.expect("read");
    let listed = snapshot.list_events(0..i64::MAX, &kinds, &[], 1_000).await;
    let listed = listed.expect("listed");
    listed.into_iter().map(|placed| placed.event).collect()
}

#[tokio::test]
async fn a_round_looks_at_a_hundred_and_says_that_somebody_is_left() {
    let test = under().await;
    let all = people(
        &test,
        SUBJECTS_PER_ROUND_MAX + 1,
        "visitor",
        &["email_address"],
    )
    .await;
    say(&test, &all, ConsentChoice::Given, "newsletter").await;
    test.clock.advance(10 * DAY);
    // The policy came into force as well.
    assert_eq!(
        (round(&test).await, round(&test).await, round(&test).await),
        (
            Announcement {
                events: 101,
                more: true
            },
            Announcement {
                events: 1,
                more: false
            },
            Announcement::default()
        )
    );
    assert_eq!(expired(&test).await.len(), SUBJECTS_PER_ROUND_MAX + 1);
}

#[tokio::test]
async fn a_round_that_fails_anywhere_leaves_nothing_and_the_next_one_tells_once() {
    let test = under().await;
    round(&test).await;
    for call in 0.. {
        let ada = person(&test, "visitor", &["email_address"]).await;
        say(&test, &[ada], ConsentChoice::Given, "newsletter").await;
        test.clock.advance(10 * DAY);
        test.registry.store().faults().fail_call(call);
        let first = test.registry.announce_expiries().await;
        let has_failed = test.registry.store().faults().clear();
        assert_eq!(first.is_err(), has_failed, "{first:?}");
        round(&test).await;
        let events = expired(&test).await;
        let of_ada = events.iter().filter(|it| it.subject_id == Some(ada));
        assert_eq!(of_ada.count(), 1, "call {call}");
        if !has_failed {
            assert!(call > 5, "it makes so many calls: {call}");
            return;
        }
    }
}

#[tokio::test]
async fn what_was_told_of_somebody_is_not_told_again_of_whom_they_were_merged_into() {
    let test = under().await;
    let both = people(&test, 2, "visitor", &["email_address"]).await;
    say(&test, &both, ConsentChoice::Given, "newsletter").await;
    test.clock.advance(10 * DAY);
    round(&test).await;
    let before = expired(&test).await.len();
    assert_eq!(before, 2);
    let (from, into) = (both[0], both[1]);
    let call = Call::new(test.caller.clone(), Action::MergeSubjects);
    let merged = test
        .registry
        .merge_subjects(call, into.into(), from.into())
        .await;
    merged.expect("merged");
    round(&test).await;
    round(&test).await;
    assert_eq!(expired(&test).await.len(), before);
    let snapshot = test.registry.store().snapshot(test.registry.now()).await;
    let told = snapshot.expect("read").list_announced(&both).await;
    assert!(
        !told.expect("listed").contains_key(&from),
        "nobody looks at who is merged away"
    );
}
