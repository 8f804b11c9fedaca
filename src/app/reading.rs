//! The door for reading what is personal: identifiers, texts of consents, names at recipients. What is
//! read stands in the log in the same transaction, and nothing is handed out before that is committed.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    error::Error,
    registry::{Registry, authorise, known_revision},
};
use crate::{
    domain::{
        audit::{Action, AuditDetail},
        caller::Caller,
        policy::history::PolicyHistory,
        revision::Revision,
    },
    store::Tx,
};

impl Registry {
    /// Reads one state, at least as fresh as `revision`, and notes what was read. The body may run more
    /// than once and writes nothing. Returns the state that was read as well.
    pub(super) async fn read_audited<T, F>(
        &self,
        caller: &Caller,
        action: Action,
        revision: Option<Revision>,
        body: F,
    ) -> Result<(T, Revision), Error>
    where
        T: Send + 'static,
        F: for<'t> Fn(
                &'t mut Tx,
                &'t Arc<PolicyHistory>,
            ) -> BoxFuture<'t, Result<(T, AuditDetail), Error>>
            + Send
            + Sync
            + 'static,
    {
        authorise(caller, action)?;
        if caller.has_expired(self.clock_now()) {
            return Err(Error::TokenExpired);
        }
        let (store, body) = (self.store.clone(), Arc::new(body));
        let service = caller.service.clone();
        self.store
            .write(action.name(), self.clock_now(), move |tx| {
                let (store, body, service) = (store.clone(), body.clone(), service.clone());
                Box::pin(async move {
                    if let Some(wanted) = revision {
                        known_revision(tx, wanted).await?;
                    }
                    let policies = store.policies(tx).await?;
                    let (value, mut detail) = body(tx, &policies).await?;
                    let revision = tx.last_revision().await?;
                    detail.revision = revision.to_string();
                    tx.append_audit(service.as_str(), action.name(), &[detail])
                        .await?;
                    Ok((value, revision))
                })
            })
            .await
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        app::{
            Call, Error,
            consent::ListConsents,
            scene::{say, visitor},
            testing::{TestRegistry, registry},
        },
        domain::{
            audit::{Action, AuditDetail},
            consent::ConsentChoice,
            id::{ConsentId, SubjectId},
            subject_ref::SubjectRef,
        },
        store::audit::AuditFilter,
    };

    /// The latest entry: what was done, and its detail.
    async fn latest(test: &TestRegistry) -> (String, AuditDetail) {
        let filter = AuditFilter::default();
        let listed = test
            .registry
            .list_audit_entries(&test.caller, None, filter, 2, None);
        let mut entries = listed.await.expect("listed").entries.into_iter();
        // The asking stands in the log itself, where it does.
        let entry = entries
            .find(|it| it.action != "ListAuditEntries")
            .expect("an entry");
        (entry.action, entry.detail)
    }

    async fn consents(test: &TestRegistry, subject: SubjectId) -> Result<Vec<ConsentId>, Error> {
        let query = ListConsents {
            subject: SubjectRef::Id(subject),
            purposes: Vec::new(),
            page_size: 10,
            page_token: None,
            at_least_as_fresh: None,
        };
        let page = test.registry.list_consents(&test.caller, query).await?;
        Ok(page.entries.iter().map(|fact| fact.consent_id).collect())
    }

    #[tokio::test]
    async fn whatever_is_personal_is_in_the_log_once_it_is_read() {
        let test = registry().await;
        let subject = visitor(&test).await;
        say(&test, &[subject], ConsentChoice::Given, "newsletter").await;
        let ids = consents(&test, subject).await.expect("listed");
        let (action, detail) = latest(&test).await;
        assert_eq!(
            (action.as_str(), &detail.consent_ids),
            ("ListConsents", &ids)
        );
        assert!(!detail.revision.is_empty());
        let reference = SubjectRef::Id(subject);
        let receipt = test
            .registry
            .get_consent_receipt(&test.caller, &reference, ids[0]);
        receipt.await.expect("a receipt");
        let (action, detail) = latest(&test).await;
        assert_eq!(
            (action.as_str(), detail.consent_ids),
            ("GetConsentReceipt", ids)
        );
        let disclosures = test
            .registry
            .list_disclosures(&test.caller, &reference, None, 10, None);
        assert!(disclosures.await.expect("listed").entries.is_empty());
        assert_eq!(latest(&test).await.0, "ListDisclosures");
        let call = Call::new(test.caller.clone(), Action::GetSubject);
        let read = test.registry.get_subject(call, &reference, None).await;
        assert_eq!(read.expect("read").0.subject_id, subject);
        assert_eq!(latest(&test).await.0, "GetSubject");
    }

    #[tokio::test]
    async fn what_cannot_be_logged_is_not_handed_out_and_what_is_not_there_is_not_logged() {
        let test = registry().await;
        let subject = visitor(&test).await;
        say(&test, &[subject], ConsentChoice::Given, "newsletter").await;
        let faults = test.registry.store().faults().clone();
        for call in 0.. {
            let before = latest(&test).await.0;
            faults.fail_call(call);
            let read = consents(&test, subject).await;
            if !faults.clear() {
                assert!(call > 3, "{call}");
                assert_eq!(read.expect("read").len(), 1);
                break;
            }
            assert!(
                matches!(read, Err(Error::StoreUnavailable(_))),
                "call {call}: {read:?}"
            );
            assert_eq!(latest(&test).await.0, before, "call {call}");
        }
        let before = latest(&test).await;
        let stranger = SubjectId(uuid::Uuid::from_u128(1));
        let missing = consents(&test, stranger).await;
        assert!(matches!(missing, Err(Error::NotFound(_))), "{missing:?}");
        assert_eq!(latest(&test).await, before);
    }
}
