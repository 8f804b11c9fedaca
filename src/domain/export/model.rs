//! What a package says. Field names are those of the JSON; instants are RFC 3339 in UTC. All of it
//! is personal data: it does not print.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::ExportKind;
use crate::domain::{
    decision::DecisionReason,
    id::{
        ConsentId, DisclosureId, ExportId, ItemId, LegalHoldId, ObjectionId, RestrictionId,
        SubjectId, SubjectRequestId,
    },
    name::{ActivityId, PolicyVersion, Source},
    policy::model::{LawfulBasis, RecipientRole, RetentionKind, RetentionTrigger},
};

/// A name of the policy, with its title in words; the name again where no version has a title.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Named {
    /// The name.
    pub name: String,
    /// The title.
    pub title: String,
}

/// What stands before the entries: whose package it is, and what applies to all of it.
#[derive(Clone, Serialize)]
pub struct Head {
    /// The name of the shape that the JSON has.
    pub schema: &'static str,
    /// Which right it serves.
    pub kind: ExportKind,
    /// The package.
    pub export_id: ExportId,
    /// The request that it answers.
    pub subject_request_id: SubjectRequestId,
    /// The person.
    pub subject_id: SubjectId,
    /// When its writing began. What was deleted after that may be left out.
    pub created_at: Timestamp,
    /// The data categories that were asked for; empty: all.
    pub asked_for: Vec<Named>,
    /// Who is responsible (Art. 15(1), Art. 13(1)(a)).
    pub controller: ControllerPart,
    /// The policy in force.
    pub policy: PolicyPart,
    /// How much of what is in it.
    pub overview: Vec<OverviewLine>,
    /// What only a copy says; a portable package has none of it.
    #[serde(flatten)]
    pub about: Option<AboutPart>,
}

/// The controller and its contacts.
#[derive(Clone, Serialize)]
pub struct ControllerPart {
    /// Its name.
    pub name: String,
    /// The legal entity, when the policy names one.
    pub legal_entity: Option<String>,
    /// Where to write to.
    pub contact: String,
    /// Where rights are exercised.
    pub rights_channel: String,
    /// The data protection officer.
    pub data_protection_officer: Option<String>,
    /// The representative in the Union.
    pub representative: Option<String>,
    /// The time zone in which periods are counted.
    pub time_zone: String,
}

/// The policy in force.
#[derive(Clone, Serialize)]
pub struct PolicyPart {
    /// Its title.
    pub title: String,
    /// Its version.
    pub version: PolicyVersion,
    /// Since when it can be in force.
    pub effective_from: Timestamp,
}

/// How many items there are of a data category.
#[derive(Clone, Serialize)]
pub struct OverviewLine {
    /// The data category.
    pub data_category: Named,
    /// Items of it when the writing began.
    pub items: u64,
}

/// What a copy says beside the data (Art. 15(1)).
#[derive(Clone, Serialize)]
pub struct AboutPart {
    /// When the person was erased, for what had to stay.
    pub erased_at: Option<Timestamp>,
    /// How the person is recognised.
    pub identifiers: Vec<IdentifierPart>,
    /// In which roles.
    pub memberships: Vec<MembershipPart>,
    /// Who received data (Art. 15(1)(c)), with transfers (Art. 15(2)).
    pub recipients: Vec<RecipientPart>,
    /// To whom the policy lets data of these roles go, and nothing was recorded as passed on.
    pub foreseen_recipients: Vec<RecipientPart>,
    /// Objections (Art. 21).
    pub objections: Vec<ObjectionPart>,
    /// Restrictions (Art. 18).
    pub restrictions: Vec<RestrictionPart>,
    /// Legal holds that keep data. The matter of a hold is not told: it may concern others.
    pub legal_holds: Vec<LegalHoldPart>,
    /// The person's rights (Art. 15(1)(e), (f)).
    pub rights: Vec<RightPart>,
    /// Automated decisions (Art. 15(1)(h)).
    pub automated_decisions: AutomatedDecisions,
}

/// An identifier.
#[derive(Clone, Serialize)]
pub struct IdentifierPart {
    /// Its type.
    #[serde(rename = "type")]
    pub identifier_type: String,
    /// Its value.
    pub value: String,
    /// When it was linked.
    pub linked_at: Timestamp,
    /// The service that linked it.
    pub linked_by: String,
}

/// A stay in a role.
#[derive(Clone, Serialize)]
pub struct MembershipPart {
    /// The role.
    pub subject_category: Named,
    /// Who has it, in the policy's words.
    pub definition: String,
    /// Since when.
    pub started_at: Timestamp,
    /// Until when.
    pub ended_at: Option<Timestamp>,
}

/// A recipient.
#[derive(Clone, Serialize)]
pub struct RecipientPart {
    /// Its name.
    pub recipient: Named,
    /// What it does; "": not stated.
    pub service: String,
    /// Its part; `None`: no version of the policy knows it.
    pub role: Option<RecipientRole>,
    /// Where it processes: ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// Whether that is outside of the European Economic Area; `None`: not known.
    pub third_country: Option<bool>,
    /// The safeguard of the transfer (Art. 46).
    pub safeguard: Option<String>,
}

/// An objection.
#[derive(Clone, Serialize)]
pub struct ObjectionPart {
    /// Its id.
    pub objection_id: ObjectionId,
    /// The purpose objected to.
    pub purpose: Named,
    /// When the person objected.
    pub occurred_at: Timestamp,
    /// When it was rejected.
    pub rejected_at: Option<Timestamp>,
}

/// A restriction.
#[derive(Clone, Serialize)]
pub struct RestrictionPart {
    /// Its id.
    pub restriction_id: RestrictionId,
    /// What it covers; empty: everything.
    pub data_categories: Vec<Named>,
    /// When it began.
    pub started_at: Timestamp,
    /// When it was lifted.
    pub lifted_at: Option<Timestamp>,
}

/// A legal hold.
#[derive(Clone, Serialize)]
pub struct LegalHoldPart {
    /// Its id.
    pub legal_hold_id: LegalHoldId,
    /// Since when.
    pub placed_at: Timestamp,
    /// The article that it rests on.
    pub article: String,
    /// The data categories that it covers as a whole.
    pub data_categories: Vec<Named>,
    /// Single items that it covers.
    pub item_ids: Vec<ItemId>,
}

/// A right and what it means.
#[derive(Clone, Serialize)]
pub struct RightPart {
    /// What the person can do.
    pub title: &'static str,
    /// The article.
    pub article: &'static str,
    /// In plain words.
    pub text: &'static str,
}

/// Whether decisions are made about the person by machines alone (Art. 22).
#[derive(Clone, Serialize)]
pub struct AutomatedDecisions {
    /// Whether one is recorded.
    pub recorded: bool,
    /// In plain words.
    pub text: &'static str,
}

/// An item of a copy.
#[derive(Clone, Serialize)]
pub struct ItemPart {
    /// Its id.
    pub item_id: ItemId,
    /// What it is.
    pub data_category: Named,
    /// The condition of Art. 9(2), for a special category; "": none is stated.
    pub special_category: Option<String>,
    /// The role in which it was collected.
    pub subject_category: Named,
    /// Where it comes from (Art. 15(1)(g)).
    pub source: Source,
    /// When it was collected.
    pub collected_at: Timestamp,
    /// The policy under which it was collected.
    pub policy_version: PolicyVersion,
    /// What tells it from others of its category; "": it stands alone.
    pub item_key: String,
    /// What it holds.
    pub content: ContentPart,
    /// What it may be used for only; empty: whatever the policy says.
    pub only_for: Vec<Named>,
    /// What it is used for, and why that is permitted (Art. 15(1)(a)).
    pub purposes: Vec<PurposePart>,
    /// How long it is kept (Art. 15(1)(d)).
    pub retention: Vec<RetentionPart>,
    /// The purposes for which it is kept though its erasure was asked for; `None`: it was not.
    pub kept_despite_erasure_for: Option<Vec<Named>>,
}

/// What an item holds.
#[derive(Clone, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ContentPart {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A JSON object.
    Json {
        /// The object.
        json: serde_json::Value,
    },
    /// Bytes.
    Bytes {
        /// How many.
        bytes: usize,
        /// The bytes, in standard base64.
        base64: String,
    },
    /// Only the fact of collection is kept.
    NotKept,
    /// The value lies with an internal service.
    HeldElsewhere {
        /// Which one.
        holder: Source,
        /// Where it has it.
        locator: String,
        /// What it handed over; `None`: nothing.
        handed_over: Option<Box<ContentPart>>,
        /// When.
        handed_over_at: Option<Timestamp>,
    },
}

/// A purpose of an item, with its basis.
#[derive(Clone, Serialize)]
pub struct PurposePart {
    /// The purpose.
    pub purpose: Named,
    /// The activity of the policy.
    pub activity: ActivityId,
    /// The basis; `None`: the policy states none, so nothing is permitted.
    pub lawful_basis: Option<LawfulBasis>,
    /// Where the basis stands: `GDPR Art. 6(1)(a)`; "" without one.
    pub article: &'static str,
    /// Whether consent is needed beside the basis.
    pub also_requires_consent: bool,
    /// Whether it is direct marketing: an objection always stops it (Art. 21(3)).
    pub direct_marketing: bool,
    /// The version that says so.
    pub policy_version: PolicyVersion,
    /// Whether that version is in force.
    pub in_force: bool,
    /// Whether the controller may use the item for it when the package was written, and why:
    /// `LAWFUL`, or why not, as a check answers. `None`: by a version that is not in force, which permits
    /// nothing.
    pub decision: Option<DecisionReason>,
    /// What the text says on how long, in words.
    pub stated_duration: Option<String>,
}

/// A rule on how long an item is kept.
#[derive(Clone, Serialize)]
pub struct RetentionPart {
    /// In plain words.
    pub text: String,
    /// Ceiling or floor.
    pub kind: RetentionKind,
    /// How long: an ISO 8601 period.
    pub period: String,
    /// From when.
    pub after: RetentionTrigger,
    /// At whom; `None`: here and everywhere.
    pub recipient: Option<Named>,
    /// The law that a floor rests on.
    pub ground: String,
    /// When it ends, where that can be computed today.
    pub ends_at: Option<Timestamp>,
}

/// Data that went to a recipient.
#[derive(Clone, Serialize)]
pub struct DisclosurePart {
    /// Its id.
    pub disclosure_id: DisclosureId,
    /// To whom.
    pub recipient: Named,
    /// What for.
    pub purpose: Named,
    /// When.
    pub occurred_at: Timestamp,
    /// The service that passed it on.
    pub recorded_by: String,
    /// What the recipient calls it; "": nothing is known.
    pub external_reference: String,
    /// What it was.
    pub data_categories: Vec<Named>,
    /// The very items.
    pub item_ids: Vec<ItemId>,
}

/// What the person said about a purpose, with the proof.
#[derive(Clone, Serialize)]
pub struct ConsentPart {
    /// Its id.
    pub consent_id: ConsentId,
    /// The purpose.
    pub purpose: Named,
    /// The recipients that it is limited to; empty: not limited.
    pub recipients: Vec<Named>,
    /// What was said: `GIVEN`, `REFUSED`, `WITHDRAWN`, `PENDING`.
    pub choice: &'static str,
    /// When.
    pub occurred_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// By which service.
    pub recorded_by: Source,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The proof.
    pub evidence: EvidencePart,
}

/// The proof of a consent.
#[derive(Clone, Serialize)]
pub struct EvidencePart {
    /// How it was said: `CHECKBOX`, `FORM`.
    pub method: &'static str,
    /// Who spoke: `SUBJECT`, `GUARDIAN`, `AGENT`.
    pub given_by: &'static str,
    /// The policy that was shown.
    pub policy_version: PolicyVersion,
    /// The wording that was shown.
    pub wording: String,
    /// Its language.
    pub locale: String,
    /// Where the original proof lies.
    pub reference: String,
    /// Who took it.
    pub collected_by: String,
}

/// An item of a portable package.
#[derive(Clone, Serialize)]
pub struct PortableItem {
    /// Its id.
    pub item_id: ItemId,
    /// What it is.
    pub data_category: Named,
    /// The role in which it was provided.
    pub subject_category: Named,
    /// The service that took it.
    pub source: Source,
    /// When it was provided.
    pub collected_at: Timestamp,
    /// What tells it from others of its category; "": it stands alone.
    pub item_key: String,
    /// What it holds.
    pub content: ContentPart,
    /// The processing that makes it portable (Art. 20(1)(a)).
    pub processed_for: Vec<PortableUse>,
}

/// A use on consent or contract.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct PortableUse {
    /// What for.
    pub purpose: Named,
    /// The basis.
    pub lawful_basis: LawfulBasis,
    /// Where it stands.
    pub article: &'static str,
}

/// What stands behind the entries: how many there were. A package without it is not complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Items.
    pub items: u64,
    /// Items that lie elsewhere and were not handed over.
    pub items_not_handed_over: u64,
    /// Disclosures; 0 in a portable package, which has none.
    pub disclosures: u64,
    /// Consent facts; 0 in a portable package, which has none.
    pub consents: u64,
}
