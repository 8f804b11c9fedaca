//! Erasures of a client of a shop whose books the law keeps for ten years, and of whom a ledger has the
//! orders for that, a list the address for the newsletter, and a CRM the name.

mod after;
mod failing;
mod retained;

use std::sync::Arc;

use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use super::*;
use crate::{
    app::{
        Call,
        collection::{CollectedItem, Registration, tests as collections},
        disclosure::Disclose,
        hold::PlaceHold,
        purpose::Check,
        registry::Change,
        scene::say,
        testing::{TestRegistry, registry},
    },
    crypto::signature::Envelope,
    domain::{
        audit::{Action, AuditDetail},
        consent::ConsentChoice,
        decision::{DecisionReason, Query},
        disclosure::ExternalReference,
        erasure::certificate::{CERTIFICATE_TYPE, ErasureCertificate},
        event::EventKind,
        id::LegalHoldId,
        item::{Content, Item, ItemKey},
        policy::{example::EXAMPLE_POLICY_YAML, format::parse_yaml},
        request::{
            RequestKind, Scope,
            life::{AnyRequest, Request},
            part::Part,
            record::{DeadlineClock, Record},
        },
        subject_ref::SubjectRef,
        task::{Recipient, Task},
    },
    store::{StoreError, withdrawal_token::WithdrawalTokenRecord},
};

const EMAIL: &str = "anna@example.org";
/// The example policy with books.
const BOOKS: [(&str, &str); 5] = [
    (
        "\npurposes:\n",
        "  bookkeeping: { title: Keep the books }\n",
    ),
    (
        "\nprocessors:\n",
        "  ledger: { title: Ledger, role: processor }\n",
    ),
    (
        "\nactivities:\n",
        "  - { id: client-books, subjects: [client], data: [order_contents], purpose: bookkeeping,
      lawful_basis: legal_obligation, after_category_end: continues }\n",
    ),
    (
        "\nsharing:\n",
        "  - { subjects: [client], data: [order_contents], purpose: bookkeeping, processor: ledger }\n",
    ),
    (
        "\nretention:\n",
        "  - { data: [order_contents], subjects: [client], kind: legal_minimum, after: collection,
      period: P10Y, ground: 'Fiscal Code, s. 147' }\n",
    ),
];

/// A registry whose policy keeps the books.
struct Erasures {
    it: TestRegistry,
}

impl Erasures {
    async fn new() -> Self {
        let it = registry().await;
        let mut text = EXAMPLE_POLICY_YAML
            .replacen("version: \"2018-05-24\"", "version: \"2020\"", 1)
            .replacen(
                "effective_from: 2018-05-24",
                "effective_from: 2020-01-01",
                1,
            );
        for (heading, more) in BOOKS {
            assert!(text.contains(heading), "{heading}");
            text = text.replacen(heading, &format!("{heading}{more}"), 1);
        }
        let (policy, _) = parse_yaml(&text).expect("the policy reads");
        let call = Call::new(it.caller.clone(), Action::PublishPolicy);
        it.registry
            .publish_policy(call, policy, true)
            .await
            .expect("published");
        let erasures = Self { it };
        erasures.at("2020-01-02T00:00:00Z");
        erasures
    }

    fn at(&self, instant: &str) {
        self.it.clock.set(instant.parse().expect("an instant"));
    }

    fn registry(&self) -> &Registry {
        &self.it.registry
    }

    fn call(&self, action: Action) -> Call {
        Call::new(self.it.caller.clone(), action)
    }

    async fn register(&self, registration: Registration) -> Result<SubjectId, Error> {
        let call = self.call(Action::RegisterCollection);
        let written = self.registry().register_collection(call, registration);
        Ok(written.await?.value.subject_id.expect("a subject"))
    }

    /// A client with an order, whose address is on a list and whose name is in a CRM.
    async fn anna(&self) -> SubjectId {
        let mut anna = collections::client(&[("email", EMAIL), ("shop_user", "anna")]);
        anna.items = vec![
            collections::item("email_address", EMAIL),
            order("order-1", "a lamp"),
            CollectedItem {
                content: Some(Content::Locator("crm://anna".into())),
                source: Some("crm".parse().expect("a source")),
                ..collections::item("first_name", "")
            },
        ];
        let anna = self.register(anna).await.expect("registered");
        say(&self.it, &[anna], ConsentChoice::Given, "newsletter").await;
        for (data, purpose, processor, reference) in [
            ("order_contents", "bookkeeping", "ledger", "account 7"),
            ("email_address", "contact_and_support", "", ""),
        ] {
            if processor.is_empty() {
                assert!(self.check(anna, data, purpose).await.is_ok());
                continue;
            }
            let disclose = Disclose {
                subject: SubjectRef::Id(anna),
                data_categories: vec![data.parse().expect("a name")],
                item_ids: Vec::new(),
                purpose: purpose.parse().expect("a name"),
                processor: processor.parse().expect("a name"),
                external_reference: ExternalReference::new(reference.into()),
                occurred_at: None,
            };
            let call = self.call(Action::RecordDisclosure);
            let done = self.registry().record_disclosure(call, disclose).await;
            done.expect("disclosed");
        }
        anna
    }

    async fn check(
        &self,
        subject: SubjectId,
        data: &str,
        purpose: &str,
    ) -> Result<Vec<ItemId>, DecisionReason> {
        let check = Check {
            subject: SubjectRef::Id(subject),
            query: Query {
                data_categories: vec![data.parse().expect("a name")],
                item_ids: Vec::new(),
                purpose: purpose.parse().expect("a name"),
                processor: None,
            },
            at_least_as_fresh: None,
            explain: false,
            record: false,
            as_of: None,
        };
        let caller = self.it.caller.clone();
        let answer = self
            .registry()
            .check_purpose(caller, Action::CheckPurpose, check)
            .await
            .expect("an answer");
        match answer.decision.reason {
            DecisionReason::Lawful => Ok(answer.item_ids().collect()),
            denied => Err(denied),
        }
    }

    /// Erases, as a request does once the identity is verified.
    async fn erase(&self, subject: SubjectId, data: &[&str]) -> SubjectRequestId {
        self.try_erase(subject, data).await.expect("erased")
    }

    async fn try_erase(
        &self,
        subject: SubjectId,
        data: &[&str],
    ) -> Result<SubjectRequestId, Error> {
        let id = SubjectRequestId(Uuid::new_v4());
        let data = data.iter().map(|data| data.parse().expect("a name"));
        let work = Arc::new(Erase {
            subject_id: subject,
            subject_request_id: id,
            scope: ErasureScope {
                data_categories: data.collect(),
                item_ids: Vec::new(),
            },
            ground: ErasureGround::ConsentWithdrawn,
        });
        self.try_carry_out(work).await?;
        self.registry().complete_erasures().await?;
        Ok(id)
    }

    async fn try_carry_out(&self, work: Arc<Erase>) -> Result<(), Error> {
        let call = self.call(Action::VerifyIdentity);
        let done = self.registry().change(call, move |tx, policies| {
            let work = work.clone();
            Box::pin(async move {
                tx.lock_subject(work.subject_id).await?;
                tx.insert_request(&request(&work, tx.now()), &[]).await?;
                let effect = erase(tx, policies, &work).await?;
                Ok::<Change<()>, Error>(effect.change((), AuditDetail::of(work.subject_id)))
            })
        });
        done.await.map(|_| ())
    }

    async fn write<T, F>(&self, body: F) -> T
    where
        T: Send + 'static,
        F: for<'t> Fn(&'t mut Tx) -> BoxFuture<'t, Result<T, StoreError>> + Send + Sync + 'static,
    {
        let now = self.registry().clock_now();
        let written = self.registry().store().write("test", now, body);
        written.await.expect("written")
    }

    async fn snapshot(&self) -> crate::store::Snapshot {
        let now = self.registry().clock_now();
        let snapshot = self.registry().store().snapshot(now).await;
        snapshot.expect("a snapshot")
    }

    async fn states(&self, subject: SubjectId) -> Vec<ItemState> {
        let listed = self
            .snapshot()
            .await
            .list_item_states(&[subject], &[])
            .await;
        listed.expect("listed").remove(&subject).unwrap_or_default()
    }

    async fn contents(&self, subject: SubjectId) -> Vec<Item> {
        let ids: Vec<_> = self.states(subject).await;
        let ids: Vec<_> = ids.iter().map(|state| state.item_id).collect();
        let read = self.snapshot().await.read_items(subject, &ids).await;
        read.expect("read")
    }

    async fn tasks(&self, request: SubjectRequestId) -> Vec<Task> {
        let listed = self.snapshot().await.list_request_tasks(request).await;
        listed.expect("listed")
    }

    /// Who was told, and of what.
    async fn told(&self, request: SubjectRequestId) -> Vec<String> {
        let tasks = self.tasks(request).await;
        let mut told: Vec<_> = tasks
            .iter()
            .map(|task| {
                let name = match &task.recipient {
                    Recipient::Processor(name) => name.to_string(),
                    Recipient::Holder(name) => format!("holder {name}"),
                };
                let data: Vec<_> = task.data_categories.iter().map(AsRef::as_ref).collect();
                format!("{name}: {}", data.join(", "))
            })
            .collect();
        told.sort();
        told
    }

    async fn certificate(&self, request: SubjectRequestId) -> ErasureCertificate {
        let issued = self
            .registry()
            .erasure_certificate(&self.it.caller, request);
        let issued = issued.await.expect("issued");
        let envelope: Envelope = serde_json::from_str(&issued.envelope).expect("an envelope");
        let keys = self.registry().store().key_ring().signing().verifying();
        let payload = keys.verify(&envelope, CERTIFICATE_TYPE).expect("genuine");
        let text = String::from_utf8(payload.clone()).expect("JSON");
        for secret in ["anna", "lamp", "order-1", "account 7", "crm://"] {
            assert!(!text.contains(secret), "{secret} stands in {text}");
        }
        let read = ErasureCertificate::read(&payload).expect("a certificate");
        assert_eq!(read.is_final, issued.is_final);
        read
    }

    async fn hold(&self, subject: SubjectId, data: &str, purposes: &[&str]) -> LegalHoldId {
        let place = PlaceHold {
            subject: SubjectRef::Id(subject),
            item_ids: Vec::new(),
            data_categories: vec![data.parse().expect("a name")],
            purposes: purposes
                .iter()
                .map(|it| it.parse().expect("a name"))
                .collect(),
            matter: "case 7".into(),
            article: None,
        };
        let call = self.call(Action::PlaceLegalHold);
        let placed = self.registry().place_hold(call, place).await;
        placed.expect("placed").value.legal_hold_id
    }

    async fn release(&self, hold: LegalHoldId) {
        let call = self.call(Action::ReleaseLegalHold);
        let released = self.registry().release_hold(call, hold).await;
        released.expect("released");
    }

    async fn resume(&self, subject: SubjectId) -> bool {
        let resumed = self.registry().resume_erasure(subject).await;
        resumed.expect("looked at")
    }

    /// Everything that was said of a subject, by kind.
    async fn events(&self, subject: SubjectId) -> Vec<EventKind> {
        self.registry().place_events().await.expect("placed");
        let listed = self
            .snapshot()
            .await
            .list_events(0..i64::MAX, &[], &[], 1_000)
            .await;
        let events = listed.expect("listed").into_iter();
        let events = events.filter(|placed| placed.event.subject_id == Some(subject));
        events.map(|placed| placed.event.kind).collect()
    }
}

fn order(key: &str, text: &str) -> CollectedItem {
    CollectedItem {
        key: ItemKey::new(key),
        ..collections::item("order_contents", text)
    }
}

fn request(work: &Erase, now: Timestamp) -> AnyRequest {
    let record = Record {
        subject_request_id: work.subject_request_id,
        subject_id: work.subject_id,
        channel: "mail".parse().expect("a channel"),
        received_at: now,
        recorded_at: now,
        scope: Scope::default(),
        parts: vec![Part::pending(RequestKind::Erasure)],
        clock: DeadlineClock {
            due_at: now,
            paused_since: None,
            paused_days: 0,
            extension_reason: None,
        },
        answered_at: None,
        identity: None,
        rejection_reason: None,
        completed_at: None,
    };
    Request::receive(record).into()
}

fn text(item: &Item) -> &str {
    match &item.content {
        Some(Content::Text(text)) => text,
        _ => "",
    }
}

#[tokio::test]
async fn a_person_of_whom_nothing_must_stay_is_gone_when_the_call_returns() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    // The law keeps the order until this day.
    it.at("2030-01-02T00:00:00Z");
    let token = it
        .write(move |tx| {
            Box::pin(async move {
                let token_id = tx.new_id().into();
                let token = WithdrawalTokenRecord {
                    token_id,
                    subject_id: anna,
                    purposes: Vec::new(),
                    expires_at: Timestamp::MAX,
                };
                tx.insert_withdrawal_token(&token).await?;
                Ok(token_id)
            })
        })
        .await;
    let request = it.erase(anna, &[]).await;

    let denied = it.check(anna, "email_address", "contact_and_support").await;
    assert_eq!(denied, Err(DecisionReason::SubjectErased));
    let snapshot = it.snapshot().await;
    assert!(!snapshot.has_key(anna).await.expect("looked"));
    assert_eq!(it.states(anna).await, []);
    assert_eq!(snapshot.read_identifiers(anna).await.expect("none"), []);
    let token = snapshot.find_withdrawal_token(token).await.expect("looked");
    assert_eq!(token, None);
    // Every text is gone, so reading needs no key.
    let consents = snapshot.list_consents(anna, &[], None, 10).await;
    assert_eq!(consents.expect("read").len(), 1);
    let disclosures = snapshot.list_disclosures(anna, None, None, 10).await;
    let disclosures = disclosures.expect("read");
    assert!(disclosures[0].external_reference.is_none());
    assert_eq!(
        it.told(request).await,
        [
            "aweber: email_address",
            "holder crm: first_name",
            "ledger: order_contents"
        ]
    );
    assert_eq!(
        it.events(anna).await.last(),
        Some(&EventKind::SubjectErased)
    );
    let again = collections::client(&[("shop_user", "anna")]);
    let refused = it.register(again).await;
    assert!(
        matches!(refused, Err(Error::IdentifierSuppressed(_))),
        "{refused:?}"
    );
}

#[tokio::test]
async fn whoever_shares_an_address_with_an_erased_person_keeps_it_and_everything_else() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    let mut ben = collections::client(&[("shop_user", "ben"), ("email", EMAIL)]);
    ben.items = vec![collections::item("email_address", EMAIL)];
    let ben = it.register(ben).await.expect("registered");
    assert_ne!(anna, ben);
    it.erase(anna, &[]).await;
    let call = it.call(Action::GetSubject);
    let found = it
        .registry()
        .get_subject(call, &collections::by("email", EMAIL), None)
        .await
        .expect("found");
    assert_eq!(found.0.subject_id, ben);
    assert_eq!(text(&it.contents(ben).await[0]), EMAIL);
    let registered = it.register(collections::client(&[("email", EMAIL)])).await;
    assert_eq!(registered.expect("his own address"), ben);
}

#[tokio::test]
async fn a_preview_says_what_the_erasure_then_does() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    it.hold(anna, "email_address", &["contact_and_support"])
        .await;
    for data in [vec!["email_address", "order_contents"], vec![]] {
        let names = data.iter().map(|data| data.parse().expect("a name"));
        let scope = ErasureScope {
            data_categories: names.collect(),
            item_ids: Vec::new(),
        };
        let subject = SubjectRef::Id(anna);
        let preview = it
            .registry()
            .preview_erasure(&it.it.caller, &subject, &scope)
            .await
            .expect("previewed");
        assert_eq!(preview.whole_subject, data.is_empty());
        let before = it.states(anna).await;
        let request = it.erase(anna, &data).await;
        let certificate = it.certificate(request).await;
        assert_eq!(
            preview.items_total,
            certificate.erased_items + certificate.kept_items
        );
        assert_eq!(preview.items_erased, certificate.erased_items);
        let after = it.states(anna).await;
        for one in &preview.items {
            let left = after.iter().find(|it| it.item_id == one.item.item_id);
            assert_eq!(
                left.map(|it| it.retained_for.clone()),
                one.retained_for().map(Some)
            );
            let kept = certificate.kept.iter();
            let mut kept = kept.filter(|it| it.item_ids.contains(&one.item.item_id));
            let grounds = kept.next().map_or(&[][..], |it| &it.grounds);
            assert_eq!(grounds, one.obstacles);
        }
        let untouched = before.len() - preview.items.len();
        assert_eq!(
            after.len() as u64,
            untouched as u64 + certificate.kept_items
        );
        // Of what stays the holder and whoever has it for the very ground are told when it goes.
        let told: Vec<_> = certificate
            .recipients
            .iter()
            .map(|it| (it.recipient.clone(), it.items.max(it.told_later)))
            .collect();
        let previewed: Vec<_> = preview
            .recipients
            .iter()
            .map(|it| (it.recipient.clone(), it.items))
            .filter(|(recipient, _)| {
                preview.whole_subject
                    || recipient
                        .processor()
                        .is_none_or(|it| it.as_str() != "ledger")
            })
            .collect();
        assert_eq!(told, previewed);
    }
}

#[tokio::test]
async fn a_person_with_more_items_than_fit_into_a_page_is_erased_in_pages() {
    let it = Erasures::new().await;
    let anna = it.anna().await;
    it.write(move |tx| {
        Box::pin(async move {
            let mut items = std::collections::BTreeMap::new();
            for number in 0..TOLD_PAGE {
                let state: ItemState = serde_json::from_value(serde_json::json!({
                    "item_id": tx.new_id(), "subject_category": "client",
                    "data_category": "payment_details", "source": "shop",
                    "collected_at": tx.now(), "policy_version": "2020", "purposes": [],
                }))
                .expect("an item");
                let item = Item {
                    key: ItemKey::new(number.to_string()),
                    content: Some(Content::Text("4111".into())),
                    state,
                };
                items.insert((anna, item.state.item_id), item);
            }
            tx.put_items(&items).await
        })
    })
    .await;
    let request = it.erase(anna, &[]).await;
    let certificate = it.certificate(request).await;
    assert_eq!(certificate.erased_items, TOLD_PAGE as u64 + 2);
    let stripe = Recipient::Processor("stripe".parse().expect("a name"));
    let told = certificate
        .recipients
        .iter()
        .find(|it| it.recipient == stripe);
    let told = told.expect("it was told");
    assert_eq!((told.items, told.tasks), (TOLD_PAGE as u64, 5), "two pages");
    assert!(certificate.is_complete && !certificate.is_final);
}
