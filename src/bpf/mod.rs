//! eBPF programs without a compiler: the kernel's own type information, and programs assembled to match
//! it.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | [`Program`], ready to load; [`Missing`]: what the kernel lacks for it |
//! | [`assembler`] | instructions and labels to bytes |
//! | [`btf`] | the kernel's own description of its types (BTF) |
//! | [`task_file`] | the program that lists which task holds which socket, and its records |
//!
//! [`sys::bpf`](crate::sys::bpf) loads them. Offsets, helpers and arguments come from the BTF, never
//! from the kernel's version.

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
    /// The kernel function to attach to.
    pub attach_to: TypeId,
    /// The instructions, eight bytes each.
    pub instructions: Vec<u8>,
}

/// A function, member or helper that a program needs and the kernel lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing(pub &'static str);

impl std::fmt::Display for Missing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the kernel has no {}", self.0)
    }
}
