//! Domain names (RFC 1035 sections 2.3.4, 3.1 and 4.1.4).

use std::fmt;
use std::net::IpAddr;

/// The longest name in wire form, in bytes (RFC 1035 section 2.3.4).
const LONGEST: usize = 255;
/// The longest label, in bytes.
const LONGEST_LABEL: usize = 63;

/// A domain name. Names that differ only in the case of ASCII letters are equal (RFC 4343).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Name {
    /// The wire form without compression and in lower case, with the root's empty label.
    wire: Box<[u8]>,
}

impl Name {
    /// The name in a text, fully qualified with or without the dot at its end; `None` if no domain name can
    /// be like this.
    pub fn new(text: &str) -> Option<Name> {
        let text = text.strip_suffix('.').unwrap_or(text);
        let mut wire = Vec::with_capacity(text.len() + 2);
        if !text.is_empty() {
            for label in text.split('.') {
                if label.is_empty() || label.len() > LONGEST_LABEL {
                    return None;
                }
                wire.push(u8::try_from(label.len()).ok()?);
                wire.extend(label.bytes().map(|byte| byte.to_ascii_lowercase()));
            }
        }
        wire.push(0);
        (wire.len() <= LONGEST).then(|| Name { wire: wire.into() })
    }

    /// The name under which the DNS has the name of an address (RFC 1035 section 3.5, RFC 3596 section 2.5).
    pub fn reverse(address: IpAddr) -> Name {
        let (labels, above): (Vec<String>, &[&str]) = match address {
            IpAddr::V4(ip) => (
                ip.octets().iter().rev().map(u8::to_string).collect(),
                &["in-addr", "arpa"],
            ),
            IpAddr::V6(ip) => {
                let digits = ip.octets().into_iter().rev();
                let digits = digits.flat_map(|byte| [byte & 0xf, byte >> 4]);
                (
                    digits.map(|it| format!("{it:x}")).collect(),
                    &["ip6", "arpa"],
                )
            }
        };
        let mut wire = Vec::new();
        for label in labels
            .iter()
            .map(String::as_str)
            .chain(above.iter().copied())
        {
            // At most seven characters.
            wire.push(u8::try_from(label.len()).unwrap_or(0));
            wire.extend(label.bytes());
        }
        wire.push(0);
        Name { wire: wire.into() }
    }

    /// The wire form.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// The name at an offset of a message, and where the field ends. A compression pointer must point
    /// before the part of the name that it ends, so a loop is impossible.
    pub fn read(message: &[u8], offset: usize) -> Option<(Name, usize)> {
        let mut wire = Vec::new();
        let (mut at, mut part, mut end) = (offset, offset, None);
        loop {
            let length = *message.get(at)?;
            match length {
                0 => {
                    wire.push(0);
                    let end = end.unwrap_or(at + 1);
                    return (wire.len() <= LONGEST).then(|| (Name { wire: wire.into() }, end));
                }
                1..=63 => {
                    let label = message.get(at..=at + usize::from(length))?;
                    if wire.len() + label.len() >= LONGEST {
                        return None;
                    }
                    wire.extend(label.iter().map(u8::to_ascii_lowercase));
                    at += label.len();
                }
                0xc0.. => {
                    let low = *message.get(at + 1)?;
                    end = end.or(Some(at + 2));
                    at = usize::from(length & 0x3f) << 8 | usize::from(low);
                    if at >= part {
                        return None;
                    }
                    part = at;
                }
                // 01 and 10 are not in use.
                _ => return None,
            }
        }
    }
}

impl fmt::Display for Name {
    /// Without the dot at its end, other bytes than printable ASCII as `\DDD` (RFC 1035 section 5.1).
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = &self.wire[..];
        if rest == [0] {
            return f.write_str(".");
        }
        let mut is_first = true;
        while let Some((&length, after)) = rest.split_first() {
            let Some((label, after)) = after.split_at_checked(usize::from(length)) else {
                break;
            };
            if length == 0 {
                break;
            }
            if !is_first {
                f.write_str(".")?;
            }
            is_first = false;
            for &byte in label {
                match byte {
                    b'.' | b'\\' => write!(f, "\\{}", char::from(byte))?,
                    0x21..=0x7e => write!(f, "{}", char::from(byte))?,
                    _ => write!(f, "\\{byte:03}")?,
                }
            }
            rest = after;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_its_labels_and_loses_its_case() {
        let name = Name::new("Shop.Test").unwrap();
        assert_eq!(name.wire(), b"\x04shop\x04test\0");
        assert_eq!(name.to_string(), "shop.test");
        assert_eq!(Name::new("shop.test."), Some(name));
        assert_eq!(Name::new(".").unwrap().to_string(), ".");
    }

    #[test]
    fn a_name_that_is_too_long_or_has_an_empty_label_is_not_a_name() {
        assert_eq!(Name::new("a..b"), None);
        assert_eq!(Name::new(&"a".repeat(64)), None);
        assert!(Name::new(&"a".repeat(63)).is_some());
        let long = vec!["a".repeat(63); 4].join(".");
        assert_eq!(Name::new(&long), None);
    }

    #[test]
    fn a_compressed_name_is_read_and_a_pointer_goes_only_back() {
        let message = b"\x04test\0\x04shop\xc0\x00\xff";
        let (name, end) = Name::read(message, 6).unwrap();
        assert_eq!((name.to_string().as_str(), end), ("shop.test", 13));
        for looping in [&b"\xc0\x00"[..], b"\x01a\xc0\x00", b"\xc0\x02\xc0\x00"] {
            assert_eq!(Name::read(looping, 0), None, "{looping:?}");
        }
        assert_eq!(Name::read(b"\x04tes", 0), None);
        assert_eq!(Name::read(b"\x80a\0", 0), None);
        assert_eq!(Name::read(b"", 0), None);
    }

    #[test]
    fn a_chain_of_pointers_cannot_make_a_name_longer_than_255_bytes() {
        // Each part is a label and a pointer to the part before it.
        let mut message = b"\0".to_vec();
        let mut last = 0_u16;
        for _ in 0..200 {
            let at = u16::try_from(message.len()).unwrap();
            message.extend(b"\x03abc");
            message.extend((0xc000 | last).to_be_bytes());
            last = at;
        }
        assert_eq!(Name::read(&message, usize::from(last)), None);
        assert!(Name::read(&message, 1 + 6 * 60).is_some());
    }

    #[test]
    fn bytes_that_are_not_text_are_shown_as_numbers() {
        let (name, _) = Name::read(b"\x05a.\x1b\\\xff\0", 0).unwrap();
        assert_eq!(name.to_string(), "a\\.\\027\\\\\\255");
    }
}
