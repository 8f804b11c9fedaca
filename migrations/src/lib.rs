//! The schema's history. Frozen: a migration that has been released is never edited, and none of
//! them knows today's types. Three migrators, since subject keys may live in a database of their own,
//! and the journal always does.

mod journal_0001_entries;
mod journal_0002_statistics;
mod keys_0001_subject_keys;
mod keys_0002_statistics;
mod registry_0001_initial;
mod registry_0002_audit_log;
mod registry_0003_journal;
mod registry_0004_rights;
mod registry_0005_exports;
mod registry_0006_erasure;
mod registry_0008_requests;
mod registry_0010_monitoring;
mod registry_0011_waiting;
mod registry_0012_statistics;
mod registry_0013_as_of;
mod registry_0014_expiries;
mod registry_0015_changes;
mod registry_0016_places;
mod schema;

pub use sea_orm_migration::MigratorTrait;
use sea_orm_migration::prelude::*;

/// Tables of the registry.
#[derive(Debug)]
pub struct Registry;

#[async_trait::async_trait]
impl MigratorTrait for Registry {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(registry_0001_initial::Migration),
            Box::new(registry_0002_audit_log::Migration),
            Box::new(registry_0003_journal::Migration),
            Box::new(registry_0004_rights::Migration),
            Box::new(registry_0005_exports::Migration),
            Box::new(registry_0006_erasure::Migration),
            Box::new(registry_0008_requests::Migration),
            Box::new(registry_0010_monitoring::Migration),
            Box::new(registry_0011_waiting::Migration),
            Box::new(registry_0012_statistics::Migration),
            Box::new(registry_0013_as_of::Migration),
            Box::new(registry_0014_expiries::Migration),
            Box::new(registry_0015_changes::Migration),
            Box::new(registry_0016_places::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "registry_migrations".into_iden()
    }
}

/// Tables of the key store.
#[derive(Debug)]
pub struct Keys;

#[async_trait::async_trait]
impl MigratorTrait for Keys {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(keys_0001_subject_keys::Migration),
            Box::new(keys_0002_statistics::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "key_migrations".into_iden()
    }
}

/// The table of a journal that is kept in a database.
#[derive(Debug)]
pub struct Journal;

#[async_trait::async_trait]
impl MigratorTrait for Journal {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(journal_0001_entries::Migration),
            Box::new(journal_0002_statistics::Migration),
        ]
    }

    fn migration_table_name() -> DynIden {
        "journal_migrations".into_iden()
    }
}
