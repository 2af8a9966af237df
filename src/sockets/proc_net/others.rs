//! The tables of packet and netlink sockets.

use super::fields::{Fields, hex};
use crate::sockets::{Address, Family, Proto, Socket};

/// `packet_seq_show` in `net/packet/af_packet.c`:
///
/// ```text
/// sk               RefCnt Type Proto  Iface R Rmem   User   Inode
/// 000000000a1d3307 3      3    0003   0     1 4      0      14103967
/// ```
pub(super) fn packet(line: &[u8]) -> Option<Socket> {
    let mut fields = Fields(line);
    fields.skip(3)?;
    let protocol = u16::try_from(hex(fields.word()?)?).ok()?;
    let interface = fields.decimal()?;
    fields.skip(1)?;
    let recv_q = fields.decimal()?;
    let uid = fields.decimal()?;
    let inode = fields.decimal()?;
    let mut socket = super::blank(Proto::Packet, Family::Packet, inode);
    socket.local = Address::Packet {
        protocol,
        interface,
    };
    socket.interface = interface;
    socket.recv_q = recv_q;
    socket.uid = (inode != 0).then_some(uid);
    Some(socket)
}

/// `netlink_native_seq_show` in `net/netlink/af_netlink.c`:
///
/// ```text
/// sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode
/// 0000000053dbe742 0   5683       00000001 0        0        0     2        0        14103969
/// ```
pub(super) fn netlink(line: &[u8]) -> Option<Socket> {
    let mut fields = Fields(line);
    fields.skip(1)?;
    let protocol = u8::try_from(fields.decimal()?).ok()?;
    let port_id = fields.decimal()?;
    hex(fields.word()?)?;
    let recv_q = fields.decimal()?;
    let send_q = fields.decimal()?;
    fields.skip(2)?;
    let drops = fields.decimal()?;
    let inode = fields.decimal()?;
    let mut socket = super::blank(Proto::Netlink, Family::Netlink, inode);
    socket.local = Address::Netlink { protocol, port_id };
    socket.recv_q = recv_q;
    socket.send_q = send_q;
    socket.details = Some(Box::new(super::drops(drops)));
    Some(socket)
}
