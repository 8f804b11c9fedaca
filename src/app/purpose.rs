//! May this data be used? From memory, as far as that may be answered from (`recall`), or else from one
//! committed state that is younger than the question: either way, whatever took a permission away before it
//! is seen.

mod as_of;
mod glance;
mod lesson;
mod recall;

use std::{collections::BTreeSet, pin::pin, sync::Arc, time::Duration};

use jiff::Timestamp;
use tokio::time::timeout;

pub(super) use self::glance::Glances;
use self::lesson::Lesson;
pub use self::recall::{Recollection, Whom};
use super::{
    decision::{Answer, Evidence, Judged, permit},
    error::Error,
    registry::{Registry, View, known_revision},
    resolve::{resolve, resolve_each},
};
use crate::{
    domain::{
        as_of::AsOf,
        audit::Action,
        caller::Caller,
        decision::{CategoryDecision, Effect, Query},
        id::{DecisionId, SubjectId},
        name::{DataCategory, PolicyVersion, Processor, Purpose},
        policy::compile::CompiledPolicy,
        revision::Revision,
        subject_ref::SubjectRef,
    },
    store::subject::SubjectRecord,
};

/// How long the database may say nothing before it is looked at whether it renews leases.
const STORE_PATIENCE: Duration = Duration::from_secs(1);
/// Items that the answers of one call name at most: beyond it an answer would not fit its message.
const ITEMS_OF_ANSWERS_MAX: usize = 80_000;

/// One check.
#[derive(Clone, Debug)]
pub struct Check {
    /// Whose data.
    pub subject: SubjectRef,
    /// What is asked.
    pub query: Query,
    /// A state that the answer must include.
    pub at_least_as_fresh: Option<Revision>,
    /// Whether every rule considered is to be said.
    pub explain: bool,
    /// Whether the decision is to be kept.
    pub record: bool,
    /// The past that it is about; `None`: now.
    pub as_of: Option<AsOf>,
}

/// A purpose and a recipient for which some of a subject's data may be used.
#[derive(Clone, Debug)]
pub struct LawfulUse {
    /// What for.
    pub purpose: Purpose,
    /// For whom; `None`: the controller itself.
    pub processor: Option<Processor>,
    /// The data categories that are allowed.
    pub allowed: Vec<CategoryDecision>,
    /// No later than the instant at which this changes by itself.
    pub valid_until: Option<Timestamp>,
}

/// Everything that a subject's data may be used for.
#[derive(Clone, Debug)]
pub struct LawfulUses {
    /// By purpose, the controller before the processors.
    pub uses: Vec<LawfulUse>,
    /// The policy in force.
    pub policy_version: PolicyVersion,
    /// The committed state that was read.
    pub revision: Revision,
}

impl Registry {
    /// Answers one check.
    pub async fn check_purpose(
        &self,
        caller: Arc<Caller>,
        action: Action,
        check: Check,
    ) -> Result<Answer, Error> {
        let answers = self
            .check_purposes(caller, action, vec![check], None)
            .await?;
        let one = answers.into_iter().next();
        one.unwrap_or_else(|| Err(Error::Internal("a check was not answered".into())))
    }

    /// Answers checks, each for itself, in their order: each sees every state that was committed when the
    /// call began.
    pub async fn check_purposes(
        &self,
        caller: Arc<Caller>,
        action: Action,
        checks: Vec<Check>,
        at_least_as_fresh: Option<Revision>,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let mut answers = self.recall(&caller, action, &checks, at_least_as_fresh)?;
        let unknown = answers.iter().zip(checks);
        let unknown = unknown.filter_map(|(answer, check)| answer.is_none().then_some(check));
        let unknown: Vec<_> = unknown.collect();
        if !unknown.is_empty() {
            let read = self.answer_from_store(caller, action, unknown, at_least_as_fresh);
            let read = self.unless_cut_off(read).await?;
            self.count_decisions(read.iter().flatten());
            let mut read = read.into_iter();
            let missing = answers.iter_mut().filter(|answer| answer.is_none());
            missing.for_each(|answer| *answer = read.next());
        }
        let mut answers: Vec<_> = answers.into_iter().flatten().collect();
        bound_items(&mut answers, |answer| answer);
        Ok(answers)
    }

    /// Gives up on a database that says nothing, to this question and to the rounds that renew the lease: it may be
    /// long before the network says so.
    async fn unless_cut_off<T>(
        &self,
        asking: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let mut asking = pin!(asking);
        loop {
            if let Ok(answer) = timeout(STORE_PATIENCE, asking.as_mut()).await {
                return answer;
            }
            let memory = self.memory.as_ref();
            if memory.is_some_and(|memory| memory.may_answer().is_none()) {
                return Err(Error::StoreUnavailable(
                    "the database does not answer".into(),
                ));
            }
        }
    }

    async fn answer_from_store(
        &self,
        caller: Arc<Caller>,
        action: Action,
        checks: Vec<Check>,
        at_least_as_fresh: Option<Revision>,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let asked = checks.len() as u64;
        if at_least_as_fresh.is_none()
            && let Some(judged) = self.glance(&caller, &checks).await?
        {
            self.metrics().checked("glance", asked);
            return Ok(answers_of(judged));
        }
        self.metrics().checked("store", asked);
        self.read_checks(caller, action, checks, at_least_as_fresh)
            .await
    }

    /// Answers checks from the store, on one state.
    async fn read_checks(
        &self,
        caller: Arc<Caller>,
        action: Action,
        checks: Vec<Check>,
        at_least_as_fresh: Option<Revision>,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        // Before the state is opened: what changes from here on is not to be remembered as it was.
        let mark = self.memory.as_ref().map(|memory| memory.mark());
        let view = self.view(&caller, action, at_least_as_fresh).await?;
        let recorded: Vec<_> = checks.iter().map(|check| check.record).collect();
        let (mut judged, lesson) = self.judge_each(&view, &caller, checks).await?;
        view.snapshot.close().await?;
        if let (Some(memory), Some(mark)) = (&self.memory, mark) {
            lesson.teach(memory, mark);
        }
        bound_items(&mut judged, |judged| &judged.answer);
        self.keep_recorded(caller, action, &recorded, &mut judged)
            .await?;
        Ok(answers_of(judged))
    }

    async fn keep_recorded(
        &self,
        caller: Arc<Caller>,
        action: Action,
        recorded: &[bool],
        judged: &mut [Result<Judged, Error>],
    ) -> Result<(), Error> {
        let mut kept: Vec<&mut Judged> = judged
            .iter_mut()
            .zip(recorded)
            .filter(|(_, recorded)| **recorded)
            .filter_map(|(judged, _)| judged.as_mut().ok())
            .collect();
        if kept.is_empty() {
            return Ok(());
        }
        let decisions = kept.iter().map(|judged| (**judged).clone()).collect();
        let ids: Vec<DecisionId> = self.keep(caller, action, decisions).await?;
        for (judged, id) in kept.iter_mut().zip(ids) {
            judged.answer.decision_id = Some(id);
        }
        Ok(())
    }

    async fn judge_all(
        &self,
        view: &View,
        caller: &Caller,
        checks: Vec<Check>,
    ) -> Result<(Vec<Result<Judged, Error>>, Lesson), Error> {
        let references: Vec<_> = checks.iter().map(|check| &check.subject).collect();
        let field = |_| "subject".to_owned();
        let found = resolve_each(&view.snapshot, view.in_force()?, &references, field).await?;
        let ids = found.iter().flatten().flatten();
        let mut ids: Vec<_> = ids.map(|record| record.subject_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let data = self.data_to_read(&ids, &checks);
        let evidence = Evidence::load(&view.snapshot, &view.policies, &ids, &data).await?;
        let lesson = if data.is_empty() {
            Lesson::of(view, &evidence, &references, &found)
        } else {
            Lesson::default()
        };
        let mut judged = Vec::with_capacity(checks.len());
        for (check, found) in checks.into_iter().zip(found) {
            judged.push(match may_ask(view, caller, &check).await {
                Ok(()) => {
                    found.map(|people| evidence.judge(ids_of(&people), check.query, check.explain))
                }
                Err(error) => Err(error),
            });
        }
        Ok((judged, lesson))
    }

    /// What a subject's data may be used for, as far as the caller's claims go.
    /// `data_categories` empty: all of its data.
    pub async fn list_lawful_purposes(
        &self,
        caller: &Caller,
        subject: &SubjectRef,
        data_categories: &[DataCategory],
        at_least_as_fresh: Option<Revision>,
    ) -> Result<LawfulUses, Error> {
        let view = self
            .view(caller, Action::ListLawfulPurposes, at_least_as_fresh)
            .await?;
        let policy = view.in_force()?;
        let found = resolve(&view.snapshot, policy, subject, "subject").await?;
        let id = found.subject_id;
        let evidence =
            Evidence::load(&view.snapshot, &view.policies, &[id], data_categories).await?;
        let data = wanted_data(&evidence, id, data_categories);
        let uses = possible_uses(policy)
            .filter(|(purpose, processor)| permit(caller, purpose, processor.as_ref()).is_ok())
            .filter_map(|(purpose, processor)| {
                lawful_use(&evidence, id, purpose, processor, &data)
            });
        Ok(LawfulUses {
            uses: uses.collect(),
            policy_version: policy.version().clone(),
            revision: evidence.revision(&[id]),
        })
    }
}

fn answers_of(judged: Vec<Result<Judged, Error>>) -> Vec<Result<Answer, Error>> {
    let each = judged.into_iter();
    each.map(|one| one.map(|judged| judged.answer)).collect()
}

fn ids_of(people: &[SubjectRecord]) -> Vec<SubjectId> {
    people.iter().map(|record| record.subject_id).collect()
}

/// The data that the checks are about; empty, which is all of it, when single items are asked for.
fn data_asked(checks: &[Check]) -> Vec<DataCategory> {
    let mut queries = checks.iter().map(|check| &check.query);
    if queries.clone().any(|query| !query.item_ids.is_empty()) {
        return Vec::new();
    }
    let data: BTreeSet<_> = queries
        .by_ref()
        .flat_map(|it| &it.data_categories)
        .collect();
    data.into_iter().cloned().collect()
}

async fn may_ask(view: &View, caller: &Caller, check: &Check) -> Result<(), Error> {
    let query = &check.query;
    permit(caller, &query.purpose, query.processor.as_ref())?;
    match check.at_least_as_fresh {
        Some(wanted) => known_revision(&view.snapshot, wanted).await,
        None => Ok(()),
    }
}

/// Refuses the answers that would not fit into the message any more.
fn bound_items<T>(answers: &mut [Result<T, Error>], answer: impl Fn(&T) -> &Answer) {
    let mut items = 0;
    for one in answers {
        let Ok(answered) = one else { continue };
        let categories = &answer(answered).decision.per_category;
        items += categories.iter().map(|it| it.item_ids.len()).sum::<usize>();
        if items > ITEMS_OF_ANSWERS_MAX {
            *one = Err(Error::TooLarge("the answers name more than 80,000 items"));
        }
    }
}

/// The data categories to be asked for: those of the subject's live items, as far as wanted.
fn wanted_data(
    evidence: &Evidence<'_>,
    id: SubjectId,
    data_categories: &[DataCategory],
) -> Vec<DataCategory> {
    let known = evidence.subjects.get(&id);
    let items = known.into_iter().flat_map(|known| &known.state.items);
    let mut data: Vec<_> = items
        .map(|item| item.data_category.clone())
        .filter(|data| data_categories.is_empty() || data_categories.contains(data))
        .collect();
    data.sort_unstable();
    data.dedup();
    data
}

/// Every purpose with the controller, and with each processor that a sharing statement names.
fn possible_uses(policy: &CompiledPolicy) -> impl Iterator<Item = (Purpose, Option<Processor>)> {
    let policy = policy.policy();
    let own = policy
        .purposes
        .keys()
        .map(|purpose| (purpose.clone(), None));
    let shared = policy
        .sharing
        .iter()
        .map(|sharing| (sharing.purpose.clone(), Some(sharing.processor.clone())));
    let uses: BTreeSet<_> = own.chain(shared).collect();
    uses.into_iter()
}

fn lawful_use(
    evidence: &Evidence<'_>,
    id: SubjectId,
    purpose: Purpose,
    processor: Option<Processor>,
    data: &[DataCategory],
) -> Option<LawfulUse> {
    let query = Query {
        data_categories: data.to_vec(),
        item_ids: Vec::new(),
        purpose,
        processor,
    };
    let Judged { query, answer, .. } = evidence.judge(vec![id], query, false);
    let answers = answer.decision.per_category.into_iter();
    let allowed: Vec<_> = answers
        .filter(|category| category.effect == Effect::Allow)
        .collect();
    let until = allowed.iter().filter_map(|category| category.valid_until);
    Some(LawfulUse {
        valid_until: until.min(),
        purpose: query.purpose,
        processor: query.processor,
        allowed,
    })
    .filter(|lawful| !lawful.allowed.is_empty())
}

#[cfg(test)]
mod tests;
