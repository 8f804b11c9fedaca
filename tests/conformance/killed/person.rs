//! A client of a shop that keeps its books for ten years: a ledger has the order for that, a list the
//! address, a CRM the name.

use std::collections::BTreeSet;

use jiff::Timestamp;
use registry::{
    app::{
        Call, Registry,
        collection::{CollectedItem, Registration},
        disclosure::Disclose,
        task::{LeaseTasks, OnLease},
    },
    crypto::signature::Envelope,
    domain::{
        audit::Action,
        disclosure::ExternalReference,
        erasure::certificate::{CERTIFICATE_TYPE, ErasureCertificate},
        id::{SubjectId, SubjectRequestId},
        item::Content,
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
        subject_ref::SubjectRef,
        task::{LEASE_DEFAULT, Outcome, Recipient, Report, Settled, Task},
    },
    store::{JournalPlace, Snapshot},
};
use uuid::Uuid;

use crate::{
    harness::{Place, call, count, everything, names, number},
    sample::{by, given, identifier, item, items, keyed, subject_of, text, visitor},
};

/// What the example policy lacks: books.
const BOOKS: [(&str, &str); 5] = [
    (
        "\npurposes:\n",
        "  bookkeeping: { title: Keep the books }\n",
    ),
    (
        "\nprocessors:\n",
        "  ledger: { title: Ledger, role: processor }\n",
    ),
    (
        "\nactivities:\n",
        "  - { id: client-books, subjects: [client], data: [order_contents], purpose: bookkeeping,
      lawful_basis: legal_obligation, after_category_end: continues }\n",
    ),
    (
        "\nsharing:\n",
        "  - { subjects: [client], data: [order_contents], purpose: bookkeeping, processor: ledger }\n",
    ),
    (
        "\nretention:\n",
        "  - { data: [order_contents], subjects: [client], kind: legal_minimum, after: collection,
      period: P10Y, ground: 'Fiscal Code, s. 147' }\n",
    ),
];
/// What the order says, which the law keeps.
pub const ORDER: &str = "a lamp";

/// A registry whose policy keeps the books.
pub async fn shop(place: &Place) -> Registry {
    let registry = place.empty_replica().await;
    let mut text = EXAMPLE_POLICY_YAML.to_owned();
    for (heading, more) in BOOKS {
        assert!(text.contains(heading), "{heading}");
        text = text.replacen(heading, &format!("{heading}{more}"), 1);
    }
    let (policy, _) = parse_yaml(&text).expect("the policy reads");
    let call = Call::new(everything("operator"), Action::PublishPolicy);
    let published = registry.publish_policy(call, policy, true).await;
    published.expect("published");
    registry
}

/// The `n`-th client, whose data was collected at an instant of its own, or now.
pub async fn client(registry: &Registry, n: u32, collected_at: Option<Timestamp>) -> SubjectId {
    let email = format!("anna-{n}@example.org");
    let client = subject_of(
        registry,
        Registration {
            subject_category: "client".parse().expect("a name"),
            identifiers: vec![identifier("shop_user", &format!("anna-{n}"))],
            items: vec![
                item("email_address", Content::Text(email.clone())),
                keyed("order_contents", "order-1", ORDER),
                CollectedItem {
                    source: Some("crm".parse().expect("a source")),
                    ..item("first_name", Content::Locator(format!("crm://anna-{n}")))
                },
            ],
            consents: vec![given(&["newsletter"])],
            collected_at,
            ..visitor(by("email", &email))
        },
    )
    .await;
    let disclose = Disclose {
        subject: SubjectRef::Id(client),
        data_categories: names(&["order_contents"]),
        item_ids: Vec::new(),
        purpose: "bookkeeping".parse().expect("a name"),
        processor: "ledger".parse().expect("a name"),
        external_reference: ExternalReference::new(format!("account {n}")),
        occurred_at: None,
    };
    let disclosed = registry.record_disclosure(call(Action::RecordDisclosure), disclose);
    disclosed.await.expect("disclosed");
    client
}

/// What is committed now.
pub async fn snapshot(place: &Place, registry: &Registry) -> Snapshot {
    let snapshot = registry.store().snapshot(place.now()).await;
    snapshot.expect("a snapshot")
}

/// Whether the person is erased: as a whole, with what the law keeps left and readable, or not at all.
pub async fn is_erased(place: &Place, registry: &Registry, client: SubjectId) -> bool {
    let snapshot = snapshot(place, registry).await;
    let record = snapshot.find_subject(client).await.expect("looked");
    let erased = record.expect("it stays known").erased_at.is_some();
    let erasures = snapshot.list_erasures(client).await.expect("listed");
    let identifiers = snapshot.read_identifiers(client).await.expect("read");
    let own_keys = snapshot.list_own_keys(client).await.expect("listed");
    let notices = snapshot.list_notices(client).await.expect("listed");
    let tasks = snapshot.list_open_tasks(client).await.expect("listed");
    snapshot.close().await.expect("closed");
    let left = items(registry, client).await.expect("everything opens");
    let found = (left.len(), identifiers.len(), erasures.len());
    let made = (own_keys.len(), notices.len(), tasks.is_empty());
    if erased {
        assert_eq!((found, made.0, made.1), ((1, 0, 1), 1, 1));
        assert_eq!(text(&left[0]), ORDER);
    } else {
        assert_eq!((found, made), ((3, 2, 0), (0, 0, true)));
        assert!(left.iter().all(|item| !item.state.is_retained()));
    }
    erased
}

/// The keys of what stays of a person.
pub async fn own_keys(place: &Place, registry: &Registry, client: SubjectId) -> Vec<Uuid> {
    let snapshot = snapshot(place, registry).await;
    let own_keys = snapshot.list_own_keys(client).await;
    snapshot.close().await.expect("closed");
    let own_keys = own_keys.expect("listed").into_iter();
    own_keys.map(|(_, key)| key).collect()
}

/// Whether one of these keys is left.
pub async fn has_keys(place: &Place, registry: &Registry, keys: &[Uuid]) -> bool {
    assert!(!keys.is_empty());
    let snapshot = snapshot(place, registry).await;
    let mut found = false;
    for key in keys {
        found |= snapshot.has_own_key(*key).await.expect("looked");
    }
    snapshot.close().await.expect("closed");
    found
}

/// What a recipient is called.
fn name(recipient: &Recipient) -> &str {
    match recipient {
        Recipient::Processor(name) => name.as_str(),
        Recipient::Holder(name) => name.as_str(),
    }
}

/// The tasks of a request, by their recipients' names.
pub async fn tasks(place: &Place, registry: &Registry, request: SubjectRequestId) -> Vec<Task> {
    let snapshot = snapshot(place, registry).await;
    let tasks = snapshot.list_request_tasks(request).await;
    snapshot.close().await.expect("closed");
    let mut tasks = tasks.expect("listed");
    tasks.sort_by(|a, b| name(&a.recipient).cmp(name(&b.recipient)));
    tasks
}

/// Their recipients' names.
pub fn told(tasks: &[Task]) -> Vec<&str> {
    tasks.iter().map(|task| name(&task.recipient)).collect()
}

/// Every recipient does what it is asked.
pub async fn complete(registry: &Registry, tasks: &[Task]) {
    for task in tasks {
        let lease = LeaseTasks {
            recipient: task.recipient.clone(),
            kinds: Vec::new(),
            max: 10,
            length: LEASE_DEFAULT,
        };
        let leased = registry.lease_tasks(everything("connector"), lease).await;
        let leased = leased.expect("leased");
        let ids: Vec<_> = leased.iter().map(|it| it.task.task_id).collect();
        assert_eq!(ids, [task.task_id], "what names the person opens");
        let on_lease = OnLease {
            task_id: task.task_id,
            lease_id: leased[0].task.lease().expect("it is leased").lease_id,
        };
        let done = Report::Ended(Settled {
            outcome: Outcome::Done,
            evidence: "deleted".to_owned(),
        });
        let call = Call::new(everything("connector"), Action::CompleteTask);
        let completed = registry.complete_task(call, on_lease, done, Vec::new());
        completed.await.expect("completed");
    }
}

/// The certificate of a request, verified.
pub async fn certificate(registry: &Registry, request: SubjectRequestId) -> ErasureCertificate {
    let caller = everything("tests");
    let issued = registry.erasure_certificate(&caller, request).await;
    let envelope = issued.expect("issued").envelope;
    let envelope: Envelope = serde_json::from_str(&envelope).expect("an envelope");
    let keys = registry.store().key_ring().signing().verifying();
    let payload = keys.verify(&envelope, CERTIFICATE_TYPE).expect("genuine");
    ErasureCertificate::read(&payload).expect("a certificate")
}

/// Entries of one kind that the journal has about somebody. One whose mark was lost comes again, and counts
/// once.
pub async fn journaled(place: &Place, client: SubjectId, kind: &str) -> i64 {
    let connection = place.connect().await;
    let pending = "SELECT count(*) AS n FROM journal_entries WHERE journaled_at IS NULL";
    assert_eq!(number(&connection, pending).await, 0, "everything is there");
    let JournalPlace::File(path) = &place.journal else {
        let of_client = format!("document LIKE '%\"{kind}\"%' AND document LIKE '%{client}%'");
        return count(&connection, &format!("journal WHERE {of_client}")).await;
    };
    let text = std::fs::read_to_string(path).expect("a journal");
    let of_client = text
        .lines()
        .filter(|line| line.contains(&format!("\"{kind}\"")) && line.contains(&client.to_string()));
    let ids = of_client.filter_map(|line| line.split(' ').nth(2));
    let ids: BTreeSet<_> = ids.collect();
    i64::try_from(ids.len()).expect("a number")
}
