//! What the journal has of people whom a restored database does not know: entries that wait, found by the
//! keyed hashes of the identifiers, until those people register again.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &["CREATE TABLE waiting_entries (
        hash {bytes} NOT NULL,
        index_key text NOT NULL,
        identifier_type text NOT NULL,
        entry_id {uuid} NOT NULL,
        PRIMARY KEY (hash, index_key, identifier_type, entry_id)
    )"];

const DOWN: &[&str] = &["DROP TABLE waiting_entries"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
