//! The databases that the tests of PostgreSQL are given.

#[path = "postgres/mod.rs"]
mod databases;

use sea_orm::{ConnectionTrait, Database, Statement};

#[tokio::test]
async fn each_test_gets_a_database_of_its_own() {
    let (first, second) = tokio::join!(databases::create_database(), databases::create_database());
    assert_ne!(first, second);

    let first = Database::connect(&first).await.unwrap();
    first
        .execute_unprepared("CREATE TABLE mine (id BIGINT)")
        .await
        .unwrap();
    let second = Database::connect(&second).await.unwrap();
    assert!(
        second
            .execute_unprepared("SELECT id FROM mine")
            .await
            .is_err()
    );
}

#[tokio::test]
async fn text_has_a_linguistic_order_so_that_luck_does_not_hide_a_missing_collation() {
    let database = Database::connect(databases::create_database().await)
        .await
        .unwrap();
    let query = "SELECT min(x) AS least FROM (VALUES ('B'), ('a')) AS t (x)";
    let statement = Statement::from_string(database.get_database_backend(), query);
    let row = database.query_one_raw(statement).await.unwrap().unwrap();
    assert_eq!(row.try_get::<String>("", "least").unwrap(), "a");
}
