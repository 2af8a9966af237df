//! Display filters of Wireshark in the words of this language, for those who type them out of habit.
//!
//! ```text
//! or       = and { ("or" | "||") and }             "and" binds tighter than "or" there, and not here
//! and      = not { ("and" | "&&") not }
//! not      = ("not" | "!") not | "(" or ")" | test
//! test     = field [ relation value | "in" "{" value { [","] value } "}" ]
//! ```

/// A longer text is not looked at, in bytes; nor is one that is nested deeper.
const LONGEST: usize = 1024;
const DEEPEST: usize = 20;

/// What a field is compared with, in our words: the value takes the place of `%`.
struct Field {
    name: &'static str,
    words: &'static str,
}

const fn field(name: &'static str, words: &'static str) -> Field {
    Field { name, words }
}

/// Fields that are compared with `==`.
const EQUAL: &[Field] = &[
    field("tcp.stream", "stream %"),
    field("ip.addr", "host %"),
    field("ip.src", "src host %"),
    field("ip.dst", "dst host %"),
    field("ip.host", "host %"),
    field("ipv6.addr", "host %"),
    field("ipv6.src", "src host %"),
    field("ipv6.dst", "dst host %"),
    field("eth.addr", "ether host %"),
    field("eth.src", "ether src %"),
    field("eth.dst", "ether dst %"),
    field("eth.type", "ether proto %"),
    field("tcp.port", "tcp port %"),
    field("tcp.srcport", "tcp src port %"),
    field("tcp.dstport", "tcp dst port %"),
    field("udp.port", "udp port %"),
    field("udp.srcport", "udp src port %"),
    field("udp.dstport", "udp dst port %"),
    field("ip.proto", "ip proto %"),
    field("ipv6.nxt", "ip6 proto %"),
    field("vlan.id", "vlan %"),
];

/// Fields of numbers in the header, which are compared with any relation.
const NUMBER: &[Field] = &[
    field("frame.len", "len"),
    field("ip.ttl", "ip[8]"),
    field("ip.id", "ip[4:2]"),
    field("ip.len", "ip[2:2]"),
    field("tcp.window_size_value", "tcp[14:2]"),
    field("tcp.seq_raw", "tcp[4:4]"),
    field("tcp.ack_raw", "tcp[8:4]"),
    field("udp.length", "udp[4:2]"),
    field("icmp.type", "icmp[icmptype]"),
    field("icmp.code", "icmp[icmpcode]"),
    field("icmpv6.type", "icmp6[0]"),
    field("arp.opcode", "arp[6:2]"),
];

/// Fields that are a bit: `== 1`, or alone.
const BIT: &[Field] = &[
    field("tcp.flags.syn", "tcp[tcpflags] & tcp-syn"),
    field("tcp.flags.ack", "tcp[tcpflags] & tcp-ack"),
    field("tcp.flags.fin", "tcp[tcpflags] & tcp-fin"),
    field("tcp.flags.reset", "tcp[tcpflags] & tcp-rst"),
    field("tcp.flags.push", "tcp[tcpflags] & tcp-push"),
    field("ip.flags.df", "ip[6] & 0x40"),
    field("ip.flags.mf", "ip[6] & 0x20"),
];

/// Fields and protocols that stand alone.
const ALONE: &[Field] = &[
    field("tcp", "tcp"),
    field("udp", "udp"),
    field("ip", "ip"),
    field("ipv6", "ip6"),
    field("icmp", "icmp"),
    field("icmpv6", "icmp6"),
    field("arp", "arp"),
    field("vlan", "vlan"),
    field("dns", "port 53"),
    field("http", "tcp port 80"),
    field("tls", "tcp port 443"),
    field("ssl", "tcp port 443"),
    field("ssh", "tcp port 22"),
    field("dhcp", "udp port 67 or udp port 68"),
    field("bootp", "udp port 67 or udp port 68"),
    field("ntp", "udp port 123"),
    field("quic", "udp port 443"),
    field("tcp.analysis.flags", "expert"),
    field("tcp.analysis.retransmission", "expert"),
    field("tcp.analysis.fast_retransmission", "expert"),
    field("tcp.analysis.out_of_order", "expert"),
    field("tcp.analysis.lost_segment", "expert"),
    field("tcp.analysis.duplicate_ack", "expert"),
    field("tcp.analysis.zero_window", "expert"),
    field("tcp.analysis.window_full", "expert"),
    field("_ws.expert", "expert"),
];

/// The same in our words; `None` for what is not a display filter, or has a field without a word here.
pub(super) fn translated(text: &str) -> Option<String> {
    if text.len() > LONGEST {
        return None;
    }
    let tokens = tokens(text)?;
    let mut reader = Reader {
        tokens: &tokens,
        depth: 0,
    };
    let part = reader.or()?;
    reader.tokens.is_empty().then_some(part.text)
}

fn tokens(text: &str) -> Option<Vec<&str>> {
    const SIGNS: &[&str] = &[
        "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "(", ")", "{", "}", ",", "=",
    ];
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let inside =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ':' | '/' | '-');
        let word = rest.find(|c| !inside(c)).unwrap_or(rest.len());
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let length = match (word, sign) {
            (0, Some(sign)) => sign.len(),
            (0, None) => return None,
            (word, _) => word,
        };
        let (token, after) = rest.split_at(length);
        found.push(token);
        rest = after.trim_start();
    }
    Some(found)
}

/// A part that was read.
struct Part {
    text: String,
    /// Its `and` or `or` at the top, so that it needs parentheses beside another one.
    is_joined: bool,
}

impl Part {
    fn of(words: &str) -> Part {
        Part {
            text: words.to_owned(),
            is_joined: words.contains(" or "),
        }
    }

    fn in_parentheses(self) -> String {
        if self.is_joined {
            format!("({})", self.text)
        } else {
            self.text
        }
    }
}

struct Reader<'a> {
    tokens: &'a [&'a str],
    depth: usize,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Option<&'a str> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first)
    }

    fn take(&mut self, words: &[&str]) -> bool {
        let found = self.tokens.first().is_some_and(|next| words.contains(next));
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn or(&mut self) -> Option<Part> {
        self.joined("or", &["or", "||"], Reader::and)
    }

    fn and(&mut self) -> Option<Part> {
        self.joined("and", &["and", "&&"], Reader::not)
    }

    fn joined(
        &mut self,
        word: &str,
        signs: &[&str],
        part: fn(&mut Reader<'a>) -> Option<Part>,
    ) -> Option<Part> {
        let first = part(self)?;
        if !self.tokens.first().is_some_and(|next| signs.contains(next)) {
            return Some(first);
        }
        let mut text = first.in_parentheses();
        while self.take(signs) {
            text = format!("{text} {word} {}", part(self)?.in_parentheses());
        }
        Some(Part {
            text,
            is_joined: true,
        })
    }

    fn not(&mut self) -> Option<Part> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let part = if self.take(&["not", "!"]) {
            let text = format!("not {}", self.not()?.in_parentheses());
            Part {
                text,
                is_joined: false,
            }
        } else if self.take(&["("]) {
            let part = self.or()?;
            if !self.take(&[")"]) {
                return None;
            }
            part
        } else {
            self.test()?
        };
        self.depth -= 1;
        Some(part)
    }

    fn test(&mut self) -> Option<Part> {
        let name = self.next()?;
        let of = |fields: &'static [Field]| {
            let found = fields.iter().find(|field| field.name == name);
            found.map(|field| field.words)
        };
        if self.take(&["in"]) {
            return self.set(of(EQUAL)?);
        }
        let relations = [
            "==", "eq", "=", "!=", "ne", "<", "lt", ">", "gt", "<=", "le", ">=", "ge",
        ];
        let Some(relation) = self.tokens.first().filter(|next| relations.contains(next)) else {
            let bit = of(BIT).map(|words| format!("{words} != 0"));
            return bit
                .or_else(|| of(ALONE).map(str::to_owned))
                .map(|words| Part::of(&words));
        };
        self.next();
        let relation = match *relation {
            "eq" | "=" => "==",
            "ne" => "!=",
            "lt" => "<",
            "gt" => ">",
            "le" => "<=",
            "ge" => ">=",
            sign => sign,
        };
        let value = self.next().filter(|value| is_value(value))?;
        if let Some(words) = of(NUMBER) {
            return Some(Part::of(&format!("{words} {relation} {value}")));
        }
        let is_equal = match relation {
            "==" => true,
            "!=" => false,
            _ => return None,
        };
        if let Some(words) = of(BIT) {
            let is_set = matches!(value, "1" | "True" | "true") == is_equal;
            let sign = if is_set { "!=" } else { "==" };
            return Some(Part::of(&format!("{words} {sign} 0")));
        }
        let words = with_value(of(EQUAL)?, value);
        Some(if is_equal {
            Part::of(&words)
        } else {
            Part::of(&format!("not {words}"))
        })
    }

    /// One of several values.
    fn set(&mut self, words: &str) -> Option<Part> {
        if !self.take(&["{"]) {
            return None;
        }
        let mut parts = Vec::new();
        while !self.take(&["}"]) {
            let value = self.next().filter(|value| is_value(value))?;
            parts.push(with_value(words, value));
            self.take(&[","]);
        }
        (!parts.is_empty()).then(|| Part {
            is_joined: parts.len() > 1,
            text: parts.join(" or "),
        })
    }
}

fn is_value(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == ':')
}

/// A net is not a host: `ip.addr == 10.0.0.0/8`.
fn with_value(words: &str, value: &str) -> String {
    let words = if value.contains('/') {
        words.replace("host", "net")
    } else {
        words.to_owned()
    };
    words.replace('%', value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::filter::{Filter, Services};

    #[test]
    fn common_display_filters_have_words_here_that_are_understood() {
        for (theirs, ours) in [
            ("tcp.stream eq 0", "stream 0"),
            ("ip.addr == 1.2.3.4", "host 1.2.3.4"),
            ("ip.src==10.0.0.0/8", "src net 10.0.0.0/8"),
            ("tcp.port == 80", "tcp port 80"),
            ("tcp.port in {80 443}", "tcp port 80 or tcp port 443"),
            (
                "tcp.port in {80, 443} and ip",
                "(tcp port 80 or tcp port 443) and ip",
            ),
            ("ip.addr != 1.2.3.4", "not host 1.2.3.4"),
            ("!(arp or icmp)", "not (arp or icmp)"),
            ("tcp || udp && ip.ttl < 5", "tcp or (udp and ip[8] < 5)"),
            ("tcp.flags.reset == 1", "tcp[tcpflags] & tcp-rst != 0"),
            (
                "tcp.flags.syn==1 && tcp.flags.ack==0",
                "tcp[tcpflags] & tcp-syn != 0 and tcp[tcpflags] & tcp-ack == 0",
            ),
            ("tcp.analysis.retransmission", "expert"),
            ("dns", "port 53"),
            ("frame.len > 1000", "len > 1000"),
            ("ipv6.addr == fe80::1", "host fe80::1"),
            (
                "eth.addr == 02:00:00:00:00:01",
                "ether host 02:00:00:00:00:01",
            ),
            ("icmp.type eq 8", "icmp[icmptype] == 8"),
            ("dhcp and ip", "(udp port 67 or udp port 68) and ip"),
        ] {
            let translated = translated(theirs);
            assert_eq!(translated.as_deref(), Some(ours), "{theirs}");
            Filter::parse(ours, &Services::default()).expect(ours);
        }
    }

    #[test]
    fn what_has_no_words_here_is_left_alone() {
        for text in [
            "http.request.uri contains \"x\"",
            "tcp.port ==",
            "nonsense",
            "(tcp",
            "tcp.port in {}",
            "",
        ] {
            assert_eq!(translated(text), None, "{text}");
        }
        assert_eq!(translated(&"!".repeat(500)), None);
        assert_eq!(translated(&"(".repeat(2000)), None);
    }
}
