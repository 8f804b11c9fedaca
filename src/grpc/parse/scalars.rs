//! Single values: names, ids, instants, texts, pages.

use std::{fmt::Display, str::FromStr};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{
    Parse, Parsed,
    limits::{OPAQUE_BYTES_MAX, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX},
};
use crate::runtime::clock::to_microseconds;

// 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z, the range of google.protobuf.Timestamp.
const SECONDS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
const NANOSECONDS: std::ops::Range<i32> = 0..1_000_000_000;

/// Which part of a list is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Most entries: 1 to [`PAGE_SIZE_MAX`].
    pub size: usize,
    /// Where to go on; `None` for the beginning. Only who gave it out can read it.
    pub token: Option<String>,
}

impl Parse {
    /// A name that must be there.
    pub fn name<T: FromStr<Err: Display>>(&mut self, field: &str, name: &str) -> Parsed<T> {
        name.parse().map_err(|error| self.refuse(field, error))
    }

    /// A name that may be left empty.
    pub fn optional_name<T: FromStr<Err: Display>>(
        &mut self,
        field: &str,
        name: &str,
    ) -> Parsed<Option<T>> {
        if name.is_empty() {
            return Ok(None);
        }
        self.name(field, name).map(Some)
    }

    /// An id (a UUID) that must be there.
    pub fn id<T: From<Uuid>>(&mut self, field: &str, id: &str) -> Parsed<T> {
        if id.is_empty() {
            return Err(self.refuse(field, "is required"));
        }
        match Uuid::try_parse(id) {
            Ok(id) if !id.is_nil() => Ok(id.into()),
            Ok(_) | Err(_) => Err(self.refuse(field, "must be a UUID")),
        }
    }

    /// The idempotency key, which may be left empty.
    pub fn request_id(&mut self, request_id: &str) -> Parsed<Option<Uuid>> {
        if request_id.is_empty() {
            return Ok(None);
        }
        self.id("request_id", request_id).map(Some)
    }

    /// A text of at most `bytes_max` bytes, which may be empty.
    pub fn text(&mut self, field: &str, text: String, bytes_max: usize) -> Parsed<String> {
        if text.len() > bytes_max {
            let rule = format!("must have at most {bytes_max} bytes");
            return Err(self.refuse(field, rule));
        }
        if text.contains('\0') {
            return Err(self.refuse(field, "must not contain NUL"));
        }
        Ok(text)
    }

    /// A page token, cursor or revision, which only who gave it out can read; empty: none.
    pub fn opaque(&mut self, field: &str, text: String) -> Parsed<Option<String>> {
        let text = self.text(field, text, OPAQUE_BYTES_MAX)?;
        Ok(Some(text).filter(|text| !text.is_empty()))
    }

    /// Which part of a list is wanted. A size above the greatest is cut down to it (AIP-158).
    pub fn page(&mut self, size: i32, token: String) -> Parsed<Page> {
        let size = match usize::try_from(size) {
            Ok(0) => Ok(PAGE_SIZE_DEFAULT),
            Ok(size) => Ok(size.min(PAGE_SIZE_MAX)),
            Err(_) => Err(self.refuse("page_size", "must not be negative")),
        };
        let token = self.opaque("page_token", token);
        Ok(Page {
            size: size?,
            token: token?,
        })
    }

    /// An instant, which may be left out. It is cut down to whole microseconds.
    pub fn instant(
        &mut self,
        field: &str,
        instant: Option<prost_types::Timestamp>,
    ) -> Parsed<Option<Timestamp>> {
        let Some(instant) = instant else {
            return Ok(None);
        };
        let in_range = SECONDS.contains(&instant.seconds) && NANOSECONDS.contains(&instant.nanos);
        let read = in_range.then(|| Timestamp::new(instant.seconds, instant.nanos));
        match read {
            Some(Ok(instant)) => Ok(Some(to_microseconds(instant))),
            Some(Err(_)) | None => Err(self.refuse(
                field,
                "must be an instant from year 1 to 9999-12-30T22:00:00Z",
            )),
        }
    }

    /// A length of time that is not negative, which may be left out.
    pub fn duration(
        &mut self,
        field: &str,
        duration: Option<prost_types::Duration>,
    ) -> Parsed<Option<SignedDuration>> {
        match duration {
            None => Ok(None),
            Some(length) if length.seconds >= 0 && NANOSECONDS.contains(&length.nanos) => {
                Ok(Some(SignedDuration::new(length.seconds, length.nanos)))
            }
            Some(_) => Err(self.refuse(field, "must be a length of time that is not negative")),
        }
    }

    /// A choice that must be made: not unspecified, and not one that this version does not know.
    pub fn choice<P, T>(
        &mut self,
        field: &str,
        number: i32,
        read: impl FnOnce(P) -> Option<T>,
    ) -> Parsed<T>
    where
        P: TryFrom<i32>,
    {
        let chosen = P::try_from(number).ok().and_then(read);
        chosen.ok_or_else(|| self.refuse(field, "must be one of the values that the API names"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{id::SubjectId, name::Processor};

    fn instant(seconds: i64, nanos: i32) -> Parsed<Option<Timestamp>> {
        Parse::new().instant("at", Some(prost_types::Timestamp { seconds, nanos }))
    }

    #[test]
    fn an_instant_is_cut_down_to_microseconds() {
        let read = instant(0, 1_999).unwrap().unwrap();
        assert_eq!(read.as_nanosecond(), 1_000);
    }

    #[test]
    fn an_instant_outside_of_its_range_is_refused() {
        for (seconds, nanos) in [
            (-62_135_596_801, 0),
            (253_402_300_800, 0),
            (i64::MAX, 0),
            (i64::MIN, 0),
            (0, -1),
            (0, 1_000_000_000),
        ] {
            assert!(instant(seconds, nanos).is_err(), "{seconds} {nanos}");
        }
        assert!(instant(-62_135_596_800, 0).is_ok());
    }

    #[test]
    fn a_page_is_fifty_entries_by_default_and_a_thousand_at_most() {
        let size = |size| Parse::new().page(size, String::new()).map(|page| page.size);
        assert_eq!(size(0), Ok(50));
        assert_eq!(size(1), Ok(1));
        assert_eq!(size(1_000), Ok(1_000));
        assert_eq!(size(1_001), Ok(1_000));
        assert!(size(-1).is_err());
    }

    #[test]
    fn an_id_is_a_uuid_and_not_nil() {
        let id = |text: &str| Parse::new().id::<SubjectId>("subject_id", text);
        assert!(id("018f0000-0000-7000-8000-000000000001").is_ok());
        for text in ["", "42", "00000000-0000-0000-0000-000000000000", "018f'--"] {
            assert!(id(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_request_id_may_be_left_out_but_not_be_malformed() {
        assert_eq!(Parse::new().request_id(""), Ok(None));
        assert!(Parse::new().request_id("once more").is_err());
    }

    #[test]
    fn a_text_keeps_to_its_limit_and_has_no_nul() {
        let text = |text: &str| Parse::new().text("wording", text.into(), 4);
        assert!(text("four").is_ok());
        assert!(text("five!").is_err());
        assert!(text("a\0b").is_err());
    }

    #[test]
    fn an_empty_processor_is_none_and_a_malformed_one_is_refused() {
        let name = |name: &str| Parse::new().optional_name::<Processor>("processor", name);
        assert_eq!(name(""), Ok(None));
        assert!(name("Has Spaces").is_err());
        assert!(name("a\0").is_err());
    }

    #[test]
    fn a_duration_is_not_negative() {
        let length = |seconds, nanos| {
            Parse::new().duration("lifetime", Some(prost_types::Duration { seconds, nanos }))
        };
        assert_eq!(length(60, 0), Ok(Some(SignedDuration::from_mins(1))));
        assert!(length(-1, 0).is_err());
        assert!(length(0, -1).is_err());
        assert_eq!(Parse::new().duration("lifetime", None), Ok(None));
    }
}
