//! The people of the benchmarks: visitors with eight items and four consents each, and what is asked of them.

use anyhow::Result;
use futures::{StreamExt, TryStreamExt, stream};
use registry::proto::v1::{
    CheckPurposeRequest, ConsentChoice, ConsentStatement, Evidence, EvidenceMethod, Identifier,
    Item, RegisterCollectionRequest, SubjectRef, item::Content, subject_ref::Ref,
};

use crate::load::Client;

/// What is collected of each: data category and key.
pub const ITEMS: [(&str, &str); 8] = [
    ("email_address", ""),
    ("forum_member_name", ""),
    ("forum_profile_photo", ""),
    ("forum_messages", "1"),
    ("forum_messages", "2"),
    ("forum_messages", "3"),
    ("browser_and_device", ""),
    ("navigation", ""),
];
/// What each says yes to.
pub const PURPOSES: [&str; 4] = [
    "newsletter",
    "educational_materials",
    "website_personalisation",
    "interface_research",
];
/// The role of each.
pub const CATEGORY: &str = "visitor";
/// Callers who register people.
const REGISTRARS: usize = 16;

/// The address of a person.
pub fn email(number: usize) -> String {
    format!("person{number}@example.com")
}

/// A person, by address.
pub fn subject(number: usize) -> SubjectRef {
    SubjectRef {
        r#ref: Some(Ref::Identifier(Identifier {
            r#type: "email".to_owned(),
            value: email(number),
        })),
    }
}

/// Whether the person's address may go to the mailing service for the newsletter: it may.
pub fn check(number: usize) -> CheckPurposeRequest {
    CheckPurposeRequest {
        subject: Some(subject(number)),
        data_categories: vec!["email_address".to_owned()],
        purpose: "newsletter".to_owned(),
        processor: "aweber".to_owned(),
        ..CheckPurposeRequest::default()
    }
}

/// The eight items and no consent.
pub fn items_of(number: usize) -> RegisterCollectionRequest {
    let items = ITEMS.iter().map(|(data, key)| Item {
        data_category: (*data).to_owned(),
        item_key: (*key).to_owned(),
        content: Some(Content::Text(format!("a value of person {number}"))),
        ..Item::default()
    });
    RegisterCollectionRequest {
        subject: Some(subject(number)),
        subject_category: CATEGORY.to_owned(),
        items: items.collect(),
        ..RegisterCollectionRequest::default()
    }
}

/// Everything of one person.
pub fn person(number: usize) -> RegisterCollectionRequest {
    let yes = ConsentStatement {
        purposes: PURPOSES.iter().map(|&purpose| purpose.to_owned()).collect(),
        choice: ConsentChoice::Given.into(),
        evidence: Some(Evidence {
            method: EvidenceMethod::Checkbox.into(),
            ..Evidence::default()
        }),
        ..ConsentStatement::default()
    };
    RegisterCollectionRequest {
        consents: vec![yes],
        ..items_of(number)
    }
}

/// Registers the first `count` people.
pub async fn register(client: &Client, count: usize) -> Result<()> {
    let registered = stream::iter((0..count).map(|number| {
        let mut collection = client.collection();
        async move { collection.register_collection(person(number)).await }
    }));
    let all = registered.buffer_unordered(REGISTRARS);
    all.try_for_each(|_| async { Ok(()) }).await?;
    Ok(())
}
