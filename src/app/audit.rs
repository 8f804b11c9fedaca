//! Reading the audit log (Art. 5(2)): who did what to whose data, and why a decision was as it was.

use jiff::Timestamp;

use super::{
    error::{Error, Missing},
    page::Page,
    registry::Registry,
    resolve::resolve,
};
use crate::{
    domain::{audit::Action, caller::Caller, id::DecisionId, subject_ref::SubjectRef},
    store::audit::AuditPlace,
};

pub use crate::store::{
    audit::{AuditEntry, AuditFilter},
    decision::KeptDecision,
};

impl Registry {
    /// A page of entries, latest first. `subject` narrows them to one person, under every id that
    /// was merged into it.
    pub async fn list_audit_entries(
        &self,
        caller: &Caller,
        subject: Option<&SubjectRef>,
        mut filter: AuditFilter,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<AuditEntry>, Error> {
        let view = self.view(caller, Action::ListAuditEntries, None).await?;
        let subject = match subject {
            Some(subject) => {
                let known = resolve(&view.snapshot, view.in_force()?, subject, "subject").await?;
                Some(known.subject_id)
            }
            None => None,
        };
        let list = format!("audit {subject:?} {filter:?}");
        let before = match token {
            Some(token) => Some(place(&self.open_token(&list, token)?)?),
            None => None,
        };
        if let Some(subject) = subject {
            filter.subjects = view.snapshot.list_merged(subject).await?;
            filter.subjects.push(subject);
        }
        let entries = view
            .snapshot
            .list_audit_entries(&filter, before, size as u64 + 1)
            .await?;
        Ok(self.page(&list, size, entries, |entry| {
            format!("{} {}", entry.at.as_microsecond(), entry.seq)
        }))
    }

    /// A decision that was kept, with its question.
    pub async fn get_decision(
        &self,
        caller: &Caller,
        decision_id: DecisionId,
    ) -> Result<KeptDecision, Error> {
        let view = self.view(caller, Action::GetDecision, None).await?;
        let kept = view.snapshot.find_decision(decision_id).await?;
        kept.ok_or(Error::NotFound(Missing::Decision))
    }
}

fn place(text: &str) -> Result<AuditPlace, Error> {
    let read = || {
        let (at, seq) = text.split_once(' ')?;
        Some(AuditPlace {
            at: Timestamp::from_microsecond(at.parse().ok()?).ok()?,
            seq: seq.parse().ok()?,
        })
    };
    read().ok_or(Error::CursorInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::{
            Call,
            registry::Change,
            testing::{TestRegistry, everything, registry},
        },
        domain::{
            audit::AuditDetail,
            id::{DecisionId, SubjectId},
        },
    };

    /// One change that creates a subject and is logged as about it and this data.
    async fn create(test: &TestRegistry, data: &str) -> SubjectId {
        let call = Call::new(test.caller.clone(), Action::RegisterCollection);
        let data: crate::domain::name::DataCategory = data.parse().unwrap();
        let written = test
            .registry
            .change(call, move |tx, _| {
                let data = data.clone();
                Box::pin(async move {
                    let subject = tx.reserve_subject().await?;
                    tx.insert_subjects(&[subject]).await?;
                    let audit = AuditDetail {
                        data_categories: vec![data],
                        ..AuditDetail::of(subject)
                    };
                    Ok(Change::new(subject, audit))
                })
            })
            .await;
        written.expect("created").value
    }

    async fn list(
        test: &TestRegistry,
        subject: Option<SubjectId>,
        filter: AuditFilter,
    ) -> Vec<String> {
        let subject = subject.map(SubjectRef::Id);
        let listed = test
            .registry
            .list_audit_entries(&test.caller, subject.as_ref(), filter, 10, None)
            .await
            .expect("listed");
        listed.entries.into_iter().map(|one| one.action).collect()
    }

    #[tokio::test]
    async fn the_log_of_one_person_names_nobody_else() {
        let test = registry().await;
        let one = create(&test, "email_address").await;
        create(&test, "email_address").await;
        let all = list(&test, None, AuditFilter::default()).await;
        assert_eq!(
            all,
            ["RegisterCollection", "RegisterCollection", "PublishPolicy"]
        );
        let of_one = list(&test, Some(one), AuditFilter::default()).await;
        assert_eq!(of_one, ["RegisterCollection"]);
        let unknown = SubjectRef::Id(SubjectId(uuid::Uuid::from_u128(1)));
        let refused = test
            .registry
            .list_audit_entries(
                &test.caller,
                Some(&unknown),
                AuditFilter::default(),
                10,
                None,
            )
            .await;
        assert!(
            matches!(refused, Err(Error::NotFound(Missing::Subject))),
            "{refused:?}"
        );
    }

    #[tokio::test]
    async fn each_filter_narrows_the_log() {
        let test = registry().await;
        create(&test, "navigation").await;
        create(&test, "email_address").await;
        let now = test.registry.clock_now();
        let none: [&str; 0] = [];
        let narrowed = |narrow: &dyn Fn(&mut AuditFilter)| {
            let mut filter = AuditFilter::default();
            narrow(&mut filter);
            list(&test, None, filter)
        };
        let by_data = narrowed(&|it| it.data_categories = vec!["navigation".parse().unwrap()]);
        assert_eq!(by_data.await, ["RegisterCollection"]);
        let by_action = narrowed(&|it| it.actions = vec![Action::PublishPolicy]);
        assert_eq!(by_action.await, ["PublishPolicy"]);
        assert_eq!(
            narrowed(&|it| it.caller = Some("others".into())).await,
            none
        );
        assert_eq!(narrowed(&|it| it.to = Some(now)).await, none);
        assert_eq!(narrowed(&|it| it.from = Some(now)).await.len(), 3);
    }

    #[tokio::test]
    async fn a_page_token_passes_from_page_to_page_and_not_to_another_filter() {
        let test = registry().await;
        create(&test, "email_address").await;
        let page = async |filter: AuditFilter, token: Option<String>| {
            let listed =
                test.registry
                    .list_audit_entries(&test.caller, None, filter, 1, token.as_deref());
            listed.await
        };
        let first = page(AuditFilter::default(), None).await.expect("listed");
        assert_eq!(first.entries[0].action, "RegisterCollection");
        let last = page(AuditFilter::default(), first.next.clone())
            .await
            .expect("listed");
        assert_eq!(last.entries[0].action, "PublishPolicy");
        assert!(last.next.is_none());
        let other = AuditFilter {
            caller: Some("tests".into()),
            ..AuditFilter::default()
        };
        let refused = page(other, first.next).await;
        assert!(matches!(refused, Err(Error::CursorInvalid)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_decision_that_was_not_kept_is_not_found_and_needs_the_scope() {
        let test = registry().await;
        let id = DecisionId(uuid::Uuid::from_u128(1));
        let missing = test.registry.get_decision(&test.caller, id).await;
        assert!(matches!(missing, Err(Error::NotFound(Missing::Decision))));
        let mut narrow = everything("narrow");
        narrow.scopes.clear();
        let refused = test.registry.get_decision(&narrow, id).await;
        assert!(matches!(refused, Err(Error::ScopeMissing("audit"))));
    }
}
