//! How the demo looks: a few plain words, the call with what matters of it, the answer.

use std::{
    io::{IsTerminal, stdout},
    time::Duration,
};

use anyhow::Result;
use prost::Message;
use tokio::time::sleep;
use tonic::{Response, Status};
use tonic_types::StatusExt;

use super::{cast::Actor, registration::person};
use crate::{
    cli::{
        decision::{basis, effect, reason},
        output::{Grid, Output, json, print, print_value, printable},
        paint::Paint,
    },
    proto::v1::{
        CheckPurposeRequest, Decision, Effect, purpose_service_client::PurposeServiceClient,
    },
};

/// Time to read a call before its answer comes.
const PAUSE_CALL: Duration = Duration::from_millis(350);
/// Time to read a few words.
const PAUSE_WORDS: Duration = Duration::from_millis(1_200);
/// Where lines of narration end.
const WIDTH: usize = 78;

/// Where to go from here.
const NEXT: &str = "Go on with
  cargo run --release -- serve --dev
      a server to play with; it says what to paste next
  cargo run --release -- policy lint policies/alidropship/2018-05-24.yaml
      what that policy leaves open
  README.md
      how a service of yours calls it";

/// What is shown, and what was asked and answered so far.
pub(super) struct Stage {
    output: Output,
    is_verbose: bool,
    has_pauses: bool,
    paint: Paint,
    asked: Vec<Asked>,
}

/// One call, as the last table has it.
#[derive(serde::Serialize)]
struct Asked {
    who: &'static str,
    what: String,
    answer: String,
    #[serde(skip)]
    is_yes: bool,
    expected: &'static str,
}

/// What a call says that matters.
pub(super) struct Words<'a> {
    /// The RPC: `PurposeService.CheckPurpose`.
    pub rpc: &'a str,
    /// The name of its request message.
    pub request: &'a str,
    /// The essential fields.
    pub fields: &'a [(&'a str, String)],
    /// What it is, for the last table.
    pub summary: String,
    /// What the answer must begin with.
    pub expected: &'static str,
}

/// A question about one person.
pub(super) struct Question<'a> {
    /// The person.
    pub subject: (&'a str, &'a str),
    /// What is to be processed.
    pub data: &'a str,
    /// Why.
    pub purpose: &'a str,
    /// To whom it goes; empty: the company itself.
    pub processor: &'a str,
    /// What the answer must begin with.
    pub expected: &'static str,
}

impl Stage {
    pub(super) fn new(output: Output, is_verbose: bool, is_fast: bool) -> Self {
        Self {
            output,
            is_verbose,
            has_pauses: !is_fast && output == Output::Table && stdout().is_terminal(),
            paint: Paint::for_stdout(),
            asked: Vec::new(),
        }
    }

    /// What this is all about.
    pub(super) fn open(&self, address: &str) -> Result<()> {
        self.show(&format!(
            "\n{}\n{}\n",
            self.paint.bold("Three lives in a registry of personal data"),
            wrap(&format!(
                "A server runs at {address}, in this process, with the AliDropship privacy policy of \
                 2018 in force. Every call below is real gRPC; every service has a token for its own \
                 work and no other."
            ))
        ))
    }

    /// A new life.
    pub(super) async fn act(&self, title: &str) -> Result<()> {
        let rule = "─".repeat(WIDTH.saturating_sub(title.chars().count() + 4));
        let (title, rule) = (self.paint.bold(title), self.paint.dim(&rule));
        self.show(&format!("\n\n── {title} {rule}\n"))?;
        self.pause(PAUSE_CALL).await;
        Ok(())
    }

    /// A few plain words.
    pub(super) async fn tell(&self, words: &str) -> Result<()> {
        self.show(&format!("\n{}\n", wrap(words)))?;
        self.pause(PAUSE_WORDS).await;
        Ok(())
    }

    /// Asks whether something is lawful, and shows question and answer.
    pub(super) async fn ask(&mut self, actor: &Actor, question: Question<'_>) -> Result<()> {
        let Question {
            subject: (kind, value),
            data,
            purpose,
            processor,
            expected,
        } = question;
        let whom = if processor.is_empty() {
            "the company itself"
        } else {
            processor
        };
        let request = CheckPurposeRequest {
            subject: Some(person(kind, value)),
            data_categories: vec![data.to_owned()],
            purpose: purpose.to_owned(),
            processor: processor.to_owned(),
            ..CheckPurposeRequest::default()
        };
        let words = Words {
            rpc: "PurposeService.CheckPurpose",
            request: "CheckPurposeRequest",
            fields: &[
                ("person", format!("{kind} {value}")),
                ("data", data.to_owned()),
                ("purpose", purpose.to_owned()),
                ("for", whom.to_owned()),
            ],
            summary: format!("{data} for {purpose}, by {whom}"),
            expected,
        };
        self.call(actor, &words, &request).await?;
        let mut client = PurposeServiceClient::new(actor.way.clone());
        let answer = client.check_purpose(request).await;
        self.answer(actor, words, "CheckPurposeResponse", answer, |answer| {
            answer.decision.as_ref().map(decided).unwrap_or_default()
        })?;
        Ok(())
    }

    /// Shows a call that is about to be made.
    pub(super) async fn call<M: Message>(
        &self,
        actor: &Actor,
        words: &Words<'_>,
        request: &M,
    ) -> Result<()> {
        let arrow = self.paint.dim("→");
        let (who, rpc) = (self.paint.bold(actor.name), self.paint.name(words.rpc));
        let mut text = format!("\n  {arrow} {who}  {rpc}\n");
        for (name, value) in words.fields {
            let name = self.paint.dim(&format!("{name:<10}"));
            text.push_str(&format!("      {name} {}\n", printable(value)));
        }
        self.show(&text)?;
        self.show_whole(words.request, request)?;
        self.pause(PAUSE_CALL).await;
        Ok(())
    }

    /// Shows what came back, and keeps it. `Some` when it was an answer and no refusal.
    pub(super) fn answer<M: Message>(
        &mut self,
        actor: &Actor,
        words: Words<'_>,
        name: &str,
        answer: Result<Response<M>, Status>,
        in_words: impl FnOnce(&M) -> Answer,
    ) -> Result<Option<M>> {
        match answer {
            Ok(answer) => {
                let message = answer.into_inner();
                self.keep(actor, words, in_words(&message))?;
                self.show_whole(name, &message)?;
                Ok(Some(message))
            }
            Err(status) => {
                self.keep(actor, words, refused(&status))?;
                Ok(None)
            }
        }
    }

    /// Shows an answer, and keeps it for the last table.
    pub(super) fn keep(&mut self, actor: &Actor, words: Words<'_>, answer: Answer) -> Result<()> {
        let Answer {
            headline,
            detail,
            is_yes,
        } = answer;
        let colour = if is_yes { Effect::Allow } else { Effect::Deny };
        let arrow = self.paint.dim("←");
        let (shown, detail) = (
            self.paint.effect(colour, &headline),
            self.paint.dim(&detail),
        );
        let line = format!("  {arrow} {shown}  {detail}");
        self.show(&format!("{}\n", line.trim_end()))?;
        if !headline.starts_with(words.expected) {
            let wanted = self.paint.bad(&format!("expected was {}", words.expected));
            self.show(&format!("    {wanted}\n"))?;
        }
        self.asked.push(Asked {
            who: actor.name,
            what: words.summary,
            answer: headline,
            is_yes,
            expected: words.expected,
        });
        Ok(())
    }

    /// Whether every answer was the expected one.
    pub(super) fn was_as_expected(&self) -> bool {
        self.asked.iter().all(Asked::is_as_expected)
    }

    /// What was asked and answered, and where to go next.
    pub(super) fn close(&self) -> Result<()> {
        if self.output == Output::Json {
            return self.asked.iter().try_for_each(print_value);
        }
        let mut grid = Grid::new(&["", "who", "asked", "answer"]);
        for asked in &self.asked {
            let mark = match (asked.is_as_expected(), asked.is_yes) {
                (false, _) => "‼",
                (true, true) => "✓",
                (true, false) => "✗",
            };
            grid.row([mark, asked.who, &asked.what, &asked.answer]);
        }
        let unexpected = self.asked.iter().filter(|asked| !asked.is_as_expected());
        let verdict = match unexpected.count() {
            0 => self
                .paint
                .good(&format!("all {} answers as expected", self.asked.len())),
            count => self
                .paint
                .bad(&format!("{count} answers were not the expected ones")),
        };
        self.show(&format!(
            "\n\n── {} {}\n\n{grid}\n{verdict}\n\n{}\n",
            self.paint.bold("What was asked, and answered"),
            self.paint.dim(&"─".repeat(WIDTH - 32)),
            NEXT
        ))
    }

    /// Shows a whole message, if that was asked for.
    pub(super) fn show_whole<M: Message>(&self, name: &str, message: &M) -> Result<()> {
        if !self.is_verbose || self.output == Output::Json {
            return Ok(());
        }
        let whole = serde_json::to_string_pretty(&json(name, message)?)?;
        let lines: Vec<_> = whole.lines().map(|line| self.paint.dim(line)).collect();
        print(&format!("        {}\n", lines.join("\n        ")))
    }

    fn show(&self, text: &str) -> Result<()> {
        match self.output {
            Output::Table => print(text),
            Output::Json => Ok(()),
        }
    }

    async fn pause(&self, length: Duration) {
        if self.has_pauses {
            sleep(length).await;
        }
    }
}

impl Asked {
    fn is_as_expected(&self) -> bool {
        self.answer.starts_with(self.expected)
    }
}

/// An answer in words.
#[derive(Default)]
pub(super) struct Answer {
    headline: String,
    detail: String,
    is_yes: bool,
}

impl Answer {
    /// The same answer with other words behind it.
    pub(super) fn with_detail(self, detail: String) -> Self {
        Self { detail, ..self }
    }
}

/// Something was done.
pub(super) fn done(headline: &str, detail: impl Into<String>) -> Answer {
    Answer {
        headline: headline.to_owned(),
        detail: detail.into(),
        is_yes: true,
    }
}

/// A decision in words.
pub(super) fn decided(decision: &Decision) -> Answer {
    let is_yes = decision.effect() == Effect::Allow;
    let mut facts = Vec::new();
    if is_yes {
        facts.push(format!("basis: {}", basis(decision.lawful_basis())));
    }
    if !decision.activity.is_empty() {
        facts.push(format!("activity {}", decision.activity));
    }
    Answer {
        headline: format!(
            "{} {}",
            effect(decision.effect()),
            reason(decision.reason())
        ),
        detail: facts.join(", "),
        is_yes,
    }
}

fn refused(status: &Status) -> Answer {
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    Answer {
        headline: format!(
            "REFUSED {}",
            reason.unwrap_or_else(|| status.code().to_string())
        ),
        detail: status.message().to_owned(),
        is_yes: false,
    }
}

/// Breaks words into lines.
fn wrap(words: &str) -> String {
    let mut lines = vec![String::new()];
    for word in words.split_whitespace() {
        let is_full = lines.last().is_some_and(|line| {
            !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH
        });
        if is_full {
            lines.push(String::new());
        }
        if let Some(line) = lines.last_mut() {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines.join("\n")
}
