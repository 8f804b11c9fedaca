//! A registered value is found nowhere in clear: not in the databases' files, not in the log.

use registry::proto::v1::{
    CheckPurposeRequest, FetchRecordsRequest, RecordConsentRequest, RegisterCollectionRequest,
};

use crate::harness::{
    Clients, files_below,
    process::Process,
    sample::{by, identifier, text, yes},
};

/// Values that no program writes by chance.
const EMAIL: &str = "wolfgang.qx7@geheim.example";
const ITEM: &str = "Zanzibar-Violet-9931";
const ITEM_KEY: &str = "order-Krokodil-4411";
const WORDING: &str = "Yes, send me the Pomeranze letters";

fn contains(haystack: &[u8], needle: &str) -> bool {
    haystack
        .windows(needle.len())
        .any(|window| window == needle.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_registered_value_stands_in_a_file_or_in_the_log() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let server = Process::serve(dir.path());
    let mut admin = server.admin().await;
    let registration = registration();
    admin
        .collection
        .register_collection(registration.clone())
        .await
        .expect("registered");
    // What is refused must not be told either.
    let mut refused = registration;
    refused.items.push(text("paypal_account", ITEM));
    admin
        .collection
        .register_collection(refused)
        .await
        .expect_err("undeclared");
    let bad = RecordConsentRequest {
        subject: Some(by(EMAIL, ITEM)),
        ..RecordConsentRequest::default()
    };
    admin
        .consent
        .record_consent(bad)
        .await
        .expect_err("not valid");
    let fetched = check_and_fetch(&mut admin).await;
    assert!(
        contains(&fetched, ITEM),
        "the value comes back to whom it is lawful"
    );
    for value in [
        EMAIL,
        ITEM,
        ITEM_KEY,
        WORDING,
        "geheim",
        "Zanzibar",
        "Krokodil",
        "Pomeranze",
    ] {
        assert!(!contains(&server.log(), value), "{value} stands in the log");
        for file in files_below(dir.path()) {
            let bytes = std::fs::read(&file).expect("readable");
            assert!(
                !contains(&bytes, value),
                "{value} stands in {}",
                file.display()
            );
        }
    }
}

fn registration() -> RegisterCollectionRequest {
    let mut item = text("order_contents", ITEM);
    item.item_key = ITEM_KEY.into();
    let mut statement = yes(&["newsletter"]);
    let evidence = statement.evidence.as_mut().expect("evidence");
    evidence.wording = WORDING.into();
    evidence.reference = ITEM_KEY.into();
    RegisterCollectionRequest {
        subject: Some(by("email", EMAIL)),
        identifiers: vec![identifier("skype", ITEM)],
        subject_category: "client".to_owned(),
        items: vec![item, text("email_address", EMAIL)],
        consents: vec![statement],
        ..RegisterCollectionRequest::default()
    }
}

/// What a fetch hands out, as bytes.
async fn check_and_fetch(admin: &mut Clients) -> Vec<u8> {
    let check = CheckPurposeRequest {
        subject: Some(by("email", EMAIL)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "contact_and_support".to_owned(),
        explain: true,
        record: true,
        ..CheckPurposeRequest::default()
    };
    admin.purpose.check_purpose(check).await.expect("checked");
    let fetch = FetchRecordsRequest {
        subject: Some(by("email", EMAIL)),
        purpose: "service_rendering".to_owned(),
        data_categories: vec!["order_contents".to_owned()],
        ..FetchRecordsRequest::default()
    };
    let mut records = admin
        .record
        .fetch_records(fetch)
        .await
        .expect("fetched")
        .into_inner();
    let mut fetched = Vec::new();
    while let Some(record) = records.message().await.expect("a record") {
        fetched.extend(prost::Message::encode_to_vec(&record));
    }
    fetched
}
