//! What a request carries: a nonce that only we can know, then a pattern. Nothing of it is believed
//! to be a time.

use std::hash::{DefaultHasher, Hasher as _};

use super::window::SPAN;

/// Bytes of the nonce, if the payload has room for it.
pub const NONCE: usize = 8;
/// The largest pattern that may be given (`-p`), as with iputils.
pub const LONGEST_PATTERN: usize = 16;

/// Creates payloads, and checks those that return.
#[derive(Debug, Clone)]
pub struct Payloads {
    secret: [u64; 2],
    /// The payload without its nonce.
    template: Vec<u8>,
}

/// How a payload differs from the one that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Damage {
    /// The nonce is not the one of this request.
    Nonce,
    /// A byte of the pattern is another.
    Byte {
        /// Which, counted from the front of the payload.
        at: usize,
        /// As it was sent.
        sent: u8,
        /// As it came.
        came: u8,
    },
    /// It ends too early; what is there is right.
    Shorter,
    /// It goes on after its end.
    Longer,
}

impl Payloads {
    /// Payloads of `length` bytes. Without a pattern each byte is its own place, as with iputils.
    pub fn new(secret: [u64; 2], length: usize, pattern: &[u8]) -> Payloads {
        // The place in the payload, modulo 256.
        #[allow(clippy::cast_possible_truncation)]
        let byte = |at: usize| match pattern.len() {
            0 => at as u8,
            n => pattern[at % n],
        };
        Payloads {
            secret,
            template: (0..length).map(byte).collect(),
        }
    }

    /// Bytes of a payload.
    pub fn length(&self) -> usize {
        self.template.len()
    }

    /// Writes what all payloads have alike.
    ///
    /// # Panics
    /// If `out` is not as long as a payload.
    pub fn write_pattern(&self, out: &mut [u8]) {
        out.copy_from_slice(&self.template);
    }

    /// Writes the nonce of a request over the front of a payload.
    pub fn write_nonce(&self, number: u64, payload: &mut [u8]) {
        let length = payload.len().min(NONCE);
        payload[..length].copy_from_slice(&self.nonce(number)[..length]);
    }

    /// Whether the nonce is that of a request; one that is cut is compared as far as it goes.
    pub fn nonce_is_of(&self, number: u64, payload: &[u8]) -> bool {
        let length = self.template.len().min(NONCE).min(payload.len());
        payload[..length] == self.nonce(number)[..length]
    }

    /// What is wrong with a payload, the worst first; `None` if it is the one that was sent.
    pub fn damage(&self, number: u64, payload: &[u8]) -> Option<Damage> {
        if !self.nonce_is_of(number, payload) {
            return Some(Damage::Nonce);
        }
        let from = NONCE.min(payload.len());
        // All at once, which is quick, before byte by byte.
        if payload.len() == self.template.len() && payload[from..] == self.template[from..] {
            return None;
        }
        let pairs = self.template.iter().zip(payload).enumerate().skip(from);
        for (at, (&sent, &came)) in pairs {
            if sent != came {
                return Some(Damage::Byte { at, sent, came });
            }
        }
        match payload.len().cmp(&self.template.len()) {
            std::cmp::Ordering::Less => Some(Damage::Shorter),
            std::cmp::Ordering::Equal => None,
            std::cmp::Ordering::Greater => Some(Damage::Longer),
        }
    }

    /// `SipHash` of the number under a secret: who has not seen the request cannot know it. Its last two
    /// bytes make up for the others and for the sequence number, so that all requests have the same
    /// checksum (RFC 1071): routers that balance by it take them for one flow.
    fn nonce(&self, number: u64) -> [u8; NONCE] {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.secret[0]);
        hasher.write_u64(self.secret[1]);
        hasher.write_u64(number);
        let mut nonce = hasher.finish().to_be_bytes();
        let words = nonce.chunks_exact(2).take(3);
        let words = words.map(|word| u64::from(word[0]) << 8 | u64::from(word[1]));
        let sum = words.sum::<u64>() + number % SPAN;
        // The remainder is less than 65,535.
        #[allow(clippy::cast_possible_truncation)]
        let rest = (sum % u64::from(u16::MAX)) as u16;
        nonce[6..].copy_from_slice(&(u16::MAX - rest).to_be_bytes());
        nonce
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::icmp;
    use crate::reference::icmp::Version;

    fn sent(payloads: &Payloads, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; payloads.length()];
        payloads.write_pattern(&mut bytes);
        payloads.write_nonce(number, &mut bytes);
        bytes
    }

    #[test]
    fn a_byte_without_a_pattern_is_its_own_place() {
        let payloads = Payloads::new([1, 2], 300, &[]);
        let bytes = sent(&payloads, 7);
        assert_eq!(bytes[40], 40);
        assert_eq!(bytes[299], 43);
        let payloads = Payloads::new([1, 2], 20, &[0xff, 0]);
        assert_eq!(sent(&payloads, 7)[8..12], [0xff, 0, 0xff, 0]);
    }

    #[test]
    fn every_way_to_spoil_a_payload_is_told_apart() {
        let payloads = Payloads::new([1, 2], 56, &[]);
        let good = sent(&payloads, 7);
        assert_eq!(payloads.damage(7, &good), None);
        assert_eq!(payloads.damage(8, &good), Some(Damage::Nonce));
        assert_eq!(payloads.damage(7, &[0xff; 56]), Some(Damage::Nonce));
        assert_eq!(payloads.damage(7, &good[..20]), Some(Damage::Shorter));
        assert_eq!(payloads.damage(7, &good[..3]), Some(Damage::Shorter));
        let long = [&good[..], &[56]].concat();
        assert_eq!(payloads.damage(7, &long), Some(Damage::Longer));
        let mut flipped = good;
        flipped[40] ^= 0xff;
        let byte = Damage::Byte {
            at: 40,
            sent: 40,
            came: 215,
        };
        assert_eq!(payloads.damage(7, &flipped), Some(byte));
    }

    #[test]
    fn a_payload_without_room_for_a_nonce_carries_what_it_can() {
        for length in 0..NONCE {
            let payloads = Payloads::new([1, 2], length, &[]);
            let good = sent(&payloads, 7);
            assert_eq!(payloads.damage(7, &good), None, "{length}");
            assert_eq!(payloads.nonce_is_of(8, &good), length == 0, "{length}");
        }
    }

    #[test]
    fn another_secret_makes_other_nonces() {
        let one = sent(&Payloads::new([1, 2], 8, &[]), 7);
        assert_ne!(one, sent(&Payloads::new([1, 3], 8, &[]), 7));
        assert_ne!(one, sent(&Payloads::new([1, 2], 8, &[]), 8));
    }

    #[test]
    fn all_requests_of_a_session_have_the_same_checksum() {
        let payloads = Payloads::new([1, 2], 56, &[0xab, 0xcd, 0xef]);
        let checksum = |number: u64| {
            let mut request = vec![0; icmp::HEADER];
            request.extend(sent(&payloads, number));
            let wire = u16::try_from(number % SPAN).expect("less than the span");
            icmp::write_echo_request(Version::V4, 7, wire, &mut request);
            [request[2], request[3]]
        };
        let first = checksum(1);
        assert!((2..70_000).all(|number| checksum(number) == first));
    }

    proptest! {
        #[test]
        fn only_what_was_sent_is_undamaged(
            length in 0_usize..80, number in any::<u64>(), at in any::<usize>(), bit in 0..8_u8,
        ) {
            let payloads = Payloads::new([3, 4], length, &[]);
            let mut bytes = sent(&payloads, number);
            prop_assert_eq!(payloads.damage(number, &bytes), None);
            if length > 0 {
                bytes[at % length] ^= 1 << bit;
                prop_assert!(payloads.damage(number, &bytes).is_some());
            }
        }
    }
}
