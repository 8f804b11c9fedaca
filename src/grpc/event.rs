//! `EventService`. A watcher that is slow to read makes nobody else wait, and what it has not read stays in
//! the database, but for a page.

use std::pin::Pin;

use futures::{Stream, StreamExt};
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    choice::Choice,
    parse::{
        Parse, Parsed,
        limits::{EVENT_KINDS_MAX, PROCESSORS_MAX},
    },
    render::{instant, text, texts},
};
use crate::{
    app::{
        Error, Registry,
        event::{EventFilter, PlacedEvent, Watched},
    },
    domain::event::Event,
    proto::v1::{
        self,
        event_service_server::{EventService, EventServiceServer},
        watch_events_response::Result as Answer,
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> EventServiceServer<Events> {
    EventServiceServer::new(Events { registry })
}

/// What happens, for those who follow.
#[derive(Clone)]
pub struct Events {
    registry: Registry,
}

#[tonic::async_trait]
impl EventService for Events {
    type WatchEventsStream =
        Pin<Box<dyn Stream<Item = Result<v1::WatchEventsResponse, Status>> + Send>>;

    async fn watch_events(
        &self,
        request: Request<v1::WatchEventsRequest>,
    ) -> Result<Response<Self::WatchEventsStream>, Status> {
        let caller = caller(&request)?;
        let mut parse = Parse::new();
        let asked = asked(&mut parse, request.into_inner());
        let (cursor, filter) = parse.finish(|| asked).map_err(Error::from)?;
        let watched = self
            .registry
            .watch_events(&caller, cursor.as_deref(), filter)
            .await?;
        let answers = watched.map(|watched| match watched {
            Ok(watched) => Ok(answer(watched)),
            Err(error) => Err(error.into()),
        });
        Ok(Response::new(answers.boxed()))
    }
}

fn asked(
    parse: &mut Parse,
    message: v1::WatchEventsRequest,
) -> Parsed<(Option<String>, EventFilter)> {
    let cursor = parse.opaque("cursor", message.cursor);
    let kinds = parse.each("kinds", message.kinds, EVENT_KINDS_MAX, |parse, kind| {
        parse.chosen("", kind)
    });
    let processors = parse.names("processors", message.processors, PROCESSORS_MAX);
    let filter = EventFilter {
        kinds: kinds?,
        processors: processors?,
    };
    Ok((cursor?, filter))
}

fn answer(watched: Watched) -> v1::WatchEventsResponse {
    let result = match watched {
        Watched::Event { event, cursor } => Answer::Event(v1::EventEnvelope {
            event: Some(message(*event)),
            cursor,
        }),
        Watched::Checkpoint { cursor, caught_up } => {
            Answer::Checkpoint(v1::EventCheckpoint { cursor, caught_up })
        }
    };
    v1::WatchEventsResponse {
        result: Some(result),
    }
}

fn message(placed: PlacedEvent) -> v1::Event {
    let Event {
        kind,
        subject_id,
        merged_subject_id,
        subject_category,
        data_categories,
        item_ids,
        purposes,
        processors,
        consent_ids,
        disclosure_id,
        policy_version,
        subject_request_id,
        task_ids,
        legal_hold_id,
    } = placed.event;
    v1::Event {
        event_id: placed.event_id.to_string(),
        kind: kind.number(),
        recorded_at: Some(instant(placed.recorded_at)),
        subject_id: text(subject_id.as_ref()),
        data_categories: texts(&data_categories),
        purposes: texts(&purposes),
        processors: texts(&processors),
        item_ids: texts(&item_ids),
        consent_ids: texts(&consent_ids),
        disclosure_id: text(disclosure_id.as_ref()),
        merged_subject_id: text(merged_subject_id.as_ref()),
        subject_category: text(subject_category.as_ref()),
        policy_version: text(policy_version.as_ref()),
        revision: placed.revision.to_string(),
        subject_request_id: text(subject_request_id.as_ref()),
        task_ids: texts(&task_ids),
        legal_hold_id: text(legal_hold_id.as_ref()),
    }
}
