//! Consent that is taken back.

use super::*;

#[tokio::test]
async fn a_withdrawal_outlives_a_grant_of_before_that_is_recorded_later() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    consents.withdraw(from_newsletter(ada)).await.unwrap();
    consents.it.clock.advance(Duration::from_hours(1));
    let late = ConsentStatement {
        occurred_at: Some(said_at("11:00:00")),
        ..given(&["newsletter"])
    };
    consents.record(ada, late).await.unwrap();
    assert_eq!(consents.standing(ada).await, Some(ConsentChoice::Withdrawn));
    consents.record(ada, given(&["newsletter"])).await.unwrap();
    assert_eq!(consents.standing(ada).await, Some(ConsentChoice::Given));
}

#[tokio::test]
async fn a_withdrawal_outlives_a_grant_whose_clock_ran_ahead() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let ahead = ConsentStatement {
        occurred_at: Some(said_at("12:04:00")),
        ..given(&["newsletter"])
    };
    consents.record(ada, ahead).await.unwrap();
    consents.withdraw(from_newsletter(ada)).await.unwrap();
    for _ in 0..3 {
        assert_eq!(consents.standing(ada).await, Some(ConsentChoice::Withdrawn));
        consents.it.clock.advance(Duration::from_mins(3));
    }
}

#[tokio::test]
async fn a_withdrawal_by_a_shared_address_reaches_everyone_who_shares_it() {
    let consents = Consents::new().await;
    let ada = consents.subject("home@example.org").await;
    let bob = consents.subject("home@example.org").await;
    let eve = consents.subject("eve@example.org").await;
    for subject in [ada, bob, eve] {
        consents
            .record(subject, given(&["newsletter"]))
            .await
            .unwrap();
    }
    let by = Withdrawer::Subject {
        subject: SubjectRef::Identifier(Identifier {
            identifier_type: "email".parse().unwrap(),
            value: IdentifierValue::new(" HOME@example.org"),
        }),
        taken: Taken::Everything,
    };
    let mut withdrawn = consents.withdraw(by).await.unwrap();
    withdrawn.subject_ids.sort_unstable();
    let mut both = [ada, bob];
    both.sort_unstable();
    assert_eq!(withdrawn.subject_ids, both);
    for subject in both {
        let standing = consents.standing(subject).await;
        assert_eq!(standing, Some(ConsentChoice::Withdrawn));
    }
    assert_eq!(consents.standing(eve).await, Some(ConsentChoice::Given));
}

#[tokio::test]
async fn everything_reaches_every_purpose_that_was_spoken_of_or_is_asked_for() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    consents
        .record(ada, given(&["fraud_screening"]))
        .await
        .unwrap();
    let by = Withdrawer::Subject {
        subject: SubjectRef::Id(ada),
        taken: Taken::Everything,
    };
    let withdrawn = consents.withdraw(by).await.unwrap();
    assert_eq!(
        names(&withdrawn.facts),
        [
            "educational_materials",
            "fraud_screening",
            "interface_research",
            "newsletter",
            "website_personalisation"
        ]
    );
}

#[tokio::test]
async fn a_withdrawal_is_possible_for_the_time_before_the_first_policy() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let command = WithdrawConsent {
        occurred_at: Some("2017-01-01T00:00:00Z".parse().unwrap()),
        ..withdrawal(from_newsletter(ada))
    };
    let call = consents.call(Action::WithdrawConsent);
    let written = consents.it.registry.withdraw_consent(call, command).await;
    let facts = written.unwrap().value.facts;
    assert_eq!(facts[0].evidence.policy_version.as_str(), "2018-05-24");
    assert_eq!(facts[0].evidence.method, EvidenceMethod::NotStated);
}

#[tokio::test]
async fn what_no_version_names_cannot_be_withdrawn() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let command = WithdrawConsent {
        processors: vec!["mailer".parse().unwrap()],
        ..withdrawal(Withdrawer::Subject {
            subject: SubjectRef::Id(ada),
            taken: Taken::Purposes(purposes(&["newsletter", "telemarketing"])),
        })
    };
    let call = consents.call(Action::WithdrawConsent);
    let refused = consents.it.registry.withdraw_consent(call, command).await;
    assert_eq!(
        fields(&refused.unwrap_err()),
        ["purposes[1]", "processors[0]"]
    );
}
