//! What is loaded of a person for a package. Never all items: a person may have very many.

use std::collections::BTreeMap;

use crate::{
    app::error::{Error, Missing},
    domain::{
        export::{
            describe::{Describer, Person},
            model::{IdentifierPart, LegalHoldPart},
            writing::{Chapter, Export},
        },
        hold::LegalHold,
        id::SubjectId,
        item::ItemState,
        name::DataCategory,
        subject::SubjectState,
    },
    store::Session,
};

/// The person without any item.
pub(super) async fn known(session: &Session, subject: SubjectId) -> Result<SubjectState, Error> {
    let known = session.load_without_items(subject).await?;
    known.ok_or(Error::NotFound(Missing::Subject))
}

/// The person with the items of a page, and with those of their data category that retention looks at.
pub(super) async fn with_items(
    session: &Session,
    bare: &SubjectState,
    chapter: &Chapter,
    page: Vec<ItemState>,
) -> Result<SubjectState, Error> {
    let latest = session
        .list_states_of(bare.subject_id, &chapter.latest)
        .await?;
    let items = page.into_iter().chain(latest);
    let items: BTreeMap<_, _> = items.map(|state| (state.item_id, state)).collect();
    Ok(SubjectState {
        items: items.into_values().collect(),
        ..bare.clone()
    })
}

/// The data categories that a package is about and of which there is something.
pub(super) async fn chapters(session: &Session, export: &Export) -> Result<Vec<Chapter>, Error> {
    let subject = export.record.subject_id;
    let mut chapters = BTreeMap::<DataCategory, Chapter>::new();
    for count in session.count_items_by_data(subject).await? {
        if !export.writing.covers(&count.data_category) {
            continue;
        }
        let latest = session
            .find_latest_item(subject, &count.data_category, &count.subject_category)
            .await?;
        let chapter = chapters
            .entry(count.data_category.clone())
            .or_insert_with(|| Chapter {
                data_category: count.data_category,
                items: 0,
                latest: Vec::new(),
            });
        chapter.items += count.items;
        chapter.latest.extend(latest);
    }
    Ok(chapters.into_values().collect())
}

/// What a copy says of a person beside the state and the data.
pub(super) async fn described(
    session: &Session,
    describer: &Describer<'_>,
    export: &Export,
) -> Result<Person, Error> {
    let subject = export.record.subject_id;
    let asked_for = &export.writing.data_categories;
    let identifiers = session.read_identifiers(subject).await?.into_iter();
    let identifiers = identifiers.map(|(linked, value)| IdentifierPart {
        identifier_type: linked.identifier_type.to_string(),
        value: value.expose().to_owned(),
        linked_at: linked.linked_at,
        linked_by: linked.linked_by,
    });
    let mut holds = session.list_holds(&[subject]).await?;
    let holds = holds.remove(&subject).unwrap_or_default();
    let holds = holds.into_iter().map(|hold| hold_part(describer, hold));
    Ok(Person {
        identifiers: identifiers.collect(),
        recipients: session.list_all_recipients(subject, asked_for).await?,
        legal_holds: holds.collect(),
    })
}

fn hold_part(describer: &Describer<'_>, hold: LegalHold) -> LegalHoldPart {
    LegalHoldPart {
        legal_hold_id: hold.legal_hold_id,
        placed_at: hold.placed_at,
        article: hold.article,
        data_categories: describer.data_categories(&hold.data_categories),
        item_ids: hold.item_ids,
    }
}
