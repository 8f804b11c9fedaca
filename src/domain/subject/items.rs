//! A subject's live items, which may be a hundred thousand.

use std::{
    collections::BTreeMap,
    ops::{Deref, DerefMut},
    sync::OnceLock,
};

use jiff::Timestamp;

use crate::domain::{
    item::ItemState,
    name::{DataCategory, SubjectCategory},
};

/// Items by what they are.
type ByCategory = BTreeMap<(DataCategory, SubjectCategory), Timestamp>;

/// Live items, without content. What each of them depends on of all the others is found out once, not for
/// each of them.
#[derive(Clone, Debug, Default)]
pub struct Items {
    list: Vec<ItemState>,
    latest: OnceLock<ByCategory>,
}

impl Items {
    /// When something of a data category was last collected, in each subject category.
    pub fn latest_collections<'i>(
        &'i self,
        data: &'i DataCategory,
    ) -> impl Iterator<Item = (&'i SubjectCategory, Timestamp)> {
        let latest = self.latest.get_or_init(|| latest(&self.list));
        let of_data = latest.iter().filter(move |((of, _), _)| of == data);
        of_data.map(|((_, subject), at)| (subject, *at))
    }
}

fn latest(items: &[ItemState]) -> ByCategory {
    let mut latest = ByCategory::new();
    for item in items {
        let key = (item.data_category.clone(), item.subject_category.clone());
        let at = latest.entry(key).or_insert(item.collected_at);
        *at = item.collected_at.max(*at);
    }
    latest
}

impl Deref for Items {
    type Target = Vec<ItemState>;

    fn deref(&self) -> &Self::Target {
        &self.list
    }
}

/// Whoever changes the list has what was found out forgotten.
impl DerefMut for Items {
    fn deref_mut(&mut self) -> &mut Self::Target {
        self.latest.take();
        &mut self.list
    }
}

impl PartialEq for Items {
    fn eq(&self, other: &Self) -> bool {
        self.list == other.list
    }
}

impl Eq for Items {}

impl From<Vec<ItemState>> for Items {
    fn from(list: Vec<ItemState>) -> Self {
        Self {
            list,
            latest: OnceLock::new(),
        }
    }
}

impl FromIterator<ItemState> for Items {
    fn from_iter<I: IntoIterator<Item = ItemState>>(items: I) -> Self {
        Vec::from_iter(items).into()
    }
}

impl IntoIterator for Items {
    type Item = ItemState;
    type IntoIter = std::vec::IntoIter<ItemState>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.into_iter()
    }
}

impl<'i> IntoIterator for &'i Items {
    type Item = &'i ItemState;
    type IntoIter = std::slice::Iter<'i, ItemState>;

    fn into_iter(self) -> Self::IntoIter {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn item(subject: &str, hour: i64) -> ItemState {
        // As it is stored: what is not named has its default.
        serde_json::from_value(serde_json::json!({
            "item_id": Uuid::from_u128(1),
            "subject_category": subject,
            "data_category": "navigation",
            "source": "web",
            "collected_at": at(hour),
            "policy_version": "1",
            "purposes": [],
        }))
        .expect("an item of this test")
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(hour * 3_600).expect("an hour of this test")
    }

    fn latest_of(items: &Items) -> Vec<(String, Timestamp)> {
        let navigation = "navigation".parse().expect("a name");
        let latest = items.latest_collections(&navigation);
        latest.map(|(of, at)| (of.to_string(), at)).collect()
    }

    #[test]
    fn the_latest_collection_of_each_subject_category_is_known_also_after_a_change() {
        let mut items = Items::from(vec![item("visitor", 2), item("visitor", 1)]);
        assert_eq!(latest_of(&items), [("visitor".to_owned(), at(2))]);
        items.push(item("client", 3));
        items.push(item("visitor", 4));
        let both = [("client".to_owned(), at(3)), ("visitor".to_owned(), at(4))];
        assert_eq!(latest_of(&items), both);
        items.clear();
        assert_eq!(latest_of(&items), []);
    }
}
