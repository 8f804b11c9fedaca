//! A request's life as types: each state is a type, each step consumes one and gives another. What a
//! state does not permit has no method there, so it does not compile. [`AnyRequest`] is the form in
//! which a request is kept and loaded; its methods say of a step that the state does not have why not.
//!
//! ```
//! # use registry::domain::request::life::{Received, Request};
//! fn told(request: Request<Received>, now: jiff::Timestamp) {
//!     let _ = request.cancel(now);
//! }
//! ```
//!
//! ```compile_fail
//! # use registry::domain::request::life::{Completed, Request};
//! fn told(request: Request<Completed>, now: jiff::Timestamp) {
//!     let _ = request.cancel(now); // What has come to its end cannot be taken back.
//! }
//! ```
//!
//! ```compile_fail
//! # use registry::domain::request::life::{Received, Request};
//! fn told(request: Request<Received>, now: jiff::Timestamp) {
//!     let _ = request.begin(); // Nobody knows yet who asks.
//! }
//! ```

use std::marker::PhantomData;

use jiff::Timestamp;

use super::{
    IdentityMethod, ObjectionRuling, RequestState,
    advance::{self, Leaves, Standing},
    part::{ObjectionDecision, ObjectionMade, Part, PartState},
    record::{Identity, Record},
};
use crate::domain::{deadline::Calendar, id::RestrictionId, name::Purpose};

/// Why a state does not permit a step; written for the caller.
pub type Refusal = &'static str;

/// A state of a request.
pub trait State {
    /// As it is kept.
    const STATE: RequestState;
}

/// A state in which something is still to be done.
pub trait Open: State {}

/// A state in which parts are carried out.
pub trait Underway: Open {}

/// A state that ended the request before everything was carried out.
pub trait CutShort: State {}

macro_rules! states {
    ($($(#[$doc:meta])* $state:ident: $($trait:ident)*;)*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug, PartialEq, Eq)]
            pub struct $state;

            impl State for $state {
                const STATE: RequestState = RequestState::$state;
            }

            $(impl $trait for $state {})*

            impl From<Request<$state>> for AnyRequest {
                fn from(request: Request<$state>) -> Self {
                    Self::$state(request)
                }
            }
        )*

        /// A request in any state.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum AnyRequest {
            $($(#[$doc])* $state(Request<$state>),)*
        }

        impl AnyRequest {
            /// A request as it was kept.
            pub fn restore(state: RequestState, record: Record) -> Self {
                match state {
                    $(RequestState::$state => Self::$state(Request::new(record)),)*
                }
            }

            /// How far it has come.
            pub fn state(&self) -> RequestState {
                match self {
                    $(Self::$state(_) => RequestState::$state,)*
                }
            }

            /// What is recorded of it.
            pub fn record(&self) -> &Record {
                match self {
                    $(Self::$state(request) => &request.record,)*
                }
            }

            fn record_mut(&mut self) -> &mut Record {
                match self {
                    $(Self::$state(request) => &mut request.record,)*
                }
            }
        }
    };
}

states! {
    /// Received; who asks is not verified yet.
    Received: Open;
    /// Whoever asks is the person; nothing of it was begun yet.
    IdentityVerified: Open;
    /// It is being carried out.
    InProgress: Open Underway;
    /// Processors or internal holders have not all answered yet.
    WaitingOnProcessors: Open Underway;
    /// A legal hold keeps some items.
    OnHold: Open Underway;
    /// Every part and every task has come to its end.
    Completed: ;
    /// Refused, with a reason.
    Rejected: CutShort;
    /// Taken back by the person.
    Cancelled: CutShort;
}

/// A request in the state `S`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request<S> {
    record: Record,
    state: PhantomData<S>,
}

/// A request that is under way, or has just come to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Settled {
    /// It is being carried out.
    InProgress(Request<InProgress>),
    /// Recipients have not all answered.
    WaitingOnProcessors(Request<WaitingOnProcessors>),
    /// A legal hold keeps some items.
    OnHold(Request<OnHold>),
    /// Everything has come to its end.
    Completed(Request<Completed>),
}

impl From<Settled> for AnyRequest {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::InProgress(request) => request.into(),
            Settled::WaitingOnProcessors(request) => request.into(),
            Settled::OnHold(request) => request.into(),
            Settled::Completed(request) => request.into(),
        }
    }
}

impl<S: State> Request<S> {
    fn new(record: Record) -> Self {
        Self {
            record,
            state: PhantomData,
        }
    }

    fn turn<T: State>(self) -> Request<T> {
        Request::new(self.record)
    }

    /// What is recorded of it.
    pub fn record(&self) -> &Record {
        &self.record
    }
}

impl Request<Received> {
    /// A request that was just received; its parts are pending and its clock runs.
    pub fn receive(record: Record) -> Self {
        Self::new(record)
    }

    /// Stops the clock: there are reasonable doubts about who asks (Art. 12(6)). A clock that stands
    /// still, or that has run out, cannot be stopped.
    pub fn doubt(mut self, now: Timestamp) -> Result<Self, Refusal> {
        let clock = &mut self.record.clock;
        if clock.paused_since.is_some() {
            return Err(
                "the clock stands still already; verify the identity, or reject the request",
            );
        }
        if clock.due_at < now {
            return Err("the deadline has passed; a doubt that comes later does not stop it");
        }
        clock.paused_since = Some(now);
        Ok(self)
    }

    /// Whoever asks is the person. A clock that stood still runs on.
    pub fn verify(
        mut self,
        method: IdentityMethod,
        now: Timestamp,
        calendar: Calendar<'_>,
    ) -> Request<IdentityVerified> {
        let record = &mut self.record;
        record.identity = Some(Identity {
            method,
            verified_at: now,
        });
        record.clock.resume(now, calendar);
        record.clock.count(record.received_at, calendar);
        self.turn()
    }
}

impl Request<IdentityVerified> {
    /// Its parts are carried out from now on.
    pub fn begin(self) -> Request<InProgress> {
        self.turn()
    }
}

impl<S: Open> Request<S> {
    /// Two further months, once, before the deadline has passed (Art. 12(3)).
    pub fn extend(
        mut self,
        reason: String,
        now: Timestamp,
        calendar: Calendar<'_>,
    ) -> Result<Self, Refusal> {
        let record = &mut self.record;
        if record.clock.extension_reason.is_some() {
            return Err("the request was extended already; there is no second extension");
        }
        if record.answered_at.is_some() {
            return Err("the person was answered; there is nothing to extend");
        }
        if record.clock.running_due_at().is_some_and(|due| due < now) {
            return Err("the deadline has passed; it could be extended before that only");
        }
        record.clock.extension_reason = Some(reason);
        record.clock.count(record.received_at, calendar);
        Ok(self)
    }

    /// Refuses what has not been carried out (Art. 12(4)). The person was told, and so was answered.
    pub fn reject(mut self, reason: String, now: Timestamp) -> Result<Request<Rejected>, Refusal> {
        self.drop_parts(now)?;
        self.record.rejection_reason = Some(reason);
        self.record.answered_at.get_or_insert(now);
        Ok(self.turn())
    }

    /// The person takes back what has not been carried out. What has been stays so.
    pub fn cancel(mut self, now: Timestamp) -> Result<Request<Cancelled>, Refusal> {
        self.drop_parts(now)?;
        Ok(self.turn())
    }

    fn drop_parts(&mut self, now: Timestamp) -> Result<(), Refusal> {
        let record = &mut self.record;
        let undone = |part: &&mut Part| !part.state.is_end() && part.carried_out_at.is_none();
        let mut dropped = false;
        for part in record.parts.iter_mut().filter(undone) {
            part.drop_it(now);
            dropped = true;
        }
        if !dropped {
            return Err("everything that was asked for has been carried out, and stays so");
        }
        record.clock.paused_since = None;
        if record.parts.iter().all(|part| part.state.is_end()) {
            record.completed_at = Some(now);
        }
        Ok(())
    }
}

impl Request<InProgress> {
    /// The parts, to be carried out.
    pub fn parts_mut(&mut self) -> &mut [Part] {
        &mut self.record.parts
    }
}

impl<S: Underway> Request<S> {
    /// Takes it up again.
    pub fn resume(self) -> Request<InProgress> {
        self.turn()
    }

    /// Moves its parts, and itself, to where the leaves put them.
    pub fn settle(mut self, leaves: &Leaves, now: Timestamp) -> Settled {
        advance::settle(&mut self.record.parts, leaves, now);
        match advance::standing(&self.record.parts, leaves) {
            Standing::InProgress => Settled::InProgress(self.turn()),
            Standing::WaitingOnProcessors => Settled::WaitingOnProcessors(self.turn()),
            Standing::OnHold => Settled::OnHold(self.turn()),
            Standing::Completed => {
                self.record.completed_at = Some(now);
                Settled::Completed(self.turn())
            }
        }
    }
}

impl<S: CutShort> Request<S> {
    /// What was carried out before it was cut short goes on to its end; the state stays.
    #[must_use]
    pub fn finish(mut self, leaves: &Leaves, now: Timestamp) -> Self {
        let record = &mut self.record;
        if record.completed_at.is_none() {
            advance::settle(&mut record.parts, leaves, now);
            if advance::standing(&record.parts, leaves) == Standing::Completed {
                record.completed_at = Some(now);
            }
        }
        self
    }
}

const ENDED: Refusal = "the request has come to its end";
const NOT_VERIFIED: Refusal = "the identity is not verified yet";

impl AnyRequest {
    /// As [`Request::doubt`].
    pub fn doubt(self, now: Timestamp) -> Result<Self, Refusal> {
        match self {
            Self::Received(request) => Ok(request.doubt(now)?.into()),
            _ => Err(
                "the identity was verified, or the request has ended; there is nothing to doubt",
            ),
        }
    }

    /// As [`Request::verify`].
    pub fn verify(
        self,
        method: IdentityMethod,
        now: Timestamp,
        calendar: Calendar<'_>,
    ) -> Result<Request<IdentityVerified>, Refusal> {
        match self {
            Self::Received(request) => Ok(request.verify(method, now, calendar)),
            _ => Err("the identity was verified already, or the request has ended"),
        }
    }

    /// As [`Request::extend`].
    pub fn extend(
        self,
        reason: String,
        now: Timestamp,
        calendar: Calendar<'_>,
    ) -> Result<Self, Refusal> {
        Ok(match self {
            Self::Received(request) => request.extend(reason, now, calendar)?.into(),
            Self::IdentityVerified(request) => request.extend(reason, now, calendar)?.into(),
            Self::InProgress(request) => request.extend(reason, now, calendar)?.into(),
            Self::WaitingOnProcessors(request) => request.extend(reason, now, calendar)?.into(),
            Self::OnHold(request) => request.extend(reason, now, calendar)?.into(),
            Self::Completed(_) | Self::Rejected(_) | Self::Cancelled(_) => return Err(ENDED),
        })
    }

    /// As [`Request::reject`].
    pub fn reject(self, reason: String, now: Timestamp) -> Result<Self, Refusal> {
        Ok(match self {
            Self::Received(request) => request.reject(reason, now)?.into(),
            Self::IdentityVerified(request) => request.reject(reason, now)?.into(),
            Self::InProgress(request) => request.reject(reason, now)?.into(),
            Self::WaitingOnProcessors(request) => request.reject(reason, now)?.into(),
            Self::OnHold(request) => request.reject(reason, now)?.into(),
            Self::Completed(_) | Self::Rejected(_) | Self::Cancelled(_) => return Err(ENDED),
        })
    }

    /// As [`Request::cancel`].
    pub fn cancel(self, now: Timestamp) -> Result<Self, Refusal> {
        Ok(match self {
            Self::Received(request) => request.cancel(now)?.into(),
            Self::IdentityVerified(request) => request.cancel(now)?.into(),
            Self::InProgress(request) => request.cancel(now)?.into(),
            Self::WaitingOnProcessors(request) => request.cancel(now)?.into(),
            Self::OnHold(request) => request.cancel(now)?.into(),
            Self::Completed(_) | Self::Rejected(_) | Self::Cancelled(_) => return Err(ENDED),
        })
    }

    /// The request, to be carried out further; `None`: nobody knows who asks, or it has ended.
    pub fn underway(&self) -> Option<Request<InProgress>> {
        match self.clone() {
            Self::IdentityVerified(request) => Some(request.begin()),
            Self::InProgress(request) => Some(request),
            Self::WaitingOnProcessors(request) => Some(request.resume()),
            Self::OnHold(request) => Some(request.resume()),
            Self::Received(_) | Self::Completed(_) | Self::Rejected(_) | Self::Cancelled(_) => None,
        }
    }

    /// Records that the person was answered, at `answered_at`. A late answer is one, too.
    pub fn answer(mut self, answered_at: Timestamp) -> Result<Self, Refusal> {
        match self {
            Self::Received(_) => {
                Err("who asks is not known; verify the identity, or reject the request")
            }
            Self::Cancelled(_) => Err("the person has taken the request back; no answer is owed"),
            _ if self.record().answered_at.is_some() => Err("the person was answered already"),
            _ => {
                self.record_mut().answered_at = Some(answered_at);
                Ok(self)
            }
        }
    }

    /// Decides on the objection to `purpose`, or on every undecided one, once. Gives those decided.
    pub fn decide(
        mut self,
        purpose: Option<&Purpose>,
        decision: &ObjectionDecision,
    ) -> Result<(Self, Vec<ObjectionMade>), Refusal> {
        let mut decided = Vec::new();
        for objection in self.objections_mut() {
            let meant = purpose.is_none_or(|purpose| *purpose == objection.purpose);
            if meant && objection.decided.is_none() {
                objection.decided = Some(decision.clone());
                decided.push(objection.clone());
            }
        }
        if decided.is_empty() {
            return Err("the request has no such objection that is undecided");
        }
        Ok((self, decided))
    }

    /// The objections that it made.
    pub fn objections(&self) -> impl Iterator<Item = &ObjectionMade> {
        self.record().parts.iter().flat_map(|part| &part.objections)
    }

    fn objections_mut(&mut self) -> impl Iterator<Item = &mut ObjectionMade> {
        let parts = self.record_mut().parts.iter_mut();
        parts.flat_map(|part| &mut part.objections)
    }

    /// Lifts the restriction that it made (Art. 18(3)).
    pub fn lift(mut self, now: Timestamp) -> Result<(Self, RestrictionId), Refusal> {
        if matches!(self, Self::Received(_)) {
            return Err(NOT_VERIFIED);
        }
        let mut parts = self.record_mut().parts.iter_mut();
        let restriction = parts.find_map(|part| part.restriction.as_mut());
        let restriction = restriction.ok_or("the request has made no restriction")?;
        if restriction.lifted_at.is_some() {
            return Err("the restriction was lifted already");
        }
        restriction.lifted_at = Some(now);
        let id = restriction.restriction_id;
        Ok((self, id))
    }

    /// Where the leaves put it, when that is elsewhere than where it is: nothing is started.
    #[must_use]
    pub fn settle(self, leaves: &Leaves, now: Timestamp) -> Self {
        match self {
            Self::InProgress(request) => request.settle(leaves, now).into(),
            Self::WaitingOnProcessors(request) => request.settle(leaves, now).into(),
            Self::OnHold(request) => request.settle(leaves, now).into(),
            Self::Rejected(request) => request.finish(leaves, now).into(),
            Self::Cancelled(request) => request.finish(leaves, now).into(),
            Self::Received(_) | Self::IdentityVerified(_) | Self::Completed(_) => self,
        }
    }

    /// Whether it could go on: a part may start, or the leaves put it elsewhere.
    pub fn could_go_on(&self, leaves: &Leaves, now: Timestamp) -> bool {
        let may_start = self
            .underway()
            .is_some_and(|request| advance::startable(&request.record.parts).is_some());
        may_start || self.clone().settle(leaves, now) != *self
    }

    /// When the person must be answered, while somebody waits for that and the clock runs.
    pub fn open_due_at(&self) -> Option<Timestamp> {
        let record = self.record();
        let waits = record.answered_at.is_none() && !matches!(self, Self::Cancelled(_));
        record.clock.running_due_at().filter(|_| waits)
    }

    /// Whether the right values of a rectification are still needed.
    pub fn needs_corrections(&self) -> bool {
        let mut parts = self.record().parts.iter();
        parts.any(|part| {
            part.kind == super::RequestKind::Rectification && part.state == PartState::Pending
        })
    }

    /// The objections that `decision` would reject, of those that are meant.
    pub fn meant(&self, purpose: Option<&Purpose>) -> Vec<&ObjectionMade> {
        self.objections()
            .filter(|one| purpose.is_none_or(|purpose| *purpose == one.purpose))
            .filter(|one| one.decided.is_none())
            .collect()
    }
}

impl ObjectionDecision {
    /// When it was upheld for good, if it was.
    pub fn upheld_at(&self) -> Option<Timestamp> {
        (self.ruling == ObjectionRuling::Upheld).then_some(self.decided_at)
    }

    /// When it was rejected, if it was.
    pub fn rejected_at(&self) -> Option<Timestamp> {
        (self.ruling == ObjectionRuling::Rejected).then_some(self.decided_at)
    }
}

#[cfg(test)]
mod tests;
