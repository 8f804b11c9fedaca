//! What stands before the data: whose copy it is, what it holds, who received something, which rights
//! there are.

use jiff::tz::TimeZone;

use super::{
    super::{
        model::{AboutPart, Head, LegalHoldPart, MembershipPart, Named, RecipientPart},
        words,
    },
    anchor,
    text::{escaped, fact, given},
};
use crate::domain::policy::model::RecipientRole;

pub(super) fn front(out: &mut String, head: &Head, zone: &TimeZone) {
    out.push_str(&format!(
        "<h1>Your personal data at {}</h1>\n<p>This is a copy of what is stored about you, as of {}.</p>\n",
        escaped(&head.controller.name),
        words::instant(head.created_at, zone)
    ));
    contents(out, head);
    controller(out, head, zone);
    overview(out, head);
    if let Some(about) = &head.about {
        recognised(out, about, zone);
        recipients(out, about);
        said(out, about, zone);
        rights(out, about, head);
    }
}

fn contents(out: &mut String, head: &Head) {
    out.push_str("<nav aria-label=\"Contents\"><ol>\n");
    let mut line = |anchor: &str, title: &str| {
        out.push_str(&format!("<li><a href=\"#{anchor}\">{title}</a></li>\n"));
    };
    line("who", "Who is responsible");
    line("overview", "What is stored, at a glance");
    if head.about.is_some() {
        line("recognised", "How we recognise you");
        line("recipients", "Who received your data");
        line("limits", "Limits on the use of your data");
        line("rights", "Your rights");
    }
    line("data", "Your data in full");
    line("passed-on", "Each time your data was passed on");
    line("consents", "What you said about consent");
    out.push_str("</ol></nav>\n");
}

fn controller(out: &mut String, head: &Head, zone: &TimeZone) {
    let controller = &head.controller;
    out.push_str("<h2 id=\"who\">Who is responsible</h2>\n<dl class=\"facts\">\n");
    let name = controller.legal_entity.as_ref().unwrap_or(&controller.name);
    fact(out, "Company", escaped(name));
    fact(out, "Contact", given(&controller.contact));
    if !controller.rights_channel.is_empty() && controller.rights_channel != controller.contact {
        fact(out, "For your rights", given(&controller.rights_channel));
    }
    if let Some(officer) = &controller.data_protection_officer {
        fact(out, "Data protection officer", given(officer));
    }
    if let Some(representative) = &controller.representative {
        fact(out, "Representative in the EU", given(representative));
    }
    let policy = &head.policy;
    let title = if policy.title.is_empty() {
        "Privacy policy"
    } else {
        &policy.title
    };
    fact(
        out,
        "Privacy policy",
        format!(
            "{}, version {}, from {}",
            escaped(title),
            escaped(policy.version.as_str()),
            words::day(policy.effective_from, zone)
        ),
    );
    fact(out, "Your request", head.subject_request_id);
    fact(out, "This copy", head.export_id);
    out.push_str("</dl>\n");
}

fn overview(out: &mut String, head: &Head) {
    out.push_str("<h2 id=\"overview\">What is stored, at a glance</h2>\n");
    if !head.asked_for.is_empty() {
        out.push_str(&format!(
            "<p>You asked for: {}. Other data is left out.</p>\n",
            titles(&head.asked_for)
        ));
    }
    if let Some(at) = head.about.as_ref().and_then(|about| about.erased_at) {
        out.push_str(&format!(
            "<p class=\"note\">Your data was erased on {}. What you find here had to stay for now, and \
             is kept for nothing else.</p>\n",
            words::day(at, &TimeZone::UTC)
        ));
    }
    if head.overview.is_empty() {
        out.push_str("<p>Nothing is stored.</p>\n");
        return;
    }
    out.push_str("<table>\n<tr><th>Kind of data</th><th class=\"count\">Pieces</th></tr>\n");
    for line in &head.overview {
        out.push_str(&format!(
            "<tr><td><a href=\"#{}\">{}</a></td><td class=\"count\">{}</td></tr>\n",
            anchor(&line.data_category),
            escaped(&line.data_category.title),
            line.items
        ));
    }
    out.push_str("</table>\n");
}

fn recognised(out: &mut String, about: &AboutPart, zone: &TimeZone) {
    out.push_str("<h2 id=\"recognised\">How we recognise you</h2>\n");
    if about.identifiers.is_empty() {
        out.push_str("<p>No address, account or device is linked with your data.</p>\n");
    } else {
        out.push_str("<table>\n<tr><th>Kind</th><th>Value</th><th>Since</th></tr>\n");
        for one in &about.identifiers {
            out.push_str(&format!(
                "<tr><td>{}</td><td>{}</td><td>{}</td></tr>\n",
                escaped(&one.identifier_type.replace('_', " ")),
                given(&one.value),
                words::day(one.linked_at, zone)
            ));
        }
        out.push_str("</table>\n");
    }
    out.push_str("<h3>Your roles</h3>\n");
    if about.memberships.is_empty() {
        out.push_str("<p>None.</p>\n");
        return;
    }
    out.push_str("<ul class=\"plain\">\n");
    for stay in &about.memberships {
        membership(out, stay, zone);
    }
    out.push_str("</ul>\n");
}

fn membership(out: &mut String, stay: &MembershipPart, zone: &TimeZone) {
    let until = stay
        .ended_at
        .map(|at| format!(" until {}", words::day(at, zone)))
        .unwrap_or_default();
    out.push_str(&format!(
        "<li><strong>{}</strong>, from {}{until}",
        escaped(&stay.subject_category.title),
        words::day(stay.started_at, zone)
    ));
    if !stay.definition.is_empty() {
        out.push_str(&format!(
            "<br><span class=\"quiet\">{}</span>",
            escaped(&stay.definition)
        ));
    }
    out.push_str("</li>\n");
}

fn recipients(out: &mut String, about: &AboutPart) {
    out.push_str("<h2 id=\"recipients\">Who received your data</h2>\n");
    if about.recipients.is_empty() {
        out.push_str("<p>Nothing is recorded as passed on to anybody.</p>\n");
    } else {
        out.push_str(
            "<p>Data of yours went to these; <a href=\"#passed-on\">each time is listed below</a>.</p>\n",
        );
    }
    for one in &about.recipients {
        recipient(out, one);
    }
    if !about.foreseen_recipients.is_empty() {
        out.push_str(
            "<h3>Who may receive it</h3>\n<p>The privacy policy also names these for data of your \
             roles. Nothing is recorded as passed on to them.</p>\n",
        );
        for one in &about.foreseen_recipients {
            recipient(out, one);
        }
    }
}

fn recipient(out: &mut String, one: &RecipientPart) {
    out.push_str(&format!(
        "<div class=\"card\"><h4>{}</h4>\n<dl class=\"facts\">\n",
        escaped(&one.recipient.title)
    ));
    if !one.service.is_empty() {
        fact(out, "What it does", escaped(&one.service));
    }
    match one.role {
        Some(RecipientRole::Processor) => fact(out, "Part", "works for us, on our instructions"),
        Some(RecipientRole::Controller) => {
            fact(out, "Part", "is responsible for its own use of it");
        }
        None => {}
    }
    let country = one.country.as_deref().map_or("not stated".into(), escaped);
    let place = match one.third_country {
        Some(true) => format!("{country} (outside the European Economic Area)"),
        Some(false) => format!("{country} (in the European Economic Area)"),
        None => country,
    };
    fact(out, "Where", place);
    if one.third_country == Some(true) || one.safeguard.is_some() {
        let safeguard = one
            .safeguard
            .as_deref()
            .map_or("none stated".into(), escaped);
        fact(out, "Safeguard of the transfer", safeguard);
    }
    out.push_str("</dl></div>\n");
}

/// Objections, restrictions and legal holds.
fn said(out: &mut String, about: &AboutPart, zone: &TimeZone) {
    out.push_str("<h2 id=\"limits\">Limits on the use of your data</h2>\n");
    let mut lines = Vec::new();
    for one in &about.objections {
        let fate = match one.rejected_at {
            Some(at) => format!("rejected on {}", words::day(at, zone)),
            None => "it stands".into(),
        };
        lines.push(format!(
            "On {} you objected to: {} ({fate}).",
            words::day(one.occurred_at, zone),
            escaped(&one.purpose.title)
        ));
    }
    for one in &about.restrictions {
        let what = match one.data_categories.as_slice() {
            [] => "everything".into(),
            named => titles(named),
        };
        let until = one
            .lifted_at
            .map(|at| format!(" until {}", words::day(at, zone)))
            .unwrap_or_default();
        lines.push(format!(
            "From {}{until} this may be kept and not used: {what}.",
            words::day(one.started_at, zone)
        ));
    }
    lines.extend(about.legal_holds.iter().map(|hold| legal_hold(hold, zone)));
    if lines.is_empty() {
        out.push_str("<p>No objection, restriction or legal hold is recorded.</p>\n");
        return;
    }
    out.push_str("<ul class=\"plain\">\n");
    for line in lines {
        out.push_str(&format!("<li>{line}</li>\n"));
    }
    out.push_str("</ul>\n");
}

fn legal_hold(hold: &LegalHoldPart, zone: &TimeZone) -> String {
    let what = match (hold.data_categories.as_slice(), hold.item_ids.len() as u64) {
        ([], items) => format!("{} of data", words::counted(items, "piece")),
        (named, 0) => titles(named),
        (named, items) => format!(
            "{}, and {} more",
            titles(named),
            words::counted(items, "piece")
        ),
    };
    format!(
        "Since {} the law requires that this is kept and not erased: {what} ({}).",
        words::day(hold.placed_at, zone),
        escaped(&hold.article)
    )
}

fn rights(out: &mut String, about: &AboutPart, head: &Head) {
    let channel = [&head.controller.rights_channel, &head.controller.contact];
    let channel = channel.into_iter().find(|channel| !channel.is_empty());
    out.push_str("<h2 id=\"rights\">Your rights</h2>\n");
    if let Some(channel) = channel {
        out.push_str(&format!(
            "<p>To use one of them, write to {}.</p>\n",
            given(channel)
        ));
    }
    out.push_str("<ul class=\"plain\">\n");
    for right in &about.rights {
        out.push_str(&format!(
            "<li><strong>{}.</strong> {} <span class=\"quiet\">({})</span></li>\n",
            right.title, right.text, right.article
        ));
    }
    out.push_str("</ul>\n");
    out.push_str(&format!("<p>{}</p>\n", about.automated_decisions.text));
}

/// Titles in a sentence.
pub(super) fn titles(named: &[Named]) -> String {
    let titles: Vec<_> = named.iter().map(|one| escaped(&one.title)).collect();
    titles.join(", ")
}
