//! A client: orders, is helped, refuses to be screened, and has the card deleted.

use anyhow::{Context, Result, bail};

use super::{
    cast::Cast,
    registration::{REGISTERED, identifier, item, person, register, shown},
    stage::{Answer, Question, Stage, Words, decided, done},
};
use crate::{
    cli::records::content,
    proto::v1::{
        ConsentChoice, DeleteRecordsRequest, FetchRecordsRequest, FetchRecordsResponse,
        ListDisclosuresRequest, RecordConsentRequest, RecordDisclosureRequest,
        RegisterCollectionRequest, consent_service_client::ConsentServiceClient,
        disclosure_service_client::DisclosureServiceClient, fetch_records_response,
        record_service_client::RecordServiceClient,
    },
};

const BEN: (&str, &str) = ("shop_user", "4711");
const CARD: &str = "payment_details";

pub(super) async fn play(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage.act("Ben, a client").await?;
    order(stage, cast).await?;
    pay(stage, cast).await?;
    ask_for_too_much(stage, cast).await?;
    be_helped(stage, cast).await?;
    refuse(stage, cast).await?;
    delete(stage, cast).await
}

async fn order(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell("Ben buys two lamps. The checkout registers what it needs for that, and nothing on consent.")
        .await?;
    let request = RegisterCollectionRequest {
        subject: Some(person(BEN.0, BEN.1)),
        identifiers: vec![identifier("email", "ben@example.com")],
        subject_category: "client".to_owned(),
        items: vec![
            item("first_name", "", "Ben"),
            item("email_address", "", "ben@example.com"),
            item("skype_contact", "", "live:ben"),
            item("order_contents", "A-1001", "2 lamps"),
            item(CARD, "", "card ending in 4242"),
        ],
        ..RegisterCollectionRequest::default()
    };
    register(stage, &cast.checkout, request, "", REGISTERED).await
}

async fn pay(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell("May the card go to Stripe? It is needed to fulfil the contract, and the policy names Stripe.")
        .await?;
    let question = card("order_processing", "stripe", "ALLOW LAWFUL");
    stage.ask(&cast.checkout, question).await?;
    stage
        .tell(
            "Passing it on is recorded in the same step as it is judged: later Ben can be told \
             exactly who has his data.",
        )
        .await?;
    disclose(stage, cast).await
}

async fn ask_for_too_much(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "The checkout gets curious: could it send newsletters? Its token was not made for \
             that. This is no decision about Ben; the question itself is refused.",
        )
        .await?;
    let question = Question {
        data: "email_address",
        ..card("newsletter", "aweber", "REFUSED CLAIM_MISSING")
    };
    stage.ask(&cast.checkout, question).await
}

async fn be_helped(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "A lamp arrives broken. Support fetches how to reach Ben: what is lawful for this \
             purpose, and nothing else.",
        )
        .await?;
    fetch(
        stage,
        cast,
        &["email_address", "skype_contact"],
        "ALLOW LAWFUL",
    )
    .await?;
    stage
        .tell("His card is no way to reach him, and is not handed out.")
        .await?;
    fetch(stage, cast, &[CARD], "DENY NO_ACTIVITY").await
}

async fn refuse(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell("Screening cards for fraud rests on legitimate interests. No consent is needed…")
        .await?;
    stage
        .ask(&cast.checkout, card("fraud_screening", "", "ALLOW LAWFUL"))
        .await?;
    stage
        .tell("…but Ben was asked and said no, and a no counts.")
        .await?;
    let request = RecordConsentRequest {
        subject: Some(person(BEN.0, BEN.1)),
        purposes: vec!["fraud_screening".to_owned()],
        choice: ConsentChoice::Refused.into(),
        ..RecordConsentRequest::default()
    };
    let words = Words {
        rpc: "ConsentService.RecordConsent",
        request: "RecordConsentRequest",
        fields: &[
            ("person", shown(BEN)),
            ("purpose", "fraud_screening".to_owned()),
            ("said", "REFUSED".to_owned()),
        ],
        summary: "record that fraud_screening is refused".to_owned(),
        expected: "RECORDED",
    };
    stage.call(&cast.checkout, &words, &request).await?;
    let mut client = ConsentServiceClient::new(cast.checkout.way.clone());
    let answer = client.record_consent(request).await;
    stage.answer(
        &cast.checkout,
        words,
        "RecordConsentResponse",
        answer,
        |answer| done("RECORDED", format!("revision {}", answer.revision)),
    )?;
    stage
        .ask(
            &cast.checkout,
            card("fraud_screening", "", "DENY CONSENT_REFUSED"),
        )
        .await
}

async fn delete(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "Ben has his card deleted. The content is destroyed at once; a tombstone stays, so \
             that the deletion can be proved.",
        )
        .await?;
    let request = DeleteRecordsRequest {
        subject: Some(person(BEN.0, BEN.1)),
        data_categories: vec![CARD.to_owned()],
        ..DeleteRecordsRequest::default()
    };
    let words = Words {
        rpc: "RecordService.DeleteRecords",
        request: "DeleteRecordsRequest",
        fields: &[("person", shown(BEN)), ("data", CARD.to_owned())],
        summary: format!("delete {CARD}"),
        expected: "DELETED",
    };
    stage.call(&cast.support, &words, &request).await?;
    let mut client = RecordServiceClient::new(cast.support.way.clone());
    let answer = client.delete_records(request).await;
    stage.answer(
        &cast.support,
        words,
        "DeleteRecordsResponse",
        answer,
        |answer| {
            done(
                "DELETED",
                format!("{} item(s)", answer.deleted_item_ids.len()),
            )
        },
    )?;
    stage
        .ask(
            &cast.checkout,
            card("order_processing", "stripe", "DENY NOT_COLLECTED"),
        )
        .await?;
    stage
        .tell("And who has it already? Art. 15 asks for the actual recipients.")
        .await?;
    list_disclosures(stage, cast).await
}

fn card(
    purpose: &'static str,
    processor: &'static str,
    expected: &'static str,
) -> Question<'static> {
    Question {
        subject: BEN,
        data: CARD,
        purpose,
        processor,
        expected,
    }
}

async fn disclose(stage: &mut Stage, cast: &Cast) -> Result<()> {
    let request = RecordDisclosureRequest {
        subject: Some(person(BEN.0, BEN.1)),
        data_categories: vec![CARD.to_owned()],
        purpose: "order_processing".to_owned(),
        processor: "stripe".to_owned(),
        external_reference: "ch_1001".to_owned(),
        ..RecordDisclosureRequest::default()
    };
    let words = Words {
        rpc: "DisclosureService.RecordDisclosure",
        request: "RecordDisclosureRequest",
        fields: &[
            ("person", shown(BEN)),
            ("data", CARD.to_owned()),
            ("purpose", "order_processing".to_owned()),
            ("to", "stripe, as ch_1001".to_owned()),
        ],
        summary: format!("disclose {CARD} to stripe for order_processing"),
        expected: "RECORDED",
    };
    stage.call(&cast.checkout, &words, &request).await?;
    let mut client = DisclosureServiceClient::new(cast.checkout.way.clone());
    let answer = client.record_disclosure(request).await;
    stage.answer(
        &cast.checkout,
        words,
        "RecordDisclosureResponse",
        answer,
        |answer| {
            let decision = answer.decision.clone().unwrap_or_default();
            done(
                "RECORDED",
                format!("with the decision {}", decision.decision_id),
            )
        },
    )?;
    Ok(())
}

async fn fetch(
    stage: &mut Stage,
    cast: &Cast,
    data: &[&str],
    expected: &'static str,
) -> Result<()> {
    let request = FetchRecordsRequest {
        subject: Some(person(BEN.0, BEN.1)),
        purpose: "contact_and_support".to_owned(),
        data_categories: data.iter().map(|name| (*name).to_owned()).collect(),
        ..FetchRecordsRequest::default()
    };
    let words = Words {
        rpc: "RecordService.FetchRecords",
        request: "FetchRecordsRequest",
        fields: &[
            ("person", shown(BEN)),
            ("data", data.join(", ")),
            ("purpose", "contact_and_support".to_owned()),
        ],
        summary: format!("fetch {} for contact_and_support", data.join(", ")),
        expected,
    };
    stage.call(&cast.support, &words, &request).await?;
    let mut client = RecordServiceClient::new(cast.support.way.clone());
    let answers = client.fetch_records(request).await.context("fetching")?;
    let mut answers = answers.into_inner();
    let mut messages = Vec::new();
    while let Some(message) = answers.message().await.context("fetching")? {
        messages.push(message);
    }
    stage.keep(&cast.support, words, handed_out(&messages)?)?;
    messages
        .iter()
        .try_for_each(|message| stage.show_whole("FetchRecordsResponse", message))
}

fn handed_out(messages: &[FetchRecordsResponse]) -> Result<Answer> {
    let mut values = Vec::new();
    for message in messages {
        match &message.result {
            Some(fetch_records_response::Result::Item(item)) => {
                values.push(format!("{}: {}", item.data_category, content(item)));
            }
            Some(fetch_records_response::Result::Decision(decision)) => {
                let detail = match values.as_slice() {
                    [] => "nothing is handed out".to_owned(),
                    values => values.join(", "),
                };
                return Ok(decided(decision).with_detail(detail));
            }
            None => {}
        }
    }
    bail!("the stream ended without its decision")
}

async fn list_disclosures(stage: &mut Stage, cast: &Cast) -> Result<()> {
    let request = ListDisclosuresRequest {
        subject: Some(person(BEN.0, BEN.1)),
        ..ListDisclosuresRequest::default()
    };
    let words = Words {
        rpc: "DisclosureService.ListDisclosures",
        request: "ListDisclosuresRequest",
        fields: &[("person", shown(BEN))],
        summary: "to whom data has gone".to_owned(),
        expected: "1 RECORDED",
    };
    stage.call(&cast.support, &words, &request).await?;
    let mut client = DisclosureServiceClient::new(cast.support.way.clone());
    let answer = client.list_disclosures(request).await;
    stage.answer(
        &cast.support,
        words,
        "ListDisclosuresResponse",
        answer,
        |answer| {
            let told = answer.disclosures.iter().map(|one| {
                let data = one.data_categories.join(", ");
                format!(
                    "{data} to {} for {}, as {}",
                    one.processor, one.purpose, one.external_reference
                )
            });
            let told: Vec<_> = told.collect();
            done(&format!("{} RECORDED", told.len()), told.join("; "))
        },
    )?;
    Ok(())
}
