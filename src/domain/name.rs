//! Names that the policy file gives to things. A name is checked once, here; behind this point
//! the type is the proof.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// Longest name, in bytes.
pub const NAME_BYTES_MAX: usize = 64;

/// Why a name was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The name is empty.
    #[error("must not be empty")]
    Empty,
    /// The name is longer than [`NAME_BYTES_MAX`].
    #[error("must have at most 64 bytes")]
    TooLong,
    /// The name has a character outside of its alphabet.
    #[error("must consist of {0}")]
    Alphabet(&'static str),
}

fn check(text: &str, alphabet: &'static str, allowed: fn(char) -> bool) -> Result<(), NameError> {
    if text.is_empty() {
        return Err(NameError::Empty);
    }
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong);
    }
    if text.starts_with(|first: char| !first.is_ascii_alphanumeric()) || !text.chars().all(allowed)
    {
        return Err(NameError::Alphabet(alphabet));
    }
    Ok(())
}

macro_rules! names {
    ($($(#[$doc:meta])* $name:ident: $alphabet:literal, $allowed:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Arc<str>);

        impl $name {
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                check(text, $alphabet, $allowed)?;
                Ok(Self(text.into()))
            }
        }

        impl TryFrom<String> for $name {
            type Error = NameError;

            fn try_from(text: String) -> Result<Self, NameError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> Self {
                name.0.as_ref().into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&self.0, f)
            }
        }
    )*};
}

fn lower(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-' | '.')
}

fn mixed(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

names! {
    /// A kind of personal data: `email_address`.
    DataCategory: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// Why data is processed: `newsletter`.
    Purpose: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// A named recipient: `aweber`.
    Processor: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// The role in which a person meets the controller: `visitor`.
    SubjectCategory: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// One entry of the policy's `activities`: `visitor-newsletter`.
    ActivityId: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// A type of identifier: `email`, `shop_user`, `ga_client`.
    IdentifierType: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// The way on which a request of a data subject came: `email`, `letter`.
    Channel: "a-z, 0-9, '_', '-' and '.', starting with a letter or digit", lower;
    /// The service that collected an item or saw an activity: `shop`.
    Source: "a-z, A-Z, 0-9, '_', '-' and '.', starting with a letter or digit", mixed;
    /// The version of a policy: `2018-05-24`.
    PolicyVersion: "a-z, A-Z, 0-9, '_', '-' and '.', starting with a letter or digit", mixed;
}
