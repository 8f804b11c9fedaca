//! `pdr policy publish`: a policy file becomes a version, for good.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};

use super::{compile, line, lint};
use crate::{
    cli::{
        arguments::Once,
        client::Connection,
        decision::basis,
        output::{Grid, printable, refusal, short, time},
    },
    domain::policy::finding::Severity,
    grpc::policy::render,
    proto::v1::{
        Cell, LawfulBasis, PolicyDiff, PublishPolicyRequest, PublishPolicyResponse,
        policy_service_client::PolicyServiceClient,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy file.
    file: PathBuf,
    /// Only say what would change and whom it touches.
    #[arg(long)]
    validate_only: bool,
    /// Publish in spite of defects.
    #[arg(long)]
    accept_findings: bool,
    #[command(flatten)]
    once: Once,
}

pub(super) async fn run(args: Args, connection: &Connection) -> Result<ExitCode> {
    let policy = match compile(&args.file)? {
        Ok((policy, _)) => policy,
        Err(mistakes) => {
            let lines = mistakes.iter().map(|mistake| line(&args.file, mistake));
            let lines: String = lines.collect();
            bail!(
                "{} is no policy yet:\n{}",
                args.file.display(),
                lines.trim_end()
            )
        }
    };
    if !args.validate_only && !args.accept_findings {
        refuse_defects(&args.file)?;
    }
    let request = PublishPolicyRequest {
        policy: Some(render::policy(policy.policy())),
        validate_only: args.validate_only,
        accept_findings: args.accept_findings,
        request_id: args.once.request_id(),
    };
    let mut client = PolicyServiceClient::new(connection.connect().await?);
    let answer = client.publish_policy(request).await;
    let answer = answer.map_err(|status| refusal(&status))?.into_inner();
    connection
        .output
        .show("PublishPolicyResponse", &answer, show)?;
    Ok(ExitCode::SUCCESS)
}

/// The server would refuse them too, without their lines.
fn refuse_defects(file: &Path) -> Result<()> {
    let findings = lint::find(file)?;
    let defects = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Defect);
    let lines: String = defects.map(|defect| line(file, defect)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    bail!(
        "the law is broken as far as this text goes:\n{lines}mend the text, or publish it as it \
         is with --accept-findings"
    )
}

fn show(answer: &PublishPolicyResponse) -> String {
    let policy = answer.policy.clone().unwrap_or_default();
    let diff = answer.diff.clone().unwrap_or_default();
    let done = match answer.published_at.as_ref() {
        Some(at) => format!("published at {}", time(Some(at))),
        None => "would be published".to_owned(),
    };
    format!(
        "{}version {} {done}, in force from {}; {} finding(s), {} subject(s) touched\n",
        table(&diff),
        printable(&policy.version),
        time(policy.effective_from.as_ref()),
        answer.findings.len(),
        diff.affected_subjects,
    )
}

fn table(diff: &PolicyDiff) -> String {
    let mut grid = Grid::new(&[
        "change",
        "of whom",
        "data",
        "purpose",
        "with whom",
        "why",
        "subjects",
    ]);
    for change in &diff.changes {
        let kind = short(change.kind().as_str_name(), "CELL_CHANGE_KIND_").to_lowercase();
        let bases = match (change.basis_before(), change.basis_after()) {
            (before, after) if before == after => String::new(),
            (LawfulBasis::Unspecified, after) => format!(" ({})", basis(after)),
            (before, LawfulBasis::Unspecified) => format!(" ({})", basis(before)),
            (before, after) => format!(" ({} → {})", basis(before), basis(after)),
        };
        let why = format!("{}{bases}", change.why);
        grid.row(cells(
            &kind.replace('_', " "),
            change.cell.clone(),
            why,
            String::new(),
        ));
    }
    for outdated in &diff.outdated_consents {
        let count = outdated.affected_subjects.to_string();
        grid.row(cells(
            "consent outdated",
            outdated.cell.clone(),
            outdated.why.clone(),
            count,
        ));
    }
    if grid.is_empty() {
        String::new()
    } else {
        grid.to_string()
    }
}

fn cells(change: &str, cell: Option<Cell>, why: String, count: String) -> [String; 7] {
    let cell = cell.unwrap_or_default();
    let whom = match cell.processor.as_str() {
        "" => "the company itself",
        processor => processor,
    };
    [
        change.to_owned(),
        cell.subject_category.clone(),
        cell.data_category.clone(),
        cell.purpose.clone(),
        whom.to_owned(),
        why,
        count,
    ]
}
