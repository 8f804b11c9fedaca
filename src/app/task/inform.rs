//! Telling every recipient (Art. 17(2), Art. 19): one task for each processor that has the items by a
//! recorded disclosure or that the policy names for them, and for each internal service that holds what
//! the registry has a locator of. A recipient of very many items gets several.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;

use super::ending::event;
use crate::{
    app::{error::Error, registry::in_force},
    domain::{
        disclosure::{Disclosure, ExternalReference},
        event::{Event, EventKind},
        id::{ExportId, ItemId, SubjectId, SubjectRequestId, TaskId},
        item::{Content, ItemKey, ItemState},
        name::{DataCategory, Processor, Purpose},
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        subject_ref::Identifier,
        task::{
            Affected, Concerned, Disclosed, Locator, Recipient, TASK_BYTES_MAX, TASK_COPIES_MAX,
            TASK_ITEMS_MAX, Task, TaskCause, TaskItem, TaskKind, TaskPayload, TaskState, keepers,
            recipients,
        },
    },
    store::{Session, Tx},
};

/// Items that are opened at once: contents are large.
const READ_PAGE: usize = 50;
/// References of one item in one task; an item with more stands in several.
const REFERENCES_MAX: usize = 500;

/// What has happened, and to what.
#[derive(Clone, Debug)]
pub(in crate::app) struct Inform {
    /// Whose items.
    pub subject_id: SubjectId,
    /// What the recipients are to do.
    pub kind: TaskKind,
    /// Why.
    pub cause: TaskCause,
    /// The items, as they were before it happened.
    pub items: Vec<ItemState>,
    /// For [`TaskKind::Stop`]: for which purposes. Each recipient is told of those that it has the items for.
    pub purposes: Vec<Purpose>,
    /// Only these processors, and no internal holder; empty: everybody.
    pub only: Vec<Processor>,
    /// The request that it belongs to.
    pub subject_request_id: Option<SubjectRequestId>,
    /// For [`TaskKind::ProvideCopy`]: the package that what is handed over goes into.
    pub export_id: Option<ExportId>,
    /// For [`TaskKind::Rectify`]: the right values.
    pub right_values: HashMap<ItemId, Content>,
    /// Not to be done before.
    pub not_before: Option<Timestamp>,
    /// For [`TaskKind::Erase`]: who was told of which items already.
    pub already_told: AlreadyTold,
    /// For [`TaskKind::Erase`]: only what stays with its recipients for as long as it stays here,
    /// instead of everything else.
    pub is_later: bool,
}

/// Who was told of which items.
pub(in crate::app) type AlreadyTold = BTreeMap<Recipient, BTreeSet<ItemId>>;

impl Inform {
    /// Everybody who has the items, at once, by no request.
    pub fn new(
        subject_id: SubjectId,
        kind: TaskKind,
        cause: TaskCause,
        items: Vec<ItemState>,
    ) -> Self {
        Self {
            subject_id,
            kind,
            cause,
            items,
            purposes: Vec::new(),
            only: Vec::new(),
            subject_request_id: None,
            export_id: None,
            right_values: HashMap::new(),
            not_before: None,
            already_told: AlreadyTold::new(),
            is_later: false,
        }
    }
}

/// The tasks that were made, for the audit entry and the events of the change.
#[derive(Clone, Debug, Default)]
pub(in crate::app) struct Informed {
    /// Their ids.
    pub task_ids: Vec<TaskId>,
    /// What others hear of them.
    pub events: Vec<Event>,
}

/// Makes the tasks. Call it before the items change: what names them to the recipients is read from
/// them, and from the subject's identifiers. The subject is held.
pub(in crate::app) async fn inform_recipients(
    tx: &mut Tx,
    policies: &PolicyHistory,
    inform: Inform,
) -> Result<Informed, Error> {
    if inform.items.is_empty() {
        return Ok(Informed::default());
    }
    let mut told = told(tx, policies, &inform).await?;
    if inform.kind == TaskKind::Stop {
        leave_out_told(tx, &inform, &mut told).await?;
    }
    make_tasks(tx, &inform, told).await
}

/// Makes a task for each recipient, or several for one of very many items.
pub(super) async fn make_tasks(
    tx: &mut Tx,
    inform: &Inform,
    told: BTreeMap<Recipient, Told>,
) -> Result<Informed, Error> {
    if told.is_empty() {
        return Ok(Informed::default());
    }
    let identifiers = identifiers(tx, inform.subject_id).await?;
    let mut informed = Informed::default();
    for (recipient, Told { items, purposes }) in told {
        for items in portions(items, inform.kind) {
            let mut task = make(tx, inform, recipient.clone(), &items).await?;
            task.purposes.clone_from(&purposes);
            informed.note(&task);
            let payload = TaskPayload {
                identifiers: identifiers.clone(),
                items,
            };
            tx.insert_tasks(&[(task, payload)]).await?;
        }
    }
    Ok(informed)
}

impl Informed {
    pub(super) fn note(&mut self, task: &Task) {
        self.task_ids.push(task.task_id);
        self.events.push(event(EventKind::TaskCreated, task));
    }
}

/// By what recipients may know the person.
pub(super) async fn identifiers(
    session: &Session,
    subject: SubjectId,
) -> Result<Vec<Identifier>, Error> {
    let identifiers = session.read_identifiers(subject).await?.into_iter();
    let identifiers = identifiers.map(|(linked, value)| Identifier {
        identifier_type: linked.identifier_type,
        value,
    });
    Ok(identifiers.collect())
}

/// What one recipient is to be told.
#[derive(Default)]
pub(in crate::app) struct Told {
    /// The items as it may know them. One with very many names stands several times.
    pub items: Vec<TaskItem>,
    /// For which purposes to stop.
    pub(super) purposes: Vec<Purpose>,
}

/// Leaves out whom tasks that wait tell the same already: a link to unsubscribe is clicked twice, or one
/// request takes consent back and objects to the same purpose. A request waits for its own tasks, so only
/// these stand in for another one of it.
async fn leave_out_told(
    tx: &Tx,
    inform: &Inform,
    told: &mut BTreeMap<Recipient, Told>,
) -> Result<(), Error> {
    if told.is_empty() {
        return Ok(());
    }
    let request = inform.subject_request_id;
    let mut waiting = tx.list_open_tasks(inform.subject_id).await?;
    waiting.retain(|task| {
        task.kind == TaskKind::Stop
            && task.not_before().is_some()
            && (request.is_none() || task.subject_request_id == request)
    });
    told.retain(|recipient, told| {
        let same = waiting.iter().filter(|task| {
            task.recipient == *recipient
                && told.purposes.iter().all(|one| task.purposes.contains(one))
        });
        let known: BTreeSet<_> = same.flat_map(|task| &task.item_ids).collect();
        !told.items.iter().all(|one| known.contains(&one.item_id))
    });
    Ok(())
}

/// Everybody who is to be told. Writes nothing.
pub(in crate::app) async fn told(
    session: &Session,
    policies: &PolicyHistory,
    inform: &Inform,
) -> Result<BTreeMap<Recipient, Told>, Error> {
    let ids: Vec<_> = inform.items.iter().map(|item| item.item_id).collect();
    let disclosures = if inform.kind.concerns_processors() {
        session.list_disclosures_of(inform.subject_id, &ids).await?
    } else {
        Vec::new()
    };
    let policy = in_force(policies, session.now())?;
    let processors = inform.processors(policy, &disclosed(&disclosures));
    let with_holders = inform.kind.concerns_holders() && inform.only.is_empty();
    let read: BTreeSet<_> = if with_holders {
        ids.into_iter().collect()
    } else {
        let concerned = processors.values().flat_map(|one| &one.items);
        concerned.copied().collect()
    };
    let places = read_places(session, inform.subject_id, &read).await?;
    let references = references(&disclosures);
    let mut told = BTreeMap::<_, Told>::new();
    for (processor, concerned) in processors {
        let items = concerned.items.iter().filter_map(|id| {
            let names = references.get(&(&processor, *id));
            inform.item(*id, &places, None, names.cloned().unwrap_or_default())
        });
        let told_of = Told {
            items: items.flatten().collect(),
            purposes: concerned.purposes.into_iter().collect(),
        };
        told.insert(Recipient::Processor(processor), told_of);
    }
    let by_holders = inform.items.iter().filter(|item| {
        let stays = inform.kind == TaskKind::Erase && item.is_retained();
        with_holders && stays == inform.is_later
    });
    for item in by_holders {
        let Some(locator) = places
            .get(&item.item_id)
            .and_then(|one| one.locator.clone())
        else {
            continue;
        };
        let items = inform.item(item.item_id, &places, Some(locator), BTreeSet::new());
        let holder = Recipient::Holder(item.source.clone());
        let held = told.entry(holder).or_default();
        held.items.extend(items.into_iter().flatten());
    }
    told.retain(|recipient, told| {
        if let Some(already) = inform.already_told.get(recipient) {
            told.items.retain(|item| !already.contains(&item.item_id));
        }
        !told.items.is_empty()
    });
    Ok(told)
}

impl Inform {
    /// The processors that are to be told, and of what.
    fn processors(
        &self,
        policy: &CompiledPolicy,
        disclosed: &[Disclosed],
    ) -> BTreeMap<Processor, Concerned> {
        let affected = Affected {
            kind: self.kind,
            cause: self.cause,
            purposes: &self.purposes,
            only: &self.only,
        };
        let mut processors = recipients(policy, &self.items, disclosed, affected);
        if self.kind == TaskKind::Erase {
            let keepers = keepers(policy, &self.items, disclosed);
            for (processor, concerned) in &mut processors {
                let kept = |id: &ItemId| keepers.get(processor).is_some_and(|it| it.contains(id));
                concerned.items.retain(|id| kept(id) == self.is_later);
            }
        }
        processors
    }

    /// An item as a recipient may know it: in parts, when it has very many names there.
    pub(super) fn item(
        &self,
        id: ItemId,
        places: &HashMap<ItemId, ItemPlace>,
        locator: Option<Locator>,
        names: BTreeSet<String>,
    ) -> Option<Vec<TaskItem>> {
        let place = places.get(&id)?;
        let right_value = self.right_values.get(&id).cloned();
        let item = TaskItem {
            item_id: id,
            data_category: place.data_category.clone(),
            key: place.key.clone(),
            locator: match (&right_value, locator) {
                // The holder moved it: the right place is the new one.
                (Some(Content::Locator(moved)), Some(_)) => Some(Locator::new(moved.clone())),
                (_, locator) => locator,
            },
            external_references: Vec::new(),
            right_value: right_value.filter(|value| !matches!(value, Content::Locator(_))),
        };
        let names: Vec<_> = names
            .into_iter()
            .filter_map(ExternalReference::new)
            .collect();
        if names.is_empty() {
            return Some(vec![item]);
        }
        let parts = names.chunks(REFERENCES_MAX).map(|names| TaskItem {
            external_references: names.to_vec(),
            ..item.clone()
        });
        Some(parts.collect())
    }
}

/// What of an item's content a recipient may know.
#[derive(Clone, Debug)]
pub(super) struct ItemPlace {
    data_category: DataCategory,
    key: ItemKey,
    pub(super) locator: Option<Locator>,
}

pub(super) async fn read_places(
    session: &Session,
    subject: SubjectId,
    ids: &BTreeSet<ItemId>,
) -> Result<HashMap<ItemId, ItemPlace>, Error> {
    let ids: Vec<_> = ids.iter().copied().collect();
    let mut places = HashMap::with_capacity(ids.len());
    for page in ids.chunks(READ_PAGE) {
        for item in session.read_items(subject, page).await? {
            let place = ItemPlace {
                data_category: item.state.data_category,
                key: item.key,
                locator: match item.content {
                    Some(Content::Locator(locator)) => Some(Locator::new(locator)),
                    _ => None,
                },
            };
            places.insert(item.state.item_id, place);
        }
    }
    Ok(places)
}

pub(super) fn disclosed(disclosures: &[Disclosure]) -> Vec<Disclosed> {
    let each = disclosures.iter().flat_map(|disclosure| {
        disclosure.items.iter().map(|(item_id, _)| Disclosed {
            processor: disclosure.processor.clone(),
            purpose: disclosure.purpose.clone(),
            item_id: *item_id,
        })
    });
    each.collect()
}

/// What each processor calls each item, every name once.
pub(super) fn references(
    disclosures: &[Disclosure],
) -> HashMap<(&Processor, ItemId), BTreeSet<String>> {
    let mut references = HashMap::<_, BTreeSet<_>>::new();
    for disclosure in disclosures {
        let Some(reference) = &disclosure.external_reference else {
            continue;
        };
        for (item_id, _) in &disclosure.items {
            let names = references.entry((&disclosure.processor, *item_id));
            names.or_default().insert(reference.expose().to_owned());
        }
    }
    references
}

/// What names a person and these items to a recipient, read anew where what a task had of it is lost.
pub(in crate::app) async fn name_again(
    session: &Session,
    subject: SubjectId,
    recipient: &Recipient,
    items: &[ItemId],
) -> Result<TaskPayload, Error> {
    let inform = Inform::new(subject, TaskKind::Erase, TaskCause::Request, Vec::new());
    let disclosures = session.list_disclosures_of(subject, items).await?;
    let references = references(&disclosures);
    let wanted: BTreeSet<_> = items.iter().copied().collect();
    let places = read_places(session, subject, &wanted).await?;
    let named = wanted.into_iter().filter_map(|id| {
        let of_processor = recipient.processor().map(|processor| (processor, id));
        let names = of_processor.and_then(|key| references.get(&key).cloned());
        let is_holder = recipient.holder().is_some();
        let locator = places.get(&id).filter(|_| is_holder);
        let locator = locator.and_then(|place| place.locator.clone());
        inform.item(id, &places, locator, names.unwrap_or_default())
    });
    Ok(TaskPayload {
        identifiers: identifiers(session, subject).await?,
        items: named.flatten().collect(),
    })
}

/// Portions that fit into a task each; what is handed over fits into one completion.
pub(super) fn portions(items: Vec<TaskItem>, kind: TaskKind) -> Vec<Vec<TaskItem>> {
    let items_max = if kind == TaskKind::ProvideCopy {
        TASK_COPIES_MAX
    } else {
        TASK_ITEMS_MAX
    };
    let mut portions = vec![Vec::new()];
    let mut bytes = 0;
    for item in items {
        let more = item.bytes();
        let last = portions.last_mut().filter(|last: &&mut Vec<TaskItem>| {
            last.is_empty() || last.len() < items_max && bytes + more <= TASK_BYTES_MAX
        });
        if let Some(last) = last {
            bytes += more;
            last.push(item);
        } else {
            bytes = more;
            portions.push(vec![item]);
        }
    }
    portions
}

pub(super) async fn make(
    tx: &mut Tx,
    inform: &Inform,
    recipient: Recipient,
    items: &[TaskItem],
) -> Result<Task, Error> {
    let categories: BTreeSet<_> = items
        .iter()
        .map(|item| item.data_category.clone())
        .collect();
    let item_ids: BTreeSet<_> = items.iter().map(|item| item.item_id).collect();
    let now = tx.now();
    Ok(Task {
        task_id: TaskId(tx.new_key_id().await?),
        subject_id: inform.subject_id,
        subject_request_id: inform.subject_request_id,
        export_id: inform.export_id,
        recipient,
        kind: inform.kind,
        cause: inform.cause,
        data_categories: categories.into_iter().collect(),
        item_ids: item_ids.into_iter().collect(),
        purposes: Vec::new(),
        created_at: now,
        begun_at: now,
        attempts: 0,
        failure: String::new(),
        suppression: None,
        state: TaskState::Waiting {
            not_before: inform.not_before.unwrap_or(now).max(now),
        },
    })
}
