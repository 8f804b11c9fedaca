//! Requests as they are now, with what others have done for them.

use jiff::Timestamp;

use super::RequestView;
use crate::{
    app::{
        error::{Error, Missing},
        export::exports_of,
        page::Page,
        registry::{Call, Registry, View, Written},
        resolve::resolve,
    },
    domain::{
        audit::Action,
        caller::Caller,
        id::SubjectRequestId,
        request::{RequestState, life::AnyRequest},
        subject_ref::SubjectRef,
    },
    store::request::{RequestFilter, RequestPlace},
};

/// Which requests are asked for.
#[derive(Clone, Debug)]
pub struct ListRequests {
    /// Only in this state.
    pub state: Option<RequestState>,
    /// Only those not answered yet that are due before this instant.
    pub due_before: Option<Timestamp>,
    /// Only of this person.
    pub subject: Option<SubjectRef>,
}

impl Registry {
    /// One request.
    pub async fn get_request(
        &self,
        caller: &Caller,
        id: SubjectRequestId,
    ) -> Result<RequestView, Error> {
        let view = self.view(caller, Action::GetRequest, None).await?;
        let shown = find(&view, id).await?;
        view.snapshot.close().await?;
        Ok(shown)
    }

    /// A page of requests, those due first. Those whose clock stands still or that are answered come last.
    pub async fn list_requests(
        &self,
        caller: &Caller,
        list: &ListRequests,
        size: usize,
        token: Option<&str>,
    ) -> Result<Page<RequestView>, Error> {
        let view = self.view(caller, Action::ListRequests, None).await?;
        let subject = match &list.subject {
            Some(subject) => {
                let policy = view.in_force()?;
                let known = resolve(&view.snapshot, policy, subject, "subject").await?;
                Some(known.subject_id)
            }
            None => None,
        };
        let filter = RequestFilter {
            state: list.state,
            due_before: list.due_before,
            subject,
        };
        let name = format!("requests {filter:?}");
        let after = match token {
            Some(token) => Some(place(&self.open_token(&name, token)?)?),
            None => None,
        };
        let limit = size as u64 + 1;
        let requests = view.snapshot.list_requests(&filter, after, limit).await?;
        let page = self.page(&name, size, requests, position);
        let entries = render(&view, page.entries).await?;
        view.snapshot.close().await?;
        Ok(Page {
            entries,
            next: page.next,
        })
    }

    /// The request of a change as it is now: an answer that was remembered holds its id only.
    pub(super) async fn show_request(
        &self,
        call: &Call,
        written: Written<SubjectRequestId>,
    ) -> Result<Written<RequestView>, Error> {
        let view = self.view(&call.caller, call.action, None).await?;
        let value = find(&view, written.value).await?;
        view.snapshot.close().await?;
        Ok(Written {
            value,
            revision: written.revision,
            replayed: written.replayed,
        })
    }
}

async fn find(view: &View, id: SubjectRequestId) -> Result<RequestView, Error> {
    let request = view.snapshot.find_request(id).await?;
    let mut shown = render(view, request.into_iter().collect()).await?;
    shown.pop().ok_or(Error::NotFound(Missing::SubjectRequest))
}

async fn render(view: &View, requests: Vec<AnyRequest>) -> Result<Vec<RequestView>, Error> {
    let ids = requests.iter().map(|it| it.record().subject_request_id);
    let ids: Vec<_> = ids.collect();
    let mut counts = view.snapshot.count_leaves(&ids).await?;
    let mut exports = exports_of(&view.snapshot, &ids).await?;
    let shown = requests.into_iter().map(|request| {
        let record = request.record().clone();
        let counts = counts.remove(&record.subject_request_id);
        let counts = counts.unwrap_or_default();
        RequestView {
            state: request.state(),
            exports: exports
                .remove(&record.subject_request_id)
                .unwrap_or_default(),
            record,
            open_tasks: counts.open_tasks(),
            unconfirmed_tasks: counts.unconfirmed_tasks(),
            waiting_items: counts.waiting_items,
            now: view.now(),
        }
    });
    Ok(shown.collect())
}

/// The word for no deadline, in a page token.
const UNDATED: &str = "-";

fn position(request: &AnyRequest) -> String {
    let due_at = request.open_due_at();
    let due_at = due_at.map_or(UNDATED.to_owned(), |at| at.as_microsecond().to_string());
    format!("{due_at} {}", request.record().subject_request_id)
}

fn place(text: &str) -> Result<RequestPlace, Error> {
    let read = || {
        let (due_at, id) = text.split_once(' ')?;
        let due_at = match due_at {
            UNDATED => None,
            due_at => Some(Timestamp::from_microsecond(due_at.parse().ok()?).ok()?),
        };
        Some(RequestPlace {
            due_at,
            subject_request_id: id.parse().ok()?,
        })
    };
    read().ok_or(Error::CursorInvalid)
}
