//! Indexes of what is open, for what monitoring counts every few seconds; and the audit log by time, in
//! the order in which it is listed.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "CREATE INDEX tasks_unconfirmed ON tasks (task_id) WHERE state = 'UNCONFIRMED'",
    "CREATE INDEX exports_open ON exports (export_id) WHERE destroyed_at IS NULL",
    "CREATE INDEX legal_holds_standing ON legal_holds (legal_hold_id) WHERE released_at IS NULL",
    "DROP INDEX audit_by_time",
    "CREATE INDEX audit_by_time ON audit (at, seq)",
];

const DOWN: &[&str] = &[
    "DROP INDEX audit_by_time",
    "CREATE INDEX audit_by_time ON audit (at)",
    "DROP INDEX legal_holds_standing",
    "DROP INDEX exports_open",
    "DROP INDEX tasks_unconfirmed",
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
