//! The package as JSON: one object whose lists come last, an entry per
//! line. What is behind the last list tells that the package is whole.

use serde::Serialize;

use super::{
    Section,
    model::{Head, Totals},
};

/// The part before the first list, which it opens.
pub fn head(head: &Head, first: Section) -> serde_json::Result<String> {
    let mut text = serde_json::to_string(head)?;
    text.pop();
    text.push(',');
    open(&mut text, first);
    Ok(text)
}

/// One entry of a list.
pub fn entry(part: &impl Serialize, is_first: bool) -> serde_json::Result<String> {
    let mut text = String::from(if is_first { "\n" } else { ",\n" });
    text.push_str(&serde_json::to_string(part)?);
    Ok(text)
}

/// Closes a list and opens the next.
pub fn next(section: Section) -> String {
    let mut text = String::from("\n],");
    open(&mut text, section);
    text
}

/// Closes the last list and the package.
pub fn foot(totals: &Totals) -> serde_json::Result<String> {
    let totals = serde_json::to_string(totals)?;
    Ok(format!("\n],\n\"totals\":{totals}}}\n"))
}

fn open(text: &mut String, section: Section) {
    text.push_str("\n\"");
    text.push_str(section.as_str());
    text.push_str("\":[");
}
