//! The journal: does it answer, is it whole, and does the database have everything that it has?

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::Report;
use crate::{
    app::Registry,
    cli::compose,
    config::{Config, Journal},
    store::Store,
};

/// Says how it is. The schema is this program's.
pub(super) async fn examine(report: &mut Report, config: &Config, store: Store) {
    if config.journal == Journal::Nowhere {
        return report.warn(
            "journal",
            "there is none: a restored backup brings back what people have taken back; see \
             [journal] of the configuration",
        );
    }
    let clock = compose::system_clock();
    let registry = Registry::new(Arc::new(store), clock, CancellationToken::new());
    match registry.preview_restore().await {
        Ok(preview) if preview.is_empty() => {
            report.ok("journal", "reads, and the database has everything in it");
        }
        Ok(_) => report.warn(
            "journal",
            "database and journal differ; `pdr restore check` says how, docs/restore.md what to do",
        ),
        Err(error) => report.fail(
            "journal",
            format!(
                "{}; no server starts: see docs/restore.md",
                error.for_operators()
            ),
        ),
    }
}
