//! What goes because its time has run out, once more, as plainly as possible: item by item, and for
//! each whom it is kept by, the rules of the plan one after the other.

use std::collections::{BTreeSet, HashMap};

use jiff::Timestamp;
use registry::domain::{
    hold::LegalHold,
    id::ItemId,
    item::ItemState,
    name::{Processor, Purpose},
    policy::model::{Activity, AfterCategoryEnd, Retention, RetentionKind},
    retention::purge::Told,
    task::Disclosed,
};

use crate::{
    naive::{Candidate, Naive, needs_yes},
    world::{PROCESSORS, PURPOSES, World},
};

/// What goes, and for whom; what would and is held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outline {
    pub due: BTreeSet<(ItemId, Option<Processor>)>,
    pub held: BTreeSet<ItemId>,
}

/// Plans, naively.
pub fn plan(world: &World, holds: &[LegalHold], disclosed: &[Disclosed], told: &[Told]) -> Outline {
    let mut outline = Outline::default();
    let naive = Naive {
        world,
        now: world.now,
    };
    let (Some(subject), Some(policy)) = (&world.subject, naive.policy()) else {
        return outline;
    };
    if subject.erased_at.is_some() {
        return outline;
    }
    let asked = Asked::new(world);
    for item in &subject.items {
        if item.retained_for.is_some() {
            continue;
        }
        let goes_here = is_due(&asked, item, None);
        let mut due = Vec::new();
        if goes_here {
            due.push(None);
        }
        for processor in policy.processors.keys() {
            let is_told = told.iter().any(|it| {
                it.item_id == item.item_id
                    && it.processor == *processor
                    && it.collected_at == item.collected_at
            });
            let has = has_it(&asked, item, processor, disclosed);
            if !goes_here && !is_told && has && is_due(&asked, item, Some(processor)) {
                due.push(Some(processor.clone()));
            }
        }
        let held = holds.iter().any(|hold| {
            hold.released_at.is_none()
                && (hold.item_ids.contains(&item.item_id)
                    || hold.data_categories.contains(&item.data_category))
        });
        let restricted = subject.restrictions.iter().any(|it| {
            (it.data_categories.is_empty() || it.data_categories.contains(&item.data_category))
                && it.lifted_at.is_none_or(|lifted| lifted > world.now)
        });
        if (held || restricted) && !due.is_empty() {
            outline.held.insert(item.item_id);
        } else {
            let due = due.into_iter().map(|whom| (item.item_id, whom));
            outline.due.extend(due);
        }
    }
    outline
}

fn has_it(asked: &Asked, item: &ItemState, processor: &Processor, disclosed: &[Disclosed]) -> bool {
    let naive = asked.any();
    let by_policy = naive.in_force().sharing.iter().any(|sharing| {
        sharing.processor == *processor
            && sharing.subjects.contains(&item.subject_category)
            && sharing.data.contains(&item.data_category)
            && (item.purposes.is_empty() || item.purposes.contains(&sharing.purpose))
    });
    let by_record = disclosed
        .iter()
        .any(|it| it.processor == *processor && it.item_id == item.item_id);
    by_policy || by_record
}

/// The same world, asked about each purpose and each recipient.
struct Asked(HashMap<(Purpose, Option<Processor>), World>);

impl Asked {
    fn new(world: &World) -> Self {
        let processors = PROCESSORS.map(|name| name.parse::<Processor>().expect("a name"));
        let recipients: Vec<_> = processors.into_iter().map(Some).chain([None]).collect();
        let mut worlds = HashMap::new();
        for purpose in PURPOSES.map(|name| name.parse::<Purpose>().expect("a name")) {
            for processor in &recipients {
                let mut asked = world.clone();
                asked.query.purpose = purpose.clone();
                asked.query.processor.clone_from(processor);
                worlds.insert((purpose.clone(), processor.clone()), asked);
            }
        }
        Self(worlds)
    }

    fn about(&self, purpose: &Purpose, processor: Option<&Processor>) -> Naive<'_> {
        let world = &self.0[&(purpose.clone(), processor.cloned())];
        Naive {
            world,
            now: world.now,
        }
    }

    /// About no purpose in particular.
    fn any(&self) -> Naive<'_> {
        self.about(&PURPOSES[0].parse().expect("a name"), None)
    }
}

fn is_due(asked: &Asked, item: &ItemState, owner: Option<&Processor>) -> bool {
    let naive = asked.any();
    let policy = naive.in_force();
    let maxima: Vec<_> = policy
        .retention
        .iter()
        .filter(|rule| {
            rule.kind == RetentionKind::Maximum
                && rule.processor.as_ref() == owner
                && (rule.data.is_empty() || rule.data.contains(&item.data_category))
                && (rule.subjects.is_empty() || rule.subjects.contains(&item.subject_category))
        })
        .collect();
    let mut concerned = Vec::new();
    for activity in &policy.activities {
        let naive = asked.about(&activity.purpose, owner);
        let candidate = candidate(activity, item);
        let collected_for = item.purposes.is_empty() || item.purposes.contains(&activity.purpose);
        let covers = activity.subjects.contains(&item.subject_category)
            && activity.data.contains(&item.data_category);
        if activity.lawful_basis.is_some()
            && covers
            && collected_for
            && naive.is_shared(&candidate, &item.data_category)
        {
            concerned.push(activity);
        }
    }
    let has_run_out = if concerned.is_empty() {
        // An activity that rests on nothing, and to which nothing was said.
        let mut nobody = policy
            .activities
            .first()
            .expect("every policy has one")
            .clone();
        nobody.lawful_basis = None;
        nobody.also_requires_consent = false;
        over(asked, &maxima, &nobody, item, owner) == Some(true)
    } else {
        let ends: Vec<_> = concerned
            .iter()
            .map(|activity| over(asked, &maxima, activity, item, owner))
            .collect();
        ends.contains(&Some(true))
            && concerned.iter().zip(&ends).all(|(activity, end)| {
                *end == Some(true) || !holds(asked, *end, activity, item, owner)
            })
    };
    has_run_out && naive.minima_are_over(item, owner)
}

fn candidate<'a>(activity: &'a Activity, item: &'a ItemState) -> Candidate<'a> {
    Candidate {
        activity,
        category: &item.subject_category,
        item: Some(item),
    }
}

/// Whether one of the maxima has run out for this activity; `None`: none of them runs.
fn over(
    asked: &Asked,
    maxima: &[&Retention],
    activity: &Activity,
    item: &ItemState,
    owner: Option<&Processor>,
) -> Option<bool> {
    let naive = asked.about(&activity.purpose, owner);
    let candidate = candidate(activity, item);
    let mut any_runs = None;
    for rule in maxima {
        if let Some(from) = naive.starts(rule, &candidate, item) {
            let is_over = naive.after(from, &rule.period) <= naive.now;
            any_runs = Some(any_runs == Some(true) || is_over);
        }
    }
    any_runs
}

/// Whether an activity that is not over holds the item.
fn holds(
    asked: &Asked,
    end: Option<bool>,
    activity: &Activity,
    item: &ItemState,
    owner: Option<&Processor>,
) -> bool {
    let naive = asked.about(&activity.purpose, owner);
    let is_withdrawn = naive.withdrawn_at(&candidate(activity, item)).is_some();
    if is_withdrawn && end.is_some() {
        return true;
    }
    let lasts = naive.subject().memberships.iter().any(|stay| {
        let until: Option<Timestamp> = match (stay.ended_at, &activity.after_category_end) {
            (None, _) | (Some(_), AfterCategoryEnd::Continues) => None,
            (Some(end), AfterCategoryEnd::Stops) => Some(end),
            (Some(end), AfterCategoryEnd::For(period)) => Some(naive.after(end, period)),
        };
        stay.category == item.subject_category && until.is_none_or(|until| naive.now < until)
    });
    let mut users = vec![owner.cloned()];
    if owner.is_none() {
        users.extend(naive.in_force().processors.keys().cloned().map(Some));
    }
    let agreed = users.iter().any(|user| {
        let naive = asked.about(&activity.purpose, user.as_ref());
        let candidate = candidate(activity, item);
        naive.is_shared(&candidate, &item.data_category) && !is_opposed(&naive, &candidate)
    });
    lasts && agreed
}

fn is_opposed(naive: &Naive, candidate: &Candidate) -> bool {
    let purpose = &naive.world.query.purpose;
    let has_yes = naive
        .yes(candidate)
        .is_some_and(|yes| naive.proven(yes) && !naive.expired(yes));
    let is_marketing = naive.in_force().purposes[purpose].direct_marketing;
    let objected = naive.subject().objections.iter().any(|objection| {
        let since = |at: Timestamp| at > objection.occurred_at;
        let facts = naive.facts(candidate);
        let answered = facts
            .iter()
            .any(|fact| since(fact.occurred_at) && naive.proven(fact));
        objection.purpose == *purpose && is_marketing && !answered
    });
    naive.no(candidate).is_some() || needs_yes(candidate) && !has_yes || objected
}
