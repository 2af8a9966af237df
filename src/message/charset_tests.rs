//! What Python's own codecs encode and decode.

use super::*;

/// A name, a word and `{"a": "word"}` as Python 3.11 encodes it under that name.
const ENCODED: &[(&str, &str, &[u8])] = &[
    ("utf-8", "h\u{e9}llo", b"{\"a\": \"h\xc3\xa9llo\"}"),
    ("UTF8", "h\u{e9}llo", b"{\"a\": \"h\xc3\xa9llo\"}"),
    ("utf_8", "h\u{e9}llo", b"{\"a\": \"h\xc3\xa9llo\"}"),
    ("U8", "h\u{e9}llo", b"{\"a\": \"h\xc3\xa9llo\"}"),
    ("utf-8-sig", "h\u{e9}llo", b"\xef\xbb\xbf{\"a\": \"h\xc3\xa9llo\"}"),
    ("utf-16", "h\u{e9}llo", b"\xff\xfe{\x00\"\x00a\x00\"\x00:\x00 \x00\"\x00h\x00\xe9\x00l\x00l\x00o\x00\"\x00}\x00"),
    ("UTF 16", "h\u{e9}llo", b"\xff\xfe{\x00\"\x00a\x00\"\x00:\x00 \x00\"\x00h\x00\xe9\x00l\x00l\x00o\x00\"\x00}\x00"),
    ("utf-16-le", "h\u{e9}llo", b"{\x00\"\x00a\x00\"\x00:\x00 \x00\"\x00h\x00\xe9\x00l\x00l\x00o\x00\"\x00}\x00"),
    ("utf-16-be", "h\u{e9}llo", b"\x00{\x00\"\x00a\x00\"\x00:\x00 \x00\"\x00h\x00\xe9\x00l\x00l\x00o\x00\"\x00}"),
    ("UTF-16LE", "h\u{e9}llo", b"{\x00\"\x00a\x00\"\x00:\x00 \x00\"\x00h\x00\xe9\x00l\x00l\x00o\x00\"\x00}\x00"),
    ("utf-32", "h\u{e9}llo", b"\xff\xfe\x00\x00{\x00\x00\x00\"\x00\x00\x00a\x00\x00\x00\"\x00\x00\x00:\x00\x00\x00 \x00\x00\x00\"\x00\x00\x00h\x00\x00\x00\xe9\x00\x00\x00l\x00\x00\x00l\x00\x00\x00o\x00\x00\x00\"\x00\x00\x00}\x00\x00\x00"),
    ("utf-32-le", "h\u{e9}llo", b"{\x00\x00\x00\"\x00\x00\x00a\x00\x00\x00\"\x00\x00\x00:\x00\x00\x00 \x00\x00\x00\"\x00\x00\x00h\x00\x00\x00\xe9\x00\x00\x00l\x00\x00\x00l\x00\x00\x00o\x00\x00\x00\"\x00\x00\x00}\x00\x00\x00"),
    ("utf-32be", "h\u{e9}llo", b"\x00\x00\x00{\x00\x00\x00\"\x00\x00\x00a\x00\x00\x00\"\x00\x00\x00:\x00\x00\x00 \x00\x00\x00\"\x00\x00\x00h\x00\x00\x00\xe9\x00\x00\x00l\x00\x00\x00l\x00\x00\x00o\x00\x00\x00\"\x00\x00\x00}"),
    ("latin-1", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("ISO-8859-1", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("iso8859_15", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("L1", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("cp1252", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("windows-1252", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("mac-roman", "h\u{e9}llo", b"{\"a\": \"h\x8ello\"}"),
    ("macintosh", "h\u{e9}llo", b"{\"a\": \"h\x8ello\"}"),
    ("-utf-8-", "h\u{e9}llo", b"{\"a\": \"h\xc3\xa9llo\"}"),
    ("latin  1", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("koi8-r", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xd0\xd2\xc9\xd7\xc5\xd4\"}"),
    ("cyrillic", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xdf\xe0\xd8\xd2\xd5\xe2\"}"),
    ("cp866", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xaf\xe0\xa8\xa2\xa5\xe2\"}"),
    ("greek", "\u{3b1}\u{3b2}\u{3b3}", b"{\"a\": \"\xe1\xe2\xe3\"}"),
    ("iso-8859-7", "\u{3b1}\u{3b2}\u{3b3}", b"{\"a\": \"\xe1\xe2\xe3\"}"),
    ("windows-1251", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xef\xf0\xe8\xe2\xe5\xf2\"}"),
    ("cp874", "\u{e01}\u{e02}", b"{\"a\": \"\xa1\xa2\"}"),
    ("cp949", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xac\xe1\xac\xe2\xac\xda\xac\xd3\xac\xd6\xac\xe4\"}"),
    ("uhc", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xac\xe1\xac\xe2\xac\xda\xac\xd3\xac\xd6\xac\xe4\"}"),
];

#[test]
fn a_content_in_a_supported_encoding_is_decoded() {
    for &(name, word, bytes) in ENCODED {
        let charset = Charset::named(name).unwrap_or_else(|| panic!("{name} is unknown"));
        let text = charset.decode(bytes).unwrap();
        assert_eq!(text, format!("{{\"a\": \"{word}\"}}"), "{name}");
    }
}

#[test]
fn names_that_python_does_not_know_or_that_are_not_supported_are_refused() {
    for name in [
        "",
        "nope",
        "hex",
        "rot13",
        "base64",
        "bz2",
        "zlib",
        "quopri",
        "uu",
        "utf.8",
        "Latin.1",
        "aliases",
        "mbcs",
        "oem",
        "undefined",
        "utf-8\0",
        "é",
        "encodings.utf_8",
        "cp",
        "cp437",
        "cp1255",
        "iso8859_9",
        "koi8-u",
        "shift_jis",
        "gb18030",
        "utf-7",
    ] {
        assert_eq!(Charset::named(name), None, "{name:?}");
    }
}

/// The name and the bytes that Python refuses, with our reason.
const REFUSED: &[(&str, &[u8], &str)] = &[
    ("utf-8", b"ab\xff", "an invalid byte sequence at byte 2"),
    (
        "utf-8",
        b"\xed\xa0\x80",
        "an invalid byte sequence at byte 0",
    ),
    ("ascii", b"a\x80", "a byte that is not ASCII at byte 1"),
    ("utf-16", b"{\0}\0", "no byte order mark at byte 0"),
    ("utf-16", b"\xff\xfe{", "a cut character at byte 2"),
    ("utf-16-le", b"{\0\0\xd8", "an invalid code at byte 2"),
    ("utf-32", b"{\0\0\0", "no byte order mark at byte 0"),
    ("utf-32-be", b"\0\x11\0\0", "an invalid code at byte 0"),
    ("utf-32-be", b"\0\0\0", "a cut character at byte 0"),
    ("cp1252", b"abc\x81", "an invalid byte sequence"),
    ("iso8859-8", b"abc\xa1", "an invalid byte sequence"),
    ("cp949", b"\xff\xff", "an invalid byte sequence"),
];

#[test]
fn text_that_is_not_of_its_encoding_is_refused_with_a_place() {
    for &(name, bytes, reason) in REFUSED {
        let error = Charset::named(name).unwrap().decode(bytes).unwrap_err();
        assert_eq!(error.to_string(), reason, "{name}");
    }
}

#[test]
fn a_mark_is_taken_once_and_only_where_the_encoding_has_one() {
    let decode = |name, bytes| Charset::named(name).unwrap().decode(bytes).unwrap();
    assert_eq!(decode("utf-8-sig", b"\xef\xbb\xbf{}"), "{}");
    assert_eq!(decode("utf-8-sig", b"\xef\xbb\xbf\xef\xbb\xbf"), "\u{feff}");
    assert_eq!(decode("utf-8", b"\xef\xbb\xbf{}"), "\u{feff}{}");
    assert_eq!(decode("utf-16-le", b"\xff\xfe{\0"), "\u{feff}{");
    assert_eq!(decode("utf-16", b"\xff\xfe{\0"), "{");
    assert_eq!(decode("utf-16", b"\xfe\xff\0{"), "{");
}

#[test]
fn the_labels_of_the_tables_do_not_decide_what_a_name_means() {
    let decode = |name, bytes| Charset::named(name).unwrap().decode(bytes);
    assert_eq!(decode("latin1", b"\x80").unwrap(), "\u{80}");
    assert_eq!(decode("cp1252", b"\x80").unwrap(), "\u{20ac}");
    assert!(decode("ascii", b"\x80").is_err());
}

#[test]
fn the_list_for_people_names_every_codec() {
    let mut listed = Vec::new();
    for part in KNOWN.replace(" and ", ", ").split(", ") {
        let (first, last) = part.split_once(" to ").unwrap_or((part, part));
        let number = |text: &str| -> Option<(usize, usize)> {
            let at = text
                .rfind(|c: char| !c.is_ascii_digit())
                .map_or(0, |at| at + 1);
            Some((at, text[at..].parse().ok()?))
        };
        let Some(((at, from), (_, to))) = number(first).zip(number(last)) else {
            listed.push(part.to_owned());
            continue;
        };
        let stem = if first.starts_with('-') {
            "ISO 8859-"
        } else {
            &first[..at]
        };
        listed.extend((from..=to).map(|number| format!("{stem}{number}")));
    }
    let mut known: Vec<Charset> = Vec::new();
    for name in &listed {
        known.push(Charset::named(name).unwrap_or_else(|| panic!("{name} is unknown")));
    }
    for (codec, ..) in CODECS {
        let charset = Charset::named(codec).unwrap();
        let variant = codec.ends_with("_le") || codec.ends_with("_be") || codec.ends_with("_sig");
        assert!(
            variant || known.contains(&charset),
            "{codec} is not in {listed:?}"
        );
    }
}
