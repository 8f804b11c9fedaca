//! What an erasure leaves to be told, logged and kept outside the database.

use super::{super::effect::Effect, subject::Ended};
use crate::{
    app::error::Error,
    domain::{
        audit::AuditDetail,
        event::{Event, EventKind},
        id::{SubjectId, SubjectRequestId},
        item::ItemState,
        journal::{ErasedSubject, JournalKind, RetainedItem},
        name::{DataCategory, Purpose},
    },
    store::Tx,
};

/// Items that one event or entry of the log names: more would not fit into a message.
const NAMED_MAX: usize = 10_000;
/// What the log says of what has gone.
const ERASED: &str = "ERASED";
/// What the log says of what stays.
const RETAINED: &str = "RETAINED";

/// What was done, and for whom.
pub(super) struct Traced<'i> {
    pub(super) subject: SubjectId,
    pub(super) request: Option<SubjectRequestId>,
    /// What has gone.
    pub(super) gone: &'i [ItemState],
    /// What stays, with its grounds.
    pub(super) staying: &'i [ItemState],
}

impl Traced<'_> {
    /// That the person as a whole was erased.
    pub(super) async fn subject_erased(
        &self,
        tx: &mut Tx,
        ended: Ended,
        effect: &mut Effect,
    ) -> Result<(), Error> {
        let ids: Vec<_> = self.gone.iter().map(|item| item.item_id).collect();
        effect.events.push(Event {
            data_categories: data_categories(self.gone),
            processors: tx.list_recipients(self.subject, &ids).await?,
            subject_request_id: self.request,
            ..Event::new(EventKind::SubjectErased, Some(self.subject))
        });
        let erased = ErasedSubject {
            erased_at: tx.now(),
            retained: self.staying.iter().map(RetainedItem::from).collect(),
            subject_request_id: self.request,
            suppressed: ended.suppressed,
            objected: ended.objected,
        };
        let erased = JournalKind::Erased(erased);
        effect.journal.push((self.subject, erased));
        self.log(effect);
        Ok(())
    }

    /// That items were erased, of a person who lives on or was erased before.
    pub(super) async fn items_erased(&self, tx: &mut Tx, effect: &mut Effect) -> Result<(), Error> {
        for items in self.gone.chunks(NAMED_MAX) {
            let deleted = self.event(tx, EventKind::ItemsDeleted, items).await?;
            effect.events.push(deleted);
            let deleted = JournalKind::deleted(items, tx.now());
            effect.journal.push((self.subject, deleted));
        }
        for items in self.staying.chunks(NAMED_MAX) {
            // Others hear that they must not use it any more, but for its grounds.
            let restricted = self.event(tx, EventKind::RestrictionApplied, items).await?;
            effect.events.push(Event {
                purposes: grounds(items),
                ..restricted
            });
            let retained = JournalKind::retained(items, self.request);
            effect.journal.push((self.subject, retained));
        }
        self.log(effect);
        Ok(())
    }

    async fn event(&self, tx: &Tx, kind: EventKind, items: &[ItemState]) -> Result<Event, Error> {
        let item_ids: Vec<_> = items.iter().map(|item| item.item_id).collect();
        Ok(Event {
            data_categories: data_categories(items),
            processors: tx.list_recipients(self.subject, &item_ids).await?,
            item_ids,
            subject_request_id: self.request,
            ..Event::new(kind, Some(self.subject))
        })
    }

    fn log(&self, effect: &mut Effect) {
        let gone = self.gone.chunks(NAMED_MAX).map(|items| (items, ERASED));
        let staying = self.staying.chunks(NAMED_MAX);
        let details = gone.chain(staying.map(|items| (items, RETAINED)));
        effect
            .audit
            .extend(details.map(|(items, outcome)| AuditDetail {
                data_categories: data_categories(items),
                purposes: grounds(items),
                item_ids: items.iter().map(|item| item.item_id).collect(),
                subject_request_id: self.request,
                outcome: outcome.to_owned(),
                ..AuditDetail::of(self.subject)
            }));
    }
}

/// The data categories of items, each once.
pub(super) fn data_categories(items: &[ItemState]) -> Vec<DataCategory> {
    let mut data: Vec<_> = items.iter().map(|it| it.data_category.clone()).collect();
    data.sort_unstable();
    data.dedup();
    data
}

/// The purposes that are the ground for keeping items, each once.
fn grounds(items: &[ItemState]) -> Vec<Purpose> {
    let grounds = items.iter().filter_map(|it| it.retained_for.as_ref());
    let mut grounds: Vec<_> = grounds.flatten().cloned().collect();
    grounds.sort_unstable();
    grounds.dedup();
    grounds
}
