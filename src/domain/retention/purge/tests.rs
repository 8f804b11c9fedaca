use jiff::{SignedDuration, ToSpan};
use uuid::Uuid;

use super::*;
use crate::domain::{
    consent::{ConsentFact, EvidenceMethod},
    hold::ARTICLE_DEFAULT,
    id::{ConsentId, LegalHoldId, ObjectionId, RestrictionId, SubjectId},
    policy::{
        example::EXAMPLE_POLICY_YAML,
        format::parse_yaml,
        model::{LawfulBasis, Provenance, Retention, Sharing},
    },
    subject::{Membership, Objection, Restriction},
};

/// A policy and a person, to be changed before the plan is made.
struct Case {
    rules: Vec<Retention>,
    zone: &'static str,
    activities: Vec<Activity>,
    sharing: Vec<Sharing>,
    subject: SubjectState,
    holds: Vec<LegalHold>,
    disclosed: Vec<Disclosed>,
    told: Vec<Told>,
}

fn at(text: &str) -> Timestamp {
    text.parse().expect("an instant of this test")
}

fn name<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().expect("a name of this test")
}

fn rule(kind: RetentionKind, after: RetentionTrigger, period: jiff::Span) -> Retention {
    Retention {
        data: vec![name("email_address")],
        subjects: Vec::new(),
        processor: None,
        kind,
        after,
        activity_sources: Vec::new(),
        period,
        ground: "tax law".to_owned(),
        provenance: Provenance::default(),
    }
}

fn maximum(after: RetentionTrigger, months: i64) -> Retention {
    rule(RetentionKind::Maximum, after, months.months())
}

fn minimum(months: i64) -> Retention {
    let after = RetentionTrigger::Collection;
    rule(RetentionKind::LegalMinimum, after, months.months())
}

fn at_processor(rule: Retention) -> Retention {
    Retention {
        processor: Some(name("aweber")),
        ..rule
    }
}

fn activity(purpose: &str, basis: LawfulBasis) -> Activity {
    Activity {
        id: name(&format!("client-{}", purpose.replace('_', "-"))),
        subjects: vec![name("client")],
        data: vec![name("email_address")],
        contexts: Vec::new(),
        purpose: name(purpose),
        lawful_basis: Some(basis),
        also_requires_consent: false,
        under_restriction: None,
        stated_duration: None,
        after_category_end: AfterCategoryEnd::Stops,
        provenance: Provenance::default(),
    }
}

fn sharing(purpose: &str) -> Sharing {
    Sharing {
        subjects: vec![name("client")],
        data: vec![name("email_address")],
        purpose: name(purpose),
        processor: name("aweber"),
        provenance: Provenance::default(),
    }
}

const NEWSLETTER: &str = "newsletter";
const ORDERS: &str = "order_processing";

impl Case {
    /// A client of whom an address was collected at noon of the last of January 2024, for a
    /// newsletter on consent.
    fn new(rules: Vec<Retention>) -> Self {
        let mut subject = SubjectState::new(SubjectId(Uuid::from_u128(1)));
        subject.memberships.push(Membership {
            category: name("client"),
            started_at: at("2024-01-01T00:00:00Z"),
            ended_at: None,
        });
        subject.items.push(ItemState {
            item_id: ItemId(Uuid::from_u128(7)),
            subject_category: name("client"),
            data_category: name("email_address"),
            source: name("shop"),
            collected_at: at("2024-01-31T12:00:00Z"),
            policy_version: name("v"),
            purposes: Vec::new(),
            retained_for: None,
        });
        Self {
            rules,
            zone: "UTC",
            activities: vec![activity(NEWSLETTER, LawfulBasis::Consent)],
            sharing: Vec::new(),
            subject,
            holds: Vec::new(),
            disclosed: Vec::new(),
            told: Vec::new(),
        }
    }

    fn and(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    fn says(mut self, choice: ConsentChoice, purpose: &str, when: &str) -> Self {
        let id = self.subject.consents.len() as u128;
        self.subject.consents.push(ConsentFact {
            consent_id: ConsentId(Uuid::from_u128(id)),
            purpose: name(purpose),
            processors: Vec::new(),
            choice,
            method: EvidenceMethod::Checkbox,
            has_reference: false,
            policy_version: name("v"),
            occurred_at: at(when),
            recorded_at: at(when),
            expires_at: None,
        });
        self
    }

    fn also_for(self, purpose: &str, basis: LawfulBasis) -> Self {
        self.and(|it| it.activities.push(activity(purpose, basis)))
    }

    fn plan(&self, now: &str) -> PurgePlan {
        let (mut policy, _) = parse_yaml(EXAMPLE_POLICY_YAML).expect("the example reads");
        policy.retention.clone_from(&self.rules);
        self.zone.clone_into(&mut policy.controller.time_zone);
        policy.activities.clone_from(&self.activities);
        policy.sharing.clone_from(&self.sharing);
        for activity in &self.activities {
            let entry = policy.purposes.values().next().expect("a purpose").clone();
            let entry = crate::domain::policy::model::PurposeEntry {
                direct_marketing: activity.purpose.as_str() == NEWSLETTER,
                ..entry
            };
            policy.purposes.insert(activity.purpose.clone(), entry);
        }
        let policy = CompiledPolicy::compile(policy).expect("no errors");
        let known = Surroundings {
            holds: &self.holds,
            disclosed: &self.disclosed,
            told: &self.told,
        };
        purge_plan(&policy, &self.subject, known, at(now))
    }

    /// Asserts that the item goes at `instant`, by this rule, and not a microsecond before.
    fn goes_at(&self, instant: &str, rule: usize) {
        let just_before = at(instant) - SignedDuration::from_micros(1);
        let before = self.plan(&just_before.to_string());
        assert_eq!(before.due, [], "before {instant}");
        let plan = self.plan(instant);
        let due: Vec<_> = plan
            .due
            .iter()
            .map(|it| (it.due_at, it.rule.as_str()))
            .collect();
        assert_eq!(due, [(at(instant), rule_name(rule).as_str())]);
    }

    fn stays(&self) {
        assert_eq!(self.plan("2199-01-01T00:00:00Z"), PurgePlan::default());
    }
}

use RetentionTrigger::{CategoryEnd, Collection, ConsentWithdrawal, LastActivity};

#[test]
fn a_month_from_the_last_of_january_runs_out_on_the_leap_day() {
    Case::new(vec![maximum(Collection, 1)]).goes_at("2024-02-29T12:00:00Z", 0);
}

#[test]
fn a_year_from_a_leap_day_runs_out_on_the_last_of_february() {
    Case::new(vec![maximum(Collection, 12)])
        .and(|it| it.subject.items[0].collected_at = at("2024-02-29T23:30:00Z"))
        .goes_at("2025-02-28T23:30:00Z", 0);
}

#[test]
fn a_period_is_counted_on_the_wall_clock_of_the_controller_across_the_changes_of_the_hour() {
    let in_berlin = |collected: &str| {
        Case::new(vec![maximum(Collection, 1)]).and(|it| {
            it.zone = "Europe/Berlin";
            it.subject.items[0].collected_at = at(collected);
        })
    };
    // Noon in winter to noon in summer: the hour is lost.
    in_berlin("2024-03-01T11:00:00Z").goes_at("2024-04-01T10:00:00Z", 0);
    // Noon in summer to noon in winter: it is won again.
    in_berlin("2024-10-01T10:00:00Z").goes_at("2024-11-01T11:00:00Z", 0);
    // Half past two does not exist on 31 March: the end is at half past three.
    in_berlin("2024-02-29T01:30:00Z")
        .and(|it| it.rules = vec![rule(RetentionKind::Maximum, Collection, 31.days())])
        .goes_at("2024-03-31T01:30:00Z", 0);
    // Half past two comes twice on 27 October: the first one ends it.
    in_berlin("2024-09-27T00:30:00Z").goes_at("2024-10-27T00:30:00Z", 0);
    // Already the first of the month in Berlin, still the last day of the month before in UTC.
    in_berlin("2024-01-31T23:30:00Z").goes_at("2024-02-29T23:30:00Z", 0);
}

#[test]
fn without_a_maximum_nothing_goes() {
    Case::new(Vec::new()).stays();
    Case::new(vec![minimum(1)]).stays();
}

#[test]
fn the_last_activity_of_the_rules_sources_prolongs_and_that_of_others_does_not() {
    let seen_by = |source: &str| {
        let sources = vec![name("web")];
        let rule = Retention {
            activity_sources: sources,
            ..maximum(LastActivity, 1)
        };
        Case::new(vec![rule]).and(|it| {
            let last = at("2024-03-31T12:00:00Z");
            it.subject.last_activity.insert(name(source), last);
        })
    };
    seen_by("web").goes_at("2024-04-30T12:00:00Z", 0);
    seen_by("forum").goes_at("2024-02-29T12:00:00Z", 0);
}

#[test]
fn after_the_category_has_ended_the_period_runs_and_a_return_stops_it() {
    let left = |ended: &str| {
        Case::new(vec![maximum(CategoryEnd, 1)])
            .and(|it| it.subject.memberships[0].ended_at = Some(at(ended)))
    };
    Case::new(vec![maximum(CategoryEnd, 1)]).stays();
    left("2024-05-31T00:00:00Z").goes_at("2024-06-30T00:00:00Z", 0);
    left("2024-05-31T00:00:00Z")
        .and(|it| {
            it.subject.memberships.push(Membership {
                category: name("client"),
                started_at: at("2024-06-15T00:00:00Z"),
                ended_at: None,
            });
        })
        .stays();
}

#[test]
fn of_two_maxima_the_shorter_one_decides() {
    let rules = vec![maximum(Collection, 12), maximum(LastActivity, 1)];
    Case::new(rules).goes_at("2024-02-29T12:00:00Z", 1);
}

#[test]
fn a_legal_minimum_beats_a_shorter_maximum_and_the_longest_one_counts() {
    let rules = vec![maximum(Collection, 1), minimum(6), minimum(12)];
    Case::new(rules).goes_at("2025-01-31T12:00:00Z", 0);
}

#[test]
fn a_legal_minimum_whose_period_has_not_begun_keeps_the_item() {
    let after_the_end = rule(RetentionKind::LegalMinimum, CategoryEnd, 6.months());
    Case::new(vec![maximum(Collection, 1), after_the_end]).stays();
}

#[test]
fn after_a_withdrawal_the_item_goes_when_the_period_has_passed() {
    let case = Case::new(vec![maximum(ConsentWithdrawal, 1)]);
    let case = case.says(ConsentChoice::Given, NEWSLETTER, "2024-02-01T00:00:00Z");
    case.stays();
    let case = case.says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-31T08:00:00Z");
    case.goes_at("2024-06-30T08:00:00Z", 0);
}

#[test]
fn without_a_rule_a_withdrawal_alone_makes_nothing_go() {
    Case::new(vec![minimum(1)])
        .says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-31T08:00:00Z")
        .stays();
}

#[test]
fn what_another_purpose_holds_stays_until_that_one_ends_too() {
    let case = Case::new(vec![maximum(ConsentWithdrawal, 1)])
        .also_for(ORDERS, LawfulBasis::Contract)
        .says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-31T08:00:00Z");
    case.stays();
    let left = case.and(|it| {
        it.subject.memberships[0].ended_at = Some(at("2024-09-01T00:00:00Z"));
    });
    assert_eq!(left.plan("2024-08-31T23:59:59Z").due, []);
    assert_eq!(left.plan("2024-09-01T00:00:00Z").due.len(), 1);
}

#[test]
fn of_two_withdrawn_consents_the_later_ones_period_counts() {
    Case::new(vec![maximum(ConsentWithdrawal, 1)])
        .also_for("offers", LawfulBasis::Consent)
        .says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-01T00:00:00Z")
        .says(ConsentChoice::Withdrawn, "offers", "2024-07-01T00:00:00Z")
        .goes_at("2024-08-01T00:00:00Z", 0);
}

/// A consent for another purpose, given, refused, run out, or never asked for.
#[test]
fn a_consent_that_does_not_stand_is_no_ground_to_keep_anything() {
    let case = || {
        Case::new(vec![maximum(ConsentWithdrawal, 1)])
            .also_for("offers", LawfulBasis::Consent)
            .says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-01T00:00:00Z")
    };
    let when = "2024-03-01T00:00:00Z";
    case().goes_at("2024-06-01T00:00:00Z", 0);
    case()
        .says(ConsentChoice::Refused, "offers", when)
        .goes_at("2024-06-01T00:00:00Z", 0);
    case().says(ConsentChoice::Given, "offers", when).stays();
    let runs_out = case()
        .says(ConsentChoice::Given, "offers", when)
        .and(|it| it.subject.consents[1].expires_at = Some(at("2024-07-01T00:00:00Z")));
    assert_eq!(runs_out.plan("2024-06-30T23:59:59Z").due, []);
    assert_eq!(runs_out.plan("2024-07-01T00:00:00Z").due.len(), 1);
}

#[test]
fn marketing_that_was_objected_to_holds_nothing_and_an_objection_to_be_weighed_does() {
    let case = |objected: &str| {
        Case::new(vec![maximum(ConsentWithdrawal, 1)])
            .and(|it| {
                it.activities = vec![
                    activity("offers", LawfulBasis::Consent),
                    activity(NEWSLETTER, LawfulBasis::LegitimateInterests),
                    activity("fraud_prevention", LawfulBasis::LegitimateInterests),
                ];
                // Only the other one is left of the two.
                it.activities.retain(|one| {
                    one.purpose.as_str() == "offers" || one.purpose.as_str() == objected
                });
                it.subject.objections.push(Objection {
                    objection_id: ObjectionId(Uuid::from_u128(1)),
                    purpose: name(objected),
                    occurred_at: at("2024-03-01T00:00:00Z"),
                    rejected_at: None,
                });
            })
            .says(ConsentChoice::Withdrawn, "offers", "2024-05-01T00:00:00Z")
    };
    case(NEWSLETTER).goes_at("2024-06-01T00:00:00Z", 0);
    case("fraud_prevention").stays();
}

#[test]
fn a_purpose_for_which_the_item_was_not_collected_does_not_hold_it() {
    Case::new(vec![maximum(ConsentWithdrawal, 1)])
        .also_for(ORDERS, LawfulBasis::Contract)
        .says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-31T08:00:00Z")
        .and(|it| it.subject.items[0].purposes = vec![name(NEWSLETTER)])
        .goes_at("2024-06-30T08:00:00Z", 0);
}

#[test]
fn an_item_that_no_activity_concerns_goes_when_its_maximum_runs_out() {
    Case::new(vec![maximum(Collection, 1)])
        .and(|it| it.activities.clear())
        .goes_at("2024-02-29T12:00:00Z", 0);
}

fn hold(released: Option<&str>) -> LegalHold {
    LegalHold {
        legal_hold_id: LegalHoldId(Uuid::from_u128(1)),
        subject_id: SubjectId(Uuid::from_u128(1)),
        item_ids: vec![ItemId(Uuid::from_u128(7))],
        data_categories: Vec::new(),
        purposes: Vec::new(),
        matter: "case 7".to_owned(),
        article: ARTICLE_DEFAULT.to_owned(),
        placed_at: at("2024-01-01T00:00:00Z"),
        placed_by: name("legal"),
        released_at: released.map(at),
        released_by: None,
    }
}

#[test]
fn what_is_held_or_restricted_stays_and_is_counted_as_held() {
    let now = "2024-03-01T00:00:00Z";
    let case = || Case::new(vec![maximum(Collection, 1)]);
    let item = ItemId(Uuid::from_u128(7));
    let held = PurgePlan {
        due: Vec::new(),
        held: vec![item],
    };
    assert_eq!(case().and(|it| it.holds.push(hold(None))).plan(now), held);
    let released = case().and(|it| it.holds.push(hold(Some(now)))).plan(now);
    assert_eq!((released.due.len(), released.held.len()), (1, 0));
    let restricted = |data: &str, lifted: Option<&str>| {
        case()
            .and(|it| {
                it.subject.restrictions.push(Restriction {
                    restriction_id: RestrictionId(Uuid::from_u128(1)),
                    data_categories: vec![name(data)],
                    started_at: at("2024-02-01T00:00:00Z"),
                    lifted_at: lifted.map(at),
                });
            })
            .plan(now)
    };
    assert_eq!(restricted("email_address", None), held);
    assert_eq!(restricted("first_name", None).due.len(), 1);
    assert_eq!(restricted("email_address", Some(now)).due.len(), 1);
    let not_due = case().and(|it| it.holds.push(hold(None)));
    assert_eq!(not_due.plan("2024-02-01T00:00:00Z"), PurgePlan::default());
}

fn shared() -> Case {
    Case::new(vec![at_processor(maximum(Collection, 1))])
        .and(|it| it.sharing.push(sharing(NEWSLETTER)))
}

#[test]
fn a_processor_with_a_shorter_retention_is_told_and_the_item_stays() {
    let case = shared();
    case.goes_at("2024-02-29T12:00:00Z", 0);
    let due = &case.plan("2024-02-29T12:00:00Z").due[0];
    assert_eq!(due.reason, PurgeReason::ProcessorRetentionExpired);
    assert_eq!(due.processor, Some(name("aweber")));
}

#[test]
fn who_has_nothing_of_the_item_is_told_nothing_and_who_had_it_disclosed_is() {
    let case = shared().and(|it| it.sharing.clear());
    case.stays();
    let disclosed = Disclosed {
        processor: name("aweber"),
        purpose: name(NEWSLETTER),
        item_id: ItemId(Uuid::from_u128(7)),
    };
    case.and(|it| it.disclosed.push(disclosed))
        .goes_at("2024-02-29T12:00:00Z", 0);
}

#[test]
fn a_processor_is_told_once_of_what_was_collected_once() {
    let told = |collected: &str| {
        shared()
            .and(|it| {
                it.told.push(Told {
                    item_id: ItemId(Uuid::from_u128(7)),
                    processor: name("aweber"),
                    collected_at: at(collected),
                });
            })
            .plan("2025-01-01T00:00:00Z")
            .due
            .len()
    };
    assert_eq!(told("2024-01-31T12:00:00Z"), 0);
    assert_eq!(told("2023-01-31T12:00:00Z"), 1);
}

#[test]
fn when_the_item_goes_here_too_its_processor_is_told_by_that() {
    let case = shared().and(|it| it.rules.push(maximum(Collection, 2)));
    let reasons = |now| {
        let due = case.plan(now).due.into_iter();
        due.map(|purge| purge.reason).collect::<Vec<_>>()
    };
    assert_eq!(
        reasons("2024-03-01T00:00:00Z"),
        [PurgeReason::ProcessorRetentionExpired]
    );
    assert_eq!(
        reasons("2024-04-01T00:00:00Z"),
        [PurgeReason::RetentionExpired]
    );
}

#[test]
fn a_law_that_binds_the_processor_delays_its_erasure_and_no_other() {
    shared()
        .and(|it| it.rules.push(at_processor(minimum(6))))
        .goes_at("2024-07-31T12:00:00Z", 0);
    shared()
        .and(|it| it.rules.push(minimum(6)))
        .goes_at("2024-02-29T12:00:00Z", 0);
}

#[test]
fn a_processor_keeps_what_another_purpose_shares_with_it() {
    let rules = vec![at_processor(maximum(ConsentWithdrawal, 1))];
    let case = Case::new(rules)
        .and(|it| it.sharing.push(sharing(NEWSLETTER)))
        .also_for(ORDERS, LawfulBasis::Contract)
        .says(ConsentChoice::Withdrawn, NEWSLETTER, "2024-05-31T08:00:00Z");
    case.goes_at("2024-06-30T08:00:00Z", 0);
    case.and(|it| it.sharing.push(sharing(ORDERS))).stays();
}

#[test]
fn what_an_erasure_had_to_leave_is_the_erasures() {
    let case = || Case::new(vec![maximum(Collection, 1)]);
    case()
        .and(|it| it.subject.items[0].retained_for = Some(Vec::new()))
        .stays();
    case()
        .and(|it| it.subject.erased_at = Some(at("2024-02-01T00:00:00Z")))
        .stays();
}
