//! Entries are not sampled for the planner: some hold what names a person, under seal.

use sea_orm_migration::prelude::*;

use crate::schema::{take_no_samples, take_samples};

#[derive(DeriveMigrationName)]
pub struct Migration;

const COLUMNS: &[(&str, &str, &str)] = &[("journal", "document", "text")];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_no_samples(manager, COLUMNS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        take_samples(manager, COLUMNS).await
    }
}
