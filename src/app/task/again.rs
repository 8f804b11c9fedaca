//! What was told is told to be over: to the very recipients that were told, whatever the policy names
//! by now.

use std::collections::{BTreeMap, BTreeSet};

use super::inform::{Inform, Informed, Told, make_tasks, read_places, references};
use crate::{
    app::error::Error,
    domain::{
        id::ItemId,
        task::{Recipient, Task},
    },
    store::Tx,
};

/// Makes a task for each recipient of `told`, of those of its items that are among `inform.items` still.
/// The subject is held.
pub(in crate::app) async fn inform_again(
    tx: &mut Tx,
    told: &[Task],
    inform: Inform,
) -> Result<Informed, Error> {
    let live: BTreeSet<_> = inform.items.iter().map(|item| item.item_id).collect();
    let mut wanted = BTreeMap::<Recipient, BTreeSet<ItemId>>::new();
    for task in told {
        let items = task.item_ids.iter().filter(|id| live.contains(id));
        let known = wanted.entry(task.recipient.clone()).or_default();
        known.extend(items.copied());
    }
    wanted.retain(|_, items| !items.is_empty());
    let concerned: BTreeSet<_> = wanted.values().flatten().copied().collect();
    let ids: Vec<_> = concerned.iter().copied().collect();
    let disclosures = tx.list_disclosures_of(inform.subject_id, &ids).await?;
    let references = references(&disclosures);
    let places = read_places(tx, inform.subject_id, &concerned).await?;
    let mut again = BTreeMap::new();
    for (recipient, ids) in wanted {
        let items = ids.into_iter().filter_map(|id| {
            let locator = recipient
                .holder()
                .and_then(|_| places.get(&id)?.locator.clone());
            let names = recipient
                .processor()
                .and_then(|processor| references.get(&(processor, id)).cloned());
            inform.item(id, &places, locator, names.unwrap_or_default())
        });
        let items: Vec<_> = items.flatten().collect();
        let purposes = inform.purposes.clone();
        again.insert(recipient, Told { items, purposes });
    }
    again.retain(|_, told| !told.items.is_empty());
    make_tasks(tx, &inform, again).await
}
