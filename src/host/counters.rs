//! The kernel's counters of a network namespace, under the names of nstat(8): `TcpExtListenOverflows`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Counters by name. One that is not there was not read, or this kernel has no such counter.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Counters(#[serde(deserialize_with = "bounded")] BTreeMap<Box<str>, u64>);

/// More counters than these are not kept: Linux 6.18 has about 400.
const MOST: usize = 4096;

/// The longest name that is kept: bytes.
const LONGEST_NAME: usize = 64;

impl Counters {
    /// The value of a counter.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// Whether none was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn put(&mut self, name: String, value: u64) {
        if self.0.len() < MOST && name.len() <= LONGEST_NAME {
            self.0.insert(name.into(), value);
        }
    }

    /// Adds the tables of /proc/net/snmp and /proc/net/netstat: for each group a line of names and one of
    /// values.
    pub fn read_tables(&mut self, text: &str) {
        let mut lines = text.lines();
        while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
            let (Some((group, names)), Some((_, values))) =
                (names.split_once(':'), values.split_once(':'))
            else {
                continue;
            };
            for (name, value) in names.split_whitespace().zip(values.split_whitespace()) {
                // TcpMaxConn is -1.
                if let Ok(value) = value.parse() {
                    self.put(format!("{group}{name}"), value);
                }
            }
        }
    }

    /// Adds the lines `name value` of /proc/net/snmp6.
    pub fn read_list(&mut self, text: &str) {
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some(name), Some(Ok(value))) = (words.next(), words.next().map(str::parse)) {
                self.put(name.to_owned(), value);
            }
        }
    }

    /// Adds the lines `TCP: inuse 3 orphan 0` of /proc/net/sockstat, as `TCP.inuse`.
    pub fn read_usage(&mut self, text: &str) {
        for line in text.lines() {
            let Some((group, pairs)) = line.split_once(':') else {
                continue;
            };
            let words: Vec<&str> = pairs.split_whitespace().collect();
            for pair in words.chunks_exact(2) {
                if let Ok(value) = pair[1].parse() {
                    self.put(format!("{group}.{}", pair[0]), value);
                }
            }
        }
    }

    /// Adds the columns of a file of /proc/net/stat (a line of names, then one of hexadecimal values for each
    /// CPU) as `group.name`: summed, but for `entries`, which is the same in each line.
    pub fn read_per_cpu(&mut self, group: &str, text: &str) {
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap_or("").split_whitespace().collect();
        let mut sums = vec![0_u64; names.len()];
        for line in lines {
            for (index, word) in line.split_whitespace().take(names.len()).enumerate() {
                let value = u64::from_str_radix(word, 16).unwrap_or(0);
                sums[index] = if names[index] == "entries" {
                    value
                } else {
                    sums[index].saturating_add(value)
                };
            }
        }
        for (name, sum) in names.iter().zip(sums) {
            self.put(format!("{group}.{name}"), sum);
        }
    }
}

/// A map of a file, bounded as those that are read from the kernel.
fn bounded<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<BTreeMap<Box<str>, u64>, D::Error> {
    let map = BTreeMap::<Box<str>, u64>::deserialize(deserializer)?;
    if map.len() > MOST || map.keys().any(|name| name.len() > LONGEST_NAME) {
        return Err(serde::de::Error::custom("too many counters"));
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_lists_and_usage_have_the_names_of_nstat() {
        let mut counters = Counters::default();
        counters.read_tables(
            "Tcp: MaxConn RetransSegs\nTcp: -1 7\nTcpExt: ListenOverflows ListenDrops\nTcpExt: 3 4\n",
        );
        counters.read_list("Ip6OutNoRoutes                  \t12\nodd\n");
        counters.read_usage("TCP: inuse 3 orphan 2 mem 9\nsockets: used 5\n");
        let get = |name| counters.get(name);
        assert_eq!(get("TcpRetransSegs"), Some(7));
        assert_eq!(get("TcpMaxConn"), None);
        assert_eq!(get("TcpExtListenDrops"), Some(4));
        assert_eq!(get("Ip6OutNoRoutes"), Some(12));
        assert_eq!((get("TCP.orphan"), get("TCP.mem")), (Some(2), Some(9)));
        assert_eq!(get("odd"), None);
    }

    #[test]
    fn columns_of_each_cpu_are_summed_but_for_the_entries_of_a_table() {
        let mut counters = Counters::default();
        let text =
            "entries drop table_fulls\n0000000f 00000001 00000010\n0000000f 00000002 00000001\n";
        counters.read_per_cpu("arp_cache", text);
        assert_eq!(counters.get("arp_cache.entries"), Some(15));
        assert_eq!(counters.get("arp_cache.drop"), Some(3));
        assert_eq!(counters.get("arp_cache.table_fulls"), Some(17));
        counters.read_per_cpu("empty", "");
        assert_eq!(counters.get("empty.entries"), None);
    }

    #[test]
    fn odd_text_is_passed_over() {
        let mut counters = Counters::default();
        for text in ["", "a\nb\n", "Tcp: a\n", ":\n:\n", "x: 1 2 3\n"] {
            counters.read_tables(text);
            counters.read_list(text);
            counters.read_usage(text);
            counters.read_per_cpu("g", text);
        }
        assert_eq!(counters.get("a"), None);
    }
}
