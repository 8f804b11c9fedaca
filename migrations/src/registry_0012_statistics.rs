//! Nothing that is sealed is sampled for the planner: a sample outlives what was sampled.

use sea_orm_migration::prelude::*;

use crate::schema::{take_no_samples, take_samples};

#[derive(DeriveMigrationName)]
pub struct Migration;

const COLUMNS: &[(&str, &str, &str)] = &[
    ("items", "content_sealed", "bytea"),
    ("items", "item_key_sealed", "bytea"),
    ("identifiers", "value_sealed", "bytea"),
    ("consents", "texts_sealed", "bytea"),
    ("disclosures", "external_reference_sealed", "bytea"),
    ("subject_requests", "corrections_sealed", "bytea"),
    ("tasks", "payload_sealed", "bytea"),
    ("tasks", "progress_sealed", "bytea"),
    ("export_chunks", "data_sealed", "bytea"),
    ("export_provided", "content_sealed", "bytea"),
    ("erasure_notices", "payload_sealed", "bytea"),
    ("journal_entries", "document", "text"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_no_samples(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_samples(manager, COLUMNS).await
    }
}
