//! Filters that the kernel runs on every socket of a dump.
//!
//! Sources: `linux/inet_diag.h` (`struct inet_diag_bc_op`, `inet_diag_hostcond`),
//! `inet_diag_bc_run` and `inet_diag_bc_audit` in `net/ipv4/inet_diag.c`. A filter saves the
//! filling and copying of answers, not the walk of the kernel's tables.
//!
//! An instruction is a test: if it holds, the kernel goes on `yes` bytes further, otherwise `no` bytes
//! further. A socket is listed if that ends exactly at the end of the code. The kernel accepts only
//! code whose `yes` is the length of the instruction, so only `no` jumps.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::ops::RangeInclusive;

use super::{AF_INET, AF_INET6};
use crate::netlink::{MAX_ATTRIBUTE, u16_at};

/// `INET_DIAG_BC_*`.
mod code {
    pub(super) const NOP: u8 = 0;
    pub(super) const JMP: u8 = 1;
    pub(super) const S_GE: u8 = 2;
    pub(super) const S_LE: u8 = 3;
    pub(super) const D_GE: u8 = 4;
    pub(super) const D_LE: u8 = 5;
    pub(super) const S_COND: u8 = 7;
    pub(super) const D_COND: u8 = 8;
    pub(super) const S_EQ: u8 = 11;
    pub(super) const D_EQ: u8 = 12;
}

/// The bytes of a `struct inet_diag_bc_op`: code (1), yes (1), no (2).
const OP: usize = 4;

/// The longest code: a jump past its end must still fit into 16 bits.
const MAX: usize = MAX_ATTRIBUTE / OP * OP - 2 * OP;

/// Which sockets are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Filter {
    /// The local port is in this range.
    LocalPort(RangeInclusive<u16>),
    /// The peer's port is in this range.
    PeerPort(RangeInclusive<u16>),
    /// The local address is in this network.
    Local(Network),
    /// The peer's address is in this network.
    Peer(Network),
    /// The filter does not hold.
    Not(Box<Filter>),
    /// All of them hold; so does an empty list.
    All(Vec<Filter>),
    /// At least one of them holds.
    Any(Vec<Filter>),
}

/// The addresses that begin with the same bits. An IPv4 network holds the mapped IPv6 addresses
/// (`::ffff:192.0.2.1`) as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The network of the addresses whose first `prefix` bits are those of `address`. `None`: an
    /// address has fewer bits.
    pub fn new(address: IpAddr, prefix: u8) -> Option<Self> {
        (prefix <= bits(address)).then_some(Network { address, prefix })
    }
}

impl From<IpAddr> for Network {
    /// One address.
    fn from(address: IpAddr) -> Self {
        let prefix = bits(address);
        Network { address, prefix }
    }
}

fn bits(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// How a single port is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortTest {
    /// As a range of one: every kernel knows it.
    Range,
    /// With `INET_DIAG_BC_S_EQ` and `D_EQ`; a kernel that does not know them says `EINVAL`.
    Equal,
}

/// Compiled code, never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytecode(Vec<u8>);

impl Bytecode {
    /// What the attribute holds.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The filter does not fit into a request: filter in the program instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the filter is longer than the kernel takes ({MAX} bytes)"
        )
    }
}

impl Error for TooLong {}

impl Filter {
    /// The code of the filter. Nests as deep as the filter does.
    pub fn compile(&self, ports: PortTest) -> Result<Bytecode, TooLong> {
        let mut code = self.fragment(ports)?;
        // The kernel refuses code without an instruction.
        if code.is_empty() {
            op(&mut code, code::NOP, OP, 0);
        }
        Ok(Bytecode(code))
    }

    /// The code of a part. The invariant that lets parts be joined: it is left at its end if it
    /// holds, and exactly one instruction ([`OP`] bytes) after its end if it does not.
    fn fragment(&self, ports: PortTest) -> Result<Vec<u8>, TooLong> {
        let code = match self {
            Filter::LocalPort(range) => {
                let [equal, least, most] = [code::S_EQ, code::S_GE, code::S_LE];
                port(range, ports, equal, least, most)
            }
            Filter::PeerPort(range) => {
                let [equal, least, most] = [code::D_EQ, code::D_GE, code::D_LE];
                port(range, ports, equal, least, most)
            }
            Filter::Local(network) => host(code::S_COND, network),
            Filter::Peer(network) => host(code::D_COND, network),
            Filter::Not(filter) => not(filter.fragment(ports)?),
            Filter::All(filters) => all(fragments(filters, ports)?),
            Filter::Any(filters) => any(&fragments(filters, ports)?),
        };
        if code.len() > MAX {
            return Err(TooLong);
        }
        Ok(code)
    }
}

/// The parts, if the code made of them is short enough for every jump in it.
fn fragments(filters: &[Filter], ports: PortTest) -> Result<Vec<Vec<u8>>, TooLong> {
    let mut room = MAX;
    filters
        .iter()
        .map(|filter| {
            let fragment = filter.fragment(ports)?;
            room = room.checked_sub(fragment.len() + OP).ok_or(TooLong)?;
            Ok(fragment)
        })
        .collect()
}

/// `[part] jump-past-the-end`: if the part holds the jump is reached, otherwise it is jumped over.
fn not(mut code: Vec<u8>) -> Vec<u8> {
    op(&mut code, code::JMP, OP, 2 * OP);
    code
}

/// `[part][part]...`: if a part does not hold, all the others are jumped over.
fn all(parts: Vec<Vec<u8>>) -> Vec<u8> {
    let mut behind: usize = parts.iter().map(Vec::len).sum();
    let mut code = Vec::with_capacity(behind);
    for mut part in parts {
        behind -= part.len();
        lengthen_exits(&mut part, behind);
        code.extend(part);
    }
    code
}

/// `[part] jump-to-the-end [part] jump-to-the-end ... [part]`: if a part holds its jump is reached,
/// else it is jumped over and the next part begins.
fn any(parts: &[Vec<u8>]) -> Vec<u8> {
    let Some(last) = parts.len().checked_sub(1) else {
        return not(Vec::new());
    };
    let mut behind: usize = parts.iter().map(|part| part.len() + OP).sum::<usize>() - OP;
    let mut code = Vec::with_capacity(behind);
    for (index, part) in parts.iter().enumerate() {
        behind -= part.len();
        code.extend(part);
        if index < last {
            op(&mut code, code::JMP, OP, behind);
            behind -= OP;
        }
    }
    code
}

/// Moves those jumps of a part that leave it without success, by `more` bytes.
fn lengthen_exits(part: &mut [u8], more: usize) {
    let exit = part.len() + OP;
    let mut at = 0;
    while at < part.len() {
        let (yes, no) = (usize::from(part[at + 1]), u16_at(part, at + 2));
        if at + usize::from(no) == exit {
            let no = jump(usize::from(no) + more);
            part[at + 2..at + 4].copy_from_slice(&no);
        }
        at += yes;
    }
}

/// `equal` or `least` and `most`. The port stands where a second instruction would have its `no`.
fn port(range: &RangeInclusive<u16>, ports: PortTest, equal: u8, least: u8, most: u8) -> Vec<u8> {
    let (start, end) = (*range.start(), *range.end());
    let test = |code, port: u16| {
        let mut test = Vec::with_capacity(2 * OP);
        op(&mut test, code, 2 * OP, 3 * OP);
        op(&mut test, code::NOP, 0, usize::from(port));
        test
    };
    if start == end && ports == PortTest::Equal {
        return test(equal, start);
    }
    // What is always true is left out.
    let tests = [
        (start > 0).then(|| test(least, start)),
        (end < u16::MAX).then(|| test(most, end)),
    ];
    all(tests.into_iter().flatten().collect())
}

/// The instruction with a `struct inet_diag_hostcond`: family (1), prefix (1), nothing (2), port (4),
/// address.
fn host(code: u8, network: &Network) -> Vec<u8> {
    let (family, address) = match network.address {
        IpAddr::V4(address) => (AF_INET, address.octets().to_vec()),
        IpAddr::V6(address) => (AF_INET6, address.octets().to_vec()),
    };
    let length = OP + 8 + address.len();
    let mut test = Vec::with_capacity(length);
    op(&mut test, code, length, length + OP);
    test.extend([family, network.prefix, 0, 0]);
    // Port -1 is any.
    test.extend((-1i32).to_ne_bytes());
    test.extend(address);
    test
}

/// Adds an instruction; `yes` is its length.
fn op(code: &mut Vec<u8>, kind: u8, yes: usize, no: usize) {
    let yes = u8::try_from(yes).expect("an instruction has at most 28 bytes");
    code.extend([kind, yes]);
    code.extend(jump(no));
}

/// A jump's length; [`MAX`] keeps it in range.
fn jump(length: usize) -> [u8; 2] {
    u16::try_from(length)
        .expect("the code is shorter than its limit")
        .to_ne_bytes()
}

#[cfg(test)]
#[path = "bytecode_tests.rs"]
mod tests;
