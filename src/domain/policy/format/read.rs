//! The tree as a policy: the file format, key by key.

use std::{cell::RefCell, collections::BTreeMap, fmt::Display, str::FromStr};

use jiff::{Timestamp, civil::Date, tz::TimeZone};

use super::{
    node::Node,
    place::{Fields, Place},
};
use crate::domain::policy::{
    finding::{Finding, FindingCode},
    limits::{NONE_STATED, is_kept_exactly},
    model::{
        Activity, AfterCategoryEnd, Claim, CollectedEntry, ConsentRules, Controller, Cookie,
        DataCategoryEntry, IdentifierTypeEntry, Policy, ProcessorEntry, Provenance, PurposeEntry,
        Retention, Rights, Sharing, SourceText, SubjectCategoryEntry,
    },
};

/// Reads a policy, or says everything that is wrong with its shape.
pub(super) fn policy(root: &Node) -> Result<Policy, Vec<Finding>> {
    let findings = RefCell::default();
    let place = Place {
        node: root,
        path: String::new(),
        findings: &findings,
    };
    let policy = place.fields(whole);
    let findings = findings.into_inner();
    policy.filter(|_| findings.is_empty()).ok_or(findings)
}

fn whole(fields: &Fields<'_>) -> Option<Policy> {
    let id = fields.required("id", Place::text);
    let version = fields.required("version", Place::name);
    let (controller, time_zone) = fields
        .required("controller", |place| {
            place.fields(|fields| Some(controller(fields)))
        })
        .unzip();
    let time_zone = time_zone.flatten();
    let effective_from =
        fields.required("effective_from", |place| instant(place, time_zone.as_ref()));
    Some(Policy {
        source: part(fields, "source", source),
        subject_categories: catalogue(fields, "subject_categories", subject_category),
        identifier_types: catalogue(fields, "identifier_types", identifier_type),
        data_categories: catalogue(fields, "data_categories", data_category),
        purposes: catalogue(fields, "purposes", purpose),
        processors: catalogue(fields, "processors", processor),
        collected: without_empty(
            fields.or_default("collected", |place| {
                place.map(|place| place.list(|place| place.fields(collected)))
            }),
            Vec::is_empty,
        ),
        activities: statements(fields, "activities", activity),
        sharing: statements(fields, "sharing", sharing),
        retention: statements(fields, "retention", retention),
        consent: part(fields, "consent", consent),
        cookies: statements(fields, "cookies", cookie),
        rights: part(fields, "rights", rights),
        security_measures: fields.or_default("security_measures", Place::texts),
        claims: statements(fields, "claims", claim),
        inferred: fields.or_default("inferred", Place::texts),
        notes: fields.or_default("notes", Place::texts),
        // Last, so that a missing one does not hide what is wrong above.
        id: id?,
        version: version?,
        effective_from: effective_from?,
        controller: controller?,
    })
}

fn part<'a, T: Default>(fields: &Fields<'a>, key: &str, read: fn(&Fields<'a>) -> T) -> T {
    fields.or_default(key, |place| place.fields(|fields| Some(read(fields))))
}

fn catalogue<'a, K, T>(
    fields: &Fields<'a>,
    key: &str,
    read: fn(&Fields<'a>) -> Option<T>,
) -> BTreeMap<K, T>
where
    K: FromStr<Err: Display> + Ord,
{
    fields.or_default(key, |place| place.map(|place| place.fields(read)))
}

fn statements<'a, T>(fields: &Fields<'a>, key: &str, read: fn(&Fields<'a>) -> Option<T>) -> Vec<T> {
    fields.or_default(key, |place| place.list(|place| place.fields(read)))
}

/// A name with nothing under it says nothing, and is left out so that one policy has one form.
fn without_empty<K: Ord, T>(map: BTreeMap<K, T>, is_empty: fn(&T) -> bool) -> BTreeMap<K, T> {
    let mut map = map;
    map.retain(|_, under| !is_empty(under));
    map
}

/// A date is midnight in the controller's time zone. Without a time zone that is known there is a
/// finding already, and no instant.
fn instant(place: &Place<'_>, time_zone: Option<&TimeZone>) -> Option<Timestamp> {
    let text = place.text()?;
    if let Ok(instant) = text.parse::<Timestamp>() {
        return if is_kept_exactly(instant) {
            Some(instant)
        } else {
            place.refuse(
                FindingCode::DateInvalid,
                "must not be finer than microseconds",
            )
        };
    }
    let Ok(date) = text.parse::<Date>() else {
        let message =
            "must be a date such as 2018-05-24, or an instant such as 2018-05-24T00:00:00Z";
        return place.refuse(FindingCode::DateInvalid, message);
    };
    Some(date.to_zoned_datetime(time_zone?.clone()).ok()?.timestamp())
}

fn time_zone(place: &Place<'_>) -> Option<(String, TimeZone)> {
    let name = place.text()?;
    let Ok(time_zone) = TimeZone::get(&name) else {
        let message =
            "is not an IANA time zone that is known here; write one such as UTC or Europe/Berlin";
        return place.refuse(FindingCode::TimeZoneInvalid, message);
    };
    Some((name, time_zone))
}

fn controller(fields: &Fields<'_>) -> (Controller, Option<TimeZone>) {
    let name = fields.required("name", Place::text);
    let legal_entity = fields.optional("legal_entity", stated);
    let contact = fields.required("contact", Place::text);
    let time_zone = fields.required("time_zone", time_zone);
    let data_protection_officer = fields.optional("data_protection_officer", stated);
    let representative = fields.optional("representative", stated);
    let provenance = provenance(fields);
    let (time_zone, zone) = time_zone.unzip();
    let controller = Controller {
        name: name.unwrap_or_default(),
        legal_entity,
        contact: contact.unwrap_or_default(),
        time_zone: time_zone.unwrap_or_default(),
        data_protection_officer,
        representative,
        provenance,
    };
    (controller, zone)
}

fn source(fields: &Fields<'_>) -> SourceText {
    SourceText {
        title: fields.or_default("title", Place::text),
        published: fields.optional("published", Place::text),
        archived: fields.optional("archived", Place::text),
    }
}

fn provenance(fields: &Fields<'_>) -> Provenance {
    Provenance {
        section: fields.or_default("section", Place::text),
        inferred: fields.or_default("inferred", Place::texts),
        note: fields.or_default("note", Place::text),
    }
}

/// A text, with `none stated` for none.
fn stated(place: &Place<'_>) -> Option<String> {
    place.text().filter(|text| text != NONE_STATED)
}

/// The Art. 9(2) condition, with `none stated` for a special category without one.
fn special(place: &Place<'_>) -> Option<String> {
    place.text().map(|text| {
        if text == NONE_STATED {
            String::new()
        } else {
            text
        }
    })
}

fn subject_category(fields: &Fields<'_>) -> Option<SubjectCategoryEntry> {
    let title = fields.required("title", Place::text);
    let definition = fields.or_default("definition", Place::text);
    let provenance = provenance(fields);
    Some(SubjectCategoryEntry {
        title: title?,
        definition,
        provenance,
    })
}

fn identifier_type(fields: &Fields<'_>) -> Option<IdentifierTypeEntry> {
    let kind = fields.required("kind", Place::choice);
    let normalise = fields.or_default("normalise", Place::choice);
    let provenance = provenance(fields);
    Some(IdentifierTypeEntry {
        kind: kind?,
        normalise,
        provenance,
    })
}

fn data_category(fields: &Fields<'_>) -> Option<DataCategoryEntry> {
    let title = fields.required("title", Place::text);
    let special = fields.optional("special", special);
    let provenance = provenance(fields);
    Some(DataCategoryEntry {
        title: title?,
        special,
        provenance,
    })
}

fn purpose(fields: &Fields<'_>) -> Option<PurposeEntry> {
    let title = fields.required("title", Place::text);
    let direct_marketing = fields.or_default("direct_marketing", Place::flag);
    let provenance = provenance(fields);
    Some(PurposeEntry {
        title: title?,
        direct_marketing,
        provenance,
    })
}

fn processor(fields: &Fields<'_>) -> Option<ProcessorEntry> {
    let title = fields.required("title", Place::text);
    let service = fields.or_default("service", Place::text);
    let role = fields.required("role", Place::choice);
    let country = fields.optional("country", stated);
    let safeguard = fields.optional("safeguard", stated);
    let provenance = provenance(fields);
    Some(ProcessorEntry {
        title: title?,
        service,
        role: role?,
        country,
        safeguard,
        provenance,
    })
}

fn collected(fields: &Fields<'_>) -> Option<CollectedEntry> {
    let data = fields.required("data", Place::name);
    let contexts = fields.or_default("contexts", Place::texts);
    let optional = fields.or_default("optional", Place::flag);
    let provenance = provenance(fields);
    Some(CollectedEntry {
        data: data?,
        contexts,
        optional,
        provenance,
    })
}

fn activity(fields: &Fields<'_>) -> Option<Activity> {
    let id = fields.required("id", Place::name);
    let subjects = fields.required("subjects", Place::names);
    let data = fields.required("data", Place::names);
    let contexts = fields.or_default("contexts", Place::texts);
    let purpose = fields.required("purpose", Place::name);
    let lawful_basis = fields.optional("lawful_basis", Place::choice);
    let also_requires_consent = fields.or_default("also_requires", also_requires);
    let under_restriction = fields.optional("under_restriction", Place::choice);
    let stated_duration = fields.optional("stated_duration", Place::text);
    let after_category_end = fields.or_default("after_category_end", after_category_end);
    let provenance = provenance(fields);
    Some(Activity {
        id: id?,
        subjects: subjects?,
        data: data?,
        contexts,
        purpose: purpose?,
        lawful_basis,
        also_requires_consent,
        under_restriction,
        stated_duration,
        after_category_end,
        provenance,
    })
}

fn also_requires(place: &Place<'_>) -> Option<bool> {
    if place.text()? == "consent" {
        return Some(true);
    }
    place.refuse(FindingCode::ValueInvalid, "must be consent, or be left out")
}

fn after_category_end(place: &Place<'_>) -> Option<AfterCategoryEnd> {
    match place.text()?.as_str() {
        "stops" => Some(AfterCategoryEnd::Stops),
        "continues" => Some(AfterCategoryEnd::Continues),
        text if text.starts_with('P') => place.period().map(AfterCategoryEnd::For),
        _ => place.refuse(
            FindingCode::ValueInvalid,
            "must be stops, continues or a period such as P1Y",
        ),
    }
}

fn sharing(fields: &Fields<'_>) -> Option<Sharing> {
    let subjects = fields.required("subjects", Place::names);
    let data = fields.required("data", Place::names);
    let purpose = fields.required("purpose", Place::name);
    let processor = fields.required("processor", Place::name);
    let provenance = provenance(fields);
    Some(Sharing {
        subjects: subjects?,
        data: data?,
        purpose: purpose?,
        processor: processor?,
        provenance,
    })
}

fn retention(fields: &Fields<'_>) -> Option<Retention> {
    let data = fields.or_default("data", Place::names);
    let subjects = fields.or_default("subjects", Place::names);
    let processor = fields.optional("processor", Place::name);
    let kind = fields.required("kind", Place::choice);
    let after = fields.required("after", Place::choice);
    let activity_sources = fields.or_default("activity_sources", Place::names);
    let period = fields.required("period", Place::period);
    let ground = fields.or_default("ground", Place::text);
    let provenance = provenance(fields);
    Some(Retention {
        data,
        subjects,
        processor,
        kind: kind?,
        after: after?,
        activity_sources,
        period: period?,
        ground,
        provenance,
    })
}

fn consent(fields: &Fields<'_>) -> ConsentRules {
    ConsentRules {
        methods: fields.or_default("methods", |place| place.map(Place::choices)),
        expires_after: fields.optional("expires_after", Place::period),
        wording: without_empty(
            fields.or_default("wording", |place| place.map(|place| place.map(Place::text))),
            BTreeMap::is_empty,
        ),
        provenance: provenance(fields),
    }
}

fn cookie(fields: &Fields<'_>) -> Option<Cookie> {
    let name = fields.required("name", Place::text);
    let data = fields.required("data", Place::name);
    let purpose = fields.required("purpose", Place::name);
    let provenance = provenance(fields);
    Some(Cookie {
        name: name?,
        data: data?,
        purpose: purpose?,
        provenance,
    })
}

fn rights(fields: &Fields<'_>) -> Rights {
    Rights {
        channel: fields.or_default("channel", Place::text),
        stated: fields.or_default("stated", Place::choices),
        provenance: provenance(fields),
    }
}

fn claim(fields: &Fields<'_>) -> Option<Claim> {
    let kind = fields.required("kind", Place::choice);
    let provenance = provenance(fields);
    Some(Claim {
        kind: kind?,
        provenance,
    })
}
