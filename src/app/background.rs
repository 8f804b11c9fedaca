//! What the registry does of its own accord: the same door as a call's, without a caller. It stands in
//! the log under the registry's own name.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    error::Error,
    registry::{Change, Registry, Traces},
};
use crate::{
    domain::{
        audit::{Chore, REGISTRY},
        policy::history::PolicyHistory,
    },
    store::Tx,
};

impl Registry {
    /// Opens the writing door for a chore. The body may run more than once. What it did becomes durable
    /// as a whole, with its audit entry and its events; `None`: there was nothing to do, and nothing is
    /// said of it.
    pub(super) async fn do_chore<T, F>(&self, chore: Chore, body: F) -> Result<Option<T>, Error>
    where
        T: Send + 'static,
        F: for<'t> Fn(
                &'t mut Tx,
                &'t Arc<PolicyHistory>,
            ) -> BoxFuture<'t, Result<Option<Change<T>>, Error>>
            + Send
            + Sync
            + 'static,
    {
        let (store, body) = (self.store.clone(), Arc::new(body));
        let done = self
            .store
            .write(chore.name(), self.clock_now(), move |tx| {
                let (store, body) = (store.clone(), body.clone());
                Box::pin(async move {
                    let policies = store.policies(tx).await?;
                    let Some(change) = body(tx, &policies).await? else {
                        return Ok::<_, Error>(None);
                    };
                    let mut traces = Traces::default();
                    let (value, _) = traces.take(change);
                    traces.leave(tx, REGISTRY, chore.name()).await?;
                    Ok(Some(value))
                })
            })
            .await?;
        self.changed.notify_one();
        Ok(done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{app::testing::registry, domain::audit::AuditDetail, store::audit::AuditFilter};

    #[tokio::test]
    async fn a_chore_stands_in_the_log_under_the_registrys_own_name_unless_there_was_nothing_to_do()
    {
        let test = registry().await;
        let nothing = test.registry.do_chore(Chore::PurgeItems, |_, _| {
            Box::pin(async { Ok(None::<Change<()>>) })
        });
        assert!(nothing.await.expect("looked").is_none());
        let done = test.registry.do_chore(Chore::PurgeItems, |_, _| {
            Box::pin(async { Ok(Some(Change::new(7, AuditDetail::default()))) })
        });
        assert_eq!(done.await.expect("done"), Some(7));
        let listed = test
            .registry
            .list_audit_entries(&test.caller, None, AuditFilter::default(), 10, None)
            .await
            .expect("listed");
        let first = &listed.entries[0];
        assert_eq!(
            (first.caller.as_str(), first.action.as_str()),
            (REGISTRY, "PurgeItems")
        );
        assert_ne!(listed.entries[1].action, "PurgeItems");
    }
}
