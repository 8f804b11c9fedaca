//! Erasure (Art. 17): what goes at once and what stays for now, decided item by item, not by account.
//!
//! [`plan`] says it of what a person wants erased, [`review`] of what has stayed: the same obstacles
//! count for both. [`record`] is what is written down of it, [`certificate`] what the person is given.

pub mod certificate;
pub mod record;

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    hold::{LegalHold, holds_on},
    id::{ItemId, LegalHoldId},
    item::ItemState,
    name::{DataCategory, Purpose},
    policy::{compile::CompiledPolicy, model::LawfulBasis},
    retention::purge::obligations,
    subject::SubjectState,
};

/// The article that a retention rests on which the law requires.
pub const ARTICLE_LEGAL_OBLIGATION: &str = "GDPR Art. 17(3)(b)";

/// What a person wants erased. Both empty: everything, the person as a whole.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErasureScope {
    /// Items of these data categories.
    pub data_categories: Vec<DataCategory>,
    /// These items.
    pub item_ids: Vec<ItemId>,
}

impl ErasureScope {
    /// Whether it is about the person as a whole.
    pub fn is_whole_subject(&self) -> bool {
        self.data_categories.is_empty() && self.item_ids.is_empty()
    }

    /// Whether it is about this item.
    pub fn covers(&self, item: &ItemState) -> bool {
        self.is_whole_subject()
            || self.data_categories.contains(&item.data_category)
            || self.item_ids.contains(&item.item_id)
    }
}

/// Why an item stays for now (Art. 17(3)).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Obstacle {
    /// The legal hold; `None` for a retention that the law requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub legal_hold_id: Option<LegalHoldId>,
    /// Until when, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The matter of the hold, or the law that requires the retention. No personal data.
    pub ground: String,
    /// The article that it rests on.
    pub article: String,
    /// The purposes that the item stays answerable for.
    pub purposes: Vec<Purpose>,
}

impl From<&LegalHold> for Obstacle {
    fn from(hold: &LegalHold) -> Self {
        Self {
            legal_hold_id: Some(hold.legal_hold_id),
            until: None,
            ground: hold.matter.clone(),
            article: hold.article.clone(),
            purposes: hold.purposes.clone(),
        }
    }
}

/// One item of an erasure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlannedItem {
    /// The item.
    pub item: ItemState,
    /// Why it stays for now; empty: it goes at once.
    pub obstacles: Vec<Obstacle>,
}

impl PlannedItem {
    /// The purposes that it stays answerable for, ascending, each once; `None`: it goes at once.
    pub fn retained_for(&self) -> Option<Vec<Purpose>> {
        if self.obstacles.is_empty() {
            return None;
        }
        let purposes = self.obstacles.iter().flat_map(|it| &it.purposes);
        let purposes: BTreeSet<_> = purposes.cloned().collect();
        Some(purposes.into_iter().collect())
    }
}

/// What an erasure does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasurePlan {
    /// Every item that it concerns, in the order of the subject's items.
    pub items: Vec<PlannedItem>,
    /// Whether the person as a whole is erased, not some of the data.
    pub whole_subject: bool,
}

impl ErasurePlan {
    /// The items that go at once.
    pub fn going(&self) -> impl Iterator<Item = &ItemState> {
        let going = self.items.iter().filter(|it| it.obstacles.is_empty());
        going.map(|it| &it.item)
    }

    /// The items that stay, as they are from then on: answerable for their grounds alone.
    pub fn staying(&self) -> impl Iterator<Item = ItemState> {
        let staying = self.items.iter().filter(|it| !it.obstacles.is_empty());
        staying.map(|it| ItemState {
            retained_for: it.retained_for(),
            ..it.item.clone()
        })
    }
}

/// The retentions that the law requires of an item (Art. 17(3)(b)). It stays answerable for the
/// purposes of the activities that rest on a legal obligation and cover it.
pub fn required(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    item: &ItemState,
) -> Vec<Obstacle> {
    let required = obligations(policy, subject, item);
    if required.is_empty() {
        return Vec::new();
    }
    let purposes = obliged_purposes(policy, item);
    let obstacles = required.into_iter().map(|obligation| Obstacle {
        legal_hold_id: None,
        until: obligation.until,
        ground: obligation.ground,
        article: ARTICLE_LEGAL_OBLIGATION.to_owned(),
        purposes: purposes.clone(),
    });
    obstacles.collect()
}

fn obliged_purposes(policy: &CompiledPolicy, item: &ItemState) -> Vec<Purpose> {
    let activities = policy.policy().activities.iter();
    let obliged = activities.filter(|activity| {
        activity.lawful_basis == Some(LawfulBasis::LegalObligation)
            && activity.subjects.contains(&item.subject_category)
            && activity.data.contains(&item.data_category)
            && (item.purposes.is_empty() || item.purposes.contains(&activity.purpose))
    });
    let purposes: BTreeSet<_> = obliged.map(|activity| activity.purpose.clone()).collect();
    purposes.into_iter().collect()
}

/// What keeps each of the items that have stayed, as of `now`. One that nothing keeps any more goes.
pub fn review(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    holds: &[LegalHold],
    now: Timestamp,
) -> Vec<PlannedItem> {
    let everything = ErasureScope::default();
    let law = |item: &ItemState| {
        if item.is_retained() {
            required(policy, subject, item)
        } else {
            Vec::new()
        }
    };
    let mut items = plan(subject, holds, law, &everything, now).items;
    items.retain(|it| it.item.is_retained());
    items
}

/// The items that have stayed after an erasure and that nothing keeps any more: they go.
pub fn released(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    holds: &[LegalHold],
    now: Timestamp,
) -> Vec<ItemId> {
    let reviewed = review(policy, subject, holds, now).into_iter();
    let released = reviewed.filter(|it| it.obstacles.is_empty());
    released.map(|it| it.item.item_id).collect()
}

/// Plans the erasure of what `scope` covers. `obligations` are the retentions that the law requires of
/// an item now; one that has run out by `now` keeps nothing.
pub fn plan(
    subject: &SubjectState,
    holds: &[LegalHold],
    obligations: impl Fn(&ItemState) -> Vec<Obstacle>,
    scope: &ErasureScope,
    now: Timestamp,
) -> ErasurePlan {
    let covered = subject.items.iter().filter(|item| scope.covers(item));
    let items = covered.map(|item| {
        let required = obligations(item).into_iter();
        let required = required.filter(|it| it.until.is_none_or(|until| now < until));
        PlannedItem {
            item: item.clone(),
            obstacles: holds_on(holds, item)
                .map(Obstacle::from)
                .chain(required)
                .collect(),
        }
    });
    ErasurePlan {
        items: items.collect(),
        whole_subject: scope.is_whole_subject(),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::id::SubjectId;

    fn item(id: u128, data: &str) -> ItemState {
        ItemState {
            item_id: ItemId(Uuid::from_u128(id)),
            subject_category: "client".parse().expect("a name"),
            data_category: data.parse().expect("a name"),
            source: "shop".parse().expect("a name"),
            collected_at: Timestamp::UNIX_EPOCH,
            policy_version: "1".parse().expect("a name"),
            purposes: Vec::new(),
            retained_for: None,
        }
    }

    fn anna() -> SubjectState {
        let mut anna = SubjectState::new(SubjectId(Uuid::from_u128(9)));
        anna.items = vec![item(1, "invoice"), item(2, "email_address")].into();
        anna
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant of this test")
    }

    /// Invoices are kept until second 100.
    fn tax_law(item: &ItemState) -> Vec<Obstacle> {
        let kept = item.data_category.as_str() == "invoice";
        let obstacle = Obstacle {
            legal_hold_id: None,
            until: Some(at(100)),
            ground: "tax law".into(),
            article: "GDPR Art. 17(3)(b)".into(),
            purposes: vec!["invoicing".parse().expect("a name")],
        };
        kept.then_some(obstacle).into_iter().collect()
    }

    fn staying(holds: &[LegalHold], scope: &ErasureScope, now: i64) -> Vec<bool> {
        let plan = plan(&anna(), holds, tax_law, scope, at(now));
        let items = plan.items.iter();
        items.map(|it| it.retained_for().is_some()).collect()
    }

    fn hold() -> LegalHold {
        LegalHold {
            legal_hold_id: LegalHoldId(Uuid::from_u128(5)),
            subject_id: anna().subject_id,
            item_ids: Vec::new(),
            data_categories: vec!["invoice".parse().expect("a name")],
            purposes: vec!["litigation".parse().expect("a name")],
            matter: "case 7".into(),
            article: "GDPR Art. 17(3)(e)".into(),
            placed_at: Timestamp::UNIX_EPOCH,
            placed_by: "legal".parse().expect("a name"),
            released_at: None,
            released_by: None,
        }
    }

    #[test]
    fn what_the_law_requires_stays_until_just_before_its_end_and_the_rest_goes() {
        let everything = ErasureScope::default();
        assert_eq!(staying(&[], &everything, 99), [true, false]);
        assert_eq!(staying(&[], &everything, 100), [false, false]);
    }

    #[test]
    fn an_item_is_answerable_for_every_ground_that_keeps_it() {
        let plan = plan(
            &anna(),
            &[hold()],
            tax_law,
            &ErasureScope::default(),
            at(99),
        );
        assert!(plan.whole_subject);
        let grounds = plan.items[0].retained_for().expect("it stays");
        let grounds: Vec<_> = grounds.iter().map(Purpose::as_str).collect();
        assert_eq!(grounds, ["invoicing", "litigation"]);
    }

    #[test]
    fn a_hold_without_purposes_keeps_an_item_that_answers_for_nothing() {
        let mut silent = hold();
        silent.purposes.clear();
        let plan = plan(
            &anna(),
            &[silent],
            |_| Vec::new(),
            &ErasureScope::default(),
            at(99),
        );
        assert_eq!(plan.items[0].retained_for(), Some(Vec::new()));
        assert_eq!(plan.items[1].retained_for(), None);
    }

    /// A policy whose tax law keeps every item of clients for ten years, for invoicing.
    fn taxed() -> CompiledPolicy {
        let text = crate::domain::policy::example::EXAMPLE_POLICY_YAML;
        let (mut policy, _) = crate::domain::policy::format::parse_yaml(text).expect("it reads");
        let mut rule = policy.retention[0].clone();
        rule.processor = None;
        rule.data = vec!["order_contents".parse().expect("a name")];
        rule.kind = crate::domain::policy::model::RetentionKind::LegalMinimum;
        rule.after = crate::domain::policy::model::RetentionTrigger::Collection;
        rule.activity_sources.clear();
        rule.period = jiff::ToSpan::years(10);
        rule.ground = "tax law".into();
        policy.retention = vec![rule];
        for activity in &mut policy.activities {
            if activity.id.as_str() == "client-service-rendering" {
                activity.lawful_basis = Some(LawfulBasis::LegalObligation);
            }
        }
        CompiledPolicy::compile(policy).expect("no errors")
    }

    #[test]
    fn a_legal_minimum_keeps_an_item_for_the_activities_that_the_law_obliges_to() {
        let (policy, mut anna) = (taxed(), anna());
        let obstacles = required(&policy, &anna, &item(1, "order_contents"));
        assert_eq!(obstacles.len(), 1);
        assert_eq!(
            (obstacles[0].ground.as_str(), obstacles[0].article.as_str()),
            ("tax law", ARTICLE_LEGAL_OBLIGATION)
        );
        let purposes: Vec<_> = obstacles[0].purposes.iter().map(Purpose::as_str).collect();
        assert_eq!(purposes, ["service_rendering"]);
        assert_eq!(
            obstacles[0].until,
            Some("1980-01-01T00:00:00Z".parse().expect("an instant"))
        );
        let narrowed = ItemState {
            purposes: vec!["post_purchase_support".parse().expect("a name")],
            ..item(1, "order_contents")
        };
        let obstacles = required(&policy, &anna, &narrowed);
        assert_eq!(obstacles[0].purposes, [], "it was collected for others");
        anna.items.clear();
        assert_eq!(required(&policy, &anna, &item(2, "email_address")), []);
    }

    #[test]
    fn what_has_stayed_goes_when_the_law_and_every_hold_have_let_go_of_it() {
        let (policy, mut anna) = (taxed(), anna());
        anna.items = vec![item(1, "order_contents"), item(2, "order_contents")].into();
        anna.items[0].retained_for = Some(Vec::new());
        let held = LegalHold {
            data_categories: vec!["order_contents".parse().expect("a name")],
            ..hold()
        };
        let before = at(315_532_799);
        let end = at(315_532_800);
        assert_eq!(released(&policy, &anna, &[], before), []);
        assert_eq!(
            released(&policy, &anna, std::slice::from_ref(&held), end),
            []
        );
        assert_eq!(
            released(&policy, &anna, &[], end),
            [anna.items[0].item_id],
            "an ordinary item does not go by itself"
        );
        let reviewed = review(&policy, &anna, &[held], before);
        let grounds = reviewed[0].retained_for().expect("it stays");
        let grounds: Vec<_> = grounds.iter().map(Purpose::as_str).collect();
        assert_eq!(grounds, ["litigation", "service_rendering"]);
    }

    #[test]
    fn a_part_is_what_is_named_by_category_or_by_item_and_leaves_the_person() {
        let mut scope = ErasureScope {
            data_categories: vec!["email_address".parse().expect("a name")],
            item_ids: Vec::new(),
        };
        assert_eq!(staying(&[], &scope, 0), [false]);
        scope.item_ids.push(ItemId(Uuid::from_u128(1)));
        assert_eq!(staying(&[], &scope, 0), [true, false]);
        assert!(!plan(&anna(), &[], tax_law, &scope, at(0)).whole_subject);
    }
}
