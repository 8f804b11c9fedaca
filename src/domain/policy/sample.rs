//! A small policy to vary in tests.

use crate::domain::policy::{compile::CompiledPolicy, format::parse_yaml};

/// A policy with one consent activity, `news`, on the e-mail addresses of clients, and what the
/// caller adds: YAML of the top level, of the activities, and of the sharing statements.
pub(crate) fn sample(
    version: &str,
    from: &str,
    activities: &[&str],
    sharing: &[&str],
) -> CompiledPolicy {
    sample_with(version, from, activities, sharing, "processor")
}

/// As [`sample`], with the role of the recipient `post`.
pub(crate) fn sample_with(
    version: &str,
    from: &str,
    activities: &[&str],
    sharing: &[&str],
    role: &str,
) -> CompiledPolicy {
    let text = format!(
        "
id: sample
version: {version}
effective_from: {from}
controller: {{ name: Shop, contact: p@shop.example, time_zone: UTC }}
subject_categories: {{ client: {{ title: Client }}, guest: {{ title: Guest }} }}
data_categories: {{ email: {{ title: E-mail }}, phone: {{ title: Phone }} }}
purposes: {{ news: {{ title: News }}, calls: {{ title: Calls }} }}
processors:
  post: {{ title: Post, role: {role} }}
  lab: {{ title: Lab, role: processor }}
activities: [{}]
sharing: [{}]
",
        activities.join(", "),
        sharing.join(", ")
    );
    let (policy, _) = parse_yaml(&text).expect("the sample has the right shape");
    CompiledPolicy::compile(policy).expect("the sample has no errors")
}

/// The activity `news` on consent.
pub(crate) const NEWS: &str =
    "{ id: news, subjects: [client], data: [email], purpose: news, lawful_basis: consent }";
/// The same on contract.
pub(crate) const NEWS_BY_CONTRACT: &str =
    "{ id: news, subjects: [client], data: [email], purpose: news, lawful_basis: contract }";
/// The same on nothing.
pub(crate) const NEWS_WITHOUT_BASIS: &str =
    "{ id: news, subjects: [client], data: [email], purpose: news }";
/// Another activity.
pub(crate) const CALLS: &str =
    "{ id: calls, subjects: [client], data: [phone], purpose: calls, lawful_basis: consent }";
/// What `news` shares with `post`.
pub(crate) const NEWS_TO_POST: &str =
    "{ subjects: [client], data: [email], purpose: news, processor: post }";
