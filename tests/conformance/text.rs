//! Text, instants and order come out of both databases as they went in, and compare the same.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use registry::{
    app::{Error, Registry, consent::ListConsents, subject::Subject},
    domain::{
        audit::Action,
        id::SubjectId,
        item::{CONTENT_BYTES_MAX, Content},
        subject_ref::SubjectRef,
    },
};

use crate::{
    harness::{call, everything, instant},
    on_both,
    sample::{by, given_at, identifier, item, items, keyed, register, subject_of, text, visitor},
};

/// E-mail addresses that are one, and such that only look alike.
const EMAILS: &[(&str, &str, bool)] = &[
    ("Ada@Example.ORG", "ada@example.org", true),
    (" ada.b@example.org\t", "ada.b@example.org", true),
    ("jose\u{301}@example.org", "jos\u{e9}@example.org", true),
    ("a@b\u{fc}cher.example", "A@XN--BCHER-KVA.example", true),
    ("a@example\u{3002}com", "a@example.com", true),
    ("STRA\u{1e9e}E@example.org", "stra\u{df}e@example.org", true),
    ("mu\u{df}@example.org", "muss@example.org", false),
    ("\u{130}pek@example.org", "ipek@example.org", false),
    ("\u{131}pek@example.org", "ipek@example.org", false),
    ("a@stra\u{df}e.example", "a@strasse.example", false),
    ("a.da@example.org", "ada@example.org", false),
    ("ada+news@example.org", "ada@example.org", false),
    ("\u{430}da@example.org", "ada@example.org", false),
];

/// Accounts compare exactly, but for their form and the space around them.
const ACCOUNTS: &[(&str, &str, bool)] = &[
    ("User-1", "User-1 ", true),
    ("re\u{301}my", "r\u{e9}my", true),
    ("User-1", "user-1", false),
    ("\u{c4}rger", "\u{e4}rger", false),
    ("a_b", "a%b", false),
    ("a_b", "axb", false),
    ("user 1", "user  1", false),
];

on_both! {
    async fn emails_that_are_one_lead_to_one_person_and_no_others_do(place: Place) {
        let registry = place.registry().await;
        for (first, second, are_one) in EMAILS {
            assert_eq!(leads_to_one(&registry, "email", first, second).await, *are_one, "{first:?} {second:?}");
        }
    }

    async fn accounts_that_differ_in_anything_but_form_lead_to_different_people(place: Place) {
        let registry = place.registry().await;
        for (first, second, are_one) in ACCOUNTS {
            assert_eq!(leads_to_one(&registry, "shop_user", first, second).await, *are_one, "{first:?} {second:?}");
        }
    }

    async fn an_identifier_comes_back_as_it_was_given(place: Place) {
        let registry = place.registry().await;
        let given = " Jose\u{301}.\u{1e9e}@B\u{dc}CHER.example";
        let subject = subject_of(&registry, visitor(by("email", given))).await;
        let call = call(Action::GetSubject);
        let (Subject { identifiers, .. }, _) =
            registry.get_subject(call, &SubjectRef::Id(subject), None).await.unwrap();
        assert_eq!(identifiers[0].identifier.value.expose(), given);
    }

    async fn contents_of_every_kind_come_back_as_they_went_in(place: Place) {
        let registry = place.registry().await;
        let contents = [
            Content::Text(String::new()),
            Content::Text("\u{0}'\"\\%_\u{1f642} jose\u{301}\r\n ".into()),
            Content::Text("x".repeat(CONTENT_BYTES_MAX)),
            Content::Blob(Vec::new()),
            Content::Blob((0..CONTENT_BYTES_MAX).map(|n| n.to_le_bytes()[0]).collect()),
            Content::Json(serde_json::json!({"\u{0}": [null, 1.5, -0.0, "\u{1f642}"], "": {}})),
            Content::Locator("crm://contacts/4711?x=\u{e9}".into()),
        ];
        for (n, content) in contents.into_iter().enumerate() {
            let mut registration = visitor(by("email", &format!("{n}@example.org")));
            registration.items = vec![item("email_address", content.clone())];
            let subject = subject_of(&registry, registration).await;
            let kept = items(&registry, subject).await.unwrap();
            assert!(kept[0].content.as_ref() == Some(&content), "content {n}");
        }
    }

    async fn item_keys_are_told_apart_by_every_byte_of_theirs(place: Place) {
        let registry = place.registry().await;
        let keys = ["A", "a", "a ", "\u{e9}", "e\u{301}", "\u{df}", "ss", "", "0", "00"];
        let mut registration = visitor(by("email", "ada@example.org"));
        registration.items = keys.iter().map(|key| keyed("navigation", key, key)).collect();
        let subject = subject_of(&registry, registration.clone()).await;
        register(&registry, registration).await.unwrap();
        let kept = items(&registry, subject).await.unwrap();
        let kept: BTreeSet<_> = kept.iter().map(|item| (item.key.expose(), text(item))).collect();
        assert_eq!(kept, keys.iter().map(|key| (*key, *key)).collect());
    }

    async fn sources_that_differ_in_case_are_two_sources(place: Place) {
        let registry = place.registry().await;
        let mut registration = visitor(by("email", "ada@example.org"));
        for source in ["Shop", "shop"] {
            let mut one = item("navigation", Content::Text(source.into()));
            one.source = Some(source.parse().unwrap());
            registration.items.push(one);
        }
        let subject = subject_of(&registry, registration).await;
        assert_eq!(items(&registry, subject).await.unwrap().len(), 2);
    }

    async fn instants_keep_their_microseconds(place: Place) {
        let registry = place.registry().await;
        let at = instant("2019-12-31T23:59:59.999999Z");
        let mut registration = visitor(by("email", "ada@example.org"));
        registration.collected_at = Some(at);
        registration.items = vec![item("navigation", Content::Text("home".into()))];
        registration.consents = vec![given_at(&["newsletter"], instant("2018-05-24T00:00:00.000001Z"))];
        let subject = subject_of(&registry, registration).await;
        assert_eq!(items(&registry, subject).await.unwrap()[0].state.collected_at, at);
        let consents = pages_of_consents(&registry, subject, 10).await;
        assert_eq!(consents[0].0.to_string(), "2018-05-24T00:00:00.000001Z");
        assert_eq!(consents[0].1, place.now());
    }

    async fn facts_of_one_instant_stand_once_each_on_pages_of_any_size(place: Place) {
        let registry = place.registry().await;
        let mut registration = visitor(by("email", "ada@example.org"));
        registration.consents = (0..23)
            .map(|n| given_at(&["newsletter"], place.now() - SignedDuration::from_secs(n)))
            .collect();
        let subject = subject_of(&registry, registration).await;
        let all = pages_of_consents(&registry, subject, 1_000).await;
        assert_eq!(all.len(), 23);
        for size in [1, 2, 7, 22, 23, 24] {
            assert_eq!(pages_of_consents(&registry, subject, size).await, all, "{size}");
        }
    }

    async fn a_contact_may_be_shared_and_an_account_may_not(place: Place) {
        let registry = place.registry().await;
        let mut people = Vec::new();
        for account in ["u-1", "u-2"] {
            let mut registration = visitor(by("shop_user", account));
            registration.identifiers = vec![identifier("email", "family@example.org")];
            people.push(subject_of(&registry, registration).await);
        }
        assert_ne!(people[0], people[1]);
        let taken = registry.link_identifier(
            call(Action::LinkIdentifier),
            SubjectRef::Id(people[0]),
            identifier("shop_user", "u-2"),
        );
        let Err(Error::IdentifierConflict { subjects }) = taken.await else { panic!("a conflict") };
        assert_eq!(BTreeSet::from_iter(subjects), BTreeSet::from_iter(people));
    }
}

/// Whether the second form finds whom the first one made.
async fn leads_to_one(registry: &Registry, kind: &str, first: &str, second: &str) -> bool {
    let made = subject_of(registry, visitor(by(kind, first))).await;
    let second = by(kind, second);
    let found = registry.get_subject(call(Action::GetSubject), &second, None);
    match found.await {
        Ok((found, _)) => found.subject_id == made,
        Err(Error::NotFound(_)) => false,
        Err(error) => panic!("{error:?}"),
    }
}

/// When each consent was given and recorded, read page by page.
async fn pages_of_consents(
    registry: &Registry,
    subject: SubjectId,
    page_size: usize,
) -> Vec<(jiff::Timestamp, jiff::Timestamp)> {
    let (mut all, mut page_token) = (Vec::new(), None);
    loop {
        let query = ListConsents {
            subject: SubjectRef::Id(subject),
            purposes: Vec::new(),
            page_size,
            page_token,
            at_least_as_fresh: None,
        };
        let page = registry.list_consents(&everything("tests"), query).await;
        let page = page.expect("the page reads");
        assert!(page.entries.len() <= page_size);
        all.extend(
            page.entries
                .iter()
                .map(|it| (it.occurred_at, it.recorded_at)),
        );
        page_token = page.next;
        if page_token.is_none() {
            return all;
        }
    }
}
