//! Ids that follow from other things: the same things give the same id on every replica.

use aws_lc_rs::digest::{SHA256, digest};
use uuid::Builder;

/// The id (a `UUIDv8`) that follows from `bytes`.
pub fn derived_id(bytes: &[u8]) -> uuid::Uuid {
    let digest = digest(&SHA256, bytes);
    let mut id = [0; 16];
    id.copy_from_slice(&digest.as_ref()[..16]);
    Builder::from_custom_bytes(id).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_gives_the_same_id_and_the_slightest_difference_another() {
        assert_eq!(derived_id(b"import 1"), derived_id(b"import 1"));
        assert_ne!(derived_id(b"import 1"), derived_id(b"import 2"));
        assert_eq!(derived_id(b"import 1").get_version_num(), 8);
    }
}
