//! The schema goes up, down and up again, by one migrator at a time, and a program refuses a
//! database that is not the one it knows.

use futures::future::join_all;
use registry::store::JournalPlace;
use registry::store::StoreError;
use registry_migrations::{Journal, Keys, MigratorTrait, Registry as Tables};
use sea_orm::{ConnectionTrait, DatabaseConnection, DbBackend, Statement};

use crate::{
    harness::{count, execute, new_subject},
    on_both,
};

/// Every table and index of the tables' own, in order.
async fn made(connection: &DatabaseConnection) -> Vec<String> {
    let backend = connection.get_database_backend();
    let sql = match backend {
        DbBackend::Postgres => {
            "SELECT indexname AS name FROM pg_indexes WHERE schemaname = 'public'
             UNION SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
        }
        _ => "SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'",
    };
    let rows = connection
        .query_all_raw(Statement::from_string(backend, sql))
        .await
        .expect("the catalogue reads");
    let mut names: Vec<String> = rows
        .iter()
        .map(|row| row.try_get("", "name").expect("a name"))
        .collect();
    names.sort();
    names
}

on_both! {
    async fn the_schema_goes_up_down_and_up_again_and_leaves_nothing_but_its_history(place: Place) {
        let store = place.store().await;
        let (data, keys) = (place.connect().await, place.connect_to_keys().await);
        let (first_data, first_keys) = (made(&data).await, made(&keys).await);
        assert!(first_data.contains(&"subjects".to_owned()), "{first_data:?}");
        assert!(first_keys.contains(&"subject_keys".to_owned()), "{first_keys:?}");

        Tables::down(&data, None).await.unwrap();
        Keys::down(&keys, None).await.unwrap();
        if let JournalPlace::Postgres(_) = place.journal {
            Journal::down(&data, None).await.unwrap();
        }
        for left in [made(&data).await, made(&keys).await] {
            assert!(left.iter().all(|name| name.contains("migrations")), "{left:?}");
        }

        store.migrate().await.unwrap();
        store.check_schema().await.unwrap();
        assert_eq!(made(&data).await, first_data);
        assert_eq!(made(&keys).await, first_keys);
    }

    async fn four_replicas_that_migrate_at_once_make_one_schema(place: Place) {
        let replicas = join_all((0..4).map(|_| place.open())).await;
        let outcomes = join_all(replicas.iter().map(registry::store::Store::migrate)).await;
        for outcome in outcomes {
            outcome.unwrap();
        }
        for replica in &replicas {
            replica.check_schema().await.unwrap();
        }
        let made = i64::try_from(Tables::migrations().len()).unwrap();
        assert_eq!(count(&place.connect().await, "registry_migrations").await, made);
        let of_keys = i64::try_from(registry_migrations::Keys::migrations().len()).unwrap();
        assert_eq!(count(&place.connect_to_keys().await, "key_migrations").await, of_keys);
    }

    async fn migrating_again_changes_nothing_and_loses_nothing(place: Place) {
        let registry = place.empty_replica().await;
        let subject = new_subject(&registry).await;
        let data = place.connect().await;
        let before = made(&data).await;
        registry.store().migrate().await.unwrap();
        assert_eq!(made(&data).await, before);
        let snapshot = registry.store().snapshot(place.now()).await.unwrap();
        assert!(snapshot.find_subject(subject).await.unwrap().is_some());
    }

    async fn a_database_that_lacks_a_migration_is_refused_and_left_as_it_is(place: Place) {
        let store = place.open().await;
        let refused = store.check_schema().await.unwrap_err();
        let StoreError::Schema(text) = refused else { panic!("{refused:?}") };
        assert!(text.contains("pdr migrate"), "{text}");
        assert!(made(&place.connect().await).await.is_empty());
    }

    async fn a_database_newer_than_the_program_is_neither_used_nor_migrated(place: Place) {
        let store = place.store().await;
        execute(
            &place.connect().await,
            "INSERT INTO registry_migrations (version, applied_at) VALUES ('registry_9999_tomorrow', 0)",
        ).await;
        for refused in [store.check_schema().await, store.migrate().await] {
            let refused = refused.unwrap_err();
            let StoreError::Schema(text) = refused else { panic!("{refused:?}") };
            assert!(text.contains("registry_9999_tomorrow"), "{text}");
        }
    }

    async fn keys_newer_than_the_program_are_refused_as_well(place: Place) {
        let store = place.store().await;
        execute(
            &place.connect_to_keys().await,
            "INSERT INTO key_migrations (version, applied_at) VALUES ('keys_9999_tomorrow', 0)",
        ).await;
        assert!(matches!(store.check_schema().await, Err(StoreError::Schema(_))));
    }
}
