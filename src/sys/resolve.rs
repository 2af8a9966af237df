//! Names to addresses, with the resolver's own error.

use std::ffi::CString;
use std::net::{IpAddr, SocketAddr};
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

/// The addresses of a name, or of an address in text form (`fe80::1%eth0` too), in the order in
/// which the resolver wants them tried (getaddrinfo(3), RFC 6724). Never empty.
pub fn resolve(name: &str, port: u16, family: Family) -> Result<Vec<SocketAddr>> {
    if let Ok(address) = name.parse::<IpAddr>() {
        let fits = match family {
            Family::Any => true,
            Family::V4 => address.is_ipv4(),
            Family::V6 => address.is_ipv6(),
        };
        if fits {
            return Ok(vec![SocketAddr::new(address, port)]);
        }
    }
    let fail = |code: i32| resolver_error(name, code);
    let c_name = CString::new(name).map_err(|_| fail(libc::EAI_NONAME))?;
    let mut addresses = Vec::new();
    // SAFETY: addrinfo is plain data for which all zeroes is a valid value.
    let mut hints: libc::addrinfo = unsafe { std::mem::zeroed() };
    hints.ai_socktype = libc::SOCK_STREAM;
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
    let mut next = list;
    while !next.is_null() {
        // SAFETY: getaddrinfo gave a linked list of valid entries; each ai_addr has ai_addrlen
        // bytes, which try_init's storage is large enough for.
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
        Ok(addresses)
    }
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
