use super::super::testing::{Entry, Writer};
use super::*;

const INT: u32 = 1 << 24;
const ARRAY: u32 = 3 << 24;
const FWD: u32 = 7 << 24;
const VAR: u32 = 14 << 24;
const DATASEC: u32 = 15 << 24;
const FLOAT: u32 = 16 << 24;
const DECL_TAG: u32 = 17 << 24;
const BIT_FIELDS: u32 = 1 << 31;

fn kinds(kind: u32) -> u32 {
    kind << 24
}

#[test]
fn every_kind_of_type_has_its_own_length() {
    let mut writer = Writer::new();
    let word = Entry::Word(7);
    writer.add("int", INT, 4, &[word]);
    writer.add("", kinds(PTR), 1, &[]);
    writer.add("", ARRAY, 0, &[word; 3]);
    writer.add("s", kinds(STRUCT) | 2, 8, &[word; 6]);
    writer.add("u", kinds(UNION) | 1, 8, &[word; 3]);
    writer.add("e", kinds(ENUM) | 3, 4, &[word; 6]);
    writer.add("f", FWD, 0, &[]);
    for kind in [TYPEDEF, VOLATILE, CONST, RESTRICT, TYPE_TAG] {
        writer.add("", kinds(kind), 1, &[]);
    }
    writer.add("", kinds(FUNC_PROTO) | 2, 0, &[word; 4]);
    writer.add("v", VAR, 1, &[word]);
    writer.add("d", DATASEC | 1, 4, &[word; 3]);
    writer.add("float", FLOAT, 4, &[]);
    writer.add("tag", DECL_TAG, 1, &[word]);
    writer.add("e64", kinds(ENUM64) | 2, 8, &[word; 6]);
    let last = writer.function("last", &[]);
    let bytes = writer.bytes();
    let btf = Btf::new(&bytes).unwrap();
    assert_eq!(btf.find(Kind::Func, "last"), Some(last));
    assert_eq!(btf.find(Kind::Func, "las"), None);
    assert_eq!(btf.find(Kind::Func, "int"), None);
}

#[test]
fn a_member_is_found_through_pointers_aliases_and_structs_without_a_name() {
    let mut writer = Writer::new();
    let int = writer.add("int", INT, 4, &[Entry::Word(32)]);
    let inner = writer.structure("", &[("deep", int, 4)]);
    let alias = writer.add("alias", kinds(TYPEDEF), inner.0, &[]);
    let named = writer.structure("named", &[("far", int, 0)]);
    let members = [("a", int, 0), ("", alias, 8), ("b", named, 16)];
    let outer = writer.structure("outer", &members);
    let constant = writer.add("", kinds(CONST), outer.0, &[]);
    let pointer = writer.pointer(constant);
    let twice = writer.pointer(pointer);
    let bytes = writer.bytes();
    let btf = Btf::new(&bytes).unwrap();
    for from in [outer, constant, pointer] {
        let deep = Member {
            offset: 12,
            type_id: int,
        };
        assert_eq!(btf.member(from, "deep"), Some(deep));
        assert_eq!(btf.member(from, "b").unwrap().offset, 16);
        assert_eq!(btf.member(from, "far"), None);
    }
    assert_eq!(btf.member(twice, "a"), None);
    assert_eq!(btf.member(int, "a"), None);
    assert_eq!(btf.member(TypeId(0), "a"), None);
    assert_eq!(btf.member(TypeId(99), "a"), None);
}

#[test]
fn a_bit_field_has_no_offset_in_bytes() {
    let mut writer = Writer::new();
    let int = writer.add("int", INT, 4, &[Entry::Word(32)]);
    let entries = [
        [
            Entry::Name("bits"),
            Entry::Type(int),
            Entry::Word(3 << 24 | 8),
        ],
        [Entry::Name("whole"), Entry::Type(int), Entry::Word(64)],
    ];
    let info = kinds(STRUCT) | BIT_FIELDS | 2;
    let id = writer.add("s", info, 16, &entries.concat());
    let bytes = writer.bytes();
    let btf = Btf::new(&bytes).unwrap();
    assert_eq!(btf.member(id, "bits"), None);
    assert_eq!(btf.member(id, "whole").unwrap().offset, 8);
}

#[test]
fn arguments_have_places_and_enumerators_values() {
    let mut writer = Writer::new();
    let int = writer.add("int", INT, 4, &[Entry::Word(32)]);
    let function = writer.function("f", &[("x", int), ("y", int)]);
    let numbers = writer.enumeration("numbers", &[("ONE", 1), ("MINUS", u32::MAX)]);
    let bytes = writer.bytes();
    let btf = Btf::new(&bytes).unwrap();
    assert_eq!(btf.argument(function, "y"), Some((1, int)));
    assert_eq!(btf.argument(function, "z"), None);
    assert_eq!(btf.argument(int, "y"), None);
    assert_eq!(btf.find(Kind::Enum, "numbers"), Some(numbers));
    assert_eq!(btf.enumerator(numbers, "MINUS"), Some(-1));
    assert_eq!(btf.enumerator(numbers, "TWO"), None);
    assert_eq!(btf.enumerator(function, "ONE"), None);
}

#[test]
fn types_in_a_circle_end() {
    let mut writer = Writer::new();
    // Each is the alias of the other.
    writer.add("a", kinds(TYPEDEF), 2, &[]);
    writer.add("b", kinds(TYPEDEF), 1, &[]);
    // It holds itself, without a name, as often as it can.
    let itself = [Entry::Word(0), Entry::Word(3), Entry::Word(0)].repeat(0xffff);
    writer.add("loop", kinds(STRUCT) | 0xffff, 4, &itself);
    let bytes = writer.bytes();
    let btf = Btf::new(&bytes).unwrap();
    assert_eq!(btf.member(TypeId(1), "x"), None);
    assert_eq!(btf.member(TypeId(3), "x"), None);
}

#[test]
fn what_does_not_fit_is_told_with_its_place() {
    let mut writer = Writer::new();
    writer.function("f", &[]);
    let bytes = writer.bytes();
    let offset = |bytes: &[u8]| Btf::new(bytes).map(|_| ()).unwrap_err().offset;
    assert_eq!(offset(b""), 0);
    assert_eq!(offset(&[0x9f]), 0);
    assert_eq!(offset(&bytes[..bytes.len() - 1]), STR_OFF);
    let with = |at: usize, word: u32| {
        let mut changed = bytes.clone();
        changed[at..at + 4].copy_from_slice(&word.to_ne_bytes());
        changed
    };
    assert_eq!(offset(&with(TYPE_LEN, u32::MAX)), TYPE_OFF);
    assert_eq!(offset(&with(HDR_LEN, u32::MAX)), TYPE_OFF);
    // The second type is cut, then of an unknown kind, then of more entries than there are bytes.
    assert_eq!(offset(&with(TYPE_LEN, 20)), 12);
    assert_eq!(offset(&with(24 + 12 + INFO, 31 << 24)), 12);
    assert_eq!(offset(&with(24 + 12 + INFO, kinds(STRUCT) | 9)), 12);
}

#[test]
fn a_name_outside_of_the_strings_is_no_name() {
    let mut writer = Writer::new();
    writer.function("f", &[]);
    let mut bytes = writer.bytes();
    bytes[24 + 12..24 + 16].copy_from_slice(&u32::MAX.to_ne_bytes());
    let btf = Btf::new(&bytes).unwrap();
    assert_eq!(btf.find(Kind::Func, "f"), None);
    assert_eq!(btf.find(Kind::Func, ""), None);
}
