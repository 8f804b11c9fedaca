//! What people say, and how it is proved.

use super::*;

#[tokio::test]
async fn a_statement_becomes_a_fact_for_each_purpose_with_its_proof() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let statement = given(&["newsletter", "interface_research"]);
    let facts = consents.record(ada, statement).await.unwrap();
    assert_eq!(names(&facts), ["newsletter", "interface_research"]);
    let kept = consents.history(ada).await;
    assert_eq!(names(&kept), ["interface_research", "newsletter"]);
    assert_eq!(kept[1], facts[0]);
    let evidence = &kept[1].evidence;
    assert_eq!(evidence.wording, "May we write to you, Ada?");
    assert_eq!(evidence.reference, "form 17 of Ada");
    assert_eq!(evidence.collected_by, "tests");
    assert_eq!(evidence.policy_version.as_str(), "2018-05-24");
    assert_eq!(kept[1].occurred_at, consents.it.registry.clock_now());
}

#[tokio::test]
async fn every_rule_that_a_statement_breaks_is_said_at_once_and_nothing_is_kept() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let statement = ConsentStatement {
        processors: vec!["mailer".parse().unwrap()],
        evidence: StatedEvidence::by(EvidenceMethod::NotStated),
        occurred_at: Some(said_at("12:05:00.000001")),
        expires_at: Some(said_at("12:05:00.000001")),
        ..given(&["newsletter", "telemarketing"])
    };
    let refused = consents.record(ada, statement).await.unwrap_err();
    assert_eq!(
        fields(&refused),
        [
            "occurred_at",
            "purposes[1]",
            "processors[0]",
            "expires_at",
            "evidence.method"
        ]
    );
    assert!(consents.history(ada).await.is_empty());
}

#[tokio::test]
async fn a_version_that_is_not_published_is_refused_and_none_in_force_is_not_found() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let mut unknown = given(&["newsletter"]);
    unknown.evidence.policy_version = Some("2030-01-01".parse().unwrap());
    let refused = consents.record(ada, unknown).await.unwrap_err();
    assert_eq!(fields(&refused), ["evidence.policy_version"]);
    let early = ConsentStatement {
        occurred_at: Some("2018-05-23T23:59:59Z".parse().unwrap()),
        ..given(&["newsletter"])
    };
    let refused = consents.record(ada, early.clone()).await.unwrap_err();
    assert!(
        matches!(refused, Error::NotFound(Missing::Policy)),
        "{refused:?}"
    );
    let mut named = early;
    named.evidence.policy_version = Some("2018-05-24".parse().unwrap());
    assert!(consents.record(ada, named).await.is_ok());
}

#[tokio::test]
async fn a_refusal_needs_no_proof() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let statement = ConsentStatement {
        choice: ConsentChoice::Refused,
        evidence: StatedEvidence::by(EvidenceMethod::NotStated),
        ..given(&["newsletter"])
    };
    consents.record(ada, statement).await.unwrap();
    assert_eq!(consents.standing(ada).await, Some(ConsentChoice::Refused));
}

#[tokio::test]
async fn consent_by_continued_use_is_kept_as_a_fact() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let statement = ConsentStatement {
        evidence: StatedEvidence::by(EvidenceMethod::ImpliedByUse),
        ..given(&["newsletter"])
    };
    let facts = consents.record(ada, statement).await.unwrap();
    assert_eq!(facts[0].evidence.method, EvidenceMethod::ImpliedByUse);
}

#[tokio::test]
async fn an_unknown_subject_gives_and_takes_nothing() {
    let consents = Consents::new().await;
    let nobody = SubjectId(Uuid::from_u128(7));
    let refused = consents.record(nobody, given(&["newsletter"])).await;
    assert!(matches!(refused, Err(Error::NotFound(Missing::Subject))));
    let refused = consents.withdraw(from_newsletter(nobody)).await;
    assert!(matches!(refused, Err(Error::NotFound(Missing::Subject))));
}
