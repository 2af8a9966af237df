//! What a descriptor reports about its queues, and the related sysctls.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use socket2::{Domain, Socket, Type};

use crate::error::{Error, Kind, Result};
use crate::fill::{End, Variant};
use crate::sockdiag::{SkMemInfo, TcpInfo};
use crate::sockets::TcpFigures;
use crate::sys::limits::sysctl;

/// Bytes that were never sent yet (linux/sockios.h).
const SIOCOUTQNSD: libc::c_ulong = 0x894B;

/// Larger than any `struct tcp_info` there is, so that what a later kernel adds is kept.
const MOST_TCP_INFO: usize = 512;

/// One end, as its descriptor reports it now.
pub(super) fn end(socket: &Socket, variant: Variant) -> End {
    let stream = !variant.is_datagram();
    let size = |size: io::Result<usize>| size.ok().map(|size| size as u64);
    End {
        send_queue: send_queue(socket),
        not_sent: (variant == Variant::Tcp)
            .then(|| number(socket.as_fd(), SIOCOUTQNSD))
            .flatten(),
        recv_queue: stream.then(|| recv_queue(socket)).flatten(),
        send_buffer: size(socket.send_buffer_size()),
        recv_buffer: size(socket.recv_buffer_size()),
        tcp: tcp_info(socket, variant).map(|bytes| Box::new(TcpInfo::new(&bytes).values())),
        memory: memory(socket),
    }
}

/// What the rules look at, of the end that sends.
pub fn figures(socket: &Socket) -> TcpFigures {
    tcp_info(socket, Variant::Tcp).map_or_else(TcpFigures::default, |bytes| {
        TcpFigures::of(&TcpInfo::new(&bytes))
    })
}

/// `SIOCOUTQ`: accepted and not acknowledged (TCP), or the memory of what is not read (unix).
pub(super) fn send_queue(socket: &Socket) -> Option<u64> {
    number(socket.as_fd(), libc::TIOCOUTQ)
}

/// `SIOCINQ`: not yet read.
pub(super) fn recv_queue(socket: &Socket) -> Option<u64> {
    number(socket.as_fd(), libc::FIONREAD)
}

/// `SO_MEMINFO` (`linux/sock_diag.h`).
pub(crate) fn memory(socket: &Socket) -> Option<SkMemInfo> {
    let bytes = option(socket.as_fd(), libc::SOL_SOCKET, libc::SO_MEMINFO, 64)?;
    Some(SkMemInfo::new(&bytes))
}

fn tcp_info(socket: &Socket, variant: Variant) -> Option<Vec<u8>> {
    let is_tcp = variant == Variant::Tcp;
    is_tcp.then(|| tcp_info_of(socket.as_fd())).flatten()
}

/// The `struct tcp_info` of a socket.
pub(in crate::sys) fn tcp_info_of(fd: BorrowedFd<'_>) -> Option<Vec<u8>> {
    option(fd, libc::IPPROTO_TCP, libc::TCP_INFO, MOST_TCP_INFO)
}

/// An ioctl that writes one int.
fn number(fd: BorrowedFd<'_>, request: libc::c_ulong) -> Option<u64> {
    let mut number: libc::c_int = 0;
    // SAFETY: these requests write one int (tcp(7), linux/sockios.h), which lives through the call.
    let done = unsafe { libc::ioctl(fd.as_raw_fd(), request, &raw mut number) } >= 0;
    done.then(|| u64::try_from(number).ok()).flatten()
}

/// A socket option of at most this many bytes, as the kernel writes it.
fn option(
    fd: BorrowedFd<'_>,
    level: libc::c_int,
    name: libc::c_int,
    most: usize,
) -> Option<Vec<u8>> {
    let mut bytes = vec![0_u8; most];
    let mut length = libc::socklen_t::try_from(most).ok()?;
    // SAFETY: getsockopt writes at most `length` bytes into `bytes`, which has that many, and writes
    // back how many they were.
    let failed = unsafe {
        libc::getsockopt(
            fd.as_raw_fd(),
            level,
            name,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    } < 0;
    bytes.truncate(length as usize);
    (!failed).then_some(bytes)
}

/// Whether a connection may use this congestion control.
///
/// # Errors
/// With the names of those that there are.
pub fn congestion_control(name: &str) -> Result<()> {
    let tried = Socket::new(Domain::IPV4, Type::STREAM, None)
        .and_then(|socket| socket.set_tcp_congestion(name.as_bytes()));
    let Err(error) = tried else {
        return Ok(());
    };
    let list = |name: &str| sysctl(name).unwrap_or_else(|| "unknown".to_owned());
    let failure = Error::os(Kind::CannotRun, "use the congestion control", &error).on(name);
    Err(match error.raw_os_error() {
        Some(libc::EPERM) => failure.because("only root may use it here").next(format!(
            "choose from net.ipv4.tcp_allowed_congestion_control: {}",
            list("net.ipv4.tcp_allowed_congestion_control")
        )),
        _ => failure
            .because("this kernel has none of that name")
            .next(format!(
                "choose from net.ipv4.tcp_available_congestion_control: {}",
                list("net.ipv4.tcp_available_congestion_control")
            )),
    })
}

/// The sysctls that bound the buffers of a variant, with their values now.
pub fn sysctls(variant: Variant) -> Vec<(&'static str, String)> {
    let names: &[&'static str] = match variant {
        Variant::Tcp => &[
            "net.ipv4.tcp_wmem",
            "net.ipv4.tcp_rmem",
            "net.core.wmem_max",
            "net.core.rmem_max",
        ],
        Variant::Udp => &[
            "net.core.rmem_default",
            "net.core.rmem_max",
            "net.core.wmem_default",
            "net.core.wmem_max",
        ],
        Variant::UnixStreams => &["net.core.wmem_default", "net.core.wmem_max"],
        Variant::UnixDatagrams => &[
            "net.core.wmem_default",
            "net.core.wmem_max",
            "net.unix.max_dgram_qlen",
        ],
    };
    let values = names.iter().map(|name| Some((*name, sysctl(name)?)));
    values.flatten().collect()
}

/// How many datagrams the host dropped for want of room, over both versions of IP (`RcvbufErrors` of
/// /proc/net/snmp and /proc/net/snmp6).
pub fn rcvbuf_errors() -> Option<u64> {
    let v4 = fs::read_to_string("/proc/net/snmp").ok()?;
    let mut udp = v4.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (names, values) = (udp.next()?, udp.next()?);
    let column = names
        .split_whitespace()
        .position(|name| name == "RcvbufErrors")?;
    let v4: u64 = values.split_whitespace().nth(column)?.parse().ok()?;
    let v6 = fs::read_to_string("/proc/net/snmp6").unwrap_or_default();
    let v6 = v6
        .lines()
        .find_map(|line| line.strip_prefix("Udp6RcvbufErrors"))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0);
    Some(v4 + v6)
}
