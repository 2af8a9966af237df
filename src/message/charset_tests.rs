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
    ("cp437", "h\u{e9}llo", b"{\"a\": \"h\x82llo\"}"),
    ("IBM437", "h\u{e9}llo", b"{\"a\": \"h\x82llo\"}"),
    ("850", "h\u{e9}llo", b"{\"a\": \"h\x82llo\"}"),
    ("cp037", "h\u{e9}llo", b"\xc0\x7f\x81\x7fz@\x7f\x88Q\x93\x93\x96\x7f\xd0"),
    ("ebcdic-cp-us", "h\u{e9}llo", b"\xc0\x7f\x81\x7fz@\x7f\x88Q\x93\x93\x96\x7f\xd0"),
    ("IBM1140", "h\u{e9}llo", b"\xc0\x7f\x81\x7fz@\x7f\x88Q\x93\x93\x96\x7f\xd0"),
    ("mac-roman", "h\u{e9}llo", b"{\"a\": \"h\x8ello\"}"),
    ("macintosh", "h\u{e9}llo", b"{\"a\": \"h\x8ello\"}"),
    ("cp500", "h\u{e9}llo", b"\xc0\x7f\x81\x7fz@\x7f\x88Q\x93\x93\x96\x7f\xd0"),
    ("hp-roman8", "h\u{e9}llo", b"{\"a\": \"h\xc5llo\"}"),
    ("charmap", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("cp1140", "h\u{e9}llo", b"\xc0\x7f\x81\x7fz@\x7f\x88Q\x93\x93\x96\x7f\xd0"),
    ("-utf-8-", "h\u{e9}llo", b"{\"a\": \"h\xc3\xa9llo\"}"),
    ("latin  1", "h\u{e9}llo", b"{\"a\": \"h\xe9llo\"}"),
    ("cp273", "h\u{e9}llo", b"C\x7f\x81\x7fz@\x7f\x88Q\x93\x93\x96\x7f\xdc"),
    ("mac_latin2", "h\u{e9}llo", b"{\"a\": \"h\x8ello\"}"),
    ("koi8-r", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xd0\xd2\xc9\xd7\xc5\xd4\"}"),
    ("cyrillic", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xdf\xe0\xd8\xd2\xd5\xe2\"}"),
    ("cp866", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xaf\xe0\xa8\xa2\xa5\xe2\"}"),
    ("greek", "\u{3b1}\u{3b2}\u{3b3}", b"{\"a\": \"\xe1\xe2\xe3\"}"),
    ("iso-8859-7", "\u{3b1}\u{3b2}\u{3b3}", b"{\"a\": \"\xe1\xe2\xe3\"}"),
    ("windows-1251", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xef\xf0\xe8\xe2\xe5\xf2\"}"),
    ("tis-620", "\u{e01}\u{e02}", b"{\"a\": \"\xa1\xa2\"}"),
    ("cp874", "\u{e01}\u{e02}", b"{\"a\": \"\xa1\xa2\"}"),
    ("shift_jis", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\x84\x81\x84\x82\x84y\x84r\x84u\x84\x84\"}"),
    ("sjis", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\x84\x81\x84\x82\x84y\x84r\x84u\x84\x84\"}"),
    ("cp932", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\x84\x81\x84\x82\x84y\x84r\x84u\x84\x84\"}"),
    ("ms-kanji", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\x84\x81\x84\x82\x84y\x84r\x84u\x84\x84\"}"),
    ("euc-jp", "h\u{e9}llo", b"{\"a\": \"h\x8f\xab\xb1llo\"}"),
    ("ujis", "h\u{e9}llo", b"{\"a\": \"h\x8f\xab\xb1llo\"}"),
    ("iso-2022-jp", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\x1b$B'a'b'Z'S'V'd\x1b(B\"}"),
    ("euc-kr", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xac\xe1\xac\xe2\xac\xda\xac\xd3\xac\xd6\xac\xe4\"}"),
    ("cp949", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xac\xe1\xac\xe2\xac\xda\xac\xd3\xac\xd6\xac\xe4\"}"),
    ("uhc", "\u{43f}\u{440}\u{438}\u{432}\u{435}\u{442}", b"{\"a\": \"\xac\xe1\xac\xe2\xac\xda\xac\xd3\xac\xd6\xac\xe4\"}"),
    ("gb2312", "h\u{e9}llo", b"{\"a\": \"h\xa8\xa6llo\"}"),
    ("gbk", "h\u{e9}llo", b"{\"a\": \"h\xa8\xa6llo\"}"),
    ("cp936", "h\u{e9}llo", b"{\"a\": \"h\xa8\xa6llo\"}"),
    ("gb18030", "h\u{e9}llo", b"{\"a\": \"h\xa8\xa6llo\"}"),
    ("big5", "\u{4e2d}\u{6587}", b"{\"a\": \"\xa4\xa4\xa4\xe5\"}"),
    ("big5-hkscs", "\u{4e2d}\u{6587}", b"{\"a\": \"\xa4\xa4\xa4\xe5\"}"),
    ("cp950", "\u{4e2d}\u{6587}", b"{\"a\": \"\xa4\xa4\xa4\xe5\"}"),
];

#[test]
fn a_content_in_any_of_pythons_encodings_is_decoded() {
    for &(name, word, bytes) in ENCODED {
        let charset = Charset::named(name).unwrap_or_else(|| panic!("{name} is unknown"));
        let text = charset.decode(bytes).unwrap();
        assert_eq!(text, format!("{{\"a\": \"{word}\"}}"), "{name}");
    }
}

#[test]
fn names_that_python_does_not_take_for_text_are_unknown() {
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
    ("cp1252", b"abc\x81", "an undefined byte at byte 3"),
    ("euc-jp", b"\xff\xff", "an invalid byte sequence"),
    (
        "johab",
        b"a\xb0\xa1",
        "only its plain ASCII part is supported at byte 1",
    ),
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

/// The text codecs of Python 3.11 in which a plain JSON text is ASCII.
const PLAIN: &str = "\
        ascii big5 big5hkscs charmap cp1006 cp1125 cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 \
        cp1256 cp1257 cp1258 cp437 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 \
        cp861 cp862 cp863 cp864 cp865 cp866 cp869 cp874 cp932 cp949 cp950 euc_jis_2004 \
        euc_jisx0213 euc_jp euc_kr gb18030 gb2312 gbk hp_roman8 hz iso2022_jp iso2022_jp_1 \
        iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr iso8859_1 iso8859_10 \
        iso8859_11 iso8859_13 iso8859_14 iso8859_15 iso8859_16 iso8859_2 iso8859_3 iso8859_4 \
        iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 johab koi8_r koi8_t koi8_u kz1048 \
        latin_1 mac_arabic mac_croatian mac_cyrillic mac_farsi mac_greek mac_iceland mac_latin2 \
        mac_roman mac_romanian mac_turkish palmos ptcp154 raw_unicode_escape shift_jis \
        shift_jis_2004 shift_jisx0213 tis_620 unicode_escape utf_7 utf_8 utf_8_sig";

#[test]
fn a_plain_request_is_understood_in_every_encoding_that_python_has_for_text() {
    let request = b"{\"action\": \"search\", \"value\": \"ring\"}";
    for name in PLAIN.split_whitespace() {
        let charset = Charset::named(name).unwrap_or_else(|| panic!("{name} is unknown"));
        assert_eq!(
            charset.decode(request).unwrap().as_bytes(),
            request,
            "{name}"
        );
    }
}

#[test]
fn every_line_of_the_data_can_be_read() {
    let mut tables = 0;
    for line in lines("charmap ") {
        let (_, runs) = line.split_once(' ').unwrap();
        let places = runs.split(' ').map(|run| {
            let hex = |digits| usize::from_str_radix(digits, 16).unwrap();
            match run.split_once('-') {
                Some(("", count)) => hex(count),
                Some((first, last)) => hex(last) - hex(first) + 1,
                None => {
                    hex(run);
                    1
                }
            }
        });
        assert_eq!(places.sum::<usize>(), 256, "{line}");
        tables += 1;
    }
    assert_eq!(tables, 70);
    for line in lines("alias ") {
        let (name, codec) = line.split_once(' ').unwrap();
        assert_eq!(alias(name), Some(codec));
        let unsupported = matches!(codec, "idna" | "punycode" | "undefined");
        assert!(unsupported || scheme(codec).is_some(), "{line}");
    }
}

/// A double-byte codec, bytes at the edges of its planes or where its relatives differ, and what
/// Python 3.11 makes of them.
const PLACES: &[(&str, &[u8], Option<&str>)] = &[
    ("shift_jis", b"\x5c", Some("\u{5c}")),
    ("shift_jis", b"\x7e", Some("\u{7e}")),
    ("shift_jis", b"\x80", None),
    ("shift_jis", b"\xb1", Some("\u{ff71}")),
    ("shift_jis", b"\x81\x60", Some("\u{301c}")),
    ("shift_jis", b"\x81\x61", Some("\u{2016}")),
    ("shift_jis", b"\x81\x7c", Some("\u{2212}")),
    ("shift_jis", b"\x81\x91", Some("\u{a2}")),
    ("shift_jis", b"\x81\xca", Some("\u{ac}")),
    ("shift_jis", b"\x88\x9f", Some("\u{4e9c}")),
    ("shift_jis", b"\x87\x40", None),
    ("shift_jis", b"\xfa\x40", None),
    ("cp932", b"\x81\x60", Some("\u{ff5e}")),
    ("cp932", b"\x87\x40", Some("\u{2460}")),
    ("cp932", b"\xfa\x40", Some("\u{2170}")),
    ("cp932", b"\xf0\x40", Some("\u{e000}")),
    ("euc_jp", b"\x8e\xb1", Some("\u{ff71}")),
    ("euc_jp", b"\xa1\xc1", Some("\u{301c}")),
    ("euc_jp", b"\xa1\xdd", Some("\u{2212}")),
    ("euc_jp", b"\xb0\xa1", Some("\u{4e9c}")),
    ("euc_jp", b"\x8f\xb0\xa1", Some("\u{4e02}")),
    ("euc_jp", b"\xad\xa1", None),
    ("euc_jp", b"\xf9\xa1", None),
    ("iso2022_jp", b"\x1b\x24\x42\x21\x41", Some("\u{301c}")),
    ("iso2022_jp", b"\x1b\x24\x42\x30\x21\x61", None),
    ("euc_kr", b"\xb0\xa1", Some("\u{ac00}")),
    ("euc_kr", b"\x81\x41", None),
    ("cp949", b"\xb0\xa1", Some("\u{ac00}")),
    ("cp949", b"\x81\x41", Some("\u{ac02}")),
    ("gb2312", b"\xa1\xa4", Some("\u{30fb}")),
    ("gb2312", b"\xa1\xaa", Some("\u{2015}")),
    ("gb2312", b"\xb0\xa1", Some("\u{554a}")),
    ("gb2312", b"\x81\x40", None),
    ("gb2312", b"\xaa\xa1", None),
    ("gbk", b"\xa1\xa4", Some("\u{b7}")),
    ("gbk", b"\xa1\xaa", Some("\u{2014}")),
    ("gbk", b"\x81\x40", Some("\u{4e02}")),
    ("gbk", b"\x80", None),
    ("gbk", b"\xaa\xa1", None),
    ("gbk", b"\x81\x30", None),
    ("gb18030", b"\x81\x40", Some("\u{4e02}")),
    ("gb18030", b"\x81\x30\x81\x30", Some("\u{80}")),
    ("gb18030", b"\x94\x30\x81\x30", Some("\u{1c4e0}")),
    ("big5", b"\xa1\x45", Some("\u{2022}")),
    ("big5", b"\xa1\x4e", Some("\u{ff64}")),
    ("big5", b"\xa1\xe3", Some("\u{223c}")),
    ("big5", b"\xa4\x40", Some("\u{4e00}")),
    ("big5", b"\x87\x40", None),
    ("big5", b"\xf9\xd6", None),
    ("cp950", b"\xa1\x45", Some("\u{2027}")),
    ("cp950", b"\xa1\xe3", Some("\u{ff5e}")),
    ("cp950", b"\xf9\xd6", Some("\u{7881}")),
    ("cp950", b"\x87\x40", None),
    ("big5hkscs", b"\xa1\xe3", Some("\u{223c}")),
    ("big5hkscs", b"\x87\x40", Some("\u{43f0}")),
    ("big5hkscs", b"\xc6\xa1", Some("\u{2460}")),
];

#[test]
fn the_double_byte_codecs_have_pythons_planes_and_signs() {
    for &(name, bytes, python) in PLACES {
        let text = Charset::named(name).unwrap().decode(bytes).ok();
        assert_eq!(text.as_deref(), python, "{name} {bytes:x?}");
    }
}
