//! `HoldService`.

use prost::Message;
use tonic::{Request, Response, Status};

use super::{
    caller::caller,
    parse::{
        Parse, Parsed,
        limits::{
            ARTICLE_BYTES_MAX, DATA_CATEGORIES_MAX, HOLD_PURPOSES_MAX, ITEM_IDS_MAX,
            MATTER_BYTES_MAX,
        },
    },
    render::{instant, texts},
};
use crate::{
    app::{
        Call, Error, Registry,
        hold::{ListHolds, PlaceHold},
    },
    domain::{audit::Action, hold::LegalHold},
    proto::v1::{
        self,
        hold_service_server::{HoldService, HoldServiceServer},
    },
};

/// The service, over the registry's use cases.
pub fn service(registry: Registry) -> HoldServiceServer<Holds> {
    HoldServiceServer::new(Holds { registry })
}

/// What must stay, and why.
#[derive(Clone)]
pub struct Holds {
    registry: Registry,
}

#[tonic::async_trait]
impl HoldService for Holds {
    async fn place_legal_hold(
        &self,
        request: Request<v1::PlaceLegalHoldRequest>,
    ) -> Result<Response<v1::PlaceLegalHoldResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let read = read_place(&mut parse, message);
        let (place, request_id) = parse
            .finish_judged(&self.registry, (&caller, Action::PlaceLegalHold), || {
                Ok((read?, request_id?))
            })
            .await?;
        let call = Call::new(caller, Action::PlaceLegalHold).idempotent(request_id, canonical);
        let written = self.registry.place_hold(call, place).await?;
        Ok(Response::new(v1::PlaceLegalHoldResponse {
            legal_hold: Some(hold(written.value)),
            revision: written.revision.to_string(),
        }))
    }

    async fn release_legal_hold(
        &self,
        request: Request<v1::ReleaseLegalHoldRequest>,
    ) -> Result<Response<v1::ReleaseLegalHoldResponse>, Status> {
        let caller = caller(&request)?;
        let mut message = request.into_inner();
        let mut parse = Parse::new();
        let request_id = parse.request_id(&std::mem::take(&mut message.request_id));
        let canonical = message.encode_to_vec();
        let id = parse.id("legal_hold_id", &message.legal_hold_id);
        let (id, request_id) = parse
            .finish(|| Ok((id?, request_id?)))
            .map_err(Error::from)?;
        let call = Call::new(caller, Action::ReleaseLegalHold).idempotent(request_id, canonical);
        let written = self.registry.release_hold(call, id).await?;
        Ok(Response::new(v1::ReleaseLegalHoldResponse {
            legal_hold: Some(hold(written.value)),
            revision: written.revision.to_string(),
        }))
    }

    async fn list_legal_holds(
        &self,
        request: Request<v1::ListLegalHoldsRequest>,
    ) -> Result<Response<v1::ListLegalHoldsResponse>, Status> {
        let caller = caller(&request)?;
        let message = request.into_inner();
        let mut parse = Parse::new();
        let subject = match message.subject {
            None => Ok(None),
            subject => parse.known_subject("subject", subject).map(Some),
        };
        let page = parse.page(message.page_size, message.page_token);
        let (subject, page) = parse
            .finish_judged(&self.registry, (&caller, Action::ListLegalHolds), || {
                Ok((subject?, page?))
            })
            .await?;
        let list = ListHolds {
            subject,
            include_released: message.include_released,
        };
        let token = page.token.as_deref();
        let listed = self
            .registry
            .list_holds(&caller, &list, page.size, token)
            .await?;
        Ok(Response::new(v1::ListLegalHoldsResponse {
            legal_holds: listed.entries.into_iter().map(hold).collect(),
            next_page_token: listed.next.unwrap_or_default(),
        }))
    }
}

fn read_place(parse: &mut Parse, message: v1::PlaceLegalHoldRequest) -> Parsed<PlaceHold> {
    let subject = parse.known_subject("subject", message.subject);
    if message.item_ids.is_empty() && message.data_categories.is_empty() {
        parse.refuse("item_ids", "or data_categories must not be empty");
    }
    let item_ids = parse.ids("item_ids", message.item_ids, ITEM_IDS_MAX);
    let data_categories = parse.known_data_categories(
        "data_categories",
        message.data_categories,
        DATA_CATEGORIES_MAX,
    );
    let purposes = parse.known_purposes("purposes", message.purposes, HOLD_PURPOSES_MAX);
    let matter = match parse.text("matter", message.matter, MATTER_BYTES_MAX) {
        Ok(matter) if matter.trim().is_empty() => Err(parse.refuse("matter", "is required")),
        matter => matter,
    };
    let article = parse.text("article", message.article, ARTICLE_BYTES_MAX);
    Ok(PlaceHold {
        subject: subject?,
        item_ids: item_ids?,
        data_categories: data_categories?,
        purposes: purposes?,
        matter: matter?,
        article: Some(article?).filter(|article| !article.trim().is_empty()),
    })
}

fn hold(hold: LegalHold) -> v1::LegalHold {
    v1::LegalHold {
        legal_hold_id: hold.legal_hold_id.to_string(),
        subject_id: hold.subject_id.to_string(),
        item_ids: texts(&hold.item_ids),
        data_categories: texts(&hold.data_categories),
        purposes: texts(&hold.purposes),
        matter: hold.matter,
        article: hold.article,
        placed_at: Some(instant(hold.placed_at)),
        placed_by: hold.placed_by.to_string(),
        released_at: hold.released_at.map(instant),
    }
}
