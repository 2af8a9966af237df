//! The receiver reads after all.

use super::pattern::Checksum;

/// How reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DrainEnd {
    /// The end of the stream was read, or the last datagram.
    End,
    /// `recv()` failed with this errno.
    Failed(i32),
    /// Nothing more came, and no end either.
    Silence,
    /// The user asked to end.
    Interrupted,
}

impl DrainEnd {
    /// The word for programs.
    pub fn word(self) -> &'static str {
        match self {
            DrainEnd::End => "end",
            DrainEnd::Failed(_) => "failed",
            DrainEnd::Silence => "silence",
            DrainEnd::Interrupted => "interrupted",
        }
    }
}

/// When writing became possible again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Writable {
    /// Bytes that had been read.
    pub after: u64,
    /// The sender's queue then.
    pub send_queue: Option<u64>,
}

/// What the receiver read.
#[derive(Debug, Clone, Default)]
pub struct Draining {
    received: u64,
    reads: u64,
    checksum: Checksum,
    writable: Option<Writable>,
    end: Option<DrainEnd>,
}

impl Draining {
    /// `recv()` gave these bytes, or this datagram.
    pub fn received(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        self.reads += 1;
        self.checksum.update(bytes);
    }

    /// `poll()` says that the sender may write; the first time counts.
    pub fn writable(&mut self, send_queue: Option<u64>) {
        let after = self.received;
        self.writable.get_or_insert(Writable { after, send_queue });
    }

    /// Whether it is known when writing became possible.
    pub fn is_writable(&self) -> bool {
        self.writable.is_some()
    }

    /// It ended.
    pub fn ended(&mut self, end: DrainEnd) {
        self.end = Some(end);
    }

    /// Bytes read in all.
    pub fn bytes(&self) -> u64 {
        self.received
    }

    /// Calls of `recv()` that gave something: of a datagram socket, the datagrams.
    pub fn reads(&self) -> u64 {
        self.reads
    }

    /// When writing became possible again.
    pub fn writable_after(&self) -> Option<Writable> {
        self.writable
    }

    /// The checksum of what was read.
    pub fn checksum(&self) -> u32 {
        self.checksum.value()
    }

    /// How it ended.
    pub fn end(&self) -> Option<DrainEnd> {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_moment_of_writability_is_kept_with_what_was_read_until_then() {
        let mut draining = Draining::default();
        draining.received(b"12345");
        assert!(!draining.is_writable());
        draining.writable(Some(70));
        draining.received(b"6789");
        draining.writable(Some(10));
        draining.ended(DrainEnd::End);
        let first = Writable {
            after: 5,
            send_queue: Some(70),
        };
        assert_eq!(draining.writable_after(), Some(first));
        assert_eq!((draining.bytes(), draining.reads()), (9, 2));
        assert_eq!(draining.checksum(), 0xcbf4_3926);
        assert_eq!(draining.end(), Some(DrainEnd::End));
    }
}
