//! Merging: everything of one subject moves to another, and the old id leads to the new one. Of two
//! answers the denial wins.

use std::collections::HashMap;

use super::error::Error;
use crate::{
    domain::{
        caller::Caller,
        consent::{
            ConsentFact, ConsentRecord,
            merge::{InheritedDenial, merge_denials},
        },
        event::{Event, EventKind},
        id::{ConsentId, ItemId, SubjectId},
        journal::JournalKind,
        name::Source,
        policy::history::PolicyHistory,
    },
    store::Tx,
};

/// Items of one subject that one merge moves. Each is sealed anew while everything else waits.
pub const MERGED_ITEMS_MAX: u64 = 10_000;

/// Refuses to merge away a subject with more items than one merge moves. Nothing is written.
pub(super) async fn check_size(tx: &Tx, from: SubjectId) -> Result<(), Error> {
    if tx.count_items(from).await? > MERGED_ITEMS_MAX {
        return Err(Error::TooLarge(
            "the subject to be merged away has more than 10,000 items",
        ));
    }
    Ok(())
}

/// Moves everything of `from` to `into`. Both are held, living, and not the same. The key of `from`
/// is destroyed once this is committed. Call [`check_size`] before. Returns the event that tells of
/// it.
pub(super) async fn merge_subject(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    from: SubjectId,
    into: SubjectId,
) -> Result<Event, Error> {
    let (event, inherited) = merge_unjournaled(tx, policies, &caller.service, from, into).await?;
    let mut journal = vec![(into, JournalKind::SubjectsMerged { merged: from })];
    journal.extend(JournalKind::denials(&inherited));
    tx.append_journal(journal).await?;
    Ok(event)
}

/// As [`merge_subject`], for what the journal knows already. Where the key of `from` is destroyed,
/// what it sealed is gone, and the rest moves. Returns the denials that `into` inherited as well.
pub(super) async fn merge_unjournaled(
    tx: &mut Tx,
    policies: &PolicyHistory,
    by: &Source,
    from: SubjectId,
    into: SubjectId,
) -> Result<(Event, Vec<ConsentRecord>), Error> {
    tx.prepare_keys(&[from, into]).await?;
    let mut facts = tx.list_consent_facts(&[from, into]).await?;
    let theirs = facts.remove(&from).unwrap_or_default();
    let ours = facts.remove(&into).unwrap_or_default();
    let gone = if tx.has_key(from).await? {
        tx.intend_key_destruction(from).await?;
        move_sealed(tx, from, into).await?
    } else {
        tx.move_without_key(from, into).await?;
        tx.forget_corrections(from).await?;
        HashMap::new()
    };
    move_the_rest(tx, from, into, &gone).await?;
    let inherited = inherit_denials(tx, policies, by, into, (&ours, &theirs)).await?;
    tx.redirect_subject(from, into).await?;
    let event = Event {
        merged_subject_id: Some(from),
        ..Event::new(EventKind::SubjectsMerged, Some(into))
    };
    Ok((event, inherited))
}

/// What is sealed under the key of `from`. Returns which item went up in which.
async fn move_sealed(
    tx: &mut Tx,
    from: SubjectId,
    into: SubjectId,
) -> Result<HashMap<ItemId, ItemId>, Error> {
    tx.move_identifiers(from, into).await?;
    let gone = tx.move_items(from, into).await?;
    tx.move_consents(from, into).await?;
    tx.move_disclosures(from, into).await?;
    tx.move_corrections(from, into).await?;
    Ok(gone)
}

async fn move_the_rest(
    tx: &mut Tx,
    from: SubjectId,
    into: SubjectId,
    gone: &HashMap<ItemId, ItemId>,
) -> Result<(), Error> {
    tx.move_memberships(from, into).await?;
    tx.move_activity(from, into).await?;
    tx.move_objections(from, into).await?;
    tx.move_restrictions(from, into).await?;
    tx.move_holds(from, into, gone).await?;
    tx.move_processor_purges(from, into, gone).await?;
    tx.move_withdrawal_tokens(from, into).await?;
    tx.move_tasks(from, into).await?;
    tx.move_requests(from, into).await?;
    tx.move_erasures(from, into).await?;
    tx.move_exports(from, into).await?;
    Ok(())
}

/// Appends the denials that one history ended in and that both together would lose, each with the
/// evidence of the fact that denied.
async fn inherit_denials(
    tx: &mut Tx,
    policies: &PolicyHistory,
    by: &Source,
    into: SubjectId,
    (ours, theirs): (&[ConsentFact], &[ConsentFact]),
) -> Result<Vec<ConsentRecord>, Error> {
    let versions = policies.versions().iter();
    let processors = versions.flat_map(|version| version.policy().processors.keys());
    let inherited = merge_denials(ours, theirs, processors, tx.now());
    let mut records = Vec::with_capacity(inherited.len());
    for InheritedDenial {
        fact,
        processors,
        occurred_at,
    } in inherited
    {
        let denied = tx.find_consent(into, fact.consent_id).await?;
        let denied = denied.ok_or_else(|| Error::Internal("a moved consent is gone".into()))?;
        records.push(ConsentRecord {
            consent_id: ConsentId(tx.new_id()),
            processors,
            occurred_at,
            recorded_at: tx.now(),
            recorded_by: by.clone(),
            ..denied
        });
    }
    tx.append_consents(&records).await?;
    Ok(records)
}
