//! `[connectors]`: which processors the registry calls itself, and where connectors find what must not
//! stand in their declarations.

use std::{fmt, path::PathBuf};

use zeroize::Zeroizing;

use super::settings::Section;
use crate::domain::name::Processor;

/// Most connectors of one registry.
pub const CONNECTORS_MAX: usize = 64;

/// Which connectors are switched on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connectors {
    /// The processors that the registry calls; the tasks of all others are left to who leases them.
    pub enabled: Vec<Processor>,
    /// Where declarations of the deployment's own lie, each as `<processor>.yaml`; one that is there
    /// counts in the place of the one that the program carries.
    pub directory: Option<PathBuf>,
    /// Calls may go over plain HTTP to this machine: no file and no variable can say so, only a program
    /// that stands in for the processors itself.
    pub plain_on_loopback: bool,
}

impl Connectors {
    pub(super) fn read(section: &mut Section<'_>) -> Self {
        let names = section.list("enabled");
        let directory = section.text("directory").map(PathBuf::from);
        if names.len() > CONNECTORS_MAX {
            let what = format!("must name at most {CONNECTORS_MAX} processors");
            section.problem("enabled", what);
        }
        let mut enabled: Vec<Processor> = Vec::new();
        for name in names.into_iter().take(CONNECTORS_MAX) {
            match name.parse::<Processor>() {
                Ok(processor) if enabled.contains(&processor) => {
                    section.problem("enabled", format!("names {processor} twice"));
                }
                Ok(processor) => enabled.push(processor),
                Err(_) => section.problem("enabled", "must name processors as policies do"),
            }
        }
        if directory.is_some() && enabled.is_empty() {
            let what =
                "is required, since `directory` is set: nothing there is switched on by itself";
            section.problem("enabled", what);
        }
        Self {
            enabled,
            directory,
            plain_on_loopback: false,
        }
    }
}

/// Where a value is that must not stand in a file of declarations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ValueSource {
    /// In a variable of the process; `NAME_FILE` can name a file in its place.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

impl fmt::Display for ValueSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable(name) => write!(f, "the variable {name}"),
            Self::File(path) => write!(f, "the file {}", path.display()),
        }
    }
}

/// A credential. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct Credential(Zeroizing<String>);

impl Credential {
    /// Keeps a credential.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Zeroizing::new(text.into()))
    }

    /// The credential, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}
