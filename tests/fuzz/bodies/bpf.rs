//! What must hold for the reader of a kernel's types and of an iterator's records whatever the bytes.

use sockdoc::bpf::btf::{Btf, Kind, TypeId};
use sockdoc::bpf::task_file::{self, RECORD, Record};

/// The input: a BTF blob; and the same bytes as records.
pub(crate) fn bpf(data: &[u8]) {
    let records = Record::all(data).inspect(|record| assert!(record.comm().len() <= 16));
    assert_eq!(records.count(), data.len() / RECORD);
    let btf = match Btf::new(data) {
        Ok(btf) => btf,
        Err(malformed) => {
            assert!(malformed.offset <= data.len().max(16));
            return;
        }
    };
    // A type takes twelve bytes, so there are no more than these; void and one beyond are asked for too.
    let last = u32::try_from(data.len() / 12 + 1).expect("a short input");
    for id in (0..=last.min(32)).map(TypeId) {
        for name in ["", "comm"] {
            let _ = (
                btf.member(id, name),
                btf.argument(id, name),
                btf.enumerator(id, name),
            );
        }
    }
    if let Some(id) = btf.find(Kind::Func, "bpf_iter_task_file") {
        assert!((1..last).contains(&id.0));
    }
    if let Ok(program) = task_file::program(&btf) {
        assert_eq!(program.instructions.len() % 8, 0);
    }
}
