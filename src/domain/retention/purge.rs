//! Which items go because their time has run out (Art. 5(1)(e)), and which a law keeps longer.

use jiff::Timestamp;

use super::{first_end, trigger_end};
use crate::domain::{
    calendar,
    consent::{ConsentChoice, fold},
    hold::{LegalHold, is_held},
    id::ItemId,
    item::ItemState,
    policy::{
        compile::CompiledPolicy,
        model::{Activity, AfterCategoryEnd, LawfulBasis, RetentionKind, RetentionTrigger},
    },
    subject::SubjectState,
};

/// A law that requires an item to be kept (Art. 17(3)(b)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obligation {
    /// Until when; `None`: the period has not begun to run, or never ends.
    pub until: Option<Timestamp>,
    /// The law, as the rule names it.
    pub ground: String,
    /// The rule's place in the policy: `retention[2]`.
    pub rule: String,
}

/// An item whose time has run out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Purge {
    /// The item.
    pub item_id: ItemId,
    /// The rule that ran out last, by its place in the policy: `retention[2]`.
    pub rule: String,
    /// When the item's time ran out.
    pub due_at: Timestamp,
}

/// The legal minima that cover an item, whether or not they have run out. One that runs from a
/// withdrawal obliges to nothing before there is one.
pub fn obligations(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
) -> Vec<Obligation> {
    let withdrawals = subject.consents.iter();
    let withdrawn_at = withdrawals
        .filter(|fact| fact.choice == ConsentChoice::Withdrawn)
        .map(|fact| fact.occurred_at)
        .max();
    let rules = policy.policy().retention.iter().enumerate();
    rules
        .filter(|(_, rule)| {
            rule.kind == RetentionKind::LegalMinimum
                && rule.processor.is_none()
                && (rule.data.is_empty() || rule.data.contains(&item.data_category))
                && (rule.subjects.is_empty() || rule.subjects.contains(&item.subject_category))
        })
        .filter(|(_, rule)| {
            let after_withdrawal = rule.after == RetentionTrigger::ConsentWithdrawal;
            !after_withdrawal || withdrawn_at.is_some()
        })
        .map(|(place, rule)| Obligation {
            until: trigger_end(policy, subject, item, rule, withdrawn_at),
            ground: rule.ground.clone(),
            rule: format!("retention[{place}]"),
        })
        .collect()
}

/// What goes at `now`: items whose retention has run out for every purpose that holds them, that no
/// law requires any longer and no hold keeps. Without a maximum that has run out nothing goes.
pub fn purge_plan(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    holds: &[LegalHold],
    now: Timestamp,
) -> Vec<Purge> {
    let free = subject.items.iter().filter(|item| !is_held(holds, item));
    free.filter_map(|item| purge(policy, subject, item, now))
        .collect()
}

fn purge(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    now: Timestamp,
) -> Option<Purge> {
    let activities = policy.policy().activities.iter();
    let mut activities = activities.filter(|one| concerns(one, item)).peekable();
    let mut last = match activities.peek() {
        None => first_end(policy, subject, item, None, None).filter(|(end, _)| *end <= now),
        Some(_) => None,
    };
    for activity in activities {
        let withdrawn_at = withdrawn_at(activity, subject, now);
        match first_end(policy, subject, item, None, withdrawn_at) {
            Some(end) if end.0 <= now => last = last.max_by_end(end),
            _ if holds_on(activity, policy, subject, item, now) => return None,
            _ => {}
        }
    }
    let (mut due_at, place) = last?;
    for obligation in obligations(policy, subject, item) {
        due_at = due_at.max(obligation.until?);
    }
    (due_at <= now).then(|| Purge {
        item_id: item.item_id,
        rule: format!("retention[{place}]"),
        due_at,
    })
}

trait Later {
    fn max_by_end(self, other: (Timestamp, usize)) -> Self;
}

impl Later for Option<(Timestamp, usize)> {
    fn max_by_end(self, other: (Timestamp, usize)) -> Self {
        match self {
            Some(one) if one.0 >= other.0 => Some(one),
            _ => Some(other),
        }
    }
}

fn concerns(activity: &Activity, item: &ItemState) -> bool {
    activity.lawful_basis.is_some()
        && activity.subjects.contains(&item.subject_category)
        && activity.data.contains(&item.data_category)
        && (item.purposes.is_empty() || item.purposes.contains(&activity.purpose))
}

/// The withdrawal of the consent that the activity rests on.
fn withdrawn_at(activity: &Activity, subject: &SubjectState, now: Timestamp) -> Option<Timestamp> {
    let on_consent =
        activity.lawful_basis == Some(LawfulBasis::Consent) || activity.also_requires_consent;
    if !on_consent {
        return None;
    }
    let heard = fold::bearing_on(&subject.consents, &activity.purpose, None, now);
    fold::fold(heard.iter().copied())?.withdrawn_at
}

/// Whether the activity goes on: the person is in the category, or it outlasts the membership.
fn holds_on(
    activity: &Activity,
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
    now: Timestamp,
) -> bool {
    let stays = subject.memberships.iter();
    let mut stays = stays.filter(|stay| stay.category == item.subject_category);
    stays.any(|stay| {
        let until = stay
            .ended_at
            .and_then(|ended| match &activity.after_category_end {
                AfterCategoryEnd::Stops => Some(ended),
                AfterCategoryEnd::Continues => None,
                AfterCategoryEnd::For(period) => {
                    calendar::end_of(ended, period, policy.time_zone())
                }
            });
        until.is_none_or(|until| now < until)
    })
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        id::SubjectId,
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml, model::Retention},
        subject::Membership,
    };

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant of this test")
    }

    fn rule(kind: RetentionKind, months: i64) -> Retention {
        Retention {
            data: Vec::new(),
            subjects: Vec::new(),
            processor: None,
            kind,
            after: RetentionTrigger::Collection,
            activity_sources: Vec::new(),
            period: months.months(),
            ground: "tax law".to_owned(),
            provenance: crate::domain::policy::model::Provenance::default(),
        }
    }

    fn policy(rules: Vec<Retention>) -> CompiledPolicy {
        let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
        policy.retention = rules;
        policy.controller.time_zone = "UTC".to_owned();
        CompiledPolicy::compile(policy).expect("no errors")
    }

    fn client() -> SubjectState {
        let mut subject = SubjectState::new(SubjectId(Uuid::from_u128(1)));
        subject.memberships.push(Membership {
            category: "client".parse().expect("a name"),
            started_at: at("2024-01-01T00:00:00Z"),
            ended_at: None,
        });
        let item = serde_json::json!({
            "item_id": Uuid::from_u128(7), "subject_category": "client",
            "data_category": "order_contents", "source": "shop",
            "collected_at": "2024-01-31T12:00:00Z", "policy_version": "v", "purposes": [],
        });
        subject
            .items
            .push(serde_json::from_value(item).expect("an item"));
        subject
    }

    fn due(rules: Vec<Retention>, now: &str) -> Vec<Timestamp> {
        let plan = purge_plan(&policy(rules), &client(), &[], at(now));
        plan.iter().map(|purge| purge.due_at).collect()
    }

    #[test]
    fn a_month_from_the_last_of_january_runs_out_on_the_leap_day() {
        let rules = || vec![rule(RetentionKind::Maximum, 1)];
        assert!(due(rules(), "2024-02-29T11:59:59Z").is_empty());
        let end = at("2024-02-29T12:00:00Z");
        assert_eq!(due(rules(), "2024-02-29T12:00:00Z"), [end]);
    }

    #[test]
    fn without_a_maximum_nothing_goes() {
        assert!(due(Vec::new(), "2999-01-01T00:00:00Z").is_empty());
    }

    #[test]
    fn a_legal_minimum_beats_a_shorter_maximum() {
        let rules = || {
            let longest = rule(RetentionKind::LegalMinimum, 12);
            vec![rule(RetentionKind::Maximum, 1), longest]
        };
        assert!(due(rules(), "2024-06-01T00:00:00Z").is_empty());
        let end = at("2025-01-31T12:00:00Z");
        assert_eq!(due(rules(), "2025-01-31T12:00:00Z"), [end]);
    }
}
