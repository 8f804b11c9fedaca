use uuid::Uuid;

use super::*;
use crate::{
    app::collection::{
        Registration,
        tests::{Collections, by, client, identifier, item},
    },
    domain::{
        consent::{
            ConsentChoice, EvidenceMethod, fold,
            statement::{ConsentStatement, StatedEvidence},
        },
        item::Content,
    },
};

async fn link(
    it: &Collections,
    subject: SubjectRef,
    kind: &str,
    value: &str,
) -> Result<Subject, Error> {
    let call = it.call(Action::LinkIdentifier);
    let linked = it
        .it
        .registry
        .link_identifier(call, subject, identifier(kind, value));
    Ok(linked.await?.value)
}

async fn unlink(
    it: &Collections,
    subject: SubjectRef,
    kind: &str,
    value: &str,
) -> Result<Subject, Error> {
    let call = it.call(Action::UnlinkIdentifier);
    let unlinked = it
        .it
        .registry
        .unlink_identifier(call, subject, identifier(kind, value));
    Ok(unlinked.await?.value)
}

async fn merge(it: &Collections, into: SubjectRef, from: SubjectRef) -> Result<Subject, Error> {
    let call = it.call(Action::MergeSubjects);
    Ok(it.it.registry.merge_subjects(call, into, from).await?.value)
}

fn said(mut registration: Registration, choice: ConsentChoice) -> Registration {
    registration.consents = vec![ConsentStatement {
        purposes: vec!["newsletter".parse().unwrap()],
        processors: Vec::new(),
        choice,
        evidence: StatedEvidence::by(EvidenceMethod::Checkbox),
        occurred_at: None,
        expires_at: None,
    }];
    registration
}

fn with_item(mut registration: Registration, data: &str, text: &str) -> Registration {
    registration.items = vec![item(data, text)];
    registration
}

#[tokio::test]
async fn an_identifier_is_linked_once_and_leads_to_the_subject() {
    let it = Collections::new().await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    let linked = link(&it, SubjectRef::Id(anna), "email", "anna@example.com").await;
    assert_eq!(linked.unwrap().identifiers.len(), 2);
    let again = link(&it, SubjectRef::Id(anna), "email", "ANNA@example.com").await;
    assert_eq!(again.unwrap().identifiers.len(), 2);
    let found = it.get(by("email", "anna@example.com")).await.unwrap();
    assert_eq!(found.subject_id, anna);
    let email = found.identifiers.iter().find(|linked| {
        let kind = &linked.identifier.identifier_type;
        kind.as_str() == "email"
    });
    assert_eq!(email.unwrap().kind, Some(IdentifierKind::Contact));
}

#[tokio::test]
async fn an_account_or_a_device_of_somebody_known_is_not_linked() {
    let it = Collections::new().await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    let ben = it
        .subject_of(client(&[("shop_user", "2"), ("ga_client", "b2")]))
        .await;
    for (kind, value) in [("shop_user", "2"), ("ga_client", "b2")] {
        let refused = link(&it, SubjectRef::Id(anna), kind, value).await;
        let Err(Error::IdentifierConflict { subjects }) = refused else {
            panic!("{kind} was linked");
        };
        assert_eq!(subjects, [anna, ben]);
    }
}

#[tokio::test]
async fn a_device_that_is_known_by_nothing_else_is_merged_by_linking_it() {
    let it = Collections::new().await;
    let browser = it
        .subject_of(with_item(client(&[("ga_client", "b1")]), "navigation", "/"))
        .await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    let linked = link(&it, SubjectRef::Id(anna), "ga_client", "b1").await;
    assert_eq!(linked.unwrap().merged_ids, [browser]);
    assert_eq!(it.items(anna).await.len(), 1);
    let done = it.it.registry.keep_up().await.unwrap();
    assert_eq!(done.keys_destroyed, 1);
}

#[tokio::test]
async fn an_identifier_that_is_taken_off_leads_nowhere_and_is_not_found_twice() {
    let it = Collections::new().await;
    let anna = it
        .subject_of(client(&[("shop_user", "1"), ("email", "anna@example.com")]))
        .await;
    let by_email = by("email", "anna@example.com");
    let left = unlink(&it, by_email.clone(), "email", "Anna@example.com").await;
    assert_eq!(left.unwrap().identifiers.len(), 1);
    assert!(matches!(
        it.get(by_email).await,
        Err(Error::NotFound(Missing::Subject))
    ));
    let again = unlink(&it, SubjectRef::Id(anna), "email", "anna@example.com").await;
    assert!(matches!(again, Err(Error::NotFound(Missing::Identifier))));
    let next = it
        .subject_of(client(&[("email", "anna@example.com")]))
        .await;
    assert_ne!(next, anna, "whoever comes with it now is somebody new");
}

#[tokio::test]
async fn everything_of_one_subject_moves_to_the_other_and_the_old_id_leads_there() {
    let it = Collections::new().await;
    let registration = client(&[("shop_user", "1"), ("email", "home@example.com")]);
    let anna = it
        .subject_of(with_item(registration, "first_name", "Anna"))
        .await;
    it.pass(60);
    let mut registration = client(&[("shop_user", "2"), ("email", "home@example.com")]);
    registration.items = vec![item("first_name", "Annie"), item("last_name", "Berg")];
    let annie = it.subject_of(registration).await;

    let merged = merge(&it, by("shop_user", "1"), by("shop_user", "2")).await;
    let merged = merged.unwrap();
    assert_eq!(merged.subject_id, anna);
    assert_eq!(merged.merged_ids, [annie]);
    let mut values: Vec<_> = merged
        .identifiers
        .iter()
        .map(|one| one.identifier.value.expose())
        .collect();
    values.sort_unstable();
    assert_eq!(values, ["1", "2", "home@example.com"]);
    assert_eq!(merged.memberships.len(), 1);

    let mut kept = it.items(anna).await;
    kept.sort_by_key(|item| item.state.data_category.clone());
    let contents: Vec<_> = kept
        .iter()
        .map(|item| item.content.clone().unwrap())
        .collect();
    let text = |text: &str| Content::Text(text.into());
    assert_eq!(contents, [text("Annie"), text("Berg")], "the later is live");

    let old = it.get(SubjectRef::Id(annie)).await.unwrap();
    assert_eq!(old.subject_id, anna);
    let shared = it.get(by("email", "home@example.com")).await.unwrap();
    assert_eq!(shared.subject_id, anna);
    let done = it.it.registry.keep_up().await.unwrap();
    assert_eq!(done.keys_destroyed, 0, "it was destroyed at once");
}

#[tokio::test]
async fn a_refusal_of_one_outlives_a_later_yes_of_the_other() {
    let it = Collections::new().await;
    let no = said(client(&[("shop_user", "1")]), ConsentChoice::Refused);
    it.subject_of(no).await;
    it.pass(60);
    let yes = said(client(&[("shop_user", "2")]), ConsentChoice::Given);
    let yes = it.subject_of(yes).await;
    it.pass(60);
    merge(&it, SubjectRef::Id(yes), by("shop_user", "1"))
        .await
        .unwrap();

    let view = it.it.registry.view(&it.it.caller, Action::GetSubject, None);
    let view = view.await.unwrap();
    let facts = view.snapshot.list_consent_facts(&[yes]).await.unwrap();
    let purpose = "newsletter".parse().unwrap();
    let heard = fold::bearing_on(&facts[&yes], &purpose, None, view.now());
    let answer = fold::fold(heard).unwrap();
    assert_eq!(answer.fact.choice, ConsentChoice::Refused);
}

#[tokio::test]
async fn a_subject_is_not_merged_into_itself_nor_twice_nor_if_unknown() {
    let it = Collections::new().await;
    let anna = SubjectRef::Id(it.subject_of(client(&[("shop_user", "1")])).await);
    let ben = SubjectRef::Id(it.subject_of(client(&[("shop_user", "2")])).await);
    let itself = merge(&it, anna.clone(), by("shop_user", "1")).await;
    assert!(matches!(itself, Err(Error::Invalid(_))));
    merge(&it, anna.clone(), ben.clone()).await.unwrap();
    let twice = merge(&it, anna.clone(), ben).await;
    assert!(matches!(twice, Err(Error::Invalid(_))));
    let nobody = merge(&it, anna, SubjectRef::Id(SubjectId(Uuid::from_u128(9)))).await;
    assert!(matches!(nobody, Err(Error::NotFound(Missing::Subject))));
}

#[tokio::test]
async fn what_was_merged_is_merged_on_with_every_old_id() {
    let it = Collections::new().await;
    let mut subjects = Vec::new();
    for user in ["1", "2", "3"] {
        let registration = with_item(client(&[("shop_user", user)]), "first_name", user);
        subjects.push(it.subject_of(registration).await);
    }
    let [one, two, three] = subjects[..] else {
        panic!("three were made");
    };
    merge(&it, SubjectRef::Id(two), SubjectRef::Id(three))
        .await
        .unwrap();
    merge(&it, SubjectRef::Id(one), SubjectRef::Id(three))
        .await
        .unwrap();
    for old in [two, three] {
        assert_eq!(it.get(SubjectRef::Id(old)).await.unwrap().subject_id, one);
    }
    let found = it.get(by("shop_user", "3")).await.unwrap();
    assert_eq!(found.subject_id, one);
}

#[tokio::test]
async fn whichever_call_to_the_database_fails_nothing_is_half_merged() {
    let it = Collections::new().await;
    let yes = said(client(&[("shop_user", "1")]), ConsentChoice::Given);
    let anna = it.subject_of(with_item(yes, "first_name", "Anna")).await;
    let no = said(client(&[("shop_user", "2")]), ConsentChoice::Refused);
    let annie = it.subject_of(with_item(no, "last_name", "Berg")).await;
    let faults = it.it.registry.store().faults().clone();
    for call in 0.. {
        faults.fail_call(call);
        let merged = merge(&it, SubjectRef::Id(anna), SubjectRef::Id(annie)).await;
        let struck = faults.clear();
        if merged.is_ok() {
            assert!(call > 20, "{call}");
            break;
        }
        assert!(struck, "call {call}");
        let apart = it.get(SubjectRef::Id(annie)).await.unwrap();
        if apart.subject_id == anna {
            // It was committed, and only the showing of it failed.
            break;
        }
        assert_eq!(it.items(anna).await.len(), 1, "call {call}");
        assert_eq!(it.items(annie).await.len(), 1, "call {call}");
    }
    assert_eq!(it.items(anna).await.len(), 2);
}

#[tokio::test]
async fn a_subject_comes_into_a_category_and_leaves_it() {
    let it = Collections::new().await;
    it.subject_of(client(&[("shop_user", "1")])).await;
    let registry = &it.it.registry;
    let anna = || by("shop_user", "1");
    let affiliate = || {
        "affiliate"
            .parse::<crate::domain::name::SubjectCategory>()
            .unwrap()
    };
    let add = |at: Option<&str>| {
        let call = it.call(Action::AddSubjectCategory);
        let at = at.map(|at| at.parse().unwrap());
        registry.add_subject_category(call, anna(), affiliate(), at)
    };
    let end = |at: Option<&str>| {
        let call = it.call(Action::EndSubjectCategory);
        let at = at.map(|at| at.parse().unwrap());
        registry.end_subject_category(call, anna(), affiliate(), at)
    };
    assert!(matches!(
        end(None).await,
        Err(Error::NotFound(Missing::SubjectCategory))
    ));
    add(None).await.unwrap();
    let earlier = add(Some("2019-01-01T00:00:00Z")).await.unwrap().value;
    let role = &earlier.memberships[0];
    assert_eq!(role.category, affiliate());
    assert_eq!(role.started_at, "2019-01-01T00:00:00Z".parse().unwrap());
    let before = end(Some("2018-12-31T00:00:00Z")).await;
    assert!(matches!(before, Err(Error::Invalid(_))));
    it.pass(60);
    let ended = end(None).await.unwrap().value;
    assert!(ended.memberships[0].ended_at.is_some());
    assert!(matches!(
        end(None).await,
        Err(Error::NotFound(Missing::SubjectCategory))
    ));
    let call = it.call(Action::AddSubjectCategory);
    let unknown = registry.add_subject_category(call, anna(), "employee".parse().unwrap(), None);
    assert!(matches!(unknown.await, Err(Error::Invalid(_))));
}

#[tokio::test]
async fn reading_a_person_stands_in_the_log() {
    let it = Collections::new().await;
    let anna = it.subject_of(client(&[("shop_user", "1")])).await;
    it.get(SubjectRef::Id(anna)).await.unwrap();
    let view = it
        .it
        .registry
        .view(&it.it.caller, Action::ListAuditEntries, None);
    let view = view.await.unwrap();
    let filter = crate::store::audit::AuditFilter {
        subjects: vec![anna],
        actions: vec![Action::GetSubject],
        ..Default::default()
    };
    let entries = view.snapshot.list_audit_entries(&filter, None, 10).await;
    assert_eq!(entries.unwrap().len(), 1);
}
