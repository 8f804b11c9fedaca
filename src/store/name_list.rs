//! Lists of names in one column: `|a|b|`, so that one of them can be looked for.

use sea_orm::{
    ColumnTrait, Condition,
    sea_query::{LikeExpr, SimpleExpr},
};

/// The column's text. No name has a `|`.
pub(super) fn write<N: AsRef<str>>(names: &[N]) -> String {
    let mut text = String::new();
    for name in names {
        text.push('|');
        text.push_str(name.as_ref());
    }
    if !text.is_empty() {
        text.push('|');
    }
    text
}

/// The names back. `None`: the text is not a list of such names.
pub(super) fn read<N: std::str::FromStr>(text: &str) -> Option<Vec<N>> {
    text.split('|')
        .filter(|name| !name.is_empty())
        .map(|name| name.parse().ok())
        .collect()
}

/// Rows whose list has one of `names`.
pub(super) fn has_any<N: AsRef<str>>(column: impl ColumnTrait, names: &[N]) -> Condition {
    names.iter().fold(Condition::any(), |any, name| {
        any.add(has(column, name.as_ref()))
    })
}

fn has(column: impl ColumnTrait, name: &str) -> SimpleExpr {
    // `_` stands in names and means any character to LIKE.
    let pattern = format!("%|{}|%", name.replace('_', "\\_"));
    column.like(LikeExpr::new(pattern).escape('\\'))
}
