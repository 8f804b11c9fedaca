//! Checks of people who are not in memory: those that come while others are being read wait for the next
//! statement, and it reads everybody whom they are about (`store::sight`). Nobody waits for company: whoever
//! comes when few are reading goes alone.
//!
//! A statement begins after every question that it answers has come, and reads one committed state: whatever
//! took a permission away before a question came is in it.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::{sync::oneshot, time::timeout};

use super::{Check, Judged, lesson::Lesson};
use crate::{
    app::{
        decision::{Evidence, permit},
        error::Error,
        registry::Registry,
        resolve::identifier_key,
    },
    domain::{
        caller::Caller, id::SubjectId, policy::compile::CompiledPolicy, subject_ref::SubjectRef,
    },
    store::{
        StoreError,
        sight::{SOUGHT_MAX, Sight, Sought},
    },
};

/// Statements that are under way at a time: while one is read, the next is put together.
const READERS_MAX: usize = 2;
/// How long a statement may take. Then those who wait for it read in transactions of their own.
const READING_MAX: Duration = Duration::from_secs(5);

/// Those who wait for the next statement.
#[derive(Default)]
pub(in crate::app) struct Glances(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    seekers: Vec<Seeker>,
    readers: usize,
}

struct Seeker {
    sought: Sought,
    reply: oneshot::Sender<Seen>,
}

/// `None`: it is to be read in a transaction of its own.
type Seen = Result<Option<Arc<Sight>>, Error>;

impl Glances {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says whether somebody has to begin to read.
    fn add(&self, seeker: Seeker) -> bool {
        let mut waiting = self.lock();
        waiting.seekers.push(seeker);
        let begins = waiting.readers < READERS_MAX;
        waiting.readers += usize::from(begins);
        begins
    }

    /// The next ones; a reader that gets none is one no more.
    fn next(&self) -> Vec<Seeker> {
        let mut waiting = self.lock();
        let mut count = 0;
        let fits = |seeker: &&Seeker| {
            count += seeker.sought.len();
            count <= SOUGHT_MAX
        };
        let fitting = waiting.seekers.iter().take_while(fits).count();
        if fitting == 0 {
            waiting.readers -= 1;
        }
        waiting.seekers.drain(..fitting).collect()
    }
}

/// Whom checks are about, each as it is looked for.
struct Questions {
    policy: Arc<CompiledPolicy>,
    whom: Vec<Whom>,
}

#[derive(Clone, Copy)]
enum Whom {
    Id(SubjectId),
    Hash([u8; 32]),
}

impl Registry {
    /// Answers checks that are like most, all of them by what one statement reads. `None`: they are not, or
    /// those whom they are about are not.
    pub(super) async fn glance(
        &self,
        caller: &Caller,
        checks: &[Check],
    ) -> Result<Option<Vec<Result<Judged, Error>>>, Error> {
        let Some(questions) = self.questions(checks).await else {
            return Ok(None);
        };
        let Some(sight) = self.look(questions.sought()).await? else {
            return Ok(None);
        };
        Ok(questions.judge(&sight, caller, checks))
    }

    async fn questions(&self, checks: &[Check]) -> Option<Questions> {
        if checks.len() > SOUGHT_MAX || !self.store.has_sight() || !checks.iter().all(is_common) {
            return None;
        }
        let policies = self.store.policies_at_hand().await;
        let policy = policies.in_force(self.clock_now())?;
        let whom = checks.iter().map(|check| self.whom(policy, &check.subject));
        Some(Questions {
            whom: whom.collect::<Option<_>>()?,
            policy: policy.clone(),
        })
    }

    fn whom(&self, policy: &CompiledPolicy, subject: &SubjectRef) -> Option<Whom> {
        match subject {
            // Of somebody with much only what is asked for is read.
            SubjectRef::Id(id) => {
                let memory = self.memory.as_ref();
                (!memory.is_some_and(|memory| memory.is_large(*id))).then_some(Whom::Id(*id))
            }
            SubjectRef::Identifier(identifier) => {
                let key = identifier_key(policy, identifier, "subject.identifier").ok()?;
                self.store.sole_hash(&key).map(Whom::Hash)
            }
        }
    }

    async fn look(&self, sought: Sought) -> Seen {
        let (reply, seen) = oneshot::channel();
        if self.glances.add(Seeker { sought, reply }) {
            tokio::spawn(self.clone().read_glances());
        }
        seen.await.map_err(|_| Error::Stopping)?
    }

    async fn read_glances(self) {
        loop {
            let seekers = self.glances.next();
            if seekers.is_empty() {
                return;
            }
            let sought = Sought::all(seekers.iter().map(|seeker| &seeker.sought));
            let seen = self.read_in_time(&sought).await;
            for seeker in seekers {
                let seen = seen.as_ref().map(Clone::clone).map_err(again);
                // A caller that went away does not hear the answer.
                drop(seeker.reply.send(seen));
            }
        }
    }

    /// Whatever becomes of it, those who wait go on: one connection that is stuck is not to hold up everybody.
    async fn read_in_time(&self, sought: &Sought) -> Result<Option<Arc<Sight>>, StoreError> {
        let reading = AssertUnwindSafe(self.read_glance(sought)).catch_unwind();
        match timeout(READING_MAX, reading).await {
            Ok(Ok(seen)) => seen,
            Ok(Err(_)) => Err(StoreError::Internal("a glance panicked".into())),
            Err(_) => Ok(None),
        }
    }

    async fn read_glance(&self, sought: &Sought) -> Result<Option<Arc<Sight>>, StoreError> {
        // Before the state is read: what changes from here on is not to be remembered as it was.
        let mark = self.memory.as_ref().map(|memory| memory.mark());
        let Some(sight) = self.store.see(sought, self.clock_now()).await? else {
            return Ok(None);
        };
        if let (Some(memory), Some(mark)) = (&self.memory, mark) {
            Lesson::of_sight(&sight).teach(memory, mark);
        }
        Ok(Some(Arc::new(sight)))
    }
}

impl Questions {
    fn sought(&self) -> Sought {
        let mut sought = Sought::default();
        for whom in &self.whom {
            match whom {
                Whom::Id(id) => sought.ids.push(*id),
                Whom::Hash(hash) => sought.hashes.push(*hash),
            }
        }
        sought
    }

    fn judge(
        &self,
        sight: &Sight,
        caller: &Caller,
        checks: &[Check],
    ) -> Option<Vec<Result<Judged, Error>>> {
        // Identifiers were read as the policy in force then has them written.
        if !Arc::ptr_eq(sight.policies.in_force(sight.now)?, &self.policy) {
            return None;
        }
        let groups: Option<Vec<Vec<SubjectId>>> =
            self.whom.iter().map(|whom| whom.people(sight)).collect();
        let groups = groups?;
        let people = groups.iter().flatten();
        let people = people.map(|id| Some((*id, sight.people.get(id)?.clone())));
        let evidence = Evidence {
            policies: &sight.policies,
            policy_revision: sight.policy_revision,
            subjects: people.collect::<Option<HashMap<_, _>>>()?,
            now: sight.now,
        };
        let judged = checks.iter().zip(groups).map(|(check, ids)| {
            permit(caller, &check.query.purpose, check.query.processor.as_ref())?;
            Ok(evidence.judge(ids, check.query.clone(), check.explain))
        });
        Some(judged.collect())
    }
}

impl Whom {
    /// `None`: nobody is known, or not by a glance.
    fn people(self, sight: &Sight) -> Option<Vec<SubjectId>> {
        match self {
            Self::Id(id) => Some(vec![id]),
            Self::Hash(hash) => sight.identified.get(&hash).cloned(),
        }
    }
}

/// What is kept is written, the past is in the store's history, and whether a state is known is another question.
fn is_common(check: &Check) -> bool {
    !check.record && check.as_of.is_none() && check.at_least_as_fresh.is_none()
}

/// The statement's error for each who waited for it.
fn again(error: &StoreError) -> Error {
    match error {
        StoreError::Unavailable(text) => Error::StoreUnavailable(text.clone()),
        other => Error::Internal(other.to_string()),
    }
}
