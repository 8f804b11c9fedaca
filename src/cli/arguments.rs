//! What several commands read from their arguments.

use anyhow::{Context, Result};
use jiff::Timestamp;
use uuid::Uuid;

use crate::{grpc::render::instant, proto::v1::EvidenceMethod};

/// The idempotency key of a write.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Once {
    /// A UUID under which the write happens once: repeating the command with it within 24 hours
    /// gives the first answer and changes nothing.
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
}

impl Once {
    /// As the contract has it: empty for none.
    pub(super) fn request_id(&self) -> String {
        self.request_id.map(|id| id.to_string()).unwrap_or_default()
    }
}

/// An instant that may be left out, as the contract has it.
pub(super) fn optional_instant(at: Option<Timestamp>) -> Option<prost_types::Timestamp> {
    at.map(instant)
}

/// Reads the name of an enum value, in any case and without its prefix: `double-opt-in`.
pub(super) fn parse_choice<E>(
    text: &str,
    prefix: &str,
    from_name: impl Fn(&str) -> Option<E>,
) -> Option<E> {
    let name = text.to_uppercase().replace('-', "_");
    from_name(&format!("{prefix}{name}"))
}

/// Reads how a person said it: `checkbox`, `double-opt-in` …
pub(super) fn parse_method(text: &str) -> Result<EvidenceMethod> {
    parse_choice(text, "EVIDENCE_METHOD_", EvidenceMethod::from_str_name)
        .filter(|method| *method != EvidenceMethod::Unspecified)
        .with_context(|| {
            format!(
                "{text} is no method of consent; it is one of checkbox, form, double-opt-in, \
             signature, oral, implied-by-use, pre-ticked, imported"
            )
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_read_as_people_write_it() {
        for text in ["double-opt-in", "DOUBLE_OPT_IN", "Double_Opt-In"] {
            assert_eq!(parse_method(text).unwrap(), EvidenceMethod::DoubleOptIn);
        }
        for text in ["unspecified", "", "nod"] {
            assert!(parse_method(text).is_err(), "{text:?}");
        }
    }
}
