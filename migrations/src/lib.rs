//! The schema's history. Frozen: a migration that has been released is never edited, and none of
//! them knows today's types. Two migrators, since subject keys may live in a database of their own.

mod keys_0001_subject_keys;
mod registry_0001_initial;
mod registry_0004_rights;
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
            Box::new(registry_0004_rights::Migration),
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
        vec![Box::new(keys_0001_subject_keys::Migration)]
    }

    fn migration_table_name() -> DynIden {
        "key_migrations".into_iden()
    }
}
