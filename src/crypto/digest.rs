//! SHA-256 of what is too long to be held at once.

use aws_lc_rs::digest::{Context, SHA256};

/// A digest that is being taken.
pub struct Digest(Context);

impl Default for Digest {
    fn default() -> Self {
        Self(Context::new(&SHA256))
    }
}

impl Digest {
    /// Goes on with `bytes`.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest, in hexadecimal.
    pub fn finish(self) -> String {
        let digest = self.0.finish();
        let bytes = digest.as_ref().iter();
        bytes.fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_text_does_not_depend_on_how_it_is_cut() {
        let mut digest = Digest::default();
        digest.update(b"a");
        digest.update(b"bc");
        // FIPS 180-4, example of SHA-256.
        assert_eq!(
            digest.finish(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
