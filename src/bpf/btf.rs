//! BTF, the description of its own types that a kernel offers in /sys/kernel/btf/vmlinux
//! (Documentation/bpf/btf.rst in the kernel).
//!
//! The bytes are not trusted: a reference outside of them counts as not found, nothing here panics,
//! and the number of steps of a search is bounded even if types refer to each other in a circle.

use std::ops::Range;

/// The kernel's types.
#[derive(Debug)]
pub struct Btf<'a> {
    types: &'a [u8],
    strings: &'a [u8],
    /// The offset of each type in `types`; the first is number 1, since 0 is `void`.
    starts: Vec<u32>,
}

/// The number of a type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TypeId(pub u32);

/// The kinds of types (`BTF_KIND_*`) that can be looked up by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Struct = 4,
    Enum = 6,
    Typedef = 8,
    Func = 12,
}

/// A member of a struct.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// In bytes from the start of the struct.
    pub offset: u32,
    /// Its type.
    pub type_id: TypeId,
}

/// The bytes are not valid BTF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed {
    /// The byte at which reading failed.
    pub offset: usize,
}

impl std::fmt::Display for Malformed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "unreadable BTF at byte {}", self.offset)
    }
}

/// `BTF_MAGIC`, in the byte order of the kernel.
const MAGIC: u16 = 0xeb9f;
/// Offsets in `struct btf_header`.
const HDR_LEN: usize = 4;
const TYPE_OFF: usize = 8;
const TYPE_LEN: usize = 12;
const STR_OFF: usize = 16;
const STR_LEN: usize = 20;

/// `struct btf_type`: its name, kind and count, size or type; then what the kind adds.
const TYPE_SIZE: usize = 12;
const INFO: usize = 4;
const REFERS: usize = 8;

const PTR: u32 = 2;
const STRUCT: u32 = 4;
const UNION: u32 = 5;
const ENUM: u32 = 6;
const TYPEDEF: u32 = 8;
const VOLATILE: u32 = 9;
const CONST: u32 = 10;
const RESTRICT: u32 = 11;
const FUNC: u32 = 12;
const FUNC_PROTO: u32 = 13;
const TYPE_TAG: u32 = 18;
const ENUM64: u32 = 19;

/// The limit on the members that one search visits; `task_struct` has about 300.
const MOST_STEPS: usize = 20_000;
/// The limit on a chain of typedefs and qualifiers.
const MOST_ALIASES: usize = 32;

impl<'a> Btf<'a> {
    /// Finds where each type begins.
    ///
    /// # Errors
    /// When the header or a type does not fit into the bytes.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Malformed> {
        if bytes.get(..2) != Some(&MAGIC.to_ne_bytes()) {
            return Err(Malformed { offset: 0 });
        }
        let section = |offset: usize, length: usize| {
            let begin = u32_at(bytes, HDR_LEN)?.checked_add(u32_at(bytes, offset)?)?;
            let end = begin.checked_add(u32_at(bytes, length)?)?;
            bytes.get(begin as usize..end as usize)
        };
        let types = section(TYPE_OFF, TYPE_LEN).ok_or(Malformed { offset: TYPE_OFF })?;
        let strings = section(STR_OFF, STR_LEN).ok_or(Malformed { offset: STR_OFF })?;
        // On average a type takes 26 bytes.
        let mut starts = Vec::with_capacity(types.len() / 24);
        let mut at = 0;
        while at < types.len() {
            let next = size_at(types, at).map(|size| at + size);
            let next = next.filter(|next| *next <= types.len());
            let (Ok(start), Some(next)) = (u32::try_from(at), next) else {
                return Err(Malformed { offset: at });
            };
            starts.push(start);
            at = next;
        }
        Ok(Btf {
            types,
            strings,
            starts,
        })
    }

    /// The first type of this kind and name.
    pub fn find(&self, kind: Kind, name: &str) -> Option<TypeId> {
        let index = self.starts.iter().position(|&start| {
            let ty = Type { at: start as usize };
            self.kind(ty) == kind as u32 && self.is_named(ty.at, name)
        })?;
        Some(TypeId(u32::try_from(index).ok()? + 1))
    }

    /// A member of a struct, or of the struct that a pointer points to, anonymous structs and unions in
    /// it included. Bit fields are not found: they have no offset in bytes.
    pub fn member(&self, type_id: TypeId, name: &str) -> Option<Member> {
        let mut open = vec![(self.pointed_to(type_id)?, 0)];
        let mut steps = 0;
        while let Some((ty, base)) = open.pop() {
            if !matches!(self.kind(ty), STRUCT | UNION) {
                continue;
            }
            for at in self.entries(ty, 12) {
                steps += 1;
                if steps > MOST_STEPS {
                    return None;
                }
                let type_id = TypeId(u32_at(self.types, at + 4)?);
                let offset = self.byte_offset(ty, at).and_then(|at| at.checked_add(base));
                if self.is_named(at, name) {
                    return offset.map(|offset| Member { offset, type_id });
                }
                if let Some(offset) = offset
                    && self.is_named(at, "")
                    && let Some(inner) = self.unqualified(type_id)
                {
                    open.push((inner, offset));
                }
            }
        }
        None
    }

    /// The position of an argument of a function, from 0, and its type.
    pub fn argument(&self, function: TypeId, name: &str) -> Option<(usize, TypeId)> {
        let prototype = self.prototype(function)?;
        let mut arguments = self.entries(prototype, 8).enumerate();
        let (index, at) = arguments.find(|(_, at)| self.is_named(*at, name))?;
        Some((index, TypeId(u32_at(self.types, at + 4)?)))
    }

    /// The value of an enumerator.
    pub fn enumerator(&self, type_id: TypeId, name: &str) -> Option<i32> {
        let ty = self
            .unqualified(type_id)
            .filter(|ty| self.kind(*ty) == ENUM)?;
        let at = self.entries(ty, 8).find(|at| self.is_named(*at, name))?;
        Some(u32_at(self.types, at + 4)?.cast_signed())
    }

    /// The type of a parameter of a function, or of the functions that a pointer type is for, by its position.
    /// Those of tracepoints have no names.
    pub fn parameter(&self, function: TypeId, index: usize) -> Option<TypeId> {
        let pointed_to = self.pointed_to(function);
        let prototype = pointed_to.filter(|ty| self.kind(*ty) == FUNC_PROTO);
        let prototype = prototype.or_else(|| self.prototype(function))?;
        let at = self.entries(prototype, 8).nth(index)?;
        Some(TypeId(u32_at(self.types, at + 4)?))
    }

    /// The names and values of an enum.
    pub fn enumerators(&self, type_id: TypeId) -> Vec<(&'a str, i32)> {
        let ty = self.unqualified(type_id);
        let Some(ty) = ty.filter(|ty| self.kind(*ty) == ENUM) else {
            return Vec::new();
        };
        let named = self.entries(ty, 8).filter_map(|at| {
            let rest = self.strings.get(u32_at(self.types, at)? as usize..)?;
            let end = rest.iter().position(|byte| *byte == 0)?;
            let name = std::str::from_utf8(&rest[..end]).ok()?;
            Some((name, u32_at(self.types, at + 4)?.cast_signed()))
        });
        named.collect()
    }

    fn prototype(&self, function: TypeId) -> Option<Type> {
        let function = self.get(function).filter(|ty| self.kind(*ty) == FUNC)?;
        self.get(self.refers_to(function)?)
            .filter(|ty| self.kind(*ty) == FUNC_PROTO)
    }

    /// Through aliases, one pointer, and aliases.
    fn pointed_to(&self, type_id: TypeId) -> Option<Type> {
        let ty = self.unqualified(type_id)?;
        match self.kind(ty) {
            PTR => self.unqualified(self.refers_to(ty)?),
            _ => Some(ty),
        }
    }

    /// The type without typedefs, qualifiers and tags.
    fn unqualified(&self, mut type_id: TypeId) -> Option<Type> {
        for _ in 0..MOST_ALIASES {
            let ty = self.get(type_id)?;
            match self.kind(ty) {
                TYPEDEF | VOLATILE | CONST | RESTRICT | TYPE_TAG => type_id = self.refers_to(ty)?,
                _ => return Some(ty),
            }
        }
        None
    }

    /// `None` for `void` and for numbers without a type.
    fn get(&self, type_id: TypeId) -> Option<Type> {
        let index = type_id.0.checked_sub(1)?;
        let at = *self.starts.get(index as usize)? as usize;
        Some(Type { at })
    }

    fn kind(&self, ty: Type) -> u32 {
        u32_at(self.types, ty.at + INFO).map_or(0, kind_of)
    }

    fn refers_to(&self, ty: Type) -> Option<TypeId> {
        u32_at(self.types, ty.at + REFERS).map(TypeId)
    }

    /// The offsets of the entries of a type, `size` bytes each.
    fn entries(&self, ty: Type, size: usize) -> std::iter::StepBy<Range<usize>> {
        let count = u32_at(self.types, ty.at + INFO).map_or(0, count_of);
        let first = ty.at + TYPE_SIZE;
        (first..first + count * size).step_by(size)
    }

    /// The offset of a member. In a struct with bit fields its upper byte is the width of the field.
    fn byte_offset(&self, ty: Type, member: usize) -> Option<u32> {
        let bits = u32_at(self.types, member + 8)?;
        let has_bit_fields = u32_at(self.types, ty.at + INFO)? >> 31 == 1;
        let is_bit_field = has_bit_fields && bits >> 24 != 0;
        (bits.is_multiple_of(8) && !is_bit_field).then_some(bits / 8)
    }

    /// Whether the type, member, argument or enumerator at this offset has this name.
    fn is_named(&self, at: usize, name: &str) -> bool {
        let Some(offset) = u32_at(self.types, at) else {
            return false;
        };
        let rest = self.strings.get(offset as usize..).unwrap_or_default();
        rest.strip_prefix(name.as_bytes())
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

/// A type that was checked to lie within the bytes, with all of its entries.
#[derive(Debug, Clone, Copy)]
struct Type {
    at: usize,
}

/// The length in bytes of the type at this offset.
fn size_at(types: &[u8], at: usize) -> Option<usize> {
    let info = u32_at(types, at + INFO)?;
    let count = count_of(info);
    let more = match kind_of(info) {
        // INT, VAR, DECL_TAG
        1 | 14 | 17 => 4,
        // ARRAY
        3 => 12,
        // and DATASEC
        STRUCT | UNION | ENUM64 | 15 => count * 12,
        ENUM | FUNC_PROTO => count * 8,
        // and FWD, FLOAT
        PTR | TYPEDEF | VOLATILE | CONST | RESTRICT | FUNC | TYPE_TAG | 7 | 16 => 0,
        // The length of an unknown kind is unknown.
        _ => return None,
    };
    Some(TYPE_SIZE + more)
}

fn kind_of(info: u32) -> u32 {
    info >> 24 & 0x1f
}

fn count_of(info: u32) -> usize {
    (info & 0xffff) as usize
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
#[path = "btf_tests.rs"]
mod tests;
