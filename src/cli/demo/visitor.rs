//! A visitor: leaves an address for the newsletter, looks around, and wants no more letters.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::timeout;

use super::{
    cast::Cast,
    registration::{REGISTERED, identifier, item, person, register, shown},
    stage::{Answer, Question, Stage, Words, done},
};
use crate::proto::v1::{
    ConsentChoice, ConsentStatement, EventKind, Evidence, EvidenceMethod,
    IssueWithdrawalTokenRequest, RegisterCollectionRequest, WatchEventsRequest,
    WatchEventsResponse, WithdrawConsentRequest, consent_service_client::ConsentServiceClient,
    event_service_client::EventServiceClient, watch_events_response, withdraw_consent_request::Who,
};

const ADA: (&str, &str) = ("email", "ada@example.com");
const BROWSER: (&str, &str) = ("ga_client", "GA1.2.1843.1527120000");
/// How long an event may take to come.
const EVENT_DEADLINE: Duration = Duration::from_secs(20);

pub(super) async fn play(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage.act("Ada, a visitor").await?;
    leave_the_address(stage, cast).await?;
    be_written_to(stage, cast).await?;
    browse(stage, cast).await?;
    withdraw(stage, cast).await
}

async fn leave_the_address(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "Ada types her e-mail address into a form and ticks an empty box: yes, send me the \
             newsletter. The form registers what it collected, from whom, and what she said.",
        )
        .await?;
    let request = RegisterCollectionRequest {
        subject: Some(person(ADA.0, ADA.1)),
        identifiers: vec![identifier(BROWSER.0, BROWSER.1)],
        subject_category: "visitor".to_owned(),
        items: vec![item("email_address", "", ADA.1)],
        consents: vec![consent("newsletter", EvidenceMethod::Checkbox)],
        ..RegisterCollectionRequest::default()
    };
    register(
        stage,
        &cast.signup_form,
        request,
        "newsletter: GIVEN, by CHECKBOX",
        REGISTERED,
    )
    .await
}

async fn be_written_to(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "Before each letter the mailing service asks. AWeber may be used: the policy names it \
             for newsletters, and Ada said yes.",
        )
        .await?;
    stage
        .ask(&cast.mailing, newsletter("aweber", "ALLOW LAWFUL"))
        .await?;
    stage
        .tell("Could Stripe send it instead? Nobody told Ada that Stripe would get her address.")
        .await?;
    stage
        .ask(
            &cast.mailing,
            newsletter("stripe", "DENY PROCESSOR_NOT_NAMED"),
        )
        .await
}

async fn browse(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "Ada reads on. The policy's text claims that whoever goes on browsing consents to \
             being analysed, and so the web site records exactly that.",
        )
        .await?;
    let request = RegisterCollectionRequest {
        subject: Some(person(BROWSER.0, BROWSER.1)),
        subject_category: "visitor".to_owned(),
        items: vec![item("navigation", "", "/, /blog, /blog/dropshipping")],
        consents: vec![consent("interface_research", EvidenceMethod::ImpliedByUse)],
        ..RegisterCollectionRequest::default()
    };
    let said = "interface_research: GIVEN, IMPLIED_BY_USE";
    register(stage, &cast.web, request, said, REGISTERED).await?;
    stage
        .tell(
            "The claim is kept as a fact, with its evidence. It is no consent: silence is none \
             (GDPR Art. 4(11), CJEU C-673/17).",
        )
        .await?;
    let question = Question {
        subject: BROWSER,
        data: "navigation",
        purpose: "interface_research",
        processor: "google_analytics",
        expected: "DENY CONSENT_EVIDENCE_INSUFFICIENT",
    };
    stage.ask(&cast.web, question).await
}

async fn withdraw(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "Each letter has a link at its foot. It holds a token that can do one thing: take \
             this consent back.",
        )
        .await?;
    let token = issue_token(stage, cast).await?;
    stage
        .tell("Ada follows the link. The page behind it knows nothing of her but the token.")
        .await?;
    follow_link(stage, cast, token).await?;
    stage
        .tell("From this instant on, on every replica, the answer is no.")
        .await?;
    stage
        .ask(
            &cast.mailing,
            newsletter("aweber", "DENY CONSENT_WITHDRAWN"),
        )
        .await?;
    stage
        .tell("AWeber's connector follows what happens, and hears that it must take her off its list.")
        .await?;
    watch(stage, cast).await
}

fn newsletter(processor: &'static str, expected: &'static str) -> Question<'static> {
    Question {
        subject: ADA,
        data: "email_address",
        purpose: "newsletter",
        processor,
        expected,
    }
}

async fn issue_token(stage: &mut Stage, cast: &Cast) -> Result<String> {
    let request = IssueWithdrawalTokenRequest {
        subject: Some(person(ADA.0, ADA.1)),
        purposes: vec!["newsletter".to_owned()],
        ..IssueWithdrawalTokenRequest::default()
    };
    let words = Words {
        rpc: "ConsentService.IssueWithdrawalToken",
        request: "IssueWithdrawalTokenRequest",
        fields: &[("person", shown(ADA)), ("purpose", "newsletter".to_owned())],
        summary: "a one-click withdrawal token for newsletter".to_owned(),
        expected: "ISSUED",
    };
    stage.call(&cast.mailing, &words, &request).await?;
    let mut client = ConsentServiceClient::new(cast.mailing.way.clone());
    let answer = client.issue_withdrawal_token(request).await;
    let name = "IssueWithdrawalTokenResponse";
    let answer = stage.answer(&cast.mailing, words, name, answer, |answer| {
        let token: String = answer.withdrawal_token.chars().take(16).collect();
        done("ISSUED", format!("{token}…"))
    })?;
    Ok(answer
        .map(|answer| answer.withdrawal_token)
        .unwrap_or_default())
}

async fn follow_link(stage: &mut Stage, cast: &Cast, token: String) -> Result<()> {
    let actor = &cast.unsubscribe_page;
    let request = WithdrawConsentRequest {
        who: Some(Who::WithdrawalToken(token)),
        ..WithdrawConsentRequest::default()
    };
    let words = Words {
        rpc: "ConsentService.WithdrawConsent",
        request: "WithdrawConsentRequest",
        fields: &[("who", "whoever holds the token".to_owned())],
        summary: "withdraw newsletter, by token".to_owned(),
        expected: "WITHDRAWN",
    };
    stage.call(actor, &words, &request).await?;
    let mut client = ConsentServiceClient::new(actor.way.clone());
    let answer = client.withdraw_consent(request).await;
    stage.answer(actor, words, "WithdrawConsentResponse", answer, |answer| {
        let purposes: Vec<_> = answer
            .consents
            .iter()
            .map(|one| one.purpose.as_str())
            .collect();
        done(
            "WITHDRAWN",
            format!("{}, revision {}", purposes.join(", "), answer.revision),
        )
    })?;
    Ok(())
}

async fn watch(stage: &mut Stage, cast: &Cast) -> Result<()> {
    let actor = &cast.aweber_connector;
    let request = WatchEventsRequest {
        kinds: vec![EventKind::ConsentWithdrawn.into()],
        processors: vec!["aweber".to_owned()],
        ..WatchEventsRequest::default()
    };
    let words = Words {
        rpc: "EventService.WatchEvents",
        request: "WatchEventsRequest",
        fields: &[
            ("kinds", "CONSENT_WITHDRAWN".to_owned()),
            ("touching", "aweber".to_owned()),
        ],
        summary: "what has happened that touches aweber".to_owned(),
        expected: "EVENT CONSENT_WITHDRAWN",
    };
    stage.call(actor, &words, &request).await?;
    let mut client = EventServiceClient::new(actor.way.clone());
    let events = client.watch_events(request).await.context("watching")?;
    let mut events = events.into_inner();
    let first = async {
        loop {
            let Some(message) = events.message().await? else {
                bail!("the stream of events has ended");
            };
            if let Some(answer) = heard(&message) {
                return Ok(answer);
            }
        }
    };
    let answer = timeout(EVENT_DEADLINE, first)
        .await
        .context("no event came")??;
    stage.keep(actor, words, answer)
}

fn heard(message: &WatchEventsResponse) -> Option<Answer> {
    let Some(watch_events_response::Result::Event(envelope)) = &message.result else {
        return None;
    };
    let event = envelope.event.as_ref()?;
    let kind = event.kind().as_str_name().trim_start_matches("EVENT_KIND_");
    let detail = format!(
        "{} of subject {}",
        event.purposes.join(", "),
        event.subject_id
    );
    Some(done(&format!("EVENT {kind}"), detail))
}

fn consent(purpose: &str, method: EvidenceMethod) -> ConsentStatement {
    ConsentStatement {
        purposes: vec![purpose.to_owned()],
        choice: ConsentChoice::Given.into(),
        evidence: Some(Evidence {
            method: method.into(),
            ..Evidence::default()
        }),
        ..ConsentStatement::default()
    }
}
