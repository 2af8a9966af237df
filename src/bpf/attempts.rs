//! The programs that count what programs tried in vain: look-ups of a route that gave none, sends and other calls
//! that failed.
//!
//! None leaves a trace at a socket. They run at the tracepoints `fib:fib_table_lookup` (IPv4),
//! `sock:sock_send_length` and `raw_syscalls:sys_exit`. The last one makes each system call of the host a little
//! slower, so it is not for long.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::assembler::{Assembler, Reg, Size};
use super::btf::{Btf, Kind};
use super::counting::{
    MapCalls, VALUE, namespace_of_socket, number_of_namespace, tracepoint, word,
};
use super::{Missing, Program, helper, member};

/// `TASK_COMM_LEN`
const COMM: usize = 16;
/// Bytes of a key: namespace, errno, process, protocol or call, an address, name of the process.
pub const KEY: usize = 40 + COMM;
/// The place of the key on the stack.
const AT: i16 = VALUE - 56;
/// The place of the address in the key: those of a look-up, or a `sockaddr`.
const ADDRESS: i16 = 16;

/// Errors of a send that programs meet again and again only when something is wrong: EPERM, EACCES, EINVAL,
/// ENETUNREACH, ENOBUFS, ECONNREFUSED, EHOSTUNREACH.
const TOLD: [i32; 7] = [1, 13, 22, 101, 105, 111, 113];
/// What a send to a Unix socket gives that has no room: EAGAIN. Of streams that is everyday.
const NO_ROOM: i32 = 11;

/// What was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The inode of the network namespace: of the process, or of the socket that sent.
    pub netns: u32,
    /// The error.
    pub errno: i32,
    /// The process, as the first PID namespace numbers it. A look-up for a packet that arrives has
    /// the process that happened to run.
    pub pid: u32,
    /// The protocol after IP of a send, the number of a system call; 0 of a look-up.
    pub what: u32,
    address: [u8; 24],
    comm: [u8; COMM],
}

impl Attempt {
    /// Reads a key.
    pub fn read(key: &[u8; KEY]) -> Attempt {
        Attempt {
            netns: word(key, 0),
            errno: word(key, 4).cast_signed().saturating_neg(),
            pid: word(key, 8),
            what: word(key, 12),
            address: std::array::from_fn(|index| key[16 + index]),
            comm: std::array::from_fn(|index| key[40 + index]),
        }
    }

    /// The name of the process.
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|byte| *byte == 0);
        &self.comm[..end.unwrap_or(COMM)]
    }

    /// The source address of a look-up; unspecified: not known yet.
    pub fn from(&self) -> Ipv4Addr {
        Ipv4Addr::from(word(&self.address, 0).to_ne_bytes())
    }

    /// The destination of a look-up.
    pub fn to(&self) -> Ipv4Addr {
        Ipv4Addr::from(word(&self.address, 4).to_ne_bytes())
    }

    /// The address that a call was given, if it is one of IP.
    pub fn given(&self) -> Option<SocketAddr> {
        let port = u16::from_be_bytes([self.address[2], self.address[3]]);
        let ip: IpAddr = match u16::from_ne_bytes([self.address[0], self.address[1]]) {
            AF_INET => self.to().into(),
            AF_INET6 => Ipv6Addr::from(*self.address[8..].first_chunk::<16>()?).into(),
            _ => return None,
        };
        Some(SocketAddr::new(ip, port))
    }
}

const AF_UNIX: u16 = 1;
const SOCK_DGRAM: i32 = 2;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// The program that counts look-ups without a route, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint, a helper or a member.
pub fn lookups(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let name = "tracepoint fib_table_lookup";
    let (tracepoint, [_, flow, _, _]) =
        tracepoint(btf, "btf_trace_fib_table_lookup", Missing(name))?;
    let (common, common_type) = member(btf, flow, "__fl_common")?;
    let of_flow = |name| member(btf, flow, name).map(|(offset, _)| offset);
    let interface = common + member(btf, common_type, "flowic_iif")?.0;
    let (source, destination) = (of_flow("saddr")?, of_flow("daddr")?);
    let who = Who::find(btf)?;
    let maps = MapCalls::find(btf)?;

    let mut program = Assembler::default();
    let a = &mut program;
    let out = a.label();
    {
        use Reg::{R1, R6, R7, R10};
        use Size::{Double, Word};
        a.load(Double, R6, R1, 24);
        a.jump_if_word(R6, 0, out);
        // The table of local addresses (255) is asked before the others.
        a.load(Double, R7, R1, 0);
        a.jump_if_word(R7, 255, out);
        a.load(Double, R7, R1, 8);
        // What this host itself sends is looked up as if it came by the loopback interface.
        a.load(Word, R1, R7, interface);
        a.jump_unless(R1, 1, out);
        begin(a, R6);
        a.load(Word, R1, R7, source);
        a.store(Word, R10, AT + ADDRESS, R1);
        a.load(Word, R1, R7, destination);
        a.store(Word, R10, AT + ADDRESS + 4, R1);
    }
    who.store_namespace(a);
    who.store(a);
    maps.count(a, map, AT, out);
    a.end(out);
    Ok(Program::at_tracepoint(
        "sockdoc_lookups",
        tracepoint,
        program.finish(),
    ))
}

/// The program that counts sends that failed, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint (Linux 6.3), a helper or a member.
pub fn sends(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let name = "tracepoint sock_send_length";
    let (tracepoint, [sk, _]) = tracepoint(btf, "btf_trace_sock_send_length", Missing(name))?;
    let (common, common_type) = member(btf, sk, "__sk_common")?;
    let of_common = |name| member(btf, common_type, name).map(|(offset, _)| common + offset);
    let family = of_common("skc_family")?;
    let (protocol, _) = member(btf, sk, "sk_protocol")?;
    let (kind, _) = member(btf, sk, "sk_type")?;
    let net_place = namespace_of_socket(btf, sk)?;
    let net = member(btf, member(btf, common_type, "skc_net")?.1, "net")?.1;
    let inum = number_of_namespace(btf, net)?;
    let who = Who::find(btf)?;
    let maps = MapCalls::find(btf)?;

    let mut program = Assembler::default();
    let a = &mut program;
    let (out, told, no_room) = (a.label(), a.label(), a.label());
    let sent = a.label();
    {
        use Reg::{R1, R6, R7, R10};
        use Size::{Double, Half, Word};
        a.load(Double, R6, R1, 8);
        a.load(Double, R7, R1, 0);
        for errno in TOLD {
            a.jump_if_word(R6, -errno, told);
        }
        a.jump_if_word(R6, -NO_ROOM, no_room);
        a.jump(out);
        a.place(no_room);
        a.load(Half, R1, R7, family);
        a.jump_unless(R1, AF_UNIX.into(), out);
        a.load(Half, R1, R7, kind);
        a.jump_if_word(R1, SOCK_DGRAM, sent);
        a.jump(out);
        a.place(told);
        a.load(Half, R1, R7, family);
        a.jump_if_word(R1, AF_INET.into(), sent);
        a.jump_unless(R1, AF_INET6.into(), out);
        a.place(sent);
        begin(a, R6);
        a.load(Half, R1, R7, protocol);
        a.store(Word, R10, AT + 12, R1);
        a.load(Double, R1, R7, net_place);
        a.load(Word, R1, R1, inum);
        a.store(Word, R10, AT, R1);
    }
    who.store(a);
    maps.count(a, map, AT, out);
    a.end(out);
    Ok(Program::at_tracepoint(
        "sockdoc_sends",
        tracepoint,
        program.finish(),
    ))
}

/// The system calls that are looked at, and the registers of their arguments.
#[derive(Debug, Clone, Copy)]
struct Calls {
    number: &'static str,
    bind: i32,
    connect: i32,
    accept: [i32; 2],
    socket: i32,
    /// Where the address that `bind` and `connect` are given lies among the registers.
    address: Register,
}

/// A register in `struct pt_regs`: a member, and bytes after its start.
#[derive(Debug, Clone, Copy)]
struct Register(&'static str, i16);

/// What a failing system call was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// `bind`
    Bind,
    /// `connect`
    Connect,
    /// `accept` and `accept4`
    Accept,
    /// `socket`
    Socket,
}

impl Calls {
    /// Those of this processor, if they are known.
    const HERE: Option<Calls> = if cfg!(target_arch = "x86_64") {
        Some(Calls {
            number: "orig_ax",
            bind: 49,
            connect: 42,
            accept: [43, 288],
            socket: 41,
            address: Register("si", 0),
        })
    } else if cfg!(target_arch = "aarch64") {
        Some(Calls {
            number: "syscallno",
            bind: 200,
            connect: 203,
            accept: [202, 242],
            socket: 198,
            address: Register("regs", 8),
        })
    } else {
        None
    };
}

impl Call {
    /// The call of a number, as [`Attempt::what`] has it.
    pub fn of(number: u32) -> Option<Call> {
        let (calls, number) = (Calls::HERE?, number.cast_signed());
        match number {
            _ if number == calls.bind => Some(Call::Bind),
            _ if number == calls.connect => Some(Call::Connect),
            _ if number == calls.socket => Some(Call::Socket),
            _ if calls.accept.contains(&number) => Some(Call::Accept),
            _ => None,
        }
    }
}

/// Errors of calls: EACCES, EINVAL, ENFILE, EMFILE, EADDRINUSE, EADDRNOTAVAIL, ENETUNREACH, EHOSTUNREACH.
const TOLD_OF_CALLS: [i32; 8] = [13, 22, 23, 24, 98, 99, 101, 113];

/// The program that counts system calls that failed, for a map with this descriptor.
///
/// # Errors
/// When the kernel lacks the tracepoint, a helper or a member, or the processor is not known.
pub fn calls(btf: &Btf<'_>, map: i32) -> Result<Program, Missing> {
    let name = "tracepoint sys_exit";
    let (tracepoint, [registers, _]) = tracepoint(btf, "btf_trace_sys_exit", Missing(name))?;
    let calls = Calls::HERE.ok_or(Missing("known numbers of system calls"))?;
    let (number, _) = member(btf, registers, calls.number)?;
    let Register(register, inside) = calls.address;
    let address = member(btf, registers, register)?.0 + inside;
    let read_user = helper(btf, "BPF_FUNC_probe_read_user")?;
    let who = Who::find(btf)?;
    let maps = MapCalls::find(btf)?;

    let mut program = Assembler::default();
    let a = &mut program;
    let (out, failed, known) = (a.label(), a.label(), a.label());
    let (with_address, all) = (a.label(), a.label());
    {
        use Reg::{R0, R1, R2, R3, R6, R7, R8, R10};
        use Size::{Double, Half, Word};
        a.load(Double, R6, R1, 8);
        for errno in TOLD_OF_CALLS {
            a.jump_if_word(R6, -errno, failed);
        }
        a.jump(out);
        a.place(failed);
        a.load(Double, R7, R1, 0);
        a.load(Word, R8, R7, number);
        for call in [calls.bind, calls.connect, calls.socket] {
            a.jump_if_word(R8, call, known);
        }
        for call in calls.accept {
            a.jump_if_word(R8, call, known);
        }
        a.jump(out);
        a.place(known);
        begin(a, R6);
        a.store(Word, R10, AT + 12, R8);
        for call in [calls.bind, calls.connect] {
            a.jump_if_word(R8, call, with_address);
        }
        a.jump(all);
        a.place(with_address);
        // Family, port and address of IPv4; more only where it is there.
        for (length, family) in [(8, None), (24, Some(AF_INET6))] {
            if let Some(family) = family {
                a.load(Half, R1, R10, AT + ADDRESS);
                a.jump_unless(R1, family.into(), all);
            }
            a.stack(R1, AT + ADDRESS);
            a.set(R2, length);
            a.load(Double, R3, R7, address);
            a.call(read_user);
            a.jump_unless(R0, 0, all);
        }
        a.place(all);
    }
    who.store_namespace(a);
    who.store(a);
    maps.count(a, map, AT, out);
    a.end(out);
    Ok(Program::at_tracepoint(
        "sockdoc_calls",
        tracepoint,
        program.finish(),
    ))
}

/// Makes the key empty, but for the error.
fn begin(a: &mut Assembler, error: Reg) {
    use Reg::{R1, R10};
    a.set(R1, 0);
    for at in (0..56).step_by(8) {
        a.store(Size::Double, R10, AT + at, R1);
    }
    a.store(Size::Word, R10, AT + 4, error);
}

/// How the current process is told.
#[derive(Debug)]
struct Who {
    number: i32,
    name: i32,
    current: i32,
    nsproxy: i16,
    net_ns: i16,
    inum: i16,
}

impl Who {
    fn find(btf: &Btf<'_>) -> Result<Self, Missing> {
        let task = btf
            .find(Kind::Struct, "task_struct")
            .ok_or(Missing("task_struct"))?;
        let (nsproxy, nsproxy_type) = member(btf, task, "nsproxy")?;
        let (net_ns, net) = member(btf, nsproxy_type, "net_ns")?;
        Ok(Who {
            number: helper(btf, "BPF_FUNC_get_current_pid_tgid")?,
            name: helper(btf, "BPF_FUNC_get_current_comm")?,
            current: helper(btf, "BPF_FUNC_get_current_task_btf")?,
            nsproxy,
            net_ns,
            inum: number_of_namespace(btf, net)?,
        })
    }

    /// Writes its network namespace into the key.
    fn store_namespace(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R10};
        use Size::{Double, Word};
        a.call(self.current);
        a.load(Double, R1, R0, self.nsproxy);
        a.load(Double, R1, R1, self.net_ns);
        a.load(Word, R1, R1, self.inum);
        a.store(Word, R10, AT, R1);
    }

    /// Writes number and name of the process into the key.
    fn store(&self, a: &mut Assembler) {
        use Reg::{R0, R1, R2, R10};
        a.call(self.number);
        a.shift_right(R0, 32);
        a.store(Size::Word, R10, AT + 8, R0);
        a.stack(R1, AT + 40);
        a.set(R2, 16);
        a.call(self.name);
    }
}

#[cfg(test)]
#[path = "attempts_tests.rs"]
mod tests;
