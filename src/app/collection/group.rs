//! Registrations share transactions: those that arrive while others are being written wait for the next one, and
//! it writes all of them in the statements that one of them would take. Nobody waits for company: whoever comes
//! when nothing is being written goes alone. A second transaction beside the first begins once as many wait as
//! the first has: what a transaction costs by itself is shared by all in it, so two large ones are better than many
//! small ones.
//!
//! Each is refused or registered as if it were alone. What befalls a whole transaction before its commit is no
//! answer to anybody: then each of its registrations goes its own way.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::future::join_all;
use tokio::{runtime::Handle, sync::oneshot};

use super::{Registered, Registration, import::BATCH_BYTES_MAX, register};
use crate::{
    app::{
        error::Error,
        registry::{Call, Registry, Written, answered, record_all},
    },
    domain::audit::Action,
    store::{Store, StoreError, Tx, Unsettled, WriteError, idempotency::Remembered},
};

/// Registrations of one transaction at most.
const MEMBERS_MAX: usize = 64;
/// Identifiers of one transaction at most, beside those of its first registration: each is a lock.
const IDENTIFIERS_MAX: usize = 500;
/// Transactions that are written at a time: while one waits for the disk, the next is put together.
const WRITERS_MAX: usize = 2;
/// How long a transaction waits for somebody whom another one holds. Then the registrations of the others go on
/// without that one.
const PATIENCE: Duration = Duration::from_millis(50);

/// Registrations that wait for the next transaction.
#[derive(Default)]
pub(in crate::app) struct Groups(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    members: Vec<Member>,
    /// How many registrations each transaction has that is being written.
    writing: Vec<usize>,
}

struct Member {
    call: Call,
    registration: Arc<Registration>,
    reply: oneshot::Sender<Answer>,
}

type Answer = Result<Written<Registered>, Error>;

impl Groups {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one that waits. Returns a group when a transaction is to begin.
    fn add(&self, member: Member) -> Option<Vec<Member>> {
        let mut waiting = self.lock();
        waiting.members.push(member);
        waiting.begin()
    }

    /// A transaction of so many is over. Returns the group of the next one.
    fn end(&self, count: usize) -> Option<Vec<Member>> {
        let mut waiting = self.lock();
        waiting.end(count);
        waiting.begin()
    }
}

impl Waiting {
    /// The group of a transaction that may begin now. While one is being written, another begins when as many
    /// wait; the end of either takes whoever waits then.
    fn begin(&mut self) -> Option<Vec<Member>> {
        if !may_begin(self.members.len(), &self.writing) {
            return None;
        }
        let group = self.take();
        self.writing.push(group.len());
        Some(group)
    }

    fn end(&mut self, count: usize) {
        let place = self.writing.iter().position(|one| *one == count);
        if let Some(place) = place {
            self.writing.swap_remove(place);
        }
    }

    /// Takes the first and whoever can go with it: of the same service, since a service's name stands in what is
    /// written; and no request twice, since the second is answered from what the first leaves.
    fn take(&mut self) -> Vec<Member> {
        let mut requests = HashSet::new();
        let (mut count, mut bytes, mut identifiers) = (0, 0, 0);
        let first = self.members.first();
        let Some(service) = first.map(|first| first.call.caller.service.clone()) else {
            return Vec::new();
        };
        let joins = |member: &mut Member| {
            let call = &member.call;
            let further = bytes + call.canonical.len();
            let locks = identifiers + 1 + member.registration.identifiers.len();
            let fits = count == 0
                || count < MEMBERS_MAX && further <= BATCH_BYTES_MAX && locks <= IDENTIFIERS_MAX;
            let goes = fits
                && call.caller.service == service
                && call.request_id.is_none_or(|id| requests.insert(id));
            if goes {
                (count, bytes, identifiers) = (count + 1, further, locks);
            }
            goes
        };
        self.members.extract_if(.., joins).collect()
    }
}

/// Whether a transaction of some of those who wait may begin while others, of so many each, are being written.
fn may_begin(count: usize, writing: &[usize]) -> bool {
    let others = writing.iter().max().copied().unwrap_or_default();
    count > 0 && count >= others && writing.len() < WRITERS_MAX
}

/// Why a group was not written.
enum Failure {
    /// It was rolled back.
    RolledBack(Error),
    /// The database failed, perhaps at the commit.
    Store(StoreError),
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention => Self::RolledBack(Error::Conflict),
            other => Self::Store(other),
        }
    }
}

impl WriteError for Failure {
    /// Its members try again each for itself.
    fn is_contention(&self) -> bool {
        false
    }
}

impl Registry {
    /// Registers with whatever else is waiting, and returns once it is durable.
    pub(super) async fn register_in_group(
        &self,
        call: Call,
        registration: Arc<Registration>,
    ) -> Answer {
        call.authorise()?;
        let (reply, answer) = oneshot::channel();
        let member = Member {
            call,
            registration,
            reply,
        };
        if let Some(group) = self.groups.add(member) {
            tokio::spawn(self.clone().write_and_answer(group));
        }
        answer.await.map_err(|_| Error::Stopping)?
    }

    async fn write_and_answer(self, members: Vec<Member>) {
        let turn = Turn {
            registry: self.clone(),
            count: members.len(),
        };
        let written = self.write_group(&members).await;
        // The others do not wait until every replica has heard of these.
        drop(turn);
        self.answer_group(members, written).await;
    }

    async fn write_group(&self, members: &[Member]) -> Result<(Vec<Answer>, Unsettled), Failure> {
        let members: Arc<[_]> = members
            .iter()
            .map(|member| (member.call.clone(), member.registration.clone()))
            .collect();
        let store = self.store.clone();
        let name = Action::RegisterCollection.name();
        let written = self.store.write_apart(name, self.clock_now(), move |tx| {
            let (store, members) = (store.clone(), members.clone());
            Box::pin(async move {
                let written = write(&store, tx, &members).await;
                written.map_err(Failure::RolledBack)
            })
        });
        written.await
    }

    async fn answer_group(
        &self,
        members: Vec<Member>,
        written: Result<(Vec<Answer>, Unsettled), Failure>,
    ) {
        let outcome = match written {
            Ok((answers, unsettled)) => {
                self.changed.notify_one();
                let settled = self.store.settle(&unsettled, self.clock_now()).await;
                settled.map(|()| answers).map_err(Failure::Store)
            }
            Err(failure) => Err(failure),
        };
        match outcome {
            Ok(answers) => {
                for (member, answer) in members.into_iter().zip(answers) {
                    member.answer(answer);
                }
            }
            Err(Failure::RolledBack(error)) => self.each_alone(members, error).await,
            Err(Failure::Store(error)) => {
                let text = error.to_string();
                for member in members {
                    member.answer(Err(Error::StoreUnavailable(text.clone())));
                }
            }
        }
    }

    /// What befell one that was alone already is its own; that somebody was in the way is nobody's.
    async fn each_alone(&self, members: Vec<Member>, error: Error) {
        match <[Member; 1]>::try_from(members) {
            Ok([member]) if !matches!(error, Error::Conflict) => member.answer(Err(error)),
            Ok([member]) => self.alone(member).await,
            Err(members) => {
                let each = members.into_iter().map(|member| self.alone(member));
                join_all(each).await;
            }
        }
    }

    async fn alone(&self, member: Member) {
        let Member {
            call,
            registration,
            reply,
        } = member;
        // A caller that went away does not hear the answer.
        drop(reply.send(self.register_alone(call, registration).await));
    }
}

/// That a transaction of so many is being written. However it ends, the next one begins.
struct Turn {
    registry: Registry,
    count: usize,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let group = self.registry.groups.end(self.count);
        if let (Some(group), Ok(runtime)) = (group, Handle::try_current()) {
            runtime.spawn(self.registry.clone().write_and_answer(group));
        }
    }
}

impl Member {
    fn answer(self, answer: Answer) {
        drop(self.reply.send(answer));
    }
}

/// Answers those that were answered before, and registers the others.
async fn write(
    store: &Store,
    tx: &mut Tx,
    members: &[(Call, Arc<Registration>)],
) -> Result<Vec<Answer>, Error> {
    tx.wait_at_most(PATIENCE).await?;
    let remembered = remembered(tx, members).await?;
    let is_new = |(call, _): &&(Call, _)| {
        let answer = call.request_id.and_then(|id| remembered.get(&id));
        answer.is_none()
    };
    let new: Vec<_> = members.iter().filter(is_new).collect();
    let mut registered = register_new(store, tx, &new).await?.into_iter();
    let mut answers = Vec::with_capacity(members.len());
    for (call, _) in members {
        let before = call.request_id.and_then(|id| remembered.get(&id));
        answers.push(match before {
            Some(before) => answered(tx, call, before),
            None => registered
                .next()
                .unwrap_or_else(|| Err(Error::Internal("a registration was left out".into()))),
        });
    }
    Ok(answers)
}

/// What was answered to these requests. Duplicates wait for each other.
async fn remembered(
    tx: &mut Tx,
    members: &[(Call, Arc<Registration>)],
) -> Result<HashMap<uuid::Uuid, Remembered>, Error> {
    let requests: Vec<_> = members
        .iter()
        .filter_map(|(call, _)| call.request_id)
        .collect();
    let (Some((call, _)), false) = (members.first(), requests.is_empty()) else {
        return Ok(HashMap::new());
    };
    tx.lock_requests(&requests).await?;
    let service = call.caller.service.as_str();
    Ok(tx.list_remembered(service, call.action, &requests).await?)
}

async fn register_new(
    store: &Store,
    tx: &mut Tx,
    new: &[&(Call, Arc<Registration>)],
) -> Result<Vec<Answer>, Error> {
    if new.is_empty() {
        return Ok(Vec::new());
    }
    let policies = store.policies(tx).await?;
    let registrations: Vec<_> = new
        .iter()
        .map(|(call, registration)| (&*call.caller, &**registration))
        .collect();
    let outcomes = register::all(tx, &policies, &registrations).await?;
    let (mut refusals, mut changes) = (Vec::with_capacity(new.len()), Vec::new());
    for ((call, _), outcome) in new.iter().zip(outcomes) {
        refusals.push(match outcome {
            Ok(change) => {
                changes.push((call.clone(), change));
                None
            }
            Err(error) => Some(error),
        });
    }
    let mut written = record_all(tx, changes).await?.into_iter();
    let answers = refusals.into_iter().map(|refusal| match refusal {
        Some(error) => Err(error),
        None => written
            .next()
            .ok_or_else(|| Error::Internal("a registration got lost".into())),
    });
    Ok(answers.collect())
}

#[cfg(test)]
mod tests {
    use super::may_begin;

    #[test]
    fn whoever_comes_when_nothing_is_written_goes_alone() {
        assert!(may_begin(1, &[]));
        assert!(!may_begin(0, &[]));
    }

    #[test]
    fn a_second_transaction_begins_once_as_many_wait_as_the_first_has() {
        assert!(may_begin(1, &[1]));
        assert!(!may_begin(7, &[8]));
        assert!(may_begin(8, &[8]));
    }

    #[test]
    fn a_third_transaction_waits_for_the_end_of_one() {
        assert!(!may_begin(64, &[1, 1]));
    }
}
