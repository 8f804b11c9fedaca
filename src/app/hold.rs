//! Legal holds: placed on items, released again. While one stands, erasure and retention pass over
//! what it is on, and a deletion of it is refused (Art. 17(3)).

use std::sync::Arc;

use jiff::Timestamp;

use super::{
    error::{Error, Missing},
    page::Page,
    registry::{Call, Change, Registry, Written, in_force},
    resolve::{resolve, resolve_locked},
    unjudged::Unjudged,
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        event::{Event, EventKind},
        hold::{ARTICLE_DEFAULT, LegalHold, holds_on},
        id::{ItemId, LegalHoldId, SubjectId},
        item::ItemState,
        name::{DataCategory, Purpose},
        policy::history::PolicyHistory,
        subject_ref::SubjectRef,
        violation::Violations,
    },
    store::{Session, Tx, hold::HoldFilter},
};

/// A hold to be placed.
#[derive(Clone, Debug)]
pub struct PlaceHold {
    /// Whose items.
    pub subject: SubjectRef,
    /// Single items.
    pub item_ids: Vec<ItemId>,
    /// Every item of these.
    pub data_categories: Vec<DataCategory>,
    /// What a held item stays answerable for after an erasure.
    pub purposes: Vec<Purpose>,
    /// The matter.
    pub matter: String,
    /// The article; `None`: [`ARTICLE_DEFAULT`].
    pub article: Option<String>,
}

/// Which holds are asked for.
#[derive(Clone, Debug)]
pub struct ListHolds {
    /// Of one person; `None`: of all.
    pub subject: Option<SubjectRef>,
    /// Released ones too.
    pub include_released: bool,
}

impl PlaceHold {
    /// What of it only the registry can judge. A name that no version of the policy knows would hold
    /// nothing, and nobody would notice.
    fn unjudged(&self) -> Unjudged {
        let mut unjudged = Unjudged::default();
        for (index, data) in self.data_categories.iter().enumerate() {
            unjudged.data_category(format!("data_categories[{index}]"), data.clone());
        }
        for (index, purpose) in self.purposes.iter().enumerate() {
            unjudged.purpose(format!("purposes[{index}]"), purpose.clone());
        }
        unjudged.subject("subject", &self.subject);
        unjudged
    }
}

impl Registry {
    /// Places a hold.
    pub async fn place_hold(
        &self,
        call: Call,
        place: PlaceHold,
    ) -> Result<Written<LegalHold>, Error> {
        let (caller, place) = (call.caller.clone(), Arc::new(place));
        self.change(call, move |tx, policies| {
            let (caller, place) = (caller.clone(), place.clone());
            Box::pin(async move { place_hold(tx, policies, &caller, &place).await })
        })
        .await
    }

    /// Releases a hold. What waited for it alone goes soon after.
    pub async fn release_hold(
        &self,
        call: Call,
        id: LegalHoldId,
    ) -> Result<Written<LegalHold>, Error> {
        let caller = call.caller.clone();
        let written = self
            .change(call, move |tx, _| {
                let caller = caller.clone();
                Box::pin(async move { release_hold(tx, &caller, id).await })
            })
            .await?;
        self.wake_retention();
        self.wake_requests();
        Ok(written)
    }

    /// A page of holds, latest placed first.
    pub async fn list_holds(
        &self,
        caller: &Caller,
        list: &ListHolds,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<LegalHold>, Error> {
        let view = self.view(caller, Action::ListLegalHolds, None).await?;
        let subject = match &list.subject {
            Some(subject) => {
                let policy = view.in_force()?;
                let known = resolve(&view.snapshot, policy, subject, "subject").await?;
                Some(known.subject_id)
            }
            None => None,
        };
        let filter = HoldFilter {
            subject,
            include_released: list.include_released,
        };
        let name = format!("holds {filter:?}");
        let before = match token {
            Some(token) => Some(position(&self.open_token(&name, token)?)?),
            None => None,
        };
        let holds = view
            .snapshot
            .page_holds(filter, before, size as u64 + 1)
            .await?;
        Ok(self.page(&name, size, holds, |hold| {
            format!("{} {}", hold.placed_at.as_microsecond(), hold.legal_hold_id)
        }))
    }
}

/// Notes which of the items a hold keeps. `field` says in which field an item is named.
pub(super) async fn note_held(
    session: &Session,
    subject: SubjectId,
    items: &[ItemState],
    field: impl Fn(&ItemState) -> String,
    violations: &mut Violations,
) -> Result<(), Error> {
    let holds = session.list_holds(&[subject]).await?;
    let holds = holds.get(&subject).map_or(&[][..], Vec::as_slice);
    for item in items {
        if let Some(hold) = holds_on(holds, item).next() {
            violations.add(
                field(item),
                format!(
                    "is kept by the legal hold {} ({}); release it first",
                    hold.legal_hold_id, hold.article
                ),
            );
        }
    }
    Ok(())
}

async fn place_hold(
    tx: &mut Tx,
    policies: &PolicyHistory,
    caller: &Caller,
    place: &PlaceHold,
) -> Result<Change<LegalHold>, Error> {
    place.unjudged().judge(policies, tx.now()).or(())?;
    let subject = lock(tx, policies, &place.subject).await?;
    items_are_theirs(tx, subject, &place.item_ids).await?;
    let hold = LegalHold {
        legal_hold_id: LegalHoldId(tx.new_id()),
        subject_id: subject,
        item_ids: place.item_ids.clone(),
        data_categories: place.data_categories.clone(),
        purposes: place.purposes.clone(),
        matter: place.matter.clone(),
        article: place.article.clone().unwrap_or(ARTICLE_DEFAULT.to_owned()),
        placed_at: tx.now(),
        placed_by: caller.service.clone(),
        released_at: None,
        released_by: None,
    };
    tx.put_hold(&hold).await?;
    Ok(change(EventKind::LegalHoldPlaced, hold))
}

async fn release_hold(
    tx: &mut Tx,
    caller: &Caller,
    id: LegalHoldId,
) -> Result<Change<LegalHold>, Error> {
    let missing = || Error::NotFound(Missing::LegalHold);
    let named = tx.find_hold(id).await?.ok_or_else(missing)?;
    tx.lock_subject(named.subject_id).await?;
    // Another release, or a merge, may have been before this one.
    let mut hold = tx.find_hold(id).await?.ok_or_else(missing)?;
    if !hold.stands() {
        return Err(Error::IllegalTransition("the hold is released already"));
    }
    hold.released_at = Some(tx.now());
    hold.released_by = Some(caller.service.clone());
    tx.put_hold(&hold).await?;
    Ok(change(EventKind::LegalHoldReleased, hold))
}

/// Holds the subject. One that was erased can be held too, by its id: what had to stay may be needed
/// in a second matter.
async fn lock(
    tx: &mut Tx,
    policies: &PolicyHistory,
    subject: &SubjectRef,
) -> Result<SubjectId, Error> {
    let held = match subject {
        SubjectRef::Id(id) => tx.lock_subject(*id).await?,
        SubjectRef::Identifier(_) => {
            let policy = in_force(policies, tx.now())?;
            Some(resolve_locked(tx, policy, subject, "subject").await?)
        }
    };
    let held = held.ok_or(Error::NotFound(Missing::Subject))?;
    Ok(held.subject_id)
}

async fn items_are_theirs(
    session: &Session,
    subject: SubjectId,
    items: &[ItemId],
) -> Result<(), Error> {
    if items.is_empty() {
        return Ok(());
    }
    let live = session.list_item_states(&[subject], &[]).await?;
    let live: Vec<_> = live.into_values().flatten().map(|it| it.item_id).collect();
    if items.iter().all(|id| live.contains(id)) {
        Ok(())
    } else {
        Err(Error::NotFound(Missing::Item))
    }
}

fn change(kind: EventKind, hold: LegalHold) -> Change<LegalHold> {
    let event = Event {
        data_categories: hold.data_categories.clone(),
        item_ids: hold.item_ids.clone(),
        purposes: hold.purposes.clone(),
        legal_hold_id: Some(hold.legal_hold_id),
        ..Event::new(kind, Some(hold.subject_id))
    };
    let audit = AuditDetail {
        data_categories: hold.data_categories.clone(),
        item_ids: hold.item_ids.clone(),
        purposes: hold.purposes.clone(),
        legal_hold_id: Some(hold.legal_hold_id),
        ..AuditDetail::of(hold.subject_id)
    };
    Change::new(hold, audit).event(event)
}

fn position(text: &str) -> Result<(Timestamp, LegalHoldId), Error> {
    let (placed_at, id) = text.split_once(' ').ok_or(Error::CursorInvalid)?;
    let placed_at = placed_at.parse().map_err(|_| Error::CursorInvalid)?;
    Ok((
        Timestamp::from_microsecond(placed_at).map_err(|_| Error::CursorInvalid)?,
        id.parse().map_err(|_| Error::CursorInvalid)?,
    ))
}

#[cfg(test)]
mod tests;
