//! `pdr connectors`: which processors the registry can call, and what is missing for it. Offline.

use std::{collections::BTreeSet, fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, anyhow};
use serde::Serialize;

use super::{
    exit,
    output::{Grid, Output, print, print_value, printable},
    paint::Paint,
};
use crate::{
    config::{Config, Connectors},
    connectors::{
        declaration::model::Service,
        loading::{self, Found},
        shipped::SHIPPED,
    },
    domain::name::Processor,
};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
It calls nobody and reads no secret aloud. A server calls the processors that connectors.enabled of its
configuration names; docs/connectors.md says what each of them needs.

Examples:
  Which ones are there, and which are switched on?
    pdr connectors list --config /etc/registry/registry.toml
  Can those that are switched on be started with the variables of this shell?
    pdr connectors check --config /etc/registry/registry.toml
  A declaration of your own, before it is switched on:
    pdr connectors check --directory ./connectors crm")]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// The declarations that there are.
    List(Options),
    /// Read declarations and say what is wrong with them or missing. Exit code 1: something is.
    Check {
        /// A processor; may be repeated. Default: those that are switched on, or without a configuration
        /// all of them.
        #[arg(value_name = "PROCESSOR")]
        processors: Vec<Processor>,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, clap::Args)]
struct Options {
    /// The configuration file; PDR_… variables win over it.
    #[arg(long, value_name = "FILE", env = "PDR_CONFIG")]
    config: Option<PathBuf>,
    /// Where declarations of your own lie. Default: that of the configuration.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
    /// Lines for people, or JSON for machines.
    #[arg(
        long,
        value_enum,
        value_name = "table|json",
        default_value_t,
        hide_possible_values = true
    )]
    output: Output,
}

/// One declaration, as it is listed.
#[derive(Debug, Serialize)]
struct Line {
    processor: String,
    title: String,
    enabled: bool,
    declared_in: String,
    by: &'static str,
    tasks: Vec<String>,
    needs: Vec<String>,
    problems: Vec<String>,
}

pub(super) fn run(args: Args) -> Result<ExitCode> {
    match args.command {
        Command::List(options) => list(&options),
        Command::Check {
            processors,
            options,
        } => check(processors, &options),
    }
}

impl Options {
    fn chosen(&self) -> Result<Connectors> {
        let mut chosen = match &self.config {
            Some(file) => Config::load(Some(file))?.connectors,
            None => Connectors::default(),
        };
        if let Some(directory) = &self.directory {
            chosen.directory = Some(directory.clone());
        }
        Ok(chosen)
    }
}

fn list(options: &Options) -> Result<ExitCode> {
    let chosen = options.chosen()?;
    let lines = known(&chosen)?.into_iter();
    let lines: Vec<Line> = lines
        .map(|processor| examine(&chosen, &processor))
        .collect();
    match options.output {
        Output::Json => lines.iter().try_for_each(print_value)?,
        Output::Table => print(&table(&lines))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn check(processors: Vec<Processor>, options: &Options) -> Result<ExitCode> {
    let chosen = options.chosen()?;
    let processors = match (processors.is_empty(), &options.config) {
        (false, _) => processors,
        (true, Some(_)) => chosen.enabled.clone(),
        (true, None) => known(&chosen)?.into_iter().collect(),
    };
    let lines = processors
        .iter()
        .map(|processor| examine(&chosen, processor));
    let lines: Vec<Line> = lines.collect();
    match options.output {
        Output::Json => lines.iter().try_for_each(print_value)?,
        Output::Table if lines.is_empty() => print("no connector is switched on\n")?,
        Output::Table => lines.iter().try_for_each(|line| print(&verdict(line)))?,
    }
    Ok(if lines.iter().all(|line| line.problems.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(exit::FAILURE)
    })
}

/// Those that the program carries, those in the directory, and those that are switched on.
fn known(chosen: &Connectors) -> Result<BTreeSet<Processor>> {
    let mut known: BTreeSet<Processor> = chosen.enabled.iter().cloned().collect();
    for (name, _) in SHIPPED {
        known.insert(
            name.parse()
                .map_err(|_| anyhow!("{name} is no processor"))?,
        );
    }
    let Some(directory) = &chosen.directory else {
        return Ok(known);
    };
    let read = || directory.display().to_string();
    for entry in fs::read_dir(directory).with_context(read)? {
        let path = entry.with_context(read)?.path();
        let is_yaml = path
            .extension()
            .is_some_and(|extension| extension == "yaml");
        let name = path.file_stem().and_then(|name| name.to_str());
        if let Some(processor) = name.filter(|_| is_yaml).and_then(|name| name.parse().ok()) {
            known.insert(processor);
        }
    }
    Ok(known)
}

fn examine(chosen: &Connectors, processor: &Processor) -> Line {
    let line = Line {
        processor: processor.to_string(),
        title: String::new(),
        enabled: chosen.enabled.contains(processor),
        declared_in: String::new(),
        by: "",
        tasks: Vec::new(),
        needs: Vec::new(),
        problems: Vec::new(),
    };
    match loading::find(chosen, processor) {
        Ok(found) => describe(line, &found),
        Err(problems) => Line {
            problems: problems.iter().map(ToString::to_string).collect(),
            ..line
        },
    }
}

fn describe(line: Line, found: &Found) -> Line {
    let declaration = &found.declaration;
    let kinds = declaration.kinds().into_iter();
    let missing = loading::missing(found).into_iter();
    Line {
        title: declaration.title.clone(),
        declared_in: if found.is_shipped {
            "the program".to_owned()
        } else {
            found.place.clone()
        },
        by: match declaration.service {
            Service::Manual(_) => "the person",
            Service::Calls(_) => "calls",
        },
        tasks: kinds.map(|kind| kind.to_string()).collect(),
        needs: loading::asked(found),
        problems: missing.map(|problem| problem.what).collect(),
        ..line
    }
}

fn table(lines: &[Line]) -> String {
    let columns = [
        "processor",
        "on",
        "declared in",
        "by",
        "tasks",
        "needs",
        "problems",
    ];
    let mut grid = Grid::new(&columns);
    for line in lines {
        grid.row([
            line.processor.clone(),
            if line.enabled { "yes" } else { "no" }.to_owned(),
            line.declared_in.clone(),
            line.by.to_owned(),
            line.tasks.join(", "),
            line.needs.join(", "),
            line.problems.len().to_string(),
        ]);
    }
    grid.to_string()
}

fn verdict(line: &Line) -> String {
    let paint = Paint::for_stdout();
    let name = printable(&line.processor);
    if line.problems.is_empty() {
        let tasks = line.tasks.join(", ");
        return format!("{}  {name}: {tasks}\n", paint.good("ok  "));
    }
    let problems = line.problems.iter();
    let lines =
        problems.map(|problem| format!("{}  {name}: {}\n", paint.bad("fail"), printable(problem)));
    lines.collect()
}
