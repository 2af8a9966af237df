//! The encodings of a content are Python's: every name means what it means to Python, and every byte, pair of
//! bytes and edge of a code is decoded or refused as Python does it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sockdoc::message::Charset;

use crate::peers::{finish, no_python, python};
use crate::support;

/// Python's names of the supported codecs of one byte a character.
const SINGLE: &[&str] = &[
    "ascii",
    "iso8859-1",
    "iso8859-2",
    "iso8859-3",
    "iso8859-4",
    "iso8859-5",
    "iso8859-6",
    "iso8859-7",
    "iso8859-8",
    "iso8859-10",
    "iso8859-13",
    "iso8859-14",
    "iso8859-15",
    "iso8859-16",
    "koi8-r",
    "mac-roman",
    "mac-cyrillic",
    "cp866",
    "cp874",
    "cp1250",
    "cp1251",
    "cp1252",
    "cp1253",
    "cp1254",
    "cp1256",
    "cp1257",
    "cp1258",
];

/// Those of more bytes, and what may come before two of them.
const MULTIPLE: &[(&str, &[&[u8]])] = &[
    ("utf-8", &[b"", b"\xed", b"\xf4\x8f"]),
    ("utf-8-sig", &[b"", b"\xef\xbb\xbf"]),
    ("utf-16", &[b"", b"\xff\xfe", b"\xfe\xff\xd8\x00"]),
    ("utf-16-le", &[b"", b"\x00\xd8"]),
    ("utf-16-be", &[b"\xdb\xff"]),
    ("utf-32", &[b"\xff\xfe", b"\0\0\xfe\xff\0\0"]),
    ("utf-32-le", &[b"\xff\xff"]),
    ("utf-32-be", &[b"\0\0", b"\0\x10"]),
    ("cp949", &[b""]),
];

#[test]
fn every_name_means_what_it_means_to_python_or_is_refused() {
    if no_python("names of encodings") {
        return;
    }
    let listed = finish(python("encodings.py", &["names"]));
    assert!(listed.status.success(), "{}", support::stderr(&listed));
    let listed = support::stdout(&listed);
    let names: BTreeMap<&str, &str> = listed.lines().filter_map(|l| l.split_once(' ')).collect();
    assert!(names.len() > 300, "{}", names.len());
    let supported =
        |codec| SINGLE.contains(&codec) || MULTIPLE.iter().any(|(name, _)| *name == codec);
    for (name, codec) in names {
        let charset = Charset::named(name);
        assert_eq!(
            charset.is_some(),
            supported(codec),
            "{name}, which is {codec}"
        );
        if supported(codec) {
            assert_eq!(charset, Charset::named(codec), "{name}, which is {codec}");
        }
    }
}

#[test]
fn every_byte_and_every_pair_of_bytes_is_decoded_as_python_decodes_it() {
    if no_python("bytes in each encoding") {
        return;
    }
    let mut asked: Vec<(&str, Vec<u8>)> = Vec::new();
    for name in SINGLE {
        asked.extend((0..=u8::MAX).map(|byte| (*name, vec![byte])));
    }
    for (name, befores) in MULTIPLE {
        for before in *befores {
            asked.extend((0..=u8::MAX).map(|byte| (*name, [before, &[byte][..]].concat())));
            let pair = |pair: u16| [before, &pair.to_be_bytes()[..]].concat();
            asked.extend((0..=u16::MAX).map(|two| (*name, pair(two))));
        }
    }
    let mut lines = String::new();
    for (name, bytes) in &asked {
        writeln!(lines, "{name} {}", hex(bytes)).expect("a string takes all");
    }
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("asked");
    std::fs::write(&file, lines).expect("written");
    let python = finish(python(
        "encodings.py",
        &["decode", file.to_str().expect("UTF-8")],
    ));
    assert!(python.status.success(), "{}", support::stderr(&python));
    let python = support::stdout(&python);
    assert_eq!(python.lines().count(), asked.len());
    for ((name, bytes), python) in asked.iter().zip(python.lines()) {
        let charset = Charset::named(name).unwrap_or_else(|| panic!("{name} is not supported"));
        let text = charset.decode(bytes);
        // Python forgets the beginning of a byte order mark that is all there is.
        let cut_mark = *name == "utf-8-sig" && b"\xef\xbb".starts_with(bytes);
        if cut_mark {
            assert!(text.is_err() && python.is_empty(), "{}", hex(bytes));
            continue;
        }
        let ours = text.map_or_else(|_| "-".to_owned(), |text| hex(text.as_bytes()));
        assert_eq!(ours, python, "{name}: {}", hex(bytes));
    }
    println!(
        "{} byte sequences decoded or refused as Python does",
        asked.len()
    );
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}
