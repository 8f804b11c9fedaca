//! What people leave with the company, and how the demo shows it.

use anyhow::Result;

use super::{
    cast::Actor,
    stage::{Answer, Stage, Words, done},
};
use crate::{
    cli::person::by_identifier,
    proto::v1::{
        Identifier, Item, RegisterCollectionRequest, RegisterCollectionResponse, SubjectRef,
        collection_service_client::CollectionServiceClient, item::Content, subject_ref::Ref,
    },
};

/// How an answer begins that nothing stood against.
pub(super) const REGISTERED: &str = "REGISTERED";

/// Registers something, and shows it.
pub(super) async fn register(
    stage: &mut Stage,
    actor: &Actor,
    request: RegisterCollectionRequest,
    said: &str,
    expected: &'static str,
) -> Result<()> {
    let data: Vec<_> = request
        .items
        .iter()
        .map(|item| item.data_category.as_str())
        .collect();
    let whom = request
        .subject
        .as_ref()
        .map(shown_person)
        .unwrap_or_default();
    let also = request
        .identifiers
        .iter()
        .map(|one| format!(", also {}", one.r#type));
    let mut fields = vec![
        ("person", format!("{whom}{}", also.collect::<String>())),
        ("role", request.subject_category.clone()),
        ("collected", data.join(", ")),
    ];
    if !said.is_empty() {
        fields.push(("said", said.to_owned()));
    }
    let words = Words {
        rpc: "CollectionService.RegisterCollection",
        request: "RegisterCollectionRequest",
        fields: &fields,
        summary: format!(
            "register {} item(s) as {}",
            data.len(),
            request.subject_category
        ),
        expected,
    };
    stage.call(actor, &words, &request).await?;
    let mut client = CollectionServiceClient::new(actor.way.clone());
    let answer = client.register_collection(request).await;
    stage.answer(
        actor,
        words,
        "RegisterCollectionResponse",
        answer,
        registered,
    )?;
    Ok(())
}

fn registered(answer: &RegisterCollectionResponse) -> Answer {
    let known = if answer.subject_created {
        "a new person"
    } else {
        "a known person"
    };
    let counts = format!(
        "{} item(s), {} consent fact(s)",
        answer.items.len(),
        answer.consent_ids.len()
    );
    done(
        REGISTERED,
        format!("{known}: {counts}, revision {}", answer.revision),
    )
}

pub(super) fn shown((kind, value): (&str, &str)) -> String {
    format!("{kind} {value}")
}

pub(super) fn person(kind: &str, value: &str) -> SubjectRef {
    by_identifier(identifier(kind, value))
}

pub(super) fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier {
        r#type: kind.to_owned(),
        value: value.to_owned(),
    }
}

pub(super) fn item(data_category: &str, item_key: &str, text: &str) -> Item {
    Item {
        data_category: data_category.to_owned(),
        item_key: item_key.to_owned(),
        content: Some(Content::Text(text.to_owned())),
        ..Item::default()
    }
}

fn shown_person(person: &SubjectRef) -> String {
    match &person.r#ref {
        Some(Ref::Identifier(named)) => shown((&named.r#type, &named.value)),
        Some(Ref::SubjectId(id)) => id.clone(),
        None => String::new(),
    }
}
