//! The plan of a purge, held against its naive twin.

use std::collections::BTreeSet;

use jiff::Timestamp;
use proptest::{
    collection::vec,
    prelude::*,
    test_runner::{Config, TestRunner},
};
use registry::domain::{
    decision::{Query, decide},
    hold::{ARTICLE_DEFAULT, LegalHold},
    id::{ItemId, LegalHoldId, SubjectId},
    name::{DataCategory, Processor},
    retention::{
        purge::{PurgePlan, PurgeReason, Surroundings, Told, purge_plan},
        suspects,
    },
    task::Disclosed,
};
use uuid::Uuid;

use crate::{
    naive_purge,
    world::{DATA, PROCESSORS, PURPOSES, World, any_day, any_world, one_of},
};

const CASES: u32 = 10_000;

#[derive(Clone, Debug)]
struct Case {
    world: World,
    holds: Vec<LegalHold>,
    disclosed: Vec<Disclosed>,
    told: Vec<Told>,
}

impl Case {
    /// The plan under the policy in force; `None`: there is none, or nobody to plan for.
    fn plan(&self) -> Option<PurgePlan> {
        let policy = self.world.history.in_force(self.world.now)?;
        let known = Surroundings {
            holds: &self.holds,
            disclosed: &self.disclosed,
            told: &self.told,
        };
        let subject = self.world.subject.as_ref()?;
        Some(purge_plan(policy, subject, known, self.world.now))
    }
}

fn any_case() -> impl Strategy<Value = Case> {
    let item = || (1..10_u128).prop_map(|id| ItemId(Uuid::from_u128(id)));
    let hold = (vec(item(), 0..3), vec(one_of(&DATA), 0..2), any::<bool>());
    let disclosed = (one_of(&PROCESSORS), one_of(&PURPOSES), item());
    let told = (item(), one_of(&PROCESSORS), any_day());
    let holds = prop_oneof![3 => Just(Vec::new()), 1 => vec(hold, 1..3)];
    (any_world(), holds, vec(disclosed, 0..4), vec(told, 0..6)).prop_map(
        |(world, holds, disclosed, told)| Case {
            world,
            holds: holds.into_iter().map(hold_of).collect(),
            disclosed: disclosed
                .into_iter()
                .map(|(processor, purpose, item_id)| Disclosed {
                    processor,
                    purpose,
                    item_id,
                })
                .collect(),
            told: told
                .into_iter()
                .map(|(item_id, processor, collected_at)| Told {
                    item_id,
                    processor,
                    collected_at,
                })
                .collect(),
        },
    )
}

fn hold_of((item_ids, data, released): (Vec<ItemId>, Vec<DataCategory>, bool)) -> LegalHold {
    LegalHold {
        legal_hold_id: LegalHoldId(Uuid::from_u128(1)),
        subject_id: SubjectId(Uuid::from_u128(1)),
        item_ids,
        data_categories: data,
        purposes: Vec::new(),
        matter: "case 7".into(),
        article: ARTICLE_DEFAULT.into(),
        placed_at: Timestamp::UNIX_EPOCH,
        placed_by: "legal".parse().expect("a service"),
        released_at: released.then_some(Timestamp::UNIX_EPOCH),
        released_by: None,
    }
}

fn holds(property: impl Fn(Case) -> Result<(), TestCaseError>) {
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        ..Config::default()
    };
    let outcome = TestRunner::new(config).run(&any_case(), property);
    assert!(outcome.is_ok(), "{}", outcome.unwrap_err());
}

#[test]
fn the_plan_agrees_with_its_naive_twin() {
    holds(|case| {
        let Some(plan) = case.plan() else {
            return Ok(());
        };
        let due: BTreeSet<_> = plan
            .due
            .iter()
            .map(|purge| (purge.item.item_id, purge.processor.clone()))
            .collect();
        prop_assert_eq!(due.len(), plan.due.len(), "each once");
        let outline = naive_purge::Outline {
            due,
            held: plan.held.iter().copied().collect(),
        };
        let expected = naive_purge::plan(&case.world, &case.holds, &case.disclosed, &case.told);
        prop_assert_eq!(outline, expected);
        Ok(())
    });
}

#[test]
fn the_generated_cases_show_everything_that_a_plan_can_say() {
    let seen = std::cell::Cell::new([0_u32; 4]);
    holds(|case| {
        let Some(plan) = case.plan() else {
            return Ok(());
        };
        let mut counts = seen.get();
        let has = |reason| plan.due.iter().any(|purge| purge.reason == reason);
        counts[0] += u32::from(has(PurgeReason::RetentionExpired));
        counts[1] += u32::from(has(PurgeReason::ProcessorRetentionExpired));
        counts[2] += u32::from(!plan.held.is_empty());
        counts[3] += u32::from(plan == PurgePlan::default());
        seen.set(counts);
        Ok(())
    });
    assert!(
        seen.get().iter().all(|count| *count > 100),
        "{:?}",
        seen.get()
    );
}

#[test]
fn nothing_goes_that_anybody_might_still_use() {
    holds(|case| {
        let plan = case.plan().unwrap_or_default();
        let gone = plan.due.iter().filter(|purge| purge.processor.is_none());
        for purge in gone {
            for purpose in PURPOSES {
                let processors = PROCESSORS.map(|name| name.parse::<Processor>().expect("a name"));
                for processor in processors.into_iter().map(Some).chain([None]) {
                    let query = Query {
                        data_categories: Vec::new(),
                        item_ids: vec![purge.item.item_id],
                        purpose: purpose.parse().expect("a name"),
                        processor,
                    };
                    let world = &case.world;
                    let subject = world.subject.as_ref();
                    let decision = decide(&world.history, subject, &query, world.now, false);
                    let mut items = decision.per_category.iter().flat_map(|it| &it.item_ids);
                    // An answer may still be no more than outdated, or weighed; it is no yes.
                    prop_assert!(items.all(|id| *id != purge.item.item_id), "{:?}", query);
                }
            }
        }
        Ok(())
    });
}

#[test]
fn whatever_is_due_is_among_the_suspects_and_was_due_from_its_instant_on() {
    holds(|case| {
        let Some(plan) = case.plan() else {
            return Ok(());
        };
        let policy = case.world.history.in_force(case.world.now);
        let suspects = suspects(policy.expect("there is a plan"), case.world.now);
        for purge in &plan.due {
            let item = &purge.item;
            let is_suspect = suspects.iter().any(|suspect| {
                (suspect.data.is_empty() || suspect.data.contains(&item.data_category))
                    && (suspect.subjects.is_empty()
                        || suspect.subjects.contains(&item.subject_category))
                    && suspect
                        .collected_by
                        .is_none_or(|by| item.collected_at <= by)
            });
            prop_assert!(is_suspect, "{:?}", item);
            prop_assert!(purge.due_at <= case.world.now);
        }
        Ok(())
    });
}
