//! Page tokens and cursors are good for the list that they were made for, by whatever replica reads
//! them, and for nothing else.

use futures::StreamExt;
use registry::{
    app::{
        Error, Registry,
        consent::ListConsents,
        event::{EventFilter, Watched},
        page::Page,
    },
    domain::{consent::ConsentRecord, id::SubjectId, subject_ref::SubjectRef},
    store::audit::{AuditEntry, AuditFilter},
};

use crate::{
    harness::{everything, names},
    on_both,
    sample::{by, given, subject_of, visitor},
};

async fn log(
    registry: &Registry,
    filter: AuditFilter,
    token: Option<&str>,
) -> Result<Page<AuditEntry>, Error> {
    registry
        .list_audit_entries(&everything("tests"), None, filter, 1, token)
        .await
}

async fn consents(
    registry: &Registry,
    subject: SubjectId,
    purposes: &[&str],
    page_token: Option<String>,
) -> Result<Page<ConsentRecord>, Error> {
    let query = ListConsents {
        subject: SubjectRef::Id(subject),
        purposes: names(purposes),
        page_size: 1,
        page_token,
        at_least_as_fresh: None,
    };
    registry.list_consents(&everything("tests"), query).await
}

async fn person(registry: &Registry, email: &str) -> SubjectId {
    let mut registration = visitor(by("email", email));
    registration.consents = vec![given(&["newsletter", "interface_research"])];
    subject_of(registry, registration).await
}

fn is_refused<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::CursorInvalid))
}

/// The cursor behind the first event.
async fn first_cursor(registry: &Registry) -> String {
    registry.place_events().await.unwrap();
    let events = registry
        .watch_events(&everything("tests"), None, EventFilter::default())
        .await
        .unwrap();
    let first = Box::pin(events).next().await;
    match first.expect("an event").expect("it reads") {
        Watched::Event { cursor, .. } | Watched::Checkpoint { cursor, .. } => cursor,
    }
}

async fn follow(registry: &Registry, cursor: &str) -> Result<(), Error> {
    let caller = everything("tests");
    let followed = registry.watch_events(&caller, Some(cursor), EventFilter::default());
    followed.await.map(drop)
}

on_both! {
    async fn a_token_goes_on_where_its_page_ended_and_a_wrong_one_nowhere(place: Place) {
        let registry = place.registry().await;
        let (ada, bob) = (person(&registry, "ada@example.org").await, person(&registry, "bob@example.org").await);
        let first = consents(&registry, ada, &[], None).await.unwrap();
        let token = first.next.expect("there is more");
        let second = consents(&registry, ada, &[], Some(token.clone())).await.unwrap();
        assert_ne!(first.entries[0].consent_id, second.entries[0].consent_id);
        assert!(second.next.is_none());

        assert!(is_refused(&consents(&registry, bob, &[], Some(token.clone())).await), "another person's list");
        assert!(is_refused(&consents(&registry, ada, &["newsletter"], Some(token.clone())).await), "a narrower list");
        assert!(is_refused(&log(&registry, AuditFilter::default(), Some(&token)).await), "another kind of list");
        assert!(is_refused(&follow(&registry, &token).await), "a stream");
    }

    async fn a_token_of_the_log_is_bound_to_its_filter(place: Place) {
        let registry = place.registry().await;
        person(&registry, "ada@example.org").await;
        let token = log(&registry, AuditFilter::default(), None).await.unwrap().next.expect("there is more");
        assert!(log(&registry, AuditFilter::default(), Some(&token)).await.is_ok());
        let narrower = AuditFilter { caller: Some("tests".into()), ..AuditFilter::default() };
        assert!(is_refused(&log(&registry, narrower, Some(&token)).await));
    }

    async fn a_token_that_was_tampered_with_anywhere_is_refused(place: Place) {
        let registry = place.registry().await;
        person(&registry, "ada@example.org").await;
        let page = log(&registry, AuditFilter::default(), None).await.unwrap();
        let token = page.next.expect("there is more");
        for place in 0..token.len() {
            let mut tampered: Vec<char> = token.chars().collect();
            tampered[place] = if tampered[place] == 'A' { 'B' } else { 'A' };
            let tampered: String = tampered.into_iter().collect();
            let read = log(&registry, AuditFilter::default(), Some(&tampered)).await;
            assert!(is_refused(&read), "character {place}: {read:?}");
        }
        for token in ["", "A", "\u{e9}", "====", &"A".repeat(10_000), &token[1..], &format!("{token}AAAA")] {
            let read = log(&registry, AuditFilter::default(), Some(token)).await;
            assert!(is_refused(&read), "{token:.40}: {read:?}");
        }
    }

    async fn a_cursor_is_good_on_every_replica_and_never_ahead_of_what_happened(place: Place) {
        let registry = place.registry().await;
        let cursor = first_cursor(&registry).await;
        let replica = place.registry().await;
        follow(&replica, &cursor).await.unwrap();
        crate::harness::execute(&place.connect().await, "DELETE FROM events").await;
        // As after a restore from a backup that knows less: what happens now would be skipped.
        assert!(is_refused(&follow(&replica, &cursor).await));
    }
}
