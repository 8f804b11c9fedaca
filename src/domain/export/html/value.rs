//! What an item holds, for people to read.

use serde_json::Value;

use super::{
    super::{model::ContentPart, words},
    text::{escape, escaped, given},
};
use jiff::tz::TimeZone;

/// Beginnings of files that a browser shows as a picture and that cannot hold a script.
const PICTURES: [(&str, &str); 4] = [
    ("/9j/", "image/jpeg"),
    ("iVBORw0KGg", "image/png"),
    ("R0lGODdh", "image/gif"),
    ("R0lGODlh", "image/gif"),
];

/// Appends the content of an item.
pub(super) fn content(out: &mut String, part: &ContentPart, zone: &TimeZone) {
    match part {
        ContentPart::Text { text } if text.is_empty() => {
            out.push_str("<p class=\"quiet\">(empty)</p>\n");
        }
        ContentPart::Text { text } => {
            out.push_str("<div class=\"value\">");
            escape(out, text);
            out.push_str("</div>\n");
        }
        ContentPart::Json { json } => {
            out.push_str("<div class=\"value\">");
            value(out, json);
            out.push_str("</div>\n");
        }
        ContentPart::Bytes { bytes, base64 } => file(out, *bytes, base64),
        ContentPart::NotKept => out.push_str(
            "<p class=\"quiet\">The value itself is not stored; only that it was collected.</p>\n",
        ),
        ContentPart::HeldElsewhere {
            holder,
            locator,
            handed_over,
            handed_over_at,
        } => {
            let at = handed_over_at.map(|at| words::instant(at, zone));
            elsewhere(out, (holder.as_str(), locator), handed_over.as_deref(), at);
            if let Some(part) = handed_over {
                content(out, part, zone);
            }
        }
    }
}

fn elsewhere(
    out: &mut String,
    (holder, locator): (&str, &str),
    handed_over: Option<&ContentPart>,
    at: Option<String>,
) {
    let (holder, locator) = (given(holder), given(locator));
    let fate = match (handed_over, at) {
        (Some(_), Some(at)) => format!("It handed this over on {at}:"),
        (Some(_), None) => "It handed this over:".into(),
        (None, _) => "It has not handed the value over for this copy; ask us for it.".into(),
    };
    out.push_str(&format!(
        "<p>Held by our service {holder}, under <em>{locator}</em>. {fate}</p>\n"
    ));
}

/// A picture is shown; another file can be saved. Neither needs anything from elsewhere.
fn file(out: &mut String, bytes: usize, base64: &str) {
    let size = words::counted(bytes as u64, "byte");
    out.push_str("<div class=\"value\">");
    match PICTURES.iter().find(|(start, _)| base64.starts_with(start)) {
        Some((_, kind)) => out.push_str(&format!(
            "<img alt=\"Picture of {size}\" src=\"data:{kind};base64,{base64}\">"
        )),
        None => out.push_str(&format!(
            "A file of {size}: <a download=\"file\" \
             href=\"data:application/octet-stream;base64,{base64}\">save it</a>"
        )),
    }
    out.push_str("</div>\n");
}

fn value(out: &mut String, json: &Value) {
    match json {
        Value::Null => out.push_str("(nothing)"),
        Value::Bool(true) => out.push_str("yes"),
        Value::Bool(false) => out.push_str("no"),
        Value::Number(number) => escape(out, &number.to_string()),
        Value::String(text) => escape(out, text),
        Value::Array(values) if values.is_empty() => out.push_str("(none)"),
        Value::Array(values) => {
            out.push_str("<ol>");
            for one in values {
                out.push_str("<li>");
                value(out, one);
                out.push_str("</li>");
            }
            out.push_str("</ol>");
        }
        Value::Object(fields) if fields.is_empty() => out.push_str("(none)"),
        Value::Object(fields) => {
            out.push_str("<dl>");
            for (name, one) in fields {
                out.push_str(&format!("<dt>{}</dt><dd>", escaped(name)));
                value(out, one);
                out.push_str("</dd>");
            }
            out.push_str("</dl>");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::{Engine, engine::general_purpose::STANDARD};

    fn rendered(part: &ContentPart) -> String {
        let mut out = String::new();
        content(&mut out, part, &TimeZone::UTC);
        out
    }

    fn bytes(bytes: &[u8]) -> ContentPart {
        ContentPart::Bytes {
            bytes: bytes.len(),
            base64: STANDARD.encode(bytes),
        }
    }

    #[test]
    fn json_becomes_nested_lists_in_which_nothing_is_markup() {
        let json = serde_json::json!({"<b>": ["<i>", {"paid": true, "note": null}]});
        let html = rendered(&ContentPart::Json { json });
        assert_eq!(
            html,
            "<div class=\"value\"><dl><dt>&lt;b&gt;</dt><dd><ol><li>&lt;i&gt;</li><li><dl>\
             <dt>note</dt><dd>(nothing)</dd><dt>paid</dt><dd>yes</dd></dl></li></ol></dd></dl></div>\n"
        );
    }

    #[test]
    fn a_picture_is_shown_and_what_could_hold_a_script_is_only_saved() {
        let png = rendered(&bytes(b"\x89PNG\r\n\x1a\nrest"));
        assert!(
            png.contains("<img") && png.contains("data:image/png;base64,"),
            "{png}"
        );
        let svg = rendered(&bytes(b"<svg onload='x()'>"));
        assert!(
            !svg.contains("<img") && svg.contains("data:application/octet-stream"),
            "{svg}"
        );
    }

    #[test]
    fn what_a_holder_did_not_hand_over_is_said_to_lie_there() {
        let html = rendered(&ContentPart::HeldElsewhere {
            holder: "crm".parse().expect("a source"),
            locator: "crm://<1>".into(),
            handed_over: None,
            handed_over_at: None,
        });
        assert!(
            html.contains("crm://&lt;1&gt;") && html.contains("has not handed"),
            "{html}"
        );
    }
}
