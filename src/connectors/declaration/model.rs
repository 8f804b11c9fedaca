//! What a file declares, read and checked.

use std::{collections::BTreeMap, collections::BTreeSet, time::Duration};

use reqwest::{Method, header::HeaderName};

use crate::{
    config::ValueSource,
    connectors::{
        answer::{Rule, Test},
        task::Kind,
        template::{Name, Template, UrlTemplate},
    },
    domain::name::{IdentifierType, Processor},
};

/// What is declared for one processor.
#[derive(Clone, Debug)]
pub struct Declaration {
    /// The processor, as policies name it.
    pub processor: Processor,
    /// Its name for people.
    pub title: String,
    /// The kinds of tasks that another program leases.
    pub leaves: BTreeSet<Kind>,
    /// How tasks reach it.
    pub service: Service,
}

/// How tasks reach a processor.
#[derive(Clone, Debug)]
pub enum Service {
    /// Not at all: the person turns to the recipient.
    Manual(Manual),
    /// By HTTP calls.
    Calls(Box<Calls>),
}

/// The person turns to the recipient.
#[derive(Clone, Debug)]
pub struct Manual {
    /// For which kinds of tasks.
    pub kinds: BTreeSet<Kind>,
    /// On what ground the recipient keeps what it has.
    pub ground: String,
    /// Where the person turns to.
    pub turn_to: String,
}

/// HTTP calls.
#[derive(Clone, Debug)]
pub struct Calls {
    /// By what the processor knows people.
    pub identifiers: Vec<IdentifierType>,
    /// What the processor's own names of disclosures name.
    pub references: Vec<Reference>,
    /// Values of the deployment, such as an account's number.
    pub settings: BTreeMap<String, ValueSource>,
    /// Credentials.
    pub secrets: BTreeMap<String, ValueSource>,
    /// How the calls are authenticated.
    pub authentication: Authentication,
    /// Sent with each call.
    pub headers: Vec<(HeaderName, Template)>,
    /// How much at once.
    pub limits: Limits,
    /// What answers mean, after what a step says itself.
    pub answers: Vec<Rule>,
    /// The steps of each kind of task.
    pub tasks: BTreeMap<Kind, Program>,
}

/// External references that begin so are rows of a list, in its field `id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// How they begin.
    pub prefix: String,
    /// The list.
    pub into: String,
}

/// How calls are authenticated. Texts are names of secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// Not at all.
    None,
    /// `Authorization: Bearer`.
    Bearer {
        /// The token.
        token: String,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The user.
        user: String,
        /// The password, if there is one.
        password: Option<String>,
    },
    /// A token got by OAuth 2.0 (RFC 6749), as often as it runs out.
    OAuth2(OAuth2),
}

/// How a token is got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth2 {
    /// Where.
    pub token_url: UrlTemplate,
    /// The client's id.
    pub client_id: String,
    /// The client's secret.
    pub client_secret: String,
    /// The refresh token (section 6); without one, by the client's own credentials (section 4.4).
    pub refresh_token: Option<String>,
    /// What is asked for; empty: what the client may have.
    pub scope: String,
    /// The client's credentials go into the body, not into the header.
    pub client_in_body: bool,
}

/// How much at once, and how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once, and tasks on lease, in this process.
    pub concurrency: u32,
    /// Calls in a period, in this process; each holds.
    pub rates: Vec<Rate>,
    /// Longest time from sending a call to having its answer.
    pub timeout: Duration,
    /// First pause after a failure; each further one doubles.
    pub retry_first: Duration,
    /// Longest pause.
    pub retry_most: Duration,
    /// Failures in a row after which calls cease.
    pub breaker_failures: u32,
    /// For how long.
    pub breaker_pause: Duration,
}

/// So many calls in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Calls.
    pub calls: u32,
    /// The period.
    pub per: Duration,
}

/// The steps of a kind of task.
#[derive(Clone, Debug)]
pub struct Program {
    /// In this order.
    pub steps: Vec<Step>,
    /// How it ends when all are made.
    pub finish: Finish,
    /// Of an erasure: whether the calls may erase more of the person than the task names. Otherwise a task
    /// that names a part goes to a person, as long as the processor has more.
    pub may_take_more: bool,
    /// The fields of each list, in the order of a row's values.
    pub lists: BTreeMap<String, Vec<String>>,
}

/// One step.
#[derive(Clone, Debug)]
pub struct Step {
    /// Its name, unique among the steps.
    pub name: String,
    /// Made only when the task was taken up again after a failure that leads back to before it.
    pub only_after_failure: bool,
    /// What is done.
    pub action: Action,
}

/// What a step does.
#[derive(Clone, Debug)]
pub enum Action {
    /// Calls.
    Call(Box<Call>),
    /// Waits.
    Wait(Wait),
}

/// Waits for a time after an instant: the latest in a list (seconds since 1970), or that of coming here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The list and its field.
    pub after: Option<(String, String)>,
    /// For how long.
    pub period: Duration,
}

/// An HTTP call, made once for each of its rounds.
#[derive(Clone, Debug)]
pub struct Call {
    /// Variables, each with what it runs through: every combination is a round.
    pub for_each: Vec<(String, Range)>,
    /// So many rows of its one list make a round.
    pub batch: Option<usize>,
    /// The method.
    pub method: Method,
    /// Where to.
    pub url: UrlTemplate,
    /// Sent with it.
    pub headers: Vec<(HeaderName, Template)>,
    /// Its body.
    pub body: Body,
    /// It changes something at the processor.
    pub is_effect: bool,
    /// What its answers mean.
    pub answers: Vec<Rule>,
    /// What is taken from a success.
    pub collect: Vec<Collect>,
    /// Where the next page is.
    pub next_page: Option<NextPage>,
    /// How often to ask again while the answer is `pending`.
    pub poll: Option<Poll>,
    /// How to find out whether it was made already, when its key says it no more.
    pub look: Option<Look>,
    /// The step to go on with when this one failed for good and the task is taken up again.
    pub resume_at: Option<String>,
}

/// Finds out whether a call was made already: one of which nobody knows whether it arrived must not be
/// repeated once the processor has forgotten its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// How long the processor remembers a key; it is asked only after that, or after an answer that
    /// says neither.
    pub key_lasts: Duration,
    /// Where to look, with GET.
    pub url: UrlTemplate,
    /// What the answers mean: a success was looked into.
    pub answers: Vec<Rule>,
    /// A pointer to an array whose elements are looked at; without it the answer is.
    pub each: Option<String>,
    /// What was made has one of these values in it: a field of the round's rows.
    pub mentions: Option<Name>,
    /// What was made is like this.
    pub done: Vec<Test>,
    /// Where the next page is.
    pub next_page: Option<NextPage>,
}

/// What a variable runs through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Range {
    /// The task's identifiers of a type.
    Identifiers(String),
    /// The rows of a list.
    List(String),
}

/// The body of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// None.
    None,
    /// `application/x-www-form-urlencoded`.
    Form(Vec<FormField>),
    /// `application/json`.
    Json(JsonTemplate),
}

/// A field of a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormField {
    /// Once for each row of the round's batch.
    pub is_for_each_row: bool,
    /// The name.
    pub name: Template,
    /// The value.
    pub value: Template,
}

/// JSON with places for values in its texts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonTemplate {
    /// As it stands.
    Fixed(serde_json::Value),
    /// A text.
    Text(Template),
    /// An array.
    List(Vec<JsonTemplate>),
    /// An object.
    Map(Vec<(String, JsonTemplate)>),
}

/// Takes rows out of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Collect {
    /// The list that they are added to; a row that is there already is not added again.
    pub into: String,
    /// A pointer to an array, each element of which gives a row; without it the answer gives one.
    pub each: Option<String>,
    /// The fields, in the order of their names.
    pub fields: Vec<(String, FieldSource)>,
}

/// Where a field comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FieldSource {
    /// A pointer into the element.
    Pointer(String),
    /// What the round knows.
    Template(Template),
}

/// Where the next page of an answer is. Null, empty or absent: there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NextPage {
    /// A pointer to its URL, at the same host.
    Url(String),
    /// A pointer to a token, which goes into a parameter of the URL.
    Token {
        /// The pointer.
        pointer: String,
        /// The parameter.
        parameter: String,
    },
    /// The last element's own name goes into a parameter of the URL, while a flag says that there is more.
    Last {
        /// A pointer to the array.
        each: String,
        /// A pointer into its last element.
        field: String,
        /// The parameter.
        parameter: String,
        /// A pointer to the flag.
        more: String,
    },
}

/// How often to ask again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Poll {
    /// The pause.
    pub every: Duration,
    /// Times, after which it has failed.
    pub at_most: u32,
}

/// How a task ends when all steps are made and something was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finish {
    /// How.
    pub how: FinishHow,
    /// The list and field whose values are the evidence.
    pub evidence: Option<(String, String)>,
}

/// How a task ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishHow {
    /// Done.
    Done,
    /// Done, except for what is kept.
    Partial {
        /// What is kept.
        kept: String,
        /// The ground.
        ground: String,
    },
    /// Hidden; purged after a while.
    Suppressed {
        /// How long after.
        purged_after: Duration,
    },
}

impl Declaration {
    /// The kinds of tasks that it serves.
    pub fn kinds(&self) -> Vec<Kind> {
        match &self.service {
            Service::Manual(manual) => manual.kinds.iter().copied().collect(),
            Service::Calls(calls) => calls.tasks.keys().copied().collect(),
        }
    }

    /// The kinds of tasks that it takes: what it does not serve fails at once, so that a person hears of
    /// it, unless another program is said to lease it.
    pub fn takes(&self) -> Vec<Kind> {
        let kinds = Kind::ALL.into_iter();
        let taken = kinds.filter(|kind| *kind != Kind::ProvideCopy && !self.leaves.contains(kind));
        taken.collect()
    }

    /// Every URL that it names.
    pub fn urls(&self) -> Vec<&UrlTemplate> {
        let Service::Calls(calls) = &self.service else {
            return Vec::new();
        };
        let mut urls = Vec::new();
        if let Authentication::OAuth2(oauth) = &calls.authentication {
            urls.push(&oauth.token_url);
        }
        for step in calls.tasks.values().flat_map(|program| &program.steps) {
            if let Action::Call(call) = &step.action {
                urls.push(&call.url);
                urls.extend(call.look.as_ref().map(|look| &look.url));
            }
        }
        urls
    }

    /// Where its settings and its secrets are, each with its path in the file.
    pub fn values(&self) -> Vec<(String, &ValueSource)> {
        let Service::Calls(calls) = &self.service else {
            return Vec::new();
        };
        let settings = calls.settings.iter().map(|value| ("settings", value));
        let secrets = calls.secrets.iter().map(|value| ("secrets", value));
        settings
            .chain(secrets)
            .map(|(section, (name, source))| (format!("{section}.{name}"), source))
            .collect()
    }
}
