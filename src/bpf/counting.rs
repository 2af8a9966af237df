//! What the counting programs share: they run at a tracepoint and add one to the entry of a map.

use super::assembler::{Assembler, Label, Reg, Size};
use super::btf::{Btf, Kind, TypeId};
use super::{Missing, helper, member};

/// Entries that each map may have.
pub const MOST: u32 = 1024;

/// The place of a new entry's value on the stack, from the frame pointer.
pub(super) const VALUE: i16 = -8;

/// The helpers that look up and change the entries of a map. Each call loses registers 0 to 5.
#[derive(Debug)]
pub(super) struct MapCalls {
    lookup: i32,
    update: i32,
}

/// `BPF_ANY`: the entry is made or replaced.
pub(super) const ANY: i32 = 0;
/// `BPF_NOEXIST`: the entry is made unless there is one.
const NO_EXIST: i32 = 1;

impl MapCalls {
    pub(super) fn find(btf: &Btf<'_>) -> Result<Self, Missing> {
        Ok(MapCalls {
            lookup: helper(btf, "BPF_FUNC_map_lookup_elem")?,
            update: helper(btf, "BPF_FUNC_map_update_elem")?,
        })
    }

    /// R0 = the address of the value for the key at this place of the stack, or 0.
    pub(super) fn lookup(&self, a: &mut Assembler, map: i32, key: i16) {
        a.map(Reg::R1, map);
        a.stack(Reg::R2, key);
        a.call(self.lookup);
    }

    /// Writes the value at a place of the stack for the key at another.
    pub(super) fn update(&self, a: &mut Assembler, map: i32, [key, value]: [i16; 2], how: i32) {
        a.map(Reg::R1, map);
        a.stack(Reg::R2, key);
        a.stack(Reg::R3, value);
        a.set(Reg::R4, how);
        a.call(self.update);
    }

    /// Adds one to the entry of the key at this place of the stack; `then`: the place after it.
    pub(super) fn count(&self, a: &mut Assembler, map: i32, key: i16, then: Label) {
        use Reg::{R0, R1, R10};
        let absent = a.label();
        self.lookup(a, map, key);
        a.jump_if_zero(R0, absent);
        a.set(R1, 1);
        a.add_atomically(R0, 0, R1);
        a.jump(then);
        a.place(absent);
        a.set(R1, 1);
        a.store(Size::Double, R10, VALUE, R1);
        // Another processor may have been first.
        self.update(a, map, [key, VALUE], NO_EXIST);
    }
}

/// A tracepoint, and the types of its first parameters.
pub(super) fn tracepoint<const COUNT: usize>(
    btf: &Btf<'_>,
    name: &str,
    missing: Missing,
) -> Result<(TypeId, [TypeId; COUNT]), Missing> {
    let found = || {
        let tracepoint = btf.find(Kind::Typedef, name)?;
        let mut types = [TypeId(0); COUNT];
        for (index, ty) in types.iter_mut().enumerate() {
            // The first one is the tracer's own.
            *ty = btf.parameter(tracepoint, index + 1)?;
        }
        Some((tracepoint, types))
    };
    found().ok_or(missing)
}

/// Where a socket has the address of its network namespace.
pub(super) fn namespace_of_socket(btf: &Btf<'_>, sk: TypeId) -> Result<i16, Missing> {
    let (common, common_type) = member(btf, sk, "__sk_common")?;
    let (inside_common, net_type) = member(btf, common_type, "skc_net")?;
    let (inside, _) = member(btf, net_type, "net")?;
    Ok(common + inside_common + inside)
}

/// Where a network namespace has its inode.
pub(super) fn number_of_namespace(btf: &Btf<'_>, net: TypeId) -> Result<i16, Missing> {
    let (ns, ns_type) = member(btf, net, "ns")?;
    let (inum, _) = member(btf, ns_type, "inum")?;
    Ok(ns + inum)
}

/// A word of a key.
pub(super) fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_ne_bytes(std::array::from_fn(|index| bytes[at + index]))
}
