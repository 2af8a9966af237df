//! The names of the kernel's functions (/proc/kallsyms).

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, BufReader, Seek as _};
use std::sync::Arc;

use crate::sys::privilege::{self, Capability};

/// Addresses that are remembered.
const MOST: usize = 16_384;
/// A function is no longer than this: what is further from its start is elsewhere.
const LONGEST: u64 = 1 << 20;

/// The list of functions, and the names that were looked up in it. The list is long, so it is read only for addresses
/// that were not asked for before.
#[derive(Debug)]
pub(super) struct Symbols {
    file: Option<File>,
    known: HashMap<u64, Option<Arc<str>>>,
}

impl Symbols {
    /// Opens the list. The kernel decides now whether this reader may see the addresses.
    pub(super) fn open() -> Symbols {
        let file = privilege::with(&[Capability::Syslog], || File::open("/proc/kallsyms"));
        Symbols {
            file: file.ok(),
            known: HashMap::new(),
        }
    }

    /// Looks up the functions of these addresses, as far as they are not known.
    pub(super) fn learn(&mut self, addresses: impl Iterator<Item = u64>) {
        let mut wanted: Vec<u64> = addresses
            .filter(|address| *address != 0 && !self.known.contains_key(address))
            .collect();
        wanted.sort_unstable();
        wanted.dedup();
        if wanted.is_empty() || self.known.len() + wanted.len() > MOST {
            return;
        }
        let found = self.file.as_mut().map(|file| {
            file.rewind()?;
            find(BufReader::with_capacity(1 << 16, file), &wanted)
        });
        let mut found = found.and_then(Result::ok).unwrap_or_default();
        for address in wanted {
            let name = found.remove(&address).map(|(_, name)| name);
            self.known.insert(address, name);
        }
    }

    /// The name of the function at an address.
    pub(super) fn name(&self, address: u64) -> Option<&Arc<str>> {
        self.known.get(&address)?.as_ref()
    }
}

/// The function of each address: its start and its name. The list is in no order.
fn find(
    mut symbols: impl io::BufRead,
    wanted: &[u64],
) -> io::Result<HashMap<u64, (u64, Arc<str>)>> {
    let mut found: BTreeMap<u64, (u64, Arc<str>)> = BTreeMap::new();
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else {
        return Ok(HashMap::new());
    };
    let mut line = Vec::new();
    loop {
        line.clear();
        if symbols.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        let Some((start, name)) = function(&line) else {
            continue;
        };
        if start > *last || start.saturating_add(LONGEST) < *first {
            continue;
        }
        let from = wanted.partition_point(|address| *address < start);
        for address in &wanted[from..] {
            if address - start > LONGEST {
                break;
            }
            let is_nearer = found.get(address).is_none_or(|(at, _)| *at < start);
            if is_nearer {
                found.insert(*address, (start, name.into()));
            }
        }
    }
    Ok(found.into_iter().collect())
}

/// The address and the name of a line such as `ffffffff81000000 T nft_do_chain\t[nf_tables]`, if that is a function and
/// its address is not hidden.
fn function(line: &[u8]) -> Option<(u64, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = words.next()?;
    let name = words.next()?;
    // The compiler splits functions, and adds what it did: `.isra.0`, `.cold`.
    let name = name.split('.').next().unwrap_or(name);
    (matches!(kind, "t" | "T" | "w" | "W") && address != 0).then_some((address, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "ffffffff81000000 T _text\n\
        ffffffff81000100 t nft_do_chain\t[nf_tables]\n\
        ffffffff81000050 T ip_rcv.isra.0\n\
        ffffffff81000180 D a_variable\n\
        0000000000000000 T hidden\n\
        nonsense\n";

    #[test]
    fn an_address_is_in_the_function_that_begins_before_it() {
        let wanted = [
            0xffff_ffff_8100_0051,
            0xffff_ffff_8100_0100,
            0xffff_ffff_8100_01ff,
            0xffff_ffff_9100_0000,
        ];
        let found = find(LIST.as_bytes(), &wanted).unwrap();
        let name = |address: u64| found.get(&address).map(|(_, name)| &**name);
        assert_eq!(name(wanted[0]), Some("ip_rcv"));
        assert_eq!(name(wanted[1]), Some("nft_do_chain"));
        assert_eq!(name(wanted[2]), Some("nft_do_chain"));
        assert_eq!(name(wanted[3]), None, "too far away");
        assert_eq!(name(0x10), None);
    }
}
