//! Checks of the past, from the store alone: whom the reference led to then, what was known of them, and
//! under which policy of those that were published.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use jiff::Timestamp;

use super::{Check, data_asked, lesson::Lesson, may_ask};
use crate::{
    app::{
        decision::{Evidence, Judged},
        error::Error,
        registry::{Registry, View},
        resolve::identifier_key,
    },
    domain::{
        as_of::{AsOf, Lineage, Link, SubjectHistory, led_to, without_horizon},
        caller::Caller,
        id::SubjectId,
        name::DataCategory,
        policy::history::PolicyHistory,
        revision::Revision,
        subject_ref::SubjectRef,
    },
    store::{StoreError, identifier::IdentifierKey, policy::Publication, state::KnownSubject},
};

impl Registry {
    /// Judges checks in their order, those of now and those of the past. Of those of now memory may learn.
    pub(super) async fn judge_each(
        &self,
        view: &View,
        caller: &Caller,
        checks: Vec<Check>,
    ) -> Result<(Vec<Result<Judged, Error>>, Lesson), Error> {
        let are_past: Vec<_> = checks.iter().map(|check| check.as_of.is_some()).collect();
        let (past, present): (Vec<_>, Vec<_>) =
            checks.into_iter().partition(|check| check.as_of.is_some());
        if past.is_empty() {
            return self.judge_all(view, caller, present).await;
        }
        let mut of_past = judge_past(view, caller, past).await?.into_iter();
        let (of_present, lesson) = if present.is_empty() {
            (Vec::new(), Lesson::default())
        } else {
            self.judge_all(view, caller, present).await?
        };
        let mut of_present = of_present.into_iter();
        let in_order = are_past.into_iter().filter_map(|is_past| {
            if is_past {
                of_past.next()
            } else {
                of_present.next()
            }
        });
        Ok((in_order.collect(), lesson))
    }
}

/// In a constant number of queries, however many instants are asked for: the whole history of everybody
/// who is asked about is read once.
async fn judge_past(
    view: &View,
    caller: &Caller,
    checks: Vec<Check>,
) -> Result<Vec<Result<Judged, Error>>, Error> {
    let known_from = view.snapshot.history_start().await?;
    let whom = Whom::load(view, &checks).await?;
    let mut asked = Vec::with_capacity(checks.len());
    for check in &checks {
        asked.push(match may_ask(view, caller, check).await {
            Ok(()) => whom.of(view, check, known_from),
            Err(error) => Err(error),
        });
    }
    let people: BTreeSet<_> = asked.iter().flatten().flat_map(|(_, ids)| ids).collect();
    let people = people.into_iter().copied().collect::<Vec<_>>();
    let archive = Archive::load(view, &whom.lineage, &people, &data_asked(&checks)).await?;
    let judged = checks
        .into_iter()
        .zip(asked)
        .map(|(check, asked)| asked.map(|(as_of, ids)| archive.judge(&whom, check, as_of, ids)));
    Ok(judged.collect())
}

/// Whom references led to.
struct Whom {
    lineage: Lineage,
    links: HashMap<IdentifierKey, Vec<Link>>,
}

impl Whom {
    async fn load(view: &View, checks: &[Check]) -> Result<Self, StoreError> {
        let keys = checks.iter().filter_map(|check| key(view, check).ok());
        let keys: Vec<_> = keys.flatten().collect();
        let links = view.snapshot.list_links(&keys).await?;
        let named = checks.iter().filter_map(|check| match &check.subject {
            SubjectRef::Id(id) => Some(*id),
            SubjectRef::Identifier(_) => None,
        });
        let linked = links.values().flatten().map(|link| link.subject_id);
        let ids: BTreeSet<_> = named.chain(linked).collect();
        let ids: Vec<_> = ids.into_iter().collect();
        let lineage = view.snapshot.load_lineage(&ids).await?;
        Ok(Self { lineage, links })
    }

    /// The people of a check, and its instants.
    fn of(
        &self,
        view: &View,
        check: &Check,
        known_from: Timestamp,
    ) -> Result<(AsOf, Vec<SubjectId>), Error> {
        let now = view.now();
        let as_of = check
            .as_of
            .ok_or_else(|| Error::Internal("a check of now among those of the past".into()))?;
        as_of.check(now, known_from)?;
        let ids = match (&check.subject, key(view, check)?) {
            (SubjectRef::Id(id), _) => vec![*id],
            (SubjectRef::Identifier(_), key) => {
                let links = key.and_then(|key| self.links.get(&key));
                led_to(links.map_or(&[][..], Vec::as_slice), as_of.known_at)
            }
        };
        let living = ids
            .into_iter()
            .filter_map(|id| self.lineage.at(id, as_of.known_at));
        Ok((as_of, living.collect()))
    }
}

/// How the identifier of a check is looked for. The types of today's policy count: what compares
/// identifiers is frozen, and a type that no policy in force declares leads nowhere.
fn key(view: &View, check: &Check) -> Result<Option<IdentifierKey>, Error> {
    match &check.subject {
        SubjectRef::Id(_) => Ok(None),
        SubjectRef::Identifier(identifier) => {
            identifier_key(view.in_force()?, identifier, "subject.identifier").map(Some)
        }
    }
}

/// What is kept of the people who are asked about, and of publications.
struct Archive<'v> {
    policies: &'v Arc<PolicyHistory>,
    publications: Vec<Publication>,
    histories: HashMap<SubjectId, SubjectHistory>,
    revision: Revision,
}

impl<'v> Archive<'v> {
    async fn load(
        view: &'v View,
        lineage: &Lineage,
        people: &[SubjectId],
        data: &[DataCategory],
    ) -> Result<Self, StoreError> {
        let holders: BTreeSet<_> = people.iter().map(|id| lineage.today(*id)).collect();
        let holders: Vec<_> = holders.into_iter().collect();
        let held: Vec<_> = people.iter().map(|id| (*id, lineage.today(*id))).collect();
        let snapshot = &view.snapshot;
        Ok(Self {
            policies: &view.policies,
            publications: snapshot.list_publications().await?,
            histories: snapshot.load_histories(&holders, data, &held).await?,
            revision: snapshot.last_revision().await?,
        })
    }

    fn judge(&self, whom: &Whom, check: Check, as_of: AsOf, ids: Vec<SubjectId>) -> Judged {
        let policies = self.policies_of(as_of.known_at);
        let subjects = ids.iter().filter_map(|id| {
            let holder = whom.lineage.today(*id);
            let state = self.histories.get(&holder)?.state_of(*id, holder, as_of);
            let revision = self.revision;
            Some((*id, KnownSubject { state, revision }))
        });
        let evidence = Evidence {
            policies: &policies,
            policy_revision: self.revision,
            subjects: subjects.map(|(id, known)| (id, Arc::new(known))).collect(),
            now: as_of.used_at,
        };
        let mut judged = evidence.judge(ids, check.query, check.explain);
        judged.answer.decision = without_horizon(judged.answer.decision);
        judged
    }

    /// The versions that were published.
    fn policies_of(&self, known_at: Timestamp) -> PolicyHistory {
        let published = self.publications.iter();
        let published = published.filter(|one| one.published_at <= known_at);
        let versions = published.filter_map(|one| self.policies.get(&one.version).cloned());
        PolicyHistory::new(versions.collect())
    }
}
