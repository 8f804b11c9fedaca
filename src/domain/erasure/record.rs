//! What is written down of an erasure: what went and when, what stays and why. Ids and names of the
//! policy only.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ErasurePlan, Obstacle, PlannedItem};
use crate::domain::{
    id::{ItemId, SubjectId, SubjectRequestId},
    item::ItemState,
    name::{DataCategory, SubjectCategory},
    request::ErasureGround,
};

/// An erasure, and what has become of it since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasureRecord {
    /// The request that it carried out.
    pub subject_request_id: SubjectRequestId,
    /// The person.
    pub subject_id: SubjectId,
    /// When.
    pub erased_at: Timestamp,
    /// Why the person could have it erased.
    pub ground: ErasureGround,
    /// Whether the person as a whole was erased.
    pub whole_subject: bool,
    /// Identifiers that were suppressed.
    pub suppressed_identifiers: u64,
    /// What has gone.
    pub erased: Vec<ErasedItems>,
    /// What stays.
    pub kept: Vec<KeptItems>,
}

/// Items that went together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErasedItems {
    /// The role in which they were collected.
    pub subject_category: SubjectCategory,
    /// What they were.
    pub data_category: DataCategory,
    /// When they went.
    pub erased_at: Timestamp,
    /// Which.
    pub item_ids: Vec<ItemId>,
}

/// Items that stay on the same grounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptItems {
    /// The role in which they were collected.
    pub subject_category: SubjectCategory,
    /// What they are.
    pub data_category: DataCategory,
    /// Why they stay.
    pub grounds: Vec<Obstacle>,
    /// Which.
    pub item_ids: Vec<ItemId>,
}

type Kept = BTreeMap<(SubjectCategory, DataCategory, Vec<Obstacle>), Vec<ItemId>>;

impl ErasureRecord {
    /// Notes what a plan does at `erased_at`.
    pub fn note(&mut self, plan: &ErasurePlan, erased_at: Timestamp) {
        self.erased.extend(went(plan.going(), erased_at));
        let mut kept = self.take_kept();
        for one in plan.items.iter().filter(|it| !it.obstacles.is_empty()) {
            add(&mut kept, one);
        }
        self.put_kept(kept);
    }

    /// Notes what became of items that had stayed: those that nothing keeps went now, the others stay
    /// on the grounds of now. Items that the record knows nothing of are left out. Says whether
    /// anything changed.
    pub fn review(&mut self, reviewed: &[PlannedItem], now: Timestamp) -> bool {
        let by_id: HashMap<_, _> = reviewed.iter().map(|it| (it.item.item_id, it)).collect();
        let (mut gone, mut changed) = (Vec::new(), Vec::new());
        for group in &mut self.kept {
            let grounds = &group.grounds;
            group.item_ids.retain(|id| match by_id.get(id) {
                Some(one) if one.obstacles.is_empty() => {
                    gone.push(&one.item);
                    false
                }
                Some(one) if one.obstacles != *grounds => {
                    changed.push(*one);
                    false
                }
                _ => true,
            });
        }
        let is_news = !gone.is_empty() || !changed.is_empty();
        self.erased.extend(went(gone.into_iter(), now));
        let mut kept = self.take_kept();
        for one in changed {
            add(&mut kept, one);
        }
        self.put_kept(kept);
        is_news
    }

    /// How many items have gone.
    pub fn erased_items(&self) -> u64 {
        self.erased.iter().map(|it| it.item_ids.len() as u64).sum()
    }

    /// How many items stay.
    pub fn kept_items(&self) -> u64 {
        self.kept.iter().map(|it| it.item_ids.len() as u64).sum()
    }

    fn take_kept(&mut self) -> Kept {
        let mut kept = Kept::new();
        for group in std::mem::take(&mut self.kept) {
            let key = (group.subject_category, group.data_category, group.grounds);
            kept.entry(key).or_default().extend(group.item_ids);
        }
        kept
    }

    fn put_kept(&mut self, kept: Kept) {
        let groups = kept.into_iter().map(|(key, item_ids)| KeptItems {
            subject_category: key.0,
            data_category: key.1,
            grounds: key.2,
            item_ids,
        });
        self.kept = groups.filter(|it| !it.item_ids.is_empty()).collect();
    }
}

fn add(kept: &mut Kept, one: &PlannedItem) {
    let item = &one.item;
    let key = (
        item.subject_category.clone(),
        item.data_category.clone(),
        one.obstacles.clone(),
    );
    kept.entry(key).or_default().push(item.item_id);
}

fn went<'i>(items: impl Iterator<Item = &'i ItemState>, erased_at: Timestamp) -> Vec<ErasedItems> {
    let mut groups = BTreeMap::<_, Vec<_>>::new();
    for item in items {
        let key = (item.subject_category.clone(), item.data_category.clone());
        groups.entry(key).or_default().push(item.item_id);
    }
    let groups = groups.into_iter().map(|(key, item_ids)| ErasedItems {
        subject_category: key.0,
        data_category: key.1,
        erased_at,
        item_ids,
    });
    groups.collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use uuid::Uuid;

    use super::*;

    pub(crate) fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("an instant of this test")
    }

    fn planned(id: u128, data: &str, grounds: &[&str]) -> PlannedItem {
        let item = serde_json::json!({
            "item_id": Uuid::from_u128(id), "subject_category": "client",
            "data_category": data, "source": "shop",
            "collected_at": "2024-01-31T12:00:00Z", "policy_version": "v", "purposes": [],
        });
        let obstacles = grounds.iter().map(|ground| Obstacle {
            legal_hold_id: None,
            until: None,
            ground: (*ground).to_owned(),
            article: "GDPR Art. 17(3)(b)".to_owned(),
            purposes: Vec::new(),
        });
        PlannedItem {
            item: serde_json::from_value(item).expect("an item"),
            obstacles: obstacles.collect(),
        }
    }

    /// Two e-mail addresses went at second 10, two invoices stay for the tax law.
    pub(crate) fn record() -> ErasureRecord {
        let mut record = ErasureRecord {
            subject_request_id: SubjectRequestId(Uuid::from_u128(1)),
            subject_id: SubjectId(Uuid::from_u128(2)),
            erased_at: at(10),
            ground: ErasureGround::NoLongerNecessary,
            whole_subject: true,
            suppressed_identifiers: 1,
            erased: Vec::new(),
            kept: Vec::new(),
        };
        let plan = ErasurePlan {
            items: vec![
                planned(1, "email_address", &[]),
                planned(2, "invoice", &["tax law"]),
                planned(3, "email_address", &[]),
                planned(4, "invoice", &["tax law"]),
            ],
            whole_subject: true,
        };
        record.note(&plan, at(10));
        record
    }

    #[test]
    fn items_stand_together_by_what_they_are_and_why_they_stay() {
        let record = record();
        assert_eq!((record.erased.len(), record.erased_items()), (1, 2));
        assert_eq!((record.kept.len(), record.kept_items()), (1, 2));
    }

    #[test]
    fn what_nothing_keeps_any_more_has_gone_with_its_own_date_and_the_rest_stays() {
        let mut record = record();
        let reviewed = [
            planned(2, "invoice", &[]),
            planned(4, "invoice", &["tax law"]),
            planned(9, "invoice", &[]),
        ];
        assert!(record.review(&reviewed, at(20)));
        assert_eq!((record.erased_items(), record.kept_items()), (3, 1));
        assert_eq!(record.erased[1].erased_at, at(20));
        assert!(!record.review(&reviewed, at(30)), "it is known already");
    }

    #[test]
    fn an_item_whose_grounds_have_changed_stands_with_those_of_the_same_grounds() {
        let mut record = record();
        let both = ["tax law", "case 7"];
        let reviewed = [
            planned(2, "invoice", &both),
            planned(4, "invoice", &["tax law"]),
        ];
        assert!(record.review(&reviewed, at(20)));
        assert_eq!((record.kept.len(), record.kept_items()), (2, 2));
        let reviewed = [planned(2, "invoice", &["tax law"])];
        assert!(record.review(&reviewed, at(30)));
        assert_eq!((record.kept.len(), record.kept_items()), (1, 2));
    }

    #[test]
    fn it_reads_as_it_was_written() {
        let text = serde_json::to_string(&record()).expect("JSON");
        let read: ErasureRecord = serde_json::from_str(&text).expect("the record");
        assert_eq!(read, record());
    }
}
