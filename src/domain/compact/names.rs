//! Names as numbers: a name is compared by two bytes.

use std::{collections::HashMap, sync::Arc};

/// What stands for a name.
pub type Number = u16;

/// Most names that have a number; whoever has another one is not held in memory.
pub const NAMES_MAX: usize = 1 << 16;

/// Names and their numbers. A number is never given to another name.
#[derive(Clone, Debug, Default)]
pub struct Names {
    numbers: HashMap<Arc<str>, Number>,
    texts: Vec<Arc<str>>,
}

impl Names {
    /// The number of a name, if it has one.
    pub fn number(&self, name: &str) -> Option<Number> {
        self.numbers.get(name).copied()
    }

    /// The name of a number.
    pub fn text(&self, number: Number) -> Option<&str> {
        self.texts.get(usize::from(number)).map(AsRef::as_ref)
    }

    /// The number of a name, which gets one if it has none. `None`: there are [`NAMES_MAX`] already.
    pub fn take_in(&mut self, name: &str) -> Option<Number> {
        if let Some(number) = self.number(name) {
            return Some(number);
        }
        let number = Number::try_from(self.texts.len()).ok()?;
        let text: Arc<str> = name.into();
        self.texts.push(text.clone());
        self.numbers.insert(text, number);
        Some(number)
    }

    /// How many names have a number.
    pub fn len(&self) -> usize {
        self.texts.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.texts.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_number() {
        let mut names = Names::default();
        let number = names.take_in("newsletter").expect("there is room");
        assert_eq!(names.take_in("email"), Some(number + 1));
        assert_eq!(names.take_in("newsletter"), Some(number));
        assert_eq!(names.number("newsletter"), Some(number));
        assert_eq!(names.text(number), Some("newsletter"));
        assert_eq!((names.number("sms"), names.text(2)), (None, None));
    }

    #[test]
    fn when_every_number_is_given_another_name_gets_none() {
        let mut names = Names::default();
        for n in 0..NAMES_MAX {
            assert!(names.take_in(&n.to_string()).is_some());
        }
        assert_eq!(names.take_in("one more"), None);
        assert_eq!(names.take_in("7"), Some(7), "what has one keeps it");
    }
}
