//! The programs that count connections which are reset: by their peer, and by this host with the reason.
//!
//! They run at the tracepoints `tcp:tcp_receive_reset` and `tcp:tcp_send_reset`. The latter has a reason since
//! Linux 6.10.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::assembler::{Assembler, Label, Reg, Size};
use super::btf::{Btf, Kind, TypeId};
use super::counting::{
    MapCalls, VALUE, namespace_of_socket, number_of_namespace, tracepoint, word,
};
use super::{Missing, Program, helper, member};

/// Bytes of a key: namespace, reason, family and our port, the peer's port and the state, our address, the peer's.
pub const KEY: usize = 56;
/// The place of the key on the stack.
const AT: i16 = VALUE - 56;
/// The places in the key.
const REASON: i16 = 4;
const FAMILY: i16 = 8;
const LOCAL_PORT: i16 = 10;
const PEER_PORT: i16 = 12;
const STATE: i16 = 14;
const LOCAL: i16 = 16;
const PEER: i16 = 32;
/// Our port once more, as packets have it: a connection that its program has closed gave its number back.
const SOURCE_PORT: i16 = 48;

/// In the place of a reason: the peer sent the reset.
const RECEIVED: i32 = -1;
/// The start of each name of `enum sk_rst_reason`.
const PREFIX: &str = "SK_RST_REASON_";

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// `TCP_SYN_SENT` of the kernel.
const SYN_SENT: u8 = 2;

/// Resets of connections between two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reset {
    /// The inode of the network namespace.
    pub netns: u32,
    /// The number of the reason in this kernel; `None`: the peer sent it.
    pub reason: Option<u32>,
    /// Our end.
    pub local: SocketAddr,
    /// The other end.
    pub peer: SocketAddr,
    /// Whether it was an attempt that was refused.
    pub connecting: bool,
}

impl Reset {
    /// Reads a key; `None`: it has no addresses of IP.
    pub fn read(key: &[u8; KEY]) -> Option<Reset> {
        let half = |at: i16| {
            let at = usize::try_from(at).unwrap_or(0);
            [key[at], key[at + 1]]
        };
        let family = u16::from_ne_bytes(half(FAMILY));
        let address = |at: i16| -> Option<IpAddr> {
            let bytes = key.get(usize::try_from(at).ok()?..)?;
            match family {
                AF_INET => Some(Ipv4Addr::from(*bytes.first_chunk::<4>()?).into()),
                AF_INET6 => Some(Ipv6Addr::from(*bytes.first_chunk::<16>()?).to_canonical()),
                _ => None,
            }
        };
        let reason = word(key, 4);
        let port = match u16::from_ne_bytes(half(LOCAL_PORT)) {
            0 => u16::from_be_bytes(half(SOURCE_PORT)),
            port => port,
        };
        Some(Reset {
            netns: word(key, 0),
            reason: (reason != RECEIVED.cast_unsigned()).then_some(reason),
            local: SocketAddr::new(address(LOCAL)?, port),
            peer: SocketAddr::new(address(PEER)?, u16::from_be_bytes(half(PEER_PORT))),
            connecting: half(STATE)[0] == SYN_SENT,
        })
    }
}

/// The names of the reasons in this kernel, without what all begin with.
pub fn reasons(btf: &Btf<'_>) -> Vec<(u32, Box<str>)> {
    let Some(all) = btf.find(Kind::Enum, "sk_rst_reason") else {
        return Vec::new();
    };
    let named = btf.enumerators(all).into_iter();
    named
        .filter_map(|(name, value)| {
            Some((value.cast_unsigned(), name.strip_prefix(PREFIX)?.into()))
        })
        .collect()
}

/// The program that counts resets which arrive, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint, a helper or a member.
pub fn received(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let name = "tracepoint tcp_receive_reset";
    let (tracepoint, [sk]) = tracepoint(btf, "btf_trace_tcp_receive_reset", Missing(name))?;
    let ends = Ends::find(btf, sk)?;
    let mut program = Assembler::default();
    let a = &mut program;
    let out = a.label();
    a.load(Size::Double, Reg::R7, Reg::R1, 0);
    a.set(Reg::R6, RECEIVED);
    ends.count(a, map, out);
    a.end(out);
    Ok(Program::at_tracepoint(
        "sockdoc_rst_in",
        tracepoint,
        program.finish(),
    ))
}

/// The program that counts resets which this host sends, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint with a reason, a helper or a member.
pub fn sent(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let name = "tracepoint tcp_send_reset with a reason";
    let (tracepoint, [sk, _, _]) = tracepoint(btf, "btf_trace_tcp_send_reset", Missing(name))?;
    let ends = Ends::find(btf, sk)?;
    let mut program = Assembler::default();
    let a = &mut program;
    let out = a.label();
    a.load(Size::Double, Reg::R7, Reg::R1, 0);
    a.load(Size::Double, Reg::R6, Reg::R1, 16);
    // A reset to a packet that belongs to no socket.
    a.jump_if_zero(Reg::R7, out);
    ends.count(a, map, out);
    a.end(out);
    Ok(Program::at_tracepoint(
        "sockdoc_rst_out",
        tracepoint,
        program.finish(),
    ))
}

/// Where a socket has its ends in this kernel.
#[derive(Debug)]
struct Ends {
    net: i16,
    inum: i16,
    family: i16,
    state: i16,
    local_port: i16,
    peer_port: i16,
    four: [i16; 2],
    sixteen: [i16; 2],
    source_port: i16,
    read_kernel: i32,
    maps: MapCalls,
}

impl Ends {
    fn find(btf: &Btf<'_>, sk: TypeId) -> Result<Self, Missing> {
        let (common, common_type) = member(btf, sk, "__sk_common")?;
        let of = |name| member(btf, common_type, name).map(|(offset, _)| common + offset);
        let net = member(btf, member(btf, common_type, "skc_net")?.1, "net")?.1;
        let inet = btf
            .find(Kind::Struct, "inet_sock")
            .ok_or(Missing("inet_sock"))?;
        Ok(Ends {
            source_port: member(btf, inet, "inet_sport")?.0,
            read_kernel: helper(btf, "BPF_FUNC_probe_read_kernel")?,
            net: namespace_of_socket(btf, sk)?,
            inum: number_of_namespace(btf, net)?,
            family: of("skc_family")?,
            state: of("skc_state")?,
            local_port: of("skc_num")?,
            peer_port: of("skc_dport")?,
            four: [of("skc_rcv_saddr")?, of("skc_daddr")?],
            sixteen: [of("skc_v6_rcv_saddr")?, of("skc_v6_daddr")?],
            maps: MapCalls::find(btf)?,
        })
    }

    /// Counts the socket in register 7 for the reason in register 6.
    fn count(&self, a: &mut Assembler, map: i32, out: Label) {
        use Reg::{R1, R2, R3, R6, R7, R10};
        use Size::{Byte, Double, Half, Word};
        a.set(R1, 0);
        for at in (0..56).step_by(8) {
            a.store(Double, R10, AT + at, R1);
        }
        a.store(Word, R10, AT + REASON, R6);
        for (size, from, to) in [
            (Half, self.family, FAMILY),
            (Half, self.local_port, LOCAL_PORT),
            (Half, self.peer_port, PEER_PORT),
            (Byte, self.state, STATE),
        ] {
            a.load(size, R1, R7, from);
            a.store(size, R10, AT + to, R1);
        }
        // It lies after what the verifier knows of a socket.
        a.stack(R1, AT + SOURCE_PORT);
        a.set(R2, 2);
        a.copy(R3, R7);
        a.add(R3, i32::from(self.source_port));
        a.call(self.read_kernel);
        a.load(Double, R1, R7, self.net);
        a.load(Word, R1, R1, self.inum);
        a.store(Word, R10, AT, R1);
        let (six, filled) = (a.label(), a.label());
        a.load(Half, R1, R7, self.family);
        a.jump_unless(R1, AF_INET.into(), six);
        for (from, to) in self.four.into_iter().zip([LOCAL, PEER]) {
            a.load(Word, R1, R7, from);
            a.store(Word, R10, AT + to, R1);
        }
        a.jump(filled);
        a.place(six);
        a.jump_unless(R1, AF_INET6.into(), out);
        for (from, to) in self.sixteen.into_iter().zip([LOCAL, PEER]) {
            for part in (0..16).step_by(4) {
                a.load(Word, R1, R7, from + part);
                a.store(Word, R10, AT + to + part, R1);
            }
        }
        a.place(filled);
        self.maps.count(a, map, AT, out);
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Entry, Writer};
    use super::*;

    fn key(reason: u32, family: u16, local: &[u8], peer: &[u8], state: u8) -> [u8; KEY] {
        let mut key = [0; KEY];
        key[..4].copy_from_slice(&77_u32.to_ne_bytes());
        key[4..8].copy_from_slice(&reason.to_ne_bytes());
        key[8..10].copy_from_slice(&family.to_ne_bytes());
        key[10..12].copy_from_slice(&8080_u16.to_ne_bytes());
        key[12..14].copy_from_slice(&40_000_u16.to_be_bytes());
        key[14] = state;
        key[16..16 + local.len()].copy_from_slice(local);
        key[32..32 + peer.len()].copy_from_slice(peer);
        key
    }

    #[test]
    fn both_ends_are_read_and_what_is_not_of_ip_is_not() {
        let reset = Reset::read(&key(u32::MAX, 2, &[10, 0, 0, 2], &[10, 0, 0, 9], 1)).unwrap();
        assert_eq!((reset.netns, reset.reason), (77, None));
        assert_eq!(reset.local, "10.0.0.2:8080".parse().unwrap());
        assert_eq!(reset.peer, "10.0.0.9:40000".parse().unwrap());
        assert!(!reset.connecting);
        let six = "fd00::7".parse::<Ipv6Addr>().unwrap().octets();
        let reset = Reset::read(&key(5, 10, &six, &six, SYN_SENT)).unwrap();
        assert_eq!(reset.reason, Some(5));
        assert_eq!(reset.peer, "[fd00::7]:40000".parse().unwrap());
        assert!(reset.connecting);
        let mut closed = key(5, 2, &[10, 0, 0, 2], &[10, 0, 0, 9], 7);
        closed[10..12].fill(0);
        closed[48..50].copy_from_slice(&9000_u16.to_be_bytes());
        assert_eq!(Reset::read(&closed).unwrap().local.port(), 9000);
        assert_eq!(Reset::read(&key(5, 1, &[], &[], 0)), None);
    }

    #[test]
    fn a_kernel_without_the_tracepoints_is_told_so() {
        let mut writer = Writer::new();
        writer.add("int", 1 << 24, 4, &[Entry::Word(32)]);
        let bytes = writer.bytes();
        let btf = Btf::new(&bytes).unwrap();
        assert_eq!(
            received(&btf, 7).unwrap_err().to_string(),
            "the kernel has no tracepoint tcp_receive_reset"
        );
        assert!(sent(&btf, 7).is_err());
        assert_eq!(reasons(&btf), []);
    }
}
