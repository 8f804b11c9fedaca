//! Decisions as messages.

use super::render::{instant, text, texts};
use crate::{
    app::decision::Answer,
    domain::{
        decision::{CategoryDecision, DecisionReason, Effect, TraceStep},
        name::DataCategory,
        policy::model::LawfulBasis,
    },
    proto::v1,
};

/// Most steps of one answer's trace.
pub const TRACE_STEPS_MAX: usize = 2_000;

/// A decision with the first `steps_max` steps of its trace.
pub fn decision(answer: &Answer, steps_max: usize) -> v1::Decision {
    let decision = &answer.decision;
    let steps = decision.per_category.iter().flat_map(|category| {
        let steps = category.trace.iter();
        steps.map(|step| trace_step(&category.data_category, step))
    });
    v1::Decision {
        effect: effect(decision.effect).into(),
        reason: reason(decision.reason).into(),
        lawful_basis: basis(decision.lawful_basis).into(),
        activity: text(decision.activity.as_ref()),
        policy_version: text(decision.policy_version.as_ref()),
        consent_id: text(decision.consent_id.as_ref()),
        valid_until: decision.valid_until.map(instant),
        revision: answer.revision.to_string(),
        decision_id: text(answer.decision_id.as_ref()),
        per_category: decision.per_category.iter().map(category).collect(),
        trace: steps.take(steps_max).collect(),
    }
}

/// The answer for one data category.
pub fn category(category: &CategoryDecision) -> v1::CategoryDecision {
    v1::CategoryDecision {
        data_category: category.data_category.to_string(),
        effect: effect(category.effect).into(),
        reason: reason(category.reason).into(),
        lawful_basis: basis(category.lawful_basis).into(),
        activity: text(category.activity.as_ref()),
        consent_id: text(category.consent_id.as_ref()),
        item_ids: texts(&category.item_ids),
        valid_until: category.valid_until.map(instant),
    }
}

/// A lawful basis; unspecified when there is none.
fn basis(basis: Option<LawfulBasis>) -> v1::LawfulBasis {
    match basis {
        None => v1::LawfulBasis::Unspecified,
        Some(LawfulBasis::Consent) => v1::LawfulBasis::Consent,
        Some(LawfulBasis::Contract) => v1::LawfulBasis::Contract,
        Some(LawfulBasis::LegalObligation) => v1::LawfulBasis::LegalObligation,
        Some(LawfulBasis::VitalInterests) => v1::LawfulBasis::VitalInterests,
        Some(LawfulBasis::PublicTask) => v1::LawfulBasis::PublicTask,
        Some(LawfulBasis::LegitimateInterests) => v1::LawfulBasis::LegitimateInterests,
    }
}

fn trace_step(data: &DataCategory, step: &TraceStep) -> v1::TraceStep {
    v1::TraceStep {
        data_category: data.to_string(),
        activity: text(step.activity.as_ref()),
        subject_category: text(step.subject_category.as_ref()),
        item_id: text(step.item_id.as_ref()),
        rule: reason(step.rule).into(),
        applied: step.applies,
        detail: step.detail(),
    }
}

fn effect(effect: Effect) -> v1::Effect {
    match effect {
        Effect::Allow => v1::Effect::Allow,
        Effect::Deny => v1::Effect::Deny,
    }
}

fn reason(reason: DecisionReason) -> v1::DecisionReason {
    use DecisionReason as Reason;
    match reason {
        Reason::SubjectUnknown => v1::DecisionReason::SubjectUnknown,
        Reason::SubjectErased => v1::DecisionReason::SubjectErased,
        Reason::PurposeUnknown => v1::DecisionReason::PurposeUnknown,
        Reason::DataCategoryUnknown => v1::DecisionReason::DataCategoryUnknown,
        Reason::ProcessorUnknown => v1::DecisionReason::ProcessorUnknown,
        Reason::NoActivity => v1::DecisionReason::NoActivity,
        Reason::ProcessorNotNamed => v1::DecisionReason::ProcessorNotNamed,
        Reason::ProcessingRestricted => v1::DecisionReason::ProcessingRestricted,
        Reason::NotCollected => v1::DecisionReason::NotCollected,
        Reason::PurposeExcluded => v1::DecisionReason::PurposeExcluded,
        Reason::RetentionExpired => v1::DecisionReason::RetentionExpired,
        Reason::Objected => v1::DecisionReason::Objected,
        Reason::ConsentRefused => v1::DecisionReason::ConsentRefused,
        Reason::ConsentWithdrawn => v1::DecisionReason::ConsentWithdrawn,
        Reason::ConsentMissing => v1::DecisionReason::ConsentMissing,
        Reason::ConsentExpired => v1::DecisionReason::ConsentExpired,
        Reason::ConsentEvidenceInsufficient => v1::DecisionReason::ConsentEvidenceInsufficient,
        Reason::ConsentOutdated => v1::DecisionReason::ConsentOutdated,
        Reason::Lawful => v1::DecisionReason::Lawful,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_the_published_name_of_its_own() {
        for known in DecisionReason::ALL {
            let published = reason(known).as_str_name();
            assert_eq!(published, format!("DECISION_REASON_{known}"));
        }
    }
}
