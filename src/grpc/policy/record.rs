//! The record of processing activities (Art. 30) as its message.

use crate::{
    domain::policy::{
        compile::CompiledPolicy,
        processing_record::{
            ActivityRecord, ErasureLimit, NamedEntry, ProcessingRecord, RecipientRecord,
        },
    },
    grpc::{
        choice::{Choice, optional_number},
        render::{instant, text},
    },
    proto::v1,
};

/// Renders the record of `policy`.
pub(super) fn record(policy: &CompiledPolicy, record: &ProcessingRecord) -> v1::ProcessingRecord {
    let activities = record.activities.iter();
    v1::ProcessingRecord {
        policy_id: record.policy_id.clone(),
        policy_version: record.policy_version.to_string(),
        effective_from: Some(instant(record.effective_from)),
        controller: Some(super::render::controller(&policy.policy().controller)),
        activities: activities.map(|one| activity(policy, one)).collect(),
        security_measures: record.security_measures.clone(),
        gaps: record.gaps.clone(),
    }
}

fn activity(policy: &CompiledPolicy, record: &ActivityRecord) -> v1::ProcessingRecordActivity {
    let provenance = policy
        .activity(&record.activity)
        .map(|activity| activity.provenance.clone())
        .unwrap_or_default();
    let special = record.special_categories.iter();
    v1::ProcessingRecordActivity {
        activity: record.activity.to_string(),
        purpose: record.purpose.name.clone(),
        purpose_title: record.purpose.title.clone(),
        lawful_basis: optional_number(record.lawful_basis),
        subject_categories: named(&record.subject_categories),
        data_categories: named(&record.data_categories),
        special_categories: special
            .map(|entry| v1::ProcessingRecordSpecialCategory {
                data_category: entry.name.clone(),
                condition: entry.title.clone(),
            })
            .collect(),
        recipients: record.recipients.iter().map(recipient).collect(),
        time_limits: record.erasure_limits.iter().map(time_limit).collect(),
        stated_duration: record.stated_duration.clone().unwrap_or_default(),
        after_category_end: record.after_category_end.clone(),
        section: provenance.section,
        inferred: provenance.inferred,
        gaps: record.gaps.clone(),
    }
}

fn recipient(record: &RecipientRecord) -> v1::ProcessingRecordRecipient {
    v1::ProcessingRecordRecipient {
        processor: record.processor.to_string(),
        title: record.title.clone(),
        service: record.service.clone(),
        role: record.role.number(),
        country: record.country.clone().unwrap_or_default(),
        third_country: record.third_country,
        safeguard: record.safeguard.clone().unwrap_or_default(),
        data_categories: named(&record.data_categories),
    }
}

fn time_limit(limit: &ErasureLimit) -> v1::ProcessingRecordTimeLimit {
    v1::ProcessingRecordTimeLimit {
        data_categories: named(&limit.data_categories),
        subject_categories: named(&limit.subject_categories),
        processor: text(limit.processor.as_ref()),
        kind: limit.kind.number(),
        after: limit.after.number(),
        period: limit.period.clone(),
        ground: limit.ground.clone(),
    }
}

fn named(entries: &[NamedEntry]) -> Vec<v1::NamedEntry> {
    let entries = entries.iter().map(|entry| v1::NamedEntry {
        name: entry.name.clone(),
        title: entry.title.clone(),
    });
    entries.collect()
}
