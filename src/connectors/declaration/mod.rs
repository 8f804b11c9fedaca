//! Declarations: one YAML file per processor says which HTTP calls a task is. A connector is
//! declared, not programmed.
//!
//! Reading one reports every problem at once, with line and column where there is one.

mod check;
pub mod limits;
pub mod model;
mod node;
mod place;
pub mod problem;
mod read;
mod rules;
mod steps;
#[cfg(test)]
mod tests;

use self::{
    model::Declaration,
    place::{Place, Problems},
    problem::Problem,
};

/// Reads and checks the text of a file.
pub fn read(text: &str) -> Result<Declaration, Vec<Problem>> {
    if text.len() as u64 > limits::FILE_BYTES_MAX {
        let what = format!("has more than {} bytes", limits::FILE_BYTES_MAX);
        return Err(vec![Problem::new("", what)]);
    }
    let root = node::from_yaml(text).map_err(|problem| vec![problem])?;
    let problems = Problems::default();
    let place = Place {
        node: &root,
        path: String::new(),
        problems: &problems,
    };
    let declaration = place.fields(read::declaration);
    let mut problems = problems.into_inner();
    if let Some(declaration) = &declaration {
        problems.extend(check::check(declaration));
    }
    problems.sort();
    declaration.filter(|_| problems.is_empty()).ok_or(problems)
}
