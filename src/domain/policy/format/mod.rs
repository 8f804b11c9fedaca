//! The policy as text: YAML that people write, and a canonical JSON of the same shape in which
//! a published version is kept.
//!
//! Text becomes a tree of nodes with positions (`node`), the tree becomes a policy (`read`, with
//! the words of `place`), and `write` goes the other way. Reading goes on after a mistake, so that
//! all mistakes of shape are reported at once.

mod node;
mod place;
mod positions;
mod read;
mod write;

pub use positions::Positions;
pub use write::to_json;

use super::{
    finding::{Finding, FindingCode},
    limits::POLICY_BYTES_MAX,
    model::Policy,
};

/// Reads a policy file. The findings are every mistake of shape, with line and column; whether
/// the policy makes sense is for `CompiledPolicy::compile` to say, and [`Positions::locate`] puts
/// lines and columns to what it and lint find.
pub fn parse_yaml(text: &str) -> Result<(Policy, Positions), Vec<Finding>> {
    if text.len() > POLICY_BYTES_MAX {
        let message = format!("the file has more than {POLICY_BYTES_MAX} bytes");
        return Err(vec![Finding::error(FindingCode::TextTooLong, "", message)]);
    }
    let root = node::from_yaml(text).map_err(|finding| vec![finding])?;
    let positions = Positions::of(&root);
    match read::policy(&root) {
        Ok(policy) => Ok((policy, positions)),
        Err(mut findings) => {
            positions.locate(&mut findings);
            Err(findings)
        }
    }
}

/// Reads the form that [`to_json`] writes.
pub fn from_json(text: &str) -> Result<Policy, Vec<Finding>> {
    let value = serde_json::from_str(text)
        .map_err(|error| vec![Finding::error(FindingCode::Syntax, "", error.to_string())])?;
    read::policy(&node::Node::from_json(value))
}

#[cfg(test)]
mod tests;
