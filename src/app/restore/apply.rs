//! One entry of the journal, applied to a database that is older than it. Applying it twice is
//! applying it once.

mod items;
mod kept;

pub(super) use self::items::erase_without_key;
use self::items::{delete_again, erase_again, retain_again};
use crate::{
    app::{error::Error, merge::merge_unjournaled, registry::Change},
    domain::{
        audit::{AuditDetail, REGISTRY},
        consent::ConsentChoice,
        event::{Event, EventKind},
        hold::LegalHold,
        id::SubjectId,
        journal::{DeniedConsent, JournalEntry, JournalKind},
        membership::MembershipFact,
        name::Source,
        policy::history::PolicyHistory,
        suppression::Suppression,
    },
    store::{Tx, subject::SubjectRecord},
};

/// What the log says of an entry about a subject that the database does not know.
const UNKNOWN: &str = "SUBJECT_UNKNOWN";

/// What became of an entry.
pub(super) struct Applied {
    /// Whether the database knows the subject.
    pub is_known: bool,
    /// What others hear of.
    pub event: Option<Event>,
    /// What the log says.
    pub audit: AuditDetail,
}

impl Applied {
    fn to(event: Event) -> Self {
        let audit = AuditDetail {
            subject_id: event.subject_id,
            data_categories: event.data_categories.clone(),
            purposes: event.purposes.clone(),
            processors: event.processors.clone(),
            item_ids: event.item_ids.clone(),
            consent_ids: event.consent_ids.clone(),
            policy_version: event.policy_version.clone(),
            outcome: event.kind.as_str().to_owned(),
            ..AuditDetail::default()
        };
        Self {
            is_known: true,
            event: Some(event),
            audit,
        }
    }

    /// Nothing was left to do: the subject is erased, or the same has been done on another way.
    fn nothing(subject: SubjectId) -> Self {
        Self {
            is_known: true,
            event: None,
            audit: AuditDetail::of(subject),
        }
    }

    fn unknown(subject: SubjectId) -> Self {
        Self {
            is_known: false,
            event: None,
            audit: AuditDetail {
                outcome: UNKNOWN.to_owned(),
                ..AuditDetail::of(subject)
            },
        }
    }

    /// What is under way stands again as it did.
    fn kept(subject: SubjectId, what: &JournalKind, event: Option<Event>) -> Self {
        let audit = match &event {
            Some(event) => Self::to(event.clone()).audit,
            None => AuditDetail {
                outcome: what.name().to_owned(),
                ..AuditDetail::of(subject)
            },
        };
        Self {
            is_known: true,
            event,
            audit,
        }
    }

    /// It alone as a change.
    pub(super) fn change<T>(self, value: T) -> Change<T> {
        let change = Change::new(value, self.audit);
        match self.event {
            Some(event) => change.event(event),
            None => change,
        }
    }
}

/// Applies an entry that the database lacks.
pub(super) async fn apply(
    tx: &mut Tx,
    policies: &PolicyHistory,
    entry: &JournalEntry,
) -> Result<Applied, Error> {
    if let JournalKind::SubjectsMerged { merged } = entry.what {
        return merge_again(tx, policies, merged, entry.subject_id).await;
    }
    if let Some(kept) = kept::keep_again(tx, entry).await? {
        return Ok(kept);
    }
    if let JournalKind::Erased(erased) = &entry.what {
        // Whoever was erased is not to come back by a late registration, known here or not.
        let objected = erased.objected.iter();
        let suppression = Suppression {
            suppressed_at: erased.erased_at,
            objected: objected
                .map(|purpose| (purpose.clone(), erased.erased_at))
                .collect(),
        };
        tx.suppress(&erased.suppressed, &suppression).await?;
    }
    let Some(SubjectRecord {
        subject_id,
        erased_at,
        ..
    }) = tx.lock_subject(entry.subject_id).await?
    else {
        tx.let_wait(entry).await?;
        return Ok(Applied::unknown(entry.subject_id));
    };
    let event = if erased_at.is_some() {
        to_erased(tx, subject_id, entry).await?
    } else {
        to_living(tx, subject_id, entry).await?
    };
    match event {
        Some(event) => Ok(Applied::to(event)),
        None => Ok(Applied::nothing(subject_id)),
    }
}

/// The subject is held and was erased before: what stayed may have gone since, or stay on other grounds.
async fn to_erased(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    match &entry.what {
        JournalKind::ItemsDeleted { items, deleted_at } => {
            delete_again(tx, subject, items, *deleted_at).await
        }
        JournalKind::ItemsRetained {
            items,
            subject_request_id,
        } => retain_again(tx, subject, items, *subject_request_id, false).await,
        JournalKind::HoldKept(hold) => hold_again(tx, subject, hold).await.map(Some),
        _ => Ok(None),
    }
}

/// The subject is held and lives.
pub(super) async fn to_living(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    match &entry.what {
        JournalKind::ConsentDenied(_)
        | JournalKind::Objected { .. }
        | JournalKind::ObjectionDecided { .. } => deny_again(tx, subject, entry).await,
        JournalKind::Restricted { .. } | JournalKind::RestrictionLifted { .. } => {
            restrict_again(tx, subject, entry).await
        }
        JournalKind::ItemsDeleted { items, deleted_at } => {
            delete_again(tx, subject, items, *deleted_at).await
        }
        JournalKind::ItemsRetained {
            items,
            subject_request_id,
        } => retain_again(tx, subject, items, *subject_request_id, true).await,
        JournalKind::Erased(erased) => erase_again(tx, subject, erased).await.map(Some),
        JournalKind::CategoryEnded { .. } => end_again(tx, subject, entry).await,
        JournalKind::IdentifiersUnlinked { identifiers } => {
            for identifier in identifiers {
                tx.unlink_hashed(subject, identifier, entry.at).await?;
            }
            Ok(Some(Event::new(
                EventKind::IdentifierUnlinked,
                Some(subject),
            )))
        }
        JournalKind::HoldKept(hold) => hold_again(tx, subject, hold).await.map(Some),
        JournalKind::SubjectsMerged { .. }
        | JournalKind::RequestKept(_)
        | JournalKind::ErasureKept(_)
        | JournalKind::TaskKept(_)
        | JournalKind::NoticeKept(_) => Ok(None),
    }
}

/// A no to a purpose, and what became of it.
async fn deny_again(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    let of = |kind| Event::new(kind, Some(subject));
    match &entry.what {
        JournalKind::ConsentDenied(denied) => {
            tx.restore_denial(subject, denied).await?;
            Ok(Some(denial(subject, denied)))
        }
        JournalKind::Objected {
            objection_id,
            purpose,
            occurred_at,
            subject_request_id,
        } => {
            let instants = [*occurred_at, entry.at];
            tx.restore_objection(
                subject,
                *objection_id,
                purpose,
                instants,
                *subject_request_id,
            )
            .await?;
            Ok(Some(Event {
                purposes: vec![purpose.clone()],
                ..of(EventKind::ObjectionRecorded)
            }))
        }
        JournalKind::ObjectionDecided {
            objection_id,
            rejected_at,
        } => {
            tx.restore_rejection(subject, *objection_id, *rejected_at)
                .await?;
            Ok(Some(of(EventKind::ObjectionDecided)))
        }
        _ => Ok(None),
    }
}

/// A restriction, and its end.
async fn restrict_again(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    let of = |kind| Event::new(kind, Some(subject));
    match &entry.what {
        JournalKind::Restricted {
            restriction_id,
            data_categories,
            started_at,
            subject_request_id,
        } => {
            let instants = [*started_at, entry.at];
            tx.restore_restriction(
                subject,
                *restriction_id,
                data_categories,
                instants,
                *subject_request_id,
            )
            .await?;
            Ok(Some(Event {
                data_categories: data_categories.clone(),
                ..of(EventKind::RestrictionApplied)
            }))
        }
        JournalKind::RestrictionLifted {
            restriction_id,
            lifted_at,
        } => {
            tx.restore_lifting(subject, *restriction_id, *lifted_at)
                .await?;
            Ok(Some(of(EventKind::RestrictionLifted)))
        }
        _ => Ok(None),
    }
}

async fn hold_again(tx: &mut Tx, subject: SubjectId, hold: &LegalHold) -> Result<Event, Error> {
    let hold = LegalHold {
        subject_id: subject,
        ..hold.clone()
    };
    tx.put_hold_again(&hold).await?;
    let kind = if hold.stands() {
        EventKind::LegalHoldPlaced
    } else {
        EventKind::LegalHoldReleased
    };
    Ok(Event {
        legal_hold_id: Some(hold.legal_hold_id),
        ..Event::new(kind, Some(subject))
    })
}

fn denial(subject: SubjectId, denied: &DeniedConsent) -> Event {
    let kind = match denied.choice {
        ConsentChoice::Withdrawn => EventKind::ConsentWithdrawn,
        _ => EventKind::ConsentRecorded,
    };
    Event {
        purposes: vec![denied.purpose.clone()],
        processors: denied.processors.clone(),
        consent_ids: vec![denied.consent_id],
        policy_version: Some(denied.policy_version.clone()),
        ..Event::new(kind, Some(subject))
    }
}

async fn end_again(
    tx: &mut Tx,
    subject: SubjectId,
    entry: &JournalEntry,
) -> Result<Option<Event>, Error> {
    let JournalKind::CategoryEnded {
        subject_category,
        ended_at,
    } = &entry.what
    else {
        return Ok(None);
    };
    let fact = MembershipFact {
        category: subject_category.clone(),
        began: false,
        occurred_at: *ended_at,
        recorded_at: entry.at,
    };
    tx.append_membership_facts(&[(subject, fact)], REGISTRY)
        .await?;
    Ok(Some(Event {
        subject_category: Some(subject_category.clone()),
        ..Event::new(EventKind::CategoryEnded, Some(subject))
    }))
}

/// Merges again where both live apart. A survivor that is not known, or cannot be read, cannot take
/// the other in: then that one stays what it is, and without a key it is erased.
async fn merge_again(
    tx: &mut Tx,
    policies: &PolicyHistory,
    from: SubjectId,
    into: SubjectId,
) -> Result<Applied, Error> {
    let mut both = [from, into];
    both.sort_unstable();
    let held = tx.lock_subjects(&both).await?;
    let (Some(from), Some(into)) = (held.get(&from), held.get(&into)) else {
        return Ok(Applied::unknown(into));
    };
    let is_erased = from.erased_at.is_some() || into.erased_at.is_some();
    let (from, into) = (from.subject_id, into.subject_id);
    if from == into || is_erased || !tx.has_key(into).await? {
        return Ok(Applied::nothing(into));
    }
    let by: Source = REGISTRY
        .parse()
        .map_err(|_| Error::Internal("the registry's own name is no name".into()))?;
    let (event, _) = merge_unjournaled(tx, policies, &by, from, into).await?;
    Ok(Applied::to(event))
}
