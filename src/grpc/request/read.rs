//! Messages on requests into values.

use std::collections::HashSet;

use jiff::Timestamp;

use crate::{
    app::request::{CreateRequest, DecideObjection},
    domain::{
        id::ItemId,
        request::{
            Correction, ErasureGround, ObjectionRuling, REASON_BYTES_MAX, RequestKind,
            SCOPE_ENTRIES_MAX, Scope,
            check::{ScopeEntry, broken_rules},
        },
    },
    grpc::{
        choice::Choice,
        parse::{Parse, Parsed},
    },
    proto::v1::{self, correction, item},
};

pub(super) fn create(
    parse: &mut Parse,
    message: v1::CreateRequestRequest,
) -> Parsed<CreateRequest> {
    let named = named(&message.kinds);
    let kinds = parse.each(
        "kinds",
        message.kinds,
        RequestKind::ALL.len(),
        |parse, number| parse.chosen::<RequestKind>("", number),
    );
    let message_scope = message.scope.unwrap_or_default();
    parse.refuse_all(broken_rules(&named, &filled(&message_scope)));
    let subject = parse.known_subject("subject", message.subject);
    let about = scope(parse, message_scope);
    let channel = match message.channel.as_str() {
        "" => Err(parse.refuse("channel", "is required")),
        channel => parse.name("channel", channel),
    };
    let received_at = parse.past("received_at", message.received_at);
    let (scope, corrections) = about?;
    Ok(CreateRequest {
        kinds: kinds?,
        subject: subject?,
        scope,
        corrections,
        channel: channel?,
        received_at: received_at?,
    })
}

/// The kinds as far as they can be read; of too many, the first.
fn named(numbers: &[i32]) -> Vec<Option<RequestKind>> {
    let read = |number: &i32| {
        let message = v1::RequestKind::try_from(*number).ok()?;
        RequestKind::read(message)
    };
    let kinds_max = RequestKind::ALL.len();
    let unread = (numbers.len() > kinds_max).then_some(None);
    let kinds = numbers.iter().take(kinds_max).map(read);
    kinds.chain(unread).collect()
}

/// The entries in which something stands, whether or not it can be read.
fn filled(scope: &v1::RequestScope) -> Vec<ScopeEntry> {
    let entries = [
        (
            ScopeEntry::DataCategories,
            !scope.data_categories.is_empty(),
        ),
        (ScopeEntry::ItemIds, !scope.item_ids.is_empty()),
        (ScopeEntry::Purposes, !scope.purposes.is_empty()),
        (ScopeEntry::AllPurposes, scope.all_purposes),
        (ScopeEntry::Corrections, !scope.corrections.is_empty()),
        (ScopeEntry::ErasureGround, scope.erasure_ground != 0),
    ];
    let filled = entries.into_iter().filter(|(_, is_filled)| *is_filled);
    filled.map(|(entry, _)| entry).collect()
}

/// What a request is about, and the right values apart.
pub(super) fn scope(
    parse: &mut Parse,
    message: v1::RequestScope,
) -> Parsed<(Scope, Vec<Correction>)> {
    parse.within("scope", |parse| {
        let data = parse.known_data_categories(
            "data_categories",
            message.data_categories,
            SCOPE_ENTRIES_MAX,
        );
        let item_ids = parse.ids("item_ids", message.item_ids, SCOPE_ENTRIES_MAX);
        let purposes = parse.known_purposes("purposes", message.purposes, SCOPE_ENTRIES_MAX);
        let corrections = corrections(parse, message.corrections);
        let ground =
            parse.optionally_chosen::<ErasureGround>("erasure_ground", message.erasure_ground);
        let corrections = corrections?;
        let scope = Scope {
            data_categories: data?,
            item_ids: item_ids?,
            purposes: purposes?,
            all_purposes: message.all_purposes,
            corrected_items: corrections.iter().map(|one| one.item_id).collect(),
            erasure_ground: ground?,
        };
        Ok((scope, corrections))
    })
}

fn corrections(parse: &mut Parse, messages: Vec<v1::Correction>) -> Parsed<Vec<Correction>> {
    let mut seen = HashSet::new();
    parse.each(
        "corrections",
        messages,
        SCOPE_ENTRIES_MAX,
        |parse, message| {
            let item_id = match parse.id::<ItemId>("item_id", &message.item_id) {
                Ok(id) if !seen.insert(id) => Err(parse.refuse("item_id", "must not be repeated")),
                id => id,
            };
            let content = match message.content {
                Some(content) => parse.content(content.into()),
                None => Err(parse.refuse("content", "is required")),
            };
            Ok(Correction {
                item_id: item_id?,
                content: content?,
            })
        },
    )
}

impl From<correction::Content> for item::Content {
    fn from(content: correction::Content) -> Self {
        match content {
            correction::Content::Text(text) => Self::Text(text),
            correction::Content::Json(object) => Self::Json(object),
            correction::Content::Blob(bytes) => Self::Blob(bytes),
            correction::Content::Locator(locator) => Self::Locator(locator),
        }
    }
}

/// What the person was told: it must be there.
pub(super) fn told(parse: &mut Parse, field: &str, text: String) -> Parsed<String> {
    match parse.text(field, text, REASON_BYTES_MAX) {
        Ok(text) if text.trim().is_empty() => Err(parse.refuse(field, "is required")),
        text => text,
    }
}

/// An instant that has been: it must be there.
pub(super) fn required_past(
    parse: &mut Parse,
    field: &str,
    at: Option<prost_types::Timestamp>,
) -> Parsed<Timestamp> {
    match parse.past(field, at)? {
        Some(at) => Ok(at),
        None => Err(parse.refuse(field, "is required")),
    }
}

pub(super) fn decide(
    parse: &mut Parse,
    message: v1::DecideObjectionRequest,
) -> Parsed<DecideObjection> {
    let id = parse.id("subject_request_id", &message.subject_request_id);
    let purpose = parse.optional_name("purpose", &message.purpose);
    let ruling = parse.chosen::<ObjectionRuling>("ruling", message.ruling);
    let grounds = match ruling {
        Ok(ObjectionRuling::Rejected) => told(parse, "grounds", message.grounds),
        _ => parse.text("grounds", message.grounds, REASON_BYTES_MAX),
    };
    Ok(DecideObjection {
        subject_request_id: id?,
        purpose: purpose?,
        ruling: ruling?,
        grounds: grounds?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(message: v1::CreateRequestRequest) -> Vec<String> {
        let mut parse = Parse::new();
        let read = create(&mut parse, message);
        let violations = parse.finish(|| read).err().unwrap_or_default();
        violations.iter().map(|one| one.field.clone()).collect()
    }

    fn good() -> v1::CreateRequestRequest {
        v1::CreateRequestRequest {
            kinds: vec![v1::RequestKind::Access.into()],
            subject: Some(v1::SubjectRef {
                r#ref: Some(v1::subject_ref::Ref::SubjectId(
                    uuid::Uuid::from_u128(1).to_string(),
                )),
            }),
            channel: "email".into(),
            ..v1::CreateRequestRequest::default()
        }
    }

    fn correction(item: u128, text: &str) -> v1::Correction {
        v1::Correction {
            item_id: uuid::Uuid::from_u128(item).to_string(),
            content: Some(correction::Content::Text(text.to_owned())),
        }
    }

    #[test]
    fn everything_that_is_wrong_with_a_request_is_said_at_once() {
        assert!(fields(good()).is_empty());
        let wrong = v1::CreateRequestRequest {
            kinds: vec![0, 99, 4, 4],
            subject: None,
            scope: Some(v1::RequestScope {
                data_categories: vec!["Not Fine".into()],
                item_ids: vec!["7".into()],
                purposes: vec!["a".into(), "a".into()],
                corrections: vec![
                    correction(1, "a\0"),
                    correction(1, "b"),
                    v1::Correction::default(),
                ],
                erasure_ground: 99,
                ..v1::RequestScope::default()
            }),
            channel: String::new(),
            ..good()
        };
        assert_eq!(
            fields(wrong),
            [
                "kinds[0]",
                "kinds[1]",
                "kinds[3]",
                "subject",
                "scope.data_categories[0]",
                "scope.item_ids[0]",
                "scope.purposes[1]",
                "scope.corrections[0].text",
                "scope.corrections[1].item_id",
                "scope.corrections[2].item_id",
                "scope.corrections[2].content",
                "scope.erasure_ground",
                "channel",
            ]
        );
    }

    #[test]
    fn what_does_not_parse_hides_no_rule_that_the_kinds_and_the_scope_break() {
        let access: i32 = v1::RequestKind::Access.into();
        let wrong = v1::CreateRequestRequest {
            kinds: vec![access, access],
            scope: Some(v1::RequestScope {
                purposes: vec!["Not Fine".into()],
                all_purposes: true,
                ..v1::RequestScope::default()
            }),
            channel: "Not Fine".into(),
            ..good()
        };
        assert_eq!(
            fields(wrong),
            [
                "kinds[1]",
                "scope.purposes",
                "scope.all_purposes",
                "scope.purposes[0]",
                "channel"
            ]
        );
        let missing = v1::CreateRequestRequest {
            kinds: vec![v1::RequestKind::Objection.into()],
            channel: String::new(),
            ..good()
        };
        assert_eq!(fields(missing), ["scope.purposes", "channel"]);
        assert_eq!(
            fields(v1::CreateRequestRequest::default()),
            ["kinds", "subject", "channel"]
        );
    }

    #[test]
    fn a_scope_has_a_hundred_entries_and_no_more_and_a_channel_sixty_four_bytes() {
        let names = |count: usize| (0..count).map(|n| format!("p{n}")).collect::<Vec<_>>();
        let of = |count: usize| v1::CreateRequestRequest {
            kinds: RequestKind::ALL.map(Choice::number).to_vec(),
            scope: Some(v1::RequestScope {
                data_categories: names(count),
                purposes: names(count),
                item_ids: (1..=count as u128)
                    .map(|n| uuid::Uuid::from_u128(n).to_string())
                    .collect(),
                corrections: (1..=count as u128).map(|n| correction(n, "x")).collect(),
                ..v1::RequestScope::default()
            }),
            ..good()
        };
        assert!(fields(of(100)).is_empty());
        assert_eq!(
            fields(of(101)),
            [
                "scope.data_categories",
                "scope.item_ids",
                "scope.purposes",
                "scope.corrections"
            ]
        );
        let channel = |bytes: usize| v1::CreateRequestRequest {
            channel: "c".repeat(bytes),
            ..good()
        };
        assert!(fields(channel(64)).is_empty());
        assert_eq!(fields(channel(65)), ["channel"]);
        let kinds = v1::CreateRequestRequest {
            kinds: vec![1; 8],
            ..good()
        };
        assert_eq!(fields(kinds)[0], "kinds");
    }

    #[test]
    fn what_the_person_was_told_is_there_and_keeps_to_its_limit() {
        let reason = |text: String| told(&mut Parse::new(), "reason", text);
        assert!(reason("r".repeat(1_024)).is_ok());
        for wrong in ["r".repeat(1_025), " \n".into(), String::new(), "a\0".into()] {
            assert!(reason(wrong).is_err());
        }
    }

    #[test]
    fn a_rejection_needs_grounds_and_an_upholding_does_not() {
        let decided = |ruling: v1::ObjectionRuling| {
            let mut parse = Parse::new();
            let message = v1::DecideObjectionRequest {
                subject_request_id: uuid::Uuid::from_u128(1).to_string(),
                ruling: ruling.into(),
                ..v1::DecideObjectionRequest::default()
            };
            let read = decide(&mut parse, message);
            let violations = parse.finish(|| read).err().unwrap_or_default();
            violations
                .iter()
                .map(|one| one.field.clone())
                .collect::<Vec<_>>()
        };
        assert!(decided(v1::ObjectionRuling::Upheld).is_empty());
        assert_eq!(decided(v1::ObjectionRuling::Rejected), ["grounds"]);
        assert_eq!(decided(v1::ObjectionRuling::Unspecified), ["ruling"]);
    }
}
