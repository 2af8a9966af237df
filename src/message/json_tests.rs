//! The dialect, by example: Python 3.11 took every text of the first table and refused every one of
//! the second.

use super::*;

const TAKEN: &[&str] = &[
    " {} ",
    "\u{9}\n\u{d} 1",
    "{\"a\":1}",
    "[1,2]",
    "-0.0e-0",
    "1E+5",
    "\"\\u00e9\\/\"",
    "\"\u{7f}\u{2028}\"",
    "[[]]",
    "NaN",
    "-Infinity",
    "{\"\":[]}",
    "\"\\ud83d\\udc36\"",
    "\"\\uD83D\\uDC36\"",
    "0e5",
];

const REFUSED: &[&str] = &[
    "",
    "  ",
    "{",
    "}",
    "[",
    "[1,]",
    "[,1]",
    "{\"a\"}",
    "{\"a\":}",
    "{\"a\":1,}",
    "{a:1}",
    "{'a':1}",
    "01",
    "-",
    "+1",
    "1.",
    ".5",
    "1e",
    "1e+",
    "--1",
    "0x10",
    "nul",
    "nan",
    "infinity",
    "-NaN",
    "-Inf",
    "Infinit",
    "tru",
    "\"",
    "\"a",
    "\"\\",
    "\"\\x41\"",
    "\"\\u12\"",
    "\"\\u12g4\"",
    "\"\n\"",
    "\"\u{0}\"",
    "\"\u{1f}\"",
    "\u{feff}{}",
    "{} {}",
    "1 2",
    "\u{a0}1",
    "\u{b}1",
    "\u{c}1",
    "[1 2]",
    "{\"a\" 1}",
    "{\"a\":1 \"b\":2}",
    "\"\\u+123\"",
    "\"\\u 123\"",
    "[1}",
    "{\"a\":1]",
    "true false",
    "//x\n1",
    "1_000",
    "\u{661}",
];

#[test]
fn the_reader_takes_what_python_takes() {
    for text in TAKEN {
        assert!(parse(text).is_ok(), "{text:?}: {:?}", parse(text));
    }
}

#[test]
fn the_reader_refuses_what_python_refuses() {
    for text in REFUSED {
        assert!(parse(text).is_err(), "{text:?}: {:?}", parse(text));
    }
}

#[test]
fn an_error_says_what_was_expected_and_where() {
    let error = |text| parse(text).unwrap_err().to_string();
    assert_eq!(error(""), "expected a value at line 1 column 1");
    assert_eq!(
        error("{\"é\": 1,\n  \"é\" 2}"),
        "expected ':' at line 2 column 7"
    );
    assert_eq!(
        error("[1]]"),
        "extra data after the value at line 1 column 4"
    );
    assert_eq!(error("\"abc"), "a string without an end at line 1 column 1");
}

#[test]
fn a_lone_surrogate_is_refused_since_utf_8_cannot_say_it() {
    for text in [
        r#""\ud800""#,
        r#""\udc36""#,
        r#""\ud83dx""#,
        r#""\ud83d\u0041""#,
        r#""\ud83d\ud83d""#,
        r#""\udc36\ud83d""#,
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.starts_with("a lone surrogate"), "{text}: {error}");
    }
}

#[test]
fn nesting_ends_at_the_limit_and_not_at_the_stack() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    let error = parse(&nested(MAX_DEPTH + 1)).unwrap_err();
    assert!(error.to_string().starts_with("nested too deep"), "{error}");
    assert!(parse(&"[{\"a\":".repeat(1_000_000)).is_err());
}

#[test]
fn plain_strings_are_borrowed_from_the_text() {
    let value = parse("{\"a\": [\"b\", 12]}").unwrap();
    let Value::Object(members) = &value else {
        panic!()
    };
    assert!(matches!(members[0].0, Cow::Borrowed("a")));
    let Value::List(items) = &members[0].1 else {
        panic!()
    };
    assert!(matches!(items[0], Value::Str(Cow::Borrowed("b"))));
    assert!(matches!(items[1], Value::Int(Cow::Borrowed("12"))));
}

#[test]
fn the_last_value_of_a_key_counts_however_many_keys_there_are() {
    let mut members: Vec<String> = (0..10_000)
        .map(|index| format!("\"k{}\": {index}", index % 5000))
        .collect();
    members.push(r#""k\u0030": "last""#.to_owned());
    let text = format!("{{{}}}", members.join(", "));
    let value = parse(&text).unwrap();
    let Value::Object(members) = &value else {
        panic!()
    };
    assert_eq!(members.len(), 5000);
    assert_eq!(members[0], ("k0".into(), Value::Str("last".into())));
    assert_eq!(members[4999].1, Value::Int("9999".into()));
}

#[test]
fn a_value_can_be_given_out_as_json_again() {
    let text = r#"{"a": [1, -2, 18446744073709551615, 1e3, true, null, "\u00e9\n"]}"#;
    let json = crate::message::to_json(&parse(text).unwrap());
    let expected = r#"{"a": [1, -2, 18446744073709551615, 1000.0, true, null, "é\n"]}"#;
    assert_eq!(String::from_utf8(json).unwrap(), expected);
    let odd = crate::message::to_json(&parse("[NaN, 99999999999999999999]").unwrap());
    assert_eq!(odd, br#"["nan", "99999999999999999999"]"#);
}
