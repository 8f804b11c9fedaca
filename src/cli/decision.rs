//! Decisions for people.

use std::process::ExitCode;

use prost::Message;
use tonic::Status;

use super::{
    exit,
    output::{Grid, printable, short, time},
    paint::Paint,
    tree::Tree,
};
use crate::proto::v1::{Decision, DecisionReason, Effect, LawfulBasis};

/// The exit code of an answer.
pub(super) fn exit_code(decision: &Decision) -> ExitCode {
    match decision.effect() {
        Effect::Allow => ExitCode::SUCCESS,
        Effect::Deny | Effect::Unspecified => ExitCode::from(exit::DENY),
    }
}

/// The decision in a refusal that carries one (`NOT_LAWFUL`).
pub(super) fn in_refusal(status: &Status) -> Option<Decision> {
    let details = tonic_types::pb::Status::decode(status.details()).ok()?;
    details
        .details
        .iter()
        .find(|detail| {
            detail
                .type_url
                .ends_with("/personaldata.registry.v1.Decision")
        })
        .and_then(|detail| Decision::decode(detail.value.as_slice()).ok())
}

/// A decision: the answer, each data category, and every rule if it was to be explained.
pub(super) fn render(decision: &Decision) -> String {
    let mut text = headline(decision);
    let mut grid = Grid::new(&["data", "answer", "reason", "basis", "activity", "items"]);
    for one in &decision.per_category {
        grid.row([
            one.data_category.as_str(),
            effect(one.effect()),
            reason(one.reason()),
            &basis(one.lawful_basis()),
            &one.activity,
            &one.item_ids.len().to_string(),
        ]);
    }
    if !grid.is_empty() {
        text.push_str(&grid.to_string());
    }
    if !decision.trace.is_empty() {
        text.push_str(&explanation(decision));
    }
    text
}

fn headline(decision: &Decision) -> String {
    let paint = Paint::for_stdout();
    let answer = format!(
        "{} {}",
        effect(decision.effect()),
        reason(decision.reason())
    );
    // Before the first version was published there was none.
    let mut facts = vec![match decision.policy_version.as_str() {
        "" => "no policy in force".to_owned(),
        version => format!("policy {version}"),
    }];
    if !decision.activity.is_empty() {
        facts.push(format!("activity {}", decision.activity));
    }
    if decision.valid_until.is_some() {
        facts.push(format!("until {}", time(decision.valid_until.as_ref())));
    }
    if !decision.decision_id.is_empty() {
        facts.push(format!("kept as {}", decision.decision_id));
    }
    facts.push(format!("revision {}", decision.revision));
    format!(
        "{}  {}\n",
        paint.effect(decision.effect(), &answer),
        paint.dim(&facts.join(", "))
    )
}

/// Every rule considered, in the order in which it was: per data category, then per activity and
/// role, then per item. The one that is marked decided.
fn explanation(decision: &Decision) -> String {
    let paint = Paint::for_stdout();
    let mut tree = Tree::new("why");
    for step in &decision.trace {
        let mut node = tree.branch(&printable(&step.data_category));
        if !step.activity.is_empty() {
            let role = match step.subject_category.as_str() {
                "" => String::new(),
                role => format!(", as {role}"),
            };
            node = node.branch(&printable(&format!("activity {}{role}", step.activity)));
        }
        if !step.item_id.is_empty() {
            node = node.branch(&printable(&format!("item {}", step.item_id)));
        }
        let rule = match (step.applied, step.rule()) {
            (true, DecisionReason::Lawful) => paint.good("✓ LAWFUL"),
            (true, rule) => paint.bad(&format!("✗ {}", reason(rule))),
            (false, rule) => paint.dim(&format!("· not {}", reason(rule))),
        };
        node.leaf(match step.detail.as_str() {
            "" => rule,
            detail => format!("{rule}  {}", paint.dim(detail)),
        });
    }
    tree.draw()
}

/// `ALLOW` or `DENY`.
pub(super) fn effect(effect: Effect) -> &'static str {
    short(effect.as_str_name(), "EFFECT_")
}

/// The reason's name.
pub(super) fn reason(reason: DecisionReason) -> &'static str {
    short(reason.as_str_name(), "DECISION_REASON_")
}

/// The basis in words; empty when there is none.
pub(super) fn basis(basis: LawfulBasis) -> String {
    match basis {
        LawfulBasis::Unspecified => String::new(),
        named => short(named.as_str_name(), "LAWFUL_BASIS_")
            .to_lowercase()
            .replace('_', " "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::TraceStep;

    fn step(activity: &str, item: &str, rule: DecisionReason, applied: bool) -> TraceStep {
        TraceStep {
            data_category: "email_address".into(),
            activity: activity.into(),
            item_id: item.into(),
            rule: rule.into(),
            applied,
            ..TraceStep::default()
        }
    }

    #[test]
    fn an_explanation_says_which_rule_decided_for_which_item() {
        let decision = Decision {
            trace: vec![
                step("", "", DecisionReason::SubjectUnknown, false),
                step("letters", "i1", DecisionReason::Objected, false),
                step("letters", "i1", DecisionReason::ConsentMissing, true),
            ],
            ..Decision::default()
        };
        assert_eq!(
            explanation(&decision),
            "why\n\
             └─ email_address\n   \
                ├─ · not SUBJECT_UNKNOWN\n   \
                └─ activity letters\n      \
                   └─ item i1\n         \
                      ├─ · not OBJECTED\n         \
                      └─ ✗ CONSENT_MISSING\n"
        );
    }
}
