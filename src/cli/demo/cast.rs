//! Who calls: one service for each kind of work, each with a token that permits this work only.

use std::time::Duration;

use anyhow::{Context, Result};
use tonic::{service::interceptor::InterceptedService, transport::Endpoint};

use super::own_server::OwnServer;
use crate::{
    auth::dev_issuer::Grant,
    cli::client::{Bearer, Way},
    domain::caller::Scope,
};

/// How long the tokens of the demo count.
const LIFETIME: Duration = Duration::from_hours(1);

/// Everyone who calls.
pub(super) struct Cast {
    /// Keeps what visitors leave in forms.
    pub signup_form: Actor,
    /// Sees how visitors move about.
    pub web: Actor,
    /// Sends letters.
    pub mailing: Actor,
    /// Stands behind the link at the foot of each letter.
    pub unsubscribe_page: Actor,
    /// Tells AWeber what has changed.
    pub aweber_connector: Actor,
    /// Sells.
    pub checkout: Actor,
    /// Answers clients.
    pub support: Actor,
    /// Pays commissions.
    pub affiliate_program: Actor,
    /// Answers what people ask for by right.
    pub rights_desk: Actor,
    /// Has Stripe do what is asked of it.
    pub stripe_connector: Actor,
}

/// A service that calls.
pub(super) struct Actor {
    /// Its name.
    pub name: &'static str,
    /// Its way to the server, with its token.
    pub way: Way,
}

impl Cast {
    /// Gives everyone a token and a way to the server.
    pub(super) async fn call_up(server: &OwnServer) -> Result<Self> {
        let consented = ["newsletter", "educational_materials", "interface_research"];
        let signup_form = role("signup_form", &[Scope::Collect])
            .sources(&["signup_form"])
            .purposes(&consented);
        let web = role("web", &[Scope::Collect, Scope::Check])
            .sources(&["web"])
            .purposes(&["interface_research"])
            .processors(&["-", "google_analytics"]);
        let mailing = role("mailing", &[Scope::Check, Scope::Consent])
            .purposes(&["newsletter"])
            .processors(&["aweber", "stripe"]);
        let checkout = role(
            "checkout",
            &[
                Scope::Collect,
                Scope::Check,
                Scope::Consent,
                Scope::Disclose,
            ],
        )
        .sources(&["checkout"])
        .purposes(&["order_processing", "fraud_screening"])
        .processors(&["-", "stripe"]);
        let support = role(
            "support",
            &[Scope::RecordsRead, Scope::RecordsWrite, Scope::Disclose],
        )
        .sources(&["checkout"])
        .purposes(&["contact_and_support"])
        .processors(&["*", "-"]);
        let affiliate_program = role(
            "affiliate_program",
            &[Scope::Collect, Scope::Check, Scope::Subjects],
        )
        .sources(&["affiliate_program"])
        .purposes(&["commission_payment", "affiliate_contact"])
        .processors(&["-", "paypal"]);
        let rights_desk = role("rights_desk", &[Scope::Requests]);
        let stripe_connector = role("stripe_connector", &[Scope::Tasks]).processors(&["stripe"]);
        let connector = role("aweber_connector", &[Scope::Events]).processors(&["aweber"]);
        Ok(Self {
            signup_form: signup_form.enter(server).await?,
            web: web.enter(server).await?,
            mailing: mailing.enter(server).await?,
            unsubscribe_page: role("unsubscribe_page", &[Scope::Consent])
                .enter(server)
                .await?,
            aweber_connector: connector.enter(server).await?,
            checkout: checkout.enter(server).await?,
            support: support.enter(server).await?,
            affiliate_program: affiliate_program.enter(server).await?,
            rights_desk: rights_desk.enter(server).await?,
            stripe_connector: stripe_connector.enter(server).await?,
        })
    }
}

/// What a service may do, until it has its token.
struct Role {
    name: &'static str,
    grant: Grant,
}

/// A service that may make these calls and speak for nothing yet.
fn role(name: &'static str, scopes: &[Scope]) -> Role {
    let grant = Grant {
        service: name.to_owned(),
        scopes: scopes.to_vec(),
        sources: Vec::new(),
        purposes: Vec::new(),
        processors: Vec::new(),
        lifetime: LIFETIME,
    };
    Role { name, grant }
}

impl Role {
    fn sources(mut self, sources: &[&str]) -> Self {
        self.grant.sources = texts(sources);
        self
    }

    fn purposes(mut self, purposes: &[&str]) -> Self {
        self.grant.purposes = texts(purposes);
        self
    }

    fn processors(mut self, processors: &[&str]) -> Self {
        self.grant.processors = texts(processors);
        self
    }

    async fn enter(self, server: &OwnServer) -> Result<Actor> {
        let endpoint = Endpoint::from_shared(server.address())?.tcp_nodelay(true);
        let channel = endpoint.connect().await.context("the demo's own server")?;
        let bearer = Bearer::new(&server.token(&self.grant)?)?;
        Ok(Actor {
            name: self.name,
            way: InterceptedService::new(channel, bearer),
        })
    }
}

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}
