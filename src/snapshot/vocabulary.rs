//! The names that packed states and tables have numbers for: read without a lock, and grown seldom.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::domain::compact::{Names, Number};

/// Gives the number of a name, if it has one.
pub(super) type Numbering<'n> = &'n mut dyn FnMut(&str) -> Option<Number>;

/// Names and their numbers. It only grows, so a number that was read once means the same for ever.
#[derive(Debug, Default)]
pub(super) struct Vocabulary {
    names: ArcSwap<Names>,
    growing: Mutex<()>,
}

impl Vocabulary {
    /// As it is.
    pub(super) fn names(&self) -> Arc<Names> {
        self.names.load_full()
    }

    /// What `packing` makes of the numbers of its names; names that have none get one first. `None`: it cannot be
    /// made, or no number is left.
    pub(super) fn number<T>(&self, packing: impl Fn(Numbering<'_>) -> Option<T>) -> Option<T> {
        let names = self.names();
        if let Some(packed) = packing(&mut |name| names.number(name)) {
            return Some(packed);
        }
        let _growing = self.growing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names = Names::clone(&self.names.load());
        let before = names.len();
        let packed = packing(&mut |name| names.take_in(name));
        if names.len() > before {
            self.names.store(Arc::new(names));
        }
        packed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_grows_by_what_is_asked_for_and_keeps_what_it_has() {
        let vocabulary = Vocabulary::default();
        let both = |numbering: Numbering<'_>| Some([numbering("news")?, numbering("email")?]);
        let first = vocabulary.number(both);
        assert_eq!(first, vocabulary.number(both));
        assert_eq!(vocabulary.names().len(), 2);
        assert_eq!(vocabulary.number(|_| None::<()>), None);
    }
}
