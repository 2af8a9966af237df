//! A ring buffer that a BPF program writes to and this process reads (`kernel/bpf/ringbuf.c`).

use std::io;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use memmap2::{MmapOptions, MmapRaw};

/// Bytes of a ring: a power of 2, and whole pages of any size that Linux has.
pub(super) const SIZE: usize = 2 << 20;
/// Bytes in front of each record: its length and two flags, and its page.
const HEADER: usize = 8;
/// `BPF_RINGBUF_BUSY_BIT`: it is being written.
const BUSY: u32 = 1 << 31;
/// `BPF_RINGBUF_DISCARD_BIT`: it was given up.
const DISCARDED: u32 = 1 << 30;

/// A ring, and the memory that it shares with the kernel.
#[derive(Debug)]
pub(super) struct Ring {
    fd: OwnedFd,
    /// A page with how far this process has read.
    consumer: MmapRaw,
    /// A page with how far the kernel has written, and the records, twice in a row: no record is in two parts.
    producer: MmapRaw,
    page: usize,
}

impl Ring {
    /// Maps the memory of a ring of [`SIZE`] bytes.
    pub(super) fn map(fd: OwnedFd) -> io::Result<Ring> {
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?;
        let page = page.and_then(|it| usize::try_from(it).ok());
        let page = page.ok_or(io::ErrorKind::Unsupported)?;
        let consumer = MmapOptions::new().len(page).map_raw(&fd)?;
        let producer = MmapOptions::new()
            .offset(page as u64)
            .len(page + 2 * SIZE)
            .map_raw_read_only(&fd)?;
        Ok(Ring {
            fd,
            consumer,
            producer,
            page,
        })
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        &self.fd
    }

    /// Hands on the records that wait, at most one ring full of them.
    pub(super) fn read(&mut self, each: &mut dyn FnMut(&[u8])) {
        // SAFETY: both lie at the start of a page that is mapped as long as this lives; the kernel writes the second
        // one with whole words, and only this process writes the first.
        let (read, written) = unsafe {
            (
                AtomicU64::from_ptr(self.consumer.as_mut_ptr().cast()),
                AtomicU64::from_ptr(self.producer.as_ptr().cast_mut().cast()),
            )
        };
        let mut at = read.load(Ordering::Relaxed);
        let end = written.load(Ordering::Acquire);
        let end = end.min(at.saturating_add(SIZE as u64));
        while at < end {
            let place = usize::try_from(at).unwrap_or(0) & (SIZE - 1);
            let base = self.producer.as_ptr().wrapping_add(self.page + place);
            // SAFETY: the header lies in the mapping, and records begin at multiples of eight.
            let header = unsafe { AtomicU32::from_ptr(base.cast_mut().cast()) };
            let header = header.load(Ordering::Acquire);
            if header & BUSY != 0 {
                break;
            }
            let length = (header & !DISCARDED) as usize;
            if length > SIZE - HEADER {
                break;
            }
            if header & DISCARDED == 0 {
                // SAFETY: the ring is mapped twice, so that a record as long as the ring lies in the mapping from
                // any place; the kernel writes nothing to it until `read` is moved behind it, below.
                each(unsafe { std::slice::from_raw_parts(base.wrapping_add(HEADER), length) });
            }
            at += (length + HEADER).next_multiple_of(8) as u64;
            read.store(at, Ordering::Release);
        }
    }
}
