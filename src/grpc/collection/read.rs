//! What the messages of `CollectionService` ask for.

use crate::{
    app::collection::{CollectedItem, Registration},
    domain::item::{ITEM_KEY_BYTES_MAX, ItemKey},
    grpc::parse::{
        Parse, Parsed,
        limits::{CONSENTS_MAX, IDENTIFIERS_MAX, ITEM_PURPOSES_MAX, ITEMS_MAX},
    },
    proto::v1,
};

impl Parse {
    /// What was collected. `request_id` and `validate_only` are read by whoever reads the rest.
    pub(super) fn registration(
        &mut self,
        message: v1::RegisterCollectionRequest,
    ) -> Parsed<Registration> {
        let subject = self.subject("subject", message.subject);
        let identifiers = self.each(
            "identifiers",
            message.identifiers,
            IDENTIFIERS_MAX,
            Self::identifier,
        );
        let subject_category = self.name("subject_category", &message.subject_category);
        let items = self.each("items", message.items, ITEMS_MAX, Self::collected_item);
        let consents = self.each(
            "consents",
            message.consents,
            CONSENTS_MAX,
            Self::consent_statement,
        );
        let collected_at = self.instant("collected_at", message.collected_at);
        Ok(Registration {
            subject: subject?,
            identifiers: identifiers?,
            subject_category: subject_category?,
            items: items?,
            consents: consents?,
            collected_at: collected_at?,
            returning_subject: message.returning_subject,
        })
    }

    fn collected_item(&mut self, message: v1::Item) -> Parsed<CollectedItem> {
        let unset = self.unset("item_id", &message.item_id);
        let no_version = self.unset("policy_version", &message.policy_version);
        let subject_category = self.optional_name("subject_category", &message.subject_category);
        let data_category = self.name("data_category", &message.data_category);
        let key = self.text("item_key", message.item_key, ITEM_KEY_BYTES_MAX);
        let content = message
            .content
            .map(|content| self.content(content))
            .transpose();
        let source = self.optional_name("source", &message.source);
        let collected_at = self.instant("collected_at", message.collected_at);
        let purposes = self.names("purposes", message.purposes, ITEM_PURPOSES_MAX);
        unset?;
        no_version?;
        Ok(CollectedItem {
            subject_category: subject_category?,
            data_category: data_category?,
            key: ItemKey::new(key?),
            content: content?,
            source: source?,
            collected_at: collected_at?,
            purposes: purposes?,
        })
    }

    /// That the caller left a field alone that only the registry sets.
    fn unset(&mut self, field: &str, value: &str) -> Parsed<()> {
        if value.is_empty() {
            Ok(())
        } else {
            Err(self.refuse(field, "is set by the registry; leave it empty"))
        }
    }
}
