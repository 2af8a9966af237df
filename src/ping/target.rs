//! Targets: names, addresses, CIDR blocks and ranges as typed by the user.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use crate::reference::icmp::Version;

/// Targets that one session may have.
pub const MOST_TARGETS: usize = 1 << 18;

/// Somebody to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// What the user typed, or the address of a block.
    pub name: String,
    /// Where that is.
    pub address: IpAddr,
    /// The zone of a link-local address: the number of an interface, or 0.
    pub scope: u32,
    /// The address as text, with its zone if one was typed.
    pub shown: String,
    /// It is the broadcast address of a link.
    pub is_broadcast: bool,
}

impl From<IpAddr> for Target {
    /// An address without a name or a zone.
    fn from(address: IpAddr) -> Target {
        Target {
            name: address.to_string(),
            address,
            scope: 0,
            shown: address.to_string(),
            is_broadcast: false,
        }
    }
}

impl Target {
    /// An address that answered, as text: a link-local one has the zone of the target.
    pub fn show(&self, address: IpAddr) -> String {
        let zone = self.shown.split_once('%').map(|(_, zone)| zone);
        match (address, zone) {
            (IpAddr::V6(v6), Some(zone)) if v6.is_unicast_link_local() => format!("{v6}%{zone}"),
            _ => address.to_string(),
        }
    }

    /// Whether it was given by a name, not by an address.
    pub fn is_named(&self) -> bool {
        !self.name.contains('%') && self.name.parse::<IpAddr>().is_err()
    }

    /// Its name has another address now; gives the one that it had.
    pub fn move_to(&mut self, address: SocketAddr) -> IpAddr {
        let from = std::mem::replace(&mut self.address, address.ip());
        self.scope = match address {
            SocketAddr::V4(_) => 0,
            SocketAddr::V6(address) => address.scope_id(),
        };
        self.shown = address.ip().to_string();
        self.is_broadcast = false;
        from
    }

    /// Whether the reply rightly comes from another address: of a member of a group, or of the one that an
    /// anycast address leads to. Of those, the addresses of all routers of a subnet (RFC 4291 section 2.6.1)
    /// and the reserved ones (RFC 2526) are known by their bits.
    pub fn is_group(&self) -> bool {
        let is_anycast = match self.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => {
                let [.., a, b, c, d] = address.segments();
                let is_reserved = matches!((a, b, c), (0xfdff | 0xffff, 0xffff, 0xffff));
                let is_subnet = (a, b, c, d) == (0, 0, 0, 0) && !address.is_unspecified();
                is_subnet || (is_reserved && d >= 0xff80)
            }
        };
        is_anycast || self.address.is_multicast() || self.is_broadcast
    }

    /// Where to send to; ICMP has no ports, and takes 0.
    pub fn at(&self, port: u16) -> SocketAddr {
        match self.address {
            IpAddr::V4(address) => SocketAddr::new(address.into(), port),
            IpAddr::V6(address) => SocketAddrV6::new(address, port, 0, self.scope).into(),
        }
    }

    /// Which ICMP it takes.
    pub fn version(&self) -> Version {
        match self.address {
            IpAddr::V4(_) => Version::V4,
            IpAddr::V6(_) => Version::V6,
        }
    }
}

/// A word of the command line or of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Word {
    /// A name, or an address: one target.
    Host(String),
    /// All addresses from one to another.
    Range(Range),
}

/// Addresses without a gap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Range {
    is_v4: bool,
    first: u128,
    last: u128,
}

impl Range {
    fn new(first: IpAddr, last: IpAddr) -> Option<Range> {
        let (is_v4, first, last) = match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) => {
                (true, u32::from(first).into(), u32::from(last).into())
            }
            (IpAddr::V6(first), IpAddr::V6(last)) => (false, first.into(), last.into()),
            _ => return None,
        };
        (first <= last).then_some(Range { is_v4, first, last })
    }

    /// How many there are; at most [`u128::MAX`].
    pub fn count(&self) -> u128 {
        (self.last - self.first).saturating_add(1)
    }

    /// The addresses in order.
    pub fn addresses(self) -> impl Iterator<Item = IpAddr> {
        (self.first..=self.last).map(move |bits| match u32::try_from(bits) {
            Ok(bits) if self.is_v4 => Ipv4Addr::from(bits).into(),
            _ => Ipv6Addr::from(bits).into(),
        })
    }
}

/// Reads a word: `10.0.0.0/24`, `10.0.0.1-10.0.0.9`, `10.0.0.1-9`, `fd00::/120`, an address, a name.
///
/// The network's own address and the broadcast address of an IPv4 block are left out, unless that is
/// a /31 (RFC 3021) or a /32.
///
/// # Errors
/// What is wrong with it, as text, if it is meant as a block or a range.
pub fn parse(word: &str) -> Result<Word, String> {
    if let Some((address, length)) = word.split_once('/') {
        return block(word, address, length).map(Word::Range);
    }
    if let Some((first, last)) = word.split_once('-')
        && let Ok(first) = first.parse::<IpAddr>()
    {
        return range(word, first, last).map(Word::Range);
    }
    if word.is_empty() {
        return Err("an empty word is not a target".to_owned());
    }
    Ok(Word::Host(word.to_owned()))
}

fn block(word: &str, address: &str, length: &str) -> Result<Range, String> {
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(format!(
            "'{word}': in front of the / stands an address, such as 10.0.0.0/24"
        ));
    };
    let bits: u32 = if address.is_ipv4() { 32 } else { 128 };
    let length = length
        .parse::<u32>()
        .ok()
        .filter(|&length| length <= bits)
        .ok_or_else(|| format!("'{word}': the / must be followed by a number from 0 to {bits}"))?;
    let mask = u128::MAX.checked_shl(bits - length).unwrap_or(0);
    let (first, last) = match address {
        IpAddr::V4(address) => {
            let first = u128::from(u32::from(address)) & mask;
            (first, (first | !mask) & u128::from(u32::MAX))
        }
        IpAddr::V6(address) => {
            let first = u128::from(address) & mask;
            (first, first | !mask)
        }
    };
    let is_v4 = address.is_ipv4();
    let ends = u128::from(is_v4 && length < 31);
    Ok(Range {
        is_v4,
        first: first + ends,
        last: last - ends,
    })
}

fn range(word: &str, first: IpAddr, last: &str) -> Result<Range, String> {
    let last = match (first, last.parse::<u8>()) {
        (IpAddr::V4(first), Ok(byte)) => {
            let [a, b, c, _] = first.octets();
            IpAddr::V4(Ipv4Addr::new(a, b, c, byte))
        }
        _ => last.parse::<IpAddr>().map_err(|_| {
            format!("'{word}': the - must be followed by an address, or the last number of one")
        })?,
    };
    Range::new(first, last)
        .ok_or_else(|| format!("'{word}': a range goes from a lower address to a higher one"))
}

/// The targets of a file: the first word of each line, as with fping; `#` begins a comment.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .filter_map(|line| line.split('#').next())
        .filter_map(|line| line.split_whitespace().next())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses(word: &str) -> Vec<String> {
        match parse(word).unwrap() {
            Word::Range(range) => range.addresses().map(|it| it.to_string()).collect(),
            Word::Host(name) => vec![name],
        }
    }

    #[test]
    fn a_block_leaves_out_its_ends_where_those_are_nobody() {
        assert_eq!(addresses("10.0.0.0/30"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(addresses("10.0.0.7/30"), ["10.0.0.5", "10.0.0.6"]);
        assert_eq!(addresses("10.0.0.0/31"), ["10.0.0.0", "10.0.0.1"]);
        assert_eq!(addresses("10.0.0.7/32"), ["10.0.0.7"]);
        assert_eq!(addresses("fd00::/127"), ["fd00::", "fd00::1"]);
        let Word::Range(sweep) = parse("127.1.0.0/18").unwrap() else {
            panic!("no range");
        };
        assert_eq!(sweep.count(), 16_382);
        let Word::Range(all) = parse("::/0").unwrap() else {
            panic!("no range");
        };
        assert_eq!(all.count(), u128::MAX);
        let Word::Range(all) = parse("0.0.0.0/0").unwrap() else {
            panic!("no range");
        };
        assert_eq!(all.count(), (1 << 32) - 2);
    }

    #[test]
    fn a_range_goes_from_one_address_to_another() {
        let three = ["10.0.0.254", "10.0.0.255", "10.0.1.0"];
        assert_eq!(addresses("10.0.0.254-10.0.1.0"), three);
        assert_eq!(addresses("10.0.0.1-2"), ["10.0.0.1", "10.0.0.2"]);
        assert_eq!(addresses("fd00::9-fd00::a"), ["fd00::9", "fd00::a"]);
    }

    #[test]
    fn names_with_hyphens_and_addresses_with_zones_are_hosts() {
        for word in ["my-host", "10-0-0-1.example", "fe80::1%eth0", "::1", "1"] {
            assert_eq!(parse(word), Ok(Word::Host(word.to_owned())));
        }
    }

    #[test]
    fn a_wrong_block_or_range_says_what_is_wrong() {
        for (word, told) in [
            ("10.0.0.0/33", "from 0 to 32"),
            ("fd00::/129", "from 0 to 128"),
            ("10.0.0.0/", "from 0 to 32"),
            ("host/24", "stands an address"),
            ("10.0.0.9-10.0.0.1", "lower"),
            ("10.0.0.1-fd00::1", "lower"),
            ("10.0.0.1-x", "the - must be followed"),
            ("10.0.0.1-256", "the - must be followed"),
            ("", "not a target"),
        ] {
            let said = parse(word).unwrap_err();
            assert!(said.contains(told), "{word}: {said}");
        }
    }

    #[test]
    fn a_file_has_a_target_in_front_of_each_line_and_comments() {
        let text = "# hosts\na the first\n\n  c # d\r\n";
        assert_eq!(words(text).collect::<Vec<_>>(), ["a", "c"]);
    }

    #[test]
    fn groups_and_anycast_addresses_are_known_by_their_bits() {
        for (address, expected) in [
            ("fd77:1::", true),
            ("fd77:1::fdff:ffff:ffff:fffe", true),
            ("ff02::1", true),
            ("224.0.0.1", true),
            ("fd77:1::1", false),
            ("::", false),
            ("10.0.0.0", false),
        ] {
            let target = Target::from(address.parse::<IpAddr>().unwrap());
            assert_eq!(target.is_group(), expected, "{address}");
        }
    }

    proptest! {
        #[test]
        fn no_word_is_too_strange(word in "\\PC{0,40}") {
            let _ = parse(&word);
        }

        #[test]
        fn a_block_holds_its_address(bits in any::<u32>(), length in 0_u32..=32) {
            let address = Ipv4Addr::from(bits);
            let Ok(Word::Range(range)) = parse(&format!("{address}/{length}")) else {
                panic!("no range");
            };
            prop_assert!(range.first <= range.last);
            let near = range.first.saturating_sub(1)..=range.last + 1;
            prop_assert!(near.contains(&u128::from(bits)));
        }
    }
}
