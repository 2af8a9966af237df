//! What is sent, and its checksum.

/// A prime, so that the period fits no buffer size: bytes that are lost, doubled or moved show.
const PERIOD: usize = 251;

/// Bytes that depend on their place in the stream.
#[derive(Debug)]
pub struct Pattern(Vec<u8>);

impl Pattern {
    /// One that gives slices of up to `chunk` bytes.
    pub fn new(chunk: usize) -> Self {
        // The remainder of a division by 251 fits.
        #[allow(clippy::cast_possible_truncation)]
        let bytes = (0..chunk + PERIOD).map(|at| (at % PERIOD) as u8);
        Pattern(bytes.collect())
    }

    /// The `len` bytes that stand at `offset` of the stream; `len` is at most the chunk.
    pub fn at(&self, offset: u64, len: usize) -> &[u8] {
        // Less than the period.
        #[allow(clippy::cast_possible_truncation)]
        let from = (offset % PERIOD as u64) as usize;
        &self.0[from..from + len]
    }
}

/// CRC-32 (ISO 3309, as in zip and Ethernet) over a stream, whatever pieces it comes in.
#[derive(Debug, Clone, Default)]
pub struct Checksum(crc32fast::Hasher);

impl Checksum {
    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The value over all bytes so far.
    pub fn value(&self) -> u32 {
        self.0.clone().finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_depend_on_their_place_and_not_on_how_they_are_cut() {
        let pattern = Pattern::new(1000);
        let whole = pattern.at(0, 1000).to_vec();
        let mut cut = Vec::new();
        for (offset, len) in [(0_u64, 1), (1, 250), (251, 0), (251, 700), (951, 49)] {
            cut.extend_from_slice(pattern.at(offset, len));
        }
        assert_eq!(cut, whole);
        assert_ne!(pattern.at(0, 10), pattern.at(1, 10));
        assert_eq!(pattern.at(u64::MAX, 1000).len(), 1000);
    }

    #[test]
    fn the_checksum_is_that_of_the_standard_and_sees_a_moved_byte() {
        let of = |pieces: &[&[u8]]| {
            let mut sum = Checksum::default();
            for piece in pieces {
                sum.update(piece);
            }
            sum.value()
        };
        // The check value of CRC-32/ISO-HDLC.
        assert_eq!(of(&[b"123456789"]), 0xcbf4_3926);
        assert_eq!(of(&[b"1234", b"", b"56789"]), 0xcbf4_3926);
        assert_ne!(of(&[b"123456798"]), 0xcbf4_3926);
        assert_eq!(of(&[]), 0);
    }
}
