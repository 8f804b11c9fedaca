//! The audit log as a hash tree: entries get their place when they are sealed, the hashes of complete
//! subtrees are kept so that a proof reads few of them, and every sealing leaves a signed checkpoint.

use sea_orm_migration::prelude::*;

use crate::schema::run;

#[derive(DeriveMigrationName)]
pub struct Migration;

const UP: &[&str] = &[
    "ALTER TABLE audit ADD COLUMN position {int}",
    "CREATE UNIQUE INDEX audit_by_position ON audit (position)",
    "CREATE INDEX audit_unsealed ON audit (seq) WHERE position IS NULL",
    "CREATE TABLE audit_nodes (
        level {int} NOT NULL,
        node_index {int} NOT NULL,
        hash {bytes} NOT NULL,
        PRIMARY KEY (level, node_index)
    )",
    "CREATE TABLE audit_checkpoints (
        tree_size {int} NOT NULL PRIMARY KEY,
        envelope text NOT NULL
    )",
];

const DOWN: &[&str] = &[
    "DROP TABLE audit_checkpoints",
    "DROP TABLE audit_nodes",
    "DROP INDEX audit_unsealed",
    "DROP INDEX audit_by_position",
    "ALTER TABLE audit DROP COLUMN position",
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
