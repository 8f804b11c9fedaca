//! What an erasure would do, planned as the erasure itself plans it. Writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use super::{Held, TOLD_PAGE, ordinary};
use crate::{
    app::{
        error::{Error, Missing},
        registry::{Registry, View},
        resolve::resolve,
        task::{Inform, already_told, told},
    },
    domain::{
        audit::Action,
        caller::Caller,
        erasure::{ErasurePlan, ErasureScope, PlannedItem},
        id::ItemId,
        item::ItemState,
        name::DataCategory,
        request::{RequestKind, Scope, check::violations},
        subject_ref::SubjectRef,
        task::{Recipient, TaskCause, TaskKind},
    },
};

/// Items that a preview lists.
pub const PREVIEW_ITEMS_MAX: usize = 10_000;

/// What an erasure would do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErasurePreview {
    /// Every item that it concerns, at most [`PREVIEW_ITEMS_MAX`].
    pub items: Vec<PlannedItem>,
    /// How many items it concerns.
    pub items_total: u64,
    /// How many of them would go at once.
    pub items_erased: u64,
    /// Who would be told: at once, or of what stays with them when it goes.
    pub recipients: Vec<PreviewedRecipient>,
    /// Whether the person as a whole would be erased.
    pub whole_subject: bool,
}

/// Who would be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PreviewedRecipient {
    /// Who.
    pub recipient: Recipient,
    /// Of which data.
    pub data_categories: Vec<DataCategory>,
    /// Of how many items.
    pub items: u64,
}

type Told = BTreeMap<Recipient, (BTreeSet<DataCategory>, BTreeSet<ItemId>)>;

impl Registry {
    /// What an erasure would do now.
    pub async fn preview_erasure(
        &self,
        caller: &Caller,
        subject: &SubjectRef,
        scope: &ErasureScope,
    ) -> Result<ErasurePreview, Error> {
        let view = self.view(caller, Action::PreviewErasure, None).await?;
        let asked = Scope {
            data_categories: scope.data_categories.clone(),
            item_ids: scope.item_ids.clone(),
            ..Scope::default()
        };
        violations(&[RequestKind::Erasure], &asked, &view.policies).or(())?;
        let found = resolve(&view.snapshot, view.in_force()?, subject, "subject").await?;
        let held = Held::load(&view.snapshot, &view.policies, found.subject_id).await?;
        let is_theirs = |id: &ItemId| held.state.items.iter().any(|it| it.item_id == *id);
        if !scope.item_ids.iter().all(is_theirs) {
            return Err(Error::NotFound(Missing::Item));
        }
        let plan = held.plan(scope, &view.snapshot);
        let recipients = recipients(&view, &held, &plan).await?;
        let ErasurePlan {
            mut items,
            whole_subject,
        } = plan;
        let items_total = items.len() as u64;
        let items_erased = items.iter().filter(|it| it.obstacles.is_empty()).count() as u64;
        items.truncate(PREVIEW_ITEMS_MAX);
        Ok(ErasurePreview {
            items,
            items_total,
            items_erased,
            recipients,
            whole_subject,
        })
    }
}

async fn recipients(
    view: &View,
    held: &Held,
    plan: &ErasurePlan,
) -> Result<Vec<PreviewedRecipient>, Error> {
    let mut all = Told::new();
    if held.lives() {
        tell(view, held, plan, &mut all).await?;
    } else {
        let data: BTreeMap<_, _> = plan
            .items
            .iter()
            .map(|it| (it.item.item_id, &it.item.data_category))
            .collect();
        for notice in view.snapshot.list_notices(held.state.subject_id).await? {
            let (categories, items) = all.entry(notice.recipient).or_default();
            categories.extend(
                notice
                    .item_ids
                    .iter()
                    .filter_map(|id| data.get(id).copied().cloned()),
            );
            items.extend(notice.item_ids);
        }
    }
    let previewed = all
        .into_iter()
        .map(|(recipient, (data, items))| PreviewedRecipient {
            recipient,
            data_categories: data.into_iter().collect(),
            items: items.len() as u64,
        });
    Ok(previewed.collect())
}

/// Those who would be told of a person who lives.
async fn tell(view: &View, held: &Held, plan: &ErasurePlan, all: &mut Told) -> Result<(), Error> {
    let subject = held.state.subject_id;
    let items: Vec<ItemState> = plan.items.iter().map(|it| ordinary(&it.item)).collect();
    let already_told = if plan.items.iter().any(|it| it.item.is_retained()) {
        already_told(&view.snapshot, subject).await?
    } else {
        BTreeMap::new()
    };
    for page in items.chunks(TOLD_PAGE) {
        let inform = Inform {
            already_told: already_told.clone(),
            ..Inform::new(subject, TaskKind::Erase, TaskCause::Request, page.to_vec())
        };
        for (recipient, told) in told(&view.snapshot, &view.policies, &inform).await? {
            let (data, ids) = all.entry(recipient).or_default();
            for item in told.items {
                ids.insert(item.item_id);
                data.insert(item.data_category);
            }
        }
    }
    Ok(())
}
