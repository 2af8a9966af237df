use super::super::testing::Writer;
use super::*;

/// A kernel with these helpers, and `comm` at this offset.
fn kernel(helpers: &[(&str, u32)], comm: u32) -> Vec<u8> {
    let mut writer = Writer::new();
    let int = writer.add("int", 1 << 24, 4, &[super::super::testing::Entry::Word(32)]);
    let seq = writer.structure("", &[("seq", int, 0)]);
    let meta = writer.structure("bpf_iter_meta", &[("", seq, 0)]);
    let inode = writer.structure("inode", &[("i_ino", int, 64)]);
    let inode = writer.pointer(inode);
    let file = writer.structure("file", &[("f_inode", inode, 32)]);
    let members = [
        ("pid", int, 1000),
        ("tgid", int, 1004),
        ("group_leader", int, 1040),
        ("comm", int, comm),
    ];
    let task = writer.structure("task_struct", &members);
    let [meta, task, file] = [meta, task, file].map(|id| writer.pointer(id));
    let arguments = [("meta", meta), ("task", task), ("fd", int), ("file", file)];
    writer.function("bpf_iter_task_file", &arguments);
    writer.enumeration("bpf_func_id", helpers);
    writer.bytes()
}

const HELPERS: [(&str, u32); 2] = [
    ("BPF_FUNC_seq_write", 127),
    ("BPF_FUNC_sock_from_file", 162),
];

#[test]
#[cfg(target_endian = "little")]
fn the_program_takes_offsets_arguments_and_helpers_of_this_kernel() {
    let bytes = kernel(&HELPERS, 1400);
    let program = program(&Btf::new(&bytes).unwrap()).unwrap();
    let has = |instruction: [u8; 8]| {
        let (found, _) = program.instructions.as_chunks::<8>();
        found.contains(&instruction)
    };
    // r7 = the second argument; r8 = the fourth
    assert!(has([0x79, 0x67, 8, 0, 0, 0, 0, 0]));
    assert!(has([0x79, 0x68, 24, 0, 0, 0, 0, 0]));
    // r1 = task->tgid
    let [low, high] = 1004_u16.to_le_bytes();
    assert!(has([0x61, 0x71, low, high, 0, 0, 0, 0]));
    // r1 = the second half of leader->comm
    let [low, high] = 1408_u16.to_le_bytes();
    assert!(has([0x79, 0x21, low, high, 0, 0, 0, 0]));
    assert!(has([0x85, 0, 0, 0, 162, 0, 0, 0]));
    assert!(has([0x85, 0, 0, 0, 127, 0, 0, 0]));
    assert_eq!((program.kind, program.attach_type), (26, 28));
}

#[test]
fn a_kernel_that_lacks_something_is_told_what() {
    let lacks = |bytes: &[u8]| program(&Btf::new(bytes).unwrap()).unwrap_err().to_string();
    assert_eq!(
        lacks(&kernel(&HELPERS[..1], 1400)),
        "the kernel has no BPF_FUNC_sock_from_file"
    );
    // Too far for one instruction.
    assert_eq!(lacks(&kernel(&HELPERS, 32_760)), "the kernel has no comm");
    assert_eq!(
        lacks(&Writer::new().bytes()),
        "the kernel has no iterator over the files of tasks"
    );
}

#[test]
fn records_are_read_and_a_part_of_one_is_left_over() {
    let mut bytes = Vec::new();
    for word in [4711_u32, 3, 100, 101] {
        bytes.extend(word.to_ne_bytes());
    }
    bytes.extend(b"a) b\0\0\0\0\0\0\0\0\0\0\0\0");
    bytes.extend([1, 2, 3]);
    let records: Vec<Record> = Record::all(&bytes).collect();
    let [record] = records[..] else {
        panic!("{records:?}");
    };
    assert_eq!(record.comm(), b"a) b");
    let words = [record.inode, record.fd, record.pid, record.tid];
    assert_eq!(words, [4711, 3, 100, 101]);
}
