//! A document as a tree of nodes, each with its place in the file.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{DuplicateKeyPolicy, Spanned};

use crate::domain::policy::finding::{Finding, FindingCode, Position};

/// A node of the document.
pub(super) struct Node {
    pub value: Value,
    /// Where it begins; `None`: not read from a file.
    pub position: Option<Position>,
}

/// What a node holds.
pub(super) enum Value {
    Null,
    Bool(bool),
    /// Numbers have no place in a policy: `1.10` would become `1.1`.
    Number,
    Text(String),
    List(Vec<Node>),
    /// In file order, with repeated keys.
    Map(Vec<Entry>),
}

/// One entry of a mapping.
pub(super) struct Entry {
    pub key: String,
    pub key_position: Option<Position>,
    pub node: Node,
}

/// Reads YAML into a tree. Anchors and aliases are refused: a policy says things once per place.
pub(super) fn from_yaml(text: &str) -> Result<Node, Finding> {
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_aliases: 0, max_documents: 1 },
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        strict_booleans: true,
        with_snippet: false,
    };
    let root: Spanned<Value> =
        serde_saphyr::from_str_with_options(text, options).map_err(|error| syntax(&error))?;
    Ok(Node::from(root))
}

fn syntax(error: &serde_saphyr::Error) -> Finding {
    let position = error.location().and_then(position);
    let message = error.without_snippet().to_string();
    Finding {
        position,
        ..Finding::error(FindingCode::Syntax, "", message)
    }
}

fn position(location: serde_saphyr::Location) -> Option<Position> {
    let position = Position {
        line: location.line(),
        column: location.column(),
    };
    (position.line > 0).then_some(position)
}

impl Node {
    /// Takes over a JSON document.
    pub(super) fn from_json(value: serde_json::Value) -> Self {
        let value = match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(flag) => Value::Bool(flag),
            serde_json::Value::Number(_) => Value::Number,
            serde_json::Value::String(text) => Value::Text(text),
            serde_json::Value::Array(nodes) => {
                Value::List(nodes.into_iter().map(Self::from_json).collect())
            }
            serde_json::Value::Object(entries) => {
                let entries = entries.into_iter().map(|(key, value)| Entry {
                    key,
                    key_position: None,
                    node: Self::from_json(value),
                });
                Value::Map(entries.collect())
            }
        };
        Self {
            value,
            position: None,
        }
    }
}

impl From<Spanned<Value>> for Node {
    fn from(spanned: Spanned<Value>) -> Self {
        Self {
            position: position(spanned.referenced),
            value: spanned.value,
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(Value::Bool(flag))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(Value::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let mut nodes = Vec::new();
        while let Some(node) = list.next_element::<Spanned<Value>>()? {
            nodes.push(node.into());
        }
        Ok(Value::List(nodes))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, node)) = map.next_entry::<Spanned<String>, Spanned<Value>>()? {
            let key_position = position(key.referenced);
            entries.push(Entry {
                key: key.value,
                key_position,
                node: node.into(),
            });
        }
        Ok(Value::Map(entries))
    }
}
