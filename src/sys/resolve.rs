//! Names to addresses, with the resolver's own error.
//!
//! | file | what it holds |
//! |---|---|
//! | this one | getaddrinfo(3) and getnameinfo(3) |
//! | [`lookup`] | a name as programs get it, beside the files and each name server |
//! | [`closer`] | what else can be learned of it: EDNS, the names of its addresses |
//! | [`files`] | the files of the resolver, of this host or of another namespace |
//! | `getent` | what the programs of this host get, for a build with another resolver |
//! | `query` | one query to one name server |

pub mod closer;
pub mod files;
mod getent;
pub mod lookup;
mod query;

use std::borrow::Cow;
use std::ffi::CString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ptr;

use socket2::SockAddr;

use crate::error::{Error, Kind, Result};
use crate::reference;

/// Which addresses are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 only (`-4`).
    V4,
    /// IPv6 only (`-6`).
    V6,
}

impl Family {
    /// Whether an address is wanted.
    pub fn includes(self, ip: IpAddr) -> bool {
        match self {
            Family::Any => true,
            Family::V4 => ip.is_ipv4(),
            Family::V6 => ip.is_ipv6(),
        }
    }
}

/// The addresses of a name, or of an address in text form (`fe80::1%eth0` too), in the order in
/// which the resolver wants them tried (getaddrinfo(3), RFC 6724). Never empty.
pub fn resolve(name: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>> {
    addresses_of(name, port, family).map(|(addresses, _)| addresses)
}

/// The same with the canonical name, if the resolver has one.
fn addresses_of(
    name: &str,
    port: u16,
    family: Family,
) -> Result<(Vec<SocketAddr>, Option<String>)> {
    if let Ok(address) = name.parse::<IpAddr>()
        && family.includes(address)
    {
        return Ok((vec![SocketAddr::new(address, port)], None));
    }
    let fail = |code: i32| resolver_error(name, code);
    refuse_malformed(name)?;
    let c_name = CString::new(&*in_ascii(name)).map_err(|_| fail(libc::EAI_NONAME))?;
    let mut addresses = Vec::new();
    // SAFETY: addrinfo is plain data for which all zeroes is a valid value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
    hints.ai_flags = libc::AI_CANONNAME;
    hints.ai_family = match family {
        Family::Any => libc::AF_UNSPEC,
        Family::V4 => libc::AF_INET,
        Family::V6 => libc::AF_INET6,
    };
    let mut list: *mut libc::addrinfo = ptr::null_mut();
    // SAFETY: the name is a C string, hints and list live through the call.
    let code = unsafe {
        libc::getaddrinfo(
            c_name.as_ptr(),
            ptr::null(),
            &raw const hints,
            &raw mut list,
        )
    };
    if code != 0 {
        return Err(fail(code));
    }
    let mut canonical = None;
    let mut next = list;
    while !next.is_null() {
        // SAFETY: getaddrinfo gave a linked list of valid entries; each ai_addr has ai_addrlen
        // bytes, which try_init's storage is large enough for, and ai_canonname is null or a C string.
        let (entry, address) = unsafe {
            let entry = &*next;
            let address = SockAddr::try_init(|storage, length| {
                ptr::copy_nonoverlapping(
                    entry.ai_addr.cast::<u8>(),
                    storage.cast::<u8>(),
                    entry.ai_addrlen as usize,
                );
                *length = entry.ai_addrlen;
                Ok(())
            });
            if !entry.ai_canonname.is_null() {
                let name = std::ffi::CStr::from_ptr(entry.ai_canonname);
                canonical = Some(name.to_string_lossy().into_owned());
            }
            (entry, address)
        };
        if let Some(mut address) = address.ok().and_then(|((), address)| address.as_socket()) {
            address.set_port(port);
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
        next = entry.ai_next;
    }
    // SAFETY: the list came from getaddrinfo and is not used after this.
    unsafe { libc::freeaddrinfo(list) };
    if addresses.is_empty() {
        Err(fail(libc::EAI_NONAME))
    } else {
        Ok((addresses, canonical))
    }
}

/// What looks like an address and is not one, or has the zone of an interface that is not there: no name server is
/// asked for it.
fn refuse_malformed(name: &str) -> Result<()> {
    if let Some(cause) = malformed(name) {
        return Err(Error::new(Kind::CannotRun, "read the address", cause)
            .on(name.escape_debug().to_string())
            .next("type it again; no name was looked up, because no host name looks like this"));
    }
    if let Some((address, zone)) = name.split_once('%')
        && address.parse::<Ipv6Addr>().is_ok()
        && zone.parse::<u32>().is_err()
        && interface_number(zone).is_none()
    {
        let cause = "no interface has this name";
        return Err(Error::new(Kind::CannotRun, "use the zone", cause)
            .on(zone.escape_debug().to_string())
            .next("list the interfaces: ip -br link"));
    }
    Ok(())
}

/// An address in any form that getaddrinfo(3) takes without a look-up: with a zone, or as `inet_aton(3)` reads it
/// (`127.1`, `0x7f000001`).
fn numeric(name: &str) -> Option<IpAddr> {
    let (address, _) = name.split_once('%').unwrap_or((name, ""));
    let v6 = address.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    v6.or_else(|| by_parts(name).map(IpAddr::V4))
}

/// One to four numbers, decimal, octal or hexadecimal, parted by dots; the last has the bytes that are left.
fn by_parts(name: &str) -> Option<Ipv4Addr> {
    let parts: Vec<&str> = name.split('.').collect();
    let number = |part: &str| {
        let hex = part.strip_prefix("0x").or_else(|| part.strip_prefix("0X"));
        let octal = part.strip_prefix('0').filter(|it| !it.is_empty());
        let (digits, radix) = match (hex, octal) {
            (Some(hex), _) => (hex, 16),
            (None, Some(octal)) => (octal, 8),
            (None, None) => (part, 10),
        };
        let is_number = digits.bytes().all(|it| it.is_ascii_hexdigit());
        u32::from_str_radix(digits, radix)
            .ok()
            .filter(|_| is_number)
    };
    let (last, first) = parts.split_last().filter(|_| parts.len() <= 4)?;
    let mut address = number(last)?;
    if u64::from(address) >= 1 << (8 * (4 - first.len())) {
        return None;
    }
    for (at, part) in first.iter().enumerate() {
        let byte = number(part).filter(|it| *it < 256)?;
        address |= byte << (8 * (3 - at));
    }
    Some(address.into())
}

/// A name as the DNS has it: one with letters beyond ASCII as UTS 46 maps it (`xn--...`); what that does not
/// allow stays as it is.
fn in_ascii(name: &str) -> Cow<'_, str> {
    if name.is_ascii() {
        return Cow::Borrowed(name);
    }
    idna::domain_to_ascii(name).map_or(Cow::Borrowed(name), Cow::Owned)
}

/// What is wrong with a word that looks like an address but is not one: no host name has a colon, and none
/// consists of numbers (RFC 1123 section 2.1). `None` of a name, and of an address in any form that
/// `inet_aton(3)` knows.
fn malformed(name: &str) -> Option<&'static str> {
    let (address, _) = name.split_once('%').unwrap_or((name, ""));
    if address.contains(':') {
        if address.parse::<Ipv6Addr>().is_ok() {
            return None;
        }
        let (host, port) = name.rsplit_once(':')?;
        let has_port = port.parse::<u16>().is_ok() && (host.ends_with(']') || !host.contains(':'));
        return Some(if has_port {
            "this is not an IPv6 address; a port does not belong to the host"
        } else {
            "this is not an IPv6 address: up to eight groups of four hexadecimal digits"
        });
    }
    let is_numbers = !name.is_empty() && name.bytes().all(|it| it.is_ascii_digit() || it == b'.');
    let is_wrong = is_numbers && name.contains('.') && by_parts(name).is_none();
    is_wrong.then_some("this is not an IPv4 address: four numbers from 0 to 255")
}

/// The names of the interfaces of this host, without loopback (`if_nameindex(3)`).
pub fn interfaces() -> Vec<String> {
    let all = nix::net::if_::if_nameindex();
    let names = all.iter().flat_map(|all| all.iter());
    let names = names.map(|it| it.name().to_string_lossy().into_owned());
    names.filter(|name| name != "lo").collect()
}

/// The name of a host, by the reverse of [`resolve`] (getnameinfo(3)); this may ask the DNS. `None` if
/// it has none.
pub fn name_of(host: IpAddr) -> Option<String> {
    let mut name = [0_u8; 1025];
    look_up_name(
        SocketAddr::new(host, 0),
        &mut name,
        &mut [],
        libc::NI_NAMEREQD,
    )?;
    text_of(&name)
}

/// The name of the service on a port (/etc/services), for `tcp` or `udp`; `None` if it has none.
pub fn service_of(port: u16, protocol: &str) -> Option<String> {
    let mut name = [0_u8; 32];
    let flags = if protocol == "udp" { libc::NI_DGRAM } else { 0 };
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    look_up_name(address, &mut [], &mut name, flags)?;
    // A port without a name comes back as a number.
    text_of(&name).filter(|name| name.parse::<u16>().is_err())
}

/// The number of an interface, for the zone of a link-local address; `None` if no interface has that
/// name (`if_nametoindex(3)`).
pub fn interface_number(name: &str) -> Option<u32> {
    nix::net::if_::if_nametoindex(name).ok()
}

fn look_up_name(
    address: SocketAddr,
    host: &mut [u8],
    service: &mut [u8],
    flags: libc::c_int,
) -> Option<()> {
    let address = SockAddr::from(address);
    // SAFETY: the address and both buffers live through the call, with their true lengths; an empty
    // buffer is not written to.
    let code = unsafe {
        libc::getnameinfo(
            address.as_ptr().cast(),
            address.len(),
            host.as_mut_ptr().cast(),
            libc::socklen_t::try_from(host.len()).ok()?,
            service.as_mut_ptr().cast(),
            libc::socklen_t::try_from(service.len()).ok()?,
            flags,
        )
    };
    (code == 0).then_some(())
}

fn text_of(name: &[u8]) -> Option<String> {
    let name = std::ffi::CStr::from_bytes_until_nul(name).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// The resolver's error, as text.
fn resolver_error(name: &str, code: i32) -> Error {
    let mut error = Error::new(Kind::CannotRun, "look up", format!("resolver error {code}"));
    if let Some(entry) = reference::resolver::by_number(code) {
        error.code = Some(entry.name);
        error.cause = format!("{} ({}): {}", entry.message, entry.name, entry.cause);
        error.next = Some(entry.next.to_owned());
    }
    let shown = name.escape_debug().to_string();
    let shown = if shown.is_empty() {
        "''".to_owned()
    } else {
        shown
    };
    error.next = error.next.map(|next| next.replace("HOST", &shown));
    error.on(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_that_no_interface_has_is_named_and_no_name_is_looked_up() {
        let error = resolve("fe80::1%nope0", 80, Family::Any).unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with("use the zone nope0: no interface has this name"),
            "{text}"
        );
        assert!(resolve("fe80::1%lo", 80, Family::Any).is_ok());
    }

    #[test]
    fn an_address_needs_no_resolver() {
        let addresses = resolve("127.0.0.1", 80, Family::Any).unwrap();
        assert_eq!(addresses, vec!["127.0.0.1:80".parse().unwrap()]);
    }

    #[test]
    fn a_scoped_address_keeps_its_scope() {
        let addresses = resolve("fe80::1%lo", 80, Family::Any).unwrap();
        let SocketAddr::V6(address) = addresses[0] else {
            panic!("not IPv6")
        };
        assert_eq!(address.scope_id(), 1);
    }

    #[test]
    fn an_ipv4_address_is_no_ipv6_address() {
        let error = resolve("127.0.0.1", 80, Family::V6).unwrap_err();
        assert_eq!(error.kind, Kind::CannotRun);
        assert!(
            error.code.is_some_and(|code| code.starts_with("EAI_")),
            "{error}"
        );
    }

    #[test]
    fn what_looks_like_an_address_and_is_none_is_told_without_a_look_up() {
        for word in [
            "300.1.1.1",
            "1.2.3.4.5",
            "10.0.0.256",
            "1..2",
            "10.1.1.",
            "09.1.1.1",
        ] {
            let error = resolve(word, 80, Family::Any).unwrap_err();
            assert!(
                error.cause.contains("not an IPv4 address"),
                "{word}: {error}"
            );
        }
        for word in [
            "fd00::1::2",
            "12345::",
            "fe80:::1",
            "[::1]:80",
            "10.0.0.1:80",
        ] {
            let error = resolve(word, 80, Family::Any).unwrap_err();
            assert!(
                error.cause.contains("not an IPv6 address"),
                "{word}: {error}"
            );
        }
        for (word, address) in [
            ("127.1", "127.0.0.1"),
            ("127.0.0.01", "127.0.0.1"),
            ("1.2.3", "1.2.0.3"),
            ("127.16777215", "127.255.255.255"),
            ("0x7f000001", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("fe80::1%lo", "fe80::1"),
        ] {
            assert_eq!(malformed(word), None, "{word}");
            assert_eq!(numeric(word), address.parse().ok(), "{word}");
        }
        for word in [
            "1.2.3.4.5",
            "256.1",
            "1.16777216",
            "0x",
            "+1",
            "",
            "a.1",
            "1.",
            "127.0.0.256",
        ] {
            assert_eq!(numeric(word), None, "{word}");
        }
        for name in [
            "localhost",
            "1",
            "10-0-0-1.example",
            "3com.com",
            "a.1",
            "fe80::1%lo",
        ] {
            assert_eq!(malformed(name), None, "{name}");
        }
    }

    #[test]
    fn a_name_beyond_ascii_is_asked_for_as_the_dns_has_it() {
        assert_eq!(in_ascii("München.test"), "xn--mnchen-3ya.test");
        assert_eq!(in_ascii("Localhost"), "Localhost");
    }

    #[test]
    fn a_name_with_a_nul_does_not_resolve() {
        assert_eq!(
            resolve("a\0b", 80, Family::Any).unwrap_err().code,
            Some("EAI_NONAME")
        );
    }

    #[test]
    fn a_known_service_has_a_name_and_an_unknown_one_has_none() {
        if std::fs::read_to_string("/etc/services").is_ok_and(|text| text.contains("\nhttp\t")) {
            assert_eq!(service_of(80, "tcp").as_deref(), Some("http"));
        }
        assert_eq!(service_of(65_432, "tcp"), None);
    }
}
