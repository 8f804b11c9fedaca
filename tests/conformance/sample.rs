//! People as the example policy knows them, and what the tests ask of the registry about them.

use jiff::Timestamp;
use registry::{
    app::{
        Call, Error, Registry, Written,
        collection::{CollectedItem, Registered, Registration},
        decision::Answer,
        purpose::Check,
        record::Fetch,
    },
    domain::{
        audit::Action,
        consent::{
            ConsentChoice, EvidenceMethod,
            statement::{ConsentStatement, StatedEvidence},
        },
        decision::Query,
        id::SubjectId,
        identifier::IdentifierValue,
        item::{Content, Item, ItemKey},
        subject_ref::{Identifier, SubjectRef},
    },
    store::audit::{AuditEntry, AuditFilter},
};

use crate::harness::{call, everything, names};

/// An identifier as a caller gives it.
pub fn identifier(kind: &str, value: &str) -> Identifier {
    Identifier {
        identifier_type: kind.parse().expect("a name"),
        value: IdentifierValue::new(value),
    }
}

/// A person named by an identifier.
pub fn by(kind: &str, value: &str) -> SubjectRef {
    SubjectRef::Identifier(identifier(kind, value))
}

/// A registration of nothing, in the role of a visitor.
pub fn visitor(subject: SubjectRef) -> Registration {
    Registration {
        subject,
        identifiers: Vec::new(),
        subject_category: "visitor".parse().expect("a name"),
        items: Vec::new(),
        consents: Vec::new(),
        collected_at: None,
        returning_subject: false,
    }
}

/// A visitor who left an e-mail address and ticked the box for the newsletter.
pub fn subscriber(email: &str) -> Registration {
    Registration {
        items: vec![item("email_address", Content::Text(email.into()))],
        consents: vec![given(&["newsletter"])],
        ..visitor(by("email", email))
    }
}

/// One value.
pub fn item(data: &str, content: Content) -> CollectedItem {
    CollectedItem {
        subject_category: None,
        data_category: data.parse().expect("a name"),
        key: ItemKey::default(),
        content: Some(content),
        source: None,
        collected_at: None,
        purposes: Vec::new(),
    }
}

/// One value of several.
pub fn keyed(data: &str, key: &str, content: &str) -> CollectedItem {
    CollectedItem {
        key: ItemKey::new(key),
        ..item(data, Content::Text(content.into()))
    }
}

/// A ticked box.
pub fn given(purposes: &[&str]) -> ConsentStatement {
    ConsentStatement {
        purposes: names(purposes),
        processors: Vec::new(),
        choice: ConsentChoice::Given,
        evidence: StatedEvidence {
            wording: "May we write to you?".into(),
            ..StatedEvidence::by(EvidenceMethod::Checkbox)
        },
        occurred_at: None,
        expires_at: None,
    }
}

/// A ticked box, at a time of its own.
pub fn given_at(purposes: &[&str], at: Timestamp) -> ConsentStatement {
    ConsentStatement {
        occurred_at: Some(at),
        ..given(purposes)
    }
}

/// Registers without an idempotency key.
pub async fn register(
    registry: &Registry,
    registration: Registration,
) -> Result<Registered, Error> {
    let written = register_as(registry, call(Action::RegisterCollection), registration).await;
    Ok(written?.value)
}

/// Registers under a call of the test's own.
pub async fn register_as(
    registry: &Registry,
    call: Call,
    registration: Registration,
) -> Result<Written<Registered>, Error> {
    registry.register_collection(call, registration).await
}

/// The subject that a registration went to.
pub async fn subject_of(registry: &Registry, registration: Registration) -> SubjectId {
    let registered = register(registry, registration).await;
    let registered = registered.expect("it is registered");
    registered.subject_id.expect("it has a subject")
}

/// May the e-mail address be used for the newsletter, by the controller?
pub async fn check_newsletter(registry: &Registry, subject: SubjectRef) -> Result<Answer, Error> {
    let check = Check {
        subject,
        query: Query {
            data_categories: names(&["email_address"]),
            item_ids: Vec::new(),
            purpose: "newsletter".parse().expect("a name"),
            processor: None,
        },
        at_least_as_fresh: None,
        explain: false,
        record: false,
        as_of: None,
    };
    registry
        .check_purpose(everything("tests"), Action::CheckPurpose, check)
        .await
}

/// The reason of [`check_newsletter`].
pub async fn newsletter_reason(registry: &Registry, subject: SubjectId) -> &'static str {
    let answer = check_newsletter(registry, SubjectRef::Id(subject)).await;
    answer.expect("it is answered").decision.reason.as_str()
}

/// Everything that may be handed out of the subject for the newsletter, with content.
pub async fn fetch(registry: &Registry, subject: SubjectId) -> Result<Vec<Item>, Error> {
    let wanted = Fetch {
        subject: SubjectRef::Id(subject),
        purpose: "newsletter".parse().expect("a name"),
        processor: None,
        data_categories: Vec::new(),
        at_least_as_fresh: None,
    };
    let caller = everything("tests");
    let fetched = registry.fetch_records(caller.clone(), wanted).await?;
    registry
        .read_fetched(&caller, &fetched, &fetched.item_ids)
        .await
}

/// Everything live of the subject, with content, as it is kept.
pub async fn items(registry: &Registry, subject: SubjectId) -> Result<Vec<Item>, Error> {
    let caller = everything("tests");
    let view = registry.view(&caller, Action::GetSubject, None).await?;
    let states = view.snapshot.list_item_states(&[subject], &[]).await?;
    let states = states.get(&subject).map_or(&[][..], Vec::as_slice);
    let ids: Vec<_> = states.iter().map(|state| state.item_id).collect();
    Ok(view.snapshot.read_items(subject, &ids).await?)
}

/// The log, latest first.
pub async fn audit(registry: &Registry) -> Vec<AuditEntry> {
    let caller = everything("tests");
    let page = registry.list_audit_entries(&caller, None, AuditFilter::default(), 10_000, None);
    page.await.expect("the log reads").entries
}

/// What a text item holds.
pub fn text(item: &Item) -> &str {
    match &item.content {
        Some(Content::Text(text)) => text,
        other => panic!("no text: {other:?}"),
    }
}
