//! Where in the file each field stands.

use std::collections::HashMap;

use super::node::{Node, Value};
use crate::domain::policy::finding::{Finding, Position};

/// Longest path that is kept, in bytes. Those of the format are far shorter; below a longer one
/// nothing is read, and a hostile file would have its key repeated for every node under it.
const PATH_BYTES_MAX: usize = 512;

/// Line and column of every field path of a file.
#[derive(Clone, Debug, Default)]
pub struct Positions {
    by_path: HashMap<String, Position>,
}

impl Positions {
    /// The place of a field; of the nearest field around it, at last the beginning, when it is not
    /// in the file.
    pub fn find(&self, field_path: &str) -> Option<Position> {
        let mut path = field_path;
        loop {
            if let Some(position) = self.by_path.get(path) {
                return Some(*position);
            }
            let end = path.rfind(['.', '[']).or((!path.is_empty()).then_some(0))?;
            path = &path[..end];
        }
    }

    /// Puts line and column to findings that have none yet.
    pub fn locate(&self, findings: &mut [Finding]) {
        for finding in findings {
            finding.position = finding.position.or_else(|| self.find(&finding.field_path));
        }
    }

    pub(super) fn of(root: &Node) -> Self {
        let mut positions = Self::default();
        positions.keep("", root.position);
        positions.visit(root, "");
        positions
    }

    fn visit(&mut self, node: &Node, path: &str) {
        if path.len() > PATH_BYTES_MAX {
            return;
        }
        match &node.value {
            Value::List(nodes) => {
                for (index, node) in nodes.iter().enumerate() {
                    let path = format!("{path}[{index}]");
                    self.keep(&path, node.position);
                    self.visit(node, &path);
                }
            }
            Value::Map(entries) => {
                for entry in entries {
                    let path = join(path, &entry.key);
                    // A block begins on the line after its key: the key is what people look for.
                    let is_block = matches!(
                        entry.node.value,
                        Value::List(_) | Value::Map(_) | Value::Null
                    );
                    let position = if is_block {
                        entry.key_position
                    } else {
                        entry.node.position
                    };
                    self.keep(&path, position);
                    self.visit(&entry.node, &path);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number | Value::Text(_) => {}
        }
    }

    fn keep(&mut self, path: &str, position: Option<Position>) {
        if let Some(position) = position {
            self.by_path.insert(path.to_owned(), position);
        }
    }
}

/// The path of a key below a path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() {
        key.to_owned()
    } else {
        format!("{path}.{key}")
    }
}
