//! What the kernel keeps away from a raw socket: without this each socket gets every ICMP packet of
//! the host, and a flood of another program fills its buffer.

use std::io;

use super::IcmpSocket;
use crate::reference::icmp::Version;

/// `ICMP_FILTER` and its level (linux/icmp.h, `SOL_RAW`).
const ICMP_FILTER: libc::c_int = 1;
const SOL_RAW: libc::c_int = 255;
/// `ICMP6_FILTER` (linux/icmpv6.h, `ICMPV6_FILTER`).
const ICMP6_FILTER: libc::c_int = 1;

/// Types of IPv4 that a raw socket gets: replies, and the errors that the kernel puts into no error
/// queue, source quench and redirect (`raw_err` in net/ipv4/raw.c), and of the times exceeded that of
/// reassembly (`icmp_unreach` in net/ipv4/icmp.c).
const WANTED_V4: [u32; 4] = [0, 4, 5, TIME_EXCEEDED];
/// Time exceeded, and its code for the reassembly of fragments.
const TIME_EXCEEDED: u32 = 11;
const REASSEMBLY: u32 = 1;
/// Types of IPv6: replies.
const WANTED_V6: u32 = 129;

/// Lets through what the session can use, and of replies those with our identifier.
pub(super) fn keep_others_away(socket: &IcmpSocket) -> io::Result<()> {
    let identifier = u32::from(socket.identifier);
    match socket.version {
        Version::V4 => {
            let blocked = WANTED_V4
                .iter()
                .fold(u32::MAX, |bits, kind| bits & !(1 << kind));
            socket.set(SOL_RAW, ICMP_FILTER, &blocked)?;
            attach(socket, &mut replies_v4(identifier))
        }
        Version::V6 => {
            let mut blocked = [u32::MAX; 8];
            blocked[WANTED_V6 as usize / 32] &= !(1 << (WANTED_V6 % 32));
            socket.set(libc::IPPROTO_ICMPV6, ICMP6_FILTER, &blocked)?;
            attach(socket, &mut replies_v6(identifier))
        }
    }
}

/// The packet begins with the IP header. Of an echo reply (type 0) the identifier must be ours; the
/// other types that come through say it in what they quote. A time exceeded is that of reassembly: the
/// error queue has the other.
fn replies_v4(identifier: u32) -> [libc::sock_filter; 10] {
    [
        statement(libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH, 0),
        statement(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 0),
        jump(TIME_EXCEEDED, 0, 2),
        statement(libc::BPF_LD | libc::BPF_B | libc::BPF_IND, 1),
        jump(REASSEMBLY, 3, 4),
        jump(0, 0, 2),
        statement(libc::BPF_LD | libc::BPF_H | libc::BPF_IND, 4),
        jump(identifier, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
        statement(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

/// The packet begins with the header of ICMP, and is a reply.
fn replies_v6(identifier: u32) -> [libc::sock_filter; 4] {
    [
        statement(libc::BPF_LD | libc::BPF_H | libc::BPF_ABS, 4),
        jump(identifier, 0, 1),
        statement(libc::BPF_RET | libc::BPF_K, u32::MAX),
        statement(libc::BPF_RET | libc::BPF_K, 0),
    ]
}

fn statement(code: u32, k: u32) -> libc::sock_filter {
    libc::sock_filter {
        // The codes are eight bits (linux/bpf_common.h).
        code: u16::try_from(code).unwrap_or(u16::MAX),
        jt: 0,
        jf: 0,
        k,
    }
}

/// Goes on `then` statements further if what was loaded is `k`, otherwise `otherwise` further.
fn jump(k: u32, then: u8, otherwise: u8) -> libc::sock_filter {
    libc::sock_filter {
        jt: then,
        jf: otherwise,
        ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, k)
    }
}

fn attach(socket: &IcmpSocket, program: &mut [libc::sock_filter]) -> io::Result<()> {
    let program = libc::sock_fprog {
        len: u16::try_from(program.len()).map_err(io::Error::other)?,
        filter: program.as_mut_ptr(),
    };
    // The kernel copies the program within the call (socket(7), SO_ATTACH_FILTER).
    socket.set(libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
}
