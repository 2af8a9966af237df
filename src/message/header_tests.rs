use super::*;

fn header(fields: &str) -> Result<Header, MessageError> {
    Header::parse(fields.as_bytes())
}

/// A header with this content-length.
fn with_length(length: &str) -> Result<Header, MessageError> {
    header(&format!(
        "{{\"byteorder\": \"little\", \"content-type\": \"text/json\", \
         \"content-encoding\": \"utf-8\", \"content-length\": {length}}}"
    ))
}

#[test]
fn any_key_order_spacing_and_further_keys_are_read() {
    let header = header(
        "\n{\"x\":[NaN,{}],\"content-length\":7 ,\"content-encoding\":\"UTF 8\",\
         \"content-type\":\"text/json\",\"byteorder\":\"middle\"}\t",
    )
    .unwrap();
    assert_eq!(header.content_length, 7);
    assert_eq!(header.content_encoding, "UTF 8");
    assert_eq!(header.byteorder, "middle");
    assert!(header.is_json());
    assert_eq!(header.charset(), Ok(Charset::UTF_8));
}

#[test]
fn a_length_that_is_no_integer_from_0_up_is_refused_and_named() {
    for (length, what) in [
        ("true", "true"),
        ("null", "null"),
        ("\"37\"", "the string '37'"),
        ("37.0", "37.0"),
        ("1e2", "100.0"),
        ("NaN", "nan"),
        ("-1", "-1"),
        ("[37]", "a list"),
        ("{}", "an object"),
    ] {
        assert_eq!(
            with_length(length).unwrap_err().to_string(),
            format!("content-length is {what}, not a non-negative integer")
        );
    }
    assert_eq!(with_length("-0").unwrap().content_length, 0);
    assert_eq!(with_length("1234").unwrap().content_length, 1234);
    let huge = "9".repeat(1000);
    assert_eq!(with_length(&huge).unwrap().content_length, usize::MAX);
}

#[test]
fn a_missing_key_is_named() {
    let whole = [
        "\"byteorder\": 1",
        "\"content-length\": 1",
        "\"content-type\": 1",
        "\"content-encoding\": 1",
    ];
    for missing in 0..4 {
        let mut rest = whole.to_vec();
        let key = rest.remove(missing).split('"').nth(1).unwrap().to_owned();
        let error = header(&format!("{{{}}}", rest.join(", "))).unwrap_err();
        assert_eq!(error.to_string(), format!("the header lacks '{key}'"));
    }
}

#[test]
fn what_is_no_json_object_is_refused_with_a_reason() {
    let reason = |bytes| Header::parse(bytes).unwrap_err().to_string();
    assert_eq!(
        reason(b"{\"a\": \xff}"),
        "the header is not utf-8: an invalid byte sequence at byte 6"
    );
    assert_eq!(
        reason(b"{\"a\": x}"),
        "the header is not JSON: expected a value at line 1 column 7"
    );
    assert_eq!(reason(b"[]"), "the header is a JSON list, not an object");
    assert_eq!(reason(b"null"), "the header is JSON null, not an object");
    assert!(reason("\u{feff}{}".as_bytes()).contains("byte order mark"));
}

#[test]
fn values_of_other_types_are_kept_as_python_shows_them() {
    let header = header(
        "{\"byteorder\": null, \"content-length\": 0, \"content-type\": [\"text/json\"], \
         \"content-encoding\": 5}",
    )
    .unwrap();
    assert_eq!(header.byteorder, "None");
    assert_eq!(header.content_type, "['text/json']");
    assert!(!header.is_json());
    assert_eq!(
        header.charset().unwrap_err().to_string(),
        "content-encoding is 5, not the name of an encoding"
    );
}

#[test]
fn an_error_repeats_only_the_beginning_of_long_text() {
    let long = "\u{1f436}".repeat(10_000);
    let fields = format!(
        "{{\"byteorder\": 1, \"content-type\": \"text/json\", \"content-length\": 1, \
         \"content-encoding\": \"{long}\"}}"
    );
    let error = header(&fields).unwrap().charset().unwrap_err().to_string();
    assert!(error.chars().count() < 350, "{error}");
    let error = with_length(&format!("\"{long}\"")).unwrap_err().to_string();
    assert!(error.chars().count() < 130, "{error}");
    let error = with_length(&format!("-{}", "1".repeat(9999))).unwrap_err();
    assert!(error.to_string().len() < 130, "{error}");
}

#[test]
fn a_known_header_is_shared_and_another_one_is_read() {
    let mut cache = HeaderCache::default();
    let bytes = |length| {
        let mut out = Vec::new();
        crate::message::encode_binary_reply(&vec![0; length], &mut out);
        let end = out.len() - length;
        out[2..end].to_vec()
    };
    for length in 0..300 {
        let first = cache.read(&bytes(length)).unwrap();
        let again = cache.read(&bytes(length)).unwrap();
        assert_eq!(first.content_length, length);
        assert!(Arc::ptr_eq(&first, &again));
    }
    assert!(cache.read(b"{}").is_err());
}
