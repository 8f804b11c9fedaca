//! `pdr policy lint`: every mistake of a policy file, and every point where it breaks the law.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;

use super::{compile, line};
use crate::{
    cli::{
        exit,
        output::{Output, print, print_value},
    },
    domain::policy::{
        finding::{Finding, Severity},
        lint::lint,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The policy file.
    file: PathBuf,
    /// Exit with code 1 on defects too.
    #[arg(long)]
    deny_defects: bool,
}

pub(super) fn run(args: &Args, output: Output) -> Result<ExitCode> {
    let findings = find(&args.file)?;
    match output {
        Output::Json => findings.iter().try_for_each(print_value)?,
        Output::Table => print(&render(&args.file, &findings))?,
    }
    let worst = findings.iter().map(|finding| finding.severity).min();
    let is_denied = match worst {
        Some(Severity::Error) => true,
        Some(Severity::Defect) => args.deny_defects,
        Some(Severity::Warning | Severity::Note) | None => false,
    };
    Ok(if is_denied {
        ExitCode::from(exit::FAILURE)
    } else {
        ExitCode::SUCCESS
    })
}

/// Every finding with its place, worst first.
pub(super) fn find(file: &Path) -> Result<Vec<Finding>> {
    Ok(match compile(file)? {
        Ok((policy, positions)) => {
            let mut findings = lint(&policy);
            positions.locate(&mut findings);
            findings
        }
        Err(mistakes) => mistakes,
    })
}

fn render(file: &Path, findings: &[Finding]) -> String {
    let mut text: String = findings.iter().map(|finding| line(file, finding)).collect();
    let count = |severity| {
        let of_it = findings
            .iter()
            .filter(|finding| finding.severity == severity);
        of_it.count()
    };
    text.push_str(&format!(
        "{} error(s), {} defect(s), {} warning(s), {} note(s)\n",
        count(Severity::Error),
        count(Severity::Defect),
        count(Severity::Warning),
        count(Severity::Note)
    ));
    text
}
