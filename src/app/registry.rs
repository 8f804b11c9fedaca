//! The registry: what every use case stands on. A use case has two doors. [`Registry::view`] reads
//! one committed state; [`Registry::change`] writes, and cannot forget to authorise, to audit, to
//! emit events or to remember its answer, since it does all four around the body.

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    collection::Groups,
    effect::Effect,
    error::{Error, Missing},
    event::{EventLimits, Tail},
    purpose::Glances,
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        deadline::PublicHolidays,
        event::{Event, EventKind},
        export::LIFETIME_DAYS,
        id::SubjectId,
        journal::JournalKind,
        name::PolicyVersion,
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        revision::Revision,
    },
    runtime::{clock::Clock, metrics::Metrics},
    snapshot::Memory,
    store::{
        Session, Snapshot, Store, StoreError, Tx, WriteError,
        idempotency::{Remembered, RequestKey},
    },
};

/// How far ahead of the registry's clock a caller's instant may be (clocks differ a little).
pub const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(5);

/// The use cases, over one store and one clock. Cheap to clone.
#[derive(Clone)]
pub struct Registry {
    pub(super) store: Arc<Store>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) changed: Arc<Notify>,
    pub(super) tail: Arc<Tail>,
    pub(super) due: Arc<Notify>,
    pub(super) ended: Arc<Notify>,
    pub(super) requests: Arc<Notify>,
    pub(super) holidays: Arc<PublicHolidays>,
    pub(super) export_lifetime: SignedDuration,
    pub(super) events: EventLimits,
    pub(super) stopping: CancellationToken,
    /// What checks are answered from without asking the store, if anything is.
    pub(super) memory: Option<Arc<Memory>>,
    /// Registrations that wait for each other's transaction.
    pub(super) groups: Arc<Groups>,
    /// Checks that wait to read together.
    pub(super) glances: Arc<Glances>,
}

/// One call that writes: who, what, and under which idempotency key.
#[derive(Clone)]
pub struct Call {
    /// Who asks.
    pub caller: Arc<Caller>,
    /// For what.
    pub action: Action,
    /// The caller's idempotency key, if it gave one.
    pub request_id: Option<Uuid>,
    /// The request in a canonical encoding: a repeat has the same one. It is kept as a keyed
    /// fingerprint only.
    pub canonical: Arc<[u8]>,
}

impl Call {
    /// A call without an idempotency key.
    pub fn new(caller: Arc<Caller>, action: Action) -> Self {
        Self {
            caller,
            action,
            request_id: None,
            canonical: Arc::new([]),
        }
    }

    /// The same call under an idempotency key. `canonical` is the request in a canonical encoding.
    #[must_use]
    pub fn idempotent(self, request_id: Option<Uuid>, canonical: Vec<u8>) -> Self {
        Self {
            request_id,
            canonical: canonical.into(),
            ..self
        }
    }

    /// Refuses a caller without the action's scope.
    pub(super) fn authorise(&self) -> Result<(), Error> {
        authorise(&self.caller, self.action)
    }
}

/// Refuses a caller without the action's scope.
pub fn authorise(caller: &Caller, action: Action) -> Result<(), Error> {
    let scope = action.scope();
    if caller.has(scope) {
        Ok(())
    } else {
        Err(Error::ScopeMissing(scope.as_str()))
    }
}

/// What a body did. `T` is what the answer is rendered from: ids, instants, names of the policy;
/// never content, since it is remembered.
pub struct Change<T> {
    /// What the answer is rendered from.
    pub value: T,
    /// What others hear of, in order.
    pub events: Vec<Event>,
    /// What the log says.
    pub audit: AuditDetail,
    /// Further subjects that changed, beside those that the events name.
    pub subjects: Vec<SubjectId>,
    /// What is taken away, and must not come back with a backup.
    pub journal: Vec<(SubjectId, JournalKind)>,
    /// What the log says of further people, when several are concerned.
    further_audit: Vec<AuditDetail>,
    /// Whether a repeat of the request is answered from memory.
    is_remembered: bool,
}

impl<T> Change<T> {
    /// A change that nobody hears of yet.
    pub fn new(value: T, audit: AuditDetail) -> Self {
        Self {
            value,
            events: Vec::new(),
            audit,
            subjects: Vec::new(),
            journal: Vec::new(),
            further_audit: Vec::new(),
            is_remembered: true,
        }
    }

    /// A change that concerns several people, each with an entry of its own in the log.
    pub fn of_many(value: T, mut audit: Vec<AuditDetail>) -> Self {
        let last = audit.pop().unwrap_or_default();
        Self {
            further_audit: audit,
            ..Self::new(value, last)
        }
    }

    /// What was refused is kept and audited, but a repeat of the request is judged anew.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.is_remembered = false;
        self
    }

    /// Adds an event.
    #[must_use]
    pub fn event(mut self, event: Event) -> Self {
        self.events.push(event);
        self
    }

    /// Adds what a further step did.
    pub(super) fn join(&mut self, effect: Effect) {
        self.events.extend(effect.events);
        self.further_audit.extend(effect.audit);
        self.subjects.extend(effect.subjects);
        self.journal.extend(effect.journal);
        self.audit.task_ids.extend(effect.task_ids);
    }

    /// Adds what is taken away from a subject: the journal outside the database has it before the
    /// answer is given, so that a restored backup does not bring it back.
    #[must_use]
    pub fn journal(mut self, subject: SubjectId, what: JournalKind) -> Self {
        self.journal.push((subject, what));
        self
    }
}

/// A change that is durable.
#[derive(Clone, Debug)]
pub struct Written<T> {
    /// What the answer is rendered from.
    pub value: T,
    /// The committed state.
    pub revision: Revision,
    /// Whether it had been answered before and nothing was changed now.
    pub replayed: bool,
}

/// One committed state to read from, with the policies that it knows.
pub struct View {
    /// The state.
    pub snapshot: Snapshot,
    /// The published policies.
    pub policies: Arc<PolicyHistory>,
}

impl View {
    /// The instant by which it decides.
    pub fn now(&self) -> Timestamp {
        self.snapshot.now()
    }

    /// The policy in force.
    pub fn in_force(&self) -> Result<&Arc<CompiledPolicy>, Error> {
        in_force(&self.policies, self.now())
    }
}

/// The policy in force at `at`.
pub(super) fn in_force(
    policies: &PolicyHistory,
    at: Timestamp,
) -> Result<&Arc<CompiledPolicy>, Error> {
    policies
        .in_force(at)
        .ok_or(Error::NotFound(Missing::Policy))
}

/// The version named, or the one in force at `at` when none is.
pub(super) fn policy_or_in_force<'p>(
    policies: &'p PolicyHistory,
    version: Option<&PolicyVersion>,
    at: Timestamp,
) -> Result<&'p Arc<CompiledPolicy>, Error> {
    match version {
        Some(version) => policies
            .get(version)
            .ok_or(Error::NotFound(Missing::Policy)),
        None => in_force(policies, at),
    }
}

impl Registry {
    /// The use cases over `store`. Streams end once `stopping` is cancelled.
    pub fn new(store: Arc<Store>, clock: Arc<dyn Clock>, stopping: CancellationToken) -> Self {
        Self {
            store,
            clock,
            changed: Arc::default(),
            tail: Arc::default(),
            due: Arc::default(),
            ended: Arc::default(),
            requests: Arc::default(),
            holidays: Arc::default(),
            export_lifetime: SignedDuration::from_hours(24 * LIFETIME_DAYS),
            events: EventLimits::default(),
            stopping,
            memory: None,
            groups: Arc::default(),
            glances: Arc::default(),
        }
    }

    /// The same, with a memory that checks are answered from. Whoever tells the store's changes to it sees
    /// that it is never stale.
    #[must_use]
    pub fn with_memory(self, memory: Arc<Memory>) -> Self {
        Self {
            memory: Some(memory),
            ..self
        }
    }

    /// The same with the controller's public holidays, on which no deadline ends.
    #[must_use]
    pub fn with_holidays(self, holidays: PublicHolidays) -> Self {
        Self {
            holidays: Arc::new(holidays),
            ..self
        }
    }

    /// The same, with packages that can be downloaded for so long.
    #[must_use]
    pub fn with_export_lifetime(self, export_lifetime: SignedDuration) -> Self {
        Self {
            export_lifetime,
            ..self
        }
    }

    /// The same, with events kept for so long, and readers borne with for so long.
    #[must_use]
    pub fn with_event_limits(self, events: EventLimits) -> Self {
        Self { events, ..self }
    }

    /// The store; tests plan faults in it.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// What is counted in this process.
    pub fn metrics(&self) -> &Metrics {
        self.store.metrics()
    }

    /// Now, for limits that a message is held against; a transaction decides by its own clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The clock's instant; a transaction decides by its own.
    pub(super) fn clock_now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Lets what waited for a hold or a law go on at once, without waiting for the next round.
    pub(super) fn wake_retention(&self) {
        self.due.notify_one();
    }

    /// Lets requests go on at once: what one of them waited for has come. One worker waits for this;
    /// other workers are woken apart, since each call wakes one.
    pub(super) fn wake_requests(&self) {
        self.requests.notify_one();
    }

    /// Opens the reading door: one committed state, at least as fresh as `revision`. The store is
    /// always asked, so every state that was committed when the call began is in it.
    pub async fn view(
        &self,
        caller: &Caller,
        action: Action,
        revision: Option<Revision>,
    ) -> Result<View, Error> {
        authorise(caller, action)?;
        // What goes on for long looks again and again; a token's end is the end of it.
        if caller.has_expired(self.clock_now()) {
            return Err(Error::TokenExpired);
        }
        let snapshot = self.store.snapshot(self.clock_now()).await?;
        if let Some(wanted) = revision {
            known_revision(&snapshot, wanted).await?;
        }
        let policies = self.store.policies(&snapshot).await?;
        Ok(View { snapshot, policies })
    }

    /// Opens the writing door. The body may run more than once; what it did becomes durable as a
    /// whole, with its audit entry, its events and the remembered answer.
    pub async fn change<T, F>(&self, call: Call, body: F) -> Result<Written<T>, Error>
    where
        T: Serialize + DeserializeOwned + Send + 'static,
        F: for<'t> Fn(
                &'t mut Tx,
                &'t Arc<PolicyHistory>,
            ) -> BoxFuture<'t, Result<Change<T>, Error>>
            + Send
            + Sync
            + 'static,
    {
        call.authorise()?;
        let name = call.action.name();
        let store = self.store.clone();
        let body = Arc::new(body);
        let written = self
            .store
            .write(name, self.clock_now(), move |tx| {
                let (store, call, body) = (store.clone(), call.clone(), body.clone());
                Box::pin(async move { run(&store, tx, &call, &*body).await })
            })
            .await?;
        self.changed.notify_one();
        Ok(written)
    }
}

async fn run<T, F>(store: &Store, tx: &mut Tx, call: &Call, body: &F) -> Result<Written<T>, Error>
where
    T: Serialize + DeserializeOwned,
    F: for<'t> Fn(&'t mut Tx, &'t Arc<PolicyHistory>) -> BoxFuture<'t, Result<Change<T>, Error>>,
{
    if let Some(answered) = replay(tx, call).await? {
        return Ok(answered);
    }
    let policies = store.policies(tx).await?;
    let change = body(tx, &policies).await?;
    record(tx, call, change).await
}

/// The first answer to this request, when there was one.
async fn replay<T: DeserializeOwned>(
    tx: &mut Tx,
    call: &Call,
) -> Result<Option<Written<T>>, Error> {
    let Some(key) = request_key(call) else {
        return Ok(None);
    };
    let Some(remembered) = tx.find_remembered(&key).await? else {
        return Ok(None);
    };
    answered(tx, call, &remembered).map(Some)
}

/// The remembered answer, if it belongs to this very request.
pub(super) fn answered<T: DeserializeOwned>(
    tx: &Tx,
    call: &Call,
    remembered: &Remembered,
) -> Result<Written<T>, Error> {
    if !remembered.answers(tx, &call.canonical) {
        return Err(Error::RequestIdReused);
    }
    // The first answer may have been lost between the commit and the journal.
    tx.owe_journal();
    tx.note_repeat();
    let value = serde_json::from_str(&remembered.response)
        .map_err(|error| Error::Internal(format!("a remembered answer does not read: {error}")))?;
    Ok(Written {
        value,
        revision: remembered.revision,
        replayed: true,
    })
}

/// Events, stamps, audit and the remembered answer of a change: its other half.
pub(super) async fn record<T: Serialize>(
    tx: &mut Tx,
    call: &Call,
    change: Change<T>,
) -> Result<Written<T>, Error> {
    let written = record_all(tx, vec![(call.clone(), change)]).await?;
    written
        .into_iter()
        .next()
        .ok_or_else(|| Error::Internal("a change was not recorded".into()))
}

/// As [`record`], for changes of one caller and action that share the transaction, and with it the
/// state that they lead to.
pub(super) async fn record_all<T: Serialize>(
    tx: &mut Tx,
    changes: Vec<(Call, Change<T>)>,
) -> Result<Vec<Written<T>>, Error> {
    let Some((Call { caller, action, .. }, _)) = changes.first() else {
        return Ok(Vec::new());
    };
    let (caller, action) = (caller.clone(), *action);
    let mut traces = Traces::default();
    let mut values = Vec::with_capacity(changes.len());
    for (call, change) in changes {
        let (value, is_remembered) = traces.take(change);
        values.push((call, value, is_remembered));
    }
    let revision = traces
        .leave(tx, caller.service.as_str(), action.name())
        .await?;
    let mut answers = Vec::new();
    for (call, value, is_remembered) in &values {
        if let Some(key) = request_key(call).filter(|_| *is_remembered) {
            let response =
                serde_json::to_string(value).map_err(|error| Error::Internal(error.to_string()))?;
            let answer = Remembered::of(tx, &call.canonical, response, revision);
            answers.push((key, answer));
        }
    }
    tx.remember(&answers).await?;
    let written = values.into_iter().map(|(_, value, _)| Written {
        value,
        revision,
        replayed: false,
    });
    Ok(written.collect())
}

/// What changes leave beside what they changed: events, and entries in the log.
#[derive(Default)]
pub(super) struct Traces {
    events: Vec<Event>,
    subjects: Vec<SubjectId>,
    audit: Vec<AuditDetail>,
    journal: Vec<(SubjectId, JournalKind)>,
}

impl Traces {
    /// Takes the traces of one more change; gives back its value, and whether that is remembered.
    pub(super) fn take<T>(&mut self, change: Change<T>) -> (T, bool) {
        self.events.extend(change.events);
        self.subjects.extend(change.subjects);
        self.audit.extend(change.further_audit);
        self.audit.push(change.audit);
        self.journal.extend(change.journal);
        (change.value, change.is_remembered)
    }

    /// Writes them, under the name of who did it and of what was done.
    pub(super) async fn leave(
        mut self,
        tx: &mut Tx,
        caller: &str,
        action: &'static str,
    ) -> Result<Revision, Error> {
        let revision = publish(tx, &self.events, self.subjects).await?;
        for detail in &mut self.audit {
            detail.revision = revision.to_string();
        }
        tx.append_audit(caller, action, &self.audit).await?;
        tx.append_journal(self.journal).await?;
        Ok(revision)
    }
}

/// Writes the events and stamps what changed with the state that they make.
async fn publish(
    tx: &mut Tx,
    events: &[Event],
    subjects: Vec<SubjectId>,
) -> Result<Revision, Error> {
    let Some(revision) = tx.emit(events).await? else {
        return Ok(tx.last_revision().await?);
    };
    let named = events.iter().filter_map(|event| event.subject_id);
    let mut changed: Vec<_> = named.chain(subjects).collect();
    changed.sort_unstable();
    changed.dedup();
    tx.stamp_subjects(&changed, revision).await?;
    for event in events {
        if event.kind == EventKind::PolicyPublished
            && let Some(version) = &event.policy_version
        {
            tx.stamp_policy(version, revision).await?;
        }
    }
    Ok(revision)
}

fn request_key(call: &Call) -> Option<RequestKey> {
    call.request_id.map(|request_id| RequestKey {
        caller: call.caller.service.as_str().to_owned(),
        action: call.action,
        request_id,
    })
}

pub(super) async fn known_revision(session: &Session, wanted: Revision) -> Result<(), Error> {
    if session.last_revision().await? < wanted {
        Err(Error::RevisionUnknown)
    } else {
        Ok(())
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Contention => Self::Conflict,
            StoreError::Unavailable(text) => Self::StoreUnavailable(text),
            StoreError::Closed => Self::Stopping,
            StoreError::Planned => Self::StoreUnavailable("a planned fault".into()),
            StoreError::Corrupt { .. }
            | StoreError::KeyMissing(_)
            | StoreError::Crypto(_)
            | StoreError::Schema(_)
            | StoreError::Internal(_) => Self::Internal(error.to_string()),
        }
    }
}

impl WriteError for Error {
    fn is_contention(&self) -> bool {
        matches!(self, Self::Conflict)
    }
}
