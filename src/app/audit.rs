//! Reading the audit log (Art. 5(2)): who did what to whose data.

use super::{error::Error, page::Page, registry::Registry};
use crate::{
    domain::{audit::Action, caller::Caller, id::SubjectId},
    store::audit::{AuditEntry, AuditFilter},
};

impl Registry {
    /// A page of entries, latest first. `subject` narrows them to one person, under every id that
    /// was merged into it.
    pub async fn list_audit_entries(
        &self,
        caller: &Caller,
        subject: Option<SubjectId>,
        mut filter: AuditFilter,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<AuditEntry>, Error> {
        let view = self.view(caller, Action::ListAuditEntries, None).await?;
        let list = format!("audit {subject:?} {filter:?}");
        let before = match token {
            Some(token) => self
                .open_token(&list, token)?
                .parse()
                .map_err(|_| Error::CursorInvalid)?,
            None => i64::MAX,
        };
        if let Some(subject) = subject {
            filter.subjects = view.snapshot.list_merged(subject).await?;
            filter.subjects.push(subject);
        }
        let entries = view
            .snapshot
            .list_audit_entries(&filter, before, size as u64 + 1)
            .await?;
        Ok(self.page(&list, size, entries, |entry| entry.seq.to_string()))
    }
}
