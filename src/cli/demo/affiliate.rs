//! An affiliate: earns a commission and leaves; the commission is owed still.

use anyhow::Result;

use super::{
    cast::Cast,
    registration::{REGISTERED, identifier, item, person, register, shown},
    stage::{Question, Stage, Words, done},
};
use crate::proto::v1::{
    EndSubjectCategoryRequest, RegisterCollectionRequest,
    subject_service_client::SubjectServiceClient,
};

const CLEO: (&str, &str) = ("affiliate", "77");

pub(super) async fn play(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage.act("Cleo, an affiliate").await?;
    stage
        .tell("Cleo recommends the shop and says where commissions are to be paid.")
        .await?;
    let request = RegisterCollectionRequest {
        subject: Some(person(CLEO.0, CLEO.1)),
        identifiers: vec![identifier("email", "cleo@example.com")],
        subject_category: "affiliate".to_owned(),
        items: vec![
            item("first_name", "", "Cleo"),
            item("email_address", "", "cleo@example.com"),
            item("paypal_account", "", "cleo@example.com"),
        ],
        ..RegisterCollectionRequest::default()
    };
    register(stage, &cast.affiliate_program, request, "", REGISTERED).await?;
    stage
        .tell("A commission is due. Paying it fulfils the contract with her.")
        .await?;
    ask(stage, cast, commission("", "ALLOW LAWFUL")).await?;
    stage
        .tell(
            "The money goes by PayPal, so may PayPal get the account? The policy's section on \
             affiliates names no recipient at all: until the text does, the answer is no.",
        )
        .await?;
    ask(
        stage,
        cast,
        commission("paypal", "DENY PROCESSOR_NOT_NAMED"),
    )
    .await?;
    leave(stage, cast).await?;
    stage
        .tell(
            "What she earned is owed still, and this activity goes on after an affiliate has left.",
        )
        .await?;
    ask(stage, cast, commission("", "ALLOW LAWFUL")).await?;
    stage
        .tell("Writing to her as an affiliate does not: that ended with her time as one.")
        .await?;
    let question = Question {
        data: "email_address",
        purpose: "affiliate_contact",
        ..commission("", "DENY NO_ACTIVITY")
    };
    ask(stage, cast, question).await
}

async fn ask(stage: &mut Stage, cast: &Cast, question: Question<'_>) -> Result<()> {
    stage.ask(&cast.affiliate_program, question).await
}

fn commission(processor: &'static str, expected: &'static str) -> Question<'static> {
    Question {
        subject: CLEO,
        data: "paypal_account",
        purpose: "commission_payment",
        processor,
        expected,
    }
}

async fn leave(stage: &mut Stage, cast: &Cast) -> Result<()> {
    let actor = &cast.affiliate_program;
    stage.tell("Cleo leaves the programme.").await?;
    let request = EndSubjectCategoryRequest {
        subject: Some(person(CLEO.0, CLEO.1)),
        subject_category: "affiliate".to_owned(),
        ..EndSubjectCategoryRequest::default()
    };
    let words = Words {
        rpc: "SubjectService.EndSubjectCategory",
        request: "EndSubjectCategoryRequest",
        fields: &[("person", shown(CLEO)), ("role", "affiliate".to_owned())],
        summary: "end the time as affiliate".to_owned(),
        expected: "ENDED",
    };
    stage.call(actor, &words, &request).await?;
    let mut client = SubjectServiceClient::new(actor.way.clone());
    let answer = client.end_subject_category(request).await;
    stage.answer(
        actor,
        words,
        "EndSubjectCategoryResponse",
        answer,
        |answer| done("ENDED", format!("revision {}", answer.revision)),
    )?;
    Ok(())
}
