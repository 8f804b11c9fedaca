//! What the writing of packages looks for: packages to go on with and to destroy, pieces by their bytes, and
//! a person's data in the order in which it is written down.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE INDEX exports_unfinished ON exports (export_id)
        WHERE ready_at IS NULL AND destroyed_at IS NULL",
    "CREATE INDEX exports_expiring ON exports (expires_at) WHERE destroyed_at IS NULL",
    "CREATE UNIQUE INDEX export_chunks_by_byte ON export_chunks (export_id, format, first_byte)",
    "CREATE INDEX items_by_chapter ON items (subject_id, data_category, item_id)
        WHERE deleted_at IS NULL",
    "CREATE INDEX disclosures_by_recording ON disclosures (subject_id, recorded_at, disclosure_id)",
    "CREATE INDEX consents_by_recording ON consents (subject_id, recorded_at, consent_id)",
];

const DOWN: &[&str] = &[
    "DROP INDEX consents_by_recording",
    "DROP INDEX disclosures_by_recording",
    "DROP INDEX items_by_chapter",
    "DROP INDEX export_chunks_by_byte",
    "DROP INDEX exports_expiring",
    "DROP INDEX exports_unfinished",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
