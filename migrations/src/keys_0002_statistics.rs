//! Wrapped keys are not sampled for the planner: a sample outlives the destruction of a key.

use sea_orm_migration::prelude::*;

use crate::schema::{take_no_samples, take_samples};

#[derive(DeriveMigrationName)]
pub struct Migration;

const COLUMNS: &[(&str, &str, &str)] = &[("subject_keys", "wrapped", "bytea")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_no_samples(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_samples(manager, COLUMNS).await
    }
}
