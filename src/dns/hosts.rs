//! hosts(5).

use std::net::IpAddr;

/// Entries that are kept of one name.
const MOST: usize = 64;

/// A line that has the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostsEntry {
    /// Its number in the file, from 1.
    pub line: usize,
    /// The address.
    pub address: IpAddr,
}

/// The entries of a name, in the order of the file.
pub fn entries(text: &str, name: &str) -> Vec<HostsEntry> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let lines = (1..).zip(text.lines());
    let found = lines.filter_map(|(line, text)| {
        let mut words = text.split('#').next()?.split_whitespace();
        let address = words.next()?.split('%').next()?.parse().ok()?;
        let has_it = words.any(|word| word.eq_ignore_ascii_case(name));
        has_it.then_some(HostsEntry { line, address })
    });
    found.take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_found_on_its_lines_in_any_case_and_not_in_comments() {
        let text = "127.0.0.1 localhost\n# 10.0.0.9 shop.test\n10.9.1.66\tshop.test shop # old\n\
                    x shop\n::1 SHOP #shop.test\n";
        let of = |name| {
            let found = entries(text, name).into_iter();
            found
                .map(|it| (it.line, it.address.to_string()))
                .collect::<Vec<_>>()
        };
        let all = [(3, "10.9.1.66".to_owned()), (5, "::1".to_owned())];
        assert_eq!(of("shop"), all);
        assert_eq!(of("shop.test."), all[..1]);
        assert_eq!(of("old"), []);
    }
}
