//! Identifiers: values that lead to a subject. They are personal data and do not print.
//!
//! The normalisation is frozen: its result is what the blind index hashes, so a change here would
//! orphan every stored hash. A different rule needs a new [`Normalise`] variant.

use std::fmt;

use idna::uts46::{AsciiDenyList, DnsLength, Hyphens, Uts46};
use unicode_normalization::UnicodeNormalization;

pub use super::policy::model::Normalise;

/// Longest e-mail address, in bytes of UTF-8, before and after normalisation (RFC 5321: 64 + 1 + 255).
pub const EMAIL_BYTES_MAX: usize = 320;
/// Longest identifier of any other type, in bytes of UTF-8, before and after normalisation.
pub const IDENTIFIER_BYTES_MAX: usize = 256;

/// Makes the values of an identifier that mean the same equal: white space around it is cut off,
/// NFC, and by kind Unicode lower case and IDNA A-labels. Dots and plus signs stay.
/// Applying it twice is applying it once.
pub fn normalise(kind: Normalise, raw: &str) -> Result<NormalisedIdentifier, IdentifierError> {
    let bytes_max = match kind {
        Normalise::Email => EMAIL_BYTES_MAX,
        Normalise::Exact | Normalise::CaseFold => IDENTIFIER_BYTES_MAX,
    };
    let trimmed = raw.trim();
    check(trimmed, bytes_max)?;
    let composed: String = trimmed.nfc().collect();
    let normalised = match kind {
        Normalise::Exact => composed,
        Normalise::CaseFold => lower_case(&composed),
        Normalise::Email => email(&composed)?,
    };
    check(&normalised, bytes_max)?;
    Ok(NormalisedIdentifier(normalised))
}

/// The value of an identifier as it was given.
#[derive(Clone, PartialEq, Eq)]
pub struct IdentifierValue(String);

impl IdentifierValue {
    /// Takes a value that is not checked yet; [`normalise`] checks it.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, to be sealed or handed to the person it belongs to.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdentifierValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdentifierValue(…)")
    }
}

/// The value of an identifier in the form in which values are compared.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NormalisedIdentifier(String);

impl NormalisedIdentifier {
    /// The value itself, to be hashed or sealed.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for NormalisedIdentifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NormalisedIdentifier(…)")
    }
}

/// Why a value was refused. The texts never repeat the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdentifierError {
    /// Nothing but white space.
    #[error("must not be empty")]
    Empty,
    /// Longer than the limit of its kind.
    #[error("must have at most {bytes_max} bytes of UTF-8")]
    TooLong {
        /// The limit.
        bytes_max: usize,
    },
    /// Holds a control character.
    #[error("must not contain control characters")]
    ControlCharacter,
    /// Not of the form local part, `@`, domain.
    #[error("must be an e-mail address: one \"@\", text before and after it, no white space")]
    NotAnEmail,
    /// The domain cannot be written in IDNA A-labels.
    #[error("must be an e-mail address with a valid domain")]
    DomainInvalid,
}

fn check(value: &str, bytes_max: usize) -> Result<(), IdentifierError> {
    if value.is_empty() {
        return Err(IdentifierError::Empty);
    }
    if value.len() > bytes_max {
        return Err(IdentifierError::TooLong { bytes_max });
    }
    if value.contains(char::is_control) {
        return Err(IdentifierError::ControlCharacter);
    }
    Ok(())
}

// Lower-casing can leave a letter beside a mark that composes with it, hence NFC once more.
fn lower_case(composed: &str) -> String {
    composed.to_lowercase().nfc().collect()
}

// Quoted local parts with an "@" or a space in them are refused: no mailbox provider gives them out.
fn email(composed: &str) -> Result<String, IdentifierError> {
    let (local, domain) = composed
        .split_once('@')
        .ok_or(IdentifierError::NotAnEmail)?;
    let broken =
        |part: &str| part.is_empty() || part.contains('@') || part.contains(char::is_whitespace);
    if broken(local) || broken(domain) {
        return Err(IdentifierError::NotAnEmail);
    }
    Ok(format!("{}@{}", lower_case(local), a_labels(domain)?))
}

// UTS 46 lower-cases and composes the domain itself, by the rules of the DNS.
fn a_labels(domain: &str) -> Result<String, IdentifierError> {
    Uts46::new()
        .to_ascii(
            domain.as_bytes(),
            AsciiDenyList::STD3,
            Hyphens::CheckFirstLast,
            DnsLength::Verify,
        )
        .map(Into::into)
        .map_err(|_| IdentifierError::DomainInvalid)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn email_of(raw: &str) -> Result<String, IdentifierError> {
        normalise(Normalise::Email, raw).map(|normalised| normalised.expose().to_owned())
    }

    fn folded(raw: &str) -> String {
        normalise(Normalise::CaseFold, raw)
            .unwrap()
            .expose()
            .to_owned()
    }

    #[test]
    fn an_email_is_trimmed_and_lower_cased_and_keeps_dots_and_plus_signs() {
        assert_eq!(
            email_of("  Anna.B+News@Example.COM\n").unwrap(),
            "anna.b+news@example.com"
        );
    }

    #[test]
    fn a_composed_and_a_combining_letter_are_one_email() {
        assert_eq!(
            email_of("jose\u{301}@example.com"),
            email_of("JOS\u{c9}@example.com")
        );
    }

    #[test]
    fn a_domain_in_unicode_and_in_a_labels_is_one_email() {
        assert_eq!(
            email_of("a@B\u{dc}cher.example").unwrap(),
            "a@xn--bcher-kva.example"
        );
        assert_eq!(
            email_of("a@XN--BCHER-KVA.example").unwrap(),
            "a@xn--bcher-kva.example"
        );
        assert_eq!(
            email_of("a@bu\u{308}cher.example").unwrap(),
            "a@xn--bcher-kva.example"
        );
    }

    #[test]
    fn full_width_dots_in_a_domain_are_dots() {
        assert_eq!(email_of("a@example\u{ff0e}com").unwrap(), "a@example.com");
        assert_eq!(email_of("a@example\u{3002}com").unwrap(), "a@example.com");
    }

    #[test]
    fn a_full_width_at_sign_is_no_at_sign() {
        assert_eq!(
            email_of("a\u{ff20}example.com"),
            Err(IdentifierError::NotAnEmail)
        );
        assert_eq!(
            email_of("a@b\u{ff20}example.com"),
            Err(IdentifierError::DomainInvalid)
        );
    }

    #[test]
    fn sharp_s_is_not_double_s_in_either_part() {
        assert_eq!(
            email_of("stra\u{df}e@example.com").unwrap(),
            "stra\u{df}e@example.com"
        );
        assert_eq!(
            email_of("STRA\u{1e9e}E@example.com").unwrap(),
            "stra\u{df}e@example.com"
        );
        assert_eq!(
            email_of("a@stra\u{df}e.example").unwrap(),
            "a@xn--strae-oqa.example"
        );
        assert_ne!(
            email_of("a@stra\u{df}e.example"),
            email_of("a@strasse.example")
        );
    }

    #[test]
    fn the_turkish_dotted_capital_keeps_its_dot_and_the_dotless_letter_stays_apart() {
        assert_eq!(folded("\u{130}"), "i\u{307}");
        assert_eq!(folded("I"), "i");
        assert_eq!(folded("\u{131}"), "\u{131}");
    }

    #[test]
    fn the_long_s_is_lower_case_already_and_no_s() {
        assert_eq!(folded("\u{17f}"), "\u{17f}");
        assert_ne!(folded("\u{17f}"), folded("S"));
    }

    #[test]
    fn the_kelvin_sign_is_the_letter_k() {
        assert_eq!(folded("\u{212a}"), "k");
    }

    #[test]
    fn exact_keeps_case_and_composes() {
        let normalised = normalise(Normalise::Exact, " User-4711 e\u{301} ").unwrap();
        assert_eq!(normalised.expose(), "User-4711 \u{e9}");
    }

    #[test]
    fn what_is_no_email_is_refused() {
        for raw in [
            "a",
            "@",
            "a@",
            "@example.com",
            "a@b@example.com",
            "a b@example.com",
            "a@exam ple.com",
        ] {
            assert_eq!(email_of(raw), Err(IdentifierError::NotAnEmail), "{raw:?}");
        }
        for raw in [
            "a@.com",
            "a@example..com",
            "a@-example.com",
            "a@xn--",
            "a@[127.0.0.1]",
            "a@example.com.",
        ] {
            assert_eq!(
                email_of(raw),
                Err(IdentifierError::DomainInvalid),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn empty_and_white_space_are_refused() {
        for kind in [Normalise::Exact, Normalise::CaseFold, Normalise::Email] {
            assert_eq!(normalise(kind, ""), Err(IdentifierError::Empty));
            assert_eq!(
                normalise(kind, " \t\u{a0}\u{3000}"),
                Err(IdentifierError::Empty)
            );
        }
    }

    #[test]
    fn control_characters_inside_are_refused() {
        for raw in ["a\0b", "a\nb", "a\u{85}b", "a\u{7f}b"] {
            assert_eq!(
                normalise(Normalise::Exact, raw),
                Err(IdentifierError::ControlCharacter),
                "{raw:?}"
            );
        }
    }

    #[test]
    fn the_limit_is_allowed_and_one_byte_more_is_not() {
        let domain = format!("{0}.{0}.{0}.{1}", "d".repeat(63), "e".repeat(61));
        let local = "l".repeat(EMAIL_BYTES_MAX - 1 - domain.len());
        assert!(email_of(&format!("{local}@{domain}")).is_ok());
        let bytes_max = EMAIL_BYTES_MAX;
        assert_eq!(
            email_of(&format!("l{local}@{domain}")),
            Err(IdentifierError::TooLong { bytes_max })
        );

        let bytes_max = IDENTIFIER_BYTES_MAX;
        assert!(normalise(Normalise::Exact, &"x".repeat(bytes_max)).is_ok());
        let refused = normalise(Normalise::Exact, &"x".repeat(bytes_max + 1));
        assert_eq!(refused, Err(IdentifierError::TooLong { bytes_max }));
    }

    #[test]
    fn a_value_that_grows_over_the_limit_in_lower_case_is_refused() {
        let grows = "\u{130}".repeat(IDENTIFIER_BYTES_MAX / 2);
        let bytes_max = IDENTIFIER_BYTES_MAX;
        assert_eq!(
            normalise(Normalise::CaseFold, &grows),
            Err(IdentifierError::TooLong { bytes_max })
        );
    }

    #[test]
    fn neither_form_prints_its_value() {
        let value = IdentifierValue::new("anna@example.com");
        let normalised = normalise(Normalise::Email, value.expose()).unwrap();
        assert!(!format!("{value:?} {normalised:?}").contains("anna"));
    }

    fn kinds() -> impl Strategy<Value = Normalise> {
        prop_oneof![
            Just(Normalise::Exact),
            Just(Normalise::CaseFold),
            Just(Normalise::Email)
        ]
    }

    fn raws() -> impl Strategy<Value = String> {
        prop_oneof![
            any::<String>(),
            "[\\pL\\pM\\pZ]{1,12}",
            "[\\pL\\pM+.]{1,8}@[\\pL\\pM]{1,8}\\.(com|[\\pL]{2,4})",
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn normalising_twice_is_normalising_once(kind in kinds(), raw in raws()) {
            if let Ok(once) = normalise(kind, &raw) {
                prop_assert_eq!(normalise(kind, once.expose()), Ok(once));
            }
        }
    }
}
