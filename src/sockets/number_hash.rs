//! Maps and sets by numbers that the kernel chose: inodes and cookies.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Spreads a number by one multiplication.
///
/// The standard hasher withstands keys that an enemy picks; these are counted up by the kernel, and a
/// listing looks a hundred thousand of them up several times.
#[derive(Debug, Clone, Copy, Default)]
pub struct NumberHasher(u64);

/// 2^64 divided by the golden ratio, odd: multiples of it are spread evenly.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Hasher for NumberHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, number: u64) {
        // The high bits are the good ones, and hash tables take both ends.
        let product = (self.0 ^ number).wrapping_mul(SPREAD);
        self.0 = product ^ (product >> 32);
    }
}

/// A map by inode or cookie.
pub type NumberMap<K, V> = HashMap<K, V, BuildHasherDefault<NumberHasher>>;

/// A set of inodes or cookies.
pub type NumberSet<K> = HashSet<K, BuildHasherDefault<NumberHasher>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_follow_each_other_are_all_found() {
        let map: NumberMap<u64, u64> = (0..10_000).map(|n| (n << 12, n)).collect();
        assert_eq!(map.len(), 10_000);
        assert!((0..10_000).all(|n| map[&(n << 12)] == n));
        let mut set = NumberSet::<u32>::default();
        assert!((0..10_000).all(|n| set.insert(n)));
        assert!((0..10_000).all(|n| !set.insert(n)));
    }
}
