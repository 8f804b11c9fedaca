//! Colours, where a terminal shows them and nobody has asked for none (`NO_COLOR`).

use std::{
    env,
    io::{IsTerminal, stdout},
};

use owo_colors::{OwoColorize, Style};

use super::output::printable;
use crate::proto::v1::Effect;

/// Whether to paint.
#[derive(Clone, Copy, Debug)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// For what goes to standard output.
    pub fn for_stdout() -> Self {
        let set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
        let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            is_on: stdout().is_terminal() && !set("NO_COLOR") && !is_dumb,
        }
    }

    /// What matters.
    pub fn bold(self, text: &str) -> String {
        self.with(text, Style::new().bold())
    }

    /// What may be skipped.
    pub fn dim(self, text: &str) -> String {
        self.with(text, Style::new().dimmed())
    }

    /// What is good.
    pub fn good(self, text: &str) -> String {
        self.with(text, Style::new().green().bold())
    }

    /// What is not.
    pub fn bad(self, text: &str) -> String {
        self.with(text, Style::new().red().bold())
    }

    /// What one should look at.
    pub fn warn(self, text: &str) -> String {
        self.with(text, Style::new().yellow().bold())
    }

    /// Names of calls.
    pub fn name(self, text: &str) -> String {
        self.with(text, Style::new().cyan())
    }

    /// A text in the colour of an answer.
    pub fn effect(self, effect: Effect, text: &str) -> String {
        match effect {
            Effect::Allow => self.good(text),
            Effect::Deny | Effect::Unspecified => self.bad(text),
        }
    }

    fn with(self, text: &str, style: Style) -> String {
        let text = printable(text);
        if self.is_on {
            text.style(style).to_string()
        } else {
            text.into_owned()
        }
    }
}
