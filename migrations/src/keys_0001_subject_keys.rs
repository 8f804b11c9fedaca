//! One wrapped key per subject. A row without `wrapped` is a destroyed key: it stays as the proof
//! that there was one.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE subject_keys (
        subject_id {uuid} NOT NULL PRIMARY KEY,
        kek_id text NOT NULL,
        wrapped {bytes},
        created_at {int} NOT NULL,
        destroyed_at {int}
    )",
    "CREATE INDEX subject_keys_by_kek ON subject_keys (kek_id)",
];

const DOWN: &[&str] = &["DROP TABLE subject_keys"];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, UP).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, DOWN).await
    }
}
