//! Who waits until every replica has forgotten something, and whom they still wait for.

use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

use tokio::sync::oneshot;
use uuid::Uuid;

use crate::runtime::boottime::Boottime;

/// How much longer than a lease lasts is waited for it to run out, in parts of it: no machine's clock is as
/// much slower than another's.
pub(super) const DRIFT_PARTS: u32 = 20;

/// How long to wait after a commit until no lease holds any more that was there before it.
pub(super) fn outlasting(lease: Duration) -> Duration {
    lease + lease / DRIFT_PARTS
}

/// Somebody who waits; is told by the end of the channel.
pub(super) type Waiter = oneshot::Sender<()>;

/// Those who asked together.
struct Group {
    number: u64,
    waits_for: HashSet<Uuid>,
    ends: Boottime,
    waiters: Vec<Waiter>,
}

/// Everybody who waits at this replica.
#[derive(Default)]
pub(super) struct Barriers {
    last: u64,
    acknowledged: HashMap<Uuid, u64>,
    groups: Vec<Group>,
}

impl Barriers {
    /// The number under which the others are to answer those who come now.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    /// Adds those who wait for an answer under `number` from each of these replicas, or until `ends`.
    pub(super) fn add(
        &mut self,
        number: u64,
        replicas: impl IntoIterator<Item = Uuid>,
        ends: Boottime,
        waiters: Vec<Waiter>,
    ) {
        let answered = |id: &Uuid| self.acknowledged.get(id).is_some_and(|it| *it >= number);
        let waits_for: HashSet<_> = replicas.into_iter().filter(|id| !answered(id)).collect();
        self.groups.push(Group {
            number,
            waits_for,
            ends,
            waiters,
        });
    }

    /// A replica has forgotten whatever was asked under `number` and before.
    pub(super) fn acknowledge(&mut self, replica: Uuid, number: u64) {
        let last = self.acknowledged.entry(replica).or_default();
        *last = number.max(*last);
        let answered = self.groups.iter_mut().filter(|it| it.number <= number);
        for group in answered {
            group.waits_for.remove(&replica);
        }
    }

    /// Lets those go on whose wait is over: everybody has answered, or nobody's lease can hold any more.
    pub(super) fn release(&mut self, now: Boottime) {
        for group in &mut self.groups {
            if group.is_over(now) {
                for waiter in group.waiters.drain(..) {
                    // Who went away does not wait.
                    let _ = waiter.send(());
                }
            }
        }
        self.groups.retain(|group| !group.is_over(now));
    }

    /// When the first wait is over by itself.
    pub(super) fn first_end(&self) -> Option<Boottime> {
        self.groups.iter().map(|group| group.ends).min()
    }

    /// Forgets who has answered; a new place begins to count anew.
    pub(super) fn forget_answers(&mut self) {
        self.acknowledged.clear();
    }
}

impl Group {
    fn is_over(&self, now: Boottime) -> bool {
        self.waits_for.is_empty() || self.ends <= now
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replica(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn at(seconds: u64) -> Boottime {
        Boottime::from_nanos(seconds * 1_000_000_000)
    }

    #[test]
    fn who_waits_goes_on_when_the_last_replica_has_answered_under_its_number_or_a_later_one() {
        let mut barriers = Barriers::default();
        let (waiter, mut over) = oneshot::channel();
        let number = barriers.next_number();
        barriers.add(number, [replica(1), replica(2)], at(9), vec![waiter]);
        barriers.acknowledge(replica(1), number);
        barriers.release(at(1));
        assert!(over.try_recv().is_err(), "one has not answered");
        let later = barriers.next_number();
        barriers.acknowledge(replica(2), later);
        barriers.release(at(1));
        assert!(over.try_recv().is_ok());
        assert_eq!(barriers.first_end(), None);
    }

    #[test]
    fn an_answer_under_an_earlier_number_answers_nothing() {
        let mut barriers = Barriers::default();
        let earlier = barriers.next_number();
        let number = barriers.next_number();
        let (waiter, mut over) = oneshot::channel();
        barriers.add(number, [replica(1)], at(9), vec![waiter]);
        barriers.acknowledge(replica(1), earlier);
        barriers.release(at(8));
        assert!(over.try_recv().is_err());
        assert_eq!(barriers.first_end(), Some(at(9)));
    }

    #[test]
    fn who_waits_for_a_dead_replica_goes_on_when_its_lease_can_hold_no_more() {
        let mut barriers = Barriers::default();
        let number = barriers.next_number();
        let (waiter, mut over) = oneshot::channel();
        barriers.add(number, [replica(1)], at(9), vec![waiter]);
        barriers.release(Boottime::from_nanos(9_000_000_000 - 1));
        assert!(over.try_recv().is_err());
        barriers.release(at(9));
        assert!(over.try_recv().is_ok());
    }

    #[test]
    fn an_answer_that_comes_before_the_question_is_entered_counts() {
        let mut barriers = Barriers::default();
        let number = barriers.next_number();
        barriers.acknowledge(replica(1), number);
        let (waiter, mut over) = oneshot::channel();
        barriers.add(number, [replica(1)], at(9), vec![waiter]);
        barriers.release(at(1));
        assert!(over.try_recv().is_ok());
    }

    #[test]
    fn the_wait_for_a_lease_is_longer_than_the_lease() {
        let lease = Duration::from_secs(1);
        assert_eq!(outlasting(lease), Duration::from_millis(1_050));
    }
}
