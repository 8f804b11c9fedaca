//! Erasure (Art. 17): what goes at once and what stays for now, decided item by item, not by account.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{
    hold::{LegalHold, holds_on},
    id::{ItemId, LegalHoldId},
    item::ItemState,
    name::{DataCategory, Purpose},
    subject::SubjectState,
};

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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Obstacle {
    /// The legal hold; `None` for a retention that the law requires.
    pub legal_hold_id: Option<LegalHoldId>,
    /// Until when, where that is known.
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
        anna.items = vec![item(1, "invoice"), item(2, "email_address")];
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
