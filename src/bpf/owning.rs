//! The programs that tell which process connects, sends and receives.
//!
//! They run at three tracepoints and write into one map, by the addresses of the flow:
//!
//! - `sock:inet_sock_set_state`: a process that connects is known when the socket leaves CLOSE, but not its port. It is
//!   kept by the address of the socket, and gets into the map when the handshake is over, well or not.
//! - `sock:sock_send_length` and `sock:sock_recv_length`: each call of a process on a socket of TCP or UDP, so of either
//!   end of a connection.
//!
//! The map is bounded: what was used longest ago makes room.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::assembler::{Assembler, Label, Reg, Size};
use super::btf::{Btf, Kind, TypeId};
use super::counting::{ANY, MapCalls, namespace_of_socket, number_of_namespace, tracepoint, word};
use super::{Missing, Program, helper, member};

/// Bytes of a key: namespace, protocol, ports, nothing, addresses.
pub const KEY: usize = 48;
/// Bytes of a value: process, nothing, control group, time, name.
pub const VALUE: usize = 40;
/// Flows in the map.
pub const MOST: u32 = 65_536;

/// `TASK_COMM_LEN`
const COMM: usize = 16;

/// A flow from the side of one of its ends, which has a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// The inode of the network namespace.
    pub netns: u32,
    /// The protocol after IP.
    pub protocol: u8,
    /// The address of the socket; unspecified: any.
    pub local: SocketAddr,
    /// Its peer; unspecified: it has none.
    pub peer: SocketAddr,
}

impl Flow {
    /// Its key in the map. IPv4 is mapped to IPv6.
    pub fn key(&self) -> [u8; KEY] {
        let mut key = [0; KEY];
        key[..4].copy_from_slice(&self.netns.to_ne_bytes());
        key[4..6].copy_from_slice(&u16::from(self.protocol).to_ne_bytes());
        key[6..8].copy_from_slice(&self.local.port().to_be_bytes());
        key[8..10].copy_from_slice(&self.peer.port().to_be_bytes());
        key[16..32].copy_from_slice(&sixteen(self.local.ip()));
        key[32..48].copy_from_slice(&sixteen(self.peer.ip()));
        key
    }

    /// The flows under which the socket of this one may be: a datagram socket may have no peer, and no address, of
    /// IPv4 or of both.
    pub fn keys(&self) -> impl Iterator<Item = [u8; KEY]> + use<> {
        let [any4, any6] = [
            SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        ];
        let at = |peer: SocketAddr, ip: IpAddr| Flow {
            local: SocketAddr::new(ip, self.local.port()),
            peer,
            ..*self
        };
        let own = self.local.ip();
        let all = match (self.protocol, own) {
            (UDP, IpAddr::V4(_)) => vec![
                *self,
                at(any4, own),
                at(any4, any4.ip()),
                at(any6, any6.ip()),
            ],
            (UDP, IpAddr::V6(_)) => vec![*self, at(any6, own), at(any6, any6.ip())],
            _ => vec![*self],
        };
        all.into_iter().map(|flow| flow.key())
    }
}

fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(ip) => ip.to_ipv6_mapped().octets(),
        IpAddr::V6(ip) => ip.octets(),
    }
}

/// The process of a flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The process, as the first PID namespace numbers it.
    pub pid: u32,
    /// The id of its control group of version 2; 0: unknown.
    pub cgroup: u64,
    /// When that became known, in nanoseconds of the monotonic clock.
    pub time: u64,
    comm: [u8; COMM],
}

impl Owner {
    /// Reads a value.
    pub fn read(value: &[u8; VALUE]) -> Owner {
        let double = |at: usize| u64::from_ne_bytes(std::array::from_fn(|index| value[at + index]));
        Owner {
            pid: word(value, 0),
            cgroup: double(8),
            time: double(16),
            comm: std::array::from_fn(|index| value[24 + index]),
        }
    }

    /// The name of the process.
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|byte| *byte == 0);
        &self.comm[..end.unwrap_or(COMM)]
    }
}

const TCP: u8 = 6;
const UDP: u8 = 17;
const AF_INET: i32 = 2;
const AF_INET6: i32 = 10;
/// `TCP_SYN_SENT` in `net/tcp_states.h`.
const SYN_SENT: i32 = 2;

/// The places of value and key on the stack, from the frame pointer.
const VALUE_AT: i16 = -40;
const KEY_AT: i16 = VALUE_AT - 48;

/// The program at the change of a state, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint, a helper or a member.
pub fn states(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    use Reg::{R0, R1, R6, R7, R8, R10};
    use Size::Double;
    let name = "tracepoint inet_sock_set_state";
    let (tracepoint, [sk, _, _]) = tracepoint(btf, "btf_trace_inet_sock_set_state", Missing(name))?;
    let places = Places::find(btf, sk)?;
    let mut program = Assembler::default();
    let a = &mut program;
    let [out, tcp, connects, ends] = [a.label(), a.label(), a.label(), a.label()];
    a.load(Double, R6, R1, 0);
    a.load(Double, R7, R1, 8);
    a.load(Double, R8, R1, 16);
    a.load(Size::Half, R1, R6, places.protocol);
    a.jump_if_word(R1, TCP.into(), tcp);
    a.jump(out);
    a.place(tcp);
    empty_key(a);
    a.jump_if_word(R8, SYN_SENT, connects);
    a.jump_if_word(R7, SYN_SENT, ends);
    a.jump(out);

    a.place(connects);
    a.store(Double, R10, KEY_AT + 16, R6);
    places.fill_value(a);
    places.maps.update(a, map, [KEY_AT, VALUE_AT], ANY);
    a.jump(out);

    a.place(ends);
    a.store(Double, R10, KEY_AT + 16, R6);
    places.maps.lookup(a, map, KEY_AT);
    a.jump_if_zero(R0, out);
    for at in (0..40).step_by(8) {
        a.load(Double, R1, R0, at);
        a.store(Double, R10, VALUE_AT + at, R1);
    }
    empty_key(a);
    places.fill_key(a, out);
    places.maps.update(a, map, [KEY_AT, VALUE_AT], ANY);
    a.end(out);
    Ok(Program::at_tracepoint(
        "sockdoc_connect",
        tracepoint,
        program.finish(),
    ))
}

/// The program at each send, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint (Linux 6.3), a helper or a member.
pub fn sends(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let missing = Missing("tracepoint sock_send_length");
    calls(
        btf,
        map,
        "sockdoc_send",
        "btf_trace_sock_send_length",
        missing,
    )
}

/// The program at each receive, for a map with this descriptor.
///
/// # Errors
/// As [`sends`].
pub fn receives(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let missing = Missing("tracepoint sock_recv_length");
    calls(
        btf,
        map,
        "sockdoc_receive",
        "btf_trace_sock_recv_length",
        missing,
    )
}

fn calls(
    btf: &Btf<'_>,
    map: i32,
    name: &'static str,
    at: &str,
    missing: Missing,
) -> Result<Program, Missing> {
    use Reg::{R0, R1, R6, R7};
    use Size::{Double, Half, Word};
    let (tracepoint, [sk]) = tracepoint(btf, at, missing)?;
    let places = Places::find(btf, sk)?;
    let mut program = Assembler::default();
    let a = &mut program;
    let [out, known, absent] = [a.label(), a.label(), a.label()];
    a.load(Double, R6, R1, 0);
    a.load(Half, R1, R6, places.protocol);
    a.jump_if_word(R1, TCP.into(), known);
    a.jump_if_word(R1, UDP.into(), known);
    a.jump(out);
    a.place(known);
    empty_key(a);
    places.fill_key(a, out);
    places.maps.lookup(a, map, KEY_AT);
    a.jump_if_zero(R0, absent);
    a.load(Word, R7, R0, 0);
    a.call(places.process);
    a.shift_right(R0, 32);
    a.jump_if_equal(R0, R7, out);
    a.place(absent);
    places.fill_value(a);
    places.maps.update(a, map, [KEY_AT, VALUE_AT], ANY);
    a.end(out);
    Ok(Program::at_tracepoint(name, tracepoint, program.finish()))
}

fn empty_key(a: &mut Assembler) {
    a.set(Reg::R1, 0);
    for at in (0..48).step_by(8) {
        a.store(Size::Double, Reg::R10, KEY_AT + at, Reg::R1);
    }
}

/// The offsets in bytes and the numbers of helpers in this kernel.
#[derive(Debug)]
struct Places {
    family: i16,
    protocol: i16,
    net: i16,
    inum: i16,
    local_port: i32,
    peer_port: i16,
    addresses: [i16; 2],
    addresses6: [i32; 2],
    leader: i16,
    comm: i16,
    maps: MapCalls,
    read_kernel: i32,
    process: i32,
    current: i32,
    clock: i32,
    /// Not in every kernel.
    cgroup: Option<i32>,
}

impl Places {
    fn find(btf: &Btf<'_>, sk: TypeId) -> Result<Self, Missing> {
        let (common, common_type) = member(btf, sk, "__sk_common")?;
        let of_common = |name| member(btf, common_type, name).map(|(offset, _)| common + offset);
        let net = member(btf, member(btf, common_type, "skc_net")?.1, "net")?.1;
        let structure = |name| btf.find(Kind::Struct, name).ok_or(Missing(name));
        let task = structure("task_struct")?;
        // The port of a socket that is closed is there only.
        let (port, _) = member(btf, structure("inet_sock")?, "inet_sport")?;
        let six = |name| of_common(name).map(i32::from);
        Ok(Places {
            family: of_common("skc_family")?,
            protocol: member(btf, sk, "sk_protocol")?.0,
            net: namespace_of_socket(btf, sk)?,
            inum: number_of_namespace(btf, net)?,
            local_port: port.into(),
            peer_port: of_common("skc_dport")?,
            addresses: [of_common("skc_rcv_saddr")?, of_common("skc_daddr")?],
            addresses6: [six("skc_v6_rcv_saddr")?, six("skc_v6_daddr")?],
            leader: member(btf, task, "group_leader")?.0,
            comm: member(btf, task, "comm")?.0,
            maps: MapCalls::find(btf)?,
            read_kernel: helper(btf, "BPF_FUNC_probe_read_kernel")?,
            process: helper(btf, "BPF_FUNC_get_current_pid_tgid")?,
            current: helper(btf, "BPF_FUNC_get_current_task_btf")?,
            clock: helper(btf, "BPF_FUNC_ktime_get_ns")?,
            cgroup: helper(btf, "BPF_FUNC_get_current_cgroup_id").ok(),
        })
    }

    /// Writes the flow of the socket in R6 into the key, which is empty.
    fn fill_key(&self, a: &mut Assembler, out: Label) {
        use Reg::{R1, R6, R10};
        use Size::{Double, Half, Word};
        let [v4, v6, done] = [a.label(), a.label(), a.label()];
        a.load(Half, R1, R6, self.protocol);
        a.store(Half, R10, KEY_AT + 4, R1);
        a.load(Double, R1, R6, self.net);
        a.load(Word, R1, R1, self.inum);
        a.store(Word, R10, KEY_AT, R1);
        self.read(a, KEY_AT + 6, 2, self.local_port);
        a.load(Half, R1, R6, self.peer_port);
        a.store(Half, R10, KEY_AT + 8, R1);
        a.load(Half, R1, R6, self.family);
        a.jump_if_word(R1, AF_INET, v4);
        a.jump_if_word(R1, AF_INET6, v6);
        a.jump(out);
        a.place(v4);
        for (place, at) in [16, 32].into_iter().zip(self.addresses) {
            // RFC 4291 section 2.5.5.2: ::ffff:0:0/96.
            a.set(R1, i32::from_ne_bytes([0, 0, 0xff, 0xff]));
            a.store(Word, R10, KEY_AT + place + 8, R1);
            a.load(Word, R1, R6, at);
            a.store(Word, R10, KEY_AT + place + 12, R1);
        }
        a.jump(done);
        a.place(v6);
        for (place, at) in [16, 32].into_iter().zip(self.addresses6) {
            self.read(a, KEY_AT + place, 16, at);
        }
        a.place(done);
    }

    /// Copies bytes of the socket in R6 to a place on the stack.
    fn read(&self, a: &mut Assembler, to: i16, length: i32, from: i32) {
        use Reg::{R1, R2, R3, R6};
        a.stack(R1, to);
        a.set(R2, length);
        a.copy(R3, R6);
        a.add(R3, from);
        a.call(self.read_kernel);
    }

    /// Writes the current process into the value.
    fn fill_value(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R2, R10};
        use Size::{Double, Word};
        a.set(R0, 0);
        a.store(Double, R10, VALUE_AT, R0);
        if let Some(cgroup) = self.cgroup {
            a.call(cgroup);
        }
        a.store(Double, R10, VALUE_AT + 8, R0);
        a.call(self.process);
        a.shift_right(R0, 32);
        a.store(Word, R10, VALUE_AT, R0);
        a.call(self.clock);
        a.store(Double, R10, VALUE_AT + 16, R0);
        a.call(self.current);
        a.load(Double, R2, R0, self.leader);
        for half in [0, 8] {
            a.load(Double, R1, R2, self.comm + half);
            a.store(Double, R10, VALUE_AT + 24 + half, R1);
        }
    }
}

#[cfg(test)]
#[path = "owning_tests.rs"]
mod tests;
