//! Erasures by their subject, and what recipients are told once the items that stayed go: by then the
//! person's identifiers are gone here, so what names the person to a recipient is sealed apart.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE INDEX erasures_by_subject ON erasures (subject_id)",
    "CREATE TABLE erasure_notices (
        notice_id {uuid} NOT NULL PRIMARY KEY,
        subject_id {uuid} NOT NULL,
        subject_request_id {uuid} NOT NULL,
        processor text,
        holder text,
        item_ids text NOT NULL,
        payload_sealed {bytes} NOT NULL
    )",
    "CREATE INDEX erasure_notices_by_subject ON erasure_notices (subject_id, notice_id)",
    "CREATE INDEX erasure_notices_by_request ON erasure_notices (subject_request_id)",
];

const DOWN: &[&str] = &[
    "DROP TABLE erasure_notices",
    "DROP INDEX erasures_by_subject",
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
