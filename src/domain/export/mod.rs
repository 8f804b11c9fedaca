//! Packages for people: the copy of Art. 15 and the portable data of Art. 20.
//!
//! The two are different things. A copy says everything that is known of a person and what is done
//! with it. Portable data is what the person provided, where it is processed on consent or contract,
//! to be taken elsewhere by a machine.
//!
//! `model` is what a package says, `describe` makes it of what the registry knows, `portable` says
//! what belongs into a portable one, and the writers put it down piece by piece: a package of any
//! length is written, and resumed, in bounded memory. `json` is for machines; `html` is one page that
//! needs nothing but a browser; a `sheet` is what one step of the writing puts down in both, and
//! `writing` is how far it has come.

pub mod describe;
pub mod html;
pub mod json;
pub mod model;
pub mod portable;
pub mod record;
pub mod sheet;
mod titles;
mod words;
pub mod writing;

#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

/// Most bytes of one piece of a package, as it is kept and handed out.
pub const PIECE_BYTES_MAX: usize = 256 * 1024;
/// How long a package can be downloaded, in days, unless the configuration says otherwise.
pub const LIFETIME_DAYS: i64 = 30;

/// Which right a package serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// A copy of everything (Art. 15).
    Access,
    /// What the person provided (Art. 20).
    Portability,
}

impl ExportKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Access, Self::Portability];

    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Access => "ACCESS",
            Self::Portability => "PORTABILITY",
        }
    }

    /// The kind of this name.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// What it is written in. Portable data is for machines.
    pub fn formats(self) -> &'static [ExportFormat] {
        match self {
            Self::Access => &[ExportFormat::Json, ExportFormat::Html],
            Self::Portability => &[ExportFormat::Json],
        }
    }

    /// Its lists, in their order.
    pub fn sections(self) -> &'static [Section] {
        match self {
            Self::Access => &[Section::Items, Section::Disclosures, Section::Consents],
            Self::Portability => &[Section::Items],
        }
    }

    /// The list behind `section`; `None`: it is the last.
    pub fn section_after(self, section: Section) -> Option<Section> {
        let mut sections = self.sections().iter();
        sections.find(|one| **one == section)?;
        sections.next().copied()
    }

    /// The name of the shape that its JSON has.
    pub fn schema(self) -> &'static str {
        match self {
            Self::Access => "urn:personal-data-registry:schema:access-export:1",
            Self::Portability => "urn:personal-data-registry:schema:portability-export:1",
        }
    }
}

/// A list of entries in a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Section {
    /// The items.
    Items,
    /// What went to whom.
    Disclosures,
    /// What the person said.
    Consents,
}

impl Section {
    /// The name of its list.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Disclosures => "disclosures",
            Self::Consents => "consents",
        }
    }
}

/// What a package is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExportFormat {
    /// JSON.
    Json,
    /// One page for people.
    Html,
}

impl ExportFormat {
    /// Its name in storage.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Html => "HTML",
        }
    }
}
