//! The policies of the benchmarks.

use anyhow::{Context, Result, anyhow, ensure};
use registry::domain::policy::{
    example::EXAMPLE_POLICY_YAML, format::parse_yaml, model::Activity, model::Policy,
};

use crate::people::CATEGORY;

/// How many data categories the activities of a long policy are about.
const DATA_CATEGORIES: usize = 50;

/// The example, which has a score of activities.
pub fn example() -> Result<Policy> {
    let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).map_err(|_| anyhow!("the example"))?;
    Ok(policy)
}

/// The example with so many activities, all of them visitors'. The first five are its own, among them what is
/// asked about; of the others some have the same purpose, and some the same data.
pub fn of_activities(count: usize) -> Result<Policy> {
    let mut policy = example()?;
    let own = |activity: &Activity| activity.id.as_str().starts_with(CATEGORY);
    policy.activities.retain(own);
    let model = policy.activities.first().context("an activity")?.clone();
    for number in 0.. {
        if policy.activities.len() >= count {
            break;
        }
        add(&mut policy, &model, number)?;
    }
    ensure!(policy.activities.len() == count, "too few activities");
    Ok(policy)
}

/// Adds an activity like `model` for the purpose and the data of this number, if there is none.
fn add(policy: &mut Policy, model: &Activity, number: usize) -> Result<()> {
    let purpose = match number / DATA_CATEGORIES {
        0 => "newsletter".parse()?,
        other => format!("purpose_{other}").parse()?,
    };
    let data = match number % DATA_CATEGORIES {
        0 => "email_address".parse()?,
        other => format!("data_{other}").parse()?,
    };
    let mut all = policy.activities.iter();
    if all.any(|it| it.purpose == purpose && it.data.contains(&data)) {
        return Ok(());
    }
    let known = policy
        .purposes
        .values()
        .next()
        .context("a purpose")?
        .clone();
    policy.purposes.entry(purpose.clone()).or_insert(known);
    let known = policy
        .data_categories
        .values()
        .next()
        .context("a data category")?
        .clone();
    policy.data_categories.entry(data.clone()).or_insert(known);
    policy.activities.push(Activity {
        id: format!("added-{number}").parse()?,
        data: vec![data],
        purpose,
        contexts: Vec::new(),
        ..model.clone()
    });
    Ok(())
}
