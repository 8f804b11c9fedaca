//! Randomness, passed in.

use aws_lc_rs::rand;

use super::CryptoError;

/// Gives random bytes.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes`.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError>;
}

/// Bytes that nobody can foresee.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        rand::fill(bytes).map_err(|_| CryptoError::NoEntropy)
    }
}

pub(super) fn draw<const N: usize>(entropy: &dyn Entropy) -> Result<[u8; N], CryptoError> {
    let mut bytes = [0; N];
    entropy.fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use super::*;

    /// Bytes that a test can repeat: 1, 1, 1 … at the first call, 2, 2, 2 … at the second.
    #[derive(Default)]
    pub struct CountingEntropy(AtomicU8);

    impl Entropy for CountingEntropy {
        fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
            bytes.fill(self.0.fetch_add(1, Ordering::SeqCst) + 1);
            Ok(())
        }
    }

    /// A system without randomness.
    pub struct DryEntropy;

    impl Entropy for DryEntropy {
        fn fill(&self, _: &mut [u8]) -> Result<(), CryptoError> {
            Err(CryptoError::NoEntropy)
        }
    }

    #[test]
    fn two_draws_differ() {
        let draw = || draw::<32>(&SystemEntropy).unwrap();
        assert_ne!(draw(), draw());
    }
}
