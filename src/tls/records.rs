//! The record layer, alerts, and the hello of an older client.

use super::report::{Offered, Version};

/// Header of a record (RFC 8446 section 5.1): type, version, length.
const HEADER: usize = 5;
/// A record has at most this many bytes, padding and authentication included (RFC 5246 section 6.2.3).
const MOST: usize = 0x4000 + 2048;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const CONTENT_TYPES: std::ops::RangeInclusive<u8> = 20..=24;

/// An alert of TLS (RFC 8446 section 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Alert(pub u8);

impl Alert {
    /// No common version or cipher, no certificate for the name, or none of the client.
    pub const HANDSHAKE_FAILURE: Alert = Alert(40);
    /// The certificate is not acceptable.
    pub const BAD_CERTIFICATE: Alert = Alert(42);
    /// No common version.
    pub const PROTOCOL_VERSION: Alert = Alert(70);
    /// The server wants stronger ciphers.
    pub const INSUFFICIENT_SECURITY: Alert = Alert(71);
    /// The server failed by itself.
    pub const INTERNAL_ERROR: Alert = Alert(80);
    /// No site of that name.
    pub const UNRECOGNIZED_NAME: Alert = Alert(112);
    /// A certificate of the client is wanted.
    pub const CERTIFICATE_REQUIRED: Alert = Alert(116);
    /// None of the application protocols is spoken.
    pub const NO_APPLICATION_PROTOCOL: Alert = Alert(120);

    /// Its name in the RFC.
    pub fn name(self) -> Option<&'static str> {
        let row = NAMES.iter().find(|(number, _)| *number == self.0);
        row.map(|(_, name)| *name)
    }
}

impl std::fmt::Display for Alert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.0),
            None => write!(f, "alert {}", self.0),
        }
    }
}

/// The registry of IANA, TLS Alerts.
const NAMES: &[(u8, &str)] = &[
    (0, "close_notify"),
    (10, "unexpected_message"),
    (20, "bad_record_mac"),
    (21, "decryption_failed"),
    (22, "record_overflow"),
    (40, "handshake_failure"),
    (42, "bad_certificate"),
    (43, "unsupported_certificate"),
    (44, "certificate_revoked"),
    (45, "certificate_expired"),
    (46, "certificate_unknown"),
    (47, "illegal_parameter"),
    (48, "unknown_ca"),
    (49, "access_denied"),
    (50, "decode_error"),
    (51, "decrypt_error"),
    (70, "protocol_version"),
    (71, "insufficient_security"),
    (80, "internal_error"),
    (86, "inappropriate_fallback"),
    (90, "user_canceled"),
    (100, "no_renegotiation"),
    (109, "missing_extension"),
    (110, "unsupported_extension"),
    (112, "unrecognized_name"),
    (113, "bad_certificate_status_response"),
    (115, "unknown_psk_identity"),
    (116, "certificate_required"),
    (120, "no_application_protocol"),
];

/// Whether bytes begin like a record: its type, and a version from SSL 3.0 to TLS 1.3. `None`: too few to say.
pub fn is_record(bytes: &[u8]) -> Option<bool> {
    let known = bytes.first().is_none_or(|it| CONTENT_TYPES.contains(it))
        && bytes.get(1).is_none_or(|major| *major == 3)
        && bytes.get(2).is_none_or(|minor| *minor <= 4);
    match (known, bytes.len()) {
        (false, _) => Some(false),
        (true, 3..) => Some(true),
        (true, _) => None,
    }
}

/// The alert at the start of bytes that came in plain text, if one is there.
pub fn alert_in(bytes: &[u8]) -> Option<Alert> {
    match bytes {
        [ALERT, 3, _, 0, 2, _, description, ..] => Some(Alert(*description)),
        _ => None,
    }
}

/// Follows the boundaries of records in the bytes of one direction.
#[derive(Debug, Default)]
pub struct Boundaries {
    header: Vec<u8>,
    /// The bytes of the body that came, and its length.
    body: Option<(usize, usize)>,
}

impl Boundaries {
    /// These bytes came next.
    pub fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let taken = match &mut self.body {
                None => {
                    let taken = bytes.len().min(HEADER - self.header.len());
                    self.header.extend(&bytes[..taken]);
                    if let [_, _, _, high, low] = self.header[..] {
                        self.body = Some((0, usize::from(u16::from_be_bytes([high, low]))));
                    }
                    taken
                }
                Some((have, length)) => {
                    let taken = bytes.len().min(*length - *have);
                    *have += taken;
                    taken
                }
            };
            if self.body.is_some_and(|(have, length)| have == length) {
                self.body = None;
                self.header.clear();
            }
            bytes = &bytes[taken..];
        }
    }

    /// Of a record that is not whole: how many of its bytes came, and its length as far as it is known.
    pub fn inside(&self) -> Option<(usize, usize)> {
        match self.body {
            Some((have, length)) => Some((HEADER + have, HEADER + length)),
            None if self.header.is_empty() => None,
            None => Some((self.header.len(), HEADER)),
        }
    }
}

/// Cipher suites that a client of 2010 has, with their names in the registry of IANA (without `TLS_`).
const OLD_SUITES: &[(u16, &str)] = &[
    (0xc02f, "ECDHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0xc030, "ECDHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0xc02b, "ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"),
    (0xc02c, "ECDHE_ECDSA_WITH_AES_256_GCM_SHA384"),
    (0xc027, "ECDHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0xc028, "ECDHE_RSA_WITH_AES_256_CBC_SHA384"),
    (0xc023, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA256"),
    (0xc024, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"),
    (0xc013, "ECDHE_RSA_WITH_AES_128_CBC_SHA"),
    (0xc014, "ECDHE_RSA_WITH_AES_256_CBC_SHA"),
    (0xc009, "ECDHE_ECDSA_WITH_AES_128_CBC_SHA"),
    (0xc00a, "ECDHE_ECDSA_WITH_AES_256_CBC_SHA"),
    (0xc012, "ECDHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x009e, "DHE_RSA_WITH_AES_128_GCM_SHA256"),
    (0x009f, "DHE_RSA_WITH_AES_256_GCM_SHA384"),
    (0x0067, "DHE_RSA_WITH_AES_128_CBC_SHA256"),
    (0x006b, "DHE_RSA_WITH_AES_256_CBC_SHA256"),
    (0x0033, "DHE_RSA_WITH_AES_128_CBC_SHA"),
    (0x0039, "DHE_RSA_WITH_AES_256_CBC_SHA"),
    (0x0016, "DHE_RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x009c, "RSA_WITH_AES_128_GCM_SHA256"),
    (0x009d, "RSA_WITH_AES_256_GCM_SHA384"),
    (0x003c, "RSA_WITH_AES_128_CBC_SHA256"),
    (0x003d, "RSA_WITH_AES_256_CBC_SHA256"),
    (0x002f, "RSA_WITH_AES_128_CBC_SHA"),
    (0x0035, "RSA_WITH_AES_256_CBC_SHA"),
    (0x000a, "RSA_WITH_3DES_EDE_CBC_SHA"),
    (0x0005, "RSA_WITH_RC4_128_SHA"),
    (0x0004, "RSA_WITH_RC4_128_MD5"),
];

/// The `ClientHello` of an older client (RFC 5246 section 7.4.1.2): TLS 1.2 at most and no list of versions,
/// so that a server that has only an older one may choose it, and the suites of that time.
pub fn older_hello(sni: Option<&str>, random: [u8; 32]) -> Vec<u8> {
    fn list(items: &[u16]) -> Vec<u8> {
        sized(
            &items
                .iter()
                .flat_map(|it| it.to_be_bytes())
                .collect::<Vec<u8>>(),
        )
    }
    /// With a length of two bytes in front; nothing here is as long as 64 KiB.
    fn sized(bytes: &[u8]) -> Vec<u8> {
        let length = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
        [&length.to_be_bytes()[..], bytes].concat()
    }
    let extension = |number: u16, body: &[u8]| [&number.to_be_bytes()[..], &sized(body)].concat();
    let mut extensions = Vec::new();
    if let Some(name) = sni.filter(|name| name.len() <= 255) {
        let entry = [&[0][..], &sized(name.as_bytes())].concat();
        extensions.extend(extension(0, &sized(&entry)));
    }
    // Groups: P-256, P-384, P-521, X25519; points uncompressed.
    extensions.extend(extension(10, &list(&[23, 24, 25, 29])));
    extensions.extend(extension(11, &[1, 0]));
    // RSA and ECDSA with SHA-256, SHA-384, SHA-512 and SHA-1, and RSA-PSS.
    let signatures = [
        0x0401, 0x0501, 0x0601, 0x0403, 0x0503, 0x0804, 0x0805, 0x0201, 0x0203,
    ];
    extensions.extend(extension(13, &list(&signatures)));
    // Secure renegotiation (RFC 5746): servers of OpenSSL 3 refuse a client without.
    extensions.extend(extension(0xff01, &[0]));
    let suites: Vec<u16> = OLD_SUITES.iter().map(|(number, _)| *number).collect();
    let body = [
        &[3, 3][..],
        &random,
        &[0],
        &list(&suites),
        &[1, 0],
        &sized(&extensions),
    ]
    .concat();
    let message = [&[1, 0][..], &sized(&body)].concat();
    [&[HANDSHAKE, 3, 1][..], &sized(&message)].concat()
}

/// What a server answers to [`older_hello`]; `None` as long as more bytes are needed.
pub fn older_answer(bytes: &[u8]) -> Option<Offered> {
    if is_record(bytes) == Some(false) {
        return Some(Offered::Nothing);
    }
    let [kind, _, _, high, low, body @ ..] = bytes else {
        return None;
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    match (*kind, body) {
        _ if length > MOST => Some(Offered::Nothing),
        (ALERT, [_, description, ..]) => Some(Offered::Refused(Alert(*description))),
        // Type 2, three bytes of length, version, 32 random bytes, session, suite.
        (HANDSHAKE, [2, _, _, _, major, minor, rest @ ..]) => {
            let session = usize::from(*rest.get(32)?);
            let [high, low] = *rest.get(33 + session..35 + session)? else {
                return None;
            };
            let suite = u16::from_be_bytes([high, low]);
            let row = OLD_SUITES.iter().find(|(number, _)| *number == suite);
            Some(Offered::Chosen {
                version: Version(u16::from_be_bytes([*major, *minor])),
                suite,
                name: row.map(|(_, name)| *name),
            })
        }
        (ALERT, _) | (HANDSHAKE, [2, ..] | []) => None,
        _ => Some(Offered::Nothing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_known_by_its_first_three_bytes() {
        assert_eq!(is_record(b"\x16\x03\x01\x02\x00"), Some(true));
        assert_eq!(is_record(b"\x16\x03"), None);
        assert_eq!(is_record(b""), None);
        for plain in [
            &b"HTTP/1.1 400"[..],
            b"SSH-2.0",
            b"220 ",
            b"\x16\x02",
            b"\x00",
        ] {
            assert_eq!(is_record(plain), Some(false), "{plain:?}");
        }
    }

    #[test]
    fn the_bytes_of_a_record_that_is_not_whole_are_counted() {
        let mut at = Boundaries::default();
        at.advance(b"\x16\x03\x03\x00\x03ab");
        assert_eq!(at.inside(), Some((7, 8)));
        at.advance(b"c");
        assert_eq!(at.inside(), None);
        at.advance(b"\x16\x03");
        assert_eq!(at.inside(), Some((2, 5)));
        at.advance(b"\x03\x00\x00");
        assert_eq!(at.inside(), None, "an empty record");
        let mut whole = Boundaries::default();
        whole.advance(&b"\x17\x03\x03\x00\x01x".repeat(1000));
        assert_eq!(whole.inside(), None);
    }

    #[test]
    fn an_older_hello_has_lengths_that_agree() {
        let hello = older_hello(Some("shop.test"), [7; 32]);
        let record = usize::from(u16::from_be_bytes([hello[3], hello[4]]));
        assert_eq!((hello[0], record), (22, hello.len() - 5));
        let message = usize::from(u16::from_be_bytes([hello[7], hello[8]]));
        assert_eq!((hello[5], hello[6], message), (1, 0, hello.len() - 9));
        assert!(hello.windows(9).any(|it| it == b"shop.test"));
        assert!(older_hello(None, [7; 32]).len() < hello.len());
    }

    #[test]
    fn the_answer_to_it_is_read_at_any_length_and_never_panics() {
        let hello = [
            &b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02"[..],
            &[9; 32],
            b"\x00\x00\x2f\x00",
        ]
        .concat();
        let chosen = Offered::Chosen {
            version: Version(0x0302),
            suite: 0x2f,
            name: Some("RSA_WITH_AES_128_CBC_SHA"),
        };
        assert_eq!(older_answer(&hello), Some(chosen.clone()));
        assert_eq!(Version(0x0302).to_string(), "TLS 1.1");
        for cut in 0..hello.len() {
            let answer = older_answer(&hello[..cut]);
            assert!(
                answer.is_none() || answer.as_ref() == Some(&chosen),
                "{cut}: {answer:?}"
            );
        }
        let refused = older_answer(b"\x15\x03\x01\x00\x02\x02\x46");
        assert_eq!(refused, Some(Offered::Refused(Alert::PROTOCOL_VERSION)));
        assert_eq!(older_answer(b"HTTP/1.1 400"), Some(Offered::Nothing));
        assert_eq!(
            older_answer(b"\x16\x03\x01\xff\xff\x00"),
            Some(Offered::Nothing)
        );
    }

    #[test]
    fn an_alert_is_named() {
        assert_eq!(Alert(40).to_string(), "handshake_failure (40)");
        assert_eq!(Alert(3).to_string(), "alert 3");
        assert_eq!(alert_in(b"\x15\x03\x01\x00\x02\x02\x28"), Some(Alert(40)));
        assert_eq!(alert_in(b"HTTP/1.1"), None);
    }
}
