//! PostgreSQL's messages from the server, taken apart: a byte that says what it is, and four that say how long it
//! is, themselves included.

/// That somebody has notified.
const NOTIFICATION: u8 = b'A';
/// The kind and the length.
const HEAD: usize = 5;

/// What has come of messages that are not complete yet.
#[derive(Default)]
pub struct Frames(Vec<u8>);

impl Frames {
    /// Takes what has come, and gives the messages that are now complete. With `drops` notifications are left
    /// out. Says how many were.
    pub fn sift(&mut self, bytes: &[u8], drops: bool) -> (Vec<u8>, u64) {
        self.0.extend_from_slice(bytes);
        let (mut kept, mut dropped, mut from) = (Vec::new(), 0, 0);
        while let Some(message) = first(&self.0[from..]) {
            from += message.len();
            if drops && message[0] == NOTIFICATION {
                dropped += 1;
            } else {
                kept.extend_from_slice(message);
            }
        }
        self.0.drain(..from);
        (kept, dropped)
    }
}

/// The first message, if it is complete.
fn first(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.get(1..HEAD)?.try_into().expect("four bytes");
    let length = usize::try_from(u32::from_be_bytes(length)).expect("it fits");
    bytes.get(..=length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[kind][..], &length.to_be_bytes(), body].concat()
    }

    #[test]
    fn notifications_are_left_out_and_everything_else_is_passed_on_however_it_is_cut() {
        let row = message(b'D', b"AAAA\0\0\0\x05A");
        let ready = message(b'Z', b"I");
        let notified = message(NOTIFICATION, b"pdr_changed\0\0");
        let all = [&row[..], &notified, &ready, &notified].concat();
        for piece in 1..all.len() {
            let (mut frames, mut kept, mut dropped) = (Frames::default(), Vec::new(), 0);
            for bytes in all.chunks(piece) {
                let (some, count) = frames.sift(bytes, true);
                kept.extend(some);
                dropped += count;
            }
            assert_eq!(kept, [&row[..], &ready].concat(), "pieces of {piece}");
            assert_eq!(dropped, 2);
        }
    }

    #[test]
    fn without_being_told_to_nothing_is_left_out() {
        let notified = message(NOTIFICATION, b"pdr_changed\0\0");
        let passed = Frames::default().sift(&notified, false);
        assert_eq!(passed, (notified, 0));
    }
}
