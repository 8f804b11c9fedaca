//! The policy as written: the shape of the YAML file and of the `Policy` message, typed and
//! not yet checked for sense (`compile` does that).

use std::collections::BTreeMap;

use jiff::{Span, Timestamp};

use super::super::{
    consent::EvidenceMethod,
    name::{
        ActivityId, DataCategory, IdentifierType, PolicyVersion, Processor, Purpose, Source,
        SubjectCategory,
    },
};

/// One version of the policy. Immutable once published.
#[derive(Clone, Debug)]
pub struct Policy {
    /// The policy's id; the same for all versions.
    pub id: String,
    /// This version's name.
    pub version: PolicyVersion,
    /// From when it can be in force. A date in the file means midnight in the controller's time zone.
    pub effective_from: Timestamp,
    /// Who is responsible (Art. 4(7)).
    pub controller: Controller,
    /// The text that was transcribed.
    pub source: SourceText,
    /// The roles in which people meet the controller.
    pub subject_categories: BTreeMap<SubjectCategory, SubjectCategoryEntry>,
    /// How people are recognised.
    pub identifier_types: BTreeMap<IdentifierType, IdentifierTypeEntry>,
    /// What is collected.
    pub data_categories: BTreeMap<DataCategory, DataCategoryEntry>,
    /// Why.
    pub purposes: BTreeMap<Purpose, PurposeEntry>,
    /// With whom it may be shared.
    pub processors: BTreeMap<Processor, ProcessorEntry>,
    /// What is collected from whom and where, whether or not a purpose is stated.
    pub collected: BTreeMap<SubjectCategory, Vec<CollectedEntry>>,
    /// Why: the processing activities (Art. 30(1)).
    pub activities: Vec<Activity>,
    /// With whom.
    pub sharing: Vec<Sharing>,
    /// How long.
    pub retention: Vec<Retention>,
    /// How consent is taken and how long it lasts.
    pub consent: ConsentRules,
    /// What the text says on cookies.
    pub cookies: Vec<Cookie>,
    /// Which rights the text mentions, and where they are exercised.
    pub rights: Rights,
    /// How data is protected (Art. 30(1)(g)).
    pub security_measures: Vec<String>,
    /// What the text claims and the law does not grant.
    pub claims: Vec<Claim>,
    /// Names of the policy's own fields (`effective_from`) that the text does not say.
    pub inferred: Vec<String>,
    /// Remarks of the transcriber.
    pub notes: Vec<String>,
}

/// The controller.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Its name as the text gives it.
    pub name: String,
    /// The legal entity, when the text names one.
    pub legal_entity: Option<String>,
    /// Where people write to.
    pub contact: String,
    /// IANA time zone in which calendar periods are counted.
    pub time_zone: String,
    /// Contact of the data protection officer, when there is one.
    pub data_protection_officer: Option<String>,
    /// Representative in the Union (Art. 27), when there is one.
    pub representative: Option<String>,
    /// Where it rests.
    pub provenance: Provenance,
}

/// The text that was transcribed.
#[derive(Clone, Debug, Default)]
pub struct SourceText {
    /// Its title.
    pub title: String,
    /// ISO date of publication.
    pub published: Option<String>,
    /// ISO date of the copy that was read.
    pub archived: Option<String>,
}

/// What stands beside every entry: where it rests in the text, what the transcriber added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The part of the text that it rests on.
    pub section: String,
    /// Names of this entry's fields that the text does not say.
    pub inferred: Vec<String>,
    /// A remark.
    pub note: String,
}

/// A subject category.
#[derive(Clone, Debug)]
pub struct SubjectCategoryEntry {
    /// For people.
    pub title: String,
    /// Who belongs to it.
    pub definition: String,
    /// Where it rests.
    pub provenance: Provenance,
}

/// What an identifier of this type leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IdentifierKind {
    /// One subject.
    Account,
    /// Possibly several subjects.
    Contact,
    /// A pseudonym, merged into the account or contact that it is linked with.
    Device,
}

/// How values of an identifier type are made equal before they are hashed.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// Trim, NFC; case kept.
    #[default]
    Exact,
    /// Trim, NFC, Unicode lower case.
    CaseFold,
    /// As `CaseFold`, and the domain as IDNA A-labels; no dot or plus folding.
    Email,
}

/// An identifier type.
#[derive(Clone, Debug)]
pub struct IdentifierTypeEntry {
    /// What it leads to.
    pub kind: IdentifierKind,
    /// How its values are compared.
    pub normalise: Normalise,
    /// Where it rests.
    pub provenance: Provenance,
}

/// A data category.
#[derive(Clone, Debug)]
pub struct DataCategoryEntry {
    /// For people.
    pub title: String,
    /// The Art. 9(2) condition that permits it, for special categories ("" when the category is
    /// special and the text names none).
    pub special: Option<String>,
    /// Where it rests.
    pub provenance: Provenance,
}

/// A purpose.
#[derive(Clone, Debug)]
pub struct PurposeEntry {
    /// For people.
    pub title: String,
    /// Whether it is direct marketing (Art. 21(2)).
    pub direct_marketing: bool,
    /// Where it rests.
    pub provenance: Provenance,
}

/// Which part a recipient plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecipientRole {
    /// On the controller's behalf (Art. 28).
    Processor,
    /// On its own behalf.
    Controller,
}

/// A named recipient.
#[derive(Clone, Debug)]
pub struct ProcessorEntry {
    /// For people.
    pub title: String,
    /// What it does.
    pub service: String,
    /// Its part.
    pub role: RecipientRole,
    /// ISO 3166-1 alpha-2 code of where it processes, when known.
    pub country: Option<String>,
    /// The transfer safeguard (Art. 46), when stated. `none stated` in the file means `None`.
    pub safeguard: Option<String>,
    /// Where it rests.
    pub provenance: Provenance,
}

/// One line of `collected`.
#[derive(Clone, Debug)]
pub struct CollectedEntry {
    /// What.
    pub data: DataCategory,
    /// In which situations; empty: not said.
    pub contexts: Vec<String>,
    /// Whether the person gives it voluntarily.
    pub optional: bool,
    /// Where it rests.
    pub provenance: Provenance,
}

/// Art. 6(1).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum LawfulBasis {
    /// (a)
    Consent,
    /// (b)
    Contract,
    /// (c)
    LegalObligation,
    /// (d)
    VitalInterests,
    /// (e)
    PublicTask,
    /// (f)
    LegitimateInterests,
}

/// What lets an activity go on under a restriction (Art. 18(2)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnderRestriction {
    /// Establishment, exercise or defence of legal claims.
    LegalClaims,
    /// Protection of the rights of another person.
    RightsOfOthers,
    /// Important public interest.
    PublicInterest,
}

/// What happens to an activity when the subject leaves the category.
#[derive(Clone, Debug, Default)]
pub enum AfterCategoryEnd {
    /// It stops at once.
    #[default]
    Stops,
    /// It goes on.
    Continues,
    /// It goes on for a calendar period.
    For(Span),
}

/// A processing activity: subject categories × data categories × one purpose × one basis.
#[derive(Clone, Debug)]
pub struct Activity {
    /// Its id.
    pub id: ActivityId,
    /// Of whom.
    pub subjects: Vec<SubjectCategory>,
    /// What.
    pub data: Vec<DataCategory>,
    /// The contexts of collection it covers; empty: all. Only lint reads it: an item carries no context.
    pub contexts: Vec<String>,
    /// Why.
    pub purpose: Purpose,
    /// Which of Art. 6(1) permits it. Without one nothing is permitted.
    pub lawful_basis: Option<LawfulBasis>,
    /// Consent that is needed beside the basis (Art. 9(2)(a), ePrivacy Art. 5(3)).
    pub also_requires_consent: bool,
    /// Whether, and why, it goes on under a restriction.
    pub under_restriction: Option<UnderRestriction>,
    /// What the text says on how long, in words, if anything.
    pub stated_duration: Option<String>,
    /// What happens when the subject leaves the category.
    pub after_category_end: AfterCategoryEnd,
    /// Where it rests.
    pub provenance: Provenance,
}

/// A sharing statement. It permits nothing by itself.
#[derive(Clone, Debug)]
pub struct Sharing {
    /// Of whom.
    pub subjects: Vec<SubjectCategory>,
    /// What.
    pub data: Vec<DataCategory>,
    /// Why.
    pub purpose: Purpose,
    /// With whom.
    pub processor: Processor,
    /// Where it rests.
    pub provenance: Provenance,
}

/// Whether a retention rule is a ceiling or a floor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionKind {
    /// The shortest one decides a check.
    Maximum,
    /// The longest one delays deletion (Art. 17(3)(b)).
    LegalMinimum,
}

/// From when a retention period runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetentionTrigger {
    /// The item's `collected_at`.
    Collection,
    /// The latest activity from the rule's sources, or `collected_at` of the items, whichever is later.
    LastActivity,
    /// The end of the membership in the item's subject category.
    CategoryEnd,
    /// The withdrawal of the consent that the use rests on.
    ConsentWithdrawal,
}

/// A retention rule.
#[derive(Clone, Debug)]
pub struct Retention {
    /// What it covers; empty: everything.
    pub data: Vec<DataCategory>,
    /// Of whom; empty: everyone.
    pub subjects: Vec<SubjectCategory>,
    /// With a processor it counts only for checks that name it.
    pub processor: Option<Processor>,
    /// Ceiling or floor.
    pub kind: RetentionKind,
    /// From when it runs.
    pub after: RetentionTrigger,
    /// Whose activity counts for `last_activity`; empty: every source's.
    pub activity_sources: Vec<Source>,
    /// How long: a calendar period in the controller's time zone.
    pub period: Span,
    /// The law that a `legal_minimum` rests on.
    pub ground: String,
    /// Where it rests.
    pub provenance: Provenance,
}

/// How consent is taken.
#[derive(Clone, Debug, Default)]
pub struct ConsentRules {
    /// Methods that a purpose accepts; a purpose that is not named accepts every affirmative one.
    pub methods: BTreeMap<Purpose, Vec<EvidenceMethod>>,
    /// How long a consent lasts when it does not say so itself; `None`: until withdrawn.
    pub expires_after: Option<Span>,
    /// Wording of the question, per purpose and locale; a form falls back to the purpose's title.
    pub wording: BTreeMap<Purpose, BTreeMap<String, String>>,
    /// Where it rests.
    pub provenance: Provenance,
}

/// A cookie statement.
#[derive(Clone, Debug)]
pub struct Cookie {
    /// What the text calls it.
    pub name: String,
    /// What it holds.
    pub data: DataCategory,
    /// Why.
    pub purpose: Purpose,
    /// Where it rests.
    pub provenance: Provenance,
}

/// A right of the data subject (Chapter III).
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Right {
    /// Art. 15.
    Copy,
    /// Art. 17.
    Delete,
    /// Art. 7(3).
    WithdrawConsent,
    /// Art. 16.
    Rectify,
    /// Art. 18.
    Restrict,
    /// Art. 21.
    Object,
    /// Art. 20.
    Portability,
    /// Art. 77.
    Complain,
}

/// Which rights the text mentions.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// Where they are exercised.
    pub channel: String,
    /// Those mentioned.
    pub stated: Vec<Right>,
    /// Where it rests.
    pub provenance: Provenance,
}

/// Something the text claims and the law does not grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimKind {
    /// Consent by continued use (EDPB 05/2020, CJEU C-673/17).
    ConsentByUse,
}

/// A claim.
#[derive(Clone, Debug)]
pub struct Claim {
    /// What is claimed.
    pub kind: ClaimKind,
    /// Where it rests.
    pub provenance: Provenance,
}
