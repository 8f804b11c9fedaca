//! What one step of the writing puts down, in every format of the package at once.

use jiff::tz::TimeZone;

use super::{
    ExportFormat, ExportKind, Section, html, json,
    model::{
        ConsentPart, ContentPart, DisclosurePart, Head, ItemPart, Named, PortableItem, Totals,
    },
};

/// What a step writes, to be put behind what is written already.
pub struct Sheet {
    kind: ExportKind,
    zone: TimeZone,
    /// Entries written so far, those of this sheet included.
    pub totals: Totals,
    json: String,
    html: String,
}

impl Sheet {
    /// An empty one, behind what `totals` counts.
    pub fn new(kind: ExportKind, zone: TimeZone, totals: Totals) -> Self {
        Self {
            kind,
            zone,
            totals,
            json: String::new(),
            html: String::new(),
        }
    }

    /// What it holds in one format.
    pub fn text(&self, format: ExportFormat) -> &str {
        match format {
            ExportFormat::Json => &self.json,
            ExportFormat::Html => &self.html,
        }
    }

    fn is_for_people(&self) -> bool {
        self.kind.formats().contains(&ExportFormat::Html)
    }

    /// The beginning of the package; the list of the items is open behind it.
    pub fn head(&mut self, head: &Head) -> serde_json::Result<()> {
        self.json.push_str(&json::head(head, Section::Items)?);
        if self.is_for_people() {
            self.html.push_str(&html::head(head, &self.zone));
        }
        Ok(())
    }

    /// The items of one data category follow; `is_empty`: none, they have gone meanwhile.
    pub fn data_category(&mut self, named: &Named, is_empty: bool) {
        if !self.is_for_people() {
            return;
        }
        self.html.push_str(&html::data_category(named));
        if is_empty {
            self.html.push_str(html::NOTHING_LEFT);
        }
    }

    /// An item of a copy.
    pub fn item(&mut self, part: &ItemPart) -> serde_json::Result<()> {
        let is_first = self.totals.items == 0;
        self.json.push_str(&json::entry(part, is_first)?);
        if self.is_for_people() {
            self.html.push_str(&html::item(part, &self.zone));
        }
        self.count(&part.content);
        Ok(())
    }

    /// An item of a portable package.
    pub fn portable_item(&mut self, part: &PortableItem) -> serde_json::Result<()> {
        let is_first = self.totals.items == 0;
        self.json.push_str(&json::entry(part, is_first)?);
        self.count(&part.content);
        Ok(())
    }

    fn count(&mut self, content: &ContentPart) {
        self.totals.items += 1;
        if let ContentPart::HeldElsewhere {
            handed_over: None, ..
        } = content
        {
            self.totals.items_not_handed_over += 1;
        }
    }

    /// What went to a recipient.
    pub fn disclosure(&mut self, part: &DisclosurePart) -> serde_json::Result<()> {
        let is_first = self.totals.disclosures == 0;
        self.json.push_str(&json::entry(part, is_first)?);
        if self.is_for_people() {
            self.html.push_str(&html::disclosure(part, &self.zone));
        }
        self.totals.disclosures += 1;
        Ok(())
    }

    /// What the person said.
    pub fn consent(&mut self, part: &ConsentPart) -> serde_json::Result<()> {
        let is_first = self.totals.consents == 0;
        self.json.push_str(&json::entry(part, is_first)?);
        if self.is_for_people() {
            self.html.push_str(&html::consent(part, &self.zone));
        }
        self.totals.consents += 1;
        Ok(())
    }

    /// Closes a list. The next one is open then; `None`: it was the last, and the package is closed.
    pub fn close(&mut self, section: Section) -> serde_json::Result<Option<Section>> {
        let next = self.kind.section_after(section);
        match next {
            Some(next) => self.json.push_str(&json::next(next)),
            None => self.json.push_str(&json::foot(&self.totals)?),
        }
        if self.is_for_people() {
            let text = match next {
                Some(next) => html::next(section, self.entries(section), next),
                None => html::foot(section, &self.totals),
            };
            self.html.push_str(&text);
        }
        Ok(next)
    }

    fn entries(&self, section: Section) -> u64 {
        match section {
            Section::Items => self.totals.items,
            Section::Disclosures => self.totals.disclosures,
            Section::Consents => self.totals.consents,
        }
    }
}
