//! Who is who: spellings of one identifier, and identifiers of one person, the same on both databases.

use registry::proto::v1::{
    GetSubjectRequest, RegisterCollectionRequest, RegisterCollectionResponse, Subject,
    UnlinkedReason,
};
use tokio::task::JoinSet;
use tonic::{Code, Status};

use crate::{
    harness::{
        Clients, TestServer,
        sample::{by, by_id, identifier, text},
        status::{fields, reason},
    },
    on_both,
};

/// Registers a client by these identifiers, with an order that must not be lost.
async fn register(
    clients: &mut Clients,
    identifiers: &[(&str, &str)],
) -> Result<RegisterCollectionResponse, Status> {
    let (kind, value) = identifiers[0];
    let further = identifiers[1..].iter();
    let request = RegisterCollectionRequest {
        subject: Some(by(kind, value)),
        identifiers: further
            .map(|(kind, value)| identifier(kind, value))
            .collect(),
        subject_category: "client".to_owned(),
        items: vec![text("order_contents", "a lamp")],
        ..RegisterCollectionRequest::default()
    };
    Ok(clients
        .collection
        .register_collection(request)
        .await?
        .into_inner())
}

async fn subject_of(clients: &mut Clients, identifiers: &[(&str, &str)]) -> String {
    register(clients, identifiers)
        .await
        .expect("registered")
        .subject_id
}

async fn get(clients: &mut Clients, kind: &str, value: &str) -> Result<Subject, Status> {
    let request = GetSubjectRequest {
        subject: Some(by(kind, value)),
        ..GetSubjectRequest::default()
    };
    let answer = clients.subject.get_subject(request).await?.into_inner();
    Ok(answer.subject.expect("a subject"))
}

on_both! {
    async fn spellings_of_one_address_are_one_person(server: TestServer) {
        let mut admin = server.admin().await;
        for spellings in [
            &["Anna@Example.com", " anna@EXAMPLE.com\n", "ANNA@example.com"][..],
            &["jos\u{e9}@example.com", "jose\u{301}@example.com", "JOS\u{c9}@EXAMPLE.COM"],
            &["a@b\u{fc}cher.example", "A@B\u{dc}CHER.example", "a@xn--bcher-kva.example"],
        ] {
            let first = subject_of(&mut admin, &[("email", spellings[0])]).await;
            for spelling in spellings {
                assert_eq!(subject_of(&mut admin, &[("email", spelling)]).await, first, "{spelling:?}");
            }
        }
    }

    async fn addresses_that_differ_are_different_people(server: TestServer) {
        let mut admin = server.admin().await;
        let mut subjects = Vec::new();
        for address in [
            "anna@example.com",
            "an.na@example.com",
            "anna+shop@example.com",
            "anna@example.org",
            "stra\u{df}e@example.com",
            "strasse@example.com",
        ] {
            subjects.push(subject_of(&mut admin, &[("email", address)]).await);
        }
        let count = subjects.len();
        subjects.sort_unstable();
        subjects.dedup();
        assert_eq!(subjects.len(), count);
    }

    async fn case_counts_where_the_policy_says_exact_and_not_where_it_says_fold(server: TestServer) {
        let mut admin = server.admin().await;
        let exact = subject_of(&mut admin, &[("shop_user", "User-1")]).await;
        assert_ne!(subject_of(&mut admin, &[("shop_user", "user-1")]).await, exact);
        let folded = subject_of(&mut admin, &[("forum_member", "ANNA")]).await;
        assert_eq!(subject_of(&mut admin, &[("forum_member", "anna")]).await, folded);
    }

    async fn one_value_under_two_types_leads_to_two_people(server: TestServer) {
        let mut admin = server.admin().await;
        let shop = subject_of(&mut admin, &[("shop_user", "1")]).await;
        let forum = subject_of(&mut admin, &[("forum_member", "1")]).await;
        assert_ne!(shop, forum);
    }

    async fn what_is_no_identifier_is_refused_without_repeating_it(server: TestServer) {
        let mut admin = server.admin().await;
        for (kind, value, field) in [
            ("email", "zanzibar", "subject.identifier.value"),
            ("email", "zanzibar@", "subject.identifier.value"),
            ("shop_user", "zanzi\u{7}bar", "subject.identifier.value"),
            ("passport", "zanzibar", "subject.identifier.type"),
        ] {
            let status = register(&mut admin, &[(kind, value)]).await.expect_err("refused");
            assert_eq!(reason(&status), "FIELD_INVALID");
            assert_eq!(fields(&status), [field]);
            assert!(!format!("{status:?}").contains("zanzibar"));
        }
    }

    async fn a_guest_who_opens_an_account_keeps_the_order(server: TestServer) {
        let mut admin = server.admin().await;
        let guest = subject_of(&mut admin, &[("email", "anna@example.com")]).await;
        let holder = subject_of(&mut admin, &[("shop_user", "1"), ("email", "anna@example.com")]).await;
        assert_eq!(guest, holder);
        assert_eq!(get(&mut admin, "shop_user", "1").await.expect("found").identifiers.len(), 2);
    }

    async fn a_shared_address_is_no_conflict_and_no_order_is_lost_over_it(server: TestServer) {
        let mut admin = server.admin().await;
        let home = ("email", "home@example.com");
        let anna = subject_of(&mut admin, &[("shop_user", "1"), home]).await;
        let ben = subject_of(&mut admin, &[("shop_user", "2"), home]).await;
        let guest = subject_of(&mut admin, &[home]).await;
        assert!(anna != ben && guest != anna && guest != ben);
        let ambiguous = get(&mut admin, home.0, home.1).await.expect_err("ambiguous");
        assert_eq!(ambiguous.code(), Code::FailedPrecondition);
        assert_eq!(reason(&ambiguous), "SUBJECT_AMBIGUOUS");
        assert_eq!(subject_of(&mut admin, &[home]).await, guest);
    }

    async fn a_browser_goes_up_in_the_person_who_signs_in(server: TestServer) {
        let mut admin = server.admin().await;
        let browser = subject_of(&mut admin, &[("ga_client", "b1")]).await;
        let anna = subject_of(&mut admin, &[("shop_user", "1")]).await;
        let signed_in = register(&mut admin, &[("shop_user", "1"), ("ga_client", "b1")]).await;
        assert_eq!(signed_in.expect("registered").subject_id, anna);
        let found = get(&mut admin, "ga_client", "b1").await.expect("found");
        assert_eq!((found.subject_id, found.merged_ids), (anna.clone(), vec![browser.clone()]));
        let request = GetSubjectRequest {
            subject: Some(by_id(&browser)),
            ..GetSubjectRequest::default()
        };
        let old = admin.subject.get_subject(request).await.expect("the old id resolves");
        assert_eq!(old.into_inner().subject.expect("a subject").subject_id, anna);
    }

    async fn a_browser_of_somebody_known_stays_theirs_and_is_reported(server: TestServer) {
        let mut admin = server.admin().await;
        let anna = subject_of(&mut admin, &[("shop_user", "1"), ("ga_client", "b1")]).await;
        let ben = register(&mut admin, &[("email", "ben@example.com"), ("ga_client", "b1")]).await;
        let ben = ben.expect("registered");
        assert_ne!(ben.subject_id, anna);
        let [left] = &ben.unlinked_identifiers[..] else {
            panic!("one was left: {:?}", ben.unlinked_identifiers);
        };
        assert_eq!((left.r#type.as_str(), left.field.as_str()), ("ga_client", "identifiers[0]"));
        assert_eq!(left.reason(), UnlinkedReason::DeviceOfAnother);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_that_meet_one_new_person_at_once_make_one_subject() {
    let first = TestServer::on_postgres().await;
    let second = first.replica().await;
    for person in 0..10 {
        let mut calls = JoinSet::new();
        for server in [&first, &second, &first, &second] {
            let mut admin = server.admin().await;
            calls.spawn(async move {
                let email = format!("p{person}@example.com");
                let browser = format!("b{person}");
                subject_of(&mut admin, &[("email", &email), ("ga_client", &browser)]).await
            });
        }
        let subjects = calls.join_all().await;
        assert!(
            subjects.iter().all(|subject| *subject == subjects[0]),
            "{subjects:?}"
        );
    }
}
