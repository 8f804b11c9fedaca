use jiff::{SignedDuration, Span, ToSpan};
use uuid::Uuid;

use super::*;
use crate::domain::{
    consent::{ConsentChoice, ConsentFact, EvidenceMethod},
    decision::{DecisionReason, Query, decide},
    id::{ConsentId, SubjectId},
    item::ItemState,
    policy::{
        example::EXAMPLE_POLICY_YAML,
        format::parse_yaml,
        history::PolicyHistory,
        model::{Provenance, Retention, RetentionKind, RetentionTrigger},
    },
    subject::Membership,
};

const BEGIN: &str = "2026-01-31T12:00:00Z";

fn begin() -> Timestamp {
    BEGIN.parse().expect("an instant")
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name of this test")
}

fn policy(rules: Vec<Retention>, expires_after: Option<Span>) -> CompiledPolicy {
    let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
    policy.retention = rules;
    policy.consent.expires_after = expires_after;
    CompiledPolicy::compile(policy).expect("it compiles")
}

fn maximum(after: RetentionTrigger, period: Span) -> Retention {
    Retention {
        data: vec![name("email_address")],
        subjects: Vec::new(),
        processor: None,
        kind: RetentionKind::Maximum,
        after,
        activity_sources: Vec::new(),
        period,
        ground: String::new(),
        provenance: Provenance::default(),
    }
}

fn fact(id: u128, choice: ConsentChoice, at: Timestamp) -> ConsentFact {
    ConsentFact {
        consent_id: ConsentId(Uuid::from_u128(id)),
        purpose: name("newsletter"),
        processors: Vec::new(),
        choice,
        method: EvidenceMethod::DoubleOptIn,
        has_reference: false,
        policy_version: name("2018-05-24"),
        occurred_at: at,
        recorded_at: at,
        expires_at: None,
    }
}

/// A visitor with an e-mail address who said yes to the newsletter.
fn visitor() -> SubjectState {
    let mut subject = SubjectState::new(SubjectId(Uuid::from_u128(1)));
    subject.memberships.push(Membership {
        category: name("visitor"),
        started_at: begin(),
        ended_at: None,
    });
    subject.items.push(ItemState {
        item_id: ItemId(Uuid::from_u128(2)),
        subject_category: name("visitor"),
        data_category: name("email_address"),
        source: name("shop"),
        collected_at: begin(),
        policy_version: name("2018-05-24"),
        purposes: Vec::new(),
        retained_for: None,
    });
    subject
        .consents
        .push(fact(3, ConsentChoice::Given, begin()));
    subject
}

fn reason(policy: &CompiledPolicy, subject: &SubjectState, at: Timestamp) -> DecisionReason {
    let policies = PolicyHistory::new(vec![std::sync::Arc::new(policy.clone())]);
    let query = Query {
        data_categories: vec![name("email_address")],
        item_ids: Vec::new(),
        purpose: name("newsletter"),
        processor: None,
    };
    decide(&policies, Some(subject), &query, at, false).reason
}

#[test]
fn a_check_and_an_event_agree_to_the_microsecond_on_when_something_ends() {
    for (rules, expires_after, expected) in [
        (
            vec![maximum(RetentionTrigger::Collection, 1.month())],
            None,
            DecisionReason::RetentionExpired,
        ),
        (Vec::new(), Some(1.month()), DecisionReason::ConsentExpired),
    ] {
        let (policy, subject) = (policy(rules, expires_after), visitor());
        let look = expiries(&policy, &subject, &[], begin());
        assert!(look.events.is_empty());
        let end = look.due_at.expect("it ends");
        assert_eq!(end.to_string(), "2026-02-28T12:00:00Z");
        let just_before = end - SignedDuration::from_micros(1);
        assert!(
            expiries(&policy, &subject, &[], just_before)
                .events
                .is_empty()
        );
        assert_eq!(
            reason(&policy, &subject, just_before),
            DecisionReason::Lawful
        );
        let look = expiries(&policy, &subject, &[], end);
        assert_eq!(look.events.len(), 1);
        assert_eq!(reason(&policy, &subject, end), expected);
        // Whoever looks again has nothing to tell, and nothing to put down.
        let again = expiries(
            &policy,
            &subject,
            &look.kept,
            end + SignedDuration::from_hours(1),
        );
        assert_eq!(again, Look::default());
    }
}

#[test]
fn the_earlier_of_a_consents_own_end_and_the_policys_counts() {
    let policy = policy(Vec::new(), Some(10.days()));
    let mut subject = visitor();
    subject.consents[0].expires_at = Some(begin() + SignedDuration::from_hours(24));
    let look = expiries(&policy, &subject, &[], begin());
    assert_eq!(look.due_at, subject.consents[0].expires_at);
}

#[test]
fn neither_what_was_said_by_no_act_nor_what_was_taken_back_runs_out() {
    let policy = policy(Vec::new(), Some(10.days()));
    let later = begin() + SignedDuration::from_hours(24 * 20);
    let mut silent = visitor();
    silent.consents[0].method = EvidenceMethod::PreTicked;
    let mut withdrawn = visitor();
    let withdrawal = fact(
        4,
        ConsentChoice::Withdrawn,
        begin() + SignedDuration::from_hours(1),
    );
    withdrawn.consents.push(withdrawal);
    for subject in [silent, withdrawn] {
        assert_eq!(expiries(&policy, &subject, &[], later), Look::default());
    }
}

#[test]
fn nothing_ends_of_who_was_erased_and_what_was_told_is_forgotten() {
    let policy = policy(vec![maximum(RetentionTrigger::Collection, 1.day())], None);
    let later = begin() + SignedDuration::from_hours(48);
    let mut subject = visitor();
    let told = expiries(&policy, &subject, &[], later).kept;
    assert_eq!(told.len(), 1);
    subject.erased_at = Some(later);
    let look = expiries(&policy, &subject, &told, later);
    assert!(look.events.is_empty() && look.kept.is_empty());
    assert_eq!(look.changed.len(), 1);
}

#[test]
fn a_thousand_items_and_one_take_events_of_five_hundred() {
    let policy = policy(vec![maximum(RetentionTrigger::Collection, 1.day())], None);
    let mut subject = visitor();
    let first = subject.items[0].clone();
    subject.items.extend((10..1_010).map(|id| ItemState {
        item_id: ItemId(Uuid::from_u128(id)),
        ..first.clone()
    }));
    let later = begin() + SignedDuration::from_hours(48);
    let look = expiries(&policy, &subject, &[], later);
    let items = look.events.iter().map(|event| event.item_ids.len());
    assert_eq!(
        items.collect::<Vec<_>>(),
        [ITEMS_PER_EVENT_MAX, ITEMS_PER_EVENT_MAX, 1]
    );
}
