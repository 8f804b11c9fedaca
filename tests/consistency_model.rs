//! The protocol of `docs/consistency.md`, checked by going through every state that a small case can come to:
//! one replica that answers from memory, one withdrawal at another, a third that removes whom it takes for dead,
//! and time that passes between any two steps. Messages may be lost, processes may stand still anywhere.
//!
//! What is checked is the promise itself: once the withdrawal has returned, no state is reached in which the
//! replica would answer ALLOW from memory. Each rule of the protocol is then left out, and has to be missed.

use std::collections::{HashSet, VecDeque};

/// How long a lease lasts, in ticks.
const LEASE: u8 = 1;
/// How long is waited for a lease to run out: longer than it lasts.
const OUTLASTING: u8 = 2;
/// When nothing more is looked at.
const LAST_TICK: u8 = 7;

/// A rule of the protocol that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Without {
    Nothing,
    /// The withdrawal returns once it is committed.
    Barrier,
    /// The lease is prolonged before what was heard is forgotten.
    ForgettingFirst,
    /// The lease counts from when the answer came.
    LeaseFromBefore,
    /// A replica answers before it has forgotten.
    AnswerLast,
    /// What was read comes into memory though it was forgotten meanwhile.
    Marks,
    /// Whoever does not answer is removed at once.
    WaitBeforeRemoval,
    /// The wait for a lease is no longer than a tick.
    WaitForLease,
    /// A replica that was removed keeps its lease going.
    Row,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Withdrawal {
    Before,
    Committed,
    Waits { for_replica: bool, until: u8 },
    Returned,
}

/// A round under way at the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round {
    began: u8,
    /// Whether it began after the replica had been asked.
    was_asked: bool,
    /// What the database said, once it has: whether the withdrawal is committed, and whether the lease is
    /// renewed.
    said: Option<(bool, bool)>,
    /// Of the two last steps, the first is done.
    half_done: bool,
}

/// A check that reads the database and will remember what it read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Reading {
    sees_withdrawal: Option<bool>,
    /// Something was forgotten since its mark.
    is_spoilt: bool,
}

/// What the replica remembers of the person: whether the withdrawal is in it.
type Memory = Option<bool>;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct World {
    now: u8,
    withdrawal: Withdrawal,
    /// Whether the replica has a row.
    has_row: bool,
    /// Since when the third has seen the row stand still; a renewal begins that anew.
    still_since: Option<u8>,
    has_place: bool,
    lease_ends: u8,
    memory: Memory,
    reading: Option<Reading>,
    round: Option<Round>,
    is_asked: bool,
    on_the_way: Messages,
}

/// What has been sent and has not arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
struct Messages {
    asks: bool,
    answers: bool,
}

impl World {
    fn first() -> Self {
        Self {
            now: 0,
            withdrawal: Withdrawal::Before,
            has_row: false,
            still_since: None,
            has_place: false,
            lease_ends: 0,
            memory: None,
            reading: None,
            round: None,
            is_asked: false,
            on_the_way: Messages::default(),
        }
    }

    fn is_committed(&self) -> bool {
        self.withdrawal != Withdrawal::Before
    }

    /// A check that starts now would be answered ALLOW from memory, and must not be.
    fn breaks_the_promise(&self) -> bool {
        let answers = self.now < self.lease_ends && self.memory == Some(false);
        answers && self.withdrawal == Withdrawal::Returned
    }

    /// Every state that one step leads to.
    fn next(&self, without: Without) -> Vec<Self> {
        let mut next = Vec::new();
        self.pass_time(&mut next);
        self.withdraw(without, &mut next);
        self.deliver(&mut next);
        self.keep_place(without, &mut next);
        self.go_round(without, &mut next);
        self.read(without, &mut next);
        self.remove(without, &mut next);
        next
    }

    fn pass_time(&self, next: &mut Vec<Self>) {
        if self.now < LAST_TICK {
            next.push(Self {
                now: self.now + 1,
                ..*self
            });
        }
    }

    fn withdraw(&self, without: Without, next: &mut Vec<Self>) {
        let wait = match without {
            Without::WaitForLease => 0,
            _ => OUTLASTING,
        };
        let withdrawal = match self.withdrawal {
            Withdrawal::Before => Withdrawal::Committed,
            Withdrawal::Committed if without == Without::Barrier => Withdrawal::Returned,
            Withdrawal::Committed => Withdrawal::Waits {
                for_replica: self.has_row,
                until: self.now + wait,
            },
            Withdrawal::Waits { for_replica, until } if !for_replica || until <= self.now => {
                Withdrawal::Returned
            }
            Withdrawal::Waits { .. } | Withdrawal::Returned => return,
        };
        let asks = matches!(
            withdrawal,
            Withdrawal::Waits {
                for_replica: true,
                ..
            }
        );
        next.push(Self {
            withdrawal,
            on_the_way: Messages {
                asks: self.on_the_way.asks || asks,
                ..self.on_the_way
            },
            ..*self
        });
    }

    /// What is on the way arrives, or is lost.
    fn deliver(&self, next: &mut Vec<Self>) {
        if self.on_the_way.asks {
            for is_asked in [self.has_place, false] {
                next.push(Self {
                    on_the_way: Messages {
                        asks: false,
                        ..self.on_the_way
                    },
                    is_asked: self.is_asked || is_asked,
                    ..*self
                });
            }
        }
        if self.on_the_way.answers {
            let mut arrived = *self;
            arrived.on_the_way.answers = false;
            next.push(arrived);
            if let Withdrawal::Waits { until, .. } = self.withdrawal {
                arrived.withdrawal = Withdrawal::Waits {
                    for_replica: false,
                    until,
                };
                next.push(arrived);
            }
        }
    }

    fn keep_place(&self, without: Without, next: &mut Vec<Self>) {
        if self.has_place {
            next.push(self.without_place(without));
        } else if !self.has_row {
            next.push(Self {
                has_row: true,
                has_place: true,
                ..*self
            });
        }
    }

    /// The replica notices that it has lost its place, or its connection.
    fn without_place(&self, without: Without) -> Self {
        let mut lost = self.forgetting(without);
        lost.memory = None;
        lost.has_place = false;
        lost.lease_ends = 0;
        lost.round = None;
        lost.is_asked = false;
        // Its row stays until somebody removes it; then it takes another, which this one stands for.
        lost
    }

    fn forgetting(&self, without: Without) -> Self {
        let reading = self.reading.map(|reading| Reading {
            is_spoilt: without != Without::Marks,
            ..reading
        });
        Self {
            memory: None,
            reading,
            ..*self
        }
    }

    fn go_round(&self, without: Without, next: &mut Vec<Self>) {
        let Some(round) = self.round else {
            if self.has_place {
                let begun = Round {
                    began: self.now,
                    was_asked: self.is_asked,
                    said: None,
                    half_done: false,
                };
                next.push(Self {
                    round: Some(begun),
                    ..*self
                });
            }
            return;
        };
        match round.said {
            None => next.push(self.asked_of_the_database(round)),
            Some(said) if !round.half_done => next.push(self.first_half(without, round, said)),
            Some(said) => next.push(self.second_half(without, round, said)),
        }
        // A replica that answers when it is asked, and not when it has forgotten.
        if without == Without::AnswerLast && round.was_asked && self.is_asked {
            next.push(Self {
                is_asked: false,
                on_the_way: Messages {
                    answers: true,
                    ..self.on_the_way
                },
                ..*self
            });
        }
    }

    fn asked_of_the_database(&self, round: Round) -> Self {
        let said = Some((self.is_committed(), self.has_row));
        Self {
            still_since: None,
            round: Some(Round { said, ..round }),
            ..*self
        }
    }

    fn first_half(&self, without: Without, round: Round, said: (bool, bool)) -> Self {
        let mut done = match without {
            Without::ForgettingFirst => self.renewed(without, round, said),
            _ => self.heard(without, said),
        };
        if let Some(round) = &mut done.round {
            round.half_done = true;
        }
        done
    }

    fn second_half(&self, without: Without, round: Round, said: (bool, bool)) -> Self {
        let mut done = match without {
            Without::ForgettingFirst => self.heard(without, said),
            _ => self.renewed(without, round, said),
        };
        done.round = None;
        if round.was_asked && done.is_asked {
            done.is_asked = false;
            done.on_the_way.answers = true;
        }
        done
    }

    fn heard(&self, without: Without, (withdrawn, _): (bool, bool)) -> Self {
        if withdrawn {
            self.forgetting(without)
        } else {
            *self
        }
    }

    fn renewed(&self, without: Without, round: Round, (_, renewed): (bool, bool)) -> Self {
        if !renewed && without != Without::Row {
            return self.without_place(without);
        }
        let from = match without {
            Without::LeaseFromBefore => self.now,
            _ => round.began,
        };
        Self {
            lease_ends: from + LEASE,
            ..*self
        }
    }

    /// A check reads the database, in three steps, and remembers.
    fn read(&self, without: Without, next: &mut Vec<Self>) {
        let mut read = *self;
        match self.reading {
            None => {
                read.reading = Some(Reading {
                    sees_withdrawal: None,
                    is_spoilt: false,
                });
            }
            Some(reading) => match reading.sees_withdrawal {
                None => {
                    let sees_withdrawal = Some(self.is_committed());
                    read.reading = Some(Reading {
                        sees_withdrawal,
                        ..reading
                    });
                }
                Some(sees) => {
                    read.reading = None;
                    if !reading.is_spoilt || without == Without::Marks {
                        read.memory = Some(sees);
                    }
                }
            },
        }
        next.push(read);
    }

    /// The third looks at the row, and removes it when it has stood still for too long.
    fn remove(&self, without: Without, next: &mut Vec<Self>) {
        if !self.has_row {
            return;
        }
        let patience = match without {
            Without::WaitBeforeRemoval => 0,
            _ => OUTLASTING * 2,
        };
        match self.still_since {
            Some(since) if since + patience <= self.now => next.push(Self {
                has_row: false,
                still_since: None,
                ..*self
            }),
            Some(_) => {}
            None => next.push(Self {
                still_since: Some(self.now),
                ..*self
            }),
        }
    }
}

/// Goes through every state. The steps to one that breaks the promise, or how many there were.
fn explore(without: Without) -> Result<usize, Vec<World>> {
    let mut reached = HashSet::from([World::first()]);
    let mut waiting = VecDeque::from([(World::first(), None)]);
    let mut steps: Vec<(World, Option<usize>)> = Vec::new();
    while let Some((world, from)) = waiting.pop_front() {
        let place = steps.len();
        steps.push((world, from));
        if world.breaks_the_promise() {
            return Err(path(&steps, place));
        }
        for next in world.next(without) {
            if reached.insert(next) {
                waiting.push_back((next, Some(place)));
            }
        }
    }
    Ok(reached.len())
}

fn path(steps: &[(World, Option<usize>)], last: usize) -> Vec<World> {
    let mut path = Vec::new();
    let mut place = Some(last);
    while let Some(at) = place {
        let (world, from) = steps[at];
        path.push(world);
        place = from;
    }
    path.reverse();
    path
}

#[test]
fn in_no_state_that_can_be_reached_is_something_allowed_that_was_taken_back() {
    match explore(Without::Nothing) {
        Ok(states) => assert!(states > 10_000, "only {states} states were looked at"),
        Err(path) => panic!("{path:#?}"),
    }
}

#[test]
fn every_rule_of_the_protocol_is_missed_when_it_is_left_out() {
    for without in [
        Without::Barrier,
        Without::ForgettingFirst,
        Without::LeaseFromBefore,
        Without::AnswerLast,
        Without::Marks,
        Without::WaitBeforeRemoval,
        Without::WaitForLease,
        Without::Row,
    ] {
        assert!(
            explore(without).is_err(),
            "without {without:?} nothing was amiss"
        );
    }
}
