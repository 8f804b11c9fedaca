//! Ben again: asks for his copy and then to be forgotten, and is; and what becomes of it elsewhere.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::time::sleep;
use tonic::Status;

use super::{
    cast::{Actor, Cast},
    registration::{identifier, item, person, register, shown},
    stage::{Question, Stage, Words, done},
};
use crate::proto::v1::{
    CompleteTaskRequest, CreateRequestRequest, DownloadExportRequest, ExportFormat,
    GetErasureCertificateRequest, GetRequestRequest, LeaseTasksRequest, LeasedTask,
    PreviewErasureRequest, RegisterCollectionRequest, RequestKind, RequestState, SubjectRequest,
    TaskOutcome, VerifyIdentityRequest, request_service_client::RequestServiceClient,
    task_service_client::TaskServiceClient,
};

const BEN: (&str, &str) = ("shop_user", "4711");
/// From one look at what the registry's own workers do to the next.
const LOOK: Duration = Duration::from_millis(200);
/// Looks before the demo goes on anyhow: half a minute's.
const LOOKS: u32 = 150;

pub(super) async fn play(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage.act("Ben says goodbye").await?;
    let asked = ask(stage, cast).await?;
    preview(stage, cast).await?;
    verify(stage, cast, &asked).await?;
    follow(stage, cast, &asked).await?;
    download(stage, cast, &asked).await?;
    be_gone(stage, cast).await?;
    tell_stripe(stage, cast).await?;
    certify(stage, cast, &asked).await?;
    come_back_by_a_sync(stage, cast).await
}

async fn ask(stage: &mut Stage, cast: &Cast) -> Result<String> {
    stage
        .tell("Ben writes: a copy of everything, please, and then delete me. One request, in that order.")
        .await?;
    let request = CreateRequestRequest {
        kinds: vec![RequestKind::Access.into(), RequestKind::Erasure.into()],
        subject: Some(person(BEN.0, BEN.1)),
        channel: "email".to_owned(),
        ..CreateRequestRequest::default()
    };
    let words = Words {
        rpc: "RequestService.CreateRequest",
        request: "CreateRequestRequest",
        fields: &[
            ("person", shown(BEN)),
            ("kinds", "ACCESS, ERASURE".to_owned()),
        ],
        summary: "a copy, then delete me".to_owned(),
        expected: "RECEIVED",
    };
    stage.call(&cast.rights_desk, &words, &request).await?;
    let answer = client(&cast.rights_desk).create_request(request).await;
    let answer = stage.answer(
        &cast.rights_desk,
        words,
        "CreateRequestResponse",
        answer,
        |answer| {
            let request = answer.request.clone().unwrap_or_default();
            let due = request.due_at.map(|at| at.to_string());
            done(
                state(&request),
                format!("to be answered by {}", due.unwrap_or_default()),
            )
        },
    )?;
    let request = answer.and_then(|answer| answer.request);
    Ok(request.context("the request")?.subject_request_id)
}

async fn preview(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell("What would the erasure do? Item by item, before anything is done.")
        .await?;
    let request = PreviewErasureRequest {
        subject: Some(person(BEN.0, BEN.1)),
        scope: None,
    };
    let words = Words {
        rpc: "RequestService.PreviewErasure",
        request: "PreviewErasureRequest",
        fields: &[("person", shown(BEN))],
        summary: "preview the erasure".to_owned(),
        expected: "PREVIEWED",
    };
    stage.call(&cast.rights_desk, &words, &request).await?;
    let answer = client(&cast.rights_desk).preview_erasure(request).await;
    stage.answer(
        &cast.rights_desk,
        words,
        "PreviewErasureResponse",
        answer,
        |answer| {
            let told = answer.recipients.iter();
            let told: Vec<_> = told
                .map(|one| format!("{}{}", one.processor, one.holder))
                .collect();
            done(
                "PREVIEWED",
                format!(
                    "{} of {} items go at once; told: {}",
                    answer.items_erased,
                    answer.items_total,
                    told.join(", ")
                ),
            )
        },
    )?;
    Ok(())
}

async fn verify(stage: &mut Stage, cast: &Cast, asked: &str) -> Result<()> {
    stage
        .tell("Ben signs in to his account: it is him. From here the registry goes on by itself.")
        .await?;
    let request = VerifyIdentityRequest {
        subject_request_id: asked.to_owned(),
        method: crate::proto::v1::IdentityMethod::Login.into(),
        request_id: String::new(),
    };
    let words = Words {
        rpc: "RequestService.VerifyIdentity",
        request: "VerifyIdentityRequest",
        fields: &[
            ("request", asked.to_owned()),
            ("method", "LOGIN".to_owned()),
        ],
        summary: "verify who asks".to_owned(),
        expected: "IN_PROGRESS",
    };
    stage.call(&cast.rights_desk, &words, &request).await?;
    let answer = client(&cast.rights_desk).verify_identity(request).await;
    stage.answer(
        &cast.rights_desk,
        words,
        "VerifyIdentityResponse",
        answer,
        |answer| {
            let request = answer.request.clone().unwrap_or_default();
            done(state(&request), "the copy is written first")
        },
    )?;
    Ok(())
}

/// Waits for the copy and the erasure behind it.
async fn follow(stage: &mut Stage, cast: &Cast, asked: &str) -> Result<()> {
    stage
        .tell(
            "The copy is written, then everything is erased: the key of Ben's data is destroyed, \
             his identifiers stay as keyed hashes only. Whoever has data of his is told.",
        )
        .await?;
    let request = GetRequestRequest {
        subject_request_id: asked.to_owned(),
    };
    let words = Words {
        rpc: "RequestService.GetRequest",
        request: "GetRequestRequest",
        fields: &[("request", asked.to_owned())],
        summary: "how far has it come?".to_owned(),
        expected: "WAITING_ON_PROCESSORS",
    };
    stage.call(&cast.rights_desk, &words, &request).await?;
    let mut answer = client(&cast.rights_desk).get_request(request.clone()).await;
    for _ in 0..LOOKS {
        let goes_on = answer.as_ref().is_ok_and(|answer| {
            let request = answer.get_ref().request.as_ref();
            request.is_some_and(|it| it.state() == RequestState::InProgress)
        });
        if !goes_on {
            break;
        }
        sleep(LOOK).await;
        answer = client(&cast.rights_desk).get_request(request.clone()).await;
    }
    stage.answer(
        &cast.rights_desk,
        words,
        "GetRequestResponse",
        answer,
        |answer| {
            let request = answer.request.clone().unwrap_or_default();
            done(
                state(&request),
                format!("{} recipient task(s) open", request.open_tasks),
            )
        },
    )?;
    Ok(())
}

async fn download(stage: &mut Stage, cast: &Cast, asked: &str) -> Result<()> {
    stage
        .tell("His copy outlives the erasure for a month: a page that he can read.")
        .await?;
    let request = DownloadExportRequest {
        subject_request_id: asked.to_owned(),
        format: ExportFormat::Html.into(),
        ..DownloadExportRequest::default()
    };
    let words = Words {
        rpc: "RequestService.DownloadExport",
        request: "DownloadExportRequest",
        fields: &[("request", asked.to_owned()), ("format", "HTML".to_owned())],
        summary: "download the copy".to_owned(),
        expected: "DOWNLOADED",
    };
    stage.call(&cast.rights_desk, &words, &request).await?;
    let bytes = downloaded(&cast.rights_desk, request).await;
    let bytes = bytes.context("downloading the copy")?;
    stage.keep(
        &cast.rights_desk,
        words,
        done("DOWNLOADED", format!("{bytes} bytes")),
    )
}

async fn downloaded(actor: &Actor, request: DownloadExportRequest) -> Result<usize, Status> {
    let mut pieces = client(actor).download_export(request).await?.into_inner();
    let mut bytes = 0;
    while let Some(piece) = pieces.message().await? {
        bytes += piece.data.len();
    }
    Ok(bytes)
}

async fn be_gone(stage: &mut Stage, cast: &Cast) -> Result<()> {
    let question = Question {
        subject: BEN,
        data: "order_contents",
        purpose: "order_processing",
        processor: "",
        expected: "DENY SUBJECT_UNKNOWN",
    };
    stage.ask(&cast.checkout, question).await
}

async fn tell_stripe(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell(
            "Stripe's connector fetches its task. It names Ben as Stripe knows him, sealed under a \
             key of the task's own: Ben's own key is gone already.",
        )
        .await?;
    let actor = &cast.stripe_connector;
    let request = LeaseTasksRequest {
        processor: "stripe".to_owned(),
        ..LeaseTasksRequest::default()
    };
    let words = Words {
        rpc: "TaskService.LeaseTasks",
        request: "LeaseTasksRequest",
        fields: &[("processor", "stripe".to_owned())],
        summary: "lease Stripe's tasks".to_owned(),
        expected: "LEASED",
    };
    stage.call(actor, &words, &request).await?;
    let mut tasks = TaskServiceClient::new(actor.way.clone());
    let answer = tasks.lease_tasks(request).await;
    let answer = stage.answer(actor, words, "LeaseTasksResponse", answer, |answer| {
        let known = answer.tasks.iter().flat_map(|task| &task.items);
        let known = known.flat_map(|item| item.external_references.iter().cloned());
        let known: Vec<_> = known.collect();
        done(
            if answer.tasks.is_empty() {
                "NOTHING"
            } else {
                "LEASED"
            },
            format!("erase what Stripe has as {}", known.join(", ")),
        )
    })?;
    for leased in answer.map(|answer| answer.tasks).unwrap_or_default() {
        complete(stage, actor, leased).await?;
    }
    Ok(())
}

async fn complete(stage: &mut Stage, actor: &Actor, leased: LeasedTask) -> Result<()> {
    let Some(task) = leased.task else {
        bail!("a lease without its task")
    };
    let request = CompleteTaskRequest {
        task_id: task.task_id,
        lease_id: leased.lease_id,
        outcome: TaskOutcome::Partial.into(),
        evidence: "redaction job prvj_1001".to_owned(),
        ground: "charges are kept as accounting law requires".to_owned(),
        ..CompleteTaskRequest::default()
    };
    let words = Words {
        rpc: "TaskService.CompleteTask",
        request: "CompleteTaskRequest",
        fields: &[
            ("outcome", "PARTIAL".to_owned()),
            ("evidence", request.evidence.clone()),
            ("ground", request.ground.clone()),
        ],
        summary: "what Stripe has done".to_owned(),
        expected: "COMPLETED",
    };
    stage.call(actor, &words, &request).await?;
    let mut tasks = TaskServiceClient::new(actor.way.clone());
    let answer = tasks.complete_task(request).await;
    stage.answer(actor, words, "CompleteTaskResponse", answer, |_| {
        done("COMPLETED", "the task's own key is destroyed")
    })?;
    Ok(())
}

async fn certify(stage: &mut Stage, cast: &Cast, asked: &str) -> Result<()> {
    stage
        .tell("The proof: what went, what stays and why, who was told and what they answered.")
        .await?;
    let request = GetErasureCertificateRequest {
        subject_request_id: asked.to_owned(),
    };
    let words = Words {
        rpc: "RequestService.GetErasureCertificate",
        request: "GetErasureCertificateRequest",
        fields: &[("request", asked.to_owned())],
        summary: "the certificate of the erasure".to_owned(),
        expected: "SIGNED",
    };
    stage.call(&cast.rights_desk, &words, &request).await?;
    let answer = client(&cast.rights_desk)
        .get_erasure_certificate(request)
        .await;
    stage.answer(
        &cast.rights_desk,
        words,
        "GetErasureCertificateResponse",
        answer,
        |answer| {
            let rest = if answer.r#final {
                "everyone has answered"
            } else {
                "final once everyone has answered"
            };
            done("SIGNED", format!("{} bytes, {rest}", answer.envelope.len()))
        },
    )?;
    Ok(())
}

async fn come_back_by_a_sync(stage: &mut Stage, cast: &Cast) -> Result<()> {
    stage
        .tell("A week later an old list is imported, with Ben's address on it. Erased is erased.")
        .await?;
    let request = RegisterCollectionRequest {
        subject: Some(person("email", "ben@example.com")),
        identifiers: vec![identifier(BEN.0, BEN.1)],
        subject_category: "client".to_owned(),
        items: vec![item("email_address", "", "ben@example.com")],
        ..RegisterCollectionRequest::default()
    };
    register(
        stage,
        &cast.checkout,
        request,
        "",
        "REFUSED IDENTIFIER_SUPPRESSED",
    )
    .await
}

fn client(actor: &Actor) -> RequestServiceClient<crate::cli::client::Way> {
    RequestServiceClient::new(actor.way.clone())
}

fn state(request: &SubjectRequest) -> &'static str {
    let name = request.state().as_str_name();
    name.strip_prefix("REQUEST_STATE_").unwrap_or(name)
}
