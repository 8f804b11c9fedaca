//! Contents of items, and the choices of consent.

use prost_types::{Struct, Value as ProtoValue, value::Kind};
use serde_json::{Map, Number, Value};

use super::{Parse, Parsed};
use crate::{
    domain::{
        consent::{ConsentChoice, EvidenceMethod, GivenBy},
        item::{CONTENT_BYTES_MAX, Content},
    },
    proto::v1::{self, correct_record_request, item},
};

// Deeper objects are refused: nobody collects them, and reading them back must not run out of stack.
const JSON_DEPTH_MAX: usize = 32;

impl Parse {
    /// The content of an item.
    pub fn content(&mut self, content: item::Content) -> Parsed<Content> {
        match content {
            item::Content::Text(text) => self
                .text("text", text, CONTENT_BYTES_MAX)
                .map(Content::Text),
            item::Content::Json(object) => self.json(object),
            item::Content::Blob(bytes) => self.blob(bytes),
            item::Content::Locator(locator) => self
                .text("locator", locator, CONTENT_BYTES_MAX)
                .map(Content::Locator),
        }
    }

    /// What the person said; a withdrawal has a call of its own.
    pub fn consent_choice(&mut self, number: i32) -> Parsed<ConsentChoice> {
        if number == v1::ConsentChoice::Withdrawn as i32 {
            return Err(self.refuse("choice", "must not be WITHDRAWN: call WithdrawConsent"));
        }
        self.choice("choice", number, |choice| match choice {
            v1::ConsentChoice::Given => Some(ConsentChoice::Given),
            v1::ConsentChoice::Refused => Some(ConsentChoice::Refused),
            v1::ConsentChoice::Pending => Some(ConsentChoice::Pending),
            v1::ConsentChoice::Withdrawn | v1::ConsentChoice::Unspecified => None,
        })
    }

    /// How the person said it, if that is said.
    pub fn evidence_method(&mut self, number: i32) -> Parsed<EvidenceMethod> {
        self.choice("method", number, |method| match method {
            v1::EvidenceMethod::Unspecified => Some(EvidenceMethod::NotStated),
            v1::EvidenceMethod::Checkbox => Some(EvidenceMethod::Checkbox),
            v1::EvidenceMethod::Form => Some(EvidenceMethod::Form),
            v1::EvidenceMethod::DoubleOptIn => Some(EvidenceMethod::DoubleOptIn),
            v1::EvidenceMethod::Signature => Some(EvidenceMethod::Signature),
            v1::EvidenceMethod::Oral => Some(EvidenceMethod::Oral),
            v1::EvidenceMethod::ImpliedByUse => Some(EvidenceMethod::ImpliedByUse),
            v1::EvidenceMethod::PreTicked => Some(EvidenceMethod::PreTicked),
            v1::EvidenceMethod::Imported => Some(EvidenceMethod::Imported),
        })
    }

    /// On whose behalf; the subject's when it is not said.
    pub fn given_by(&mut self, number: i32) -> Parsed<GivenBy> {
        self.choice("given_by", number, |given_by| match given_by {
            v1::GivenBy::Unspecified | v1::GivenBy::Subject => Some(GivenBy::Subject),
            v1::GivenBy::Guardian => Some(GivenBy::Guardian),
            v1::GivenBy::Agent => Some(GivenBy::Agent),
        })
    }

    fn blob(&mut self, bytes: Vec<u8>) -> Parsed<Content> {
        if bytes.len() > CONTENT_BYTES_MAX {
            return Err(self.content_too_long("blob"));
        }
        Ok(Content::Blob(bytes))
    }

    fn json(&mut self, object: Struct) -> Parsed<Content> {
        let Some(value) = json_object(object, JSON_DEPTH_MAX) else {
            let rule = format!(
                "must be JSON: finite numbers, every value set, at most {JSON_DEPTH_MAX} levels deep"
            );
            return Err(self.refuse("json", rule));
        };
        if value.to_string().len() > CONTENT_BYTES_MAX {
            return Err(self.content_too_long("json"));
        }
        Ok(Content::Json(value))
    }

    fn content_too_long(&mut self, field: &str) -> super::Reported {
        self.refuse(
            field,
            format!("must have at most {CONTENT_BYTES_MAX} bytes"),
        )
    }
}

impl From<correct_record_request::Content> for item::Content {
    fn from(content: correct_record_request::Content) -> Self {
        use correct_record_request::Content as Corrected;
        match content {
            Corrected::Text(text) => Self::Text(text),
            Corrected::Json(object) => Self::Json(object),
            Corrected::Blob(bytes) => Self::Blob(bytes),
            Corrected::Locator(locator) => Self::Locator(locator),
        }
    }
}

fn json_object(object: Struct, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    let mut map = Map::new();
    for (key, value) in object.fields {
        map.insert(key, json(value, depth)?);
    }
    Some(Value::Object(map))
}

fn json(value: ProtoValue, depth: usize) -> Option<Value> {
    match value.kind? {
        Kind::NullValue(_) => Some(Value::Null),
        Kind::BoolValue(flag) => Some(Value::Bool(flag)),
        Kind::NumberValue(number) => Number::from_f64(number).map(Value::Number),
        Kind::StringValue(text) => Some(Value::String(text)),
        Kind::StructValue(object) => json_object(object, depth),
        Kind::ListValue(list) => {
            let depth = depth.checked_sub(1)?;
            let values = list.values.into_iter().map(|value| json(value, depth));
            values.collect::<Option<_>>().map(Value::Array)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(kind: Kind) -> Parsed<Content> {
        let value = ProtoValue { kind: Some(kind) };
        let fields = [("order".to_owned(), value)].into();
        Parse::new().content(item::Content::Json(Struct { fields }))
    }

    #[test]
    fn a_json_object_is_kept_as_it_is() {
        let content = json_of(Kind::NumberValue(1.5)).unwrap();
        assert_eq!(content, Content::Json(serde_json::json!({"order": 1.5})));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert!(json_of(Kind::NumberValue(f64::NAN)).is_err());
        assert!(json_of(Kind::NumberValue(f64::INFINITY)).is_err());
        let fields = [("unset".to_owned(), ProtoValue::default())].into();
        let unset = Parse::new().content(item::Content::Json(Struct { fields }));
        assert!(unset.is_err());
    }

    #[test]
    fn an_object_may_be_thirty_two_levels_deep_and_no_more() {
        let nested = |levels: usize| {
            let mut object = Struct::default();
            for _ in 1..levels {
                let kind = Some(Kind::StructValue(object));
                object = Struct {
                    fields: [("deeper".to_owned(), ProtoValue { kind })].into(),
                };
            }
            Parse::new().content(item::Content::Json(object))
        };
        assert!(nested(32).is_ok());
        assert!(nested(33).is_err());
    }

    #[test]
    fn content_keeps_to_its_limit() {
        let blob = |bytes| Parse::new().content(item::Content::Blob(vec![0; bytes]));
        assert!(blob(CONTENT_BYTES_MAX).is_ok());
        assert!(blob(CONTENT_BYTES_MAX + 1).is_err());
        let text = |bytes| Parse::new().content(item::Content::Text("x".repeat(bytes)));
        assert!(text(CONTENT_BYTES_MAX).is_ok());
        assert!(text(CONTENT_BYTES_MAX + 1).is_err());
    }

    #[test]
    fn a_withdrawal_is_not_recorded_as_a_choice() {
        let choice = |choice: v1::ConsentChoice| Parse::new().consent_choice(choice.into());
        assert_eq!(choice(v1::ConsentChoice::Given), Ok(ConsentChoice::Given));
        assert!(choice(v1::ConsentChoice::Withdrawn).is_err());
        assert!(choice(v1::ConsentChoice::Unspecified).is_err());
        assert!(Parse::new().consent_choice(99).is_err());
    }

    #[test]
    fn who_gives_consent_is_the_subject_unless_it_is_said() {
        assert_eq!(Parse::new().given_by(0), Ok(GivenBy::Subject));
        assert_eq!(Parse::new().given_by(2), Ok(GivenBy::Guardian));
        assert!(Parse::new().given_by(-1).is_err());
    }
}
