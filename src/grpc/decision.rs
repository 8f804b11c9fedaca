//! Decisions as messages.

use super::{
    choice::{Choice, optional_number},
    render::{id, instant, name, text},
};
use crate::{
    app::decision::Answer,
    domain::{
        decision::{CategoryDecision, TraceStep},
        name::DataCategory,
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
        effect: decision.effect.number(),
        reason: decision.reason.number(),
        lawful_basis: optional_number(decision.lawful_basis),
        activity: name(decision.activity.as_ref()),
        policy_version: name(decision.policy_version.as_ref()),
        consent_id: decision.consent_id.map(id).unwrap_or_default(),
        valid_until: decision.valid_until.map(instant),
        revision: answer.revision.to_string(),
        decision_id: answer.decision_id.map(id).unwrap_or_default(),
        per_category: decision.per_category.iter().map(category).collect(),
        trace: steps.take(steps_max).collect(),
    }
}

/// The answer for one data category.
pub fn category(category: &CategoryDecision) -> v1::CategoryDecision {
    v1::CategoryDecision {
        data_category: name(Some(&category.data_category)),
        effect: category.effect.number(),
        reason: category.reason.number(),
        lawful_basis: optional_number(category.lawful_basis),
        activity: name(category.activity.as_ref()),
        consent_id: category.consent_id.map(id).unwrap_or_default(),
        item_ids: category.item_ids.iter().copied().map(id).collect(),
        valid_until: category.valid_until.map(instant),
    }
}

fn trace_step(data: &DataCategory, step: &TraceStep) -> v1::TraceStep {
    v1::TraceStep {
        data_category: data.to_string(),
        activity: text(step.activity.as_ref()),
        subject_category: text(step.subject_category.as_ref()),
        item_id: text(step.item_id.as_ref()),
        rule: step.rule.number(),
        applied: step.applies,
        detail: step.detail(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::decision::DecisionReason;

    #[test]
    fn every_reason_has_the_published_name_of_its_own() {
        for known in DecisionReason::ALL {
            let published = known.render().as_str_name();
            assert_eq!(published, format!("DECISION_REASON_{known}"));
        }
    }
}
