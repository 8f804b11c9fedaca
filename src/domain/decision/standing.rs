//! What the person's word is to an activity, apart from any question: whether it leaves a ground to keep
//! what the activity uses, and since when it does not.

use jiff::Timestamp;

use super::{
    consents::{Consents, has_expired, is_affirmative},
    rules::rests_on_consent,
};
use crate::domain::{
    name::Processor,
    policy::{
        compile::CompiledPolicy,
        model::{Activity, LawfulBasis},
    },
    subject::SubjectState,
};

/// How an activity stands with a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// When the consent that it rests on was withdrawn, if it is.
    pub withdrawn_at: Option<Timestamp>,
    /// Whether the person's word is against it: no yes stands where it needs one, a no is heeded, or
    /// the person objected to direct marketing. It is then no ground to keep anything (Art. 17(1)(b),
    /// (c)).
    ///
    /// Two things that a check denies do not count here, since they may yet come out the other way: a
    /// yes under an older version of the policy, which the person may renew, and an objection to be
    /// weighed against the controller's grounds (Art. 21(1)); Art. 18(1)(d) keeps the data meanwhile.
    pub is_opposed: bool,
}

/// How `activity` stands at `now`, for the controller or for a processor.
pub fn standing(
    policy: &CompiledPolicy,
    subject: &SubjectState,
    activity: &Activity,
    processor: Option<&Processor>,
    now: Timestamp,
) -> Standing {
    let heard = Consents::hear(policy, subject, &activity.purpose, processor, now);
    let on_consent = rests_on_consent(activity);
    let said = if on_consent {
        &heard.ever
    } else {
        &heard.still
    };
    let is_marketing = policy
        .purpose(&activity.purpose)
        .is_some_and(|purpose| purpose.direct_marketing);
    let heeds_a_no = on_consent
        || is_marketing
        || activity.lawful_basis == Some(LawfulBasis::LegitimateInterests);
    let has_yes = said
        .yes()
        .is_some_and(|yes| is_affirmative(policy, yes) && !has_expired(policy, yes, now));
    let mut objections = subject.objections.iter();
    let is_unanswered = is_marketing
        && objections.any(|it| {
            it.purpose == activity.purpose && !said.affirmed_after(policy, it.occurred_at)
        });
    Standing {
        withdrawn_at: said.withdrawn_at().filter(|_| on_consent),
        is_opposed: (heeds_a_no && said.no().is_some())
            || (on_consent && !has_yes)
            || is_unanswered,
    }
}
