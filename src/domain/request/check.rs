//! What is asked for, held against the rules: which scope goes with which kind. All that is wrong is
//! said at once, under the paths of the message.

use super::{RequestKind, Scope};
use crate::domain::{policy::history::PolicyHistory, violation::Violations};

/// One entry of a scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScopeEntry {
    /// Only these data categories.
    DataCategories,
    /// Only these items.
    ItemIds,
    /// For these purposes.
    Purposes,
    /// For every purpose.
    AllPurposes,
    /// The right values.
    Corrections,
    /// Why it may be erased.
    ErasureGround,
}

impl ScopeEntry {
    const ALL: [Self; 6] = [
        Self::DataCategories,
        Self::ItemIds,
        Self::Purposes,
        Self::AllPurposes,
        Self::Corrections,
        Self::ErasureGround,
    ];

    fn path(self) -> &'static str {
        match self {
            Self::DataCategories => "scope.data_categories",
            Self::ItemIds => "scope.item_ids",
            Self::Purposes => "scope.purposes",
            Self::AllPurposes => "scope.all_purposes",
            Self::Corrections => "scope.corrections",
            Self::ErasureGround => "scope.erasure_ground",
        }
    }

    /// The kinds that it goes with.
    fn fitting(self) -> &'static [RequestKind] {
        match self {
            Self::DataCategories => &[
                RequestKind::Access,
                RequestKind::Portability,
                RequestKind::Erasure,
                RequestKind::Restriction,
            ],
            Self::ItemIds | Self::ErasureGround => &[RequestKind::Erasure],
            Self::Purposes => &[RequestKind::Objection, RequestKind::Withdrawal],
            Self::AllPurposes => &[RequestKind::Withdrawal],
            Self::Corrections => &[RequestKind::Rectification],
        }
    }

    /// The same, in words.
    fn goes_with(self) -> &'static str {
        match self {
            Self::DataCategories => "ACCESS, PORTABILITY, ERASURE and RESTRICTION",
            Self::ItemIds | Self::ErasureGround => "ERASURE",
            Self::Purposes => "OBJECTION and WITHDRAWAL",
            Self::AllPurposes => "WITHDRAWAL",
            Self::Corrections => "RECTIFICATION",
        }
    }
}

impl Scope {
    /// The entries that say something.
    pub fn filled(&self) -> Vec<ScopeEntry> {
        let is_filled = |entry: &ScopeEntry| match entry {
            ScopeEntry::DataCategories => !self.data_categories.is_empty(),
            ScopeEntry::ItemIds => !self.item_ids.is_empty(),
            ScopeEntry::Purposes => !self.purposes.is_empty(),
            ScopeEntry::AllPurposes => self.all_purposes,
            ScopeEntry::Corrections => !self.corrected_items.is_empty(),
            ScopeEntry::ErasureGround => self.erasure_ground.is_some(),
        };
        ScopeEntry::ALL.into_iter().filter(is_filled).collect()
    }
}

/// Every rule that the kinds and the scope of a request break. `policies`: a name must be one of some
/// published version, since people ask about what was collected under older ones, too.
pub fn violations(kinds: &[RequestKind], scope: &Scope, policies: &PolicyHistory) -> Violations {
    let kinds: Vec<_> = kinds.iter().copied().map(Some).collect();
    let mut violations = broken_rules(&kinds, &scope.filled());
    check_names(scope, policies, &mut violations);
    violations
}

/// The rules that are broken whatever the policies say. A message that is malformed elsewhere
/// can be asked about, too: a kind that could not be read is `None`, and `filled` are the entries in
/// which something stands, whether or not it could be read.
pub fn broken_rules(kinds: &[Option<RequestKind>], filled: &[ScopeEntry]) -> Violations {
    let mut violations = Violations::default();
    check_kinds(kinds, &mut violations);
    check_needed(kinds, filled, &mut violations);
    // What an unreadable kind goes with, nobody knows.
    if kinds.iter().all(Option::is_some) {
        check_fitting(kinds, filled, &mut violations);
    }
    violations
}

fn check_kinds(kinds: &[Option<RequestKind>], violations: &mut Violations) {
    if kinds.is_empty() {
        violations.add("kinds", "must not be empty");
    }
    for (index, kind) in kinds.iter().enumerate() {
        if kind.is_some() && kinds[..index].contains(kind) {
            violations.add(format!("kinds[{index}]"), "must not be there twice");
        }
    }
}

fn check_needed(kinds: &[Option<RequestKind>], filled: &[ScopeEntry], violations: &mut Violations) {
    let has = |kind| kinds.contains(&Some(kind));
    let lacks = |entry| !filled.contains(&entry);
    if has(RequestKind::Objection) && lacks(ScopeEntry::Purposes) {
        violations.add("scope.purposes", "must name what is objected to");
    }
    if has(RequestKind::Withdrawal) && lacks(ScopeEntry::Purposes) && lacks(ScopeEntry::AllPurposes)
    {
        violations.add(
            "scope.purposes",
            "must name the purposes whose consent is withdrawn, unless all_purposes is set",
        );
    }
    if has(RequestKind::Rectification) && lacks(ScopeEntry::Corrections) {
        violations.add("scope.corrections", "must have at least one right value");
    }
}

fn check_fitting(
    kinds: &[Option<RequestKind>],
    filled: &[ScopeEntry],
    violations: &mut Violations,
) {
    for entry in filled {
        let mut fitting = entry.fitting().iter();
        if !fitting.any(|kind| kinds.contains(&Some(*kind))) {
            violations.add(
                entry.path(),
                format!("goes with {} only", entry.goes_with()),
            );
        }
    }
}

fn check_names(scope: &Scope, policies: &PolicyHistory, violations: &mut Violations) {
    for (index, purpose) in scope.purposes.iter().enumerate() {
        if !policies.knows_purpose(purpose) {
            let field = format!("scope.purposes[{index}]");
            violations.add(field, "is no purpose of any published policy version");
        }
    }
    for (index, data) in scope.data_categories.iter().enumerate() {
        if !policies.knows_data_category(data) {
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
    fn broken(kinds: &[Option<RequestKind>], filled: &[ScopeEntry]) -> Vec<String> {
        let violations = broken_rules(kinds, filled);
        violations.iter().map(|one| one.field.clone()).collect()
    }

    #[test]
    fn a_kind_that_could_not_be_read_hides_neither_a_repeat_nor_what_is_missing() {
        let kinds = [
            Some(RequestKind::Objection),
            None,
            Some(RequestKind::Objection),
            None,
        ];
        let filled = [ScopeEntry::ItemIds];
        assert_eq!(broken(&kinds, &filled), ["kinds[2]", "scope.purposes"]);
        let filled = [ScopeEntry::Purposes];
        assert_eq!(broken(&kinds, &filled), ["kinds[2]"]);
    }
}
