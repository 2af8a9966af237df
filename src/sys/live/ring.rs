//! A packet socket with a ring of blocks in memory that the kernel fills (packet(7), `packet_mmap.rst`).

use std::ffi::{CString, c_int};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use memmap2::{MmapOptions, MmapRaw};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::filter::Instruction;
use crate::reference::errno::words_of;

/// A block holds the longest frame and its headers.
const BLOCK: usize = 1 << 20;
/// `ETH_P_ALL`.
const ALL: u16 = 3;
/// `tp_frame_size` only has to divide a block.
const UNIT: u32 = 2048;

/// A socket, and the ring that it shares with the kernel.
#[derive(Debug)]
pub(super) struct Ring {
    fd: OwnedFd,
    map: MmapRaw,
    blocks: usize,
    next: usize,
}

/// What is asked of a ring.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// The interface; 0 for all.
    pub(super) index: u32,
    /// Without the link header.
    pub(super) is_cooked: bool,
    /// Everything on the wire, not only what is for this host.
    pub(super) promiscuous: bool,
    /// What is sent is not shown again: the interface gives it back.
    pub(super) ignore_outgoing: bool,
    /// Bytes of memory.
    pub(super) buffer: usize,
    /// A block that is not full is handed over after this time, in milliseconds.
    pub(super) patience: u32,
}

/// An open socket that receives nothing yet.
#[derive(Debug)]
pub(super) struct Socket(OwnedFd);

impl Socket {
    /// Opens one; it takes `CAP_NET_RAW`. Without a protocol it receives nothing until it is bound, so no packet
    /// comes before the filter is there.
    pub(super) fn open(is_cooked: bool) -> io::Result<Socket> {
        let kind = if is_cooked {
            libc::SOCK_DGRAM
        } else {
            libc::SOCK_RAW
        };
        let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
        // SAFETY: socket(2) takes numbers only.
        let fd = unsafe { libc::socket(libc::AF_PACKET, kind | flags, 0) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and has no other owner.
        Ok(Socket(unsafe { OwnedFd::from_raw_fd(fd) }))
    }

    /// Attaches the filter, and receives on all interfaces. `waits`: reading does, until something comes.
    pub(super) fn without_ring(self, program: &[Instruction], waits: bool) -> io::Result<OwnedFd> {
        let fd = self.0;
        attach(fd.as_fd(), program)?;
        if waits {
            fcntl(&fd, FcntlArg::F_SETFL(OFlag::empty()))?;
        }
        bind(&fd, 0)?;
        Ok(fd)
    }

    /// Attaches the filter, makes the ring, and begins to receive.
    pub(super) fn start(self, wanted: &Wanted, program: &[Instruction]) -> io::Result<Ring> {
        let fd = self.0;
        let version = libc::tpacket_versions::TPACKET_V3 as c_int;
        set(&fd, libc::SOL_PACKET, libc::PACKET_VERSION, &version).map_err(|error| {
            let why = words_of(&error);
            let text = format!("the kernel has no packet rings of version 3 (TPACKET_V3): {why}");
            io::Error::new(io::ErrorKind::Unsupported, text)
        })?;
        attach(fd.as_fd(), program)?;
        if wanted.ignore_outgoing {
            set(&fd, libc::SOL_PACKET, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        }
        let blocks = (wanted.buffer / BLOCK).clamp(2, 4096);
        let in_bytes = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let request = libc::tpacket_req3 {
            tp_block_size: in_bytes(BLOCK),
            tp_block_nr: in_bytes(blocks),
            tp_frame_size: UNIT,
            tp_frame_nr: in_bytes(BLOCK) / UNIT * in_bytes(blocks),
            tp_retire_blk_tov: wanted.patience,
            tp_sizeof_priv: 0,
            tp_feature_req_word: 0,
        };
        set(&fd, libc::SOL_PACKET, libc::PACKET_RX_RING, &request)?;
        let map = MmapOptions::new().len(blocks * BLOCK).map_raw(&fd)?;
        bind(&fd, wanted.index)?;
        if wanted.promiscuous && wanted.index != 0 {
            let member = libc::packet_mreq {
                mr_ifindex: wanted.index.cast_signed(),
                mr_type: libc::PACKET_MR_PROMISC.try_into().unwrap_or_default(),
                mr_alen: 0,
                mr_address: [0; 8],
            };
            set(&fd, libc::SOL_PACKET, libc::PACKET_ADD_MEMBERSHIP, &member)?;
        }
        Ok(Ring {
            fd,
            map,
            blocks,
            next: 0,
        })
    }
}

/// The number of an interface in the namespace that this thread is in, and its kind (`ARPHRD_*`).
pub(super) fn interface(name: &str) -> io::Result<(u32, u16)> {
    let mut request = request(name)?;
    // SAFETY: socket(2) takes numbers only. Any socket takes requests about interfaces.
    let fd = unsafe { libc::socket(libc::AF_UNIX, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and has no other owner.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    ioctl(&fd, libc::SIOCGIFINDEX, &mut request)?;
    // SAFETY: the kernel has filled in this member of the union.
    let index = unsafe { request.ifr_ifru.ifru_ifindex };
    ioctl(&fd, libc::SIOCGIFHWADDR, &mut request)?;
    // SAFETY: as above.
    let kind = unsafe { request.ifr_ifru.ifru_hwaddr.sa_family };
    Ok((index.cast_unsigned(), kind))
}

impl Ring {
    /// Gives the next block to `read` if the kernel has handed one over, and gives it back after that.
    pub(super) fn block<T>(&mut self, read: impl FnOnce(&[u8]) -> T) -> Option<T> {
        let result = read(self.ready()?);
        self.release();
        Some(result)
    }

    /// The next block, if the kernel has handed it over.
    pub(super) fn ready(&self) -> Option<&[u8]> {
        /// `TP_STATUS_USER`.
        const OURS: u32 = 1;
        if self.status().load(Ordering::Acquire) & OURS == 0 {
            return None;
        }
        // SAFETY: the block lies in the mapping, and the kernel writes nothing to it until its status is set back,
        // for which `release` borrows the ring as this borrow does not allow.
        Some(unsafe { std::slice::from_raw_parts(self.base(), BLOCK) })
    }

    /// Gives the block that is ready back to the kernel.
    pub(super) fn release(&mut self) {
        self.status().store(0, Ordering::Release);
        self.next = (self.next + 1) % self.blocks;
    }

    fn base(&self) -> *mut u8 {
        self.map.as_mut_ptr().wrapping_add(self.next * BLOCK)
    }

    /// The status of the next block.
    fn status(&self) -> &AtomicU32 {
        /// `block_status` in `struct tpacket_block_desc`.
        const STATUS: usize = 8;
        // SAFETY: it lies in the mapping, and is aligned since blocks are whole pages. The kernel writes it with
        // whole words.
        unsafe { AtomicU32::from_ptr(self.base().wrapping_add(STATUS).cast()) }
    }

    /// Packets that passed the filter since the last time this was asked, and how many of them had no room.
    pub(super) fn statistics(&self) -> io::Result<(u64, u64)> {
        let mut stats = libc::tpacket_stats_v3 {
            tp_packets: 0,
            tp_drops: 0,
            tp_freeze_q_cnt: 0,
        };
        let mut len = length::<libc::tpacket_stats_v3>();
        // SAFETY: the structure lives through the call and is as long as the kernel is told.
        let result = unsafe {
            libc::getsockopt(
                self.fd.as_raw_fd(),
                libc::SOL_PACKET,
                libc::PACKET_STATISTICS,
                (&raw mut stats).cast(),
                &raw mut len,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok((stats.tp_packets.into(), stats.tp_drops.into()))
    }

    /// Lets no more packets through.
    pub(super) fn close_gate(&self) -> io::Result<()> {
        let (jt, jf) = (0, 0);
        let nothing = Instruction {
            code: 0x06,
            jt,
            jf,
            k: 0,
        };
        attach(self.fd.as_fd(), &[nothing])
    }

    /// The error that waits: `ENETDOWN` once when the interface went down.
    pub(super) fn error(&self) -> Option<io::Error> {
        nix::sys::socket::getsockopt(&self.fd, nix::sys::socket::sockopt::SocketError)
            .ok()
            .filter(|number| *number != 0)
            .map(io::Error::from_raw_os_error)
    }

    /// Whether the interface with this index is up; `None` if it is gone.
    pub(super) fn is_up(&self, index: u32) -> Option<bool> {
        let mut request = request("").ok()?;
        loop {
            request.ifr_ifru.ifru_ifindex = index.cast_signed();
            // This writes its present name, which the next one reads.
            ioctl(&self.fd, libc::SIOCGIFNAME, &mut request).ok()?;
            match ioctl(&self.fd, libc::SIOCGIFFLAGS, &mut request) {
                Ok(()) => break,
                // Renamed between the two: it has another name now, or is gone.
                Err(error) if error.raw_os_error() == Some(libc::ENODEV) => {}
                Err(_) => return None,
            }
        }
        // SAFETY: the kernel has filled in this member of the union.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        Some(libc::c_int::from(flags) & libc::IFF_UP != 0)
    }
}

impl AsFd for Ring {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Attaches a program to a socket (socket(7), `SO_ATTACH_FILTER`); it takes the place of the one before.
pub(super) fn attach(fd: BorrowedFd<'_>, program: &[Instruction]) -> io::Result<()> {
    let mut instructions: Vec<libc::sock_filter> = program
        .iter()
        .map(|&Instruction { code, jt, jf, k }| libc::sock_filter { code, jt, jf, k })
        .collect();
    let program = libc::sock_fprog {
        len: u16::try_from(instructions.len()).unwrap_or(u16::MAX),
        filter: instructions.as_mut_ptr(),
    };
    set(&fd, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}

fn set<T>(fd: &impl AsRawFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the value lives through the call and is as long as the kernel is told; all callers give the
    // structure that the option takes.
    let result = unsafe {
        libc::setsockopt(
            fd.as_raw_fd(),
            level,
            option,
            ptr::from_ref(value).cast(),
            length::<T>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

fn length<T>() -> libc::socklen_t {
    libc::socklen_t::try_from(size_of::<T>()).expect("a small structure")
}

fn bind(fd: &OwnedFd, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: u16::try_from(libc::AF_PACKET).expect("17"),
        sll_protocol: ALL.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    // SAFETY: the address lives through the call and is as long as the kernel is told.
    let result = unsafe {
        libc::bind(
            fd.as_raw_fd(),
            (&raw const address).cast(),
            length::<libc::sockaddr_ll>(),
        )
    };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

/// A request about an interface (netdevice(7)).
fn request(name: &str) -> io::Result<libc::ifreq> {
    let unknown = || io::Error::from_raw_os_error(libc::ENODEV);
    let name = CString::new(name).map_err(|_| unknown())?;
    let bytes = name.as_bytes_with_nul();
    // SAFETY: ifreq is plain data, for which all zeroes is a valid value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if bytes.len() > request.ifr_name.len() {
        return Err(unknown());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(bytes) {
        *to = libc::c_char::from_ne_bytes([*from]);
    }
    Ok(request)
}

fn ioctl(fd: &OwnedFd, what: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: the requests of netdevice(7) take this structure, which lives through the call.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), what, ptr::from_mut(request)) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixDatagram;

    use super::*;
    use crate::capfile::LinkType;
    use crate::filter::{Filter, Gate, Services, Subject};

    /// A datagram socket takes a filter as a packet socket does, and needs no privilege.
    #[test]
    fn the_kernel_runs_a_filter_as_we_evaluate_it() {
        let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 40];
        frame.extend([0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        frame.extend([1, 187, 0, 80, 0, 0, 0, 1, 0, 0, 0, 2, 0x50, 0x12, 1, 0]);
        frame.extend([0; 4]);
        let services = Services::parse("");
        for text in [
            "",
            "tcp port 80",
            "tcp port 81",
            "not tcp port 80",
            "src host 10.0.0.1 and dst port 80",
            "ip[2:2] = len - 14",
            "tcp[-4] = 10",
            "not tcp[-4] = 10",
            "ether[4294967295] = 1",
            "ether[0xfffff004] = 1",
            "ip[0] << ip[9] > 0",
            "ip[0] << (ip[8] - 24) = 0",
            "ip[0] / ip[1] = 1",
            "not ip[0] % ip[1] = 1",
            "tcp[tcpflags] & tcp-syn != 0",
            "portrange 20-79 or udp",
        ] {
            let program = Filter::parse(text, &services)
                .unwrap()
                .compile(LinkType::ETHERNET)
                .unwrap();
            let ours = program.matches(&Subject::new(&frame, 54));
            let (from, to) = UnixDatagram::pair().unwrap();
            to.set_nonblocking(true).unwrap();
            let classic = program.classic(Gate::OPEN);
            assert!(classic.is_exact, "{text}");
            attach(to.as_fd(), &classic.instructions).unwrap();
            from.send(&frame).unwrap();
            let kernel = to.recv(&mut [0; 64]).is_ok();
            assert_eq!(kernel, ours, "{text}");
        }
    }
}
