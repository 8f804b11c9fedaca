//! Which of the items that an erasure had to leave its request waits for.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::domain::{
    hold::{LegalHold, is_held},
    id::ItemId,
    item::ItemState,
    policy::compile::CompiledPolicy,
    retention::purge::obligations,
    subject::SubjectState,
};

/// How many of the items in `left` the request waits for: those that a legal hold keeps, and those that
/// nothing keeps any more and that are about to go. One that a law alone keeps is an end: it stays on that
/// ground, and goes by itself when its time has come.
pub fn count_waited_for(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    holds: &[LegalHold],
    left: &BTreeSet<ItemId>,
    now: Timestamp,
) -> u64 {
    let is_required = |item: &ItemState| {
        let required = obligations(policy, subject, item).into_iter();
        let mut ends = required.map(|obligation| obligation.until);
        ends.any(|until| until.is_none_or(|until| now < until))
    };
    let left = subject.items.iter().filter(|it| left.contains(&it.item_id));
    let waited_for = left.filter(|item| is_held(holds, item) || !is_required(item));
    waited_for.count() as u64
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan;
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        id::{LegalHoldId, SubjectId},
        policy::{
            example::EXAMPLE_POLICY_YAML,
            format::parse_yaml,
            model::{Provenance, Retention, RetentionKind, RetentionTrigger},
        },
    };

    fn at(text: &str) -> Timestamp {
        text.parse().expect("an instant of this test")
    }

    /// Orders are kept for a year by law.
    fn policy() -> CompiledPolicy {
        let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
        policy.retention = vec![Retention {
            data: vec!["order_contents".parse().expect("a name")],
            subjects: Vec::new(),
            processor: None,
            kind: RetentionKind::LegalMinimum,
            after: RetentionTrigger::Collection,
            activity_sources: Vec::new(),
            period: 12.months(),
            ground: "tax law".to_owned(),
            provenance: Provenance::default(),
        }];
        policy.controller.time_zone = "UTC".to_owned();
        CompiledPolicy::compile(policy).expect("no errors")
    }

    fn item(id: u128, data: &str) -> ItemState {
        ItemState {
            item_id: ItemId(Uuid::from_u128(id)),
            subject_category: "client".parse().expect("a name"),
            data_category: data.parse().expect("a name"),
            source: "shop".parse().expect("a name"),
            collected_at: at("2024-01-31T12:00:00Z"),
            policy_version: "1".parse().expect("a name"),
            purposes: Vec::new(),
            retained_for: Some(Vec::new()),
        }
    }

    fn hold(data: &str) -> LegalHold {
        LegalHold {
            legal_hold_id: LegalHoldId(Uuid::from_u128(5)),
            subject_id: SubjectId(Uuid::from_u128(9)),
            item_ids: Vec::new(),
            data_categories: vec![data.parse().expect("a name")],
            purposes: Vec::new(),
            matter: "case 7".into(),
            article: "GDPR Art. 17(3)(e)".into(),
            placed_at: Timestamp::UNIX_EPOCH,
            placed_by: "legal".parse().expect("a name"),
            released_at: None,
            released_by: None,
        }
    }

    fn waited_for(data: &str, holds: &[LegalHold], now: &str) -> u64 {
        let mut subject = SubjectState::new(SubjectId(Uuid::from_u128(9)));
        // The second one is of another request.
        subject.items = vec![item(1, data), item(2, data)].into();
        let left = [ItemId(Uuid::from_u128(1))].into();
        count_waited_for(&policy(), &subject, holds, &left, at(now))
    }

    #[test]
    fn an_item_that_a_law_alone_keeps_is_not_waited_for_until_it_is_to_go() {
        assert_eq!(waited_for("order_contents", &[], "2025-01-31T11:59:59Z"), 0);
        assert_eq!(waited_for("order_contents", &[], "2025-01-31T12:00:00Z"), 1);
    }

    #[test]
    fn an_item_under_a_hold_is_waited_for_whatever_the_law_says() {
        let held = [hold("order_contents")];
        assert_eq!(
            waited_for("order_contents", &held, "2024-06-01T00:00:00Z"),
            1
        );
        let other = [hold("email_address")];
        assert_eq!(
            waited_for("order_contents", &other, "2024-06-01T00:00:00Z"),
            0
        );
    }

    #[test]
    fn an_item_whose_hold_was_released_is_waited_for_until_it_has_gone() {
        assert_eq!(waited_for("email_address", &[], "2024-06-01T00:00:00Z"), 1);
    }
}
