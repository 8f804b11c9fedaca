//! AES-256-GCM, with the nonce in front of the ciphertext and a format byte in front of that.
//!
//! Nonces are random, 96 bits. Under one key the chance that two are equal stays below 2^-32 up to
//! 2^32 values (NIST SP 800-38D, 8.3); a subject's values and a ring's subjects stay far below.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use super::{
    CryptoError,
    entropy::{Entropy, draw},
    key::Key,
};

/// Format 1: this byte, the nonce, ciphertext and tag.
const FORMAT: u8 = 1;
const HEADER_BYTES: usize = 1 + NONCE_LEN;
/// By how much sealed bytes are longer than what they hold.
pub(super) const OVERHEAD_BYTES: usize = HEADER_BYTES + 16;

pub(super) fn seal(
    key: &Key,
    aad: &[u8],
    plain: &[u8],
    entropy: &dyn Entropy,
) -> Result<Vec<u8>, CryptoError> {
    let nonce = draw::<NONCE_LEN>(entropy)?;
    let mut sealed = Vec::with_capacity(plain.len() + OVERHEAD_BYTES);
    sealed.push(FORMAT);
    sealed.extend_from_slice(&nonce);
    sealed.extend_from_slice(plain);
    let nonce = Nonce::assume_unique_for_key(nonce);
    let tag = cipher(key)
        .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed[HEADER_BYTES..])
        .expect("sealing fails only beyond 64 GiB");
    sealed.extend_from_slice(tag.as_ref());
    Ok(sealed)
}

pub(super) fn open(key: &Key, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (format, rest) = sealed.split_first().ok_or(CryptoError::DoesNotOpen)?;
    if *format != FORMAT {
        return Err(CryptoError::FormatUnknown);
    }
    let (nonce, body) = rest
        .split_first_chunk::<NONCE_LEN>()
        .ok_or(CryptoError::DoesNotOpen)?;
    let mut buffer = body.to_vec();
    let length = cipher(key)
        .open_in_place(
            Nonce::assume_unique_for_key(*nonce),
            Aad::from(aad),
            &mut buffer,
        )
        .map_err(|_| CryptoError::DoesNotOpen)?
        .len();
    buffer.truncate(length);
    Ok(buffer)
}

fn cipher(key: &Key) -> LessSafeKey {
    let unbound = UnboundKey::new(&AES_256_GCM, key.bytes());
    LessSafeKey::new(unbound.expect("a key has the 32 bytes of AES-256"))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    struct FixedEntropy(Vec<u8>);

    impl Entropy for FixedEntropy {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
            bytes.copy_from_slice(&self.0);
            Ok(())
        }
    }

    /// Bytes from hexadecimal text.
    pub fn hex(text: &str) -> Vec<u8> {
        let byte = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
        (0..text.len()).step_by(2).map(byte).collect()
    }

    // McGrew and Viega, The Galois/Counter Mode of Operation, test case 16.
    #[test]
    fn the_cipher_is_aes_256_gcm() {
        let key = hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
        let key = Key::new(key.try_into().unwrap());
        let nonce = "cafebabefacedbaddecaf888";
        let plain = hex(concat!(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72",
            "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
        ));
        let aad = hex("feedfacedeadbeeffeedfacedeadbeefabaddad2");
        let cipher_text = concat!(
            "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa",
            "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
        );
        let tag = "76fc6ece0f4e1768cddf8853bb2d551b";
        let sealed = seal(&key, &aad, &plain, &FixedEntropy(hex(nonce))).unwrap();
        assert_eq!(sealed, hex(&["01", nonce, cipher_text, tag].concat()));
        assert_eq!(sealed.len(), plain.len() + OVERHEAD_BYTES);
        assert_eq!(open(&key, &aad, &sealed).unwrap(), plain);
    }
}
