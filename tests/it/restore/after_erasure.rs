//! What a backup holds that was taken after an erasure: nothing that was sealed of the person, in no form.

use sea_orm::{ConnectionTrait, Database, Statement};

use super::{keys::erase, *};

/// What stands sealed in a column.
async fn sealed(url: &DatabaseUrl, sql: &str) -> Vec<Vec<u8>> {
    let database = Database::connect(url.expose()).await.expect("it is there");
    let statement = Statement::from_string(database.get_database_backend(), sql);
    let rows = database.query_all_raw(statement).await.expect("rows");
    let found = rows.iter().map(|row| row.try_get_by_index(0));
    let found = found.collect::<Result<_, _>>().expect("bytes");
    database.close().await.expect("nothing is pending");
    found
}

/// Everything that is sealed of everybody, and every wrapped key.
async fn everything_sealed(server: &TestServer) -> Vec<Vec<u8>> {
    let (data, keys) = (&server.config.database.url, server.config.keys.url.as_ref());
    let mut found = Vec::new();
    for sql in [
        "SELECT content_sealed FROM items WHERE content_sealed IS NOT NULL",
        "SELECT value_sealed FROM identifiers",
        "SELECT texts_sealed FROM consents WHERE texts_sealed IS NOT NULL",
    ] {
        found.extend(sealed(data, sql).await);
    }
    let wrapped = "SELECT wrapped FROM subject_keys WHERE wrapped IS NOT NULL";
    found.extend(sealed(keys.expect("they lie apart"), wrapped).await);
    found
}

/// Those of `needles` that a backup holds, as bytes or as their digits.
fn held(backup: &Backup, needles: &[Vec<u8>]) -> usize {
    let bytes = backup.bytes();
    let digits = |needle: &[u8]| {
        let digits = needle.iter().map(|byte| format!("{byte:02x}"));
        digits.collect::<String>().into_bytes()
    };
    let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|part| part == needle);
    let held = needles
        .iter()
        .filter(|needle| holds(needle) || holds(&digits(needle)));
    held.count()
}

on_both! {
    async fn a_backup_that_is_taken_after_an_erasure_holds_nothing_that_was_sealed_of_the_person(server: TestServer) {
        let server = apart(server).await;
        let mut admin = server.admin().await;
        register(&mut admin, "gone").await;
        let of_gone = everything_sealed(&server).await;
        register(&mut admin, "kept").await;
        let mut of_kept = everything_sealed(&server).await;
        of_kept.retain(|sealed| !of_gone.contains(sealed));
        let [data, _] = backup(&server).await;
        assert!(held(&data, &of_gone) >= 2, "before it, it is there");

        erase(&mut admin, "gone").await;
        // Keys that were made ahead belong to nobody yet.
        let left = everything_sealed(&server).await;
        let went: Vec<_> = of_gone.into_iter().filter(|sealed| !left.contains(sealed)).collect();
        assert!(went.len() >= 3, "{}", went.len());
        let [data, keys] = backup(&server).await;
        assert_eq!(held(&data, &went), 0);
        assert_eq!(held(&keys, &went), 0);
        assert!(held(&data, &of_kept) >= 2, "what is searched for would be found");
    }
}
