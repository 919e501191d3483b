//! AES-256-GCM over a block of bytes. A sealed block is a version byte, the nonce, the ciphertext, the
//! tag. The nonce is random, so one key seals at most 2^32 blocks: far above what one person's stream
//! holds, and the bound within which a bus key must be rotated.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

const VERSION: u8 = 1;

/// Why a block could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unopened {
    /// Nobody here has the key.
    #[error("the key is not here")]
    NoKey,
    /// The key is another, or the block or what it belongs to was changed.
    #[error("the block does not open: wrong key, or not the block that was sealed")]
    Mismatch,
}

/// Seals `plain`; it opens only with the same `key` and the same `aad`.
pub fn seal(key: &[u8; 32], aad: &[u8], plain: Vec<u8>) -> Vec<u8> {
    #[expect(
        clippy::expect_used,
        reason = "32 bytes are a key for AES-256, and sealing bytes in memory cannot fail"
    )]
    let (nonce, body) = {
        let mut body = plain;
        let key = RandomizedNonceKey::new(&AES_256_GCM, key).expect("a 256-bit key");
        let nonce = key.seal_in_place_append_tag(Aad::from(aad), &mut body).expect("sealed");
        (nonce, body)
    };
    let mut sealed = Vec::with_capacity(1 + NONCE_LEN + body.len());
    sealed.push(VERSION);
    sealed.extend_from_slice(nonce.as_ref());
    sealed.extend_from_slice(&body);
    sealed
}

/// Opens what [`seal`] sealed.
pub fn open(key: &[u8; 32], aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Unopened> {
    let (version, rest) = sealed.split_first().ok_or(Unopened::Mismatch)?;
    if *version != VERSION || rest.len() < NONCE_LEN {
        return Err(Unopened::Mismatch);
    }
    let (nonce, body) = rest.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unopened::Mismatch)?;
    let key = RandomizedNonceKey::new(&AES_256_GCM, key).map_err(|_| Unopened::Mismatch)?;
    let mut body = body.to_vec();
    let length = key.open_in_place(nonce, Aad::from(aad), &mut body).map_err(|_| Unopened::Mismatch)?.len();
    body.truncate(length);
    Ok(body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sealed_opens_and_nothing_else_does() {
        let key = [7; 32];
        let sealed = seal(&key, b"event 1", b"eve@example.org".to_vec());
        assert_eq!(open(&key, b"event 1", &sealed).expect("opens"), b"eve@example.org");
        assert_eq!(open(&key, b"event 2", &sealed), Err(Unopened::Mismatch));
        assert_eq!(open(&[8; 32], b"event 1", &sealed), Err(Unopened::Mismatch));
        for place in 0..sealed.len() {
            let mut bent = sealed.clone();
            bent[place] ^= 1;
            assert_eq!(open(&key, b"event 1", &bent), Err(Unopened::Mismatch), "byte {place}");
        }
        assert_eq!(open(&key, b"event 1", &[]), Err(Unopened::Mismatch));
    }

    #[test]
    fn sealing_twice_gives_different_bytes() {
        assert_ne!(seal(&[7; 32], b"", vec![1]), seal(&[7; 32], b"", vec![1]));
    }
}
