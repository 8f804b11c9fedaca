//! Publishing policies and reading what can be read off them.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    error::{Error, Missing},
    page::Page,
    registry::{Call, Change, Registry, View, Written, policy_or_in_force},
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        event::{Event, EventKind},
        name::{DataCategory, PolicyVersion, SubjectCategory},
        policy::{
            compile::CompiledPolicy,
            diff::{PolicyDiff, diff},
            finding::{Finding, Severity},
            format::to_json,
            history::PolicyHistory,
            lint::lint,
            model::Policy,
        },
        violation::Violations,
    },
    store::{Session, Tx},
};

pub use crate::store::policy::Publication;

/// Outdated consents whose subjects are counted: each is a query of its own.
pub const OUTDATED_COUNTED_MAX: usize = 1_000;

/// What lint says of a policy, what it would change, and for how many.
#[derive(Clone, Debug)]
pub struct PolicyReport {
    /// The policy.
    pub policy: Arc<CompiledPolicy>,
    /// What lint found.
    pub findings: Vec<Finding>,
    /// What it is compared with: the version before it.
    pub compared_with: Option<Arc<CompiledPolicy>>,
    /// What it changes.
    pub diff: PolicyDiff,
    /// Subjects with live items in a cell that is added, removed or changed.
    pub affected_subjects: i64,
    /// Subjects who said yes to each outdated consent's purpose, in the order of the diff; of the
    /// first [`OUTDATED_COUNTED_MAX`] alone.
    pub outdated_subjects: Vec<i64>,
    /// When and by whom it was published, if it was.
    pub publication: Option<Publication>,
}

/// What a publication is remembered by.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Published {
    version: PolicyVersion,
}

impl Registry {
    /// Checks a policy and says what publishing it would change. Writes nothing.
    pub async fn preview_policy(
        &self,
        caller: &Caller,
        policy: Policy,
    ) -> Result<PolicyReport, Error> {
        let view = self.view(caller, Action::PublishPolicy, None).await?;
        let compiled = compile(policy)?;
        if !is_published(&view.policies, &compiled)? {
            may_take_effect(&view.policies, &compiled, view.now())?;
        }
        self.report(&view, &compiled).await
    }

    /// Publishes a version. The same version with the same content again changes nothing.
    pub async fn publish_policy(
        &self,
        call: Call,
        policy: Policy,
        accept_findings: bool,
    ) -> Result<(PolicyReport, Written<()>), Error> {
        let caller = call.caller.clone();
        call.authorise()?;
        let compiled = compile(policy)?;
        let (store, kept) = (self.store.clone(), compiled.clone());
        let written = self
            .change(call.clone(), move |tx, _| {
                let (store, compiled, call) = (store.clone(), kept.clone(), call.clone());
                Box::pin(async move {
                    // Two publications wait for each other, and only then look at what there is.
                    tx.lock_policies().await?;
                    let policies = store.policies(tx).await?;
                    publish(tx, &policies, &compiled, accept_findings, &call).await
                })
            })
            .await?;
        let view = self.view(&caller, Action::PublishPolicy, None).await?;
        let published = self.report(&view, &compiled).await?;
        Ok((
            published,
            Written {
                value: (),
                revision: written.revision,
                replayed: written.replayed,
            },
        ))
    }

    /// A published version, or the one in force, with its publication.
    pub async fn get_policy(
        &self,
        caller: &Caller,
        action: Action,
        version: Option<&PolicyVersion>,
    ) -> Result<(Arc<CompiledPolicy>, Publication, bool), Error> {
        let view = self.view(caller, action, None).await?;
        let policy = policy_or_in_force(&view.policies, version, view.now())?.clone();
        let publication = find_publication(&view.snapshot, policy.version()).await?;
        let publication = publication.ok_or(Error::NotFound(Missing::Policy))?;
        let in_force = is_in_force(&view, policy.version());
        Ok((policy, publication, in_force))
    }

    /// Published versions, latest `effective_from` first, each with whether it is in force.
    pub async fn list_policies(
        &self,
        caller: &Caller,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<(Arc<CompiledPolicy>, Publication, bool)>, Error> {
        const LIST: &str = "policies";
        let view = self.view(caller, Action::ListPolicies, None).await?;
        let before = match token {
            Some(token) => self
                .open_token(LIST, token)?
                .parse()
                .map_err(|_| Error::CursorInvalid)?,
            None => i64::MAX,
        };
        let mut entries = Vec::new();
        for publication in view.snapshot.list_publications().await?.into_iter().rev() {
            if publication.effective_from.as_microsecond() >= before || entries.len() > size {
                continue;
            }
            let policy =
                policy_or_in_force(&view.policies, Some(&publication.version), view.now())?;
            let in_force = is_in_force(&view, &publication.version);
            entries.push((policy.clone(), publication, in_force));
        }
        Ok(self.page(LIST, size, entries, |(_, publication, _)| {
            publication.effective_from.as_microsecond().to_string()
        }))
    }

    async fn report(
        &self,
        view: &View,
        compiled: &Arc<CompiledPolicy>,
    ) -> Result<PolicyReport, Error> {
        let before = version_before(&view.policies, compiled);
        let diff = diff(before.map(Arc::as_ref), compiled);
        let affected_subjects = view
            .snapshot
            .count_subjects_with_items(&contexts(&diff))
            .await?;
        let mut outdated_subjects = Vec::with_capacity(diff.outdated_consents.len());
        for cell in diff.outdated_consents.iter().take(OUTDATED_COUNTED_MAX) {
            outdated_subjects.push(view.snapshot.count_consenting_subjects(cell).await?);
        }
        Ok(PolicyReport {
            findings: lint(compiled),
            compared_with: before.cloned(),
            diff,
            affected_subjects,
            outdated_subjects,
            publication: find_publication(&view.snapshot, compiled.version()).await?,
            policy: compiled.clone(),
        })
    }
}

fn compile(policy: Policy) -> Result<Arc<CompiledPolicy>, Error> {
    match CompiledPolicy::compile(policy) {
        Ok(compiled) => Ok(Arc::new(compiled)),
        Err(findings) => Err(Error::PolicyInvalid(violations(findings.iter()))),
    }
}

async fn publish(
    tx: &mut Tx,
    policies: &PolicyHistory,
    compiled: &CompiledPolicy,
    accept_findings: bool,
    call: &Call,
) -> Result<Change<Published>, Error> {
    let version = compiled.version().clone();
    let audit = AuditDetail {
        policy_version: Some(version.clone()),
        ..AuditDetail::default()
    };
    let published = Published {
        version: version.clone(),
    };
    if is_published(policies, compiled)? {
        return Ok(Change::new(published, audit));
    }
    may_take_effect(policies, compiled, tx.now())?;
    let findings = lint(compiled);
    let defects: Vec<_> = findings
        .iter()
        .filter(|one| one.severity == Severity::Defect)
        .collect();
    if !defects.is_empty() && !accept_findings {
        return Err(Error::PolicyFindingsNotAccepted(violations(
            defects.into_iter(),
        )));
    }
    tx.insert_policy(compiled.policy(), call.caller.service.as_str())
        .await?;
    let event = Event {
        policy_version: Some(version),
        ..Event::new(EventKind::PolicyPublished, None)
    };
    Ok(Change::new(published, audit).event(event))
}

/// Whether this very policy is published already. Another one under the same version is refused: a
/// published version never changes.
fn is_published(policies: &PolicyHistory, compiled: &CompiledPolicy) -> Result<bool, Error> {
    match policies.get(compiled.version()) {
        None => Ok(false),
        Some(standing) if to_json(standing.policy()) == to_json(compiled.policy()) => Ok(true),
        Some(_) => Err(Error::PolicyVersionExists(compiled.version().clone())),
    }
}

/// Nothing becomes lawful or unlawful in the past: but for the first version, which says what was
/// promised before there was a registry, `effective_from` lies ahead, and no two are equal. What people
/// are found by stays.
fn may_take_effect(
    policies: &PolicyHistory,
    compiled: &CompiledPolicy,
    now: jiff::Timestamp,
) -> Result<(), Error> {
    let refuse = |rule: &str| {
        Err(Error::PolicyInvalid(Violations::one(
            "effective_from",
            rule,
        )))
    };
    let effective_from = compiled.effective_from();
    if policies.versions().is_empty() {
        return Ok(());
    }
    if effective_from <= now {
        return refuse("has passed; choose an instant ahead, so that nothing changes in the past");
    }
    if policies
        .versions()
        .iter()
        .any(|other| other.effective_from() == effective_from)
    {
        return refuse("is that of another version; choose another instant");
    }
    let contradictions = policies.contradictions(compiled);
    contradictions.or(()).map_err(Error::PolicyInvalid)
}

/// The version whose place this one takes.
fn version_before<'p>(
    policies: &'p PolicyHistory,
    compiled: &CompiledPolicy,
) -> Option<&'p Arc<CompiledPolicy>> {
    let mut earlier = policies.versions().iter();
    earlier.rfind(|other| other.effective_from() < compiled.effective_from())
}

fn is_in_force(view: &View, version: &PolicyVersion) -> bool {
    view.in_force()
        .is_ok_and(|policy| policy.version() == version)
}

fn contexts(diff: &PolicyDiff) -> Vec<(SubjectCategory, DataCategory)> {
    let changes = diff.added.iter().chain(&diff.removed).chain(&diff.changed);
    let contexts: BTreeSet<_> = changes
        .map(|change| {
            (
                change.cell.subject_category.clone(),
                change.cell.data_category.clone(),
            )
        })
        .collect();
    contexts.into_iter().collect()
}

fn violations<'f>(findings: impl Iterator<Item = &'f Finding>) -> Violations {
    let mut violations = Violations::default();
    for finding in findings {
        violations.add(
            finding.field_path.clone(),
            format_args!("{}: {}", finding.code, finding.message),
        );
    }
    violations
}

async fn find_publication(
    session: &Session,
    version: &PolicyVersion,
) -> Result<Option<Publication>, Error> {
    let publications = session.list_publications().await?;
    Ok(publications
        .into_iter()
        .find(|publication| publication.version == *version))
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use uuid::Uuid;

    use super::*;
    use crate::{
        app::{
            event::{EventFilter, Watched},
            testing::{everything, registry},
        },
        domain::policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml, model::Normalise},
        store::audit::AuditFilter,
    };

    fn version(version: &str, effective_from: &str) -> Policy {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
        Policy {
            version: version.parse().expect("a version"),
            effective_from: effective_from.parse().expect("an instant"),
            ..policy
        }
    }

    #[tokio::test]
    async fn a_repeated_request_id_publishes_once_and_another_request_under_it_is_refused() {
        let test = registry().await;
        let call = Call::new(test.caller.clone(), Action::PublishPolicy);
        let policy = version("2020", "2020-01-01T00:00:00Z");
        let key = Some(Uuid::from_u128(7));
        let once = call.clone().idempotent(key, b"the request".to_vec());
        let (_, first) = test
            .registry
            .publish_policy(once.clone(), policy.clone(), true)
            .await
            .expect("published");
        let (_, again) = test
            .registry
            .publish_policy(once, policy.clone(), true)
            .await
            .expect("replayed");
        assert!(!first.replayed && again.replayed);
        assert_eq!(first.revision, again.revision);
        let other = call.idempotent(key, b"another request".to_vec());
        let refused = test.registry.publish_policy(other, policy, true).await;
        assert!(
            matches!(refused, Err(Error::RequestIdReused)),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn a_published_version_never_changes() {
        let test = registry().await;
        let call = Call::new(test.caller.clone(), Action::PublishPolicy);
        let changed = version("2018-05-24", "2020-01-01T00:00:00Z");
        let refused = test.registry.publish_policy(call, changed, true).await;
        assert!(
            matches!(refused, Err(Error::PolicyVersionExists(_))),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn a_version_whose_instant_has_passed_or_is_taken_is_refused() {
        let test = registry().await;
        let call = Call::new(test.caller.clone(), Action::PublishPolicy);
        let publish = |name: &str, from: &str| {
            test.registry
                .publish_policy(call.clone(), version(name, from), true)
        };
        publish("next", "2020-01-01T00:00:00Z")
            .await
            .expect("published");
        for from in [
            "2019-12-13T12:00:00Z",
            "2019-01-01T00:00:00Z",
            "2020-01-01T00:00:00Z",
        ] {
            let refused = publish("late", from).await;
            assert!(
                matches!(refused, Err(Error::PolicyInvalid(_))),
                "{from}: {refused:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_version_that_compares_identifiers_otherwise_is_refused() {
        let test = registry().await;
        let mut policy = version("next", "2020-01-01T00:00:00Z");
        let email = policy.identifier_types.get_mut("email");
        let email = email.expect("declared");
        email.normalise = Normalise::Exact;
        let previewed = test
            .registry
            .preview_policy(&test.caller, policy.clone())
            .await;
        let call = Call::new(test.caller.clone(), Action::PublishPolicy);
        let published = test.registry.publish_policy(call, policy, true).await;
        for refused in [previewed.err(), published.err()] {
            let Some(Error::PolicyInvalid(violations)) = refused else {
                panic!("{refused:?}");
            };
            let fields: Vec<_> = violations.iter().map(|one| one.field.as_str()).collect();
            assert_eq!(fields, ["identifier_types.email"]);
        }
    }

    #[tokio::test]
    async fn defects_are_published_only_when_the_publisher_accepts_them() {
        let test = registry().await;
        let call = Call::new(test.caller.clone(), Action::PublishPolicy);
        let policy = version("next", "2020-01-01T00:00:00Z");
        let refused = test.registry.publish_policy(call, policy, false).await;
        assert!(
            matches!(refused, Err(Error::PolicyFindingsNotAccepted(_))),
            "{refused:?}"
        );
        let policies = test
            .registry
            .list_policies(&test.caller, 10, None)
            .await
            .expect("listed");
        assert_eq!(policies.entries.len(), 1);
    }

    #[tokio::test]
    async fn a_caller_without_the_scope_neither_publishes_nor_reads() {
        let test = registry().await;
        let mut caller = everything("narrow");
        caller.scopes.clear();
        let call = Call::new(Arc::new(caller.clone()), Action::PublishPolicy);
        let refused = test
            .registry
            .publish_policy(call, version("x", "2030-01-01T00:00:00Z"), true)
            .await;
        assert!(
            matches!(refused, Err(Error::ScopeMissing("policy.write"))),
            "{refused:?}"
        );
        let refused = test.registry.list_policies(&caller, 10, None).await;
        assert!(matches!(refused, Err(Error::ScopeMissing("policy.read"))));
    }

    #[tokio::test]
    async fn a_publication_is_told_to_followers_and_stands_in_the_log() {
        let test = registry().await;
        test.registry.place_events().await.expect("placed");
        let events = test
            .registry
            .watch_events(&test.caller, None, EventFilter::default())
            .await;
        let mut events = Box::pin(events.expect("followed"));
        let Some(Ok(Watched::Event { event, cursor })) = events.next().await else {
            panic!("an event comes first");
        };
        assert_eq!(event.event.kind, EventKind::PolicyPublished);
        let (_, publication, _) = test
            .registry
            .get_policy(&test.caller, Action::GetPolicy, None)
            .await
            .expect("in force");
        assert_eq!(publication.revision, event.revision);
        let behind = test.registry.open_token("events", &cursor).expect("ours");
        assert_eq!(behind, event.position.to_string());
        let log = test
            .registry
            .list_audit_entries(&test.caller, None, AuditFilter::default(), 10, None)
            .await
            .expect("listed");
        assert_eq!(log.entries[0].action, "PublishPolicy");
    }

    #[tokio::test]
    async fn whichever_call_to_the_database_fails_nothing_is_half_published() {
        let test = registry().await;
        let call = Call::new(test.caller.clone(), Action::PublishPolicy);
        let mut failures = 0;
        for n in 0.. {
            let policy = version("next", "2020-01-01T00:00:00Z");
            test.registry.store().faults().fail_call(n);
            let outcome = test
                .registry
                .publish_policy(call.clone(), policy, true)
                .await;
            let struck = test.registry.store().faults().clear();
            let listed = test
                .registry
                .list_policies(&test.caller, 10, None)
                .await
                .expect("listed");
            let log = test
                .registry
                .list_audit_entries(&test.caller, None, AuditFilter::default(), 10, None)
                .await
                .expect("listed");
            assert_eq!(
                listed.entries.len(),
                log.entries.len(),
                "after failing call {n}"
            );
            if outcome.is_ok() {
                assert!(!struck || listed.entries.len() == 2);
                break;
            }
            failures += 1;
            if listed.entries.len() == 2 {
                // It was durable before the answer failed: the same again changes nothing.
                break;
            }
        }
        assert!(failures > 5, "only {failures} calls were struck");
    }
}
