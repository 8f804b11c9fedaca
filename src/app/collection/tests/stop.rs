//! A no inside a registration or an import is a no: those who use the data on the yes before it are told
//! to stop (Art. 7(3)).

use super::*;
use crate::{
    app::collection::import::ImportRecord,
    domain::{
        consent::statement::ConsentStatement,
        id::ImportId,
        task::{Task, TaskCause, TaskKind},
    },
    store::audit::AuditFilter,
};

fn says(choice: ConsentChoice) -> ConsentStatement {
    ConsentStatement {
        purposes: vec!["newsletter".parse().unwrap()],
        processors: Vec::new(),
        choice,
        evidence: StatedEvidence::by(EvidenceMethod::Checkbox),
        occurred_at: None,
        expires_at: None,
    }
}

/// A registration of a subscriber's address, with an answer.
fn subscriber(choice: ConsentChoice) -> Registration {
    let mut registration = client(&[("email", "anna@example.com")]);
    registration.items = vec![item("email_address", "anna@example.com")];
    registration.consents = vec![says(choice)];
    registration
}

async fn stops(it: &Collections, subject: SubjectId) -> Vec<Task> {
    let now = it.it.registry.clock_now();
    let snapshot = it.it.registry.store().snapshot(now).await.unwrap();
    let mut tasks = snapshot.list_open_tasks(subject).await.unwrap();
    tasks.retain(|task| task.kind == TaskKind::Stop);
    tasks
}

#[tokio::test]
async fn a_refusal_in_a_registration_tells_recipients_to_stop_if_there_had_been_a_yes() {
    let it = Collections::new().await;
    let anna = it.subject_of(subscriber(ConsentChoice::Refused)).await;
    assert_eq!(
        stops(&it, anna).await,
        [],
        "nobody had been permitted anything"
    );
    it.pass(1);
    it.register(subscriber(ConsentChoice::Given)).await.unwrap();
    assert_eq!(stops(&it, anna).await, []);
    it.pass(1);
    let call = it.call(Action::RegisterCollection);
    let refused = subscriber(ConsentChoice::Refused);
    it.it
        .registry
        .register_collection(call, refused)
        .await
        .unwrap();
    let stops = stops(&it, anna).await;
    let aweber = stops.iter().filter(|task| {
        let to = task.recipient.processor();
        to.is_some_and(|to| to.as_str() == "aweber")
    });
    assert_eq!(aweber.count(), 1, "{stops:?}");
    assert!(stops.iter().all(|task| task.cause == TaskCause::Withdrawal));
    let listed =
        it.it
            .registry
            .list_audit_entries(&it.it.caller, None, AuditFilter::default(), 1, None);
    let listed = listed.await.unwrap();
    let logged: std::collections::BTreeSet<_> = listed.entries[0].detail.task_ids.iter().collect();
    assert_eq!(logged, stops.iter().map(|task| &task.task_id).collect());
}

#[tokio::test]
async fn a_withdrawal_in_an_import_tells_recipients_to_stop_once() {
    let it = Collections::new().await;
    let record = |sequence: i64, choice| ImportRecord {
        sequence,
        canonical: format!("{sequence}").into_bytes(),
        registration: Ok(subscriber(choice)),
    };
    let import = ImportId(Uuid::from_u128(1));
    // The yes and the no of one batch: neither is in the database before the other is worked off.
    for _ in 0..2 {
        let records = vec![
            record(1, ConsentChoice::Given),
            record(2, ConsentChoice::Withdrawn),
        ];
        let batch = it.it.registry.import_batch(&it.it.caller, import, records);
        assert_eq!(batch.await.unwrap().checkpoint, 2);
    }
    let anna = it.get(by("email", "anna@example.com")).await.unwrap();
    let stops = stops(&it, anna.subject_id).await;
    let mut recipients: Vec<_> = stops.iter().map(|task| task.recipient.clone()).collect();
    let told = recipients.len();
    recipients.dedup();
    assert!(told > 0 && told == recipients.len(), "{stops:?}");
}
