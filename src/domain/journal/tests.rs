//! Entries as they are written and read back, and whom a deletion means.

use super::*;
use crate::domain::{consent::Evidence, request::ErasureGround, task::Recipient};

fn at(hour: i64) -> Timestamp {
    Timestamp::from_second(hour * 3_600).unwrap()
}

fn id<I: From<uuid::Uuid>>(number: u128) -> I {
    uuid::Uuid::from_u128(number).into()
}

fn state(item: u128, collected: i64) -> ItemState {
    ItemState {
        item_id: id(item),
        subject_category: "client".parse().unwrap(),
        data_category: "email_address".parse().unwrap(),
        source: "shop".parse().unwrap(),
        collected_at: at(collected),
        policy_version: "1".parse().unwrap(),
        purposes: Vec::new(),
        retained_for: None,
    }
}

fn fact(choice: ConsentChoice) -> ConsentRecord {
    ConsentRecord {
        subject_id: id(1),
        consent_id: id(2),
        purpose: "newsletter".parse().unwrap(),
        processors: Vec::new(),
        choice,
        evidence: Evidence {
            method: EvidenceMethod::NotStated,
            policy_version: "1".parse().unwrap(),
            wording: "wording-text".into(),
            locale: String::new(),
            reference: "reference-text".into(),
            collected_by: "collector-text".into(),
            given_by: GivenBy::Guardian,
        },
        occurred_at: at(3),
        recorded_at: at(4),
        recorded_by: "shop".parse().unwrap(),
        expires_at: None,
    }
}

fn hashed() -> HashedIdentifier {
    HashedIdentifier {
        identifier_type: "email".parse().unwrap(),
        index_key: "k1".into(),
        hash: KeyedHash(vec![0, 0xab, 0xff]),
    }
}

/// What is under way, each with something sealed and, where it can be, without.
fn under_way() -> Vec<JournalKind> {
    let notice = KeptNotice {
        notice_id: id(4),
        subject_request_id: id(8),
        recipient: Recipient::Holder("crm".parse().unwrap()),
        item_ids: vec![id(1)],
        payload: Some(Sealed(vec![0, 255])),
    };
    let erasure = ErasureRecord {
        subject_request_id: id(8),
        subject_id: id(1),
        erased_at: at(1),
        ground: ErasureGround::default(),
        whole_subject: true,
        suppressed_identifiers: 2,
        erased: Vec::new(),
        kept: Vec::new(),
    };
    let told = KeptNotice {
        payload: None,
        ..notice.clone()
    };
    vec![
        JournalKind::NoticeKept(notice),
        JournalKind::NoticeKept(told),
        JournalKind::ErasureKept(Box::new(erasure)),
    ]
}

fn kinds() -> Vec<JournalKind> {
    let purpose: Purpose = "newsletter".parse().unwrap();
    vec![
        JournalKind::ConsentDenied((&fact(ConsentChoice::Withdrawn)).into()),
        JournalKind::Objected {
            objection_id: id(1),
            purpose: purpose.clone(),
            occurred_at: at(1),
            subject_request_id: None,
        },
        JournalKind::ObjectionDecided {
            objection_id: id(1),
            rejected_at: at(2),
        },
        JournalKind::Restricted {
            restriction_id: id(1),
            data_categories: vec!["email_address".parse().unwrap()],
            started_at: at(1),
            subject_request_id: Some(id(8)),
        },
        JournalKind::RestrictionLifted {
            restriction_id: id(1),
            lifted_at: at(2),
        },
        JournalKind::deleted(&[state(1, 2)], at(3)),
        JournalKind::Erased(ErasedSubject {
            erased_at: at(1),
            retained: vec![RetainedItem {
                item_id: id(1),
                purposes: vec![purpose.clone()],
            }],
            subject_request_id: Some(id(8)),
            suppressed: vec![hashed()],
            objected: vec![purpose],
        }),
        JournalKind::retained(&[state(1, 2)], Some(id(8))),
        JournalKind::CategoryEnded {
            subject_category: "client".parse().unwrap(),
            ended_at: at(1),
        },
        JournalKind::IdentifiersUnlinked {
            identifiers: vec![hashed()],
        },
        JournalKind::SubjectsMerged { merged: id(9) },
    ]
}

#[test]
fn every_kind_reads_as_it_was_written() {
    for what in kinds().into_iter().chain(under_way()) {
        let entry = JournalEntry {
            entry_id: id(7),
            at: at(5),
            subject_id: id(1),
            identifiers: vec![hashed()],
            what,
        };
        let text = serde_json::to_string(&entry).unwrap();
        let named = format!("\"kind\":\"{}\"", entry.what.name());
        assert!(text.contains(&named), "{text}");
        assert_eq!(
            serde_json::from_str::<JournalEntry>(&text).unwrap(),
            entry,
            "{text}"
        );
    }
}

#[test]
fn the_texts_of_the_evidence_are_left_out() {
    let denied = JournalKind::denials(&[fact(ConsentChoice::Withdrawn)]);
    let text = serde_json::to_string(&denied).unwrap();
    assert!(!text.contains("-text"), "{text}");
    assert!(
        text.contains("NOT_STATED") && text.contains("\"has_reference\":true"),
        "{text}"
    );
}

#[test]
fn of_consent_facts_only_the_denials_are_kept() {
    let facts = ConsentChoice::ALL.iter().map(|choice| fact(*choice));
    let facts: Vec<_> = facts.collect();
    assert_eq!(JournalKind::denials(&facts).len(), 2);
}

#[test]
fn a_deletion_means_the_item_as_it_was_and_not_one_collected_after_it() {
    let deleted = DeletedItem {
        item_id: id(1),
        collected_at: at(2),
    };
    assert!(deleted.means(&state(1, 2), at(5)));
    assert!(
        deleted.means(&state(1, 5), at(5)),
        "the instant of the deletion itself"
    );
    assert!(!deleted.means(&state(1, 6), at(5)));
    assert!(!deleted.means(&state(2, 2), at(5)));
}

#[test]
fn a_hash_that_is_no_hexadecimal_is_refused() {
    for text in ["\"abc\"", "\"zz\"", "\"é\"", "\"+f\""] {
        assert!(serde_json::from_str::<KeyedHash>(text).is_err(), "{text}");
    }
    let hash = serde_json::from_str::<KeyedHash>("\"00ff\"").unwrap();
    assert_eq!(hash.0, [0, 255]);
}
