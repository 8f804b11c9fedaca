//! Values back into messages, where several services need the same.

use jiff::{SignedDuration, Timestamp};
use prost_types::{Struct, value::Kind};
use serde_json::{Map, Value};
use uuid::{Uuid, fmt::Hyphenated};

use crate::{
    domain::item::{Content, Item, ItemState},
    proto::v1::{self, item},
};

/// An instant.
pub fn instant(at: Timestamp) -> prost_types::Timestamp {
    let seconds = at.as_second();
    // `subsec_nanosecond` has the sign of the instant; the message counts nanoseconds forward.
    let nanos = at.subsec_nanosecond();
    if nanos < 0 {
        prost_types::Timestamp {
            seconds: seconds - 1,
            nanos: nanos + 1_000_000_000,
        }
    } else {
        prost_types::Timestamp { seconds, nanos }
    }
}

/// A length of time.
pub fn duration(length: SignedDuration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: length.as_secs(),
        nanos: length.subsec_nanos(),
    }
}

/// Names or ids, as text.
pub fn texts<T: ToString>(names: &[T]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A name or id that may be absent, as text: empty when it is.
pub fn text<T: ToString>(name: Option<&T>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

/// A name that may be absent, as text: empty when it is.
pub fn name<T: AsRef<str>>(name: Option<&T>) -> String {
    name.map_or_else(String::new, |name| name.as_ref().to_owned())
}

/// An id as text, without the detour over a formatter: checks name many.
pub fn id(id: impl Into<Uuid>) -> String {
    let mut text = [0; Hyphenated::LENGTH];
    id.into().hyphenated().encode_lower(&mut text).to_owned()
}

/// An item with what it holds.
pub fn item(item: Item) -> v1::Item {
    v1::Item {
        item_key: item.key.expose().to_owned(),
        content: item.content.map(content),
        ..item_state(&item.state)
    }
}

/// An item without key and content.
pub fn item_state(state: &ItemState) -> v1::Item {
    v1::Item {
        item_id: state.item_id.to_string(),
        subject_category: state.subject_category.to_string(),
        data_category: state.data_category.to_string(),
        item_key: String::new(),
        content: None,
        source: state.source.to_string(),
        collected_at: Some(instant(state.collected_at)),
        policy_version: state.policy_version.to_string(),
        purposes: texts(&state.purposes),
    }
}

fn content(content: Content) -> item::Content {
    match content {
        Content::Text(text) => item::Content::Text(text),
        Content::Json(Value::Object(object)) => item::Content::Json(json_object(object)),
        // Only objects are taken in.
        Content::Json(_) => item::Content::Json(Struct::default()),
        Content::Blob(bytes) => item::Content::Blob(bytes),
        Content::Locator(locator) => item::Content::Locator(locator),
    }
}

/// A JSON object as the message that holds one; anything else: an empty one.
pub fn json_struct(value: Value) -> Struct {
    match value {
        Value::Object(object) => json_object(object),
        _ => Struct::default(),
    }
}

fn json_object(object: Map<String, Value>) -> Struct {
    let fields = object.into_iter();
    Struct {
        fields: fields.map(|(key, value)| (key, json(value))).collect(),
    }
}

fn json(value: Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(bool) => Kind::BoolValue(bool),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text),
        Value::Array(values) => Kind::ListValue(prost_types::ListValue {
            values: values.into_iter().map(json).collect(),
        }),
        Value::Object(object) => Kind::StructValue(json_object(object)),
    };
    prost_types::Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_the_epoch_counts_its_nanoseconds_forward() {
        let at: Timestamp = "1969-12-31T23:59:59.25Z".parse().unwrap();
        let rendered = instant(at);
        assert_eq!((rendered.seconds, rendered.nanos), (-1, 250_000_000));
    }

    #[test]
    fn what_is_absent_is_an_empty_text() {
        assert_eq!(text::<String>(None), "");
        assert_eq!(texts(&["a", "b"]), ["a", "b"]);
    }
}
