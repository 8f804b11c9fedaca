//! One process among several on one database: it hears of what the others change, keeps its lease to answer from
//! memory, and lets its own calls return only when nobody can answer from what was before them.
//!
//! A round is one statement on one connection. It hears whatever was committed when it began; only after that is
//! forgotten is the lease prolonged, counted from before the round, and only then do the others hear that it is
//! forgotten. The notifications make this quick, and nothing depends on their arrival.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::{
    sync::{
        mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
        oneshot,
    },
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{
    barrier::{Barriers, Waiter, outlasting},
    lease::LEASE_LIMITS,
    memory::Memory,
};
use crate::{
    runtime::boottime::Boottime,
    store::{
        Changes, StoreError, Witness,
        replica::{Heard, Member, Message, Post, Round},
    },
};

/// How often a lease is renewed while it lasts.
const RENEWALS_PER_LEASE: u32 = 4;
/// How long a replica rests before it tries to take a place again.
const REJOIN_PAUSE: Duration = Duration::from_millis(100);

/// What a call asks of the loop.
struct Ask {
    /// Who waits; `None`: the others are to be told, and nobody waits for their answer.
    waiter: Option<Waiter>,
}

/// This process among the others.
pub struct Replica {
    memory: Arc<Memory>,
    asks: UnboundedSender<Ask>,
}

impl Replica {
    /// A replica over `memory`, and what has to be run for it until it is to stop.
    pub fn new(memory: Arc<Memory>, seat: Seat) -> (Self, Ear) {
        let (asks, queue) = unbounded_channel();
        let ear = Ear {
            memory: memory.clone(),
            seat,
            queue,
            barriers: Barriers::default(),
            strangers_until: Boottime::default(),
        };
        (Self { memory, asks }, ear)
    }
}

impl Witness for Replica {
    fn forget(&self, changes: &Changes) {
        self.memory.forget(changes);
    }

    fn settle<'w>(&'w self, changes: Option<&'w Changes>) -> BoxFuture<'w, ()> {
        Box::pin(async move {
            if changes.is_some_and(|changes| !changes.takes_away) {
                // The others hear of it soon; nobody waits for that.
                drop(self.asks.send(Ask { waiter: None }));
                return;
            }
            let (waiter, over) = oneshot::channel();
            drop(self.asks.send(Ask {
                waiter: Some(waiter),
            }));
            // Whatever becomes of the loop: after this no lease holds that was there before the commit.
            let at_most = sleep(outlasting(LEASE_LIMITS[1]));
            tokio::select! {
                Ok(()) = over => {}
                () = at_most => {}
            }
        })
    }
}

/// Where a replica takes its place.
pub struct Seat {
    /// A direct connection to the database.
    pub url: String,
    /// How long its lease lasts.
    pub lease: Duration,
    /// Makes ids of places.
    pub new_id: Box<dyn Fn() -> Uuid + Send + Sync>,
}

/// The loop of a replica.
pub struct Ear {
    memory: Arc<Memory>,
    seat: Seat,
    queue: UnboundedReceiver<Ask>,
    barriers: Barriers,
    /// Until then somebody may hold a lease who is not in the table.
    strangers_until: Boottime,
}

impl Ear {
    /// Takes a place, keeps it, and takes another when it is lost, until `stop`; then gives it back. Calls of
    /// this process that take something away after that wait for every lease to run out.
    pub async fn run(mut self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let lost = self.keep_a_place(&stop).await;
            self.lose();
            if let Err(error) = lost {
                tracing::warn!(%error, "not among the replicas: answers come from the database");
                self.rest().await;
            }
        }
    }

    /// Nothing is answered from memory any more, and nothing is kept: what changes now is not heard.
    fn lose(&mut self) {
        self.memory.lease().end();
        self.memory.clear();
        self.barriers.forget_answers();
    }

    /// Lets those who wait go on in time, though nobody can be asked.
    async fn rest(&mut self) {
        sleep(REJOIN_PAUSE).await;
        let mut waiters = Vec::new();
        while let Ok(ask) = self.queue.try_recv() {
            waiters.extend(ask.waiter);
        }
        let number = self.barriers.next_number();
        let ends = Boottime::now() + outlasting(LEASE_LIMITS[1]);
        // For somebody who never answers: until the longest lease has run out.
        self.barriers.add(number, [Uuid::nil()], ends, waiters);
        self.barriers.release(Boottime::now());
    }

    async fn keep_a_place(&mut self, stop: &CancellationToken) -> Result<(), StoreError> {
        let (id, lease) = ((self.seat.new_id)(), self.seat.lease);
        let post = in_time(lease, Post::join(&self.seat.url, id, lease)).await?;
        // What was read without a place may have changed before this one begins to hear.
        self.memory.clear();
        if !post.is_first() {
            self.strangers_until = Boottime::now() + outlasting(LEASE_LIMITS[1]);
        }
        let mut place = Place {
            ear: self,
            post,
            id,
            renewed: Boottime::default(),
            known: HashMap::new(),
        };
        loop {
            tokio::select! {
                gone_round = place.go_round() => gone_round?,
                () = stop.cancelled() => break,
            }
        }
        // First nothing is answered any more, and then nobody waits for us.
        place.ear.lose();
        in_time(lease, place.post.leave()).await
    }
}

/// A replica in its place, on one connection.
struct Place<'e> {
    ear: &'e mut Ear,
    post: Post,
    id: Uuid,
    renewed: Boottime,
    /// The others, and since when each has stood as it stands.
    known: HashMap<Uuid, (Member, Boottime)>,
}

/// What there is to do in a round.
#[derive(Default)]
struct Work {
    /// Whether others may have changed something, or the lease is due.
    hears: bool,
    waiters: Vec<Waiter>,
    tells: bool,
    asked: HashMap<Uuid, u64>,
}

impl Place<'_> {
    async fn go_round(&mut self) -> Result<(), StoreError> {
        let work = self.wait_for_work().await?;
        if work.is_nothing() {
            return Ok(());
        }
        let number = (!work.waiters.is_empty()).then(|| self.ear.barriers.next_number());
        let began = Boottime::now();
        let round = Round {
            renew: self.is_due(began),
            tell: (work.tells || number.is_some()).then_some(number),
        };
        let heard = in_time(self.ear.seat.lease, self.post.round(&round)).await;
        let heard = match heard {
            Ok(heard) => heard,
            Err(error) => {
                // They wait for nobody in particular, until the longest lease has run out.
                self.enter(number, [Uuid::nil()], LEASE_LIMITS[1], work.waiters);
                return Err(error);
            }
        };
        let (others, longest) = self.whom_to_wait_for(&heard, began);
        // Whoever waits may have nobody to wait for, and have repeated what another replica had committed: this
        // one has to have forgotten it first.
        let applied = self.apply(&heard, &round, began);
        self.enter(number, others, longest, work.waiters);
        applied?;
        if !work.asked.is_empty() {
            let asked: Vec<_> = work.asked.into_iter().collect();
            in_time(self.ear.seat.lease, self.post.acknowledge(&asked)).await?;
        }
        self.remove_silent(&heard.members).await
    }

    /// Who has to answer whoever waits now, and how long a lease of theirs can last. Somebody may hold one and be
    /// in no table: when this replica is not in it either, it is not the table that it was; and after a place was
    /// lost the database may be another that does not know of everybody, such as a standby that took over.
    fn whom_to_wait_for(&self, heard: &Heard, now: Boottime) -> (Vec<Uuid>, Duration) {
        let is_there = heard.members.iter().any(|it| it.replica_id == self.id);
        if !is_there || now < self.ear.strangers_until {
            return (vec![Uuid::nil()], LEASE_LIMITS[1]);
        }
        let others = heard.members.iter().filter(|it| it.replica_id != self.id);
        let longest = others.clone().map(|it| it.lease).max();
        let others = others.map(|it| it.replica_id).collect();
        (others, longest.unwrap_or_default())
    }

    /// Waits until there is something to do, and takes all of it.
    async fn wait_for_work(&mut self) -> Result<Work, StoreError> {
        let mut work = Work::default();
        let now = Boottime::now();
        let due = self.due();
        let until = self
            .ear
            .barriers
            .first_end()
            .map_or(due, |end| end.min(due));
        tokio::select! {
            biased;
            ask = self.ear.queue.recv() => work.ask(ask),
            message = self.post.next() => self.take(message?, &mut work),
            () = sleep(until.since(now)) => work.hears = true,
        }
        while let Ok(ask) = self.ear.queue.try_recv() {
            work.ask(Some(ask));
        }
        while let Some(message) = self.post.next_buffered() {
            self.take(Some(message), &mut work);
        }
        self.ear.barriers.release(Boottime::now());
        Ok(work)
    }

    fn take(&mut self, message: Option<Message>, work: &mut Work) {
        match message {
            // What this replica has committed it has forgotten itself.
            Some(Message::Changed {
                writer: Some(writer),
                ..
            }) if writer == self.id => {}
            Some(Message::Changed {
                writer: Some(writer),
                number: Some(number),
            }) => {
                let last = work.asked.entry(writer).or_default();
                *last = number.max(*last);
            }
            Some(Message::Forgotten {
                replica,
                writer,
                number,
            }) if writer == self.id => self.ear.barriers.acknowledge(replica, number),
            // Others' answers, and what asks for no answer: that there was something is enough.
            _ => work.hears = true,
        }
    }

    /// First everything is forgotten, and only then the lease prolonged.
    fn apply(&mut self, heard: &Heard, round: &Round, began: Boottime) -> Result<(), StoreError> {
        let Ear { memory, seat, .. } = &*self.ear;
        match &heard.changes {
            Some(changes) => memory.forget(changes),
            None => memory.clear(),
        }
        let is_there = heard.members.iter().any(|it| it.replica_id == self.id);
        if is_there && !round.renew {
            return Ok(());
        }
        if !is_there || !heard.renewed {
            return Err(StoreError::Unavailable("it was removed as silent".into()));
        }
        memory.lease().learn(heard.now, [began, Boottime::now()]);
        memory.lease().renew(began, seat.lease);
        self.renewed = began;
        Ok(())
    }

    /// Enters those who wait.
    fn enter(
        &mut self,
        number: Option<u64>,
        replicas: impl IntoIterator<Item = Uuid>,
        longest: Duration,
        waiters: Vec<Waiter>,
    ) {
        let barriers = &mut self.ear.barriers;
        if let Some(number) = number {
            let ends = Boottime::now() + outlasting(longest);
            barriers.add(number, replicas, ends, waiters);
        }
        barriers.release(Boottime::now());
    }

    /// Who has not renewed its lease for longer than it lasts is dead, or will have to take a new place: nobody
    /// has to wait for it any more. It is watched over this one connection, so that no crash of the database
    /// can take a renewal back unnoticed.
    async fn remove_silent(&mut self, members: &[Member]) -> Result<(), StoreError> {
        let now = Boottime::now();
        let ids: Vec<_> = members.iter().map(|it| it.replica_id).collect();
        self.known.retain(|id, _| ids.contains(id));
        let others = members.iter().filter(|it| it.replica_id != self.id);
        for member in others.copied() {
            let (seen, since) = self.known.entry(member.replica_id).or_insert((member, now));
            if *seen != member {
                (*seen, *since) = (member, now);
            } else if now.since(*since) > outlasting(member.lease) * 2 {
                tracing::info!(replica = %member.replica_id, "a silent replica is removed");
                in_time(self.ear.seat.lease, self.post.remove(member)).await?;
            }
        }
        Ok(())
    }

    fn due(&self) -> Boottime {
        self.renewed + self.ear.seat.lease / RENEWALS_PER_LEASE
    }

    fn is_due(&self, now: Boottime) -> bool {
        self.due() <= now
    }
}

impl Work {
    fn is_nothing(&self) -> bool {
        !self.hears && !self.tells && self.waiters.is_empty() && self.asked.is_empty()
    }

    fn ask(&mut self, ask: Option<Ask>) {
        self.tells = true;
        self.waiters.extend(ask.and_then(|ask| ask.waiter));
    }
}

/// What takes longer than a lease lasts is not waited for: the connection may be a dead one.
async fn in_time<T>(
    lease: Duration,
    asked: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    timeout(lease, asked).await.map_err(|_| silent())?
}

fn silent() -> StoreError {
    StoreError::Unavailable("the database does not answer in time".into())
}
