//! Sockets between a virtual machine and its host.
//!
//! Sources: `linux/vm_sockets_diag.h` (`struct vsock_diag_req`, `vsock_diag_msg`),
//! `net/vmw_vsock/diag.c`. It has no attributes.

use super::cookie::cookie_at;
use super::{AF_VSOCK, SOCK_DIAG_BY_FAMILY};
use crate::netlink::{DUMP, Malformed, Request, fixed_part, u32_at};

/// `VMADDR_CID_ANY` and `VMADDR_PORT_ANY`: no address, any port.
pub const ANY: u32 = u32::MAX;

/// `struct vsock_diag_msg`.
mod field {
    pub(super) const KIND: usize = 1;
    pub(super) const STATE: usize = 2;
    pub(super) const SHUTDOWN: usize = 3;
    pub(super) const LOCAL_CID: usize = 4;
    pub(super) const LOCAL_PORT: usize = 8;
    pub(super) const PEER_CID: usize = 12;
    pub(super) const PEER_PORT: usize = 16;
    pub(super) const INODE: usize = 20;
    pub(super) const COOKIE: usize = 24;
    pub(super) const LEN: usize = 32;
}

/// A request for vsock sockets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VsockRequest {
    /// The states to list: see [`states`](super::states).
    pub states: u32,
}

impl VsockRequest {
    /// Writes a request for all sockets in these states; the kernel knows no other.
    pub fn write_dump(&self, sequence: u32, out: &mut Vec<u8>) {
        Request::new(out, SOCK_DIAG_BY_FAMILY, DUMP, sequence)
            .bytes(&[AF_VSOCK, 0, 0, 0])
            .bytes(&self.states.to_ne_bytes())
            .bytes(&[0; 16])
            .finish();
    }
}

/// An answer about one socket. The length is checked by [`VsockMessage::new`], so no accessor
/// panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VsockMessage<'a> {
    fixed: &'a [u8; field::LEN],
}

impl<'a> VsockMessage<'a> {
    /// A view of a message's payload.
    pub fn new(payload: &'a [u8]) -> Result<Self, Malformed> {
        let fixed = fixed_part(payload, "vsock_diag_msg")?;
        Ok(VsockMessage { fixed })
    }

    /// `SOCK_STREAM` (1), `SOCK_DGRAM` (2) or `SOCK_SEQPACKET` (5).
    pub fn kind(&self) -> u8 {
        self.fixed[field::KIND]
    }

    /// The state, as in `net/tcp_states.h`.
    pub fn state(&self) -> u8 {
        self.fixed[field::STATE]
    }

    /// Bit 0 nothing more is received, bit 1 nothing more is sent.
    pub fn shutdown(&self) -> u8 {
        self.fixed[field::SHUTDOWN]
    }

    /// The local context: 2 is the host, [`ANY`] means no context.
    pub fn local_cid(&self) -> u32 {
        u32_at(self.fixed, field::LOCAL_CID)
    }

    /// The local port.
    pub fn local_port(&self) -> u32 {
        u32_at(self.fixed, field::LOCAL_PORT)
    }

    /// The peer's context.
    pub fn peer_cid(&self) -> u32 {
        u32_at(self.fixed, field::PEER_CID)
    }

    /// The peer's port.
    pub fn peer_port(&self) -> u32 {
        u32_at(self.fixed, field::PEER_PORT)
    }

    /// The number of the socket's file; 0 if it is not accepted yet.
    pub fn inode(&self) -> u32 {
        u32_at(self.fixed, field::INODE)
    }

    /// The number that names the socket as long as the host runs.
    pub fn cookie(&self) -> u64 {
        cookie_at(self.fixed, field::COOKIE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::Messages;

    #[test]
    fn the_fields_are_where_the_kernel_puts_them() {
        let mut payload = vec![40, 1, 10, 3];
        for number in [3u32, 1024, ANY, 0, 77, 88, 1] {
            payload.extend_from_slice(&number.to_ne_bytes());
        }
        let message = VsockMessage::new(&payload).unwrap();
        assert_eq!((message.kind(), message.state()), (1, 10));
        assert_eq!(message.shutdown(), 3);
        assert_eq!((message.local_cid(), message.local_port()), (3, 1024));
        assert_eq!((message.peer_cid(), message.peer_port()), (ANY, 0));
        assert_eq!((message.inode(), message.cookie()), (77, 0x1_0000_0058));
        assert_eq!(VsockMessage::new(&payload[..31]).unwrap_err().need, 32);
    }

    #[test]
    fn a_request_is_twenty_four_bytes_behind_its_header() {
        let mut out = Vec::new();
        VsockRequest { states: 1 << 10 }.write_dump(9, &mut out);
        let message = Messages::new(&out).next().unwrap().unwrap();
        assert_eq!(message.payload.len(), 24);
        assert_eq!(
            message.payload[..8],
            [&[40, 0, 0, 0], &1024u32.to_ne_bytes()[..]].concat()
        );
    }
}
