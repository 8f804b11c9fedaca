//! Packages go when their time has run out: they hold everything of a person in one place.

use super::audit;
use crate::{
    app::{
        error::Error,
        registry::{Change, Registry},
    },
    domain::{audit::Chore, id::ExportId},
    store::Tx,
};

/// Packages that are looked up at once.
const LISTED_MAX: u64 = 100;

impl Registry {
    /// Destroys the packages whose time has run out, and their keys. Safe to run on several replicas at
    /// once. Returns how many.
    pub async fn expire_exports(&self) -> Result<u64, Error> {
        let mut destroyed = 0;
        loop {
            let snapshot = self.store.snapshot(self.clock_now()).await?;
            let expired = snapshot.list_expired_exports(LISTED_MAX).await?;
            snapshot.close().await?;
            let before = destroyed;
            for id in expired {
                if self.stopping.is_cancelled() {
                    break;
                }
                let done = self.do_chore(Chore::ExpireExport, move |tx, _| {
                    Box::pin(async move { expire(tx, id).await })
                });
                destroyed += u64::from(done.await?.is_some());
            }
            if destroyed == before {
                break;
            }
        }
        if destroyed > 0 {
            self.store
                .complete_key_destructions(self.clock_now())
                .await?;
        }
        Ok(destroyed)
    }
}

async fn expire(tx: &mut Tx, id: ExportId) -> Result<Option<Change<()>>, Error> {
    let Some(seen) = tx.find_export(id).await? else {
        return Ok(None);
    };
    tx.lock_subject(seen.record.subject_id).await?;
    let held = tx.lock_export(id).await?;
    let now = tx.now();
    let is_over = |at: jiff::Timestamp| at <= now;
    let expired = held.filter(|export| {
        export.record.destroyed_at.is_none() && export.record.expires_at.is_some_and(is_over)
    });
    let Some(mut export) = expired else {
        return Ok(None);
    };
    tx.destroy_export(&mut export).await?;
    Ok(Some(Change::new((), audit(&export.record))))
}
