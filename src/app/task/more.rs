//! Whether a processor has more of a person than a task tells it to erase: most can erase a person only as
//! a whole.

use std::collections::HashSet;

use super::inform::disclosed;
use crate::{
    app::{
        error::Error,
        registry::{Registry, in_force},
    },
    domain::task::{Affected, Recipient, Task, TaskKind, keepers, recipients},
};

impl Registry {
    /// Whether disclosures or the policy in force say that the processor of a task has other live items of
    /// the person; of items that stay after an erasure, those that stay with it as well.
    pub async fn has_more(&self, task: &Task) -> Result<bool, Error> {
        let Recipient::Processor(processor) = &task.recipient else {
            return Ok(false);
        };
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let policies = self.store.policies(&snapshot).await?;
        let mut live = snapshot
            .list_item_states(&[task.subject_id], &[])
            .await?
            .remove(&task.subject_id)
            .unwrap_or_default();
        let named: HashSet<_> = task.item_ids.iter().collect();
        live.retain(|item| !named.contains(&item.item_id));
        let ids: Vec<_> = live.iter().map(|item| item.item_id).collect();
        let disclosures = snapshot.list_disclosures_of(task.subject_id, &ids).await?;
        let now = snapshot.now();
        snapshot.close().await?;
        let (policy, disclosed) = (in_force(&policies, now)?, disclosed(&disclosures));
        let kept = keepers(policy, &live, &disclosed).contains_key(processor);
        live.retain(|item| !item.is_retained());
        let affected = Affected {
            kind: TaskKind::Erase,
            cause: task.cause,
            purposes: &[],
            only: &[],
        };
        Ok(kept || recipients(policy, &live, &disclosed, affected).contains_key(processor))
    }
}
