//! Suppression: an erased person's identifiers stay blocked until the person comes back of their own
//! accord (CJEU C-129/21), and a no to direct marketing survives the return (Art. 21(3)).

use jiff::Timestamp;

use super::{
    decision::is_affirmative, name::Purpose, policy::compile::CompiledPolicy, subject::SubjectState,
};

/// What is known of an identifier whose owner was erased.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suppression {
    /// When the owner was erased.
    pub suppressed_at: Timestamp,
    /// The direct marketing that the owner had said no to, and when.
    pub objected: Vec<(Purpose, Timestamp)>,
}

impl Default for Suppression {
    fn default() -> Self {
        Self {
            suppressed_at: Timestamp::MIN,
            objected: Vec::new(),
        }
    }
}

impl Suppression {
    /// Both in one: the later erasure, and every no.
    pub fn join(&mut self, other: Self) {
        self.suppressed_at = self.suppressed_at.max(other.suppressed_at);
        for said in other.objected {
            if !self.objected.contains(&said) {
                self.objected.push(said);
            }
        }
    }

    /// The latest no to each purpose, in the order of the purposes.
    pub fn latest(&self) -> Vec<(Purpose, Timestamp)> {
        let mut latest = self.objected.clone();
        latest.sort_by(|one, other| (&one.0, other.1).cmp(&(&other.0, one.1)));
        latest.dedup_by(|later, first| later.0 == first.0);
        latest
    }
}

/// The direct marketing that a person has said no to, by an objection, a refusal or a withdrawal,
/// and has not said yes to since by an affirmative act; with the instant of the latest no. A no to one
/// recipient counts as a no to all: which recipients there are later, nobody knows.
pub fn refused_marketing(
    policy: &CompiledPolicy,
    subject: &SubjectState,
) -> Vec<(Purpose, Timestamp)> {
    let purposes = policy.policy().purposes.iter();
    let marketing = purposes.filter(|(_, purpose)| purpose.direct_marketing);
    marketing
        .filter_map(|(purpose, _)| Some((purpose.clone(), refused_at(policy, subject, purpose)?)))
        .collect()
}

fn refused_at(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    purpose: &Purpose,
) -> Option<Timestamp> {
    let objections = subject.objections.iter();
    let objected = objections
        .filter(|it| it.purpose == *purpose)
        .map(|it| it.occurred_at);
    let said = || subject.consents.iter().filter(|it| it.purpose == *purpose);
    let denied = said()
        .filter(|fact| fact.choice.is_denial())
        .map(|fact| fact.occurred_at);
    let no = objected.chain(denied).max()?;
    let mut yes = said().filter(|fact| is_affirmative(policy, fact));
    (!yes.any(|fact| fact.occurred_at > no)).then_some(no)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::{
        consent::{ConsentChoice, ConsentFact, EvidenceMethod},
        id::{ConsentId, ObjectionId, SubjectId},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
        subject::Objection,
    };

    fn policy() -> CompiledPolicy {
        let (policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example");
        CompiledPolicy::compile(policy).expect("the example has no errors")
    }

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + hour * 3_600).expect("an hour of this test")
    }

    fn nobody() -> SubjectState {
        SubjectState::new(SubjectId(Uuid::from_u128(1)))
    }

    fn say(subject: &mut SubjectState, choice: ConsentChoice, purpose: &str, hour: i64) {
        subject.consents.push(ConsentFact {
            consent_id: ConsentId(Uuid::nil()),
            purpose: purpose.parse().expect("a name"),
            processors: Vec::new(),
            choice,
            method: EvidenceMethod::Checkbox,
            has_reference: false,
            policy_version: "2018-05-24".parse().expect("a version"),
            occurred_at: at(hour),
            recorded_at: at(hour),
            expires_at: None,
        });
    }

    fn object(subject: &mut SubjectState, purpose: &str, hour: i64) {
        subject.objections.push(Objection {
            objection_id: ObjectionId(Uuid::nil()),
            purpose: purpose.parse().expect("a name"),
            occurred_at: at(hour),
            rejected_at: None,
        });
    }

    fn refused(subject: &SubjectState) -> Vec<(String, Timestamp)> {
        let refused = refused_marketing(&policy(), subject);
        let named = refused.into_iter();
        named
            .map(|(purpose, at)| (purpose.to_string(), at))
            .collect()
    }

    #[test]
    fn an_objection_a_refusal_and_a_withdrawal_survive_and_the_latest_counts() {
        let mut anna = nobody();
        object(&mut anna, "newsletter", 1);
        say(&mut anna, ConsentChoice::Withdrawn, "newsletter", 3);
        say(&mut anna, ConsentChoice::Refused, "newsletter", 2);
        assert_eq!(refused(&anna), [("newsletter".to_owned(), at(3))]);
    }

    #[test]
    fn a_later_yes_by_an_affirmative_act_ends_it_and_a_mere_use_does_not() {
        let mut anna = nobody();
        object(&mut anna, "newsletter", 1);
        say(&mut anna, ConsentChoice::Given, "newsletter", 2);
        anna.consents[0].method = EvidenceMethod::ImpliedByUse;
        assert_eq!(refused(&anna).len(), 1);
        anna.consents[0].method = EvidenceMethod::Checkbox;
        assert_eq!(refused(&anna), []);
    }

    #[test]
    fn a_no_to_what_is_no_direct_marketing_goes_with_the_person() {
        let mut anna = nobody();
        say(&mut anna, ConsentChoice::Refused, "interface_research", 1);
        object(&mut anna, "interface_research", 2);
        assert_eq!(refused(&anna), []);
    }

    #[test]
    fn of_several_erased_people_with_one_address_every_no_counts_once() {
        let said = |purpose: &str, hour| (purpose.parse().expect("a name"), at(hour));
        let mut joined = Suppression::default();
        for (erased, objected) in [(5, said("newsletter", 2)), (4, said("newsletter", 1))] {
            joined.join(Suppression {
                suppressed_at: at(erased),
                objected: vec![objected, said("offers", 3)],
            });
        }
        assert_eq!(joined.suppressed_at, at(5));
        assert_eq!(joined.latest(), [said("newsletter", 2), said("offers", 3)]);
    }
}
