//! eBPF programs without a compiler: the kernel's own type information, and programs assembled to match
//! it.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Program`], ready to load; [`Missing`]: what the kernel lacks for it |
//! | [`assembler`] | instructions and labels to bytes |
//! | [`btf`] | the kernel's own description of its types (BTF) |
//! | [`attempts`] | the programs that count route look-ups and sends that failed |
//! | [`counting`] | what the counting programs share |
//! | [`drops`] | the program that counts why packets are dropped |
//! | [`owning`] | the programs that tell which process connects, sends and receives |
//! | [`resets`] | the programs that count connections which are reset |
//! | [`record`] | what it writes about each packet |
//! | [`task_file`] | the program that lists which task holds which socket, and its records |
//!
//! [`sys::bpf`](crate::sys::bpf) loads them. Offsets, helpers and arguments come from the BTF, never
//! from the kernel's version.

pub mod assembler;
pub mod attempts;
pub mod btf;
pub mod counting;
pub mod drops;
pub mod owning;
pub mod record;
pub mod resets;
pub mod task_file;
#[cfg(test)]
mod testing;

use btf::{Btf, TypeId};

/// A program that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Shown by `bpftool prog`: at most 15 letters, digits and underscores.
    pub name: &'static str,
    /// `enum bpf_prog_type`.
    pub kind: u32,
    /// `enum bpf_attach_type`.
    pub attach_type: u32,
    /// The kernel function to attach to.
    pub attach_to: TypeId,
    /// The instructions, eight bytes each.
    pub instructions: Vec<u8>,
}

/// `BPF_PROG_TYPE_TRACING`
const TRACING: u32 = 26;
/// `BPF_TRACE_RAW_TP`
const TRACE_RAW_TP: u32 = 23;

impl Program {
    /// A program that runs at a tracepoint.
    fn at_tracepoint(name: &'static str, attach_to: TypeId, instructions: Vec<u8>) -> Program {
        Program {
            name,
            kind: TRACING,
            attach_type: TRACE_RAW_TP,
            attach_to,
            instructions,
        }
    }
}

/// A function, member or helper that a program needs and the kernel lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel has no {}", self.0)
    }
}

/// The number of a helper.
fn helper(btf: &Btf<'_>, name: &'static str) -> Result<i32, Missing> {
    let helpers = btf
        .find(btf::Kind::Enum, "bpf_func_id")
        .ok_or(Missing("list of BPF helpers in its BTF"))?;
    btf.enumerator(helpers, name).ok_or(Missing(name))
}

/// The offset of a member, if one instruction can reach it and the bytes after it.
fn member(btf: &Btf<'_>, of: TypeId, name: &'static str) -> Result<(i16, TypeId), Missing> {
    let member = btf.member(of, name).ok_or(Missing(name))?;
    let offset = i16::try_from(member.offset).ok();
    let near = offset.filter(|offset| *offset < i16::MAX - 64);
    Ok((near.ok_or(Missing(name))?, member.type_id))
}
