//! Bytes and addresses as Python shows them: what a reader of the tutorials expects to see.

use std::fmt::{self, Write as _};
use std::net::SocketAddr;

/// Bytes as Python's `repr` shows them: `b'Hello, world!'`. The text is printable ASCII, so it is
/// safe on a terminal.
pub fn bytes(bytes: &[u8]) -> impl fmt::Display + '_ {
    Bytes(bytes)
}

/// An address as the tuple that Python's `socket` module uses: `('127.0.0.1', 65432)`, and
/// `('::1', 65432, 0, 0)` with flow information and scope for IPv6.
pub fn address(address: &SocketAddr) -> impl fmt::Display + use<> {
    Address(*address)
}

struct Bytes<'a>(&'a [u8]);

impl fmt::Display for Bytes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Double quotes only if they save a backslash.
        let quote = if self.0.contains(&b'\'') && !self.0.contains(&b'"') {
            '"'
        } else {
            '\''
        };
        f.write_char('b')?;
        f.write_char(quote)?;
        for &byte in self.0 {
            match byte {
                b'\t' => f.write_str("\\t")?,
                b'\n' => f.write_str("\\n")?,
                b'\r' => f.write_str("\\r")?,
                b'\\' => f.write_str("\\\\")?,
                b'\'' if quote == '\'' => f.write_str("\\'")?,
                b' '..=b'~' => f.write_char(char::from(byte))?,
                _ => write!(f, "\\x{byte:02x}")?,
            }
        }
        f.write_char(quote)
    }
}

struct Address(SocketAddr);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            SocketAddr::V4(v4) => write!(f, "('{}', {})", v4.ip(), v4.port()),
            SocketAddr::V6(v6) => write!(
                f,
                "('{}', {}, {}, {})",
                v6.ip(),
                v6.port(),
                // The standard library keeps it in network order, Python shows it in host order.
                u32::from_be(v6.flowinfo()),
                v6.scope_id()
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv6Addr, SocketAddrV6};

    /// Bytes in hexadecimal and what Python 3.11 prints for them.
    const RECORDED: &[(&str, &str)] = &[
        ("", "b''"),
        ("48656c6c6f2c20776f726c6421", "b'Hello, world!'"),
        ("69742773", r#"b"it's""#),
        ("7361792022686922", r#"b'say "hi"'"#),
        ("697427732022626f746822", r#"b'it\'s "both"'"#),
        ("6261636b5c736c617368", r"b'back\\slash'"),
        ("090a0d", r"b'\t\n\r'"),
        (
            "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f",
            r"b'\x00\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f'",
        ),
        (
            "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f",
            r##"b' !"#$%&\'()*+,-./0123456789:;<=>?'"##,
        ),
        (
            "404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f",
            r"b'@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_'",
        ),
        (
            "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f",
            r"b'`abcdefghijklmnopqrstuvwxyz{|}~\x7f'",
        ),
        (
            "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f",
            r"b'\x80\x81\x82\x83\x84\x85\x86\x87\x88\x89\x8a\x8b\x8c\x8d\x8e\x8f\x90\x91\x92\x93\x94\x95\x96\x97\x98\x99\x9a\x9b\x9c\x9d\x9e\x9f'",
        ),
        (
            "a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf",
            r"b'\xa0\xa1\xa2\xa3\xa4\xa5\xa6\xa7\xa8\xa9\xaa\xab\xac\xad\xae\xaf\xb0\xb1\xb2\xb3\xb4\xb5\xb6\xb7\xb8\xb9\xba\xbb\xbc\xbd\xbe\xbf\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7\xc8\xc9\xca\xcb\xcc\xcd\xce\xcf'",
        ),
        (
            "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
            r"b'\xd0\xd1\xd2\xd3\xd4\xd5\xd6\xd7\xd8\xd9\xda\xdb\xdc\xdd\xde\xdf\xe0\xe1\xe2\xe3\xe4\xe5\xe6\xe7\xe8\xe9\xea\xeb\xec\xed\xee\xef\xf0\xf1\xf2\xf3\xf4\xf5\xf6\xf7\xf8\xf9\xfa\xfb\xfc\xfd\xfe\xff'",
        ),
        ("c3a9f09f90b0", r"b'\xc3\xa9\xf0\x9f\x90\xb0'"),
        ("1b5b324a", r"b'\x1b[2J'"),
        ("0027", r#"b"\x00'""#),
        ("617f62", r"b'a\x7fb'"),
        ("303030313248656c6c6f2c20776f726c64", "b'00012Hello, world'"),
        ("5c27", r#"b"\\'""#),
        ("22", r#"b'"'"#),
    ];

    fn from_hex(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
            .collect()
    }

    #[test]
    fn bytes_look_as_python_shows_them() {
        for (hex, shown) in RECORDED {
            assert_eq!(bytes(&from_hex(hex)).to_string(), *shown);
        }
    }

    #[test]
    fn every_byte_value_is_shown_in_printable_ascii() {
        for byte in 0..=255 {
            let shown = bytes(&[byte]).to_string();
            assert!(shown.bytes().all(|b| (b' '..=b'~').contains(&b)), "{shown}");
        }
    }

    #[test]
    fn an_address_is_the_tuple_of_the_socket_module() {
        for (text, shown) in [
            ("127.0.0.1:53242", "('127.0.0.1', 53242)"),
            ("[::1]:65432", "('::1', 65432, 0, 0)"),
            ("[fe80::1%1]:65432", "('fe80::1', 65432, 0, 1)"),
            ("[::ffff:1.2.3.4]:1", "('::ffff:1.2.3.4', 1, 0, 0)"),
            ("[2001:db8::1:0:0:1]:1", "('2001:db8::1:0:0:1', 1, 0, 0)"),
        ] {
            assert_eq!(address(&text.parse().unwrap()).to_string(), shown);
        }
        let labelled = SocketAddrV6::new(Ipv6Addr::LOCALHOST, 80, 0x12345_u32.to_be(), 0);
        assert_eq!(
            address(&labelled.into()).to_string(),
            "('::1', 80, 74565, 0)"
        );
    }
}
