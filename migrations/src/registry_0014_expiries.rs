//! What ends by itself and is told of: when each subject has to be looked at next, and what was told of it.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE TABLE expiries (
        subject_id {uuid} NOT NULL PRIMARY KEY,
        due_at {int},
        judged_under {int} NOT NULL
    )",
    "CREATE INDEX expiries_due ON expiries (due_at)",
    "CREATE INDEX expiries_by_policy ON expiries (judged_under)",
    "CREATE TABLE announced_expiries (
        subject_id {uuid} NOT NULL,
        kind text NOT NULL,
        thing_id {uuid} NOT NULL,
        processor text NOT NULL,
        purposes text NOT NULL,
        announced_at {int} NOT NULL,
        PRIMARY KEY (subject_id, kind, thing_id, processor)
    )",
    "CREATE TABLE announced_policies (
        version text NOT NULL PRIMARY KEY,
        announced_at {int} NOT NULL
    )",
    // Whoever is known already is looked at once.
    "INSERT INTO expiries (subject_id, due_at, judged_under)
        SELECT subject_id, 0, 0 FROM subjects WHERE merged_into IS NULL",
    // What came into force before the last event is no news.
    "INSERT INTO announced_policies (version, announced_at)
        SELECT version, effective_from FROM policies
        WHERE effective_from <= (SELECT max(recorded_at) FROM events)",
];

const DOWN: &[&str] = &[
    "DROP TABLE announced_policies",
    "DROP TABLE announced_expiries",
    "DROP TABLE expiries",
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
