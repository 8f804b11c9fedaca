//! Certificates of erasures: made of what was written down and of the tasks as they stand, and signed.

use super::Held;
use crate::{
    app::{
        error::{Error, Missing},
        registry::{Registry, View},
    },
    domain::{
        audit::Action,
        caller::{Bound, Caller},
        erasure::{
            certificate::{CERTIFICATE_TYPE, ErasureCertificate, Recipients},
            record::ErasureRecord,
            review,
        },
        id::SubjectRequestId,
    },
    store::task::{Reach, TaskFilter},
};

/// Tasks that are read at once.
const TASKS_PAGE: u64 = 200;

/// A signed certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The envelope: DSSE, JSON.
    pub envelope: String,
    /// Whether everything had come to its end when it was made.
    pub is_final: bool,
}

impl Registry {
    /// The certificate of a request's erasure, as of now. Errors: the request has erased nothing.
    pub async fn erasure_certificate(
        &self,
        caller: &Caller,
        request: SubjectRequestId,
    ) -> Result<Certificate, Error> {
        let action = Action::GetErasureCertificate;
        let view = self.view(caller, action, None).await?;
        let found = view.snapshot.find_request(request).await?;
        found.ok_or(Error::NotFound(Missing::SubjectRequest))?;
        let record = view.snapshot.find_erasure(request).await?;
        let mut record = record.ok_or(Error::IllegalTransition("nothing has been erased by it"))?;
        renew_grounds(&view, &mut record).await?;
        let recipients = recipients(&view, request).await?;
        let key_destroyed_at = if record.whole_subject {
            view.snapshot.key_destroyed_at(record.subject_id).await?
        } else {
            None
        };
        let issued_at = view.now();
        view.snapshot.close().await?;
        let certificate = ErasureCertificate::new(&record, recipients, key_destroyed_at, issued_at);
        let signing = self.store.key_ring().signing();
        let envelope = signing.sign(CERTIFICATE_TYPE, certificate.to_json().as_bytes());
        Ok(Certificate {
            envelope: envelope.to_json(),
            is_final: certificate.is_final,
        })
    }
}

/// What stays is said to stay on the grounds of now. What nothing keeps any more stays until it is gone.
async fn renew_grounds(view: &View, record: &mut ErasureRecord) -> Result<(), Error> {
    if record.kept.is_empty() {
        return Ok(());
    }
    let held = Held::load(&view.snapshot, &view.policies, record.subject_id).await?;
    let mut reviewed = review(&held.policy, &held.state, &held.holds, view.now());
    reviewed.retain(|it| !it.obstacles.is_empty());
    record.review(&reviewed, view.now());
    Ok(())
}

async fn recipients(view: &View, request: SubjectRequestId) -> Result<Recipients, Error> {
    let filter = TaskFilter {
        reach: Reach::Within {
            processors: Bound::Everything,
            holders: Bound::Everything,
        },
        state: None,
        subject_request_id: Some(request),
    };
    let (mut recipients, mut after) = (Recipients::new(), None);
    loop {
        let page = view.snapshot.list_tasks(&filter, after, TASKS_PAGE).await?;
        let Some(last) = page.last() else { break };
        after = Some((last.created_at, last.task_id));
        for task in &page {
            recipients.add(task);
        }
    }
    for notice in view.snapshot.list_request_notices(request).await? {
        recipients.add_later(&notice.recipient, notice.item_ids);
    }
    Ok(recipients)
}
