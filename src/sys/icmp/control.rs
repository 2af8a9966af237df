//! Control messages: what the kernel reports with a message (cmsg(3), ip(7), ipv6(7)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr;

use crate::ping::clock::Realtime;
use crate::ping::losses::Refusal;
use crate::ping::window::Stage;
use crate::reference::icmp::Version;

/// Room for the control messages of one message: a timestamp (three timespecs), a hop limit, a counter,
/// and an extended error followed by an address.
pub(super) const ROOM: usize = 256;

/// Which timestamp it is (`ee_info`, linux/errqueue.h): of the device, or of its queue.
const SCM_TSTAMP_SND: u32 = 0;
const SCM_TSTAMP_SCHED: u32 = 1;

/// The kernel found the extension structure damaged.
const SO_EE_RFC4884_FLAG_INVALID: u8 = 1;

/// What came beside a message.
#[derive(Debug, Clone, Copy, Default)]
pub struct Control {
    /// When the kernel had it in its hands.
    pub stamp: Option<Realtime>,
    /// Time to live, hop limit.
    pub hop_limit: Option<u8>,
    /// Messages that this socket lost since it was opened (`SO_RXQ_OVFL`).
    pub overflowed: Option<u32>,
    /// Of the error queue: what is there.
    pub queued: Option<Queued>,
}

/// What the error queue holds (`struct sock_extended_err`, linux/errqueue.h).
#[derive(Debug, Clone, Copy)]
pub enum Queued {
    /// A timestamp of a message that was sent.
    Stamp {
        /// Its number, counted from 0, of the messages that timestamps were asked for.
        number: u32,
        /// Where in this host the message was.
        stage: Stage,
    },
    /// An ICMP error.
    Refusal {
        /// The error.
        refusal: Refusal,
        /// Its second word.
        detail: u32,
        /// Where in the quoted message an extension structure begins, if there is a good one.
        extension: Option<usize>,
    },
    /// This host refused it itself.
    Local {
        /// The errno.
        errno: i32,
        /// With `EMSGSIZE`: the MTU.
        detail: u32,
    },
}

/// Reads the control messages of a message that was received.
///
/// # Safety
/// `header` describes buffers that recvmsg(2) has filled, and that nothing has changed since.
pub(super) unsafe fn read(header: &libc::msghdr) -> Control {
    let mut control = Control::default();
    // SAFETY: the header describes what the kernel wrote; the macros stay within msg_controllen.
    unsafe {
        let mut next = libc::CMSG_FIRSTHDR(header);
        while !next.is_null() {
            read_one(&*next, &mut control);
            next = libc::CMSG_NXTHDR(header, next);
        }
    }
    control
}

/// # Safety
/// The control message and its data are whole.
unsafe fn read_one(cmsg: &libc::cmsghdr, control: &mut Control) {
    match (cmsg.cmsg_level, cmsg.cmsg_type) {
        (libc::SOL_SOCKET, libc::SCM_TIMESTAMPING) => {
            // SAFETY: as the caller's; `data` checks the length.
            if let Some([software, ..]) = unsafe { data::<[libc::timespec; 3]>(cmsg) } {
                control.stamp = realtime(&software);
            }
        }
        (libc::SOL_SOCKET, libc::SO_RXQ_OVFL) => {
            // SAFETY: as above.
            control.overflowed = unsafe { data::<u32>(cmsg) };
        }
        (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
            // SAFETY: as above.
            let hops = unsafe { data::<libc::c_int>(cmsg) };
            control.hop_limit = hops.and_then(|hops| u8::try_from(hops).ok());
        }
        (libc::IPPROTO_IP, libc::IP_RECVERR) => {
            // SAFETY: as above.
            let error = unsafe { data::<ErrorFrom<libc::sockaddr_in>>(cmsg) };
            let by = error.and_then(|error| v4(&error.sender));
            // SAFETY: as above. A local error may come without an address.
            let error = unsafe { data::<libc::sock_extended_err>(cmsg) };
            control.queued = error.and_then(|error| queued(&error, Version::V4, by));
        }
        (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
            // SAFETY: as above.
            let error = unsafe { data::<ErrorFrom<libc::sockaddr_in6>>(cmsg) };
            let by = error.and_then(|error| v6(&error.sender));
            // SAFETY: as above.
            let error = unsafe { data::<libc::sock_extended_err>(cmsg) };
            control.queued = error.and_then(|error| queued(&error, Version::V6, by));
        }
        _ => {}
    }
}

/// An extended error and the address after it: who sent the ICMP message (`SO_EE_OFFENDER` in
/// linux/errqueue.h).
#[repr(C)]
#[derive(Clone, Copy)]
struct ErrorFrom<Address> {
    error: libc::sock_extended_err,
    sender: Address,
}

/// The data of a control message, if it has as much as that.
///
/// # Safety
/// The control message is whole, and any bytes are a `T`.
unsafe fn data<T: Copy>(cmsg: &libc::cmsghdr) -> Option<T> {
    let header = size_of::<libc::cmsghdr>();
    if cmsg.cmsg_len < header + size_of::<T>() {
        return None;
    }
    // SAFETY: there are this many bytes, as was just checked.
    Some(unsafe { ptr::read_unaligned(libc::CMSG_DATA(cmsg).cast()) })
}

fn queued(error: &libc::sock_extended_err, version: Version, by: Option<IpAddr>) -> Option<Queued> {
    match error.ee_origin {
        libc::SO_EE_ORIGIN_TIMESTAMPING => Some(Queued::Stamp {
            number: error.ee_data,
            stage: match error.ee_info {
                SCM_TSTAMP_SND => Stage::Left,
                SCM_TSTAMP_SCHED => Stage::Queued,
                _ => return None,
            },
        }),
        libc::SO_EE_ORIGIN_ICMP | libc::SO_EE_ORIGIN_ICMP6 => Some(Queued::Refusal {
            refusal: Refusal {
                version,
                r#type: error.ee_type,
                code: error.ee_code,
                by,
            },
            detail: error.ee_info,
            extension: extension(error.ee_data),
        }),
        libc::SO_EE_ORIGIN_LOCAL => Some(Queued::Local {
            errno: error.ee_errno.cast_signed(),
            detail: error.ee_info,
        }),
        _ => None,
    }
}

/// Where the extension begins (`struct sock_ee_data_rfc4884`, linux/errqueue.h): sixteen bits of length, and
/// flags.
fn extension(data: u32) -> Option<usize> {
    let [low, high, flags, _] = data.to_ne_bytes();
    let length = u16::from_ne_bytes([low, high]);
    (length > 0 && flags & SO_EE_RFC4884_FLAG_INVALID == 0).then_some(length.into())
}

fn realtime(stamp: &libc::timespec) -> Option<Realtime> {
    let seconds = u64::try_from(stamp.tv_sec).ok()?;
    let nanos = u64::try_from(stamp.tv_nsec).ok()?;
    let total = seconds.checked_mul(1_000_000_000)?.checked_add(nanos)?;
    (total > 0).then_some(Realtime(total))
}

fn v4(address: &libc::sockaddr_in) -> Option<IpAddr> {
    let is_there = libc::c_int::from(address.sin_family) == libc::AF_INET;
    is_there.then(|| Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into())
}

fn v6(address: &libc::sockaddr_in6) -> Option<IpAddr> {
    let is_there = libc::c_int::from(address.sin6_family) == libc::AF_INET6;
    is_there.then(|| Ipv6Addr::from(address.sin6_addr.s6_addr).into())
}

/// The address of a message's other end.
pub(super) fn address_of(name: &libc::sockaddr_in6) -> Option<IpAddr> {
    if libc::c_int::from(name.sin6_family) == libc::AF_INET {
        // SAFETY: a sockaddr_in is smaller, and the kernel wrote one there.
        let address = unsafe { ptr::read_unaligned(ptr::from_ref(name).cast()) };
        return v4(&address);
    }
    v6(name)
}

#[cfg(test)]
mod tests {
    use std::mem::offset_of;

    use super::*;

    /// What the kernel writes for an ICMP error: type 3, code 4, with an MTU of 1,400 bytes.
    fn error(origin: u8) -> Vec<u8> {
        let mut bytes = 90_u32.to_ne_bytes().to_vec();
        bytes.extend([origin, 3, 4, 0]);
        bytes.extend(1400_u32.to_ne_bytes());
        bytes.extend([0; 4]);
        bytes
    }

    /// What `read` makes of one control message.
    fn control(level: libc::c_int, kind: libc::c_int, data: &[u8]) -> Control {
        let head = size_of::<libc::cmsghdr>();
        let mut buffer = [0_u64; 32];
        // SAFETY: the buffer is large enough, and aligned, for a header and the data, and lives as
        // long as the message that points to it.
        unsafe {
            let start = buffer.as_mut_ptr().cast::<libc::cmsghdr>();
            (*start).cmsg_len = head + data.len();
            (*start).cmsg_level = level;
            (*start).cmsg_type = kind;
            ptr::copy_nonoverlapping(data.as_ptr(), libc::CMSG_DATA(start), data.len());
            let mut header: libc::msghdr = std::mem::zeroed();
            header.msg_control = start.cast();
            header.msg_controllen = head + data.len();
            read(&header)
        }
    }

    #[test]
    fn the_sender_of_an_error_stands_where_the_kernel_puts_it() {
        assert_eq!(offset_of!(ErrorFrom<libc::sockaddr_in>, sender), 16);
        assert_eq!(offset_of!(ErrorFrom<libc::sockaddr_in6>, sender), 16);
        let family = |number: libc::c_int| u16::try_from(number).unwrap().to_ne_bytes();
        let v4 = [&family(libc::AF_INET)[..], &[0, 0, 10, 9, 8, 7], &[0; 8]].concat();
        let ip: Ipv6Addr = "fe80::1:2".parse().unwrap();
        let v6 = [&family(libc::AF_INET6)[..], &[0; 6], &ip.octets(), &[0; 4]].concat();
        for (level, kind, origin, address, by) in [
            (
                libc::IPPROTO_IP,
                libc::IP_RECVERR,
                libc::SO_EE_ORIGIN_ICMP,
                v4,
                "10.9.8.7",
            ),
            (
                libc::IPPROTO_IPV6,
                libc::IPV6_RECVERR,
                libc::SO_EE_ORIGIN_ICMP6,
                v6,
                "fe80::1:2",
            ),
        ] {
            let bytes = [error(origin), address].concat();
            let Some(Queued::Refusal {
                refusal, detail, ..
            }) = control(level, kind, &bytes).queued
            else {
                panic!("an ICMP error of {by}");
            };
            assert_eq!(refusal.by, Some(by.parse().unwrap()));
            assert_eq!((refusal.r#type, refusal.code, detail), (3, 4, 1400));
        }
    }

    #[test]
    fn a_local_error_has_no_sender_and_a_cut_one_is_none() {
        let bytes = error(libc::SO_EE_ORIGIN_LOCAL);
        let read = |bytes: &[u8]| control(libc::IPPROTO_IP, libc::IP_RECVERR, bytes).queued;
        assert!(matches!(
            read(&bytes),
            Some(Queued::Local {
                errno: 90,
                detail: 1400
            })
        ));
        assert!(read(&bytes[..15]).is_none());
    }
}
