//! Imports: a result per record, in order, and a broken import taken up again.

use registry::{
    domain::caller::Scope,
    proto::v1::{
        ErrorReason, GetSubjectRequest, ImportCollectionsRequest, ImportCollectionsResponse,
        RegisterCollectionRequest, import_collections_response::Result as Outcome,
    },
};
use tonic::Status;
use uuid::Uuid;

use crate::{
    harness::{
        Clients,
        sample::{by, identifier, text},
        status::{fields, reason},
    },
    on_both,
};

fn registration(n: i64) -> RegisterCollectionRequest {
    RegisterCollectionRequest {
        subject: Some(by("email", &format!("p{n}@example.com"))),
        identifiers: vec![identifier("shop_user", &n.to_string())],
        subject_category: "client".to_owned(),
        items: vec![text("first_name", "Anna"), text("last_name", "Berg")],
        ..RegisterCollectionRequest::default()
    }
}

fn record(import: Uuid, sequence: i64) -> ImportCollectionsRequest {
    ImportCollectionsRequest {
        import_id: import.to_string(),
        sequence,
        registration: Some(registration(sequence)),
    }
}

/// A record of what the policy does not declare.
fn undeclared(import: Uuid, sequence: i64) -> ImportCollectionsRequest {
    let mut record = record(import, sequence);
    let registration = record.registration.as_mut().expect("a registration");
    registration.items.push(text("shoe_size", "38"));
    record
}

/// Sends all, and gathers the answers up to the end or the error.
async fn import(
    clients: &mut Clients,
    records: Vec<ImportCollectionsRequest>,
) -> (Vec<ImportCollectionsResponse>, Option<Status>) {
    let sent = tokio_stream::iter(records);
    let mut stream = match clients.collection.import_collections(sent).await {
        Ok(stream) => stream.into_inner(),
        Err(status) => return (Vec::new(), Some(status)),
    };
    let mut answers = Vec::new();
    loop {
        match stream.message().await {
            Ok(Some(answer)) => answers.push(answer),
            Ok(None) => return (answers, None),
            Err(status) => return (answers, Some(status)),
        }
    }
}

fn subject_of(answer: &ImportCollectionsResponse) -> Option<&str> {
    match &answer.result {
        Some(Outcome::Registered(registered)) => Some(&registered.subject_id),
        Some(Outcome::Error(_)) | None => None,
    }
}

fn error_of(answer: &ImportCollectionsResponse) -> Option<ErrorReason> {
    match &answer.result {
        Some(Outcome::Error(error)) => Some(error.reason()),
        Some(Outcome::Registered(_)) | None => None,
    }
}

async fn is_known(clients: &mut Clients, n: i64) -> bool {
    let request = GetSubjectRequest {
        subject: Some(by("shop_user", &n.to_string())),
        ..GetSubjectRequest::default()
    };
    clients.subject.get_subject(request).await.is_ok()
}

on_both! {
    async fn every_record_is_answered_in_order_and_a_bad_one_holds_up_no_other(server: TestServer) {
        let (mut admin, id) = (server.admin().await, Uuid::new_v4());
        let mut records: Vec<_> = (1..=1_000).map(|sequence| record(id, sequence)).collect();
        for bad in [0, 199, 200, 777] {
            records[bad] = undeclared(id, records[bad].sequence);
        }
        records[500].registration = None;
        let (answers, end) = import(&mut admin, records).await;
        assert!(end.is_none(), "{end:?}");
        let sequences: Vec<_> = answers.iter().map(|answer| answer.sequence).collect();
        assert_eq!(sequences, (1..=1_000).collect::<Vec<_>>());
        for (place, answer) in answers.iter().enumerate() {
            let expected = match place {
                0 | 199 | 200 | 777 => Some(ErrorReason::CollectionUndeclared),
                500 => Some(ErrorReason::FieldInvalid),
                _ => None,
            };
            assert_eq!(error_of(answer), expected, "{place}");
            assert_eq!(subject_of(answer).is_some(), expected.is_none(), "{place}");
            assert!(answer.checkpoint >= answer.sequence);
        }
        assert!(!is_known(&mut admin, 1).await && is_known(&mut admin, 2).await);
    }

    async fn a_broken_import_is_taken_up_again_and_nothing_is_registered_twice(server: TestServer) {
        let (mut admin, id) = (server.admin().await, Uuid::new_v4());
        let first = vec![record(id, 1), undeclared(id, 2), record(id, 3)];
        let (first, _) = import(&mut admin, first).await;
        let checkpoint = ImportCollectionsRequest {
            import_id: id.to_string(),
            ..ImportCollectionsRequest::default()
        };
        let (asked, _) = import(&mut admin, vec![checkpoint]).await;
        assert_eq!((asked.len(), asked[0].checkpoint), (1, 3));
        assert!(asked[0].result.is_none());

        let again = vec![record(id, 1), undeclared(id, 2), record(id, 3), record(id, 4)];
        let (again, end) = import(&mut admin, again).await;
        assert!(end.is_none(), "{end:?}");
        assert_eq!(again[0].result, first[0].result, "the first answer again");
        assert!(again[1].result.is_none(), "it was refused for good");
        assert_eq!(again[2].result, first[2].result);
        assert!(subject_of(&again[3]).is_some());
        assert_eq!(again[3].checkpoint, 4);
    }

    async fn records_of_one_person_in_one_import_are_one_subject(server: TestServer) {
        let (mut admin, id) = (server.admin().await, Uuid::new_v4());
        let mut records: Vec<_> = (1..=50).map(|sequence| record(id, sequence)).collect();
        for record in &mut records {
            record.registration = Some(registration(7));
        }
        let (answers, _) = import(&mut admin, records).await;
        let first = subject_of(&answers[0]).expect("registered");
        assert!(answers.iter().all(|answer| subject_of(answer) == Some(first)));
    }

    async fn what_breaks_the_rules_of_the_stream_ends_it(server: TestServer) {
        let (mut admin, id) = (server.admin().await, Uuid::new_v4());
        let mut nameless = record(id, 1);
        nameless.import_id = String::new();
        for (records, field) in [
            (vec![nameless], "import_id"),
            (vec![record(id, 1), record(Uuid::new_v4(), 2)], "import_id"),
            (vec![record(id, 2), record(id, 2)], "sequence"),
            (vec![record(id, 0)], "sequence"),
            (vec![record(id, -1)], "sequence"),
        ] {
            let (_, end) = import(&mut admin, records).await;
            let end = end.expect("an error");
            assert_eq!(reason(&end), "FIELD_INVALID");
            assert_eq!(fields(&end), [field]);
        }
    }

    async fn only_the_scope_collect_imports(server: TestServer) {
        let mut checker = server.service("checkout", &[Scope::Check]).await;
        let (answers, end) = import(&mut checker, vec![record(Uuid::new_v4(), 1)]).await;
        assert!(answers.is_empty());
        assert_eq!(reason(&end.expect("refused")), "SCOPE_MISSING");
        assert!(!is_known(&mut server.admin().await, 1).await);
    }

    async fn imports_of_two_services_under_one_id_do_not_meet(server: TestServer) {
        let id = Uuid::new_v4();
        let mut shop = server.service("shop", &[Scope::Collect]).await;
        let mut forum = server.service("forum", &[Scope::Collect]).await;
        import(&mut shop, vec![record(id, 1)]).await;
        let (answers, _) = import(&mut forum, vec![record(id, 1)]).await;
        let Some(Outcome::Registered(registered)) = &answers[0].result else {
            panic!("not registered: {answers:?}");
        };
        assert_eq!(registered.items[0].source, "forum");
    }
}
