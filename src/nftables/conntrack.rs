//! One entry of connection tracking: where the packets of a connection of this host go to, after address translation
//! (`linux/netfilter/nfnetlink_conntrack.h`).

use std::net::{IpAddr, SocketAddr};

use super::inside;
use crate::netlink::{ACK, Request};

/// `NFNL_SUBSYS_CTNETLINK` and `IPCTNL_MSG_CT_GET`.
const GET: u16 = 1 << 8 | 1;
/// `struct nfgenmsg`: family, version, resource.
const LEN: usize = 4;
/// An attribute with attributes inside (`NLA_F_NESTED`).
const NESTED: u16 = 1 << 15;
/// `CTA_TUPLE_ORIG`, `CTA_TUPLE_REPLY`; inside of them `CTA_TUPLE_IP`, `CTA_TUPLE_PROTO`.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;
const IP: u16 = 1;
const PROTOCOL: u16 = 2;
/// `CTA_IP_V4_SRC`, `CTA_IP_V4_DST`, `CTA_IP_V6_SRC`, `CTA_IP_V6_DST`.
const V4: [u16; 2] = [1, 2];
const V6: [u16; 2] = [3, 4];
/// `CTA_PROTO_NUM`, `CTA_PROTO_SRC_PORT`, `CTA_PROTO_DST_PORT`.
const NUMBER: u16 = 1;
const PORTS: [u16; 2] = [2, 3];

/// Writes the request for the entry of a connection of protocol 6 (TCP) or 17 (UDP).
///
/// # Panics
/// Never: the attributes are short.
pub fn request(
    protocol: u8,
    (from, to): (SocketAddr, SocketAddr),
    sequence: u32,
    out: &mut Vec<u8>,
) {
    let (from_ip, to_ip) = (from.ip().to_canonical(), to.ip().to_canonical());
    let (family, kinds) = match to_ip {
        IpAddr::V4(_) => (2, V4),
        IpAddr::V6(_) => (10, V6),
    };
    let bytes = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let ips = [
        attribute(kinds[0], &bytes(from_ip)),
        attribute(kinds[1], &bytes(to_ip)),
    ];
    let ports = [
        attribute(NUMBER, &[protocol]),
        attribute(PORTS[0], &from.port().to_be_bytes()),
        attribute(PORTS[1], &to.port().to_be_bytes()),
    ];
    let tuple = [
        attribute(IP | NESTED, &ips.concat()),
        attribute(PROTOCOL | NESTED, &ports.concat()),
    ];
    Request::new(out, GET, ACK, sequence)
        .bytes(&[family, 0, 0, 0])
        .attribute(ORIGINAL | NESTED, &tuple.concat())
        .finish();
}

/// The end that replies come from: another one than was asked for, if the address was translated.
pub fn replies_from(payload: &[u8]) -> Option<SocketAddr> {
    let tuple = inside(payload.get(LEN..)?, REPLY)?;
    let ip = inside(tuple, IP)?;
    let ip: IpAddr = match (inside(ip, V4[0]), inside(ip, V6[0])) {
        (Some(four), _) => <[u8; 4]>::try_from(four).ok()?.into(),
        (_, Some(six)) => <[u8; 16]>::try_from(six).ok()?.into(),
        _ => return None,
    };
    let port = inside(inside(tuple, PROTOCOL)?, PORTS[0])?;
    Some(SocketAddr::new(
        ip,
        u16::from_be_bytes(port.try_into().ok()?),
    ))
}

fn attribute(kind: u16, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + payload.len()).unwrap_or(u16::MAX);
    let mut bytes = length.to_ne_bytes().to_vec();
    bytes.extend(kind.to_ne_bytes());
    bytes.extend(payload);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_tells_where_replies_come_from_and_a_cut_one_tells_nothing() {
        let ends = ("10.9.1.2:40000", "10.9.1.1:80");
        let (from, to) = (ends.0.parse().unwrap(), ends.1.parse().unwrap());
        let mut bytes = Vec::new();
        request(6, (from, to), 7, &mut bytes);
        // What is asked for has the form of an answer, with the original tuple in the place of the reply.
        let mut payload = bytes[16..].to_vec();
        payload[6..8].copy_from_slice(&(REPLY | NESTED).to_ne_bytes());
        assert_eq!(replies_from(&payload), Some(from));
        for cut in 0..payload.len() {
            let found = replies_from(&payload[..cut]);
            assert!(found.is_none() || found == Some(from), "{cut}");
        }
        let six = (
            "[fd00::2]:40000".parse().unwrap(),
            "[fd00::1]:80".parse().unwrap(),
        );
        let mut bytes = Vec::new();
        request(17, six, 7, &mut bytes);
        let mut payload = bytes[16..].to_vec();
        payload[6..8].copy_from_slice(&(REPLY | NESTED).to_ne_bytes());
        assert_eq!(replies_from(&payload), Some(six.0));
    }
}
