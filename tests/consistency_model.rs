//! The protocol of `docs/consistency.md`, checked by going through every state that a small case can come to:
//! one replica that answers from memory, one withdrawal at another, a third that removes whom it takes for dead,
//! and time that passes between any two steps. Messages may be lost, processes may stand still anywhere, the
//! replica may lose its place at any moment and take another, the table of replicas may be emptied.
//!
//! What is checked is the promise itself: once the withdrawal has returned, no state is reached in which the
//! replica would answer ALLOW from memory. Each rule of the protocol is then left out, and has to be missed.
//!
//! No state says what time it is: only what is left of each wait. So there are finitely many, and time has no end.

use std::collections::{HashSet, VecDeque};

/// How long a lease lasts, in ticks.
const LEASE: u8 = 1;
/// How long is waited for a lease to run out: longer than it lasts.
const OUTLASTING: u8 = 2;
/// How long a row has to stand still before it is removed.
const PATIENCE: u8 = OUTLASTING * 2;

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
    /// What was read without a place is kept when one is taken.
    ForgettingOnceMore,
    /// Whoever is not in the table believes what is in it.
    OwnRow,
    /// Whoever takes a place believes the table at once.
    Strangers,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Withdrawal {
    Before,
    Committed,
    Waits { whom: Whom, left: u8 },
    Returned,
}

/// For whose answer the withdrawal waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Whom {
    Nobody,
    Replica,
    /// Somebody who may be in no table, and will never answer.
    Stranger,
}

/// The place of the process where the withdrawal is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Writer {
    InPlace,
    /// Its row is gone.
    Removed,
    /// It has taken another, and somebody may still hold a lease who is not in the table.
    Back {
        left: u8,
    },
}

/// How far the replica is in taking a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Place {
    Nowhere,
    /// It has written its row.
    Entered,
    /// It knows from which state on it hears of changes.
    Hears,
    Taken,
}

/// A round under way at the replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Round {
    /// For how long, and no more than a lease.
    lasts: u8,
    /// Whether it began after the replica had been asked.
    was_asked: bool,
    said: Option<Said>,
    /// Of the two last steps, the first is done.
    half_done: bool,
}

/// What the database said in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Said {
    /// The withdrawal was committed since the round before.
    is_withdrawn: bool,
    /// The lease is renewed.
    is_renewed: bool,
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
    withdrawal: Withdrawal,
    writer: Writer,
    /// Whether the replica has a row.
    has_row: bool,
    /// For how long the third has seen the row stand still; a renewal begins that anew.
    stands_still: Option<u8>,
    place: Place,
    /// The state up to which the place has heard has the withdrawal in it.
    has_heard: bool,
    lease_left: u8,
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
            withdrawal: Withdrawal::Before,
            writer: Writer::InPlace,
            has_row: false,
            stands_still: None,
            place: Place::Nowhere,
            has_heard: false,
            lease_left: 0,
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
        let answers = self.lease_left > 0 && self.memory == Some(false);
        answers && self.withdrawal == Withdrawal::Returned
    }

    /// The same without what makes no difference any more once the withdrawal has returned: who is asked, and
    /// who is waited for.
    fn told_apart(mut self) -> Self {
        if self.withdrawal == Withdrawal::Returned {
            self.writer = Writer::InPlace;
            self.on_the_way = Messages::default();
            self.is_asked = false;
            if let Some(round) = &mut self.round {
                round.was_asked = false;
            }
        }
        self
    }

    /// Every state that one step leads to.
    fn next(&self, without: Without) -> Vec<Self> {
        let mut next = vec![self.later()];
        self.withdraw(without, &mut next);
        self.deliver(&mut next);
        self.empty_the_table(&mut next);
        self.keep_place(without, &mut next);
        self.go_round(without, &mut next);
        self.read(without, &mut next);
        self.remove(without, &mut next);
        next
    }

    /// A tick passes.
    fn later(&self) -> Self {
        let mut later = *self;
        later.lease_left = self.lease_left.saturating_sub(1);
        if let Withdrawal::Waits { left, .. } = &mut later.withdrawal {
            *left = left.saturating_sub(1);
        }
        later.writer = match self.writer {
            Writer::Back { left: 0..=1 } => Writer::InPlace,
            Writer::Back { left } => Writer::Back { left: left - 1 },
            Writer::InPlace | Writer::Removed => self.writer,
        };
        if let Some(ticks) = &mut later.stands_still {
            *ticks = PATIENCE.min(*ticks + 1);
        }
        if let Some(round) = &mut later.round {
            round.lasts = LEASE.min(round.lasts + 1);
        }
        later
    }

    fn withdraw(&self, without: Without, next: &mut Vec<Self>) {
        let mut on_the_way = self.on_the_way;
        let withdrawal = match self.withdrawal {
            Withdrawal::Before => Withdrawal::Committed,
            Withdrawal::Committed if without == Without::Barrier => Withdrawal::Returned,
            Withdrawal::Committed => {
                on_the_way.asks = true;
                let left = match without {
                    Without::WaitForLease => 0,
                    _ => OUTLASTING,
                };
                let whom = self.whom_to_wait_for(without);
                Withdrawal::Waits { whom, left }
            }
            Withdrawal::Waits { whom, left } if whom == Whom::Nobody || left == 0 => {
                Withdrawal::Returned
            }
            Withdrawal::Waits { .. } | Withdrawal::Returned => return,
        };
        next.push(Self {
            withdrawal,
            on_the_way,
            ..*self
        });
    }

    fn whom_to_wait_for(&self, without: Without) -> Whom {
        match self.writer {
            Writer::Removed if without != Without::OwnRow => Whom::Stranger,
            Writer::Back { .. } if without != Without::Strangers => Whom::Stranger,
            _ if self.has_row => Whom::Replica,
            _ => Whom::Nobody,
        }
    }

    /// What is on the way arrives, or is lost.
    fn deliver(&self, next: &mut Vec<Self>) {
        if self.on_the_way.asks {
            for is_asked in [self.place != Place::Nowhere, false] {
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
            if let Withdrawal::Waits {
                whom: whom @ Whom::Replica,
                ..
            } = &mut arrived.withdrawal
            {
                *whom = Whom::Nobody;
                next.push(arrived);
            }
        }
    }

    /// The table of replicas becomes one without rows; and the writer finds that out, and takes another place.
    fn empty_the_table(&self, next: &mut Vec<Self>) {
        next.push(Self {
            writer: Writer::Removed,
            has_row: false,
            stands_still: None,
            ..*self
        });
        if self.writer == Writer::Removed {
            next.push(Self {
                writer: Writer::Back { left: OUTLASTING },
                ..*self
            });
        }
    }

    /// The replica takes a place step by step; and may lose it at each of them.
    fn keep_place(&self, without: Without, next: &mut Vec<Self>) {
        let mut further = *self;
        match self.place {
            Place::Nowhere => {
                further.has_row = true;
                further.place = Place::Entered;
            }
            Place::Entered => {
                further.has_heard = self.is_committed();
                further.place = Place::Hears;
            }
            Place::Hears => {
                if without != Without::ForgettingOnceMore {
                    further = self.forgetting(without);
                }
                further.place = Place::Taken;
            }
            Place::Taken => {}
        }
        if further != *self {
            next.push(further);
        }
        if self.place != Place::Nowhere {
            next.push(self.without_place(without));
        }
    }

    /// The replica notices that it has lost its place, or its connection.
    fn without_place(&self, without: Without) -> Self {
        Self {
            place: Place::Nowhere,
            has_heard: false,
            lease_left: 0,
            round: None,
            is_asked: false,
            // Its row may stay for a while, and only makes others wait longer. Its next place has another.
            has_row: false,
            stands_still: None,
            ..self.forgetting(without)
        }
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
            if self.place == Place::Taken {
                let begun = Round {
                    lasts: 0,
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

    /// The database says what was committed since the state up to which the place had heard.
    fn asked_of_the_database(&self, round: Round) -> Self {
        let said = Some(Said {
            is_withdrawn: self.is_committed() && !self.has_heard,
            is_renewed: self.has_row,
        });
        Self {
            has_heard: self.is_committed(),
            stands_still: None,
            round: Some(Round { said, ..round }),
            ..*self
        }
    }

    fn first_half(&self, without: Without, round: Round, said: Said) -> Self {
        let mut done = match without {
            Without::ForgettingFirst => self.renewed(without, round, said),
            _ => self.heard(without, said),
        };
        if let Some(round) = &mut done.round {
            round.half_done = true;
        }
        done
    }

    fn second_half(&self, without: Without, round: Round, said: Said) -> Self {
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

    fn heard(&self, without: Without, said: Said) -> Self {
        if said.is_withdrawn {
            self.forgetting(without)
        } else {
            *self
        }
    }

    fn renewed(&self, without: Without, round: Round, said: Said) -> Self {
        if !said.is_renewed && without != Without::Row {
            return self.without_place(without);
        }
        let since = match without {
            Without::LeaseFromBefore => 0,
            _ => round.lasts,
        };
        Self {
            lease_left: LEASE - since,
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
            _ => PATIENCE,
        };
        match self.stands_still {
            Some(ticks) if patience <= ticks => next.push(Self {
                has_row: false,
                stands_still: None,
                ..*self
            }),
            Some(_) => {}
            None => next.push(Self {
                stands_still: Some(0),
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
            let next = next.told_apart();
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
        Ok(states) => assert!(states > 100_000, "only {states} states were looked at"),
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
        Without::ForgettingOnceMore,
        Without::OwnRow,
        Without::Strangers,
    ] {
        assert!(
            explore(without).is_err(),
            "without {without:?} nothing was amiss"
        );
    }
}
