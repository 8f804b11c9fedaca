//! Plain words for what the registry keeps as values.

use jiff::{Span, Timestamp, tz::TimeZone};

use super::model::{RetentionPart, RightPart};
use crate::domain::{
    consent::{ConsentChoice, EvidenceMethod, GivenBy},
    decision::DecisionReason,
    policy::model::{LawfulBasis, Retention, RetentionKind, RetentionTrigger},
};

/// `13 December 2019, 12:00 UTC`.
pub(super) fn instant(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone())
        .strftime("%-d %B %Y, %H:%M %Z")
        .to_string()
}

/// `13 December 2019`.
pub(super) fn day(at: Timestamp, zone: &TimeZone) -> String {
    at.to_zoned_datetime(zone.clone())
        .strftime("%-d %B %Y")
        .to_string()
}

/// `2 years and 3 months`.
pub(super) fn period(span: &Span) -> String {
    let parts = [
        (i64::from(span.get_years()), "year"),
        (i64::from(span.get_months()), "month"),
        (i64::from(span.get_weeks()), "week"),
        (i64::from(span.get_days()), "day"),
        (i64::from(span.get_hours()), "hour"),
        (span.get_minutes(), "minute"),
        (span.get_seconds(), "second"),
    ];
    let parts = parts.into_iter().filter(|(count, _)| *count != 0);
    let parts = parts.map(|(count, unit)| counted(count.unsigned_abs(), unit));
    let parts: Vec<_> = parts.collect();
    match parts.split_last() {
        None => "no time".into(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} and {last}", rest.join(", ")),
    }
}

/// `1 item`, `2 items`.
pub(super) fn counted(count: u64, unit: &str) -> String {
    let ending = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{ending}")
}

/// Where a basis stands.
pub(super) fn article(basis: LawfulBasis) -> &'static str {
    match basis {
        LawfulBasis::Consent => "GDPR Art. 6(1)(a)",
        LawfulBasis::Contract => "GDPR Art. 6(1)(b)",
        LawfulBasis::LegalObligation => "GDPR Art. 6(1)(c)",
        LawfulBasis::VitalInterests => "GDPR Art. 6(1)(d)",
        LawfulBasis::PublicTask => "GDPR Art. 6(1)(e)",
        LawfulBasis::LegitimateInterests => "GDPR Art. 6(1)(f)",
    }
}

/// Why a use is permitted, to be read behind 'because'.
pub(super) fn because(basis: LawfulBasis) -> &'static str {
    match basis {
        LawfulBasis::Consent => "you consented",
        LawfulBasis::Contract => "it is needed for a contract with you",
        LawfulBasis::LegalObligation => "the law requires it",
        LawfulBasis::VitalInterests => "it protects somebody's life or health",
        LawfulBasis::PublicTask => "it is a task in the public interest",
        LawfulBasis::LegitimateInterests => "we have a legitimate interest in it",
    }
}

/// Why data is not used for a purpose at present, to be read behind the purpose; `None`: it may be.
pub(super) fn stopped(reason: DecisionReason) -> Option<&'static str> {
    Some(match reason {
        DecisionReason::Lawful => return None,
        DecisionReason::ConsentMissing => "only with your consent, and you have not given it",
        DecisionReason::ConsentRefused => "only with your consent, and you said no",
        DecisionReason::ConsentWithdrawn => "stopped, since you took your consent back",
        DecisionReason::ConsentExpired => "stopped, since your consent has run out",
        DecisionReason::ConsentEvidenceInsufficient => {
            "only with your consent, and what was noted of you is none"
        }
        DecisionReason::ConsentOutdated => {
            "only with your consent, and the policy has changed since you gave it"
        }
        DecisionReason::Objected => "stopped, since you objected",
        DecisionReason::ProcessingRestricted => "suspended, since its use is restricted",
        DecisionReason::RetentionExpired => "stopped, since its time has run out",
        DecisionReason::SubjectErased => "stopped, since you had your data erased",
        DecisionReason::NoActivity => "not at present: it is for another role than you have now",
        DecisionReason::SubjectUnknown
        | DecisionReason::PurposeUnknown
        | DecisionReason::DataCategoryUnknown
        | DecisionReason::ProcessorUnknown
        | DecisionReason::ProcessorNotNamed
        | DecisionReason::NotCollected
        | DecisionReason::PurposeExcluded => "not at present",
    })
}

/// What a person said.
pub(super) fn choice(choice: &str) -> &'static str {
    match ConsentChoice::named(choice) {
        Some(ConsentChoice::Given) => "You said yes",
        Some(ConsentChoice::Refused) => "You said no",
        Some(ConsentChoice::Withdrawn) => "You took your consent back",
        Some(ConsentChoice::Pending) => "You were asked and had not answered yet",
        None => "",
    }
}

/// How it was said.
pub(super) fn method(method: &str) -> &'static str {
    match EvidenceMethod::named(method) {
        Some(EvidenceMethod::Checkbox) => "by ticking a box",
        Some(EvidenceMethod::Form) => "by filling in a form",
        Some(EvidenceMethod::DoubleOptIn) => "by following a link in a message",
        Some(EvidenceMethod::Signature) => "by signing",
        Some(EvidenceMethod::Oral) => "by word of mouth",
        Some(EvidenceMethod::ImpliedByUse) => {
            "noted because you used the service (this is no consent)"
        }
        Some(EvidenceMethod::PreTicked) => {
            "noted from a box that was ticked beforehand (this is no consent)"
        }
        Some(EvidenceMethod::Imported) => "taken over from another system",
        Some(EvidenceMethod::NotStated) | None => "in a way that was not noted",
    }
}

/// Who spoke, when it was not the person.
pub(super) fn given_by(by: &str) -> &'static str {
    match GivenBy::named(by) {
        Some(GivenBy::Guardian) => "a parent or guardian, for you",
        Some(GivenBy::Agent) => "somebody you appointed, for you",
        Some(GivenBy::Subject) | None => "",
    }
}

/// A retention rule.
pub(super) fn rule(rule: &Retention, at: Option<&str>) -> String {
    let length = period(&rule.period);
    let after = match rule.after {
        RetentionTrigger::Collection => "after it was collected",
        RetentionTrigger::LastActivity => "after your last activity",
        RetentionTrigger::CategoryEnd => "after you left the role in which it was collected",
        RetentionTrigger::ConsentWithdrawal => "after you took your consent back",
    };
    let at = at.map(|name| format!("At {name}: ")).unwrap_or_default();
    match rule.kind {
        RetentionKind::Maximum => format!("{at}kept for at most {length} {after}"),
        RetentionKind::LegalMinimum if rule.ground.is_empty() => {
            format!("{at}the law requires us to keep it for at least {length} {after}")
        }
        RetentionKind::LegalMinimum => format!(
            "{at}the law requires us to keep it for at least {length} {after} ({})",
            rule.ground
        ),
    }
}

/// A rule with its end.
pub(super) fn rule_with_end(part: &RetentionPart, zone: &TimeZone) -> String {
    match part.ends_at {
        Some(end) => format!("{}: until {}", part.text, day(end, zone)),
        None => part.text.clone(),
    }
}

/// The rights of Chapter III, in the order of the law.
pub(super) const RIGHTS: [RightPart; 8] = [
    RightPart {
        title: "Get a copy",
        article: "GDPR Art. 15",
        text: "You can ask at any time what is stored about you, and get a copy of it. This is one.",
    },
    RightPart {
        title: "Have mistakes corrected",
        article: "GDPR Art. 16",
        text: "What is wrong must be corrected, and what is incomplete completed.",
    },
    RightPart {
        title: "Have data erased",
        article: "GDPR Art. 17",
        text: "You can have your data erased when it is not needed any more, when you take your \
               consent back, or when it should never have been processed. What a law requires us to \
               keep stays for as long as it does.",
    },
    RightPart {
        title: "Have its use restricted",
        article: "GDPR Art. 18",
        text: "You can have data kept but not used, for instance while it is being found out whether \
               it is right.",
    },
    RightPart {
        title: "Take your data elsewhere",
        article: "GDPR Art. 20",
        text: "What you provided, and what is processed on your consent or for a contract with you, \
               you can get in a form that machines read.",
    },
    RightPart {
        title: "Object",
        article: "GDPR Art. 21",
        text: "You can object to uses that rest on legitimate interests or on the public interest. If \
               you object to direct marketing, it always stops.",
    },
    RightPart {
        title: "Take consent back",
        article: "GDPR Art. 7(3)",
        text: "You can take a consent back at any time, as easily as you gave it. What was done before \
               stays lawful.",
    },
    RightPart {
        title: "Complain",
        article: "GDPR Art. 77",
        text: "You can complain to a data protection authority, for instance where you live or work, \
               if you think that your data is not treated as the law requires.",
    },
];

/// What is said of automated decisions: the registry records none.
pub(super) const NO_AUTOMATED_DECISIONS: &str = "No decision that is made about you by machines \
    alone, and that has legal or similarly serious effects, is recorded here.";

#[cfg(test)]
mod tests {
    use jiff::ToSpan;

    use super::*;

    #[test]
    fn periods_and_dates_are_written_out() {
        assert_eq!(period(&2.years()), "2 years");
        assert_eq!(
            period(&1.year().months(3).days(1)),
            "1 year, 3 months and 1 day"
        );
        assert_eq!(period(&Span::new()), "no time");
        let at: Timestamp = "2019-12-31T23:30:00Z".parse().expect("an instant");
        assert_eq!(instant(at, &TimeZone::UTC), "31 December 2019, 23:30 UTC");
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        assert_eq!(instant(at, &berlin), "1 January 2020, 00:30 CET");
        assert_eq!(day(at, &berlin), "1 January 2020");
    }

    #[test]
    fn only_what_is_lawful_is_not_said_to_have_stopped() {
        for reason in DecisionReason::ALL {
            let is_lawful = reason == DecisionReason::Lawful;
            assert_eq!(stopped(reason).is_none(), is_lawful, "{reason}");
        }
    }

    #[test]
    fn every_choice_and_method_has_words() {
        for one in ConsentChoice::ALL {
            assert_ne!(choice(one.as_str()), "");
        }
        for one in EvidenceMethod::ALL {
            assert_ne!(method(one.as_str()), "");
        }
    }
}
