//! The three stages of a check: what is asked every day is answered as it came; what memory knows is answered once it
//! is read; and whatever else asks the database, on the runtime that is for that.

use std::sync::Arc;

use prost_types::Timestamp;

use super::{asked_data, express::Express, revision};
use crate::{
    app::{Error, Registry, decision::Answer, purpose::Check},
    domain::{
        as_of::AsOf, audit::Action, caller::Caller, decision::Query, revision::Revision,
        violation::Violations,
    },
    grpc::{
        batch::part,
        decision::{TRACE_STEPS_MAX, decision},
        layers::elsewhere::Elsewhere,
        parse::{Parse, Parsed},
    },
    proto::v1,
};

/// Answers checks.
#[derive(Clone)]
pub struct Checks {
    registry: Registry,
    elsewhere: Elsewhere,
}

/// What checks that came together have in common.
pub(super) struct Asked {
    pub(super) caller: Arc<Caller>,
    pub(super) action: Action,
    /// A state that every answer must include.
    pub(super) fresh: Option<Revision>,
    /// Steps of a trace of one of them.
    pub(super) steps_max: usize,
}

impl Checks {
    /// Reads the database on the runtime that this is called on.
    pub(super) fn new(registry: Registry) -> Self {
        Self {
            registry,
            elsewhere: Elsewhere::here(),
        }
    }

    /// Answers one.
    pub(super) async fn answer(
        &self,
        caller: Arc<Caller>,
        check: v1::CheckPurposeRequest,
    ) -> Result<v1::Decision, Error> {
        let action = Action::CheckPurpose;
        let mut express = Express::board(&self.registry, &caller, action, None)?;
        if let Some(decision) = express.answer(&check) {
            return Ok(decision);
        }
        drop(express);
        let asked = Asked {
            caller,
            action,
            fresh: None,
            steps_max: TRACE_STEPS_MAX,
        };
        let checks = vec![read_check(check)?];
        let answers = self.answer_read(&asked, checks).await?;
        let answer = answers.into_iter().next().unwrap_or_else(missing)?;
        Ok(decision(&answer, TRACE_STEPS_MAX))
    }

    /// Answers each in its place.
    pub(super) async fn answer_all(
        &self,
        asked: &Asked,
        checks: Vec<Result<v1::CheckPurposeRequest, Error>>,
    ) -> Result<Vec<Result<v1::Decision, Error>>, Error> {
        let mut answers = self.answer_at_once(asked, &checks)?;
        let left = checks.into_iter().zip(&answers);
        let left = left.filter_map(|(check, answer)| answer.is_none().then_some(check));
        let left: Vec<_> = left.map(|check| check.and_then(read_check)).collect();
        if !left.is_empty() {
            let (checks, places) = part(left);
            let mut read = places
                .fill(self.answer_read(asked, checks).await?)
                .into_iter();
            for answer in answers.iter_mut().filter(|it| it.is_none()) {
                let read = read.next();
                *answer = read.map(|it| it.map(|it| decision(&it, asked.steps_max)));
            }
        }
        let answers = answers.into_iter();
        Ok(answers.map(|it| it.unwrap_or_else(missing)).collect())
    }

    fn answer_at_once(
        &self,
        asked: &Asked,
        checks: &[Result<v1::CheckPurposeRequest, Error>],
    ) -> Result<Vec<Option<Result<v1::Decision, Error>>>, Error> {
        let Asked {
            caller,
            action,
            fresh,
            ..
        } = asked;
        let mut express = Express::board(&self.registry, caller, *action, *fresh)?;
        let at_once = checks.iter().map(|check| {
            let check = check.as_ref().ok()?;
            express.answer(check).map(Ok)
        });
        Ok(at_once.collect())
    }

    /// Answers what was read: from memory here, and from the database elsewhere.
    async fn answer_read(
        &self,
        asked: &Asked,
        checks: Vec<Check>,
    ) -> Result<Vec<Result<Answer, Error>>, Error> {
        let Asked {
            caller,
            action,
            fresh,
            ..
        } = asked;
        let mut answers = self.registry.recall(caller, *action, &checks, *fresh)?;
        let left = checks.into_iter().zip(&answers);
        let left = left.filter_map(|(check, answer)| answer.is_none().then_some(check));
        let left: Vec<_> = left.collect();
        if !left.is_empty() {
            let (registry, caller) = (self.registry.clone(), caller.clone());
            let (action, fresh) = (*action, *fresh);
            let read = async move { registry.check_purposes(caller, action, left, fresh).await };
            let mut read = self.elsewhere.run(read).await?.into_iter();
            for answer in answers.iter_mut().filter(|it| it.is_none()) {
                *answer = read.next();
            }
        }
        let answers = answers.into_iter();
        Ok(answers.map(|it| it.unwrap_or_else(missing)).collect())
    }
}

fn missing<T>() -> Result<T, Error> {
    Err(Error::Internal("a check was not answered".into()))
}

fn read_check(message: v1::CheckPurposeRequest) -> Result<Check, Error> {
    let mut parse = Parse::new();
    let subject = parse.subject("subject", message.subject);
    let asked = asked_data(&mut parse, message.data_categories, message.item_ids);
    let purpose = parse.name("purpose", &message.purpose);
    let processor = parse.optional_name("processor", &message.processor);
    let as_of = as_of(&mut parse, message.as_of, message.known_at, message.record);
    let (subject, query, as_of) = parse.finish(|| {
        let (data_categories, item_ids) = asked?;
        let query = Query {
            data_categories,
            item_ids,
            purpose: purpose?,
            processor: processor?,
        };
        Ok((subject?, query, as_of?))
    })?;
    Ok(Check {
        subject,
        query,
        at_least_as_fresh: revision(&message.at_least_as_fresh)?,
        explain: message.explain,
        record: message.record,
        as_of,
    })
}

fn as_of(
    parse: &mut Parse,
    as_of: Option<Timestamp>,
    known_at: Option<Timestamp>,
    record: bool,
) -> Parsed<Option<AsOf>> {
    let as_of = parse.instant("as_of", as_of);
    let known_at = parse.instant("known_at", known_at);
    let (as_of, known_at) = (as_of?, known_at?);
    let mut violations = Violations::default();
    let read = AsOf::read(as_of, known_at, record, &mut violations);
    parse.refuse_all(violations);
    Ok(read)
}
