//! The `Policy` message as a policy: the same shape as the file, checked for shape alone. Whether it
//! makes sense is for the policy's own checks to say.
//!
//! Reading goes on after a mistake. What cannot be read is noted and stands as nothing; nobody sees
//! that, since a message with anything noted is refused as a whole.

use std::{collections::BTreeMap, fmt::Display, str::FromStr};

use jiff::Span;

use crate::{
    domain::policy::{
        limits::{
            ACTIVITIES_MAX, CATALOGUE_ENTRIES_MAX, COLLECTED_ENTRIES_MAX, LINES_MAX, NAMES_MAX,
            RETENTION_RULES_MAX, SHARING_MAX, TEXT_BYTES_MAX,
        },
        model::{
            Activity, AfterCategoryEnd, Claim, CollectedEntry, ConsentRules, Controller, Cookie,
            DataCategoryEntry, IdentifierTypeEntry, Policy, ProcessorEntry, Provenance,
            PurposeEntry, Retention, Rights, Sharing, SourceText, SubjectCategoryEntry,
        },
    },
    grpc::parse::{Parse, Parsed, limits::LOCALE_BYTES_MAX},
    proto::v1,
};

/// Reads a policy, or notes everything that is wrong with its shape.
pub(super) fn policy(parse: &mut Parse, message: v1::Policy) -> Parsed<Policy> {
    let version = parse.name("version", &message.version);
    let effective_from = match parse.instant("effective_from", message.effective_from) {
        Ok(None) => Err(parse.refuse("effective_from", "is required")),
        Ok(Some(instant)) => Ok(instant),
        Err(reported) => Err(reported),
    };
    let controller = parse.required("controller", message.controller, |parse, message| {
        Ok(controller(parse, message))
    });
    Ok(Policy {
        id: text(parse, "id", message.id),
        source: part(parse, "source", message.source, source),
        subject_categories: catalogue(
            parse,
            "subject_categories",
            message.subject_categories,
            subject_category,
        ),
        identifier_types: catalogue(
            parse,
            "identifier_types",
            message.identifier_types,
            identifier_type,
        ),
        data_categories: catalogue(
            parse,
            "data_categories",
            message.data_categories,
            data_category,
        ),
        purposes: catalogue(parse, "purposes", message.purposes, purpose),
        processors: catalogue(parse, "processors", message.processors, processor),
        collected: all_collected(parse, message.collected),
        activities: list(
            parse,
            "activities",
            message.activities,
            ACTIVITIES_MAX,
            activity,
        ),
        sharing: list(parse, "sharing", message.sharing, SHARING_MAX, sharing),
        retention: list(
            parse,
            "retention",
            message.retention,
            RETENTION_RULES_MAX,
            retention,
        ),
        consent: part(parse, "consent", message.consent, consent),
        cookies: list(parse, "cookies", message.cookies, LINES_MAX, cookie),
        rights: part(parse, "rights", message.rights, rights),
        security_measures: texts(
            parse,
            "security_measures",
            message.security_measures,
            LINES_MAX,
        ),
        claims: list(parse, "claims", message.claims, LINES_MAX, claim),
        inferred: texts(parse, "inferred", message.inferred, NAMES_MAX),
        notes: texts(parse, "notes", message.notes, LINES_MAX),
        // Last, so that what is missing here does not hide what is wrong above.
        version: version?,
        effective_from: effective_from?,
        controller: controller?,
    })
}

fn controller(parse: &mut Parse, message: v1::Controller) -> Controller {
    let officer = message.data_protection_officer;
    Controller {
        name: text(parse, "name", message.name),
        legal_entity: stated(parse, "legal_entity", message.legal_entity),
        contact: text(parse, "contact", message.contact),
        time_zone: text(parse, "time_zone", message.time_zone),
        data_protection_officer: stated(parse, "data_protection_officer", officer),
        representative: stated(parse, "representative", message.representative),
        provenance: provenance(parse, message.section, message.inferred, message.note),
    }
}

fn source(parse: &mut Parse, message: v1::SourceText) -> SourceText {
    SourceText {
        title: text(parse, "title", message.title),
        published: stated(parse, "published", message.published),
        archived: stated(parse, "archived", message.archived),
    }
}

fn subject_category(
    parse: &mut Parse,
    message: v1::SubjectCategory,
) -> Entry<SubjectCategoryEntry> {
    let entry = SubjectCategoryEntry {
        title: text(parse, "title", message.title),
        definition: text(parse, "definition", message.definition),
        provenance: provenance(parse, message.section, message.inferred, message.note),
    };
    (message.id, Ok(entry))
}

fn identifier_type(parse: &mut Parse, message: v1::IdentifierType) -> Entry<IdentifierTypeEntry> {
    let kind = parse.chosen("kind", message.kind);
    let normalise = parse.optionally_chosen("normalise", message.normalise);
    let provenance = provenance(parse, message.section, message.inferred, message.note);
    let entry = kind.and_then(|kind| {
        Ok(IdentifierTypeEntry {
            kind,
            normalise: normalise?.unwrap_or_default(),
            provenance,
        })
    });
    (message.id, entry)
}

fn data_category(parse: &mut Parse, message: v1::DataCategory) -> Entry<DataCategoryEntry> {
    let entry = DataCategoryEntry {
        title: text(parse, "title", message.title),
        // Empty says something here: a special category without a condition.
        special: message
            .special
            .map(|condition| text(parse, "special", condition)),
        provenance: provenance(parse, message.section, message.inferred, message.note),
    };
    (message.id, Ok(entry))
}

fn purpose(parse: &mut Parse, message: v1::Purpose) -> Entry<PurposeEntry> {
    let entry = PurposeEntry {
        title: text(parse, "title", message.title),
        direct_marketing: message.direct_marketing,
        provenance: provenance(parse, message.section, message.inferred, message.note),
    };
    (message.id, Ok(entry))
}

fn processor(parse: &mut Parse, message: v1::Processor) -> Entry<ProcessorEntry> {
    let role = parse.chosen("role", message.role);
    let title = text(parse, "title", message.title);
    let service = text(parse, "service", message.service);
    let country = stated(parse, "country", message.country);
    let safeguard = stated(parse, "safeguard", message.safeguard);
    let provenance = provenance(parse, message.section, message.inferred, message.note);
    let entry = role.map(|role| ProcessorEntry {
        title,
        service,
        role,
        country,
        safeguard,
        provenance,
    });
    (message.id, entry)
}

fn all_collected<K: FromStr<Err: Display> + Ord>(
    parse: &mut Parse,
    messages: Vec<v1::Collected>,
) -> BTreeMap<K, Vec<CollectedEntry>> {
    let count_max = CATALOGUE_ENTRIES_MAX * COLLECTED_ENTRIES_MAX;
    let entries = list(parse, "collected", messages, count_max, |parse, message| {
        let category: Parsed<K> = parse.name("subject_category", &message.subject_category);
        let entry = collected(parse, message);
        Ok((category?, entry?))
    });
    let mut by_category: BTreeMap<K, Vec<_>> = BTreeMap::new();
    for (category, entry) in entries {
        by_category.entry(category).or_default().push(entry);
    }
    by_category
}

fn collected(parse: &mut Parse, message: v1::Collected) -> Parsed<CollectedEntry> {
    let data = parse.name("data", &message.data);
    Ok(CollectedEntry {
        contexts: texts(parse, "contexts", message.contexts, NAMES_MAX),
        optional: message.optional,
        provenance: provenance(parse, message.section, message.inferred, message.note),
        data: data?,
    })
}

fn activity(parse: &mut Parse, message: v1::Activity) -> Parsed<Activity> {
    let id = parse.name("id", &message.id);
    let purpose = parse.name("purpose", &message.purpose);
    let lawful_basis = parse.optionally_chosen("lawful_basis", message.lawful_basis);
    let under_restriction = parse.optionally_chosen("under_restriction", message.under_restriction);
    let after_category_end = part(
        parse,
        "after_category_end",
        message.after_category_end,
        after_category_end,
    );
    Ok(Activity {
        subjects: names(parse, "subjects", message.subjects),
        data: names(parse, "data", message.data),
        contexts: texts(parse, "contexts", message.contexts, NAMES_MAX),
        also_requires_consent: message.also_requires_consent,
        stated_duration: stated(parse, "stated_duration", message.stated_duration),
        after_category_end,
        provenance: provenance(parse, message.section, message.inferred, message.note),
        id: id?,
        purpose: purpose?,
        lawful_basis: lawful_basis?,
        under_restriction: under_restriction?,
    })
}

fn after_category_end(parse: &mut Parse, message: v1::AfterCategoryEnd) -> AfterCategoryEnd {
    use v1::AfterCategoryEndKind as Kind;
    let v1::AfterCategoryEnd { kind, period: text } = message;
    let kind = parse.choice("kind", kind, Some::<Kind>);
    if kind == Ok(Kind::ForPeriod) {
        let period = period(parse, "period", &text);
        return period.map_or_else(|_| AfterCategoryEnd::default(), AfterCategoryEnd::For);
    }
    if !text.is_empty() {
        parse.refuse("period", "must be empty unless the kind is FOR_PERIOD");
    }
    if kind == Ok(Kind::Continues) {
        AfterCategoryEnd::Continues
    } else {
        AfterCategoryEnd::Stops
    }
}

fn sharing(parse: &mut Parse, message: v1::Sharing) -> Parsed<Sharing> {
    let purpose = parse.name("purpose", &message.purpose);
    let processor = parse.name("processor", &message.processor);
    Ok(Sharing {
        subjects: names(parse, "subjects", message.subjects),
        data: names(parse, "data", message.data),
        provenance: provenance(parse, message.section, message.inferred, message.note),
        purpose: purpose?,
        processor: processor?,
    })
}

fn retention(parse: &mut Parse, message: v1::Retention) -> Parsed<Retention> {
    let processor = message.processor.unwrap_or_default();
    let processor = parse.optional_name("processor", &processor);
    let kind = parse.chosen("kind", message.kind);
    let after = parse.chosen("after", message.after);
    let period = period(parse, "period", &message.period);
    Ok(Retention {
        data: names(parse, "data", message.data),
        subjects: names(parse, "subjects", message.subjects),
        activity_sources: names(parse, "activity_sources", message.activity_sources),
        ground: text(parse, "ground", message.ground),
        provenance: provenance(parse, message.section, message.inferred, message.note),
        processor: processor?,
        kind: kind?,
        after: after?,
        period: period?,
    })
}

fn consent(parse: &mut Parse, message: v1::ConsentRules) -> ConsentRules {
    let methods = |parse: &mut Parse, message: v1::ConsentMethods| {
        let methods = list(
            parse,
            "methods",
            message.methods,
            NAMES_MAX,
            |parse, method| parse.chosen("", method),
        );
        (message.purpose, Ok(methods))
    };
    let expires_after = message.expires_after.filter(|text| !text.is_empty());
    ConsentRules {
        methods: catalogue_by(parse, "methods", "purpose", message.methods, methods),
        expires_after: expires_after.and_then(|text| period(parse, "expires_after", &text).ok()),
        wording: wording(parse, message.wording),
        provenance: provenance(parse, message.section, message.inferred, message.note),
    }
}

fn wording<K: FromStr<Err: Display> + Ord>(
    parse: &mut Parse,
    messages: Vec<v1::ConsentWording>,
) -> BTreeMap<K, BTreeMap<String, String>> {
    let mut wordings: BTreeMap<K, BTreeMap<String, String>> = BTreeMap::new();
    let count_max = CATALOGUE_ENTRIES_MAX * LINES_MAX;
    list(parse, "wording", messages, count_max, |parse, message| {
        let purpose = parse.name("purpose", &message.purpose);
        let locale = parse.text("locale", message.locale, LOCALE_BYTES_MAX);
        let question = text(parse, "text", message.text);
        let questions = wordings.entry(purpose?).or_default();
        match questions.insert(locale?, question) {
            None => Ok(()),
            Some(_) => Err(parse.refuse("", "must not be repeated for a purpose and locale")),
        }
    });
    wordings
}

fn cookie(parse: &mut Parse, message: v1::Cookie) -> Parsed<Cookie> {
    let data = parse.name("data", &message.data);
    let purpose = parse.name("purpose", &message.purpose);
    Ok(Cookie {
        name: text(parse, "name", message.name),
        provenance: provenance(parse, message.section, message.inferred, message.note),
        data: data?,
        purpose: purpose?,
    })
}

fn rights(parse: &mut Parse, message: v1::Rights) -> Rights {
    Rights {
        channel: text(parse, "channel", message.channel),
        stated: list(
            parse,
            "stated",
            message.stated,
            LINES_MAX,
            |parse, right| parse.chosen("", right),
        ),
        provenance: provenance(parse, message.section, message.inferred, message.note),
    }
}

fn claim(parse: &mut Parse, message: v1::Claim) -> Parsed<Claim> {
    let kind = parse.chosen("kind", message.kind);
    Ok(Claim {
        provenance: provenance(parse, message.section, message.inferred, message.note),
        kind: kind?,
    })
}

fn provenance(
    parse: &mut Parse,
    section: String,
    inferred: Vec<String>,
    note: String,
) -> Provenance {
    Provenance {
        section: text(parse, "section", section),
        inferred: texts(parse, "inferred", inferred, NAMES_MAX),
        note: text(parse, "note", note),
    }
}

/// An entry's name and the entry.
type Entry<T> = (String, Parsed<T>);

fn catalogue<M, K: FromStr<Err: Display> + Ord, T>(
    parse: &mut Parse,
    field: &str,
    messages: Vec<M>,
    read: fn(&mut Parse, M) -> Entry<T>,
) -> BTreeMap<K, T> {
    catalogue_by(parse, field, "id", messages, read)
}

/// Entries by the name that stands in `key`, each name once.
fn catalogue_by<M, K: FromStr<Err: Display> + Ord, T>(
    parse: &mut Parse,
    field: &str,
    key: &str,
    messages: Vec<M>,
    read: impl Fn(&mut Parse, M) -> Entry<T>,
) -> BTreeMap<K, T> {
    let mut entries = BTreeMap::new();
    list(
        parse,
        field,
        messages,
        CATALOGUE_ENTRIES_MAX,
        |parse, message| {
            let (name, entry) = read(parse, message);
            match entries.insert(parse.name(key, &name)?, entry?) {
                None => Ok(()),
                Some(_) => Err(parse.refuse(key, "must not be repeated")),
            }
        },
    );
    entries
}

/// A part that says nothing when it is left out.
fn part<M, T: Default>(
    parse: &mut Parse,
    field: &str,
    message: Option<M>,
    read: fn(&mut Parse, M) -> T,
) -> T {
    message.map_or_else(T::default, |message| {
        parse.within(field, |parse| read(parse, message))
    })
}

fn list<M, T>(
    parse: &mut Parse,
    field: &str,
    messages: Vec<M>,
    count_max: usize,
    read: impl FnMut(&mut Parse, M) -> Parsed<T>,
) -> Vec<T> {
    parse
        .each(field, messages, count_max, read)
        .unwrap_or_default()
}

/// Names as the file may have them: one may stand twice.
fn names<T: FromStr<Err: Display>>(parse: &mut Parse, field: &str, names: Vec<String>) -> Vec<T> {
    list(parse, field, names, NAMES_MAX, |parse, name| {
        parse.name("", &name)
    })
}

fn texts(parse: &mut Parse, field: &str, texts: Vec<String>, count_max: usize) -> Vec<String> {
    list(parse, field, texts, count_max, |parse, text| {
        parse.text("", text, TEXT_BYTES_MAX)
    })
}

fn text(parse: &mut Parse, field: &str, text: String) -> String {
    parse.text(field, text, TEXT_BYTES_MAX).unwrap_or_default()
}

/// What is not stated is absent; an empty text states nothing.
fn stated(parse: &mut Parse, field: &str, text: Option<String>) -> Option<String> {
    let text = parse.text(field, text?, TEXT_BYTES_MAX).ok()?;
    Some(text).filter(|text| !text.is_empty())
}

fn period(parse: &mut Parse, field: &str, text: &str) -> Parsed<Span> {
    // Without its designator the text may be a period in words, which the file does not take either.
    let period = text.starts_with('P').then(|| text.parse().ok()).flatten();
    period.ok_or_else(|| {
        parse.refuse(
            field,
            "must be an ISO 8601 period of years, months, weeks or days, such as P2Y or P30D",
        )
    })
}
