//! Page tokens and cursors: opaque, made here, good for the list that they were made for only.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{error::Error, registry::Registry};

/// Bytes of the code that vouches for a token.
const CODE_BYTES: usize = 32;
/// Longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 512;

/// One page of a list.
#[derive(Clone, Debug)]
pub struct Page<T> {
    /// What is on it.
    pub entries: Vec<T>,
    /// The token of the next page; `None`: this is the last.
    pub next: Option<String>,
}

impl Registry {
    /// A token for `position` in `list`. `list` names the list and whatever narrows it, so that a
    /// token does not pass from one filter to another.
    pub(super) fn issue_token(&self, list: &str, position: &str) -> String {
        let code = self
            .store
            .key_ring()
            .secrets()
            .vouch(&bound(list, position));
        URL_SAFE_NO_PAD.encode([code.as_slice(), position.as_bytes()].concat())
    }

    /// The position that `token` stands for in `list`.
    pub(super) fn open_token(&self, list: &str, token: &str) -> Result<String, Error> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Error::CursorInvalid);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| Error::CursorInvalid)?;
        let (code, position) = bytes
            .split_at_checked(CODE_BYTES)
            .ok_or(Error::CursorInvalid)?;
        let position = std::str::from_utf8(position).map_err(|_| Error::CursorInvalid)?;
        if self
            .store
            .key_ring()
            .secrets()
            .is_vouched_for(&bound(list, position), code)
        {
            Ok(position.to_owned())
        } else {
            Err(Error::CursorInvalid)
        }
    }

    /// The page of `entries` that were read one past `size`; `position` tells where the next begins.
    pub(super) fn page<T>(
        &self,
        list: &str,
        size: usize,
        mut entries: Vec<T>,
        position: impl Fn(&T) -> String,
    ) -> Page<T> {
        let more = entries.len() > size;
        entries.truncate(size);
        let end = entries.last().filter(|_| more);
        let next = end.map(|end| self.issue_token(list, &position(end)));
        Page { entries, next }
    }
}

/// The list is of any length, the position behind the last zero byte: no two pairs run into one.
fn bound(list: &str, position: &str) -> Vec<u8> {
    [list.as_bytes(), b"\0", position.as_bytes()].concat()
}
