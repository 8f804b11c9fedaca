//! The copy as one page that a layman can read: no scripts, nothing from elsewhere, readable on a
//! phone and on paper.

mod entry;
mod front;
mod text;
mod value;

use jiff::tz::TimeZone;

pub use self::entry::{consent, disclosure, item};
use self::text::{escape, escaped};
use super::{
    Section,
    model::{Head, Named, Totals},
    words,
};

const STYLE: &str = include_str!("html/style.css");
/// What stands under a data category of which nothing is left.
pub const NOTHING_LEFT: &str =
    "<p class=\"quiet\">Nothing of it was stored any more when this part was written.</p>\n";

/// Everything before the entries: the beginning of the page, what applies to all of it, and a table of
/// contents.
pub fn head(head: &Head, zone: &TimeZone) -> String {
    let mut out = String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n");
    out.push_str("<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    // Should anything have slipped through, a browser neither runs nor loads it.
    out.push_str(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\n",
    );
    out.push_str("<meta name=\"referrer\" content=\"no-referrer\">\n");
    out.push_str("<title>Your personal data at ");
    escape(&mut out, &head.controller.name);
    out.push_str("</title>\n<style>\n");
    out.push_str(STYLE);
    out.push_str("</style>\n</head>\n<body>\n");
    front::front(&mut out, head, zone);
    out.push_str(opening(Section::Items));
    if head.overview.is_empty() {
        out.push_str("<p>Nothing is stored.</p>\n");
    }
    out
}

/// The heading of the items of one data category.
pub fn data_category(named: &Named) -> String {
    format!(
        "<h3 id=\"{}\">{}</h3>\n",
        anchor(named),
        escaped(&named.title)
    )
}

/// Closes a list and opens the next. `entries` is how many the closed one had.
pub fn next(closed: Section, entries: u64, section: Section) -> String {
    let mut out = nothing(closed, entries);
    out.push_str(opening(section));
    out
}

/// Closes the last list and the page.
pub fn foot(last: Section, totals: &Totals) -> String {
    let mut out = nothing(last, totals.consents);
    out.push_str("<h2 id=\"end\">End of this copy</h2>\n<p>It holds ");
    out.push_str(&words::counted(totals.items, "piece"));
    out.push_str(" of data, ");
    out.push_str(&words::counted(totals.disclosures, "time"));
    out.push_str(" that data was passed on, and ");
    out.push_str(&words::counted(totals.consents, "answer"));
    out.push_str(" of yours on consent.</p>\n");
    if totals.items_not_handed_over > 0 {
        out.push_str("<p class=\"note\">");
        out.push_str(&words::counted(totals.items_not_handed_over, "piece"));
        out.push_str(
            " of data could not be fetched from where it is held; each says so in its place.</p>\n",
        );
    }
    out.push_str("</body>\n</html>\n");
    out
}

fn opening(section: Section) -> &'static str {
    match section {
        Section::Items => "<h2 id=\"data\">Your data in full</h2>\n",
        Section::Disclosures => {
            "<h2 id=\"passed-on\">Each time your data was passed on</h2>\n\
             <p class=\"quiet\">Latest first.</p>\n"
        }
        Section::Consents => {
            "<h2 id=\"consents\">What you said about consent</h2>\n\
             <p class=\"quiet\">Latest first. What you said last about a purpose is what counts.</p>\n"
        }
    }
}

fn nothing(section: Section, entries: u64) -> String {
    let text = match section {
        Section::Disclosures if entries == 0 => "<p>Nothing is recorded as passed on.</p>\n",
        Section::Consents if entries == 0 => "<p>Nothing is recorded.</p>\n",
        _ => "",
    };
    text.into()
}

/// Names of data categories have no characters that an attribute could not take.
fn anchor(named: &Named) -> String {
    format!("data-{}", escaped(&named.name))
}
