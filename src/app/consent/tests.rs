use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    app::testing::{self, TestRegistry},
    domain::{
        caller::{Bound, Caller},
        consent::{
            ConsentChoice, ConsentFact, EvidenceMethod, fold,
            statement::{ConsentStatement, StatedEvidence},
        },
        identifier::{IdentifierValue, Normalise, normalise},
        subject_ref::Identifier,
    },
    store::identifier::NewIdentifier,
};

/// A registry and what these tests ask of it.
struct Consents {
    it: TestRegistry,
}

impl Consents {
    async fn new() -> Self {
        Self {
            it: testing::registry().await,
        }
    }

    /// A new subject with this e-mail address, which others may share.
    async fn subject(&self, email: &str) -> SubjectId {
        let email = email.to_owned();
        self.it
            .registry
            .store()
            .write("subject", self.it.registry.clock_now(), move |tx| {
                let email = email.clone();
                Box::pin(async move {
                    let subject_id = tx.reserve_subject().await?;
                    tx.insert_subjects(&[subject_id]).await?;
                    let identifier = NewIdentifier {
                        subject_id,
                        identifier_type: "email".parse().unwrap(),
                        normalised: normalise(Normalise::Email, &email).unwrap(),
                        value: IdentifierValue::new(email),
                        shared: true,
                    };
                    tx.link_identifiers(&[identifier], "tests").await?;
                    Ok::<_, Error>(subject_id)
                })
            })
            .await
            .unwrap()
    }

    fn call(&self, action: Action) -> Call {
        Call::new(self.it.caller.clone(), action)
    }

    async fn record(
        &self,
        subject: SubjectId,
        statement: ConsentStatement,
    ) -> Result<Vec<ConsentRecord>, Error> {
        let call = self.call(Action::RecordConsent);
        let written = self
            .it
            .registry
            .record_consent(call, SubjectRef::Id(subject), statement)
            .await?;
        Ok(written.value)
    }

    async fn withdraw(&self, by: Withdrawer) -> Result<Withdrawn, Error> {
        let call = self.call(Action::WithdrawConsent);
        Ok(self
            .it
            .registry
            .withdraw_consent(call, withdrawal(by))
            .await?
            .value)
    }

    async fn token(&self, subject: SubjectId, lifetime: &str) -> Result<IssuedToken, Error> {
        let command = IssueWithdrawalToken {
            subject: SubjectRef::Id(subject),
            purposes: purposes(&["newsletter", "interface_research"]),
            lifetime: Some(lifetime.parse().unwrap()),
        };
        let call = self.call(Action::IssueWithdrawalToken);
        Ok(self
            .it
            .registry
            .issue_withdrawal_token(call, command)
            .await?
            .value)
    }

    async fn history(&self, subject: SubjectId) -> Vec<ConsentRecord> {
        self.page(subject, 1_000, None).await.unwrap().entries
    }

    async fn page(
        &self,
        subject: SubjectId,
        page_size: usize,
        page_token: Option<String>,
    ) -> Result<Page<ConsentRecord>, Error> {
        let query = ListConsents {
            subject: SubjectRef::Id(subject),
            purposes: Vec::new(),
            page_size,
            page_token,
            at_least_as_fresh: None,
        };
        self.it.registry.list_consents(&self.it.caller, query).await
    }

    /// The answer that stands for the newsletter and the controller.
    async fn standing(&self, subject: SubjectId) -> Option<ConsentChoice> {
        let now = self.it.registry.clock_now();
        let snapshot = self.it.registry.store().snapshot(now).await.unwrap();
        let facts = snapshot.list_consent_facts(&[subject]).await.unwrap();
        let facts: &[ConsentFact] = facts.get(&subject).map_or(&[], Vec::as_slice);
        let newsletter = "newsletter".parse().unwrap();
        let heard = fold::bearing_on(facts, &newsletter, None, now);
        fold::fold(heard).map(|answer| answer.fact.choice)
    }
}

fn purposes(names: &[&str]) -> Vec<Purpose> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

fn given(names: &[&str]) -> ConsentStatement {
    ConsentStatement {
        purposes: purposes(names),
        processors: Vec::new(),
        choice: ConsentChoice::Given,
        evidence: StatedEvidence {
            wording: "May we write to you, Ada?".into(),
            locale: "en".into(),
            reference: "form 17 of Ada".into(),
            ..StatedEvidence::by(EvidenceMethod::Checkbox)
        },
        occurred_at: None,
        expires_at: None,
    }
}

fn said_at(clock: &str) -> Timestamp {
    format!("2019-12-13T{clock}Z").parse().unwrap()
}

fn withdrawal(by: Withdrawer) -> WithdrawConsent {
    WithdrawConsent {
        by,
        processors: Vec::new(),
        evidence: StatedEvidence::by(EvidenceMethod::NotStated),
        occurred_at: None,
    }
}

fn from_newsletter(subject: SubjectId) -> Withdrawer {
    Withdrawer::Subject {
        subject: SubjectRef::Id(subject),
        taken: Taken::Purposes(purposes(&["newsletter"])),
    }
}

fn holder(token: &str) -> Withdrawer {
    Withdrawer::Holder {
        token: WithdrawalToken(token.into()),
        purposes: Vec::new(),
    }
}

fn names(facts: &[ConsentRecord]) -> Vec<&str> {
    facts.iter().map(|fact| fact.purpose.as_str()).collect()
}

fn fields(error: &Error) -> Vec<&str> {
    match error {
        Error::Invalid(violations) => violations.iter().map(|it| it.field.as_str()).collect(),
        other => panic!("expected violations: {other:?}"),
    }
}

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
async fn a_repeat_gives_the_first_answer_with_its_texts_and_changes_nothing() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let request = Uuid::from_u128(42);
    let repeat = || {
        let call = consents.call(Action::RecordConsent);
        let call = call.idempotent(Some(request), b"the request".to_vec());
        let statement = given(&["newsletter", "interface_research"]);
        let subject = SubjectRef::Id(ada);
        consents
            .it
            .registry
            .record_consent(call, subject, statement)
    };
    let first = repeat().await.unwrap();
    consents.it.clock.advance(Duration::from_mins(1));
    let second = repeat().await.unwrap();
    assert!(second.replayed && !first.replayed);
    assert_eq!(second.value, first.value);
    assert_eq!(second.revision, first.revision);
    assert_eq!(consents.history(ada).await.len(), 2);
}

#[tokio::test]
async fn of_two_duplicates_at_once_one_is_recorded() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let repeat = || {
        let call = consents.call(Action::WithdrawConsent);
        let call = call.idempotent(Some(Uuid::from_u128(42)), b"the request".to_vec());
        let command = withdrawal(from_newsletter(ada));
        consents.it.registry.withdraw_consent(call, command)
    };
    let (one, other) = tokio::join!(repeat(), repeat());
    let (one, other) = (one.unwrap(), other.unwrap());
    assert_ne!(one.replayed, other.replayed);
    assert_eq!(one.value.facts, other.value.facts);
    assert_eq!(consents.history(ada).await.len(), 1);
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

#[tokio::test]
async fn a_caller_speaks_for_its_purposes_and_processors_only() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let narrow = Arc::new(Caller {
        purposes: Bound::from_iter(purposes(&["newsletter"])),
        processors: Bound::from_iter([Some("stripe".parse().unwrap())]),
        ..testing::everything("narrow")
    });
    let field = |error: Error| match error {
        Error::ClaimMissing { claim, field } => (claim, field),
        other => panic!("expected a claim: {other:?}"),
    };
    let record = |statement| {
        let call = Call::new(narrow.clone(), Action::RecordConsent);
        let subject = SubjectRef::Id(ada);
        consents
            .it
            .registry
            .record_consent(call, subject, statement)
    };
    assert!(record(given(&["newsletter"])).await.is_ok());
    let beyond = record(given(&["newsletter", "interface_research"])).await;
    assert_eq!(
        field(beyond.unwrap_err()),
        ("purposes", "purposes[1]".into())
    );
    let aweber = ConsentStatement {
        processors: vec!["aweber".parse().unwrap()],
        ..given(&["newsletter"])
    };
    let beyond = record(aweber).await;
    assert_eq!(
        field(beyond.unwrap_err()),
        ("processors", "processors[0]".into())
    );
    let everything = withdrawal(Withdrawer::Subject {
        subject: SubjectRef::Id(ada),
        taken: Taken::Everything,
    });
    let call = Call::new(narrow.clone(), Action::WithdrawConsent);
    let beyond = consents
        .it
        .registry
        .withdraw_consent(call, everything)
        .await;
    assert_eq!(
        field(beyond.unwrap_err()),
        ("purposes", "all_purposes".into())
    );
    let token = consents.token(ada, "PT1H").await.unwrap().token;
    let call = Call::new(narrow.clone(), Action::WithdrawConsent);
    let by_token = withdrawal(holder(&token));
    let clicked = consents.it.registry.withdraw_consent(call, by_token).await;
    assert_eq!(clicked.unwrap().value.facts.len(), 2);
}

#[tokio::test]
async fn a_history_is_read_page_by_page_without_gap_or_repeat() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    for _ in 0..3 {
        let statement = given(&["newsletter", "interface_research"]);
        consents.record(ada, statement).await.unwrap();
    }
    let whole = consents.history(ada).await;
    let mut read = Vec::new();
    let mut token = None;
    loop {
        let page = consents.page(ada, 2, token).await.unwrap();
        assert_eq!(page.entries.len(), 2);
        read.extend(page.entries);
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(read, whole);
}

#[tokio::test]
async fn a_page_token_of_another_subject_is_refused() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let bob = consents.subject("bob@example.org").await;
    let statement = given(&["newsletter", "interface_research"]);
    consents.record(ada, statement).await.unwrap();
    let token = consents.page(ada, 1, None).await.unwrap().next;
    let refused = consents.page(bob, 1, token).await;
    assert!(matches!(refused, Err(Error::CursorInvalid)));
    let refused = consents.page(ada, 1, Some("AAAA".into())).await;
    assert!(matches!(refused, Err(Error::CursorInvalid)));
}

#[tokio::test]
async fn a_receipt_is_given_to_whom_the_consent_belongs() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let bob = consents.subject("bob@example.org").await;
    let facts = consents.record(ada, given(&["newsletter"])).await.unwrap();
    let receipt = |subject| {
        let registry = consents.it.registry.clone();
        let caller = consents.it.caller.clone();
        let consent = facts[0].consent_id;
        async move {
            let subject = SubjectRef::Id(subject);
            registry
                .get_consent_receipt(&caller, &subject, consent)
                .await
        }
    };
    let given = receipt(ada).await.unwrap();
    assert_eq!(given.receipt.consent, facts[0]);
    let title = "Send news of deals and special offers";
    assert_eq!(given.receipt.purpose_title, title);
    let keys = consents
        .it
        .registry
        .store()
        .key_ring()
        .signing()
        .verifying();
    let signed = keys.verify(&given.envelope, RECEIPT_TYPE).unwrap();
    let signed: serde_json::Value = serde_json::from_slice(&signed).unwrap();
    let purpose = &signed["pii_processing"]["purposes"][0];
    assert_eq!(purpose["purpose"], title);
    let id = facts[0].consent_id.to_string();
    assert_eq!(signed["record"]["record_id"], id);
    // It holds the person's own data, and does not print.
    assert!(!format!("{given:?}").contains("May we write to you"));
    let refused = receipt(bob).await.unwrap_err();
    assert!(matches!(refused, Error::NotFound(Missing::Consent)));
}

#[tokio::test]
async fn the_texts_of_a_proof_are_in_no_file() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    consents.record(ada, given(&["newsletter"])).await.unwrap();
    for entry in std::fs::read_dir(consents.it.dir.path()).unwrap() {
        let bytes = std::fs::read(entry.unwrap().path()).unwrap();
        for text in ["May we write to you", "form 17 of Ada"] {
            let found = bytes.windows(text.len()).any(|it| it == text.as_bytes());
            assert!(!found, "{text}");
        }
    }
}

#[tokio::test]
async fn the_facts_of_a_merged_subject_keep_their_proof() {
    let consents = Consents::new().await;
    let ada = consents.subject("ada@example.org").await;
    let bob = consents.subject("bob@example.org").await;
    let facts = consents.record(ada, given(&["newsletter"])).await.unwrap();
    let now = consents.it.registry.clock_now();
    consents
        .it
        .registry
        .store()
        .write("merge", now, move |tx| {
            Box::pin(async move { tx.move_consents(ada, bob).await })
        })
        .await
        .unwrap();
    assert!(consents.history(ada).await.is_empty());
    let moved = consents.history(bob).await;
    assert_eq!(moved[0].evidence, facts[0].evidence);
    assert_eq!(moved[0].consent_id, facts[0].consent_id);
}
