//! How far the writing of a package has come. It is kept after each step, in the transaction of what the
//! step wrote: a package that a crash interrupted goes on behind its last piece.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{ExportFormat, model::Totals, record::ExportRecord};
use crate::domain::{
    id::{ConsentId, DisclosureId, ItemId},
    name::DataCategory,
};

/// A package, with how far its writing has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Export {
    /// What is recorded of it.
    pub record: ExportRecord,
    /// How far it has come.
    pub writing: Writing,
}

/// How far a package has come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writing {
    /// The data categories that were asked for; empty: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data_categories: Vec<DataCategory>,
    /// How often it was begun anew: what was read of an earlier round does not count.
    pub round: u32,
    /// What comes next.
    pub stage: Stage,
    /// The data categories in it, in their order.
    pub chapters: Vec<Chapter>,
    /// Entries written.
    pub totals: Totals,
    /// What is written of the JSON.
    pub json: Extent,
    /// What is written of the page for people.
    pub html: Extent,
}

/// What comes next.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "stage", rename_all = "snake_case")]
pub enum Stage {
    /// Nothing is written yet: holders may still have something to hand over.
    #[default]
    Waiting,
    /// How much of what there is has to be counted one by one, before it can be said.
    Counting(Place),
    /// The items.
    Items(Place),
    /// What went to whom, recorded before the last one that is written.
    Disclosures {
        /// The last one.
        last: Option<(Timestamp, DisclosureId)>,
    },
    /// What the person said, recorded before the last one that is written.
    Consents {
        /// The last one.
        last: Option<(Timestamp, ConsentId)>,
    },
    /// Everything is written.
    Written,
}

/// A place among the items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Which data category.
    pub chapter: usize,
    /// Behind which item of it.
    pub after: Option<ItemId>,
}

/// A data category in a package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chapter {
    /// Which one.
    pub data_category: DataCategory,
    /// Items of it when the writing began.
    pub items: u64,
    /// Of each role the item that was collected last: a retention by last activity runs from it.
    pub latest: Vec<ItemId>,
}

/// How much of a format is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// Pieces.
    pub pieces: u64,
    /// Bytes.
    pub bytes: u64,
}

impl Place {
    /// The place behind an item of the same data category.
    #[must_use]
    pub fn behind(self, item: ItemId) -> Self {
        Self {
            after: Some(item),
            ..self
        }
    }

    /// The beginning of the next data category.
    #[must_use]
    pub fn next_chapter(self) -> Self {
        Self {
            chapter: self.chapter + 1,
            after: None,
        }
    }
}

impl Writing {
    /// Nothing is written yet.
    pub fn of(data_categories: Vec<DataCategory>) -> Self {
        Self {
            data_categories,
            ..Self::default()
        }
    }

    /// It begins anew: what was written is thrown away.
    pub fn restart(&mut self) {
        *self = Self {
            round: self.round + 1,
            ..Self::of(std::mem::take(&mut self.data_categories))
        };
    }

    /// How much of a format is written.
    pub fn extent(&self, format: ExportFormat) -> Extent {
        match format {
            ExportFormat::Json => self.json,
            ExportFormat::Html => self.html,
        }
    }

    /// As [`Self::extent`], to be moved on.
    pub fn extent_mut(&mut self, format: ExportFormat) -> &mut Extent {
        match format {
            ExportFormat::Json => &mut self.json,
            ExportFormat::Html => &mut self.html,
        }
    }

    /// Whether data of this category was asked for.
    pub fn covers(&self, data: &DataCategory) -> bool {
        self.data_categories.is_empty() || self.data_categories.contains(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_at_every_stage() {
        let place = Place {
            chapter: 3,
            after: Some(uuid::Uuid::from_u128(7).into()),
        };
        let last = Some((Timestamp::UNIX_EPOCH, uuid::Uuid::from_u128(8).into()));
        for stage in [
            Stage::Waiting,
            Stage::Counting(Place::default()),
            Stage::Items(place),
            Stage::Disclosures { last },
            Stage::Consents { last: None },
            Stage::Written,
        ] {
            let writing = Writing {
                stage,
                ..Writing::of(vec!["navigation".parse().expect("a name")])
            };
            let kept = serde_json::to_string(&writing).expect("writes");
            assert_eq!(
                serde_json::from_str::<Writing>(&kept).expect("reads"),
                writing
            );
        }
    }

    #[test]
    fn a_new_round_forgets_what_was_written_and_not_what_was_asked_for() {
        let mut writing = Writing::of(vec!["navigation".parse().expect("a name")]);
        writing.stage = Stage::Written;
        writing.json.bytes = 9;
        writing.restart();
        assert_eq!((writing.round, writing.json.bytes), (1, 0));
        assert_eq!(writing.stage, Stage::Waiting);
        assert!(!writing.covers(&"email_address".parse().expect("a name")));
    }
}
