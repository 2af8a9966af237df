//! The multicast groups that a host receives: /proc/net/igmp and /proc/net/igmp6.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A group that an interface has joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Membership {
    /// The interface.
    pub interface: String,
    /// The group.
    pub group: IpAddr,
    /// How often it was joined: by sockets and by the kernel itself.
    pub users: u32,
}

/// More groups than this are not kept.
const MOST: usize = 65_536;

/// Reads /proc/net/igmp (`igmp_mc_seq_show()`): a line for each interface and below it one for each group,
/// whose address is a number in the byte order of this machine.
///
/// ```text
/// 1   lo        :     1      V3
///                 010000E0     1 0:00000000        0
/// ```
pub fn igmp(text: &str) -> Vec<Membership> {
    let mut interface = "";
    let mut found = Vec::new();
    // After the heading.
    for line in text.lines().skip(1) {
        let mut words = line.split_whitespace();
        if !line.starts_with(char::is_whitespace) {
            interface = words.nth(1).unwrap_or_default();
            continue;
        }
        let group = words
            .next()
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        let users = words.next().and_then(|users| users.parse().ok());
        if let (Some(group), Some(users)) = (group, users)
            && found.len() < MOST
        {
            found.push(Membership {
                interface: interface.to_owned(),
                group: Ipv4Addr::from(group.to_ne_bytes()).into(),
                users,
            });
        }
    }
    found
}

/// Reads /proc/net/igmp6 (`igmp6_mc_seq_show()`).
///
/// ```text
/// 1    lo              ff020000000000000000000000000001     1 0000000C 0
/// ```
pub fn igmp6(text: &str) -> Vec<Membership> {
    let lines = text.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let interface = words.next()?.to_owned();
        let group = words.next().filter(|hex| hex.len() == 32)?;
        let group = u128::from_str_radix(group, 16).ok()?;
        Some(Membership {
            interface,
            group: Ipv6Addr::from(group).into(),
            users: words.next()?.parse().ok()?,
        })
    });
    lines.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_tables_are_read_and_lines_that_are_cut_are_left_out() {
        let number = u32::from_ne_bytes([239, 1, 2, 3]);
        let text = format!(
            "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n\
             4\teth0      :     2      V3\n\t\t\t\t{number:08X}     3 0:00000000\t\t0\n\t\t\t\tzz 1\n\t\t\t\t{number:08X}\n"
        );
        let one = |group: &str| Membership {
            interface: "eth0".to_owned(),
            group: group.parse().unwrap(),
            users: 3,
        };
        assert_eq!(igmp(&text), [one("239.1.2.3")]);
        let text = "4    eth0            ff0200000000000000000000000000fb     3 00000004 0\n\
             4    eth0            ff02     1 00000004 0\n4 eth0";
        assert_eq!(igmp6(text), [one("ff02::fb")]);
    }
}
