//! Lists: how long they may be, and that nothing stands in them twice where that makes no sense.

use std::{collections::HashSet, fmt::Display, hash::Hash, str::FromStr};

use uuid::Uuid;

use super::{Parse, Parsed};
use crate::app::unjudged::Unjudged;

impl Parse {
    /// A list of at most `count_max` messages; the paths of their fields begin with `field[index]`.
    pub fn each<M, T>(
        &mut self,
        field: &str,
        messages: Vec<M>,
        count_max: usize,
        mut read: impl FnMut(&mut Self, M) -> Parsed<T>,
    ) -> Parsed<Vec<T>> {
        self.count(field, messages.len(), count_max)?;
        let mut values = Ok(Vec::with_capacity(messages.len()));
        for (index, message) in messages.into_iter().enumerate() {
            let value = self.within(&format!("{field}[{index}]"), |parse| read(parse, message));
            values = with(values, value);
        }
        values
    }

    /// A list of at most `count_max` names, each once.
    pub fn names<T: FromStr<Err: Display> + Clone + Eq + Hash>(
        &mut self,
        field: &str,
        names: Vec<String>,
        count_max: usize,
    ) -> Parsed<Vec<T>> {
        let mut seen = HashSet::with_capacity(names.len().min(count_max));
        self.each(field, names, count_max, |parse, name| {
            let name: T = parse.name("", &name)?;
            parse.once(&mut seen, name)
        })
    }

    /// As [`Parse::names`]; each is noted with its path as one that only the registry can judge.
    pub(super) fn names_noted<T: FromStr<Err: Display> + Clone + Eq + Hash>(
        &mut self,
        field: &str,
        names: Vec<String>,
        count_max: usize,
        note: impl Fn(&mut Unjudged, String, T),
    ) -> Parsed<Vec<T>> {
        let mut seen = HashSet::with_capacity(names.len().min(count_max));
        self.each(field, names, count_max, |parse, name| {
            let name: T = parse.name("", &name)?;
            let name = parse.once(&mut seen, name)?;
            let path = parse.path("");
            note(&mut parse.unjudged, path, name.clone());
            Ok(name)
        })
    }

    /// A list of at most `count_max` ids, each once.
    pub fn ids<T: From<Uuid> + Clone + Eq + Hash>(
        &mut self,
        field: &str,
        ids: Vec<String>,
        count_max: usize,
    ) -> Parsed<Vec<T>> {
        let mut seen = HashSet::with_capacity(ids.len().min(count_max));
        self.each(field, ids, count_max, |parse, id| {
            let id: T = parse.id("", &id)?;
            parse.once(&mut seen, id)
        })
    }

    /// That a list is not empty.
    pub fn some<T>(&mut self, field: &str, list: Parsed<Vec<T>>) -> Parsed<Vec<T>> {
        match list {
            Ok(list) if list.is_empty() => Err(self.refuse(field, "must not be empty")),
            list => list,
        }
    }

    /// That a list has at most `count_max` entries.
    pub fn count(&mut self, field: &str, count: usize, count_max: usize) -> Parsed<()> {
        if count > count_max {
            let rule = format!("has {count} entries; at most {count_max} are allowed");
            return Err(self.refuse(field, rule));
        }
        Ok(())
    }

    fn once<T: Clone + Eq + Hash>(&mut self, seen: &mut HashSet<T>, value: T) -> Parsed<T> {
        if seen.insert(value.clone()) {
            Ok(value)
        } else {
            Err(self.refuse("", "must not be repeated"))
        }
    }
}

fn with<T>(values: Parsed<Vec<T>>, value: Parsed<T>) -> Parsed<Vec<T>> {
    let mut values = values?;
    values.push(value?);
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{name::Purpose, violation::Violations};

    fn purposes(names: &[&str], count_max: usize) -> Result<Vec<Purpose>, Violations> {
        let mut parse = Parse::new();
        let names = names.iter().map(|&name| name.to_owned()).collect();
        let read = parse.names("purposes", names, count_max);
        parse.finish(|| read)
    }

    fn fields(violations: &Violations) -> Vec<&str> {
        violations.iter().map(|one| one.field.as_str()).collect()
    }

    #[test]
    fn every_bad_name_of_a_list_is_reported_with_its_place() {
        let violations = purposes(&["newsletter", "", "fine", "Not Fine"], 4).unwrap_err();
        assert_eq!(fields(&violations), ["purposes[1]", "purposes[3]"]);
    }

    #[test]
    fn a_name_given_twice_is_refused_where_it_stands_again() {
        let violations = purposes(&["a", "b", "a"], 4).unwrap_err();
        assert_eq!(fields(&violations), ["purposes[2]"]);
    }

    #[test]
    fn a_list_at_its_limit_is_read_and_one_past_it_is_refused_as_a_whole() {
        assert_eq!(purposes(&["a", "b"], 2).unwrap().len(), 2);
        let violations = purposes(&["a", "b", "Not Fine"], 2).unwrap_err();
        assert_eq!(fields(&violations), ["purposes"]);
    }

    #[test]
    fn a_list_that_must_not_be_empty_says_so() {
        let mut parse = Parse::new();
        let list = parse.some("purposes", Ok(Vec::<Purpose>::new()));
        assert_eq!(fields(&parse.finish(|| list).unwrap_err()), ["purposes"]);
    }
}
