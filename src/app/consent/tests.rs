//! Consent given, refused and taken back.

mod history;
mod statement;
mod token;
mod withdrawal;

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
                        leads_elsewhere: true,
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
