//! What is asked for, held against the rules: which scope goes with which kind. All that is wrong is
//! said at once, under the paths of the message.

use super::{RequestKind, Scope};
use crate::domain::{policy::history::PolicyHistory, violation::Violations};

/// Every rule that the kinds and the scope of a request break. `policies`: a name must be one of some
/// published version, since people ask about what was collected under older ones, too.
pub fn violations(kinds: &[RequestKind], scope: &Scope, policies: &PolicyHistory) -> Violations {
    let mut violations = Violations::default();
    check_kinds(kinds, &mut violations);
    check_needed(kinds, scope, &mut violations);
    check_fitting(kinds, scope, &mut violations);
    check_names(scope, policies, &mut violations);
    violations
}

fn check_kinds(kinds: &[RequestKind], violations: &mut Violations) {
    if kinds.is_empty() {
        violations.add("kinds", "must not be empty");
    }
    for (index, kind) in kinds.iter().enumerate() {
        if kinds[..index].contains(kind) {
            violations.add(format!("kinds[{index}]"), "must not be there twice");
        }
    }
}

fn check_needed(kinds: &[RequestKind], scope: &Scope, violations: &mut Violations) {
    let has = |kind| kinds.contains(&kind);
    if has(RequestKind::Objection) && scope.purposes.is_empty() {
        violations.add("scope.purposes", "must name what is objected to");
    }
    if has(RequestKind::Withdrawal) && scope.purposes.is_empty() && !scope.all_purposes {
        violations.add(
            "scope.purposes",
            "must name the purposes whose consent is withdrawn, unless all_purposes is set",
        );
    }
    if has(RequestKind::Rectification) && scope.corrected_items.is_empty() {
        violations.add("scope.corrections", "must have at least one right value");
    }
}

fn check_fitting(kinds: &[RequestKind], scope: &Scope, violations: &mut Violations) {
    let for_data = [
        RequestKind::Access,
        RequestKind::Portability,
        RequestKind::Erasure,
        RequestKind::Restriction,
    ];
    let for_purposes = [RequestKind::Objection, RequestKind::Withdrawal];
    let erasure = [RequestKind::Erasure];
    let withdrawal = [RequestKind::Withdrawal];
    let rectification = [RequestKind::Rectification];
    let rules: [(&str, bool, &[RequestKind], &str); 6] = [
        (
            "scope.data_categories",
            !scope.data_categories.is_empty(),
            &for_data,
            "ACCESS, PORTABILITY, ERASURE and RESTRICTION",
        ),
        (
            "scope.item_ids",
            !scope.item_ids.is_empty(),
            &erasure,
            "ERASURE",
        ),
        (
            "scope.purposes",
            !scope.purposes.is_empty(),
            &for_purposes,
            "OBJECTION and WITHDRAWAL",
        ),
        (
            "scope.all_purposes",
            scope.all_purposes,
            &withdrawal,
            "WITHDRAWAL",
        ),
        (
            "scope.corrections",
            !scope.corrected_items.is_empty(),
            &rectification,
            "RECTIFICATION",
        ),
        (
            "scope.erasure_ground",
            scope.erasure_ground.is_some(),
            &erasure,
            "ERASURE",
        ),
    ];
    for (field, is_set, fitting, names) in rules {
        if is_set && !fitting.iter().any(|kind| kinds.contains(kind)) {
            violations.add(field, format!("goes with {names} only"));
        }
    }
}

fn check_names(scope: &Scope, policies: &PolicyHistory, violations: &mut Violations) {
    let versions = || policies.versions().iter();
    for (index, purpose) in scope.purposes.iter().enumerate() {
        if !versions().any(|version| version.purpose(purpose).is_some()) {
            let field = format!("scope.purposes[{index}]");
            violations.add(field, "is no purpose of any published policy version");
        }
    }
    for (index, data) in scope.data_categories.iter().enumerate() {
        if !versions().any(|version| version.data_category(data).is_some()) {
            let field = format!("scope.data_categories[{index}]");
            violations.add(field, "is no data category of any published policy version");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::{
        id::ItemId,
        policy::{compile::CompiledPolicy, example::EXAMPLE_POLICY_YAML, format::parse_yaml},
        request::ErasureGround,
    };

    fn fields(kinds: &[RequestKind], scope: &Scope) -> Vec<String> {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).unwrap();
        let policy = Arc::new(CompiledPolicy::compile(policy).unwrap());
        let violations = violations(kinds, scope, &PolicyHistory::new(vec![policy]));
        violations.iter().map(|one| one.field.clone()).collect()
    }

    #[test]
    fn every_kind_may_be_asked_for_with_what_it_needs() {
        let scope = Scope {
            purposes: vec!["newsletter".parse().unwrap()],
            corrected_items: vec![ItemId(uuid::Uuid::from_u128(1))],
            data_categories: vec!["email_address".parse().unwrap()],
            item_ids: vec![ItemId(uuid::Uuid::from_u128(2))],
            all_purposes: true,
            erasure_ground: Some(ErasureGround::Unlawful),
        };
        assert!(fields(&RequestKind::ALL, &scope).is_empty());
        assert!(
            fields(
                &[RequestKind::Access, RequestKind::Erasure],
                &Scope::default()
            )
            .is_empty()
        );
    }

    #[test]
    fn what_is_missing_is_said_at_once() {
        let kinds = [
            RequestKind::Objection,
            RequestKind::Withdrawal,
            RequestKind::Rectification,
        ];
        assert_eq!(
            fields(&kinds, &Scope::default()),
            ["scope.purposes", "scope.purposes", "scope.corrections"]
        );
        assert_eq!(fields(&[], &Scope::default()), ["kinds"]);
        let twice = [RequestKind::Access, RequestKind::Access];
        assert_eq!(fields(&twice, &Scope::default()), ["kinds[1]"]);
    }

    #[test]
    fn what_does_not_go_with_the_kinds_is_refused_and_so_are_unknown_names() {
        let scope = Scope {
            purposes: vec!["weather".parse().unwrap()],
            corrected_items: vec![ItemId(uuid::Uuid::from_u128(1))],
            data_categories: vec!["shoe_size".parse().unwrap()],
            item_ids: vec![ItemId(uuid::Uuid::from_u128(2))],
            all_purposes: true,
            erasure_ground: Some(ErasureGround::Child),
        };
        assert_eq!(
            fields(&[RequestKind::Access], &scope),
            [
                "scope.item_ids",
                "scope.purposes",
                "scope.all_purposes",
                "scope.corrections",
                "scope.erasure_ground",
                "scope.purposes[0]",
                "scope.data_categories[0]",
            ]
        );
    }
}
