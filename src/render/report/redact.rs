//! Addresses and names in text, replaced: the same one by the same other one.
//!
//! Addresses are replaced as in samples of a host ([`crate::host::redact`]): loopback, multicast and unspecified ones
//! stay, and so do ports. Names are what has the form of a domain name, and those that are given.

use std::collections::HashMap;
use std::net::IpAddr;

use crate::host::redact::Redactor;

/// Dotted words of these beginnings and ends are not names of hosts: sysctls, our own schemas, files.
const NOT_NAMES: &[&str] = &["net", "kernel", "vm", "fs", "sockdoc", "systemd"];
const FILES: &[&str] = &[
    "c", "h", "rs", "py", "sh", "conf", "json", "pcap", "pcapng", "html", "log", "pem", "service",
    "socket", "so", "txt",
];

/// Replaces addresses and names in text.
#[derive(Debug, Default)]
pub struct TextRedactor {
    addresses: Redactor,
    macs: HashMap<String, usize>,
    names: HashMap<String, usize>,
    given: Vec<String>,
}

impl TextRedactor {
    /// One that replaces these names wherever they stand as a word.
    pub fn new(names: impl IntoIterator<Item = String>) -> TextRedactor {
        let given = names.into_iter().filter(|name| !name.is_empty());
        TextRedactor {
            given: given.map(|name| name.to_ascii_lowercase()).collect(),
            ..TextRedactor::default()
        }
    }

    /// The text with other addresses and names.
    pub fn text(&mut self, text: &str) -> String {
        let inside = |c: char| c.is_alphanumeric() || matches!(c, '.' | ':' | '-' | '_');
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while !rest.is_empty() {
            let length = rest.find(|c| !inside(c)).unwrap_or(rest.len());
            if length == 0 {
                let c = rest.chars().next().map_or(1, char::len_utf8);
                out.push_str(&rest[..c]);
                rest = &rest[c..];
                continue;
            }
            let (word, after) = rest.split_at(length);
            let is_path = out.ends_with('/') && !out.ends_with("//");
            self.word(&mut out, word, is_path || after.starts_with('('));
            rest = after;
        }
        out
    }

    fn word(&mut self, out: &mut String, word: &str, is_path: bool) {
        // An address may stand before the end of a sentence.
        let end = word.trim_end_matches(['.', ':', '-']).len();
        let end = if word[end..].starts_with("::") {
            word.len()
        } else {
            end
        };
        let (core, mark) = word.split_at(end);
        match self.other(core, is_path) {
            Some(other) => out.push_str(&other),
            None => match core.rsplit_once(':') {
                // An address or a name, and a port.
                Some((host, port)) if port.parse::<u16>().is_ok() && !host.contains(':') => {
                    match self.other(host, is_path) {
                        Some(other) => {
                            out.push_str(&other);
                            out.push(':');
                            out.push_str(port);
                        }
                        None => out.push_str(core),
                    }
                }
                _ => out.push_str(core),
            },
        }
        out.push_str(mark);
    }

    fn other(&mut self, word: &str, is_path: bool) -> Option<String> {
        if let Ok(address) = word.parse::<IpAddr>() {
            return Some(self.addresses.address(address).to_string());
        }
        if is_mac(word) {
            let number = numbered(&mut self.macs, word);
            // Locally administered (IEEE 802, section 8.4).
            return Some(format!(
                "02:00:00:00:{:02x}:{:02x}",
                number >> 8 & 0xff,
                number & 0xff
            ));
        }
        let lower = word.to_ascii_lowercase();
        if self.given.contains(&lower) || !is_path && is_domain(&lower) {
            let number = numbered(&mut self.names, &lower);
            return Some(format!("name-{number}.invalid"));
        }
        None
    }
}

/// The number of a word: those that are met first have the lowest.
fn numbered(known: &mut HashMap<String, usize>, word: &str) -> usize {
    let next = known.len() + 1;
    *known.entry(word.to_ascii_lowercase()).or_insert(next)
}

fn is_mac(word: &str) -> bool {
    let parts: Vec<&str> = word.split(':').collect();
    let is_pair =
        |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.len() == 6 && parts.iter().all(is_pair)
}

/// Labels with dots between them, the last one of letters (RFC 1123 section 2.1).
fn is_domain(word: &str) -> bool {
    let labels: Vec<&str> = word.split('.').collect();
    let (Some(first), Some(last)) = (labels.first(), labels.last()) else {
        return false;
    };
    labels.len() > 1
        && !NOT_NAMES.contains(first)
        && !FILES.contains(last)
        && last.len() >= 2
        && last.chars().all(char::is_alphabetic)
        && labels.iter().all(|label| {
            !label.is_empty()
                && label
                    .chars()
                    .all(|c| c.is_alphanumeric() || c == '-' || c == '_')
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(text: &str) -> String {
        TextRedactor::new(["gateway".to_owned()]).text(text)
    }

    #[test]
    fn no_address_and_no_name_is_left_and_what_was_the_same_is_the_same() {
        let text = "10.9.1.1:443 → [2001:db8::7]:80, via 10.9.1.1. aa:bb:cc:dd:ee:ff asked api.example.com: \
                    api.example.com:8080 is on gateway";
        let other = redacted(text);
        for word in ["10.9.1.1", "2001:db8::7", "aa:bb", "example", "gateway"] {
            assert!(!other.contains(word), "{word}: {other}");
        }
        assert!(other.contains(":443 → [") && other.contains("]:80") && other.contains(":8080"));
        assert_eq!(other.matches("name-1.invalid").count(), 2, "{other}");
        assert!(other.ends_with("name-2.invalid"), "{other}");
        let first = other.split(':').next().unwrap_or_default();
        assert_eq!(other.matches(first).count(), 2, "{other}");
    }

    #[test]
    fn what_is_no_name_stays() {
        for text in [
            "127.0.0.1:80 and [::1]:80 at 0.0.0.0",
            "net.ipv4.tcp_syncookies, /etc/resolv.conf, sockdoc.decode/1, host.json",
            "3.012 s, 12.5 %, e.g. recv(), tcpi_rtt",
            "at 12:30:59.123",
            "::",
            "",
        ] {
            assert_eq!(redacted(text), text);
        }
    }
}
