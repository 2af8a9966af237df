//! The key of a flow: two ends, packed so that comparing and hashing are cheap.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

/// Both ends of a flow, the lower one first, so that both directions have the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowKey {
    low: [u64; 2],
    high: [u64; 2],
    ports: u32,
}

/// Which way a packet goes in its flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the end that the key has first.
    Up,
    /// From the other.
    Down,
}

impl Direction {
    /// The other way.
    #[must_use]
    pub fn turned(self) -> Direction {
        match self {
            Direction::Up => Direction::Down,
            Direction::Down => Direction::Up,
        }
    }

    /// 0 or 1.
    pub fn index(self) -> usize {
        match self {
            Direction::Up => 0,
            Direction::Down => 1,
        }
    }
}

impl FlowKey {
    /// The key of a packet, and its direction.
    #[inline]
    pub fn of(source: (IpAddr, u16), destination: (IpAddr, u16)) -> (FlowKey, Direction) {
        let (from, to) = (packed(source.0), packed(destination.0));
        if (from, source.1) <= (to, destination.1) {
            (
                FlowKey::new(from, to, source.1, destination.1),
                Direction::Up,
            )
        } else {
            (
                FlowKey::new(to, from, destination.1, source.1),
                Direction::Down,
            )
        }
    }

    /// A place below `places`, a power of 2, that keys with other ports seldom share.
    #[inline]
    pub fn place(&self, places: usize) -> usize {
        let spread = self.ports ^ self.ports >> 16;
        spread as usize & (places - 1)
    }

    fn new(low: [u64; 2], high: [u64; 2], low_port: u16, high_port: u16) -> FlowKey {
        FlowKey {
            low,
            high,
            ports: u32::from(low_port) << 16 | u32::from(high_port),
        }
    }
}

/// An address in two numbers. IPv4 addresses are in a range of their own (`::ffff:0:0/96` is no
/// address on a wire, RFC 4038 section 4.2).
#[inline]
fn packed(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(v4) => [0, 0xffff_0000_0000 | u64::from(v4.to_bits())],
        IpAddr::V6(v6) => {
            let bits = v6.to_bits();
            let [high, low] = [bits >> 64, bits & u128::from(u64::MAX)];
            [high, low].map(|half| u64::try_from(half).unwrap_or(u64::MAX))
        }
    }
}

impl Hash for FlowKey {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for word in [self.low[0], self.low[1], self.high[0], self.high[1]] {
            state.write_u64(word);
        }
        state.write_u64(u64::from(self.ports));
    }
}

/// Makes hashers with a seed that who writes a capture cannot know: the keys in it are theirs.
#[derive(Debug, Clone, Copy)]
pub struct Seeded(pub u64);

impl BuildHasher for Seeded {
    type Hasher = Mixer;

    fn build_hasher(&self) -> Mixer {
        Mixer(self.0)
    }
}

/// Odd, with about as many ones as zeros: the fraction of the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// Folds a product of 128 bits for each word: the whole word counts in every bit.
#[derive(Debug)]
pub struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        // Numbers that follow each other came out evenly spaced; tables want them scattered.
        let mixed = (self.0 ^ self.0 >> 32).wrapping_mul(SPREAD);
        mixed ^ mixed >> 29
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    #[inline]
    #[allow(clippy::cast_possible_truncation)]
    fn write_u64(&mut self, word: u64) {
        let product = u128::from(self.0 ^ word) * u128::from(SPREAD ^ self.0.rotate_left(32) | 1);
        self.0 = (product >> 64) as u64 ^ product as u64;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::Ipv6Addr;

    use super::*;

    #[test]
    fn both_directions_have_one_key() {
        let a: (IpAddr, u16) = ([10, 0, 0, 1].into(), 40000);
        let b: (IpAddr, u16) = ([10, 0, 0, 2].into(), 80);
        let (up, one) = FlowKey::of(a, b);
        let (down, other) = FlowKey::of(b, a);
        assert_eq!(up, down);
        assert_eq!(one, other.turned());
        assert_ne!(up, FlowKey::of((a.0, 40001), b).0);
        assert_ne!(up, FlowKey::of((a.0, b.1), (b.0, a.1)).0);
        let v6 = IpAddr::V6(Ipv6Addr::from_bits(u128::from(u32::from_be_bytes([
            10, 0, 0, 1,
        ]))));
        assert_ne!(up, FlowKey::of((v6, 40000), b).0);
    }

    #[test]
    fn keys_that_follow_each_other_are_spread_over_all_buckets() {
        let seeded = Seeded(7);
        let hash = |n: u32| {
            let [_, _, high, low] = n.to_be_bytes();
            let a = ([127, 0, 0, 1].into(), u16::from_be_bytes([high, low]));
            seeded.hash_one(FlowKey::of(a, ([127, 0, 0, 1].into(), 65432)).0)
        };
        let low: HashSet<u64> = (0..1 << 16).map(|n| hash(n) & 0xffff).collect();
        let high: HashSet<u64> = (0..1 << 16).map(|n| hash(n) >> 48).collect();
        // Of 65,536 balls in as many bins 63 % of the bins have one.
        assert!(low.len() > 40_000 && high.len() > 40_000);
        assert_ne!(Seeded(8).hash_one(1_u64), Seeded(7).hash_one(1_u64));
    }
}
