//! Entries of the journal, written in the transaction of what they tell of. `journaled_at` is set
//! once the journal outside the database has them.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE journal_entries (
        entry_id {uuid} NOT NULL PRIMARY KEY,
        document text NOT NULL,
        recorded_at {int} NOT NULL,
        journaled_at {int}
    )",
    "CREATE INDEX journal_entries_pending ON journal_entries (recorded_at)
        WHERE journaled_at IS NULL",
];

const DOWN: &[&str] = &["DROP TABLE journal_entries"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
