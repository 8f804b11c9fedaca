//! Legal holds: items that must stay although they would be erased or purged (Art. 17(3)). A hold is
//! on items, never on a person as a whole, and permits no use by itself.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    id::{ItemId, LegalHoldId, SubjectId},
    item::ItemState,
    name::{DataCategory, Purpose, Source},
};

/// The article that a hold rests on when nothing else is said: the establishment, exercise or defence
/// of legal claims.
pub const ARTICLE_DEFAULT: &str = "GDPR Art. 17(3)(e)";

/// A legal hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LegalHold {
    /// Its id.
    pub legal_hold_id: LegalHoldId,
    /// The person whose items it is on.
    pub subject_id: SubjectId,
    /// The items that it names.
    pub item_ids: Vec<ItemId>,
    /// The data categories of which it is on every item, later ones included.
    pub data_categories: Vec<DataCategory>,
    /// What a held item stays answerable for after an erasure; may be empty.
    pub purposes: Vec<Purpose>,
    /// The matter: a case number, an authority's order. No personal data.
    pub matter: String,
    /// The article that it rests on.
    pub article: String,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// Who placed it.
    pub placed_by: Source,
    /// When it was released; `None`: it stands.
    pub released_at: Option<Timestamp>,
    /// Who released it.
    pub released_by: Option<Source>,
}

impl LegalHold {
    /// Whether it stands: nobody has released it.
    pub fn stands(&self) -> bool {
        self.released_at.is_none()
    }

    /// Whether the item is one of those that it is on.
    pub fn covers(&self, item: &ItemState) -> bool {
        self.item_ids.contains(&item.item_id) || self.data_categories.contains(&item.data_category)
    }
}

/// The holds among `holds` that keep `item`.
pub fn holds_on<'h>(
    holds: &'h [LegalHold],
    item: &'h ItemState,
) -> impl Iterator<Item = &'h LegalHold> {
    holds
        .iter()
        .filter(|hold| hold.stands() && hold.covers(item))
}

/// Whether one of `holds` keeps `item`.
pub fn is_held(holds: &[LegalHold], item: &ItemState) -> bool {
    holds_on(holds, item).next().is_some()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn item(id: u128, data: &str) -> ItemState {
        // As it is stored: what is not named has its default.
        serde_json::from_value(serde_json::json!({
            "item_id": Uuid::from_u128(id),
            "subject_category": "client",
            "data_category": data,
            "source": "shop",
            "collected_at": "2024-01-01T00:00:00Z",
            "policy_version": "2018-05-24",
            "purposes": [],
        }))
        .expect("an item of this test")
    }

    fn hold(items: &[u128], data: &[&str]) -> LegalHold {
        LegalHold {
            legal_hold_id: LegalHoldId(Uuid::from_u128(1)),
            subject_id: SubjectId(Uuid::from_u128(2)),
            item_ids: items
                .iter()
                .map(|id| ItemId(Uuid::from_u128(*id)))
                .collect(),
            data_categories: data
                .iter()
                .map(|data| data.parse().expect("a name"))
                .collect(),
            purposes: Vec::new(),
            matter: "case 7".to_owned(),
            article: ARTICLE_DEFAULT.to_owned(),
            placed_at: Timestamp::UNIX_EPOCH,
            placed_by: "legal".parse().expect("a service"),
            released_at: None,
            released_by: None,
        }
    }

    #[test]
    fn a_hold_is_on_the_items_that_it_names_and_not_on_their_neighbours() {
        let holds = [hold(&[7], &[])];
        assert!(is_held(&holds, &item(7, "order_contents")));
        assert!(!is_held(&holds, &item(8, "order_contents")));
    }

    #[test]
    fn a_hold_is_on_every_item_of_its_data_categories_and_on_no_other() {
        let holds = [hold(&[], &["payment_details"])];
        assert!(is_held(&holds, &item(7, "payment_details")));
        assert!(is_held(&holds, &item(8, "payment_details")));
        assert!(!is_held(&holds, &item(7, "order_contents")));
    }

    #[test]
    fn a_released_hold_keeps_nothing_and_another_one_still_does() {
        let mut released = hold(&[7], &[]);
        released.released_at = Some(Timestamp::UNIX_EPOCH);
        assert!(!is_held(&[released.clone()], &item(7, "order_contents")));
        let holds = [released, hold(&[7], &[])];
        assert_eq!(holds_on(&holds, &item(7, "order_contents")).count(), 1);
    }
}
