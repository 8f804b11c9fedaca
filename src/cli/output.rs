//! What commands print: tables for people, the messages themselves as JSON for machines.
//!
//! What comes from data is shown with its control characters escaped: a name must not be able to
//! move the cursor of whoever reads it.

use std::{
    borrow::Cow,
    fmt,
    io::{self, Write},
    sync::LazyLock,
};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use jiff::Timestamp;
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
use prost_types::value::Kind;
use serde::Serialize;
use tonic::Status;
use tonic_types::StatusExt;

use crate::proto::FILE_DESCRIPTOR_SET;

/// For whom output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    #[default]
    Table,
    /// For machines: messages in the JSON of protobuf, one on a line.
    Json,
}

impl Output {
    /// Shows an answer: to people as `render` has it, to machines as it is.
    pub fn show<M: Message>(
        self,
        name: &str,
        message: &M,
        render: impl FnOnce(&M) -> String,
    ) -> Result<()> {
        match self {
            Self::Json => print_json(name, message),
            Self::Table => print(&render(message)),
        }
    }
}

/// A table for people.
pub struct Grid(Table);

impl Grid {
    /// A table with these columns.
    pub fn new(columns: &[&str]) -> Self {
        let mut table = Table::new();
        table
            .load_style(UTF8_BORDERS_ONLY)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_header(columns);
        Self(table)
    }

    /// Adds a row.
    pub fn row<C: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.0.add_row(
            cells
                .into_iter()
                .map(|cell| printable(cell.as_ref()).into_owned()),
        );
    }

    /// Whether it has no row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Grid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.0)
    }
}

/// A message of the contract by its name, to read it from JSON or write it so.
pub fn descriptor(name: &str) -> Result<prost_reflect::MessageDescriptor> {
    static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
        DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the descriptors were made by the build")
    });
    POOL.get_message_by_name(&format!("personaldata.registry.v1.{name}"))
        .with_context(|| format!("the contract has no message {name}"))
}

/// Reads a message in the JSON of protobuf. Unknown fields are refused.
pub fn read_json<M: Message + Default>(name: &str, text: &str) -> Result<M> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let message = DynamicMessage::deserialize(descriptor(name)?, &mut deserializer)?;
    deserializer.end()?;
    Ok(M::decode(message.encode_to_vec().as_slice())?)
}

/// A message as a value of JSON, with the names of the contract.
pub fn json<M: Message>(name: &str, message: &M) -> Result<serde_json::Value> {
    let dynamic = DynamicMessage::decode(descriptor(name)?, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    Ok(dynamic.serialize_with_options(serde_json::value::Serializer, &options)?)
}

/// A JSON object of the contract as a value of JSON.
pub fn json_of_struct(object: &prost_types::Struct) -> serde_json::Value {
    let fields = object.fields.iter();
    fields
        .map(|(name, value)| (name.clone(), json_of_value(value)))
        .collect::<serde_json::Map<_, _>>()
        .into()
}

fn json_of_value(value: &prost_types::Value) -> serde_json::Value {
    match &value.kind {
        None | Some(Kind::NullValue(_)) => serde_json::Value::Null,
        Some(Kind::NumberValue(number)) => (*number).into(),
        Some(Kind::StringValue(text)) => text.clone().into(),
        Some(Kind::BoolValue(flag)) => (*flag).into(),
        Some(Kind::StructValue(object)) => json_of_struct(object),
        Some(Kind::ListValue(list)) => list.values.iter().map(json_of_value).collect(),
    }
}

/// Prints a message as one line of JSON, with the names of the contract.
pub fn print_json<M: Message>(name: &str, message: &M) -> Result<()> {
    print_value(&json(name, message)?)
}

/// Prints any value as one line of JSON.
pub fn print_value(value: &impl Serialize) -> Result<()> {
    let mut line = json_line(&serde_json::to_string(value)?);
    line.push('\n');
    print(&line)
}

/// Writes text to standard output at once.
pub fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Text from data as a terminal may see it.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len());
    for char in text.chars() {
        if is_unsafe(char) {
            shown.extend(char.escape_default());
        } else {
            shown.push(char);
        }
    }
    Cow::Owned(shown)
}

/// An instant, to the second; empty when there is none.
pub fn time(at: Option<&prost_types::Timestamp>) -> String {
    at.and_then(|at| Timestamp::new(at.seconds, at.nanos).ok())
        .map(|at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
        .unwrap_or_default()
}

/// A refusal, as a person reads it: the reason, the message, every field.
pub fn refusal(status: &Status) -> anyhow::Error {
    let details = status.get_error_details();
    let reason = details
        .error_info()
        .map(|info| format!("{}: ", info.reason));
    let mut text = format!("{}{}", reason.unwrap_or_default(), status.message());
    let bad_request = details
        .bad_request()
        .map(|bad| bad.field_violations.as_slice());
    let wrong = bad_request.unwrap_or_default().iter();
    let mut lines: Vec<_> = wrong
        .map(|violation| (violation.field.as_str(), violation.description.as_str()))
        .collect();
    let failed = details
        .precondition_failure()
        .map(|failure| failure.violations.as_slice());
    let failed = failed.unwrap_or_default().iter();
    lines.extend(
        failed.map(|violation| (violation.subject.as_str(), violation.description.as_str())),
    );
    text = printable(&text).into_owned();
    for (field, description) in lines {
        text.push_str(&format!(
            "\n  {}: {}",
            printable(field),
            printable(description)
        ));
    }
    anyhow::Error::msg(text)
}

/// The name of an enum value without its prefix: `EFFECT_ALLOW` → `ALLOW`.
pub fn short<'n>(name: &'n str, prefix: &str) -> &'n str {
    name.strip_prefix(prefix).unwrap_or(name)
}

/// Control characters, and those that turn or hide text.
fn is_unsafe(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

// Outside of its strings JSON has none of these characters; inside they have an escape.
fn json_line(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    for char in line.chars() {
        if is_unsafe(char) {
            shown.push_str(&format!("\\u{:04x}", u32::from(char)));
        } else {
            shown.push(char);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::Identifier;

    #[test]
    fn a_name_cannot_move_the_cursor_nor_turn_the_line() {
        assert_eq!(printable("Ada Löv 💌"), "Ada Löv 💌");
        assert_eq!(printable("\u{1b}[2J\n\u{9b}"), "\\u{1b}[2J\\n\\u{9b}");
        assert_eq!(printable("a\u{202e}b"), "a\\u{202e}b");
        let mut grid = Grid::new(&["a"]);
        grid.row(["x\u{7}y"]);
        assert!(!grid.to_string().contains('\u{7}'));
    }

    #[test]
    fn json_stays_the_same_json_with_its_control_characters_escaped() {
        let value = serde_json::json!({"a": "\u{1b}\u{9b}\u{202e}é"});
        let line = json_line(&value.to_string());
        assert!(!line.contains(is_unsafe), "{line:?}");
        assert_eq!(
            serde_json::from_str::<serde_json::Value>(&line).unwrap(),
            value
        );
    }

    #[test]
    fn a_message_comes_back_from_its_json_and_unknown_fields_are_refused() {
        let read: Identifier =
            read_json("Identifier", r#"{"type":"email","value":"a@b"}"#).unwrap();
        assert_eq!(
            (read.r#type.as_str(), read.value.as_str()),
            ("email", "a@b")
        );
        assert_eq!(json("Identifier", &read).unwrap()["value"], "a@b");
        for wrong in [r#"{"typ":"email"}"#, "{}{}", "[]", ""] {
            assert!(
                read_json::<Identifier>("Identifier", wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
