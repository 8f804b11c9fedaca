//! Merging: everything of one subject moves to another, and the old id leads to the new one. Of two
//! answers the denial wins.

use std::collections::HashMap;

use super::error::Error;
use crate::{
    domain::{
        caller::Caller,
        consent::{
            ConsentFact, ConsentRecord,
            merge::{InheritedDenial, merge_denials, outweighed},
        },
        event::{Event, EventKind},
        id::{ConsentId, ItemId, SubjectId},
        journal::JournalKind,
        name::{Processor, Source},
        policy::history::PolicyHistory,
        subject::SubjectState,
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
    let theirs = said(tx, from).await?;
    let ours = said(tx, into).await?;
    let gone = if tx.has_key(from).await? {
        tx.intend_key_destruction(from).await?;
        move_sealed(tx, from, into).await?
    } else {
        tx.move_without_key(from, into).await?;
        tx.forget_corrections(from).await?;
        HashMap::new()
    };
    move_the_rest(tx, from, into, &gone).await?;
    let facts = (ours.consents.as_slice(), theirs.consents.as_slice());
    let inherited = inherit_denials(tx, policies, by, into, facts).await?;
    renew_outweighed(tx, policies, into, (&ours, &theirs)).await?;
    tx.redirect_subject(from, into).await?;
    let event = Event {
        merged_subject_id: Some(from),
        ..Event::new(EventKind::SubjectsMerged, Some(into))
    };
    Ok((event, inherited))
}

/// Everything that a subject said to uses of its data.
async fn said(tx: &Tx, subject: SubjectId) -> Result<SubjectState, Error> {
    let mut facts = tx.list_consent_facts(&[subject]).await?;
    let mut objections = tx.list_objections(&[subject]).await?;
    let mut restrictions = tx.list_restrictions(&[subject]).await?;
    Ok(SubjectState {
        consents: facts.remove(&subject).unwrap_or_default(),
        objections: objections.remove(&subject).unwrap_or_default(),
        restrictions: restrictions.remove(&subject).unwrap_or_default(),
        ..SubjectState::new(subject)
    })
}

/// Lets what one of two people said against a use count from the merge on, where a later yes of the
/// other would outweigh it.
async fn renew_outweighed(
    tx: &mut Tx,
    policies: &PolicyHistory,
    into: SubjectId,
    (ours, theirs): (&SubjectState, &SubjectState),
) -> Result<(), Error> {
    // Under no policy nothing is lawful, and a later one is not known.
    let latest = policies.in_force(tx.now()).or(policies.versions().last());
    let Some(policy) = latest else {
        return Ok(());
    };
    let renewed = outweighed(policy, ours, theirs, known_processors(policies), tx.now());
    if !renewed.objections.is_empty() {
        tx.renew_objections(into, &renewed.objections, renewed.from)
            .await?;
    }
    if !renewed.restrictions.is_empty() {
        tx.renew_restrictions(into, &renewed.restrictions, renewed.from)
            .await?;
    }
    Ok(())
}

/// The processors of every published version.
fn known_processors(policies: &PolicyHistory) -> impl Iterator<Item = &Processor> {
    let versions = policies.versions().iter();
    versions.flat_map(|version| version.policy().processors.keys())
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
    let inherited = merge_denials(ours, theirs, known_processors(policies), tx.now());
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::{
        app::{
            Call,
            purpose::Check,
            scene::{say, visitor},
            testing::{TestRegistry, registry},
        },
        domain::{
            audit::Action,
            consent::ConsentChoice,
            id::{ObjectionId, RestrictionId, SubjectRequestId},
            subject::{Objection, Restriction},
            subject_ref::SubjectRef,
        },
    };

    async fn object(test: &TestRegistry, subject: SubjectId) {
        let now = test.registry.now();
        let store = test.registry.store();
        let written = store.write("test", now, move |tx| {
            Box::pin(async move {
                let objection = Objection {
                    objection_id: ObjectionId(tx.new_id()),
                    purpose: "newsletter".parse().expect("a name"),
                    occurred_at: tx.now(),
                    rejected_at: None,
                };
                tx.insert_objections(None, &[(subject, objection)]).await?;
                Ok::<_, Error>(())
            })
        });
        written.await.expect("written");
    }

    async fn restrict(test: &TestRegistry, subject: SubjectId) {
        let now = test.registry.now();
        let store = test.registry.store();
        let written = store.write("test", now, move |tx| {
            Box::pin(async move {
                let restriction = Restriction {
                    restriction_id: RestrictionId(tx.new_id()),
                    data_categories: Vec::new(),
                    started_at: tx.now(),
                    lifted_at: None,
                };
                let request = SubjectRequestId(tx.new_id());
                tx.insert_restriction(subject, request, &restriction)
                    .await?;
                Ok::<_, Error>(())
            })
        });
        written.await.expect("written");
    }

    async fn merge(test: &TestRegistry, into: SubjectId, from: SubjectId) {
        let call = Call::new(test.caller.clone(), Action::MergeSubjects);
        let (into, from) = (SubjectRef::Id(into), SubjectRef::Id(from));
        let merged = test.registry.merge_subjects(call, into, from).await;
        merged.expect("merged");
    }

    async fn reason(test: &TestRegistry, subject: SubjectId) -> String {
        let check = Check {
            subject: SubjectRef::Id(subject),
            query: crate::domain::decision::Query {
                data_categories: vec!["email_address".parse().expect("a name")],
                item_ids: Vec::new(),
                purpose: "newsletter".parse().expect("a name"),
                processor: None,
            },
            at_least_as_fresh: None,
            explain: false,
            record: false,
            as_of: None,
        };
        let action = Action::CheckPurpose;
        let answer = test
            .registry
            .check_purpose(test.caller.clone(), action, check);
        let answer = answer.await;
        answer.expect("answered").decision.reason.to_string()
    }

    /// Two people, one of whom says yes a minute after the other was against it.
    async fn against(test: &TestRegistry, what: &str) -> (SubjectId, SubjectId) {
        let (one, other) = (visitor(test).await, visitor(test).await);
        match what {
            "OBJECTED" => object(test, one).await,
            _ => restrict(test, one).await,
        }
        test.clock.advance(Duration::from_mins(1));
        say(test, &[other], ConsentChoice::Given, "newsletter").await;
        test.clock.advance(Duration::from_mins(1));
        (one, other)
    }

    #[tokio::test]
    async fn an_objection_and_a_restriction_outlive_a_later_yes_of_the_other() {
        for what in ["OBJECTED", "PROCESSING_RESTRICTED"] {
            for into_the_one_against in [true, false] {
                let test = registry().await;
                let (one, other) = against(&test, what).await;
                assert_eq!(reason(&test, other).await, "LAWFUL");
                let (into, from) = if into_the_one_against {
                    (one, other)
                } else {
                    (other, one)
                };
                merge(&test, into, from).await;
                assert_eq!(reason(&test, into).await, what);
                // A yes of the person who is both answers it.
                test.clock.advance(Duration::from_mins(1));
                say(&test, &[into], ConsentChoice::Given, "newsletter").await;
                assert_eq!(reason(&test, into).await, "LAWFUL");
            }
        }
    }
}
