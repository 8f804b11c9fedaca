//! `pdr policy diff`: what a new version makes possible, what it stops, which consents it outdates.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Result, bail};

use super::{compile, line};
use crate::{
    cli::output::{Grid, Output, print, print_value},
    domain::policy::{
        compile::CompiledPolicy,
        diff::{Cell, CellChange, CellChangeReason, PolicyDiff, diff},
        model::LawfulBasis,
    },
};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The older policy file.
    old: PathBuf,
    /// The newer policy file.
    new: PathBuf,
}

pub(super) fn run(args: &Args, output: Output) -> Result<ExitCode> {
    let (old, new) = (open(&args.old)?, open(&args.new)?);
    let difference = diff(Some(&old), &new);
    match output {
        Output::Json => print_value(&difference)?,
        Output::Table => print(&render(&difference))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn open(file: &Path) -> Result<CompiledPolicy> {
    match compile(file)? {
        Ok((policy, _)) => Ok(policy),
        Err(mistakes) => {
            let lines: String = mistakes.iter().map(|mistake| line(file, mistake)).collect();
            bail!("{} is no policy yet:\n{}", file.display(), lines.trim_end())
        }
    }
}

fn render(difference: &PolicyDiff) -> String {
    let PolicyDiff {
        added,
        removed,
        changed,
        outdated_consents,
    } = difference;
    let mut grid = Grid::new(&["", "of whom", "data", "purpose", "with whom", "why"]);
    for (sign, changes) in [("+", added), ("-", removed), ("~", changed)] {
        for CellChange { cell, reason } in changes {
            grid.row(cells(sign, cell, &why(reason)));
        }
    }
    for cell in outdated_consents {
        grid.row(cells(
            "!",
            cell,
            "a consent to the older version does not count",
        ));
    }
    if grid.is_empty() {
        return "nothing that is permitted changes\n".to_owned();
    }
    format!("{grid}+ permitted now, - no longer, ~ on other terms, ! consent must be asked again\n")
}

fn cells(sign: &str, cell: &Cell, why: &str) -> [String; 6] {
    let whom = match &cell.processor {
        Some(processor) => processor.to_string(),
        None => "the company itself".to_owned(),
    };
    [
        sign.to_owned(),
        cell.subject_category.to_string(),
        cell.data_category.to_string(),
        cell.purpose.to_string(),
        whom,
        why.to_owned(),
    ]
}

fn why(reason: &CellChangeReason) -> String {
    match reason {
        CellChangeReason::ActivityAdded(activity) => format!("activity {activity} covers it now"),
        CellChangeReason::ActivityRemoved(activity) => {
            format!("activity {activity} no longer does")
        }
        CellChangeReason::BasisStated(basis) => format!("it has a basis now: {}", words(*basis)),
        CellChangeReason::BasisDropped(basis) => {
            format!("it has lost its basis: {}", words(*basis))
        }
        CellChangeReason::BasisChanged { from, to } => {
            format!("it rested on {}, and now on {}", words(*from), words(*to))
        }
        CellChangeReason::SharingAdded => "a sharing statement names the recipient now".to_owned(),
        CellChangeReason::SharingRemoved => "no sharing statement names it any more".to_owned(),
        CellChangeReason::RecipientBecameController => {
            "the recipient acts on its own behalf now".to_owned()
        }
        CellChangeReason::RecipientBecameProcessor => {
            "the recipient acts on the company's behalf now".to_owned()
        }
        CellChangeReason::ConsentAlsoRequired => "it needs consent beside its basis now".to_owned(),
        CellChangeReason::ConsentNoLongerRequired => {
            "it no longer needs consent beside its basis".to_owned()
        }
    }
}

fn words(basis: LawfulBasis) -> &'static str {
    match basis {
        LawfulBasis::Consent => "consent",
        LawfulBasis::Contract => "contract",
        LawfulBasis::LegalObligation => "legal obligation",
        LawfulBasis::VitalInterests => "vital interests",
        LawfulBasis::PublicTask => "public task",
        LawfulBasis::LegitimateInterests => "legitimate interests",
    }
}
