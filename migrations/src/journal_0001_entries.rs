//! The journal outside the registry's database: what was taken away, so that a restored backup does
//! not bring it back.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &["CREATE TABLE journal (
        entry_id {uuid} NOT NULL PRIMARY KEY,
        at {int} NOT NULL,
        document text NOT NULL
    )"];

const DOWN: &[&str] = &["DROP TABLE journal"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
