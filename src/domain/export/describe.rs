//! What a package says, made of what the registry knows.

use base64::{Engine, engine::general_purpose::STANDARD};
use jiff::{Timestamp, tz::TimeZone};

use super::{
    ExportKind,
    model::{
        AboutPart, AutomatedDecisions, ConsentPart, ContentPart, ControllerPart, DisclosurePart,
        EvidencePart, Head, IdentifierPart, ItemPart, LegalHoldPart, MembershipPart, Named,
        ObjectionPart, OverviewLine, PolicyPart, PurposePart, RecipientPart, RestrictionPart,
        RetentionPart,
    },
    titles::Titles,
    words,
};
use crate::domain::{
    consent::{ConsentRecord, fold},
    decision::{DecisionReason, Query, decide},
    disclosure::{Disclosure, ExternalReference},
    id::{ExportId, SubjectRequestId},
    item::{Content, Item, ItemState},
    name::{DataCategory, Processor, Purpose, Source},
    policy::{
        compile::CompiledPolicy,
        history::PolicyHistory,
        lint::is_transfer,
        model::{Activity, LawfulBasis, Retention},
    },
    retention,
    subject::SubjectState,
};

/// Which package is written, for whose request.
#[derive(Clone, Debug)]
pub struct Occasion {
    /// Which right it serves.
    pub kind: ExportKind,
    /// The package.
    pub export_id: ExportId,
    /// The request.
    pub subject_request_id: SubjectRequestId,
    /// When its writing began.
    pub created_at: Timestamp,
    /// The data categories that were asked for; empty: all.
    pub data_categories: Vec<DataCategory>,
}

/// What is known of a person beside the state that decisions are made on.
pub struct Person {
    /// How the person is recognised.
    pub identifiers: Vec<IdentifierPart>,
    /// Everyone who received data.
    pub recipients: Vec<Processor>,
    /// Legal holds that hold.
    pub legal_holds: Vec<LegalHoldPart>,
}

/// What an internal holder handed over.
pub struct HandedOver {
    /// The value.
    pub content: Content,
    /// When.
    pub at: Timestamp,
}

/// Describes one person's data in the words of the policies.
///
/// The state needs no other items than those that are described, and of each data category and role
/// the one that was collected last: a retention by last activity runs from it.
pub struct Describer<'a> {
    titles: Titles<'a>,
    policies: &'a PolicyHistory,
    policy: &'a CompiledPolicy,
    subject: &'a SubjectState,
    now: Timestamp,
}

impl<'a> Describer<'a> {
    /// `policy` is the one in force at `now`.
    pub fn new(
        policies: &'a PolicyHistory,
        policy: &'a CompiledPolicy,
        subject: &'a SubjectState,
        now: Timestamp,
    ) -> Self {
        Self {
            titles: Titles::new(policies, policy),
            policies,
            policy,
            subject,
            now,
        }
    }

    /// The time zone in which dates are written out.
    pub fn time_zone(&self) -> &TimeZone {
        self.policy.time_zone()
    }

    /// What stands before the entries. `person: None`: of a portable package.
    pub fn head(
        &self,
        occasion: &Occasion,
        overview: &[(DataCategory, u64)],
        person: Option<Person>,
    ) -> Head {
        let policy = self.policy.policy();
        let data: Vec<_> = overview.iter().map(|(data, _)| data).collect();
        Head {
            schema: occasion.kind.schema(),
            kind: occasion.kind,
            export_id: occasion.export_id,
            subject_request_id: occasion.subject_request_id,
            subject_id: self.subject.subject_id,
            created_at: occasion.created_at,
            asked_for: self.data_categories(&occasion.data_categories),
            controller: self.controller(),
            policy: PolicyPart {
                title: policy.source.title.clone(),
                version: policy.version.clone(),
                effective_from: policy.effective_from,
            },
            overview: overview
                .iter()
                .map(|(data, items)| OverviewLine {
                    data_category: self.titles.data(data),
                    items: *items,
                })
                .collect(),
            about: person.map(|person| self.about(person, &data)),
        }
    }

    fn controller(&self) -> ControllerPart {
        let policy = self.policy.policy();
        let controller = &policy.controller;
        ControllerPart {
            name: controller.name.clone(),
            legal_entity: controller.legal_entity.clone(),
            contact: controller.contact.clone(),
            rights_channel: policy.rights.channel.clone(),
            data_protection_officer: controller.data_protection_officer.clone(),
            representative: controller.representative.clone(),
            time_zone: controller.time_zone.clone(),
        }
    }

    fn about(&self, person: Person, data: &[&DataCategory]) -> AboutPart {
        let foreseen = self.foreseen_recipients(&person.recipients, data);
        let recipients = person.recipients.iter();
        AboutPart {
            erased_at: self.subject.erased_at,
            identifiers: person.identifiers,
            memberships: self.memberships(),
            recipients: recipients.map(|name| self.recipient(name)).collect(),
            foreseen_recipients: foreseen.iter().map(|name| self.recipient(name)).collect(),
            objections: self.objections(),
            restrictions: self.restrictions(),
            legal_holds: person.legal_holds,
            rights: words::RIGHTS.to_vec(),
            automated_decisions: AutomatedDecisions {
                recorded: false,
                text: words::NO_AUTOMATED_DECISIONS,
            },
        }
    }

    fn memberships(&self) -> Vec<MembershipPart> {
        let memberships = self.subject.memberships.iter();
        let parts = memberships.map(|stay| MembershipPart {
            subject_category: self.titles.role(&stay.category),
            definition: self.titles.role_definition(&stay.category),
            started_at: stay.started_at,
            ended_at: stay.ended_at,
        });
        parts.collect()
    }

    fn objections(&self) -> Vec<ObjectionPart> {
        let mut parts: Vec<_> = self
            .subject
            .objections
            .iter()
            .map(|objection| ObjectionPart {
                objection_id: objection.objection_id,
                purpose: self.titles.purpose(&objection.purpose),
                occurred_at: objection.occurred_at,
                rejected_at: objection.rejected_at,
            })
            .collect();
        parts.sort_by_key(|part| (part.occurred_at, part.objection_id));
        parts
    }

    fn restrictions(&self) -> Vec<RestrictionPart> {
        let mut parts: Vec<_> = self
            .subject
            .restrictions
            .iter()
            .map(|restriction| RestrictionPart {
                restriction_id: restriction.restriction_id,
                data_categories: self.data_categories(&restriction.data_categories),
                started_at: restriction.started_at,
                lifted_at: restriction.lifted_at,
            })
            .collect();
        parts.sort_by_key(|part| (part.started_at, part.restriction_id));
        parts
    }

    fn recipient(&self, name: &Processor) -> RecipientPart {
        let entry = self.titles.recipient_entry(name);
        let country = entry.and_then(|entry| entry.country.clone());
        RecipientPart {
            recipient: self.titles.recipient(name),
            service: entry.map(|entry| entry.service.clone()).unwrap_or_default(),
            role: entry.map(|entry| entry.role),
            third_country: entry.filter(|_| country.is_some()).map(is_transfer),
            country,
            safeguard: entry.and_then(|entry| entry.safeguard.clone()),
        }
    }

    /// Whom the policy in force names for data that is held, in roles that the person is in.
    fn foreseen_recipients(&self, actual: &[Processor], data: &[&DataCategory]) -> Vec<Processor> {
        let is_in = |role| {
            let mut stays = self.subject.memberships.iter();
            stays.any(|stay| stay.category == role && stay.is_current(self.now))
        };
        let sharing = self.policy.policy().sharing.iter().filter(|sharing| {
            sharing.data.iter().any(|one| data.contains(&one))
                && sharing.subjects.iter().cloned().any(is_in)
                && !actual.contains(&sharing.processor)
        });
        let mut names: Vec<_> = sharing.map(|sharing| sharing.processor.clone()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A data category with its title.
    pub fn data_category(&self, name: &DataCategory) -> Named {
        self.titles.data(name)
    }

    /// Data categories with their titles.
    pub fn data_categories(&self, names: &[DataCategory]) -> Vec<Named> {
        names.iter().map(|name| self.titles.data(name)).collect()
    }

    pub(super) fn role(&self, state: &ItemState) -> Named {
        self.titles.role(&state.subject_category)
    }

    pub(super) fn purpose(&self, name: &Purpose) -> Named {
        self.titles.purpose(name)
    }

    /// An item.
    pub fn item(&self, item: Item, handed_over: Option<HandedOver>) -> ItemPart {
        let Item {
            state,
            key,
            content,
        } = item;
        ItemPart {
            item_id: state.item_id,
            data_category: self.titles.data(&state.data_category),
            special_category: self.titles.special(&state.data_category),
            subject_category: self.titles.role(&state.subject_category),
            collected_at: state.collected_at,
            policy_version: state.policy_version.clone(),
            item_key: key.expose().to_owned(),
            content: content_part(content, &state.source, handed_over),
            only_for: self.purposes(&state.purposes),
            purposes: self.uses(&state),
            retention: self.retention(&state),
            kept_despite_erasure_for: state
                .retained_for
                .as_ref()
                .map(|purposes| self.purposes(purposes)),
            source: state.source,
        }
    }

    fn purposes(&self, names: &[Purpose]) -> Vec<Named> {
        names.iter().map(|name| self.titles.purpose(name)).collect()
    }

    /// The activities that cover the item: of the policy in force, and of the one under which it was
    /// collected, where that is another.
    fn uses(&self, state: &ItemState) -> Vec<PurposePart> {
        let own = self
            .policies
            .get(&state.policy_version)
            .filter(|own| own.version() != self.policy.version());
        let mut uses = Vec::new();
        for policy in std::iter::once(self.policy).chain(own.map(AsRef::as_ref)) {
            let covering = policy.policy().activities.iter();
            let covering = covering.filter(|activity| covers(activity, state));
            uses.extend(covering.map(|activity| self.purpose_part(policy, activity, state)));
        }
        uses
    }

    fn purpose_part(
        &self,
        policy: &CompiledPolicy,
        activity: &Activity,
        state: &ItemState,
    ) -> PurposePart {
        let in_force = policy.version() == self.policy.version();
        PurposePart {
            purpose: self.titles.purpose(&activity.purpose),
            activity: activity.id.clone(),
            lawful_basis: activity.lawful_basis,
            article: activity.lawful_basis.map_or("", words::article),
            also_requires_consent: activity.also_requires_consent,
            direct_marketing: policy
                .purpose(&activity.purpose)
                .is_some_and(|purpose| purpose.direct_marketing),
            policy_version: policy.version().clone(),
            in_force,
            decision: in_force.then(|| self.decision(&activity.purpose, state)),
            stated_duration: activity.stated_duration.clone(),
        }
    }

    /// Whether the controller may use an item for a purpose, as a check answers.
    fn decision(&self, purpose: &Purpose, state: &ItemState) -> DecisionReason {
        let query = Query {
            data_categories: Vec::new(),
            item_ids: vec![state.item_id],
            purpose: purpose.clone(),
            processor: None,
        };
        decide(self.policies, Some(self.subject), &query, self.now, false).reason
    }

    /// The rules of the policy in force that cover the item, those for recipients included.
    fn retention(&self, state: &ItemState) -> Vec<RetentionPart> {
        let withdrawn_at = self.withdrawn_at(state);
        let rules = self.policy.policy().retention.iter();
        let rules = rules.filter(|rule| {
            (rule.data.is_empty() || rule.data.contains(&state.data_category))
                && (rule.subjects.is_empty() || rule.subjects.contains(&state.subject_category))
        });
        rules
            .map(|rule| self.retention_part(rule, state, withdrawn_at))
            .collect()
    }

    fn retention_part(
        &self,
        rule: &Retention,
        state: &ItemState,
        withdrawn_at: Option<Timestamp>,
    ) -> RetentionPart {
        let recipient = rule.processor.as_ref();
        let recipient = recipient.map(|name| self.titles.recipient(name));
        let ends_at = retention::trigger_end(self.policy, self.subject, state, rule, withdrawn_at);
        RetentionPart {
            text: words::rule(rule, recipient.as_ref().map(|named| named.title.as_str())),
            kind: rule.kind,
            period: rule.period.to_string(),
            after: rule.after,
            recipient,
            ground: rule.ground.clone(),
            ends_at,
        }
    }

    /// When the last of the consents was withdrawn that the item's uses rest on; `None` while one
    /// stands, or when there was none.
    fn withdrawn_at(&self, state: &ItemState) -> Option<Timestamp> {
        let activities = self.policy.policy().activities.iter();
        let on_consent = activities.filter(|activity| {
            covers(activity, state) && activity.lawful_basis == Some(LawfulBasis::Consent)
        });
        let withdrawn = on_consent.map(|activity| {
            let facts = &self.subject.consents;
            let facts = fold::bearing_on(facts, &activity.purpose, None, self.now);
            fold::fold(facts).and_then(|answer| answer.withdrawn_at)
        });
        let withdrawn: Option<Vec<_>> = withdrawn.collect();
        withdrawn?.into_iter().max()
    }

    /// What went to a recipient.
    pub fn disclosure(&self, disclosure: Disclosure) -> DisclosurePart {
        let Disclosure {
            disclosure_id,
            subject_id: _,
            items,
            purpose,
            processor,
            external_reference,
            occurred_at,
            recorded_at: _,
            decision_id: _,
            recorded_by,
        } = disclosure;
        let mut data: Vec<_> = items.iter().map(|(_, data)| data.clone()).collect();
        data.sort_unstable();
        data.dedup();
        DisclosurePart {
            disclosure_id,
            recipient: self.titles.recipient(&processor),
            purpose: self.titles.purpose(&purpose),
            occurred_at,
            recorded_by,
            external_reference: external_reference
                .as_ref()
                .map(ExternalReference::expose)
                .unwrap_or_default()
                .to_owned(),
            data_categories: self.data_categories(&data),
            item_ids: items.into_iter().map(|(item, _)| item).collect(),
        }
    }

    /// What the person said.
    pub fn consent(&self, record: ConsentRecord) -> ConsentPart {
        let ConsentRecord {
            subject_id: _,
            consent_id,
            purpose,
            processors,
            choice,
            evidence,
            occurred_at,
            recorded_at,
            recorded_by,
            expires_at,
        } = record;
        let processors = processors.iter();
        ConsentPart {
            consent_id,
            purpose: self.titles.purpose(&purpose),
            recipients: processors.map(|name| self.titles.recipient(name)).collect(),
            choice: choice.as_str(),
            occurred_at,
            recorded_at,
            recorded_by,
            expires_at,
            evidence: EvidencePart {
                method: evidence.method.as_str(),
                given_by: evidence.given_by.as_str(),
                policy_version: evidence.policy_version,
                wording: evidence.wording,
                locale: evidence.locale,
                reference: evidence.reference,
                collected_by: evidence.collected_by,
            },
        }
    }
}

/// Whether an activity covers an item: its data, its role, and the purposes it is narrowed to.
pub(super) fn covers(activity: &Activity, state: &ItemState) -> bool {
    activity.data.contains(&state.data_category)
        && activity.subjects.contains(&state.subject_category)
        && (state.purposes.is_empty() || state.purposes.contains(&activity.purpose))
}

/// What an item holds, and what its holder handed over if it lies elsewhere.
pub(super) fn content_part(
    content: Option<Content>,
    holder: &Source,
    handed_over: Option<HandedOver>,
) -> ContentPart {
    match content {
        None => ContentPart::NotKept,
        Some(Content::Text(text)) => ContentPart::Text { text },
        Some(Content::Json(json)) => ContentPart::Json { json },
        Some(Content::Blob(bytes)) => ContentPart::Bytes {
            bytes: bytes.len(),
            base64: STANDARD.encode(bytes),
        },
        Some(Content::Locator(locator)) => {
            let at = handed_over.as_ref().map(|handed| handed.at);
            let handed = handed_over.map(|handed| content_part(Some(handed.content), holder, None));
            ContentPart::HeldElsewhere {
                holder: holder.clone(),
                locator,
                handed_over: handed.map(Box::new),
                handed_over_at: at,
            }
        }
    }
}
