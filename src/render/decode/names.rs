//! Names in the place of addresses and ports (`-N`).

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::buffer::Buffer;
use super::line::ADDRESS;
use crate::capfile::HostNames;
use crate::packet::record::Ip;
use crate::render::escape;

/// What may have a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Query {
    /// A host.
    Host(IpAddr),
    /// A service: the protocol (`tcp`, `udp`) and its port.
    Service(&'static str, u16),
}

/// Who knows names; asked once for each.
pub type Lookup = Box<dyn FnMut(Query) -> Option<String> + Send>;

/// Names, as they may stand on a terminal: those that the capture has, and those that were asked for.
pub struct Names {
    look_up: Lookup,
    of_capture: HashMap<IpAddr, String>,
    known: HashMap<Query, Option<String>>,
}

impl fmt::Debug for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Names")
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// More names than these are not kept: a capture may have any number of addresses.
const MOST: usize = 16 * 1024;
/// Bytes of a name in a capture that are kept: a domain name has 253 (RFC 1035 section 2.3.4).
const LONGEST: usize = 255;

impl Names {
    /// Nothing is known yet.
    pub fn new(look_up: Lookup) -> Names {
        Names {
            look_up,
            of_capture: HashMap::new(),
            known: HashMap::new(),
        }
    }

    /// Takes the names that the capture has for its hosts. Of several for one host, the last one is used, as by tshark.
    pub(super) fn learn(&mut self, names: HostNames<'_>) {
        for (address, name) in names.iter() {
            let is_known = self.of_capture.contains_key(&address);
            if is_known || self.of_capture.len() < MOST {
                let name = String::from_utf8_lossy(&name[..name.len().min(LONGEST)]);
                self.of_capture
                    .insert(address, escape::text(&name).into_owned());
            }
        }
    }

    fn name(&mut self, query: Query) -> Option<&str> {
        if let Query::Host(ip) = query
            && let Some(name) = self.of_capture.get(&ip)
        {
            return Some(name);
        }
        if self.known.len() >= MOST && !self.known.contains_key(&query) {
            self.known.clear();
        }
        let look_up = &mut self.look_up;
        let name = self.known.entry(query).or_insert_with(|| {
            let name = look_up(query)?;
            Some(escape::text(&name).into_owned())
        });
        name.as_deref()
    }

    /// The columns of source and destination, with a blank around them.
    pub(super) fn addresses(&mut self, out: &mut Buffer, ip: &Ip) {
        out.byte(b' ');
        let start = out.len();
        self.address(out, ip.source);
        out.flush_right(start, ADDRESS);
        out.text(" → ");
        let start = out.len();
        self.address(out, ip.destination);
        out.blanks(ADDRESS.saturating_sub(out.len() - start));
        out.byte(b' ');
    }

    fn address(&mut self, out: &mut Buffer, ip: IpAddr) {
        match self.name(Query::Host(ip)) {
            Some(name) => out.text(name),
            None => out.address(ip),
        }
    }

    /// `PORT → PORT`.
    pub(super) fn ports(&mut self, out: &mut Buffer, proto: &'static str, from: u16, to: u16) {
        self.port(out, proto, from);
        out.text(" → ");
        self.port(out, proto, to);
    }

    fn port(&mut self, out: &mut Buffer, proto: &'static str, port: u16) {
        match self.name(Query::Service(proto, port)) {
            Some(name) => out.text(name),
            None => out.number(u64::from(port)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_asked_for_once_and_cannot_move_the_cursor() {
        let asked = std::sync::Arc::new(std::sync::atomic::AtomicU32::new(0));
        let count = std::sync::Arc::clone(&asked);
        let mut names = Names::new(Box::new(move |asked| {
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            match asked {
                Query::Service("tcp", 80) => Some("http\x1b[2J".to_owned()),
                _ => None,
            }
        }));
        let mut out = Buffer::default();
        for _ in 0..3 {
            names.ports(&mut out, "tcp", 80, 40_000);
            out.byte(b'\n');
        }
        let text = String::from_utf8_lossy(out.as_bytes()).into_owned();
        assert_eq!(text, "http\\x1b[2J → 40000\n".repeat(3));
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 2);
    }
}
