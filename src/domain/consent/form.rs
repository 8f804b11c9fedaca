//! The consent form: what to ask people of a category, derived from the policy alone, so that what is
//! asked and what is checked never part.

use std::collections::{BTreeMap, BTreeSet};

use super::{EvidenceMethod, receipt::Recipient};
use crate::domain::{
    name::{DataCategory, PolicyVersion, Purpose, SubjectCategory},
    policy::{
        compile::CompiledPolicy,
        model::{Activity, Controller, LawfulBasis},
    },
};

/// What to ask, and what to put into the evidence.
#[derive(Clone, Debug)]
pub struct ConsentForm {
    /// Who is asked.
    pub subject_category: SubjectCategory,
    /// The version to put into the evidence.
    pub policy_version: PolicyVersion,
    /// The language wanted.
    pub locale: String,
    /// One question for each purpose that asks for consent (Art. 4(11): specific), by name.
    pub questions: Vec<ConsentQuestion>,
    /// Who must be named (Art. 13(1)(a)).
    pub controller: Controller,
    /// Where consent is withdrawn: a person must be told before giving it (Art. 7(3)).
    pub rights_channel: String,
}

/// The question for one purpose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsentQuestion {
    /// The purpose.
    pub purpose: Purpose,
    /// For people.
    pub title: String,
    /// What to show.
    pub wording: String,
    /// The language of the wording; empty: it is the title.
    pub locale: String,
    /// Whether it is direct marketing (Art. 21(2)).
    pub direct_marketing: bool,
    /// The data that would be processed.
    pub data_categories: Vec<DataCategory>,
    /// Who would receive it.
    pub recipients: Vec<Recipient>,
    /// The methods that the purpose accepts.
    pub methods: Vec<EvidenceMethod>,
}

impl ConsentForm {
    /// The form for people of a category. `None`: the policy does not know the category.
    pub fn of(policy: &CompiledPolicy, category: &SubjectCategory, locale: &str) -> Option<Self> {
        policy.subject_category(category)?;
        let questions = asked(policy, category)
            .into_iter()
            .map(|(purpose, data)| question(policy, category, purpose, &data, locale));
        Some(Self {
            subject_category: category.clone(),
            policy_version: policy.version().clone(),
            locale: locale.to_owned(),
            questions: questions.collect(),
            controller: policy.policy().controller.clone(),
            rights_channel: policy.policy().rights.channel.clone(),
        })
    }
}

/// Whether an activity needs consent: as its basis, or beside it (Art. 9(2)(a), ePrivacy Art. 5(3)).
pub fn needs_consent(activity: &Activity) -> bool {
    activity.lawful_basis == Some(LawfulBasis::Consent) || activity.also_requires_consent
}

/// The purposes that need consent of this category, with the data that needs it.
fn asked<'a>(
    policy: &'a CompiledPolicy,
    category: &SubjectCategory,
) -> BTreeMap<&'a Purpose, BTreeSet<&'a DataCategory>> {
    let mut asked: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for activity in &policy.policy().activities {
        if needs_consent(activity) && activity.subjects.contains(category) {
            asked
                .entry(&activity.purpose)
                .or_default()
                .extend(&activity.data);
        }
    }
    asked
}

fn question(
    policy: &CompiledPolicy,
    category: &SubjectCategory,
    purpose: &Purpose,
    data: &BTreeSet<&DataCategory>,
    locale: &str,
) -> ConsentQuestion {
    let entry = policy.purpose(purpose);
    let title = entry.map_or(purpose.as_str(), |entry| entry.title.as_str());
    let (locale, wording) = wording(policy, purpose, locale).unwrap_or(("", title));
    let names = policy.policy().processors.keys();
    let receives = |processor: &&_| {
        let mut data = data.iter();
        data.any(|data| policy.shares(category, data, purpose, processor))
    };
    ConsentQuestion {
        purpose: purpose.clone(),
        title: title.to_owned(),
        wording: wording.to_owned(),
        locale: locale.to_owned(),
        direct_marketing: entry.is_some_and(|entry| entry.direct_marketing),
        data_categories: data.iter().map(|data| (*data).clone()).collect(),
        recipients: names
            .filter(receives)
            .filter_map(|name| Recipient::of(policy, name))
            .collect(),
        methods: EvidenceMethod::ALL
            .iter()
            .copied()
            .filter(|method| policy.accepts(purpose, *method))
            .collect(),
    }
}

/// The wording in the language wanted, or in the language alone (`de` for `de-AT`). Language tags
/// know no case (RFC 5646).
fn wording<'a>(
    policy: &'a CompiledPolicy,
    purpose: &Purpose,
    locale: &str,
) -> Option<(&'a str, &'a str)> {
    let wordings = policy.policy().consent.wording.get(purpose)?;
    let find = |wanted: &str| {
        wordings
            .iter()
            .find(|(locale, _)| locale.eq_ignore_ascii_case(wanted))
            .map(|(locale, wording)| (locale.as_str(), wording.as_str()))
    };
    let language = locale.split('-').next().unwrap_or(locale);
    find(locale).or_else(|| find(language))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::policy::format::parse_yaml;

    const POLICY: &str = "
id: shop
version: '2'
effective_from: 2026-01-01
controller: { name: Shop, contact: privacy@shop.example, time_zone: UTC }
subject_categories: { client: { title: Client }, guest: { title: Guest } }
data_categories: { email: { title: E-mail }, phone: { title: Phone }, health: { title: Health } }
purposes:
  news: { title: Send news, direct_marketing: true }
  care: { title: Advise on health }
  orders: { title: Deliver orders }
processors:
  post: { title: Post, role: processor, country: DE }
  lab: { title: Lab, role: controller }
activities:
  - { id: news, subjects: [client, guest], data: [email], purpose: news, lawful_basis: consent }
  - { id: calls, subjects: [client], data: [phone], purpose: news, lawful_basis: consent }
  - { id: care, subjects: [client], data: [health], purpose: care, lawful_basis: contract, also_requires: consent }
  - { id: orders, subjects: [client], data: [email], purpose: orders, lawful_basis: contract }
sharing:
  - { subjects: [client], data: [phone], purpose: news, processor: post }
  - { subjects: [client], data: [email], purpose: orders, processor: lab }
consent:
  methods: { care: [SIGNATURE] }
  wording: { news: { en: May we send you news?, de: Dürfen wir Neuigkeiten senden? } }
rights: { channel: privacy@shop.example, stated: [withdraw_consent] }
";

    fn policy() -> CompiledPolicy {
        let (policy, _) = parse_yaml(POLICY).expect("the policy of these tests reads");
        CompiledPolicy::compile(policy).expect("the policy of these tests has no errors")
    }

    fn form(category: &str, locale: &str) -> ConsentForm {
        ConsentForm::of(&policy(), &category.parse().unwrap(), locale).unwrap()
    }

    fn purposes(form: &ConsentForm) -> Vec<&str> {
        let questions = form.questions.iter();
        questions
            .map(|question| question.purpose.as_str())
            .collect()
    }

    #[test]
    fn a_form_asks_for_what_rests_on_consent_or_needs_it_beside_its_basis() {
        assert_eq!(purposes(&form("client", "en")), ["care", "news"]);
        assert_eq!(purposes(&form("guest", "en")), ["news"]);
    }

    #[test]
    fn a_category_that_the_policy_does_not_know_has_no_form() {
        let unknown = "supplier".parse().unwrap();
        assert!(ConsentForm::of(&policy(), &unknown, "en").is_none());
    }

    #[test]
    fn a_question_names_the_data_and_the_recipients_in_that_category() {
        let client = form("client", "en");
        let news = &client.questions[1];
        let data: Vec<_> = news
            .data_categories
            .iter()
            .map(DataCategory::as_str)
            .collect();
        assert_eq!(data, ["email", "phone"]);
        let [post] = news.recipients.as_slice() else {
            panic!("one recipient: {:?}", news.recipients);
        };
        assert_eq!((post.title.as_str(), post.country.as_str()), ("Post", "DE"));
        assert!(news.direct_marketing);
        assert!(form("guest", "en").questions[0].recipients.is_empty());
    }

    #[test]
    fn the_wording_falls_back_to_the_language_and_then_to_the_title() {
        let worded = |locale: &str| {
            let form = form("guest", locale);
            let question = form.questions[0].clone();
            (question.locale, question.wording)
        };
        assert_eq!(worded("de").0, "de");
        assert_eq!(worded("de-AT").1, "Dürfen wir Neuigkeiten senden?");
        assert_eq!(worded("DE-at").0, "de");
        for locale in ["fr", "", "d"] {
            assert_eq!(worded(locale), (String::new(), "Send news".to_owned()));
        }
    }

    #[test]
    fn a_question_offers_affirmative_methods_that_its_purpose_accepts() {
        let client = form("client", "en");
        assert_eq!(client.questions[0].methods, [EvidenceMethod::Signature]);
        let news = &client.questions[1].methods;
        assert!(news.contains(&EvidenceMethod::Checkbox));
        for never in [
            EvidenceMethod::ImpliedByUse,
            EvidenceMethod::PreTicked,
            EvidenceMethod::NotStated,
        ] {
            assert!(!news.contains(&never), "{never:?}");
        }
    }

    #[test]
    fn a_form_says_who_asks_and_where_consent_is_taken_back() {
        let form = form("guest", "en");
        assert_eq!(form.policy_version.as_str(), "2");
        assert_eq!(form.controller.name, "Shop");
        assert_eq!(form.rights_channel, "privacy@shop.example");
    }
}
