//! A policy as its message. Nothing is lost: read back, it is the same policy.

use std::fmt::Display;

use crate::{
    domain::policy::model::{
        Activity, AfterCategoryEnd, Claim, CollectedEntry, ConsentRules, Controller, Cookie,
        DataCategoryEntry, IdentifierTypeEntry, Policy, ProcessorEntry, Provenance, PurposeEntry,
        Retention, Rights, Sharing, SourceText, SubjectCategoryEntry,
    },
    grpc::{
        choice::{Choice, optional_number},
        render::{instant, texts},
    },
    proto::v1,
};

/// Renders a policy.
pub fn policy(policy: &Policy) -> v1::Policy {
    v1::Policy {
        id: policy.id.clone(),
        version: policy.version.to_string(),
        effective_from: Some(instant(policy.effective_from)),
        controller: Some(controller(&policy.controller)),
        source: Some(source(&policy.source)),
        subject_categories: catalogue(&policy.subject_categories, subject_category),
        identifier_types: catalogue(&policy.identifier_types, identifier_type),
        data_categories: catalogue(&policy.data_categories, data_category),
        purposes: catalogue(&policy.purposes, purpose),
        processors: catalogue(&policy.processors, processor),
        collected: all_collected(policy),
        activities: policy.activities.iter().map(activity).collect(),
        sharing: policy.sharing.iter().map(sharing).collect(),
        retention: policy.retention.iter().map(retention).collect(),
        consent: Some(consent(&policy.consent)),
        cookies: policy.cookies.iter().map(cookie).collect(),
        rights: Some(rights(&policy.rights)),
        security_measures: policy.security_measures.clone(),
        claims: policy.claims.iter().map(claim).collect(),
        inferred: policy.inferred.clone(),
        notes: policy.notes.clone(),
    }
}

/// Renders the controller.
pub(super) fn controller(controller: &Controller) -> v1::Controller {
    let Provenance {
        section,
        inferred,
        note,
    } = controller.provenance.clone();
    v1::Controller {
        name: controller.name.clone(),
        legal_entity: controller.legal_entity.clone(),
        contact: controller.contact.clone(),
        time_zone: controller.time_zone.clone(),
        data_protection_officer: controller.data_protection_officer.clone(),
        representative: controller.representative.clone(),
        section,
        inferred,
        note,
    }
}

fn source(source: &SourceText) -> v1::SourceText {
    v1::SourceText {
        title: source.title.clone(),
        published: source.published.clone(),
        archived: source.archived.clone(),
    }
}

fn subject_category(id: String, entry: &SubjectCategoryEntry) -> v1::SubjectCategory {
    let Provenance {
        section,
        inferred,
        note,
    } = entry.provenance.clone();
    v1::SubjectCategory {
        id,
        title: entry.title.clone(),
        definition: entry.definition.clone(),
        section,
        inferred,
        note,
    }
}

fn identifier_type(id: String, entry: &IdentifierTypeEntry) -> v1::IdentifierType {
    let Provenance {
        section,
        inferred,
        note,
    } = entry.provenance.clone();
    v1::IdentifierType {
        id,
        kind: entry.kind.number(),
        normalise: entry.normalise.number(),
        section,
        inferred,
        note,
    }
}

fn data_category(id: String, entry: &DataCategoryEntry) -> v1::DataCategory {
    let Provenance {
        section,
        inferred,
        note,
    } = entry.provenance.clone();
    v1::DataCategory {
        id,
        title: entry.title.clone(),
        special: entry.special.clone(),
        section,
        inferred,
        note,
    }
}

fn purpose(id: String, entry: &PurposeEntry) -> v1::Purpose {
    let Provenance {
        section,
        inferred,
        note,
    } = entry.provenance.clone();
    v1::Purpose {
        id,
        title: entry.title.clone(),
        direct_marketing: entry.direct_marketing,
        section,
        inferred,
        note,
    }
}

fn processor(id: String, entry: &ProcessorEntry) -> v1::Processor {
    let Provenance {
        section,
        inferred,
        note,
    } = entry.provenance.clone();
    v1::Processor {
        id,
        title: entry.title.clone(),
        service: entry.service.clone(),
        role: entry.role.number(),
        country: entry.country.clone(),
        safeguard: entry.safeguard.clone(),
        section,
        inferred,
        note,
    }
}

fn all_collected(policy: &Policy) -> Vec<v1::Collected> {
    let by_category = policy.collected.iter();
    let entries = by_category.flat_map(|(category, entries)| {
        entries
            .iter()
            .map(|entry| collected(category.to_string(), entry))
    });
    entries.collect()
}

fn collected(subject_category: String, entry: &CollectedEntry) -> v1::Collected {
    let Provenance {
        section,
        inferred,
        note,
    } = entry.provenance.clone();
    v1::Collected {
        subject_category,
        data: entry.data.to_string(),
        contexts: entry.contexts.clone(),
        optional: entry.optional,
        section,
        inferred,
        note,
    }
}

fn activity(activity: &Activity) -> v1::Activity {
    let Provenance {
        section,
        inferred,
        note,
    } = activity.provenance.clone();
    v1::Activity {
        id: activity.id.to_string(),
        subjects: texts(&activity.subjects),
        data: texts(&activity.data),
        contexts: activity.contexts.clone(),
        purpose: activity.purpose.to_string(),
        lawful_basis: optional_number(activity.lawful_basis),
        also_requires_consent: activity.also_requires_consent,
        under_restriction: optional_number(activity.under_restriction),
        stated_duration: activity.stated_duration.clone(),
        after_category_end: Some(after_category_end(&activity.after_category_end)),
        section,
        inferred,
        note,
    }
}

fn after_category_end(end: &AfterCategoryEnd) -> v1::AfterCategoryEnd {
    use v1::AfterCategoryEndKind as Kind;
    let (kind, period) = match end {
        AfterCategoryEnd::Stops => (Kind::Stops, String::new()),
        AfterCategoryEnd::Continues => (Kind::Continues, String::new()),
        AfterCategoryEnd::For(period) => (Kind::ForPeriod, period.to_string()),
    };
    v1::AfterCategoryEnd {
        kind: kind.into(),
        period,
    }
}

fn sharing(sharing: &Sharing) -> v1::Sharing {
    let Provenance {
        section,
        inferred,
        note,
    } = sharing.provenance.clone();
    v1::Sharing {
        subjects: texts(&sharing.subjects),
        data: texts(&sharing.data),
        purpose: sharing.purpose.to_string(),
        processor: sharing.processor.to_string(),
        section,
        inferred,
        note,
    }
}

fn retention(rule: &Retention) -> v1::Retention {
    let Provenance {
        section,
        inferred,
        note,
    } = rule.provenance.clone();
    v1::Retention {
        data: texts(&rule.data),
        subjects: texts(&rule.subjects),
        processor: rule.processor.as_ref().map(ToString::to_string),
        kind: rule.kind.number(),
        after: rule.after.number(),
        activity_sources: texts(&rule.activity_sources),
        period: rule.period.to_string(),
        ground: rule.ground.clone(),
        section,
        inferred,
        note,
    }
}

fn consent(rules: &ConsentRules) -> v1::ConsentRules {
    let methods = rules.methods.iter().map(|(purpose, methods)| {
        let methods = methods.iter().map(|method| method.number());
        v1::ConsentMethods {
            purpose: purpose.to_string(),
            methods: methods.collect(),
        }
    });
    let wording = rules.wording.iter().flat_map(|(purpose, questions)| {
        questions
            .iter()
            .map(move |(locale, text)| v1::ConsentWording {
                purpose: purpose.to_string(),
                locale: locale.clone(),
                text: text.clone(),
            })
    });
    let Provenance {
        section,
        inferred,
        note,
    } = rules.provenance.clone();
    v1::ConsentRules {
        methods: methods.collect(),
        expires_after: rules.expires_after.as_ref().map(ToString::to_string),
        wording: wording.collect(),
        section,
        inferred,
        note,
    }
}

fn cookie(cookie: &Cookie) -> v1::Cookie {
    let Provenance {
        section,
        inferred,
        note,
    } = cookie.provenance.clone();
    v1::Cookie {
        name: cookie.name.clone(),
        data: cookie.data.to_string(),
        purpose: cookie.purpose.to_string(),
        section,
        inferred,
        note,
    }
}

fn rights(rights: &Rights) -> v1::Rights {
    let Provenance {
        section,
        inferred,
        note,
    } = rights.provenance.clone();
    v1::Rights {
        channel: rights.channel.clone(),
        stated: rights.stated.iter().map(|right| right.number()).collect(),
        section,
        inferred,
        note,
    }
}

fn claim(claim: &Claim) -> v1::Claim {
    let Provenance {
        section,
        inferred,
        note,
    } = claim.provenance.clone();
    v1::Claim {
        kind: claim.kind.number(),
        section,
        inferred,
        note,
    }
}

fn catalogue<'a, K: Display + 'a, T: 'a, M>(
    entries: impl IntoIterator<Item = (&'a K, &'a T)>,
    render: impl Fn(String, &T) -> M,
) -> Vec<M> {
    entries
        .into_iter()
        .map(|(name, entry)| render(name.to_string(), entry))
        .collect()
}
