//! ICMP: what a router or the other host reports about a packet, and the errno that a socket gets from it.

mod v4;
mod v6;

/// Which ICMP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// ICMP of IPv4 (RFC 792).
    V4,
    /// ICMP of IPv6 (RFC 4443).
    V6,
}

/// A message of ICMP: a whole type, or one code of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Icmp {
    /// Which ICMP.
    pub version: Version,
    /// The type.
    pub r#type: u8,
    /// The code; `None` for the type as a whole.
    pub code: Option<u8>,
    /// The constant of `linux/icmp.h`, `linux/icmpv6.h` or `netinet/icmp6.h`: `ICMP_PORT_UNREACH`.
    /// If these define none, it is BSD's, or formed by the same rule.
    pub name: &'static str,
    /// A short description, the one that ping prints if it has one: `Destination Port Unreachable`.
    pub message: &'static str,
    /// Why it is sent.
    pub cause: &'static str,
    /// The next thing to try; the word `HOST` stands for the address concerned.
    pub next: &'static str,
    /// The errno that a socket gets from it; `None` if sockets are not notified.
    pub on_socket: Option<OnSocket>,
}

/// The errno that a Linux socket gets from an ICMP error: the tables `icmp_err_convert`
/// (`net/ipv4/icmp.c`) and `icmpv6_err_convert` (`net/ipv6/icmp.c`).
///
/// A connecting TCP socket gets the errno immediately, fatal or not. `EMSGSIZE` is special:
/// TCP sends smaller segments without an error, UDP gets it unless path MTU discovery is off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OnSocket {
    /// The name of the errno: `ECONNREFUSED`.
    pub errno: &'static str,
    /// Whether the kernel treats it as final. If not, an established TCP connection keeps retrying,
    /// and a UDP socket gets it only with `IP_RECVERR`.
    pub fatal: bool,
}

/// The entry of exactly this type and code.
pub fn by_code(version: Version, r#type: u8, code: u8) -> Option<&'static Icmp> {
    all().find(|m| m.version == version && m.r#type == r#type && m.code == Some(code))
}

/// The entry of a type as a whole.
pub fn by_type(version: Version, r#type: u8) -> Option<&'static Icmp> {
    all().find(|m| m.version == version && m.r#type == r#type && m.code.is_none())
}

/// The entry of a received message: that of its code, otherwise that of its type.
pub fn describe(version: Version, r#type: u8, code: u8) -> Option<&'static Icmp> {
    by_code(version, r#type, code).or_else(|| by_type(version, r#type))
}

/// The codes of a type.
pub fn codes(version: Version, r#type: u8) -> impl Iterator<Item = &'static Icmp> {
    all().filter(move |m| m.version == version && m.r#type == r#type && m.code.is_some())
}

/// Every entry: those of IPv4 before those of IPv6, by type, the type as a whole before its codes.
pub fn all() -> impl Iterator<Item = &'static Icmp> {
    v4::TABLE.iter().chain(v6::TABLE)
}

/// Writes a table: type and code (`any` for the type as a whole), name and message, the errno with
/// `fatal` if the kernel treats it as final, then labelled texts.
macro_rules! messages {
    (@code any) => { None };
    (@code $code:literal) => { Some($code) };
    (@fatal) => { false };
    (@fatal fatal) => { true };
    (@socket) => { None };
    (@socket $errno:ident $($fatal:ident)?) => {
        Some(OnSocket {
            errno: stringify!($errno),
            fatal: messages!(@fatal $($fatal)?),
        })
    };
    ($version:expr; $(
        $type:literal / $code:tt $name:ident $message:literal
        $(socket $errno:ident $($fatal:ident)?,)?
        cause $cause:literal
        next $next:literal;
    )*) => {
        pub(super) static TABLE: &[Icmp] = &[$(Icmp {
            version: $version,
            r#type: $type,
            code: messages!(@code $code),
            name: stringify!($name),
            message: $message,
            cause: $cause,
            next: $next,
            on_socket: messages!(@socket $($errno $($fatal)?)?),
        }),*];
    };
}
use messages;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reference::errno;
    use std::collections::HashSet;

    fn errno_of(version: Version, r#type: u8, code: u8) -> Option<(&'static str, bool)> {
        let message = describe(version, r#type, code)?;
        message.on_socket.map(|it| (it.errno, it.fatal))
    }

    #[test]
    fn no_message_is_there_twice_and_every_code_has_its_type() {
        let mut seen = HashSet::new();
        let mut names = HashSet::new();
        for message in all() {
            assert!(
                seen.insert((message.version, message.r#type, message.code)),
                "{message:?}"
            );
            assert!(names.insert(message.name), "{message:?}");
            assert!(
                by_type(message.version, message.r#type).is_some(),
                "{message:?}"
            );
        }
    }

    #[test]
    fn the_table_is_in_order() {
        let keys: Vec<_> = all().map(|m| (m.version, m.r#type, m.code)).collect();
        assert!(keys.is_sorted(), "{keys:?}");
    }

    #[test]
    fn destination_unreachable_becomes_the_errno_that_the_kernel_makes_of_it() {
        // net/ipv4/icmp.c, icmp_err_convert: the errno and whether it is fatal, by code.
        let kernel = [
            ("ENETUNREACH", false),
            ("EHOSTUNREACH", false),
            ("ENOPROTOOPT", true),
            ("ECONNREFUSED", true),
            ("EMSGSIZE", false),
            ("EOPNOTSUPP", false),
            ("ENETUNREACH", true),
            ("EHOSTDOWN", true),
            ("ENONET", true),
            ("ENETUNREACH", true),
            ("EHOSTUNREACH", true),
            ("ENETUNREACH", false),
            ("EHOSTUNREACH", false),
            ("EHOSTUNREACH", true),
            ("EHOSTUNREACH", true),
            ("EHOSTUNREACH", true),
        ];
        for (code, expected) in (0..).zip(kernel) {
            assert!(by_code(Version::V4, 3, code).is_some(), "3/{code}");
            assert_eq!(errno_of(Version::V4, 3, code), Some(expected), "3/{code}");
        }
        // net/ipv6/icmp.c, tab_unreach.
        let kernel = [
            ("ENETUNREACH", false),
            ("EACCES", true),
            ("EHOSTUNREACH", false),
            ("EHOSTUNREACH", false),
            ("ECONNREFUSED", true),
            ("EACCES", true),
            ("EACCES", true),
        ];
        for (code, expected) in (0..).zip(kernel) {
            assert!(by_code(Version::V6, 1, code).is_some(), "1/{code}");
            assert_eq!(errno_of(Version::V6, 1, code), Some(expected), "1/{code}");
        }
    }

    #[test]
    fn the_other_errors_become_what_the_kernel_makes_of_them() {
        assert_eq!(errno_of(Version::V4, 11, 0), Some(("EHOSTUNREACH", false)));
        assert_eq!(errno_of(Version::V4, 12, 1), Some(("EPROTO", true)));
        assert_eq!(errno_of(Version::V6, 2, 0), Some(("EMSGSIZE", false)));
        assert_eq!(errno_of(Version::V6, 3, 1), Some(("EHOSTUNREACH", false)));
        assert_eq!(errno_of(Version::V6, 4, 2), Some(("EPROTO", true)));
        assert_eq!(errno_of(Version::V4, 8, 0), None);
        assert_eq!(errno_of(Version::V6, 129, 0), None);
    }

    #[test]
    fn every_errno_that_is_named_exists() {
        for message in all() {
            if let Some(on_socket) = message.on_socket {
                assert!(errno::by_name(on_socket.errno).is_some(), "{message:?}");
            }
        }
    }

    #[test]
    fn an_unknown_code_is_described_by_its_type_and_an_unknown_type_is_not() {
        let message = describe(Version::V4, 3, 99).map(|m| m.name);
        assert_eq!(message, Some("ICMP_DEST_UNREACH"));
        assert_eq!(describe(Version::V4, 250, 0), None);
    }

    #[test]
    fn a_type_knows_its_codes() {
        assert_eq!(codes(Version::V4, 3).count(), 16);
        assert_eq!(codes(Version::V4, 8).count(), 0);
    }
}
