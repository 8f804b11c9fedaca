//! Many questions in one call: those that were understood are asked together, and every answer
//! stands where its question stood.

use crate::app::Error;

/// Where the questions stood that are asked, and the errors of those that are not.
pub struct Places(Vec<Result<(), Error>>);

/// Parts the questions that were understood from those that were not.
pub fn part<Q>(read: Vec<Result<Q, Error>>) -> (Vec<Q>, Places) {
    let mut understood = Vec::with_capacity(read.len());
    let places = read
        .into_iter()
        .map(|question| question.map(|question| understood.push(question)));
    let places = Places(places.collect());
    (understood, places)
}

impl Places {
    /// Puts the answers where their questions stood.
    pub fn fill<A>(self, answers: Vec<Result<A, Error>>) -> Vec<Result<A, Error>> {
        let mut answers = answers.into_iter();
        let results = self.0.into_iter().map(|place| {
            place?;
            let none = || Err(Error::Internal("a question was not answered".into()));
            answers.next().unwrap_or_else(none)
        });
        results.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_question_among_good_ones_leaves_their_answers_in_their_places() {
        let bad = || Err(Error::invalid("purpose", "bad"));
        let (asked, places) = part(vec![Ok('a'), bad(), Ok('b')]);
        assert_eq!(asked, ['a', 'b']);
        let filled = places.fill(vec![Ok(1), Err(Error::RevisionUnknown)]);
        assert!(matches!(
            filled.as_slice(),
            [Ok(1), Err(Error::Invalid(_)), Err(Error::RevisionUnknown)]
        ));
    }

    #[test]
    fn an_answer_that_is_missing_is_an_error() {
        let (_, places) = part(vec![Ok('a')]);
        let filled = places.fill(Vec::<Result<u8, _>>::new());
        assert!(matches!(filled.as_slice(), [Err(Error::Internal(_))]));
    }
}
