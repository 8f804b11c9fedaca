//! What commands print: tables for people, the messages themselves as JSON for machines.

use std::io::{self, Write};

use anyhow::{Context, Result};
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};
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
    /// For machines: the message in the JSON of protobuf, one on a line.
    Json,
}

/// A message of the contract by its name, to read it from JSON or write it so.
pub fn descriptor(name: &str) -> Result<prost_reflect::MessageDescriptor> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).context("the contract's descriptors")?;
    pool.get_message_by_name(&format!("personaldata.registry.v1.{name}"))
        .with_context(|| format!("the contract has no message {name}"))
}

/// Prints a message as one line of JSON, with the names of the contract.
pub fn print_json<M: Message>(name: &str, message: &M) -> Result<()> {
    let dynamic = DynamicMessage::decode(descriptor(name)?, message.encode_to_vec().as_slice())?;
    let options = SerializeOptions::new().use_proto_field_name(true);
    let mut line = Vec::new();
    let mut serializer = serde_json::Serializer::new(&mut line);
    dynamic.serialize_with_options(&mut serializer, &options)?;
    line.push(b'\n');
    Ok(io::stdout().write_all(&line)?)
}

/// Prints any value as one line of JSON.
pub fn print_value(value: &impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}

/// A table with these columns.
pub fn table(columns: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(UTF8_BORDERS_ONLY)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(columns);
    table
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
    for violation in bad_request.unwrap_or_default() {
        text.push_str(&format!(
            "\n  {}: {}",
            violation.field, violation.description
        ));
    }
    anyhow::Error::msg(text)
}

/// The name of an enum value without its prefix: `EFFECT_ALLOW` → `ALLOW`.
pub fn short<'n>(name: &'n str, prefix: &str) -> &'n str {
    name.strip_prefix(prefix).unwrap_or(name)
}
