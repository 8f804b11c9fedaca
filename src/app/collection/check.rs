//! A registration against the policy: everything that can be judged without knowing the person.

use jiff::Timestamp;

use super::{AHEAD, CollectedItem, Registration};
use crate::{
    app::{
        consent::{CheckedStatement, check_statement},
        error::{Error, Missing},
        registry::{AHEAD_MAX, in_force},
        resolve::declared,
    },
    domain::{
        caller::{Caller, Scope},
        id::{ItemId, SubjectId},
        identifier::NormalisedIdentifier,
        item::{Content, ItemKey, ItemState},
        name::{DataCategory, PolicyVersion, Purpose, Source, SubjectCategory},
        policy::{compile::CompiledPolicy, history::PolicyHistory, model::IdentifierKind},
        subject_ref::{Identifier, SubjectRef},
        violation::Violations,
    },
    store::identifier::IdentifierKey,
};

/// Where the identifier stands that names the person.
const SUBJECT: &str = "subject";

/// A registration that keeps to every rule of the policy.
pub(super) struct Checked {
    /// The subject that is named by its id.
    pub(super) named: Option<SubjectId>,
    pub(super) identifiers: Vec<CheckedIdentifier>,
    pub(super) subject_category: SubjectCategory,
    pub(super) collected_at: Timestamp,
    pub(super) items: Vec<CheckedItem>,
    pub(super) consents: Vec<CheckedStatement>,
    /// Whether the person was erased and has come back.
    pub(super) returning: bool,
}

pub(super) struct CheckedIdentifier {
    /// Where it stood: `subject`, or `identifiers[1]`.
    pub(super) field: String,
    pub(super) identifier: Identifier,
    pub(super) normalised: NormalisedIdentifier,
    pub(super) kind: IdentifierKind,
}

impl CheckedIdentifier {
    /// Whether it is the one that names the person, not a further one.
    pub(super) fn is_subject(&self) -> bool {
        self.field == SUBJECT
    }

    pub(super) fn key(&self) -> IdentifierKey {
        (
            self.identifier.identifier_type.clone(),
            self.normalised.clone(),
        )
    }
}

pub(super) struct CheckedItem {
    pub(super) data_category: DataCategory,
    pub(super) key: ItemKey,
    pub(super) content: Option<Content>,
    pub(super) source: Source,
    pub(super) collected_at: Timestamp,
    pub(super) policy_version: PolicyVersion,
    pub(super) purposes: Vec<Purpose>,
}

impl CheckedItem {
    /// Its state under an id.
    pub(super) fn state(&self, item_id: ItemId, category: &SubjectCategory) -> ItemState {
        ItemState {
            item_id,
            subject_category: category.clone(),
            data_category: self.data_category.clone(),
            source: self.source.clone(),
            collected_at: self.collected_at,
            policy_version: self.policy_version.clone(),
            purposes: self.purposes.clone(),
            retained_for: None,
        }
    }
}

/// Checks a registration: first what the caller may speak for, then every rule, all that is broken
/// at once; then whether the policy of the time declares what was collected, again all at once.
pub(super) fn check(
    policies: &PolicyHistory,
    now: Timestamp,
    caller: &Caller,
    registration: &Registration,
) -> Result<Checked, Error> {
    let current = in_force(policies, now)?;
    let mut check = Check {
        policies,
        now,
        caller,
        violations: Violations::default(),
        undeclared: Violations::default(),
    };
    check.claims(registration)?;
    let collected_at = check.instant("collected_at", registration.collected_at, now);
    let identifiers = check.identifiers(current, registration);
    let category = &registration.subject_category;
    check.category(category, collected_at)?;
    let items = check.items(registration, collected_at)?;
    let consents = check.consents(registration, collected_at)?;
    check.finish()?;
    Ok(Checked {
        named: match registration.subject {
            SubjectRef::Id(id) => Some(id),
            SubjectRef::Identifier(_) => None,
        },
        identifiers,
        subject_category: category.clone(),
        collected_at,
        items,
        consents,
        returning: registration.returning_subject,
    })
}

/// What is said of a subject category that the policy does not know.
pub(in crate::app) fn no_category(policy: &CompiledPolicy) -> String {
    let categories = policy.policy().subject_categories.keys();
    let names: Vec<_> = categories.map(SubjectCategory::as_str).collect();
    format!(
        "is no subject category of policy version {}, which has {}",
        policy.version(),
        names.join(", ")
    )
}

struct Check<'a> {
    policies: &'a PolicyHistory,
    now: Timestamp,
    caller: &'a Caller,
    violations: Violations,
    undeclared: Violations,
}

impl<'a> Check<'a> {
    fn claims(&self, registration: &Registration) -> Result<(), Error> {
        if registration.returning_subject && !self.caller.has(Scope::CollectReturning) {
            return Err(Error::ScopeMissing(Scope::CollectReturning.as_str()));
        }
        for (place, item) in registration.items.iter().enumerate() {
            if !self.caller.may_speak_for_source(self.source(item)) {
                return Err(Error::ClaimMissing {
                    claim: "sources",
                    field: format!("items[{place}].source"),
                });
            }
        }
        Ok(())
    }

    fn source<'i>(&self, item: &'i CollectedItem) -> &'i Source
    where
        'a: 'i,
    {
        item.source.as_ref().unwrap_or(&self.caller.service)
    }

    fn instant(&mut self, field: &str, at: Option<Timestamp>, default: Timestamp) -> Timestamp {
        let at = at.unwrap_or(default);
        if at > self.now + AHEAD_MAX {
            self.violations.add(field, AHEAD);
        }
        at
    }

    fn policy_at(&self, at: Timestamp) -> Result<&'a CompiledPolicy, Error> {
        let policy = self.policies.in_force(at);
        policy
            .map(|policy| &**policy)
            .ok_or(Error::NotFound(Missing::Policy))
    }

    /// How people are recognised is judged by the policy in force now, not by that of the time.
    fn identifiers(
        &mut self,
        policy: &CompiledPolicy,
        registration: &Registration,
    ) -> Vec<CheckedIdentifier> {
        let first = match &registration.subject {
            SubjectRef::Id(_) => None,
            SubjectRef::Identifier(identifier) => Some((
                SUBJECT.to_owned(),
                "subject.identifier".to_owned(),
                identifier,
            )),
        };
        let further = registration.identifiers.iter().enumerate();
        let further = further.map(|(place, identifier)| {
            let field = format!("identifiers[{place}]");
            (field.clone(), field, identifier)
        });
        let all = first.into_iter().chain(further);
        all.filter_map(|(field, path, identifier)| {
            let (entry, normalised) = declared(policy, identifier, &path, &mut self.violations)?;
            Some(CheckedIdentifier {
                field,
                identifier: identifier.clone(),
                normalised,
                kind: entry.kind,
            })
        })
        .collect()
    }

    fn category(&mut self, category: &SubjectCategory, at: Timestamp) -> Result<(), Error> {
        let policy = self.policy_at(at)?;
        if policy.subject_category(category).is_none() {
            self.violations.add("subject_category", no_category(policy));
        }
        Ok(())
    }

    fn items(
        &mut self,
        registration: &Registration,
        collected_at: Timestamp,
    ) -> Result<Vec<CheckedItem>, Error> {
        let items = registration.items.iter().enumerate();
        items
            .map(|(place, item)| {
                let path = format!("items[{place}]");
                self.item(&path, item, &registration.subject_category, collected_at)
            })
            .collect()
    }

    fn item(
        &mut self,
        path: &str,
        item: &CollectedItem,
        category: &SubjectCategory,
        collected_at: Timestamp,
    ) -> Result<CheckedItem, Error> {
        let at = self.instant(
            &format!("{path}.collected_at"),
            item.collected_at,
            collected_at,
        );
        let policy = self.policy_at(at)?;
        if item
            .subject_category
            .as_ref()
            .is_some_and(|one| one != category)
        {
            self.violations.add(
                format!("{path}.subject_category"),
                "must be empty or the registration's subject category",
            );
        }
        self.purposes(path, item, policy);
        if !policy.collects(category, &item.data_category) {
            self.undeclared.add(
                format!("{path}.data_category"),
                format!(
                    "is not declared as collected from this subject category by policy version {}",
                    policy.version()
                ),
            );
        }
        Ok(CheckedItem {
            data_category: item.data_category.clone(),
            key: item.key.clone(),
            content: item.content.clone(),
            source: self.source(item).clone(),
            collected_at: at,
            policy_version: policy.version().clone(),
            purposes: item.purposes.clone(),
        })
    }

    fn purposes(&mut self, path: &str, item: &CollectedItem, policy: &CompiledPolicy) {
        for (place, purpose) in item.purposes.iter().enumerate() {
            if policy.purpose(purpose).is_none() {
                self.violations.add(
                    format!("{path}.purposes[{place}]"),
                    format!("is no purpose of policy version {}", policy.version()),
                );
            }
        }
    }

    /// A statement without a time of its own was made when the rest was collected.
    fn consents(
        &mut self,
        registration: &Registration,
        collected_at: Timestamp,
    ) -> Result<Vec<CheckedStatement>, Error> {
        let mut checked = Vec::with_capacity(registration.consents.len());
        for (place, statement) in registration.consents.iter().enumerate() {
            let mut statement = statement.clone();
            statement.occurred_at.get_or_insert(collected_at);
            let path = format!("consents[{place}]");
            match check_statement(self.policies, &statement, self.caller, self.now, &path) {
                Ok(statement) => checked.push(statement),
                Err(Error::Invalid(violations)) => self.violations.extend(violations),
                Err(error) => return Err(error),
            }
        }
        Ok(checked)
    }

    fn finish(self) -> Result<(), Error> {
        self.violations.or(())?;
        self.undeclared.or(()).map_err(Error::CollectionUndeclared)
    }
}
