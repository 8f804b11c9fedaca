//! Where ids come from.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use uuid::{Builder, Uuid};

/// Makes ids.
pub trait Ids: Send + Sync {
    /// An id that sorts by `now`, to the millisecond. An instant before 1970 counts as 1970.
    fn uuid_v7(&self, now: Timestamp) -> Uuid;

    /// An id that says nothing.
    fn uuid_v4(&self) -> Uuid;
}

/// Ids that nobody can foresee.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        v7(now, &Uuid::new_v4())
    }

    fn uuid_v4(&self) -> Uuid {
        Uuid::new_v4()
    }
}

/// Ids that a test can repeat: equal seeds give equal ids in equal order.
#[derive(Debug)]
pub struct SeededIds {
    next: AtomicU64,
}

impl SeededIds {
    /// The sequence of ids that belongs to `seed`.
    pub fn new(seed: u64) -> Self {
        Self {
            next: AtomicU64::new(scatter(seed)),
        }
    }
}

impl Ids for SeededIds {
    fn uuid_v7(&self, now: Timestamp) -> Uuid {
        v7(now, &self.uuid_v4())
    }

    fn uuid_v4(&self) -> Uuid {
        let drawn = self.next.fetch_add(1, Ordering::SeqCst);
        let (high, low) = (scatter(drawn), scatter(!drawn));
        Builder::from_random_bytes(Uuid::from_u64_pair(high, low).into_bytes()).into_uuid()
    }
}

fn v7(now: Timestamp, random: &Uuid) -> Uuid {
    let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
    // A v4 id has fixed bits in its bytes 6 and 8; ten of the others are taken.
    let bytes = random.as_bytes();
    let mut tail = [0; 10];
    tail[..6].copy_from_slice(&bytes[..6]);
    tail[6..].copy_from_slice(&bytes[12..]);
    Builder::from_unix_timestamp_millis(milliseconds, &tail).into_uuid()
}

// SplitMix64's finaliser: distinct inputs give distinct, well spread outputs.
fn scatter(input: u64) -> u64 {
    let mut mixed = input.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn instant(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_later_millisecond_gives_a_greater_id() {
        let (early, late) = (
            instant("2026-01-01T00:00:00Z"),
            instant("2026-01-01T00:00:00.001Z"),
        );
        for ids in [&SystemIds as &dyn Ids, &SeededIds::new(1)] {
            for _ in 0..100 {
                assert!(ids.uuid_v7(early) < ids.uuid_v7(late));
            }
        }
    }

    #[test]
    fn ids_say_their_version_and_do_not_repeat() {
        for ids in [&SystemIds as &dyn Ids, &SeededIds::new(1)] {
            let now = instant("2026-01-01T00:00:00Z");
            assert_eq!(ids.uuid_v7(now).get_version_num(), 7);
            assert_eq!(ids.uuid_v4().get_version_num(), 4);
            let drawn: HashSet<Uuid> = (0..1_000).map(|_| ids.uuid_v7(now)).collect();
            assert_eq!(drawn.len(), 1_000);
        }
    }

    #[test]
    fn equal_seeds_give_equal_ids_and_others_do_not() {
        let draw = |seed| SeededIds::new(seed).uuid_v4();
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
    }

    #[test]
    fn an_instant_before_1970_counts_as_1970() {
        let id = SeededIds::new(1).uuid_v7(instant("1969-12-31T00:00:00Z"));
        assert_eq!(id.as_bytes()[..6], [0; 6]);
    }
}
