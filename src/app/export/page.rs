//! One step of the writing: a page of what belongs into the package, read, put down, and kept together
//! with the place behind it.

use std::collections::BTreeSet;

use jiff::Timestamp;
use uuid::Uuid;

use super::{audit, person};
use crate::{
    app::{error::Error, registry::in_force},
    domain::{
        audit::AuditDetail,
        disclosure::Disclosure,
        export::{
            ExportKind, Section,
            describe::{Describer, Occasion},
            portable::Portability,
            record::ExportRecord,
            sheet::Sheet,
            writing::{Chapter, Export, Place, Stage},
        },
        id::{ConsentId, DisclosureId, ItemId},
        item::Item,
        name::{DataCategory, Purpose},
        policy::{compile::CompiledPolicy, history::PolicyHistory},
        subject::SubjectState,
    },
    store::{Tx, consent::ConsentPlace},
};

/// Items that are written in one step, at most.
pub(super) const ITEMS_MAX: usize = 100;
/// Bytes of items that are written in one step, but for a single item that has more.
pub(super) const ITEM_BYTES_MAX: u64 = 1024 * 1024;
/// Items that are counted in one step.
const COUNTED_MAX: u64 = 500;
/// Disclosures that are written in one step, at most.
const DISCLOSURES_MAX: u64 = 50;
/// Items of disclosures that are written in one step, but for a single disclosure of more.
const DISCLOSED_ITEMS_MAX: u64 = 5_000;
/// Consent facts that are written in one step: each has its wording.
const CONSENTS_MAX: u64 = 50;

/// Takes the next step. The package is held and moves on; what is written is behind its last piece. Returns
/// what the log says of it.
pub(super) async fn write_on(
    tx: &mut Tx,
    policies: &PolicyHistory,
    export: &mut Export,
) -> Result<AuditDetail, Error> {
    if export.writing.stage == Stage::Waiting {
        // From here on it speaks of this instant, however long the writing takes.
        export.record.created_at = tx.now();
    }
    let policy = in_force(policies, export.record.created_at)?;
    let subject = person::known(tx, export.record.subject_id).await?;
    let zone = policy.time_zone().clone();
    let mut desk = Desk {
        tx,
        policies,
        policy,
        subject,
        sheet: Sheet::new(export.record.kind, zone, export.writing.totals),
        export,
    };
    let seen = match desk.export.writing.stage.clone() {
        Stage::Waiting => desk.open().await?,
        Stage::Counting(place) => desk.count(place).await?,
        Stage::Items(place) => desk.items(place).await?,
        Stage::Disclosures { last } => desk.disclosures(last).await?,
        Stage::Consents { last } => desk.consents(last).await?,
        Stage::Written => Seen::default(),
    };
    desk.put_down().await?;
    Ok(seen.audit(&export.record))
}

/// What a step read, for the log.
#[derive(Default)]
struct Seen(AuditDetail);

impl Seen {
    fn audit(self, record: &ExportRecord) -> AuditDetail {
        let whose = audit(record);
        AuditDetail {
            subject_id: whose.subject_id,
            subject_request_id: whose.subject_request_id,
            export_id: whose.export_id,
            ..self.0
        }
    }
}

/// Everything that a step works with.
struct Desk<'a> {
    tx: &'a mut Tx,
    policies: &'a PolicyHistory,
    policy: &'a CompiledPolicy,
    /// The person, without items.
    subject: SubjectState,
    sheet: Sheet,
    export: &'a mut Export,
}

impl Desk<'_> {
    fn now(&self) -> Timestamp {
        self.export.record.created_at
    }

    fn describer<'d>(&'d self, subject: &'d SubjectState) -> Describer<'d> {
        Describer::new(self.policies, self.policy, subject, self.now())
    }

    fn move_to(&mut self, stage: Stage) {
        self.export.writing.stage = stage;
    }

    /// Keeps what is on the sheet.
    async fn put_down(&mut self) -> Result<(), Error> {
        let (id, kind) = (self.export.record.export_id, self.export.record.kind);
        for format in kind.formats() {
            let extent = self.export.writing.extent_mut(*format);
            let text = self.sheet.text(*format);
            self.tx.append_pieces(id, *format, extent, text).await?;
        }
        self.export.writing.totals = self.sheet.totals;
        self.export.record.items = self.sheet.totals.items;
        Ok(self.tx.save_export(self.export).await?)
    }

    /// Finds out what there is. Of a portable package it is known only when each item was looked at.
    async fn open(&mut self) -> Result<Seen, Error> {
        let mut chapters = person::chapters(self.tx, self.export).await?;
        let is_portable = self.export.record.kind == ExportKind::Portability;
        if is_portable {
            for chapter in &mut chapters {
                chapter.items = 0;
            }
        }
        self.export.writing.chapters = chapters;
        if is_portable {
            self.move_to(Stage::Counting(Place::default()));
            return Ok(Seen::default());
        }
        self.head().await
    }

    async fn count(&mut self, place: Place) -> Result<Seen, Error> {
        let Some(chapter) = self.export.writing.chapters.get(place.chapter).cloned() else {
            let chapters = &mut self.export.writing.chapters;
            chapters.retain(|chapter| chapter.items > 0);
            return self.head().await;
        };
        let (subject, data) = (self.subject.subject_id, &chapter.data_category);
        let page = self
            .tx
            .page_item_states(subject, data, place.after, COUNTED_MAX)
            .await?;
        let next = match page.last() {
            Some(last) if page.len() as u64 == COUNTED_MAX => place.behind(last.item_id),
            _ => place.next_chapter(),
        };
        let known = person::with_items(self.tx, &self.subject, &chapter, page.clone()).await?;
        let portability = Portability::new(self.policies, self.policy, &known, self.now());
        let portable = page.iter().filter(|state| portability.is_portable(state));
        self.export.writing.chapters[place.chapter].items += portable.count() as u64;
        self.move_to(Stage::Counting(next));
        Ok(Seen::default())
    }

    /// The beginning of the package.
    async fn head(&mut self) -> Result<Seen, Error> {
        let record = &self.export.record;
        let occasion = Occasion {
            kind: record.kind,
            export_id: record.export_id,
            subject_request_id: record.subject_request_id,
            created_at: record.created_at,
            data_categories: self.export.writing.data_categories.clone(),
        };
        let chapters = self.export.writing.chapters.iter();
        let overview: Vec<_> = chapters
            .map(|chapter| (chapter.data_category.clone(), chapter.items))
            .collect();
        let describer = self.describer(&self.subject);
        let person = match record.kind {
            ExportKind::Access => Some(person::described(self.tx, &describer, self.export).await?),
            ExportKind::Portability => None,
        };
        let head = describer.head(&occasion, &overview, person);
        self.sheet.head(&head).map_err(unwritable)?;
        self.move_to(Stage::Items(Place::default()));
        let data = overview.into_iter().map(|(data, _)| data);
        Ok(Seen(AuditDetail {
            data_categories: data.collect(),
            ..AuditDetail::default()
        }))
    }

    async fn items(&mut self, place: Place) -> Result<Seen, Error> {
        let Some(chapter) = self.export.writing.chapters.get(place.chapter).cloned() else {
            return self.close(Section::Items).map(|()| Seen::default());
        };
        let (ids, next) = self.fitting(&chapter, place).await?;
        let subject = self.subject.subject_id;
        let items = self.tx.read_items(subject, &ids).await?;
        let states = items.iter().map(|item| item.state.clone()).collect();
        let known = person::with_items(self.tx, &self.subject, &chapter, states).await?;
        if place.after.is_none() {
            let named = self.describer(&known).data_category(&chapter.data_category);
            self.sheet.data_category(&named, items.is_empty());
        }
        let written = self.write_items(&known, items).await?;
        self.move_to(Stage::Items(next));
        Ok(Seen(AuditDetail {
            data_categories: vec![chapter.data_category],
            item_ids: written,
            ..AuditDetail::default()
        }))
    }

    /// The next items of a data category, as many as one step takes, and the place behind them.
    async fn fitting(
        &self,
        chapter: &Chapter,
        place: Place,
    ) -> Result<(Vec<ItemId>, Place), Error> {
        let (subject, data) = (self.subject.subject_id, &chapter.data_category);
        let sizes = self
            .tx
            .size_items(subject, data, place.after, ITEMS_MAX as u64)
            .await?;
        let ids: Vec<_> = sizes.iter().map(|(id, _)| *id).collect();
        let id = self.export.record.export_id;
        let handed_over = self.tx.size_provided(id, &ids).await?;
        let mut bytes = 0;
        let fitting = sizes.iter().take_while(|(id, size)| {
            let is_first = bytes == 0;
            // What is empty counts as well: the second item is never the first.
            bytes += 1 + size + handed_over.get(id).copied().unwrap_or(0);
            is_first || bytes <= ITEM_BYTES_MAX
        });
        let fitting: Vec<_> = fitting.map(|(id, _)| *id).collect();
        let is_last = fitting.len() == sizes.len() && sizes.len() < ITEMS_MAX;
        let next = match fitting.last() {
            Some(last) if !is_last => place.behind(*last),
            _ => place.next_chapter(),
        };
        Ok((fitting, next))
    }

    /// Returns what was written: of a portable package not every item is.
    async fn write_items(
        &mut self,
        known: &SubjectState,
        items: Vec<Item>,
    ) -> Result<Vec<ItemId>, Error> {
        let ids: Vec<_> = items.iter().map(|item| item.state.item_id).collect();
        let export = &self.export.record;
        let mut handed_over = self.tx.read_provided(export.export_id, &ids).await?;
        let now = export.created_at;
        let describer = Describer::new(self.policies, self.policy, known, now);
        let portability = (export.kind == ExportKind::Portability)
            .then(|| Portability::new(self.policies, self.policy, known, now));
        let mut written = Vec::with_capacity(items.len());
        for item in items {
            let id = item.state.item_id;
            let handed_over = handed_over.remove(&id);
            let sheet = &mut self.sheet;
            match &portability {
                None => sheet.item(&describer.item(item, handed_over)),
                Some(portability) => match portability.item(&describer, item, handed_over) {
                    Some(part) => sheet.portable_item(&part),
                    None => continue,
                },
            }
            .map_err(unwritable)?;
            written.push(id);
        }
        Ok(written)
    }

    async fn disclosures(
        &mut self,
        last: Option<(Timestamp, DisclosureId)>,
    ) -> Result<Seen, Error> {
        let subject = self.subject.subject_id;
        let before = last.unwrap_or((self.now(), DisclosureId(Uuid::max())));
        let sizes = self
            .tx
            .size_disclosures(subject, before, DISCLOSURES_MAX)
            .await?;
        let mut items = 0;
        let fitting = sizes.iter().take_while(|size| {
            let is_first = items == 0;
            items += 1 + **size;
            is_first || items <= DISCLOSED_ITEMS_MAX
        });
        let page = self
            .tx
            .list_disclosures(subject, None, Some(before), fitting.count() as u64)
            .await?;
        let Some(end) = page.last() else {
            return self.close(Section::Disclosures).map(|()| Seen::default());
        };
        let last = Some((end.recorded_at, end.disclosure_id));
        let mut seen = AuditDetail::default();
        for disclosure in page {
            let Some(disclosure) = self.asked_for(disclosure) else {
                continue;
            };
            seen.processors.push(disclosure.processor.clone());
            let describer = Describer::new(
                self.policies,
                self.policy,
                &self.subject,
                self.export.record.created_at,
            );
            let part = describer.disclosure(disclosure);
            self.sheet.disclosure(&part).map_err(unwritable)?;
        }
        seen.processors.sort_unstable();
        seen.processors.dedup();
        self.move_to(Stage::Disclosures { last });
        Ok(Seen(seen))
    }

    /// A disclosure as far as it is about what was asked for.
    fn asked_for(&self, mut disclosure: Disclosure) -> Option<Disclosure> {
        if self.export.writing.data_categories.is_empty() {
            return Some(disclosure);
        }
        let items = &mut disclosure.items;
        items.retain(|(_, data)| self.export.writing.covers(data));
        (!items.is_empty()).then_some(disclosure)
    }

    async fn consents(&mut self, last: Option<(Timestamp, ConsentId)>) -> Result<Seen, Error> {
        let (recorded_at, consent_id) = last.unwrap_or((self.now(), ConsentId(Uuid::max())));
        let place = ConsentPlace {
            recorded_at,
            consent_id,
        };
        let asked_for = &self.export.writing.data_categories;
        let purposes = purposes_of(self.policies, asked_for);
        let page = if purposes.is_empty() && !asked_for.is_empty() {
            Vec::new()
        } else {
            self.tx
                .list_consents(
                    self.subject.subject_id,
                    &purposes,
                    Some(place),
                    CONSENTS_MAX,
                )
                .await?
        };
        let Some(end) = page.last() else {
            return self.close(Section::Consents).map(|()| Seen::default());
        };
        let last = Some((end.recorded_at, end.consent_id));
        let mut seen = AuditDetail::default();
        for record in page {
            seen.consent_ids.push(record.consent_id);
            let part = self.describer(&self.subject).consent(record);
            self.sheet.consent(&part).map_err(unwritable)?;
        }
        self.move_to(Stage::Consents { last });
        Ok(Seen(seen))
    }

    fn close(&mut self, section: Section) -> Result<(), Error> {
        let next = self.sheet.close(section).map_err(unwritable)?;
        self.move_to(match next {
            Some(Section::Items) => Stage::Items(Place::default()),
            Some(Section::Disclosures) => Stage::Disclosures { last: None },
            Some(Section::Consents) => Stage::Consents { last: None },
            None => Stage::Written,
        });
        Ok(())
    }
}

/// The purposes that any version of the policy uses these data for; of all data: none, which stands for
/// every purpose.
fn purposes_of(policies: &PolicyHistory, data: &[DataCategory]) -> Vec<Purpose> {
    let versions = policies.versions().iter();
    let activities = versions.flat_map(|version| &version.policy().activities);
    let activities =
        activities.filter(|activity| activity.data.iter().any(|one| data.contains(one)));
    let purposes: BTreeSet<_> = activities
        .map(|activity| activity.purpose.clone())
        .collect();
    purposes.into_iter().collect()
}

/// The error could quote what was to be written.
fn unwritable(_: serde_json::Error) -> Error {
    Error::Internal("a part of a package does not encode".into())
}
