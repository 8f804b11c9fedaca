//! Writing: what is in a package, and what an interruption leaves.

use super::{super::page::ITEMS_MAX, people::*, *};
use crate::{
    app::{
        Call,
        task::{LeaseTasks, OnLease, OpenedTask},
    },
    domain::{
        audit::Action,
        export::PIECE_BYTES_MAX,
        id::ItemId,
        item::{CONTENT_BYTES_MAX, Item},
        task::{Outcome, Recipient, Report, Settled},
    },
    store::audit::AuditFilter,
};

/// Leases everything that a holder has to hand over.
async fn lease(test: &TestRegistry) -> Vec<OpenedTask> {
    let lease = LeaseTasks {
        recipient: Recipient::Holder("shop".parse().expect("a source")),
        kinds: Vec::new(),
        max: 100,
        length: SignedDuration::from_mins(5),
    };
    let leased = test.registry.lease_tasks(test.caller.clone(), lease).await;
    leased.expect("leased")
}

/// Ends a task; what is handed over with it goes into the package.
async fn end(test: &TestRegistry, opened: &OpenedTask, provided: Vec<(ItemId, Content)>) {
    let on = OnLease {
        task_id: opened.task.task_id,
        lease_id: opened.task.lease().expect("it is on lease").lease_id,
    };
    let report = Report::Ended(Settled {
        outcome: Outcome::Done,
        evidence: String::new(),
    });
    let call = Call::new(test.caller.clone(), Action::CompleteTask);
    let ended = test
        .registry
        .complete_task(call, on, report, provided)
        .await;
    ended.expect("ended");
}

#[tokio::test]
async fn a_copy_says_everything_in_both_formats_and_is_announced() {
    let test = registry().await;
    let ada = everything(&test).await;
    let request = copy_of(&test, ada).await;
    assert_eq!(
        build(&test).await,
        0,
        "the forum has something to hand over"
    );
    for opened in lease(&test).await {
        end(&test, &opened, Vec::new()).await;
    }
    assert_eq!(build(&test).await, 1);
    let copy = json_of(&test, request, ExportKind::Access).await;
    assert_eq!(copy["totals"]["items"], 10);
    assert_eq!(copy["totals"]["items_not_handed_over"], 1);
    assert_eq!(copy["totals"]["disclosures"], 3);
    assert_eq!(copy["totals"]["consents"], 3);
    assert_eq!(copy["items"].as_array().map(Vec::len), Some(10));
    assert_eq!(copy["recipients"].as_array().map(Vec::len), Some(3));
    assert_eq!(copy["identifiers"].as_array().map(Vec::len), Some(2));
    let page = page_of(&test, request).await;
    assert!(!page.contains("<script"), "{page}");
    assert!(
        !page.contains("neighbour"),
        "the matter of a hold is not told"
    );
    for said in [
        "AWeber",
        "card ending in 4242",
        "Premium plugin",
        "forum://members/7",
    ] {
        assert!(page.contains(said), "{said}");
    }
    let record = package(&test, request).await;
    assert_eq!(record.items, 10);
    let expires_at = record.ready_at.expect("ready") + SignedDuration::from_hours(30 * 24);
    assert_eq!(record.expires_at, Some(expires_at));
    assert_eq!(build(&test).await, 0, "it is written once");
}

#[tokio::test]
async fn what_a_holder_hands_over_is_in_the_package_and_nowhere_else() {
    let test = registry().await;
    let ada = person(&test, &["visitor"]).await;
    give(&test, ada, |tx| {
        let at = |place: &str| Some(Content::Locator(place.into()));
        vec![
            item(tx, "visitor", "forum_messages", at("forum://1")),
            item(tx, "visitor", "forum_profile_photo", at("forum://2")),
        ]
    })
    .await;
    let request = copy_of(&test, ada).await;
    let leased = lease(&test).await;
    assert_eq!(leased.len(), 1, "one task for one holder");
    let message = leased[0].payload.items.iter();
    let mut message = message.filter(|item| item.data_category.as_str() == "forum_messages");
    let id = message.next().expect("it is asked for").item_id;
    let provided = vec![(id, Content::Text("Hello, <b>forum</b>".into()))];
    end(&test, &leased[0], provided).await;
    assert_eq!(build(&test).await, 1);
    let copy = json_of(&test, request, ExportKind::Access).await;
    let messages = &copy["items"][0]["content"];
    assert_eq!(messages["kind"], "held_elsewhere");
    assert_eq!(messages["handed_over"]["text"], "Hello, <b>forum</b>");
    assert_eq!(copy["items"][1]["content"]["handed_over"], Value::Null);
    assert_eq!(copy["totals"]["items_not_handed_over"], 1);
    let snapshot = test.registry.store.snapshot(test.registry.now()).await;
    let export = package(&test, request).await.export_id;
    let left = snapshot
        .expect("a state")
        .size_provided(export, &[id])
        .await;
    assert!(left.expect("read").is_empty());
}

#[tokio::test]
async fn a_portable_package_has_what_the_person_provided_on_consent_or_contract_and_nothing_else() {
    let test = registry().await;
    let ada = everything(&test).await;
    let request = ask(&test, ada, &[RequestKind::Portability], &[]).await;
    let asked = lease(&test).await;
    assert!(
        asked.is_empty(),
        "forum messages rest on no consent or contract"
    );
    assert_eq!(build(&test).await, 1);
    let package = json_of(&test, request, ExportKind::Portability).await;
    let items = package["items"].as_array().expect("a list");
    let mut names: Vec<_> = items
        .iter()
        .map(|item| item["data_category"]["name"].as_str().expect("a name"))
        .collect();
    names.dedup();
    assert_eq!(
        names,
        [
            "email_address",
            "first_name",
            "last_name",
            "order_contents",
            "payment_details",
            "skype_contact"
        ]
    );
    let counted: u64 = package["overview"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|line| line["items"].as_u64())
        .sum();
    assert_eq!(counted, items.len() as u64);
    assert_eq!(package["totals"]["items"], items.len());
    let order = items.iter().find(|item| item["item_key"] == "4711");
    let uses = &order.expect("the order")["processed_for"];
    assert_eq!(uses[0]["article"], "GDPR Art. 6(1)(b)");
}

#[tokio::test]
async fn a_request_about_some_data_gets_these_and_what_concerns_them() {
    let test = registry().await;
    let ada = everything(&test).await;
    let kinds = [RequestKind::Access];
    let request = ask(&test, ada, &kinds, &["email_address"]).await;
    assert_eq!(build(&test).await, 1, "the forum is not asked");
    let copy = json_of(&test, request, ExportKind::Access).await;
    assert_eq!(copy["totals"]["items"], 2);
    assert_eq!(copy["asked_for"][0]["name"], "email_address");
    let disclosures = copy["disclosures"].as_array().expect("a list");
    assert_eq!(disclosures.len(), 1);
    assert_eq!(disclosures[0]["recipient"]["name"], "aweber");
    let recipients = copy["recipients"].as_array().expect("a list");
    assert_eq!(recipients.len(), 1);
    let consents = copy["consents"].as_array().expect("a list");
    let about = |one: &&Value| one["purpose"]["name"] == "newsletter";
    assert_eq!(consents.iter().filter(about).count(), consents.len());
    assert_eq!(consents.len(), 2);
}

#[tokio::test]
async fn a_person_of_whom_nothing_is_known_gets_a_package_that_says_so() {
    let test = registry().await;
    let nobody = person(&test, &[]).await;
    let kinds = [RequestKind::Access, RequestKind::Portability];
    let request = ask(&test, nobody, &kinds, &[]).await;
    assert_eq!(build(&test).await, 2);
    for kind in ExportKind::ALL {
        let package = json_of(&test, request, kind).await;
        assert_eq!(package["items"], Value::Array(Vec::new()));
        assert_eq!(package["totals"]["items"], 0);
    }
    assert!(page_of(&test, request).await.contains("Nothing is stored"));
}

#[tokio::test]
async fn what_is_deleted_or_replaced_while_it_is_written_never_shows() {
    let test = registry().await;
    let ada = person(&test, &["client"]).await;
    let ids = give(&test, ada, |tx| {
        let names = [("first_name", "Augusta"), ("last_name", "Byron")];
        let items =
            names.map(|(data, text)| item(tx, "client", data, Some(Content::Text(text.into()))));
        items.into()
    })
    .await;
    let request = copy_of(&test, ada).await;
    write(&test, move |tx| {
        let ids = ids.clone();
        Box::pin(async move {
            tx.delete_items(ada, &ids[..1]).await?;
            let right = Content::Text("Lovelace".into());
            tx.correct_item(ada, ids[1], &right, tx.now()).await?;
            Ok(())
        })
    })
    .await;
    assert_eq!(build(&test).await, 1);
    let (copy, page) = (
        json_of(&test, request, ExportKind::Access)
            .await
            .to_string(),
        page_of(&test, request).await,
    );
    for text in [copy, page] {
        assert!(text.contains("Lovelace"));
        assert!(!text.contains("Augusta") && !text.contains("Byron"));
    }
}

/// Everything of a request's package, in both formats.
async fn bytes_of(test: &TestRegistry, request: SubjectRequestId) -> (Value, String) {
    (
        json_of(test, request, ExportKind::Access).await,
        page_of(test, request).await,
    )
}

#[tokio::test]
async fn a_package_that_fails_at_any_call_to_a_database_goes_on_and_is_the_same_byte_by_byte() {
    let test = registry().await;
    let ada = everything(&test).await;
    let request = ask(&test, ada, &[RequestKind::Access], &["email_address"]).await;
    assert_eq!(build(&test).await, 1);
    let whole = bytes_of(&test, request).await;
    let records = packages(&test, request).await;
    let anew = |export: &mut Export| {
        export.record.ready_at = None;
        export.record.expires_at = None;
    };
    let faults = test.registry.store().faults().clone();
    let mut failed = 0;
    for n in 0.. {
        for record in &records {
            meddle(&test, record.export_id, anew).await;
        }
        faults.fail_call(n);
        let interrupted = test.registry.build_exports().await;
        if !faults.clear() {
            break;
        }
        failed += u32::from(interrupted.is_err());
        build(&test).await;
        assert_eq!(packages(&test, request).await, records, "call {n}");
    }
    assert!(failed > 100, "{failed}");
    assert_eq!(bytes_of(&test, request).await, whole);
}

#[tokio::test]
async fn two_writers_at_once_write_one_package() {
    let test = registry().await;
    let ada = everything(&test).await;
    let request = ask(&test, ada, &[RequestKind::Access], &["email_address"]).await;
    assert_eq!(build(&test).await, 1);
    let alone = package(&test, request).await;
    meddle(&test, alone.export_id, |export| {
        export.record.ready_at = None;
    })
    .await;
    let (one, other) = (test.registry.clone(), test.registry.clone());
    let (one, other) = tokio::join!(one.build_exports(), other.build_exports());
    assert_eq!(one.expect("written") + other.expect("written"), 1);
    assert_eq!(package(&test, request).await, alone);
}

fn many(tx: &Tx) -> Vec<Item> {
    let item = |number| one_of_many(tx, "navigation", &format!("page {number} of the shop"));
    (0..1_000).map(item).collect()
}

#[tokio::test]
async fn a_person_of_five_thousand_items_gets_them_all_a_page_at_a_time() {
    let test = registry().await;
    let ada = person(&test, &["client"]).await;
    for _ in 0..5 {
        give(&test, ada, many).await;
    }
    let request = copy_of(&test, ada).await;
    assert_eq!(build(&test).await, 1);
    let copy = json_of(&test, request, ExportKind::Access).await;
    let items = copy["items"].as_array().expect("a list");
    let ids: HashSet<_> = items.iter().map(|item| item["item_id"].as_str()).collect();
    assert_eq!((items.len(), ids.len()), (5_000, 5_000));
    let pages = pages_read(&test, ada).await;
    assert_eq!(pages.iter().sum::<usize>(), 5_000);
    assert!(pages.iter().all(|page| *page <= ITEMS_MAX));
}

/// How many items each step read, as the log says.
async fn pages_read(test: &TestRegistry, subject: SubjectId) -> Vec<usize> {
    let filter = AuditFilter {
        subjects: vec![subject],
        ..AuditFilter::default()
    };
    let snapshot = test.registry.store.snapshot(test.registry.now()).await;
    let entries = snapshot
        .expect("a state")
        .list_audit_entries(&filter, None, 1_000)
        .await
        .expect("read");
    let steps = entries.iter().filter(|entry| entry.action == "BuildExport");
    steps.map(|entry| entry.detail.item_ids.len()).collect()
}

#[tokio::test]
async fn items_as_large_as_they_may_be_are_written_few_at_a_time_and_in_pieces() {
    let test = registry().await;
    let ada = person(&test, &["client"]).await;
    give(&test, ada, |tx| {
        // Each sign takes six bytes in the page, so an item is several pieces long.
        let quotes = "\"".repeat(CONTENT_BYTES_MAX);
        let item = |_| one_of_many(tx, "navigation", &quotes);
        (0..10).map(item).collect()
    })
    .await;
    let request = copy_of(&test, ada).await;
    assert_eq!(build(&test).await, 1);
    let pages = pages_read(&test, ada).await;
    assert_eq!(pages.iter().sum::<usize>(), 10);
    assert!(pages.iter().all(|page| *page <= 4), "{pages:?}");
    let record = package(&test, request).await;
    let html = record.html.expect("a page").bytes;
    assert!(html > 10 * 6 * CONTENT_BYTES_MAX as u64);
    let opened = test
        .registry
        .open_export(&test.caller, wanted(request, None, ExportFormat::Html, 0))
        .await
        .expect("opened");
    let mut read = 0;
    while read < html {
        let piece = test.registry.read_export(&test.caller, &opened, read).await;
        let piece = piece.expect("a piece");
        assert!(!piece.is_empty() && piece.len() <= PIECE_BYTES_MAX);
        read += piece.len() as u64;
    }
    assert_eq!(read, html);
}
