//! Requests as the services of a shop would send them.

use registry::proto::v1::{
    ConsentChoice, ConsentStatement, Evidence, EvidenceMethod, Identifier, Item,
    RegisterCollectionRequest, SubjectRef, item::Content, subject_ref::Ref,
};

/// A person, by an identifier.
pub fn by(kind: &str, value: &str) -> SubjectRef {
    SubjectRef {
        r#ref: Some(Ref::Identifier(identifier(kind, value))),
    }
}

/// A person, by the subject's id.
pub fn by_id(subject_id: &str) -> SubjectRef {
    SubjectRef {
        r#ref: Some(Ref::SubjectId(subject_id.to_owned())),
    }
}

/// An identifier.
pub fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier {
        r#type: kind.to_owned(),
        value: value.to_owned(),
    }
}

/// An item with a text.
pub fn text(data_category: &str, value: &str) -> Item {
    Item {
        data_category: data_category.to_owned(),
        content: Some(Content::Text(value.to_owned())),
        ..Item::default()
    }
}

/// A yes, by an empty box that was ticked.
pub fn yes(purposes: &[&str]) -> ConsentStatement {
    ConsentStatement {
        purposes: purposes.iter().map(|&purpose| purpose.to_owned()).collect(),
        choice: ConsentChoice::Given.into(),
        evidence: Some(Evidence {
            method: EvidenceMethod::Checkbox.into(),
            ..Evidence::default()
        }),
        ..ConsentStatement::default()
    }
}

/// The data categories that the example policy lists for a subject category.
pub fn collected_of(subject_category: &str) -> &'static [&'static str] {
    match subject_category {
        "visitor" => &[
            "email_address",
            "forum_member_name",
            "forum_profile_photo",
            "forum_messages",
            "browser_and_device",
            "navigation",
        ],
        "client" => &[
            "first_name",
            "last_name",
            "email_address",
            "skype_contact",
            "order_contents",
            "payment_details",
            "browser_and_device",
            "navigation",
        ],
        "affiliate" => &[
            "first_name",
            "last_name",
            "email_address",
            "paypal_account",
            "browser_and_device",
            "navigation",
        ],
        other => panic!("the example policy has no {other}"),
    }
}

/// Everything that the category's section of the policy lists, of one person.
pub fn everything_of(subject_category: &str, email: &str) -> RegisterCollectionRequest {
    let items = collected_of(subject_category)
        .iter()
        .map(|&data| text(data, "a value"));
    RegisterCollectionRequest {
        subject: Some(by("email", email)),
        subject_category: subject_category.to_owned(),
        items: items.collect(),
        ..RegisterCollectionRequest::default()
    }
}
