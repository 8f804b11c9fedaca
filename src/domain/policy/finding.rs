//! What is wrong with a policy: a code to build on, a place, the law it rests on, and advice.

use std::fmt;

use serde::{Serialize, Serializer};

/// One thing that a check or lint has found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it is; stable.
    pub code: FindingCode,
    /// How bad it is.
    pub severity: Severity,
    /// Where in the policy: `collected.visitor[0].contexts[2]`; empty: the policy as a whole.
    pub field_path: String,
    /// The law it rests on: `GDPR Art. 5(1)(b)`; empty: the file format alone.
    pub article: String,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// Where in the file, when the policy was read from one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A place in a file, counted from one, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Position {
    /// The line.
    pub line: u64,
    /// The column.
    pub column: u64,
}

impl Finding {
    /// A finding that makes the policy unpublishable.
    pub fn error(
        code: FindingCode,
        field_path: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            field_path: field_path.into(),
            article: String::new(),
            message: message.into(),
            position: None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} {} at {:?}: {}",
            self.severity, self.code, self.field_path, self.message
        )?;
        if !self.article.is_empty() {
            write!(f, " ({})", self.article)?;
        }
        Ok(())
    }
}

/// How bad a finding is, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// Not a policy; never publishable.
    Error,
    /// The law is broken as far as the text goes; publishable when the publisher accepts it.
    Defect,
    /// Likely a mistake, or something the law asks for elsewhere.
    Warning,
    /// Good to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Error => "ERROR",
            Self::Defect => "DEFECT",
            Self::Warning => "WARNING",
            Self::Note => "NOTE",
        })
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// The kind of a finding. Its text is stable: scripts and clients build on it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FindingCode {
            $($(#[$doc])* $name,)*
        }

        impl FindingCode {
            /// Every code.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The stable text.
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $code,)*
                }
            }
        }
    };
}

codes! {
    /// The file is not YAML, or cannot be read at all.
    Syntax = "SYNTAX",
    /// A key that the format does not have.
    UnknownKey = "UNKNOWN_KEY",
    /// A key that must be there is not.
    MissingKey = "MISSING_KEY",
    /// A value of the wrong kind, or one that is not in the list of choices.
    ValueInvalid = "VALUE_INVALID",
    /// The same key twice in one mapping.
    DuplicateKey = "DUPLICATE_KEY",
    /// The same id twice.
    DuplicateId = "DUPLICATE_ID",
    /// A name that its catalogue does not have.
    DanglingReference = "DANGLING_REFERENCE",
    /// Two lawful bases for one subject category, data category and purpose.
    TwoBases = "TWO_BASES",
    /// Not an IANA time zone.
    TimeZoneInvalid = "TIME_ZONE_INVALID",
    /// Not a date or an instant.
    DateInvalid = "DATE_INVALID",
    /// Not a calendar period of at least a day.
    PeriodInvalid = "PERIOD_INVALID",
    /// Not an ISO 3166-1 alpha-2 country code.
    CountryInvalid = "COUNTRY_INVALID",
    /// A list that must name something is empty.
    ListEmpty = "LIST_EMPTY",
    /// A text that must say something is empty.
    TextEmpty = "TEXT_EMPTY",
    /// A text is longer than its limit.
    TextTooLong = "TEXT_TOO_LONG",
    /// A list has more entries than its limit.
    TooMany = "TOO_MANY",
    /// `inferred` names a field that the entry does not have.
    InferredFieldUnknown = "INFERRED_FIELD_UNKNOWN",
    /// Data is collected and no activity says what for.
    CollectedWithoutPurpose = "COLLECTED_WITHOUT_PURPOSE",
    /// Data is collected in a context for which no activity says what for.
    ContextWithoutPurpose = "CONTEXT_WITHOUT_PURPOSE",
    /// An activity on data that is not declared as collected.
    ActivityWithoutCollection = "ACTIVITY_WITHOUT_COLLECTION",
    /// A sharing statement for a purpose that no activity declares for that subject category.
    SharingWithoutActivity = "SHARING_WITHOUT_ACTIVITY",
    /// A cookie for a purpose that no activity declares.
    CookieWithoutActivity = "COOKIE_WITHOUT_ACTIVITY",
    /// An activity without a lawful basis.
    BasisMissing = "BASIS_MISSING",
    /// A lawful basis that the text does not state.
    BasisInferred = "BASIS_INFERRED",
    /// A special category without a condition of Art. 9(2).
    SpecialWithoutCondition = "SPECIAL_WITHOUT_CONDITION",
    /// Continued use is taken for consent.
    ConsentByUse = "CONSENT_BY_USE",
    /// A way of consenting is listed that is no affirmative act.
    ConsentMethodNotAffirmative = "CONSENT_METHOD_NOT_AFFIRMATIVE",
    /// No statement says how long a consent lasts.
    ConsentNeverExpires = "CONSENT_NEVER_EXPIRES",
    /// Data is kept, and it is not said how long.
    RetentionMissing = "RETENTION_MISSING",
    /// A legal minimum that names no law.
    RetentionWithoutGround = "RETENTION_WITHOUT_GROUND",
    /// Activity sources on a rule that does not run from an activity.
    ActivitySourcesIgnored = "ACTIVITY_SOURCES_IGNORED",
    /// A recipient of which it is not known where it processes.
    CountryMissing = "COUNTRY_MISSING",
    /// A transfer to a third country without a safeguard.
    TransferWithoutSafeguard = "TRANSFER_WITHOUT_SAFEGUARD",
    /// The controller's legal entity is not named.
    LegalEntityMissing = "LEGAL_ENTITY_MISSING",
    /// A right of the person is not mentioned.
    RightNotMentioned = "RIGHT_NOT_MENTIONED",
    /// Nothing says where rights are exercised.
    RightsChannelMissing = "RIGHTS_CHANNEL_MISSING",
    /// No security measures are described.
    SecurityMeasuresMissing = "SECURITY_MEASURES_MISSING",
    /// A catalogue entry that nothing uses.
    NeverUsed = "NEVER_USED",
}

impl fmt::Display for FindingCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Serialize for FindingCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}
