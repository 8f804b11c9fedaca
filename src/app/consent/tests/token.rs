//! Links that take consent back with one click.

use super::*;

#[tokio::test]
async fn a_token_withdraws_its_purposes_with_one_click_and_again() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    consents.record(ada, given(&["newsletter"])).await.unwrap();
    let token = consents.token(ada, "PT1H").await.unwrap().token;
    for _ in 0..2 {
        let withdrawn = consents.withdraw(holder(&token)).await.unwrap();
        assert_eq!(withdrawn.subject_ids, [ada]);
        assert_eq!(
            names(&withdrawn.facts),
            ["newsletter", "interface_research"]
        );
        assert_eq!(consents.standing(ada).await, Some(ConsentChoice::Withdrawn));
    }
}

#[tokio::test]
async fn a_token_withdraws_no_more_than_its_purposes() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let token = consents.token(ada, "PT1H").await.unwrap().token;
    let with = |names: &[&str]| Withdrawer::Holder {
        token: WithdrawalToken(token.clone()),
        purposes: purposes(names),
    };
    let withdrawn = consents.withdraw(with(&["newsletter"])).await.unwrap();
    assert_eq!(names(&withdrawn.facts), ["newsletter"]);
    let beyond = with(&["newsletter", "website_personalisation"]);
    let refused = consents.withdraw(beyond).await.unwrap_err();
    assert_eq!(fields(&refused), ["purposes[1]"]);
}

#[tokio::test]
async fn a_token_is_good_until_its_end_and_is_then_forgotten() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let token = consents.token(ada, "PT1M").await.unwrap();
    consents.it.clock.advance(Duration::from_secs(59));
    assert!(consents.withdraw(holder(&token.token)).await.is_ok());
    consents.it.clock.advance(Duration::from_secs(1));
    let refused = consents.withdraw(holder(&token.token)).await;
    assert!(matches!(
        refused,
        Err(Error::NotFound(Missing::WithdrawalToken))
    ));
    assert_eq!(
        consents
            .it
            .registry
            .keep_up()
            .await
            .unwrap()
            .tokens_forgotten,
        1
    );
}

#[tokio::test]
async fn a_token_that_is_not_genuine_is_not_found() {
    let consents = Consents::new().await;
    for token in ["", "AAAA", "not a token"] {
        let refused = consents.withdraw(holder(token)).await;
        assert!(matches!(
            refused,
            Err(Error::NotFound(Missing::WithdrawalToken))
        ));
    }
}

#[tokio::test]
async fn a_token_lives_from_a_minute_to_four_hundred_days() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    for lifetime in ["PT1M", "PT9600H"] {
        assert!(consents.token(ada, lifetime).await.is_ok(), "{lifetime}");
    }
    for lifetime in ["PT0S", "PT59S", "PT9600H0.000001S"] {
        let refused = consents.token(ada, lifetime).await.unwrap_err();
        assert_eq!(fields(&refused), ["lifetime"], "{lifetime}");
    }
}

#[tokio::test]
async fn a_repeat_renders_the_same_token() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let repeat = || {
        let call = consents.call(Action::IssueWithdrawalToken);
        let call = call.idempotent(Some(Uuid::from_u128(42)), b"the request".to_vec());
        let command = IssueWithdrawalToken {
            subject: SubjectRef::Id(ada),
            purposes: purposes(&["newsletter"]),
            lifetime: None,
        };
        consents.it.registry.issue_withdrawal_token(call, command)
    };
    let first = repeat().await.unwrap().value;
    let second = repeat().await.unwrap().value;
    assert_eq!(first.token, second.token);
    let life = first
        .expires_at
        .duration_since(consents.it.registry.clock_now());
    assert_eq!(life, TOKEN_LIFETIME_DEFAULT);
}
