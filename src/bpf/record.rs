//! What the program of [`drops`](super::drops) writes about each packet into its ring buffer.

use super::assembler::{Assembler, Reg, Size};
use super::btf::{Btf, Kind, TypeId};
use super::counting::tracepoint;
use super::drops::CONTEXT;
use super::{Missing, helper, member};

/// The places in a record.
mod at {
    pub(super) const TIME: i16 = 0;
    pub(super) const PLACE: i16 = 8;
    pub(super) const REASON: i16 = 16;
    pub(super) const NETNS: i16 = 20;
    pub(super) const RECEIVED_ON: i16 = 24;
    pub(super) const DEVICE: i16 = 28;
    pub(super) const LENGTH: i16 = 32;
    pub(super) const DATA: i16 = 36;
    pub(super) const TAIL: i16 = 40;
    pub(super) const NETWORK: i16 = 44;
    pub(super) const LINK: i16 = 46;
    pub(super) const PROTOCOL: i16 = 48;
    pub(super) const PID: i16 = 52;
    pub(super) const COMM: i16 = 56;
    pub(super) const INODE: i16 = 72;
    pub(super) const STACK_BYTES: i16 = 80;
    pub(super) const STACK: i16 = 88;
    pub(super) const PACKET: i16 = STACK + super::FRAMES * 8;
}

/// Frames of the stack: the first ones are those of the tracepoint and of the packet filter.
const FRAMES: i16 = 16;
/// Bytes of the packet, from its network header on.
const PACKET: i16 = 128;
/// Bytes of a record.
pub const LENGTH: usize = (at::PACKET + PACKET).cast_unsigned() as usize;
/// `TASK_COMM_LEN`
const COMM: usize = 16;
/// `BPF_RB_NO_WAKEUP`: waking the reader costs more than the drop itself.
const NO_WAKEUP: i32 = 1;
/// Of these socket states the rest of the socket is another structure: `TCP_TIME_WAIT`, `TCP_NEW_SYN_RECV`.
const SMALL: [i32; 2] = [6, 12];

/// A packet that was dropped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Nanoseconds of `CLOCK_MONOTONIC`.
    pub time: u64,
    /// The address of the kernel's code that dropped it.
    pub place: u64,
    /// The number of the reason in this kernel.
    pub reason: u32,
    /// The inode of the network namespace; 0: unknown.
    pub netns: u32,
    /// The index of the interface by which it came; 0: this host sends it.
    pub received_on: u32,
    /// The index of the interface that it was at; 0: none yet. While it waits in a queue this may be anything.
    pub device: u32,
    /// Its bytes from the network header on, also those that are not here.
    pub length: u32,
    /// The bytes of its link header, if it has one.
    pub link_header: u32,
    /// Its protocol, as an Ethernet type.
    pub protocol: u16,
    /// The process that ran, as the first PID namespace numbers it: often not the one that the packet is of.
    pub pid: u32,
    /// The inode of the socket that it is from or for; 0: unknown.
    pub inode: u64,
    /// Its bytes from the network header on.
    pub packet: Vec<u8>,
    comm: [u8; COMM],
    stack: Vec<u64>,
}

impl Record {
    /// Reads a record; `None`: it is too short.
    pub fn read(bytes: &[u8]) -> Option<Record> {
        let bytes: &[u8; LENGTH] = bytes.first_chunk()?;
        let usize_of = |at: i16| usize::from(at.cast_unsigned());
        let double = |at: i16| {
            let at = usize_of(at);
            u64::from_ne_bytes(std::array::from_fn(|index| bytes[at + index]))
        };
        let word = |at: i16| {
            let at = usize_of(at);
            u32::from_ne_bytes(std::array::from_fn(|index| bytes[at + index]))
        };
        let half = |at: i16| u16::from_ne_bytes([bytes[usize_of(at)], bytes[usize_of(at) + 1]]);
        let (network, link) = (u32::from(half(at::NETWORK)), u32::from(half(at::LINK)));
        let data = word(at::DATA);
        // What lies between the header and the place where the kernel reads belongs to the packet too.
        let length = word(at::LENGTH).wrapping_add(data).wrapping_sub(network);
        let linear = word(at::TAIL).saturating_sub(network);
        let captured = linear.min(u32::from(PACKET.cast_unsigned())).min(length);
        let packet = &bytes[usize_of(at::PACKET)..];
        let frames = (double(at::STACK_BYTES) / 8).min(u64::from(FRAMES.cast_unsigned()));
        let frames = i16::try_from(frames).unwrap_or(0);
        let comm = usize_of(at::COMM);
        Some(Record {
            time: double(at::TIME),
            place: double(at::PLACE),
            reason: word(at::REASON),
            netns: word(at::NETNS),
            received_on: word(at::RECEIVED_ON),
            device: word(at::DEVICE),
            length,
            link_header: network
                .checked_sub(link)
                .filter(|it| *it <= 64)
                .unwrap_or(0),
            protocol: u16::from_be(half(at::PROTOCOL)),
            pid: word(at::PID),
            inode: double(at::INODE),
            packet: packet[..captured as usize].to_vec(),
            comm: std::array::from_fn(|index| bytes[comm + index]),
            stack: (0..frames).map(|it| double(at::STACK + it * 8)).collect(),
        })
    }

    /// The name of the process that ran.
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|byte| *byte == 0);
        &self.comm[..end.unwrap_or(COMM)]
    }

    /// Where the kernel was when the packet filter dropped it: addresses, the innermost first.
    pub fn stack(&self) -> &[u64] {
        &self.stack
    }
}

/// How the program writes a record.
#[derive(Debug)]
pub(super) struct Recording<'a> {
    ring: i32,
    namespaces: &'a [u32],
    packet: Packet,
    device_index: i16,
    state: i16,
    inode: Inode,
    /// Reasons: of the packet filter, for which the stack is told, and of closed sockets, which are not told.
    netfilter: Option<i32>,
    purge: Option<i32>,
    reserve: i32,
    submit: i32,
    time: i32,
    stack: i32,
    process: i32,
    name: i32,
    read_kernel: i32,
}

/// Members of `struct sk_buff`.
#[derive(Debug)]
struct Packet {
    dev: i16,
    len: i16,
    head: i16,
    data: i16,
    tail: i16,
    network_header: i16,
    mac_header: i16,
    protocol: i16,
    received_on: i16,
}

/// Where a socket has its inode.
#[derive(Debug)]
enum Inode {
    /// In itself (Linux 6.18).
    Own(i16),
    /// `sk_socket`, and after that the bytes to `i_ino` of `struct socket_alloc`.
    OfSocket(i16, i32),
}

impl<'a> Recording<'a> {
    pub(super) fn find(btf: &Btf<'_>, ring: i32, namespaces: &'a [u32]) -> Result<Self, Missing> {
        let name = "tracepoint kfree_skb with a reason";
        let (_, [skb, _, _]) = tracepoint(btf, "btf_trace_kfree_skb", Missing(name))?;
        let of_skb = |name| member(btf, skb, name).map(|(offset, _)| offset);
        let (dev, device) = member(btf, skb, "dev")?;
        let (_, sk) = member(btf, skb, "sk")?;
        let (common, common_type) = member(btf, sk, "__sk_common")?;
        let reasons = btf.find(Kind::Enum, "skb_drop_reason");
        let reason = |name| btf.enumerator(reasons?, name);
        Ok(Recording {
            ring,
            namespaces,
            packet: Packet {
                dev,
                len: of_skb("len")?,
                head: of_skb("head")?,
                data: of_skb("data")?,
                tail: of_skb("tail")?,
                network_header: of_skb("network_header")?,
                mac_header: of_skb("mac_header")?,
                protocol: of_skb("protocol")?,
                received_on: of_skb("skb_iif")?,
            },
            device_index: member(btf, device, "ifindex")?.0,
            state: common + member(btf, common_type, "skc_state")?.0,
            inode: Inode::find(btf, sk)?,
            netfilter: reason("SKB_DROP_REASON_NETFILTER_DROP"),
            purge: reason("SKB_DROP_REASON_QUEUE_PURGE"),
            reserve: helper(btf, "BPF_FUNC_ringbuf_reserve")?,
            submit: helper(btf, "BPF_FUNC_ringbuf_submit")?,
            time: helper(btf, "BPF_FUNC_ktime_get_ns")?,
            stack: helper(btf, "BPF_FUNC_get_stack")?,
            process: helper(btf, "BPF_FUNC_get_current_pid_tgid")?,
            name: helper(btf, "BPF_FUNC_get_current_comm")?,
            read_kernel: helper(btf, "BPF_FUNC_probe_read_kernel")?,
        })
    }

    /// Writes the record. R6 to R9 are the reason, the packet, the namespace and the socket, or 0; R8 and R9 are lost.
    pub(super) fn record(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R2, R3, R6, R8, R9, R10};
        use Size::{Double, Word};
        let (wanted, out) = (a.label(), a.label());
        for namespace in self.namespaces {
            a.jump_if_word(R8, namespace.cast_signed(), wanted);
        }
        if !self.namespaces.is_empty() {
            a.jump(out);
        }
        a.place(wanted);
        if let Some(purge) = self.purge {
            a.jump_if_word(R6, purge, out);
        }
        // The socket waits on the stack, since the record takes its register.
        a.store(Double, R10, SOCKET, R9);
        a.map(R1, self.ring);
        a.set(R2, i32::try_from(LENGTH).unwrap_or(0));
        a.set(R3, 0);
        a.call(self.reserve);
        a.jump_if_zero(R0, out);
        a.copy(R9, R0);
        a.store(Word, R9, at::NETNS, R8);
        a.store(Word, R9, at::REASON, R6);
        a.load(Double, R8, R10, SOCKET);
        self.moment(a);
        self.inode(a);
        self.stack(a);
        self.packet(a);
        a.copy(R1, R9);
        a.set(R2, NO_WAKEUP);
        a.call(self.submit);
        a.place(out);
    }

    /// When and where, and who ran.
    fn moment(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R2, R9, R10};
        use Size::{Double, Word};
        a.call(self.time);
        a.store(Double, R9, at::TIME, R0);
        a.load(Double, R1, R10, CONTEXT);
        a.load(Double, R1, R1, 8);
        a.store(Double, R9, at::PLACE, R1);
        a.call(self.process);
        a.shift_right(R0, 32);
        a.store(Word, R9, at::PID, R0);
        a.copy(R1, R9);
        a.add(R1, i32::from(at::COMM));
        a.set(R2, 16);
        a.call(self.name);
    }

    /// The inode of the socket in R8.
    fn inode(&self, a: &mut Assembler) {
        use Reg::{R1, R2, R3, R8, R9};
        use Size::{Byte, Double};
        let out = a.label();
        a.set(R1, 0);
        a.store(Double, R9, at::INODE, R1);
        a.jump_if_zero(R8, out);
        a.load(Byte, R1, R8, self.state);
        for state in SMALL {
            a.jump_if_word(R1, state, out);
        }
        match self.inode {
            Inode::Own(offset) => {
                a.load(Double, R1, R8, offset);
                a.store(Double, R9, at::INODE, R1);
            }
            Inode::OfSocket(socket, offset) => {
                a.load(Double, R3, R8, socket);
                a.jump_if_zero(R3, out);
                a.add(R3, offset);
                a.copy(R1, R9);
                a.add(R1, i32::from(at::INODE));
                a.set(R2, 8);
                a.call(self.read_kernel);
            }
        }
        a.place(out);
    }

    /// The stack, if the packet filter dropped the packet: it tells the hook.
    fn stack(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R2, R3, R4, R6, R9, R10};
        let (told, out) = (a.label(), a.label());
        a.set(R1, 0);
        a.store(Size::Double, R9, at::STACK_BYTES, R1);
        let Some(netfilter) = self.netfilter else {
            return;
        };
        a.jump_if_word(R6, netfilter, told);
        a.jump(out);
        a.place(told);
        a.load(Size::Double, R1, R10, CONTEXT);
        a.copy(R2, R9);
        a.add(R2, i32::from(at::STACK));
        a.set(R3, i32::from(FRAMES * 8));
        a.set(R4, 0);
        a.call(self.stack);
        a.jump_if_negative(R0, out);
        a.store(Size::Double, R9, at::STACK_BYTES, R0);
        a.place(out);
    }

    /// Where the packet lies, and its first bytes.
    fn packet(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R2, R3, R7, R9};
        use Size::{Double, Half, Word};
        let (at_no_device, filled) = (a.label(), a.label());
        let packet = &self.packet;
        a.set(R2, 0);
        a.load(Double, R1, R7, packet.dev);
        a.jump_if_zero(R1, at_no_device);
        a.load(Word, R2, R1, self.device_index);
        a.place(at_no_device);
        a.store(Word, R9, at::DEVICE, R2);
        for (size, from, to) in [
            (Word, packet.received_on, at::RECEIVED_ON),
            (Word, packet.len, at::LENGTH),
            (Word, packet.tail, at::TAIL),
            (Half, packet.network_header, at::NETWORK),
            (Half, packet.mac_header, at::LINK),
            (Half, packet.protocol, at::PROTOCOL),
        ] {
            a.load(size, R1, R7, from);
            a.store(size, R9, to, R1);
        }
        a.load(Double, R3, R7, packet.head);
        a.load(Double, R1, R7, packet.data);
        a.subtract_register(R1, R3);
        a.store(Word, R9, at::DATA, R1);
        a.load(Half, R1, R7, packet.network_header);
        a.add_register(R3, R1);
        a.copy(R1, R9);
        a.add(R1, i32::from(at::PACKET));
        a.set(R2, i32::from(PACKET));
        a.call(self.read_kernel);
        a.jump_if_zero(R0, filled);
        // None of them could be read.
        a.set(R1, 0);
        a.store(Word, R9, at::TAIL, R1);
        a.place(filled);
    }
}

/// The place of the socket on the stack.
const SOCKET: i16 = CONTEXT - 8;

impl Inode {
    fn find(btf: &Btf<'_>, sk: TypeId) -> Result<Inode, Missing> {
        if let Ok((offset, _)) = member(btf, sk, "sk_ino") {
            return Ok(Inode::Own(offset));
        }
        let missing = Missing("struct socket_alloc");
        let both = btf.find(Kind::Struct, "socket_alloc").ok_or(missing)?;
        let (inode, inode_type) = member(btf, both, "vfs_inode")?;
        let (number, _) = member(btf, inode_type, "i_ino")?;
        let (socket, _) = member(btf, sk, "sk_socket")?;
        Ok(Inode::OfSocket(socket, i32::from(inode + number)))
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
