//! Who calls, and what that caller may do and speak for. A caller is made from a verified token, or is
//! one of the registry's own connectors; an absent claim permits nothing.

use std::{collections::BTreeSet, fmt, str::FromStr};

use jiff::Timestamp;

use super::{
    audit::REGISTRY,
    name::{Processor, Purpose, Source},
};

/// Stands for everything in a bounding claim.
pub const EVERYTHING: &str = "*";
/// Stands for the controller itself in the `processors` claim.
pub const CONTROLLER: &str = "-";

/// Whether a service's name is the registry's own: what it does by itself stands in the log under it, so
/// nobody else may have it.
pub fn is_reserved(service: &Source) -> bool {
    service.as_str() == REGISTRY
}

/// A service that calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The service's own name: the token's `sub`.
    pub service: Source,
    /// The groups of calls it may make.
    pub scopes: BTreeSet<Scope>,
    /// The sources it may speak for.
    pub sources: Bound<Source>,
    /// The purposes it may use.
    pub purposes: Bound<Purpose>,
    /// The recipients it may name; `None` is the controller itself.
    pub processors: Bound<Option<Processor>>,
    /// When its token runs out: what goes on longer than that ends there. `None`: it does not.
    pub expires_at: Option<Timestamp>,
}

impl Caller {
    /// The registry's own connector to a processor: it works on that processor's tasks and does nothing
    /// else. `service` is the name under which it stands in the log.
    pub fn of_connector(service: Source, processor: Processor) -> Self {
        Self {
            service,
            scopes: BTreeSet::from([Scope::Tasks]),
            sources: Bound::Nothing,
            purposes: Bound::Nothing,
            processors: Bound::Named(BTreeSet::from([Some(processor)])),
            expires_at: None,
        }
    }

    /// Whether it may make calls of this scope.
    pub fn has(&self, scope: Scope) -> bool {
        self.scopes.contains(&scope)
    }

    /// Whether its token has run out.
    pub fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// Whether it may register, delete and see for this source.
    pub fn may_speak_for_source(&self, source: &Source) -> bool {
        self.sources.permits(source)
    }

    /// Whether it may check, fetch or disclose for this purpose.
    pub fn may_use_purpose(&self, purpose: &Purpose) -> bool {
        self.purposes.permits(purpose)
    }

    /// Whether it may use a purpose of this name for a recipient of this name.
    pub fn may_ask(&self, purpose: &str, processor: Option<&str>) -> bool {
        let purposes = match &self.purposes {
            Bound::Nothing => false,
            Bound::Named(named) => named.contains(purpose),
            Bound::Everything => true,
        };
        purposes
            && match &self.processors {
                Bound::Nothing => false,
                Bound::Named(named) => {
                    let mut named = named.iter();
                    named.any(|it| it.as_ref().map(Processor::as_str) == processor)
                }
                Bound::Everything => true,
            }
    }

    /// Whether it may act towards this recipient; `None` is the controller itself.
    pub fn may_name_processor(&self, processor: Option<&Processor>) -> bool {
        self.processors.permits(&processor.cloned())
    }
}

/// What a claim permits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Bound<T: Ord> {
    /// Nothing: the claim is absent or empty.
    #[default]
    Nothing,
    /// These.
    Named(BTreeSet<T>),
    /// Everything: the claim says `*`.
    Everything,
}

impl<T: Ord> Bound<T> {
    /// Whether the bound permits this one.
    pub fn permits(&self, one: &T) -> bool {
        match self {
            Self::Nothing => false,
            Self::Named(named) => named.contains(one),
            Self::Everything => true,
        }
    }
}

impl<T: Ord> FromIterator<T> for Bound<T> {
    fn from_iter<I: IntoIterator<Item = T>>(names: I) -> Self {
        let set: BTreeSet<T> = names.into_iter().collect();
        if set.is_empty() {
            Self::Nothing
        } else {
            Self::Named(set)
        }
    }
}

macro_rules! scopes {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// A group of calls.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Scope {$(
            $(#[$doc])*
            $name,
        )*}

        impl Scope {
            /// Every scope.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The scope as it stands in a token.
            pub fn as_str(self) -> &'static str {
                match self {$(
                    Self::$name => $text,
                )*}
            }
        }
    };
}

scopes! {
    /// Read policies and consent forms.
    PolicyRead = "policy.read",
    /// Publish policies.
    PolicyWrite = "policy.write",
    /// Register collections.
    Collect = "collect",
    /// Register somebody who was erased and comes back of their own accord: `collect` alone is
    /// refused there, lest a partner's automatic update brings an erased person back.
    CollectReturning = "collect.returning",
    /// Record and withdraw consent.
    Consent = "consent",
    /// Ask whether a use is lawful.
    Check = "check",
    /// Fetch the content of records.
    RecordsRead = "records.read",
    /// Correct and delete records.
    RecordsWrite = "records.write",
    /// Link, merge and categorise subjects.
    Subjects = "subjects",
    /// Record disclosures to processors.
    Disclose = "disclose",
    /// Work on data subject requests.
    Requests = "requests",
    /// Lease and complete tasks.
    Tasks = "tasks",
    /// Place and release legal holds.
    Holds = "holds",
    /// Preview purges.
    Retention = "retention",
    /// Watch events.
    Events = "events",
    /// Read the audit log.
    Audit = "audit",
}

/// The text names no scope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is not a scope")]
pub struct ScopeUnknown;

impl FromStr for Scope {
    type Err = ScopeUnknown;

    fn from_str(text: &str) -> Result<Self, ScopeUnknown> {
        let named = Self::ALL.iter().find(|scope| scope.as_str() == text);
        named.copied().ok_or(ScopeUnknown)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller {
            service: "checkout".parse().unwrap(),
            scopes: BTreeSet::from([Scope::Check]),
            sources: Bound::default(),
            purposes: Bound::default(),
            processors: Bound::default(),
            expires_at: None,
        }
    }

    #[test]
    fn an_absent_claim_permits_nothing() {
        let caller = caller();
        assert!(!caller.may_speak_for_source(&"checkout".parse().unwrap()));
        assert!(!caller.may_use_purpose(&"order_processing".parse().unwrap()));
        assert!(!caller.may_name_processor(None));
        assert!(!caller.may_name_processor(Some(&"stripe".parse().unwrap())));
    }

    #[test]
    fn a_connector_works_on_the_tasks_of_its_processor_and_does_nothing_else() {
        let connector =
            Caller::of_connector("registry".parse().unwrap(), "stripe".parse().unwrap());
        assert_eq!(connector.scopes, BTreeSet::from([Scope::Tasks]));
        assert!(connector.may_name_processor(Some(&"stripe".parse().unwrap())));
        assert!(!connector.may_name_processor(Some(&"aweber".parse().unwrap())));
        assert!(!connector.may_name_processor(None));
        assert!(!connector.may_speak_for_source(&"checkout".parse().unwrap()));
    }

    #[test]
    fn an_empty_set_of_names_permits_nothing() {
        assert_eq!(Bound::<Purpose>::from_iter([]), Bound::Nothing);
    }

    #[test]
    fn a_named_purpose_permits_itself_and_no_other() {
        let mut caller = caller();
        caller.purposes = Bound::from_iter(["order_processing".parse().unwrap()]);
        assert!(caller.may_use_purpose(&"order_processing".parse().unwrap()));
        assert!(!caller.may_use_purpose(&"newsletter".parse().unwrap()));
    }

    #[test]
    fn the_controller_is_named_apart_from_every_processor() {
        let mut caller = caller();
        caller.processors = Bound::from_iter([None]);
        assert!(caller.may_name_processor(None));
        assert!(!caller.may_name_processor(Some(&"stripe".parse().unwrap())));
        caller.processors = Bound::from_iter([Some("stripe".parse().unwrap())]);
        assert!(!caller.may_name_processor(None));
        assert!(caller.may_name_processor(Some(&"stripe".parse().unwrap())));
    }

    #[test]
    fn everything_permits_the_controller_and_every_processor() {
        let mut caller = caller();
        caller.processors = Bound::Everything;
        assert!(caller.may_name_processor(None));
        assert!(caller.may_name_processor(Some(&"stripe".parse().unwrap())));
    }

    #[test]
    fn every_scope_is_read_back_from_its_text() {
        for scope in Scope::ALL {
            assert_eq!(scope.to_string().parse(), Ok(*scope));
        }
        assert_eq!(Scope::ALL.len(), 16);
    }

    #[test]
    fn a_token_has_run_out_from_its_last_instant_on() {
        let noon: Timestamp = "2019-12-13T12:00:00Z".parse().unwrap();
        let before: Timestamp = "2019-12-13T11:59:59Z".parse().unwrap();
        let mut caller = caller();
        assert!(!caller.has_expired(Timestamp::MAX));
        caller.expires_at = Some(noon);
        assert!(!caller.has_expired(before));
        assert!(caller.has_expired(noon));
    }

    #[test]
    fn a_scope_is_not_matched_by_prefix_or_case() {
        for text in ["", "policy", "Check", "check ", "collect.", "*"] {
            assert_eq!(text.parse::<Scope>(), Err(ScopeUnknown), "{text:?}");
        }
    }
}
