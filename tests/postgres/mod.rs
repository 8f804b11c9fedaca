//! A PostgreSQL database for one test. A test target takes it in with
//! `#[path = "../postgres/mod.rs"] mod postgres;`.

use std::env;

use sea_orm::{ConnectionTrait, Database};
use uuid::Uuid;

/// Makes an empty database of the test's own and returns its URL. It is left behind: the cluster
/// that `scripts/postgres` started goes as a whole.
///
/// # Panics
/// Without a PostgreSQL: a test that cannot run has failed.
pub async fn create_database() -> String {
    let server = env::var("PDR_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "this test needs a PostgreSQL, and PDR_TEST_POSTGRES_URL names none: \
             run ./test, or scripts/postgres -- cargo test"
        )
    });
    let name = format!("pdr_test_{}", Uuid::new_v4().simple());
    let admin = Database::connect(&server)
        .await
        .unwrap_or_else(|error| panic!("PDR_TEST_POSTGRES_URL leads to no PostgreSQL: {error}"));
    admin
        .execute_unprepared(&format!("CREATE DATABASE {name}"))
        .await
        .expect("PDR_TEST_POSTGRES_URL names a role that may create databases");
    admin
        .close()
        .await
        .expect("nothing is pending on the connection");
    let (address, _) = server
        .rsplit_once('/')
        .expect("a URL that connects has a path");
    format!("{address}/{name}")
}
