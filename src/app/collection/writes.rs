//! What registrations amount to, gathered, and then written in a few statements.

use std::collections::BTreeMap;

use crate::{
    app::{effect::Effect, error::Error, restore::apply_waiting},
    domain::{
        caller::Caller,
        consent::ConsentRecord,
        id::{ItemId, SubjectId},
        item::{Item, ItemState},
        journal::JournalEntry,
        membership::MembershipFact,
        subject::Objection,
    },
    store::{
        Tx,
        identifier::{IdentifierKey, NewIdentifier},
        item::ItemChange,
    },
};

/// Rows to be written.
#[derive(Default)]
pub(super) struct Writes {
    pub(super) subjects: Vec<SubjectId>,
    pub(super) links: Vec<NewIdentifier>,
    pub(super) memberships: Vec<(SubjectId, MembershipFact)>,
    /// Of several that replace each other the last is left.
    pub(super) items: BTreeMap<(SubjectId, ItemId), Item>,
    pub(super) history: Vec<(SubjectId, ItemState, ItemChange)>,
    pub(super) consents: Vec<ConsentRecord>,
    /// Identifiers whose owner has come back.
    pub(super) lifted: Vec<IdentifierKey>,
    pub(super) objections: Vec<(SubjectId, Objection)>,
    /// What waited for people who are known again.
    pub(super) waited: Vec<(SubjectId, JournalEntry)>,
}

impl Writes {
    /// Applies what waited for a person, whatever number of identifiers leads to it.
    pub(super) fn wait_no_more(&mut self, subject: SubjectId, waiting: &[JournalEntry]) {
        for entry in waiting {
            let is_known = |(of, one): &(SubjectId, JournalEntry)| {
                *of == subject && one.entry_id == entry.entry_id
            };
            if !self.waited.iter().any(is_known) {
                self.waited.push((subject, entry.clone()));
            }
        }
    }

    /// Writes them. What had waited for people who are known again is told apart.
    pub(super) async fn flush(self, tx: &mut Tx, caller: &Caller) -> Result<Effect, Error> {
        let Self {
            subjects,
            links,
            memberships,
            items,
            history,
            consents,
            lifted,
            objections,
            waited,
        } = self;
        let by = caller.service.as_str();
        tx.insert_subjects(&subjects).await?;
        tx.lift_suppressions(&lifted).await?;
        tx.link_identifiers(&links, by).await?;
        tx.append_membership_facts(&memberships, by).await?;
        // Nothing can be in the way of what a new person has.
        let is_new = |(subject, _): &(SubjectId, ItemId)| subjects.contains(subject);
        let (new, old) = items.into_iter().partition(|(key, _)| is_new(key));
        tx.insert_items(&new).await?;
        tx.put_items(&old).await?;
        tx.append_item_history(&history).await?;
        tx.append_consents(&consents).await?;
        tx.insert_objections(None, &objections).await?;
        let mut effect = Effect::default();
        for (subject, entry) in waited {
            effect.join(apply_waiting(tx, subject, &[entry]).await?);
        }
        Ok(effect)
    }
}
