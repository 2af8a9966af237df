//! The program that lists which task holds which socket, and the records that it writes.
//!
//! The kernel's `task_file` iterator runs it for each open descriptor of each process, and of each thread
//! that does not share the descriptor table of its process.

use super::assembler::{Assembler, Reg, Size};
use super::btf::{Btf, Kind, TypeId};
use super::{Missing, Program, TRACING, helper, member};

/// `BPF_TRACE_ITER`
const TRACE_ITER: u32 = 28;

/// A descriptor that is a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// The inode of the socket.
    pub inode: u32,
    /// The descriptor.
    pub fd: u32,
    /// The process.
    pub pid: u32,
    /// `pid`, or the number of a thread with a descriptor table of its own.
    pub tid: u32,
    /// The name of the process, padded with NUL.
    pub comm: [u8; COMM],
}

/// `TASK_COMM_LEN`
const COMM: usize = 16;
/// Bytes of a record: four words, and the name.
pub const RECORD: usize = 4 * 4 + COMM;

impl Record {
    /// The complete records in these bytes.
    pub fn all(bytes: &[u8]) -> impl Iterator<Item = Record> {
        bytes.chunks_exact(RECORD).map(|bytes| {
            let word = |n: usize| u32::from_ne_bytes(std::array::from_fn(|i| bytes[4 * n + i]));
            Record {
                inode: word(0),
                fd: word(1),
                pid: word(2),
                tid: word(3),
                comm: std::array::from_fn(|i| bytes[4 * 4 + i]),
            }
        })
    }

    /// The name without its padding.
    pub fn comm(&self) -> &[u8] {
        let end = self.comm.iter().position(|&byte| byte == 0);
        &self.comm[..end.unwrap_or(COMM)]
    }
}

/// The program for a kernel with these types.
///
/// # Errors
/// When the kernel lacks the iterator, a helper or a member (the youngest of them came with Linux
/// 5.11).
pub fn program(btf: &Btf<'_>) -> Result<Program, Missing> {
    let places = Places::find(btf)?;
    Ok(Program {
        name: "sockdoc_owners",
        kind: TRACING,
        attach_type: TRACE_ITER,
        attach_to: places.function,
        instructions: places.assemble(),
    })
}

/// The offsets in bytes and the numbers of helpers in this kernel.
#[derive(Debug)]
struct Places {
    function: TypeId,
    meta: i16,
    task: i16,
    fd: i16,
    file: i16,
    meta_seq: i16,
    task_tgid: i16,
    task_pid: i16,
    task_leader: i16,
    task_comm: i16,
    file_inode: i16,
    inode_number: i16,
    sock_from_file: i32,
    seq_write: i32,
}

impl Places {
    fn find(btf: &Btf<'_>) -> Result<Self, Missing> {
        let function = btf
            .find(Kind::Func, "bpf_iter_task_file")
            .ok_or(Missing("iterator over the files of tasks"))?;
        let argument = |name| argument(btf, function, name);
        let (meta, meta_type) = argument("meta")?;
        let (task, task_type) = argument("task")?;
        let (fd, _) = argument("fd")?;
        let (file, file_type) = argument("file")?;
        let (file_inode, inode_type) = member(btf, file_type, "f_inode")?;
        let of_task = |name| member(btf, task_type, name).map(|(offset, _)| offset);
        let helper = |name| helper(btf, name);
        Ok(Places {
            function,
            meta,
            task,
            fd,
            file,
            meta_seq: member(btf, meta_type, "seq")?.0,
            task_tgid: of_task("tgid")?,
            task_pid: of_task("pid")?,
            task_leader: of_task("group_leader")?,
            task_comm: of_task("comm")?,
            file_inode,
            inode_number: member(btf, inode_type, "i_ino")?.0,
            sock_from_file: helper("BPF_FUNC_sock_from_file")?,
            seq_write: helper("BPF_FUNC_seq_write")?,
        })
    }

    fn assemble(&self) -> Vec<u8> {
        use Reg::{R0, R1, R2, R3, R6, R7, R8, R10};
        use Size::{Double, Word};
        // The offsets of the record's fields from the frame pointer.
        let [inode, fd, pid, tid, name] = [-32, -28, -24, -20, -16];

        let mut program = Assembler::default();
        let a = &mut program;
        let out = a.label();
        a.copy(R6, R1);
        // Both are null in the call after the last descriptor.
        a.load(Double, R7, R6, self.task);
        a.jump_if_zero(R7, out);
        a.load(Double, R8, R6, self.file);
        a.jump_if_zero(R8, out);
        a.copy(R1, R8);
        a.call(self.sock_from_file);
        a.jump_if_zero(R0, out);

        a.load(Double, R1, R8, self.file_inode);
        a.load(Double, R1, R1, self.inode_number);
        a.store(Word, R10, inode, R1);
        a.load(Word, R1, R6, self.fd);
        a.store(Word, R10, fd, R1);
        a.load(Word, R1, R7, self.task_tgid);
        a.store(Word, R10, pid, R1);
        a.load(Word, R1, R7, self.task_pid);
        a.store(Word, R10, tid, R1);
        a.load(Double, R2, R7, self.task_leader);
        for half in [0, 8] {
            a.load(Double, R1, R2, self.task_comm + half);
            a.store(Double, R10, name + half, R1);
        }

        a.load(Double, R1, R6, self.meta);
        a.load(Double, R1, R1, self.meta_seq);
        a.stack(R2, inode);
        a.set(R3, i32::from(-inode));
        a.call(self.seq_write);
        a.end(out);
        program.finish()
    }
}

/// The offset of an argument of the traced function in the context of the program: eight bytes each.
fn argument(btf: &Btf<'_>, function: TypeId, name: &'static str) -> Result<(i16, TypeId), Missing> {
    let (index, type_id) = btf.argument(function, name).ok_or(Missing(name))?;
    let offset = i16::try_from(index * 8).map_err(|_| Missing(name))?;
    Ok((offset, type_id))
}

#[cfg(test)]
#[path = "task_file_tests.rs"]
mod tests;
