//! The tables of the internet families: `get_tcp4_sock` in `net/ipv4/tcp_ipv4.c` and its likes.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::fields::{Fields, hex};
use crate::sockets::{Address, Family, Proto, Socket, State, Timer, TimerKind};

/// ```text
///   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
///    0: 0100007F:1F90 00000000:0000 0A 00000000:00000001 00:00000000 00000000     0        0 1410 2
/// ```
///
/// Behind the inode: references, a pointer and, but for TCP, the number of drops.
pub(super) fn parse(proto: Proto, family: Family, line: &[u8]) -> Option<Socket> {
    let mut fields = Fields(line);
    if !fields.word()?.ends_with(b":") {
        return None;
    }
    let local = address(family, fields.hex_pair()?)?;
    let peer = match address(family, fields.hex_pair()?)? {
        // No other end, as from `sock_diag`.
        Address::Ip { addr, port: 0, .. } if addr.is_unspecified() => Address::None,
        peer => peer,
    };
    let state = State::from_number(u8::try_from(hex(fields.word()?)?).ok()?)?;
    let (send_q, recv_q) = fields.hex_pair()?;
    let (timer, expires) = fields.hex_pair()?;
    let retransmits = hex(fields.word()?)?;
    let uid = fields.decimal()?;
    let probes = fields.decimal()?;
    let inode = fields.decimal()?;
    fields.skip(2)?;

    let mut socket = super::blank(proto, family, inode);
    socket.state = state;
    socket.local = local;
    socket.peer = peer;
    socket.recv_q = hex(recv_q)?;
    socket.send_q = crate::sockets::send_queue(proto, state, hex(send_q)?);
    // Without an inode the kernel has no owner to tell, and writes 0.
    socket.uid = (inode != 0).then_some(uid);
    socket.timer = self::timer(hex(timer)?, expires, retransmits, probes)?;
    if proto != Proto::Tcp {
        socket.details = Some(Box::new(super::drops(fields.decimal()?)));
    }
    Some(socket)
}

/// The address is in units of 32 bits, each printed as the number that its four bytes in network
/// order are to this machine; the port is an ordinary number.
fn address(family: Family, (addr, port): (&[u8], &[u8])) -> Option<Address> {
    let word = |digits: &[u8]| hex(digits).map(u32::to_ne_bytes);
    let addr = match (family, addr.len()) {
        (Family::Inet, 8) => IpAddr::V4(Ipv4Addr::from(word(addr)?)),
        (Family::Inet6, 32) => {
            let mut bytes = [0; 16];
            for (bytes, digits) in bytes.chunks_exact_mut(4).zip(addr.chunks_exact(8)) {
                bytes.copy_from_slice(&word(digits)?);
            }
            IpAddr::V6(Ipv6Addr::from(bytes))
        }
        _ => return None,
    };
    let port = u16::try_from(hex(port)?).ok()?;
    let scope = 0;
    Some(Address::Ip { addr, port, scope })
}

/// `None` for a timer that there is not; `Some(None)` where none runs.
#[expect(clippy::option_option, reason = "`?` on the outer one")]
fn timer(kind: u32, expires: &[u8], retransmits: u32, probes: u32) -> Option<Option<Timer>> {
    let (kind, retransmits) = match kind {
        0 => return Some(None),
        1 => (TimerKind::Retransmit, retransmits),
        2 => (TimerKind::Keepalive, probes),
        3 => (TimerKind::TimeWait, 0),
        4 => (TimerKind::Persist, probes),
        _ => return None,
    };
    // In ticks of USER_HZ, which is 100 on every machine but Alpha; more than eight digits (a timer
    // gone wrong) is as long as can be.
    let ticks = if expires.len() > 8 && expires.iter().all(u8::is_ascii_hexdigit) {
        u32::MAX
    } else {
        hex(expires)?
    };
    Some(Some(Timer {
        kind,
        expires_ms: ticks.saturating_mul(10),
        retransmits: u8::try_from(retransmits).unwrap_or(u8::MAX),
    }))
}
