//! eBPF without a compiler: the types of the running kernel, and programs put together instruction by
//! instruction to fit them.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Program`]: what the kernel is given; [`Missing`]: what it lacks |
//! | [`assembler`] | instructions and labels to bytes |
//! | [`btf`] | the kernel's own description of its types (BTF) |
//! | [`task_file`] | the program that lists which task holds which socket, and its records |
//!
//! Loading them is the work of [`sys::bpf`](crate::sys::bpf). Offsets, helpers and arguments are asked
//! of the BTF, never of the kernel's version.

pub mod assembler;
pub mod btf;
pub mod task_file;
#[cfg(test)]
mod testing;

use btf::TypeId;

/// A program that can be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Shown by `bpftool prog`: at most 15 letters, digits and underscores.
    pub name: &'static str,
    /// `enum bpf_prog_type`.
    pub kind: u32,
    /// `enum bpf_attach_type`.
    pub attach_type: u32,
    /// The kernel function that it is attached to.
    pub attach_to: TypeId,
    /// The instructions, eight bytes each.
    pub instructions: Vec<u8>,
}

/// Something that a program needs and the kernel does not have: a function, a member, a helper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel has no {}", self.0)
    }
}
