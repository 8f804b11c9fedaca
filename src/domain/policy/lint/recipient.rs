//! Recipients: where data goes outside the European Economic Area (Chapter V).

use std::collections::BTreeSet;

use super::Lint;
use crate::domain::policy::{
    finding::{FindingCode, Severity},
    model::ProcessorEntry,
};

/// ISO 3166-1 codes of the European Economic Area: the Union's members, Iceland, Liechtenstein
/// and Norway.
const EEA: [&str; 30] = [
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IS",
    "IT", "LI", "LT", "LU", "LV", "MT", "NL", "NO", "PL", "PT", "RO", "SE", "SI", "SK",
];

/// Whether a recipient is known to process outside of the European Economic Area.
pub(in crate::domain) fn is_transfer(recipient: &ProcessorEntry) -> bool {
    recipient
        .country
        .as_deref()
        .is_some_and(|country| !EEA.contains(&country))
}

impl Lint<'_> {
    /// Only recipients that receive something: the others are reported as used by nothing.
    pub(super) fn recipients(&mut self) {
        let named: BTreeSet<_> = self
            .policy
            .sharing
            .iter()
            .map(|sharing| &sharing.processor)
            .collect();
        for name in named {
            let Some(recipient) = self.policy.processors.get(name) else {
                continue;
            };
            if recipient.country.is_none() {
                let message = format!(
                    "it is not said where {name} processes what it receives; state its country"
                );
                let code = (Severity::Warning, FindingCode::CountryMissing);
                self.find(
                    code,
                    format!("processors.{name}.country"),
                    "GDPR Art. 13(1)(f), 44",
                    message,
                );
            } else if is_transfer(recipient) && recipient.safeguard.is_none() {
                let message = format!(
                    "{name} processes outside of the European Economic Area and no safeguard is stated; state it (adequacy decision, standard clauses …)"
                );
                let code = (Severity::Defect, FindingCode::TransferWithoutSafeguard);
                self.find(
                    code,
                    format!("processors.{name}.safeguard"),
                    "GDPR Art. 13(1)(f), 44, 46",
                    message,
                );
            }
        }
    }
}
