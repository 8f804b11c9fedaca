//! The entries of the page's lists.

use jiff::tz::TimeZone;

use super::{
    super::{
        model::{ConsentPart, DisclosurePart, ItemPart, PurposePart},
        words,
    },
    front::titles,
    text::{escaped, fact, given},
    value,
};

/// An item.
pub fn item(part: &ItemPart, zone: &TimeZone) -> String {
    let mut out = String::from("<div class=\"card\">\n");
    if !part.item_key.is_empty() {
        out.push_str(&format!("<h4>{}</h4>\n", given(&part.item_key)));
    }
    value::content(&mut out, &part.content, zone);
    out.push_str("<dl class=\"facts\">\n");
    fact(
        &mut out,
        "Collected",
        format!(
            "{}, by our service {}, about you as: {}",
            words::instant(part.collected_at, zone),
            escaped(part.source.as_str()),
            escaped(&part.subject_category.title)
        ),
    );
    if let Some(condition) = &part.special_category {
        let condition = match condition.as_str() {
            "" => "yes; the policy does not say under which condition it may be used".into(),
            text => format!("yes; it may be used because of: {}", escaped(text)),
        };
        fact(&mut out, "Specially protected", condition);
    }
    fact(&mut out, "Used for", purposes(part));
    fact(&mut out, "Kept", retention(part, zone));
    if let Some(purposes) = &part.kept_despite_erasure_for {
        let why = match purposes.as_slice() {
            [] => "yes, and used for nothing".into(),
            named => format!("yes, only for: {}", titles(named)),
        };
        fact(&mut out, "Kept though you asked for its erasure", why);
    }
    out.push_str("</dl></div>\n");
    out
}

fn purposes(part: &ItemPart) -> String {
    let in_force: Vec<_> = part.purposes.iter().filter(|one| one.in_force).collect();
    let mut lines: Vec<_> = in_force.iter().map(|one| purpose(one)).collect();
    let before = part
        .purposes
        .iter()
        .filter(|one| !one.in_force && !in_force.iter().any(|other| other.purpose == one.purpose));
    lines.extend(before.map(|one| {
        format!(
            "{} <span class=\"quiet\">(under version {} of the policy, not any more)</span>",
            purpose(one),
            escaped(one.policy_version.as_str())
        )
    }));
    if lines.is_empty() {
        return "nothing: the policy states no use of it".into();
    }
    list(&lines)
}

fn purpose(part: &PurposePart) -> String {
    let title = escaped(&part.purpose.title);
    let stopped = part.decision.and_then(words::stopped);
    let mut text = match part.lawful_basis {
        Some(_) if stopped.is_some() => format!(
            "{title}: {} <span class=\"quiet\">({})</span>",
            stopped.unwrap_or_default(),
            part.article
        ),
        Some(basis) => format!(
            "{title}, because {} <span class=\"quiet\">({})</span>",
            words::because(basis),
            part.article
        ),
        None => format!("{title}; the policy gives no ground for it, so it is not permitted"),
    };
    if part.also_requires_consent && stopped.is_none() {
        text.push_str("; only with your consent");
    }
    if let Some(duration) = &part.stated_duration {
        text.push_str(&format!("; for how long: {}", escaped(duration)));
    }
    text
}

fn retention(part: &ItemPart, zone: &TimeZone) -> String {
    if part.retention.is_empty() {
        return "the policy states no time limit".into();
    }
    let lines = part.retention.iter();
    let lines: Vec<_> = lines
        .map(|rule| escaped(&words::rule_with_end(rule, zone)))
        .collect();
    list(&lines)
}

fn list(lines: &[String]) -> String {
    match lines {
        [one] => one.clone(),
        lines => format!(
            "<ul class=\"plain\">{}</ul>",
            lines
                .iter()
                .map(|line| ["<li>", line, "</li>"].concat())
                .collect::<Vec<_>>()
                .concat()
        ),
    }
}

/// What went to a recipient.
pub fn disclosure(part: &DisclosurePart, zone: &TimeZone) -> String {
    let mut out = format!(
        "<div class=\"card\"><h4>{}: {}</h4>\n<dl class=\"facts\">\n",
        words::instant(part.occurred_at, zone),
        escaped(&part.recipient.title)
    );
    let pieces = words::counted(part.item_ids.len() as u64, "piece");
    fact(
        &mut out,
        "What",
        format!("{} ({pieces})", titles(&part.data_categories)),
    );
    fact(&mut out, "What for", escaped(&part.purpose.title));
    if !part.external_reference.is_empty() {
        fact(&mut out, "Known there as", given(&part.external_reference));
    }
    fact(&mut out, "Passed on by", escaped(&part.recorded_by));
    out.push_str("</dl></div>\n");
    out
}

/// What the person said.
pub fn consent(part: &ConsentPart, zone: &TimeZone) -> String {
    let evidence = &part.evidence;
    let mut out = format!(
        "<div class=\"card\"><h4>{}: {}</h4>\n<p>{}, {}, on {}.</p>\n<dl class=\"facts\">\n",
        words::choice(part.choice),
        escaped(&part.purpose.title),
        words::choice(part.choice),
        words::method(evidence.method),
        words::instant(part.occurred_at, zone)
    );
    if !part.recipients.is_empty() {
        fact(&mut out, "Only for", titles(&part.recipients));
    }
    let speaker = words::given_by(evidence.given_by);
    if !speaker.is_empty() {
        fact(&mut out, "Who spoke", speaker);
    }
    if !evidence.wording.is_empty() {
        fact(&mut out, "What you were shown", given(&evidence.wording));
    }
    fact(
        &mut out,
        "Policy you were shown",
        escaped(evidence.policy_version.as_str()),
    );
    if !evidence.reference.is_empty() {
        fact(&mut out, "Where the proof lies", given(&evidence.reference));
    }
    fact(&mut out, "Recorded by", given(&evidence.collected_by));
    if let Some(at) = part.expires_at {
        fact(&mut out, "Ends by itself", words::day(at, zone));
    }
    out.push_str("</dl></div>\n");
    out
}
