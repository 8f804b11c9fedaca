//! Text into HTML. Whatever comes from a person, a service or a policy passes through here, and can
//! then be neither a tag nor an attribute, nor hide what stands beside it.

use std::fmt::Display;

/// Appends text that may be anything.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            // The picture of the control character, lest the page turns into something else.
            '\0'..='\x1f' => out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}')),
            '\x7f'..='\u{9f}' => out.push('\u{fffd}'),
            // They would turn round what is read: each of them is shown by its number.
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.push_str(&format!("[U+{:04X}]", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
}

/// The text, escaped.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    escape(&mut out, text);
    out
}

/// A value somebody gave, set apart from the sentence around it.
pub(super) fn given(text: &str) -> String {
    format!("<span class=\"given\">{}</span>", escaped(text))
}

/// A line of a list of facts: `what` is ours, `html` is escaped already.
pub(super) fn fact(out: &mut String, what: &str, html: impl Display) {
    out.push_str(&format!("<dt>{what}</dt><dd>{html}</dd>\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_said_becomes_markup() {
        assert_eq!(
            escaped("<script>alert('1')</script> & \"x\""),
            "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt; &amp; &quot;x&quot;"
        );
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(
            escaped("a\0b\x1b\n\u{202e}c\u{85}"),
            "a␀b␛\n[U+202E]c\u{fffd}"
        );
    }
}
