//! Writing packages: step by step, each step in a transaction of its own, so that a package of any length
//! is written in bounded memory and a crash costs one step. Several replicas may write at once: each step
//! holds the package.

use uuid::Uuid;

use super::{audit, begin_export, page::write_on};
use crate::{
    app::{
        effect::Effect,
        error::Error,
        registry::{Change, Registry},
    },
    crypto::digest::Digest,
    domain::{
        audit::{AuditDetail, Chore},
        event::{Event, EventKind},
        export::{
            ExportFormat,
            record::Written,
            writing::{Export, Stage},
        },
        id::ExportId,
        policy::history::PolicyHistory,
    },
    store::Tx,
};

/// Packages that are looked up at once.
const LISTED_MAX: u64 = 100;
/// What the log says of a package that is complete.
const READY: &str = "READY";
/// What the log says of a package whose key is destroyed: a backup was restored.
const GONE: &str = "GONE";

/// What a step led to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    /// There is more to write.
    Further,
    /// Everything is written.
    Written,
    /// It is gone.
    Gone,
}

/// What was taken of a package that is written to its end.
struct Digests {
    round: u32,
    json: Written,
    html: Option<Written>,
}

impl Registry {
    /// Writes on every package for which no holder has anything left to hand over. Safe to run on several
    /// replicas at once, and again after a crash. Returns how many have become complete. A package that
    /// cannot be written does not hold up the others.
    pub async fn build_exports(&self) -> Result<u64, Error> {
        let (mut complete, mut failed) = (0, None);
        let mut after = ExportId(Uuid::nil());
        loop {
            let snapshot = self.store.snapshot(self.clock_now()).await?;
            let found = snapshot.list_writable_exports(after, LISTED_MAX).await?;
            snapshot.close().await?;
            let Some(last) = found.last() else { break };
            after = *last;
            for export_id in found {
                if self.stopping.is_cancelled() {
                    return Ok(complete);
                }
                match self.build_export(export_id).await {
                    Ok(is_complete) => complete += u64::from(is_complete),
                    Err(error) => {
                        let text = error.for_operators();
                        tracing::warn!(%export_id, error = text, "a package could not be written");
                        failed = failed.or(Some(error));
                    }
                }
            }
        }
        if complete > 0 {
            self.wake_requests();
        }
        match failed {
            Some(error) => Err(error),
            None => Ok(complete),
        }
    }

    async fn build_export(&self, id: ExportId) -> Result<bool, Error> {
        let mut is_written = match self.look_at(id).await? {
            Some(export) => export.writing.stage == Stage::Written,
            None => return Ok(false),
        };
        while !is_written {
            if self.stopping.is_cancelled() {
                return Ok(false);
            }
            let step = self.do_chore(Chore::BuildExport, move |tx, policies| {
                Box::pin(async move { step(tx, policies, id).await })
            });
            match step.await? {
                Some(Step::Further) => {}
                Some(Step::Written) => is_written = true,
                Some(Step::Gone) | None => return Ok(false),
            }
        }
        self.complete_export(id).await
    }

    async fn look_at(&self, id: ExportId) -> Result<Option<Export>, Error> {
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        let export = snapshot.find_export(id).await?;
        snapshot.close().await?;
        Ok(export.filter(|export| !export.record.is_ready()))
    }

    /// Takes the digests of what is written and lets it be downloaded. The pieces are read outside of a
    /// transaction that writes: they do not change, unless the package begins anew, and then the digests
    /// do not count.
    async fn complete_export(&self, id: ExportId) -> Result<bool, Error> {
        let Some(export) = self.look_at(id).await? else {
            return Ok(false);
        };
        let Some(digests) = self.take_digests(&export).await? else {
            return Ok(false);
        };
        let (digests, lifetime) = (std::sync::Arc::new(digests), self.export_lifetime);
        let completed = self.do_chore(Chore::BuildExport, move |tx, _| {
            let digests = digests.clone();
            Box::pin(async move { complete(tx, id, &digests, lifetime).await })
        });
        Ok(completed.await?.is_some())
    }

    async fn take_digests(&self, export: &Export) -> Result<Option<Digests>, Error> {
        let mut digests = Vec::new();
        for format in export.record.kind.formats() {
            match self.take_digest(export, *format).await? {
                Some(digest) => digests.push(digest),
                None => return Ok(None),
            }
        }
        let mut digests = digests.into_iter();
        Ok(digests.next().map(|json| Digests {
            round: export.writing.round,
            json,
            html: digests.next(),
        }))
    }

    /// `None`: it was destroyed or begun anew meanwhile, or the server stops.
    async fn take_digest(
        &self,
        export: &Export,
        format: ExportFormat,
    ) -> Result<Option<Written>, Error> {
        let (id, bytes) = (export.record.export_id, export.writing.extent(format).bytes);
        let (mut digest, mut read) = (Digest::default(), 0);
        while read < bytes {
            if self.stopping.is_cancelled() {
                return Ok(None);
            }
            let snapshot = self.store.snapshot(self.clock_now()).await?;
            if !snapshot.has_own_key(id).await? {
                return Ok(None);
            }
            let piece = snapshot.read_pieces(id, format, read).await?;
            snapshot.close().await?;
            if piece.is_empty() {
                return Ok(None);
            }
            digest.update(&piece);
            read += piece.len() as u64;
        }
        let sha256 = digest.finish();
        Ok((read == bytes).then_some(Written { bytes, sha256 }))
    }
}

/// Holds a package that can be written on.
async fn hold(tx: &mut Tx, id: ExportId) -> Result<Option<Export>, Error> {
    let Some(seen) = tx.find_export(id).await? else {
        return Ok(None);
    };
    tx.lock_subject(seen.record.subject_id).await?;
    // A merge, another writer or an erasure may have been before this step.
    let held = tx.lock_export(id).await?;
    Ok(held.filter(|export| !export.record.is_ready()))
}

async fn step(
    tx: &mut Tx,
    policies: &PolicyHistory,
    id: ExportId,
) -> Result<Option<Change<Step>>, Error> {
    let Some(mut export) = hold(tx, id).await? else {
        return Ok(None);
    };
    if !tx.has_own_key(id).await? {
        let effect = begin_anew(tx, policies, &mut export).await?;
        let gone = AuditDetail {
            outcome: GONE.to_owned(),
            ..audit(&export.record)
        };
        return Ok(Some(effect.change(Step::Gone, gone)));
    }
    let request = export.record.subject_request_id;
    let is_begun = export.writing.stage != Stage::Waiting;
    if !is_begun && tx.awaits_copies(request).await? {
        return Ok(None);
    }
    let detail = write_on(tx, policies, &mut export).await?;
    let step = match export.writing.stage {
        Stage::Written => Step::Written,
        _ => Step::Further,
    };
    Ok(Some(Change::new(step, detail)))
}

/// A backup was restored whose packages' keys are destroyed: nobody can read what is written. While the
/// request waits for it, the person gets another one.
async fn begin_anew(
    tx: &mut Tx,
    policies: &PolicyHistory,
    export: &mut Export,
) -> Result<Effect, Error> {
    tx.destroy_export(export).await?;
    let request = tx.find_request(export.record.subject_request_id).await?;
    let request = request.filter(|request| request.underway().is_some());
    match request {
        Some(request) => begin_export(tx, policies, request.record(), export.record.kind).await,
        None => Ok(Effect::default()),
    }
}

async fn complete(
    tx: &mut Tx,
    id: ExportId,
    digests: &Digests,
    lifetime: jiff::SignedDuration,
) -> Result<Option<Change<()>>, Error> {
    let Some(mut export) = hold(tx, id).await? else {
        return Ok(None);
    };
    let is_the_same =
        export.writing.round == digests.round && export.writing.stage == Stage::Written;
    if !is_the_same {
        return Ok(None);
    }
    let expires_at = tx.now().checked_add(lifetime);
    export.record.ready_at = Some(tx.now());
    export.record.expires_at = Some(expires_at.unwrap_or(jiff::Timestamp::MAX));
    export.record.json = Some(digests.json.clone());
    export.record.html = digests.html.clone();
    tx.save_export(&export).await?;
    tx.forget_provided(id).await?;
    let event = Event {
        subject_request_id: Some(export.record.subject_request_id),
        ..Event::new(EventKind::ExportReady, Some(export.record.subject_id))
    };
    let detail = AuditDetail {
        outcome: READY.to_owned(),
        ..audit(&export.record)
    };
    Ok(Some(Change::new((), detail).event(event)))
}
