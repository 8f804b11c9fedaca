//! The table of reasons. A rule says whether its reason applies; in each table the first that
//! applies decides. A rule that depends on time tells the horizon when its answer may change.

use jiff::Timestamp;

use super::{
    category::{Candidate, Question},
    consents,
    horizon::Horizon,
    reason::DecisionReason as Reason,
};
use crate::domain::{
    calendar,
    consent::{ConsentChoice, ConsentFact},
    item::ItemState,
    name::DataCategory,
    policy::model::{Activity, AfterCategoryEnd, LawfulBasis},
    retention::{self, Usage},
    subject::{Membership, Restriction},
};

/// A rule about the question; `None` where no data category is known.
type QuestionRule = fn(&Question, Option<&DataCategory>) -> bool;
/// A rule about one activity and one of its subject categories.
type ActivityRule = fn(&Candidate, &mut Horizon) -> bool;
/// A rule about one item that was collected in that subject category.
type ItemRule = fn(&Candidate, &ItemState, &mut Horizon) -> bool;

/// Who and what is asked about.
pub(super) const QUESTION_RULES: [(Reason, QuestionRule); 5] = [
    (Reason::SubjectUnknown, subject_unknown),
    (Reason::SubjectErased, subject_erased),
    (Reason::PurposeUnknown, purpose_unknown),
    (Reason::DataCategoryUnknown, data_category_unknown),
    (Reason::ProcessorUnknown, processor_unknown),
];

/// Whether the policy foresees the use, and the person has not had it restricted.
pub(super) const ACTIVITY_RULES: [(Reason, ActivityRule); 4] = [
    (Reason::NoActivity, no_activity),
    (Reason::ProcessorNotNamed, processor_not_named),
    (Reason::ProcessingRestricted, processing_restricted),
    (Reason::NotCollected, not_collected),
];

/// Whether this item may be used, and what the person said to it. An item that none of these
/// stops is lawful.
pub(super) const ITEM_RULES: [(Reason, ItemRule); 9] = [
    (Reason::PurposeExcluded, purpose_excluded),
    (Reason::RetentionExpired, retention_expired),
    (Reason::Objected, objected),
    (Reason::ConsentRefused, consent_refused),
    (Reason::ConsentWithdrawn, consent_withdrawn),
    (Reason::ConsentMissing, consent_missing),
    (Reason::ConsentExpired, consent_expired),
    (Reason::ConsentEvidenceInsufficient, consent_insufficient),
    (Reason::ConsentOutdated, consent_outdated),
];

fn subject_unknown(question: &Question, _: Option<&DataCategory>) -> bool {
    question.subject.is_none()
}

/// Of an erased subject only that is answered for which an item of the category stays (Art. 17(3)).
fn subject_erased(question: &Question, data: Option<&DataCategory>) -> bool {
    let erased = question
        .subject
        .filter(|subject| subject.erased_at.is_some());
    erased.is_some_and(|subject| {
        let mut of_data = subject
            .items
            .iter()
            .filter(|item| data == Some(&item.data_category));
        !of_data.any(|item| item.is_retained_for(&question.query.purpose))
    })
}

fn purpose_unknown(question: &Question, _: Option<&DataCategory>) -> bool {
    question
        .policy
        .is_none_or(|policy| policy.purpose(&question.query.purpose).is_none())
}

fn data_category_unknown(question: &Question, data: Option<&DataCategory>) -> bool {
    data.is_some_and(|data| {
        question
            .policy
            .is_none_or(|policy| policy.data_category(data).is_none())
    })
}

fn processor_unknown(question: &Question, _: Option<&DataCategory>) -> bool {
    question.query.processor.as_ref().is_some_and(|processor| {
        question
            .policy
            .is_none_or(|policy| policy.processor(processor).is_none())
    })
}

/// The activity has no lawful basis, or the person is not in this category of it: not yet, or no
/// longer, and the activity does not outlast the membership.
fn no_activity(candidate: &Candidate, horizon: &mut Horizon) -> bool {
    if candidate.activity.lawful_basis.is_none() {
        return true;
    }
    let mut covered = false;
    let memberships = candidate.subject.memberships.iter();
    for membership in memberships.filter(|it| it.category == *candidate.category) {
        covered |= covers(candidate, membership, horizon);
    }
    !covered
}

fn covers(candidate: &Candidate, membership: &Membership, horizon: &mut Horizon) -> bool {
    let now = candidate.question.now;
    let until = covered_until(candidate, membership);
    horizon.watch([membership.started_at]);
    horizon.watch(until);
    membership.started_at <= now && until.is_none_or(|until| now < until)
}

fn covered_until(candidate: &Candidate, membership: &Membership) -> Option<Timestamp> {
    let ended_at = membership.ended_at?;
    match &candidate.activity.after_category_end {
        AfterCategoryEnd::Stops => Some(ended_at),
        AfterCategoryEnd::Continues => None,
        AfterCategoryEnd::For(period) => {
            calendar::end_of(ended_at, period, candidate.policy.time_zone())
        }
    }
}

/// The sharing statement must be of the same subject category as the activity and the item.
fn processor_not_named(candidate: &Candidate, _: &mut Horizon) -> bool {
    let query = candidate.question.query;
    query.processor.as_ref().is_some_and(|processor| {
        !candidate.policy.shares(
            candidate.category,
            candidate.data,
            &query.purpose,
            processor,
        )
    })
}

fn processing_restricted(candidate: &Candidate, horizon: &mut Horizon) -> bool {
    if candidate.activity.under_restriction.is_some() {
        return false;
    }
    let mut restricted = false;
    for restriction in &candidate.subject.restrictions {
        restricted |= restricts(candidate, restriction, horizon);
    }
    restricted
}

/// A restriction holds from when it is recorded, whatever its own time, until it is lifted.
fn restricts(candidate: &Candidate, restriction: &Restriction, horizon: &mut Horizon) -> bool {
    let named = &restriction.data_categories;
    if !named.is_empty() && !named.contains(candidate.data) {
        return false;
    }
    horizon.watch(restriction.lifted_at);
    let lifted = restriction
        .lifted_at
        .is_some_and(|lifted| lifted <= candidate.question.now);
    let permitted = candidate.rests_on_consent()
        && candidate
            .said()
            .yes()
            .is_some_and(|yes| yes.occurred_at > restriction.started_at);
    !lifted && !permitted
}

fn not_collected(candidate: &Candidate, _: &mut Horizon) -> bool {
    candidate.items().next().is_none()
}

/// It was collected for other purposes only, or stays for others only though it should be erased. Of
/// an erased subject whatever is not retained is erased.
fn purpose_excluded(candidate: &Candidate, item: &ItemState, _: &mut Horizon) -> bool {
    let purpose = &candidate.question.query.purpose;
    let collected_for_others = !item.purposes.is_empty() && !item.purposes.contains(purpose);
    let is_erased = item.is_retained() || candidate.subject.erased_at.is_some();
    collected_for_others || (is_erased && !item.is_retained_for(purpose))
}

/// Each purpose has its own end: the item may stay for another one, and is answered for that one only.
fn retention_expired(candidate: &Candidate, item: &ItemState, horizon: &mut Horizon) -> bool {
    let withdrawn_at = candidate
        .said()
        .withdrawn_at()
        .filter(|_| candidate.rests_on_consent());
    let usage = Usage {
        processor: candidate.question.query.processor.as_ref(),
        withdrawn_at,
        is_required_by_law: candidate.activity.lawful_basis == Some(LawfulBasis::LegalObligation),
    };
    let ends_at = retention::ends_at(candidate.policy, candidate.subject, item, usage);
    horizon.watch(ends_at);
    ends_at.is_some_and(|ends_at| ends_at <= candidate.question.now)
}

/// Against legitimate interests and a public task an objection stands until it is rejected on
/// compelling grounds (Art. 21(1)); against direct marketing, on whatever basis, until the person
/// says yes again (Art. 21(2), (3)). It holds from when it is recorded, whatever its own time.
fn objected(candidate: &Candidate, _: &ItemState, horizon: &mut Horizon) -> bool {
    let weighed = matches!(
        candidate.activity.lawful_basis,
        Some(LawfulBasis::LegitimateInterests | LawfulBasis::PublicTask)
    );
    let mut objected = false;
    let objections = candidate.subject.objections.iter();
    for objection in objections.filter(|it| it.purpose == candidate.question.query.purpose) {
        horizon.watch(objection.rejected_at);
        let stands = objection
            .rejected_at
            .is_none_or(|rejected| candidate.question.now < rejected);
        let answered = candidate
            .said()
            .affirmed_after(candidate.policy, objection.occurred_at);
        objected |= (weighed && stands) || (candidate.is_direct_marketing() && !answered);
    }
    objected
}

fn consent_refused(candidate: &Candidate, _: &ItemState, _: &mut Horizon) -> bool {
    heeded_no(candidate).is_some_and(|no| no.choice == ConsentChoice::Refused)
}

fn consent_withdrawn(candidate: &Candidate, _: &ItemState, _: &mut Horizon) -> bool {
    heeded_no(candidate).is_some_and(|no| no.choice == ConsentChoice::Withdrawn)
}

/// The no that stands, where a no counts: for consent, for legitimate interests, for direct
/// marketing on whatever basis. It is asked neither in which subject category nor under which
/// policy version it was said: there is no falling back (EDPB 05/2020).
fn heeded_no<'a>(candidate: &Candidate<'a>) -> Option<&'a ConsentFact> {
    let heeded = candidate.rests_on_consent()
        || candidate.activity.lawful_basis == Some(LawfulBasis::LegitimateInterests)
        || candidate.is_direct_marketing();
    candidate.said().no().filter(|_| heeded)
}

fn consent_missing(candidate: &Candidate, _: &ItemState, _: &mut Horizon) -> bool {
    candidate.rests_on_consent() && candidate.said().yes().is_none()
}

fn consent_expired(candidate: &Candidate, _: &ItemState, _: &mut Horizon) -> bool {
    needed_yes(candidate)
        .is_some_and(|yes| consents::has_expired(candidate.policy, yes, candidate.question.now))
}

fn consent_insufficient(candidate: &Candidate, _: &ItemState, _: &mut Horizon) -> bool {
    needed_yes(candidate).is_some_and(|yes| !consents::is_affirmative(candidate.policy, yes))
}

fn consent_outdated(candidate: &Candidate, _: &ItemState, _: &mut Horizon) -> bool {
    let question = candidate.question;
    needed_yes(candidate).is_some_and(|yes| {
        question.policies.outdated(
            &yes.policy_version,
            question.now,
            candidate.category,
            candidate.data,
            &question.query.purpose,
            question.query.processor.as_ref(),
        )
    })
}

fn needed_yes<'a>(candidate: &Candidate<'a>) -> Option<&'a ConsentFact> {
    candidate
        .said()
        .yes()
        .filter(|_| candidate.rests_on_consent())
}

/// Whether an activity needs the person's yes: as its basis (Art. 6(1)(a)) or beside it
/// (Art. 9(2)(a), ePrivacy Art. 5(3)).
pub(super) fn rests_on_consent(activity: &Activity) -> bool {
    activity.lawful_basis == Some(LawfulBasis::Consent) || activity.also_requires_consent
}
