//! Values back into messages, where several services need the same.

use jiff::{SignedDuration, Timestamp};

/// An instant.
pub fn instant(at: Timestamp) -> prost_types::Timestamp {
    let seconds = at.as_second();
    // `subsec_nanosecond` has the sign of the instant; the message counts nanoseconds forward.
    let nanos = at.subsec_nanosecond();
    if nanos < 0 {
        prost_types::Timestamp {
            seconds: seconds - 1,
            nanos: nanos + 1_000_000_000,
        }
    } else {
        prost_types::Timestamp { seconds, nanos }
    }
}

/// A length of time.
pub fn duration(length: SignedDuration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: length.as_secs(),
        nanos: length.subsec_nanos(),
    }
}

/// Names or ids, as text.
pub fn texts<T: ToString>(names: &[T]) -> Vec<String> {
    names.iter().map(ToString::to_string).collect()
}

/// A name or id that may be absent, as text: empty when it is.
pub fn text<T: ToString>(name: Option<&T>) -> String {
    name.map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_before_the_epoch_counts_its_nanoseconds_forward() {
        let at: Timestamp = "1969-12-31T23:59:59.25Z".parse().unwrap();
        let rendered = instant(at);
        assert_eq!((rendered.seconds, rendered.nanos), (-1, 250_000_000));
    }

    #[test]
    fn what_is_absent_is_an_empty_text() {
        assert_eq!(text::<String>(None), "");
        assert_eq!(texts(&["a", "b"]), ["a", "b"]);
    }
}
