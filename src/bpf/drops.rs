//! The program that counts why the kernel drops packets, and which ones.
//!
//! It runs at the tracepoint `skb:kfree_skb`, so for each packet that is dropped, and counts the drops by reason, place
//! in the kernel and network namespace in a map. If asked it also counts the flows for the reasons of `FLOWS` in
//! another map, and describes each packet in a ring buffer ([`record`](super::record)). The maps are bounded; what
//! does not fit is not told apart.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::assembler::{Assembler, Label, Reg, Size};
use super::btf::{Btf, Kind, TypeId};
use super::counting::{
    MapCalls, VALUE, namespace_of_socket, number_of_namespace, tracepoint, word,
};
use super::record::Recording;
use super::{Missing, Program, helper, member};

/// The start of each name of `enum skb_drop_reason`.
const PREFIX: &str = "SKB_DROP_REASON_";

/// Bytes of a key of the first map: reason, namespace and place.
pub const REASON_KEY: usize = 16;
/// Bytes of a key of the second: reason, namespace, interface, protocol and TCP flags, addresses, port, padding.
pub const FLOW_KEY: usize = 56;

/// The reasons for which flows are told apart. A kernel may lack one.
const FLOWS: [&str; 8] = [
    "NETFILTER_DROP",
    "NO_SOCKET",
    "IP_RPFILTER",
    "IP_INADDRERRORS",
    "IP_INNOROUTES",
    "IP_LOCAL_SOURCE",
    "IP_INVALID_SOURCE",
    "IP_LOCALNET",
];

/// Drops for one reason at one place in one network namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Reason {
    /// The number of the reason in this kernel.
    pub reason: u32,
    /// The inode of the network namespace; 0: unknown.
    pub netns: u32,
    /// The address of the kernel's code that dropped them.
    pub place: u64,
}

impl Reason {
    /// Reads a key.
    pub fn read(key: &[u8; REASON_KEY]) -> Reason {
        Reason {
            reason: word(key, 0),
            netns: word(key, 4),
            place: u64::from_ne_bytes(std::array::from_fn(|index| key[8 + index])),
        }
    }
}

/// Packets that are dropped for one of the reasons of `FLOWS`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The number of the reason in this kernel.
    pub reason: u32,
    /// The inode of the network namespace; 0: unknown.
    pub netns: u32,
    /// The index of the interface by which they came; 0: this host sends them.
    pub interface: u32,
    /// The protocol after IP.
    pub protocol: u8,
    /// From where; its port is not told apart.
    pub source: IpAddr,
    /// To where. The port is 0 for other protocols than TCP and UDP.
    pub destination: (IpAddr, u16),
    /// Whether it begins a TCP connection.
    pub begins: bool,
}

impl Flow {
    /// Reads a key; `None`: not of IP.
    pub fn read(key: &[u8; FLOW_KEY]) -> Option<Flow> {
        let [protocol, version, flags, _] = word(key, 12).to_ne_bytes();
        let address = |at: usize| -> Option<IpAddr> {
            match version {
                4 => Some(Ipv4Addr::from(*key.get(16 + at / 4..)?.first_chunk::<4>()?).into()),
                6 => Some(Ipv6Addr::from(*key.get(16 + at..)?.first_chunk::<16>()?).into()),
                _ => None,
            }
        };
        let port = |at: usize| {
            let has_ports = matches!(protocol, 6 | 17);
            if has_ports {
                u16::from_be_bytes([key[at], key[at + 1]])
            } else {
                0
            }
        };
        Some(Flow {
            reason: word(key, 0),
            netns: word(key, 4),
            interface: word(key, 8),
            protocol,
            source: address(0)?,
            destination: (address(16)?, port(50)),
            begins: protocol == TCP && flags & (SYN | ACK) == SYN,
        })
    }
}

/// The names of the reasons in this kernel, without what all begin with.
pub fn reasons(btf: &Btf<'_>) -> Vec<(u32, Box<str>)> {
    let Some(all) = btf.find(Kind::Enum, "skb_drop_reason") else {
        return Vec::new();
    };
    let named = btf.enumerators(all).into_iter();
    named
        .filter_map(|(name, value)| {
            let name = name.strip_prefix(PREFIX)?;
            // `MAX` and the mask of the subsystems are no reasons.
            let is_reason = value > 0 && name != "MAX";
            is_reason.then(|| (value.cast_unsigned(), name.into()))
        })
        .collect()
}

/// The descriptors of the maps that the program writes to.
#[derive(Debug, Clone, Copy)]
pub struct Maps<'a> {
    /// Drops by [`Reason`].
    pub reasons: i32,
    /// Drops by [`Flow`].
    pub flows: Option<i32>,
    /// A ring buffer for a record of each packet, and the network namespaces of which there are records; none: all.
    pub ring: Option<(i32, &'a [u32])>,
}

/// The program for a kernel with these types, and for these maps.
///
/// # Errors
/// When the kernel lacks the tracepoint, its reasons (Linux 5.17), a helper or a member.
pub fn program(btf: &Btf<'_>, maps: &Maps<'_>) -> Result<Program, Missing> {
    let places = Places::find(btf)?;
    let recording = match maps.ring {
        Some((ring, namespaces)) => Some(Recording::find(btf, ring, namespaces)?),
        None => None,
    };
    let instructions = places.assemble(maps, recording.as_ref());
    Ok(Program::at_tracepoint(
        "sockdoc_drops",
        places.tracepoint,
        instructions,
    ))
}

/// The offsets in bytes and the numbers of helpers in this kernel.
#[derive(Debug)]
struct Places {
    tracepoint: TypeId,
    skb_dev: i16,
    skb_sk: i16,
    skb_iif: i16,
    skb_head: i16,
    skb_network_header: i16,
    dev_net: i16,
    sk_net: i16,
    net_inum: i16,
    /// Whether the tracepoint tells which socket receives (Linux 6.11).
    has_receiver: bool,
    told: Vec<i32>,
    maps: MapCalls,
    read_kernel: i32,
}

impl Places {
    fn find(btf: &Btf<'_>) -> Result<Self, Missing> {
        let name = "tracepoint kfree_skb with a reason";
        // After the packet and the place comes the reason.
        let (tracepoint, [skb, _, _]) = tracepoint(btf, "btf_trace_kfree_skb", Missing(name))?;
        let (skb_dev, dev) = member(btf, skb, "dev")?;
        let (skb_sk, sk) = member(btf, skb, "sk")?;
        let of_skb = |name| member(btf, skb, name).map(|(offset, _)| offset);
        let (dev_net, dev_net_type) = member(btf, dev, "nd_net")?;
        let (inside_dev, net) = member(btf, dev_net_type, "net")?;
        let reasons = btf
            .find(Kind::Enum, "skb_drop_reason")
            .ok_or(Missing("list of drop reasons in its BTF"))?;
        let reason = |name: &&str| btf.enumerator(reasons, &format!("{PREFIX}{name}"));
        Ok(Places {
            tracepoint,
            skb_dev,
            skb_sk,
            skb_iif: of_skb("skb_iif")?,
            skb_head: of_skb("head")?,
            skb_network_header: of_skb("network_header")?,
            dev_net: dev_net + inside_dev,
            sk_net: namespace_of_socket(btf, sk)?,
            net_inum: number_of_namespace(btf, net)?,
            has_receiver: btf.parameter(tracepoint, 4).is_some(),
            told: FLOWS.iter().filter_map(reason).collect(),
            maps: MapCalls::find(btf)?,
            read_kernel: helper(btf, "BPF_FUNC_probe_read_kernel")?,
        })
    }

    fn assemble(&self, maps: &Maps<'_>, recording: Option<&Recording<'_>>) -> Vec<u8> {
        use Reg::{R1, R6, R7, R10};
        use Size::{Double, Word};
        let mut program = Assembler::default();
        let a = &mut program;
        let out = a.label();
        if recording.is_some() {
            a.store(Double, R10, CONTEXT, R1);
        }
        a.load(Double, R7, R1, 0);
        a.load(Double, R6, R1, 16);
        self.namespace_and_socket(a);
        a.store(Word, R10, KEY, R6);
        a.store(Word, R10, KEY + 4, Reg::R8);
        let counted = a.label();
        self.maps.count(a, maps.reasons, KEY, counted);
        a.place(counted);
        if let Some(recording) = recording {
            recording.record(a);
        }
        if let Some(flows) = maps.flows {
            self.flow(a, flows, out);
        }
        a.end(out);
        program.finish()
    }

    /// The namespace into R8, and the socket, or 0, into R9; the place into the key.
    ///
    /// A packet that was just received may still have the socket of its sender, which is in another namespace; one in
    /// the queue of a socket has something else in the place of its interface, which then gives no number of a
    /// namespace.
    fn namespace_and_socket(&self, a: &mut Assembler) {
        use Reg::{R1, R7, R8, R9, R10};
        use Size::{Double, Word};
        let (of_packet, by_socket, known) = (a.label(), a.label(), a.label());
        a.load(Double, R8, R1, 8);
        a.store(Double, R10, KEY + 8, R8);
        if self.has_receiver {
            a.load(Double, R9, R1, 24);
            a.jump_if_zero(R9, of_packet);
            a.load(Double, R8, R9, self.sk_net);
            a.load(Word, R8, R8, self.net_inum);
            a.jump(known);
        }
        a.place(of_packet);
        a.load(Double, R9, R7, self.skb_sk);
        a.load(Double, R1, R7, self.skb_dev);
        a.jump_if_zero(R1, by_socket);
        a.load(Double, R1, R1, self.dev_net);
        a.load(Word, R8, R1, self.net_inum);
        a.copy(R1, R8);
        a.add(R1, INITIAL);
        a.shift_right(R1, 28);
        a.jump_if_word(R1, FIRST_NAMESPACE, known);
        a.place(by_socket);
        a.set(R8, 0);
        a.jump_if_zero(R9, known);
        a.load(Double, R8, R9, self.sk_net);
        a.load(Word, R8, R8, self.net_inum);
        a.place(known);
    }

    /// Counts the flow, for the reasons for which flows are told apart.
    fn flow(&self, a: &mut Assembler, flows: i32, out: Label) {
        use Reg::{R0, R1, R2, R3, R6, R7, R10};
        use Size::{Byte, Double, Half, Word};
        let told = a.label();
        for reason in &self.told {
            a.jump_if_word(R6, *reason, told);
        }
        a.jump(out);
        a.place(told);
        a.set(R0, 0);
        for at in (8..i16::try_from(FLOW_KEY).unwrap_or(0)).step_by(8) {
            a.store(Double, R10, KEY + at, R0);
        }
        a.load(Word, R1, R7, self.skb_iif);
        a.store(Word, R10, KEY + 8, R1);
        // The network header and the ports after it, if it has no options.
        a.load(Double, R3, R7, self.skb_head);
        a.load(Half, R1, R7, self.skb_network_header);
        a.add_register(R3, R1);
        a.stack(R1, PACKET);
        a.set(R2, PACKET_LEN);
        a.call(self.read_kernel);
        a.jump_unless(R0, 0, out);
        a.load(Byte, R1, R10, PACKET);
        a.shift_right(R1, 4);
        a.store(Byte, R10, KEY + 13, R1);
        let (v6, filled) = (a.label(), a.label());
        a.jump_unless(R1, 4, v6);
        copied(a, 9, 12, 8, 20);
        a.jump(filled);
        a.place(v6);
        a.jump_unless(R1, 6, out);
        copied(a, 6, 8, 32, 40);
        a.place(filled);
        self.maps.count(a, flows, KEY, out);
    }
}

/// Places on the stack, from the frame pointer: the keys, the start of the packet, the argument of the program.
const KEY: i16 = VALUE - 56;
const PACKET: i16 = KEY - 56;
pub(super) const CONTEXT: i16 = PACKET - 8;
const PACKET_LEN: i32 = 56;

/// The upper four bits of the number of a namespace (`PROC_DYNAMIC_FIRST` in `fs/proc/generic.c`).
const FIRST_NAMESPACE: i32 = 15;

/// The initial namespaces have the numbers just before these (`PROC_NET_INIT_INO` and others, up to this many, in
/// `include/uapi/linux/nsfs.h`).
const INITIAL: i32 = 16;

const TCP: u8 = 6;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// Copies protocol, addresses, the second port and the flags of TCP into the key.
fn copied(a: &mut Assembler, protocol: i16, addresses: i16, length: i16, ports: i16) {
    use Reg::{R1, R10};
    a.load(Size::Byte, R1, R10, PACKET + protocol);
    a.store(Size::Byte, R10, KEY + 12, R1);
    for at in (0..length).step_by(4) {
        a.load(Size::Word, R1, R10, PACKET + addresses + at);
        a.store(Size::Word, R10, KEY + 16 + at, R1);
    }
    a.load(Size::Half, R1, R10, PACKET + ports + 2);
    a.store(Size::Half, R10, KEY + 50, R1);
    let other = a.label();
    a.load(Size::Byte, R1, R10, KEY + 12);
    a.jump_unless(R1, TCP.into(), other);
    a.load(Size::Byte, R1, R10, PACKET + ports + 13);
    a.store(Size::Byte, R10, KEY + 14, R1);
    a.place(other);
}

#[cfg(test)]
#[path = "drops_tests.rs"]
mod tests;
