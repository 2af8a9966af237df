//! How the C library looks up names: resolv.conf(5), and the line `hosts` of nsswitch.conf(5).

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::Name;

/// Name servers that the C library uses (`MAXNS`).
pub const MOST_USED: usize = 3;
/// Name servers that are kept.
const MOST_SERVERS: usize = 8;
/// Search domains that are kept.
const MOST_DOMAINS: usize = 8;

/// A name server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameServer {
    /// Its address.
    pub ip: IpAddr,
    /// The interface of a link-local address.
    pub zone: Option<String>,
}

/// What resolv.conf(5) says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolverConfig {
    /// The name servers, in the order of the file; without one 127.0.0.1 is asked.
    pub servers: Vec<NameServer>,
    /// Domains that are put behind a short name.
    pub search: Vec<String>,
    /// How long each server is waited for.
    pub timeout: Duration,
    /// How many times all of them are asked.
    pub attempts: u8,
    /// A name with as many dots is looked up as it is before a domain is put behind it.
    pub ndots: usize,
    /// The servers take turns.
    pub rotate: bool,
}

impl Default for ResolverConfig {
    fn default() -> Self {
        ResolverConfig {
            servers: Vec::new(),
            search: Vec::new(),
            timeout: Duration::from_secs(5),
            attempts: 2,
            ndots: 1,
            rotate: false,
        }
    }
}

impl ResolverConfig {
    /// Reads the file. `own` is the name of this host: without a search list its domain is searched.
    pub fn read(text: &str, own: &str) -> ResolverConfig {
        let mut config = ResolverConfig::default();
        let mut search = None;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => config.add_server(words.next().unwrap_or_default()),
                Some("search") => {
                    search = Some(words.take(MOST_DOMAINS).map(str::to_owned).collect());
                }
                Some("domain") => search = Some(words.take(1).map(str::to_owned).collect()),
                Some("options") => words.for_each(|word| config.set(word)),
                _ => {}
            }
        }
        let of_own_name = || {
            let domain = own.split_once('.').map(|(_, domain)| domain.to_owned());
            domain.into_iter().filter(|it| !it.is_empty()).collect()
        };
        config.search = search.unwrap_or_else(of_own_name);
        config.search.retain(|domain| domain != ".");
        config
    }

    fn add_server(&mut self, word: &str) {
        let (address, zone) = match word.split_once('%') {
            Some((address, zone)) => (address, Some(zone.to_owned())),
            None => (word, None),
        };
        if let Ok(ip) = address.parse()
            && self.servers.len() < MOST_SERVERS
        {
            self.servers.push(NameServer { ip, zone });
        }
    }

    /// Takes one of `options`, with the limits of the C library.
    pub fn set(&mut self, option: &str) {
        let (name, number) = option.split_once(':').unwrap_or((option, ""));
        let number: Option<u8> = number.parse().ok();
        match (name, number) {
            ("timeout", Some(seconds)) => {
                self.timeout = Duration::from_secs(seconds.clamp(1, 30).into());
            }
            ("attempts", Some(count)) => self.attempts = count.clamp(1, 5),
            ("ndots", Some(count)) => self.ndots = count.min(15).into(),
            ("rotate", None) => self.rotate = true,
            _ => {}
        }
    }

    /// The servers that the C library asks.
    pub fn used(&self) -> Vec<NameServer> {
        if self.servers.is_empty() {
            return vec![NameServer {
                ip: Ipv4Addr::LOCALHOST.into(),
                zone: None,
            }];
        }
        self.servers.iter().take(MOST_USED).cloned().collect()
    }

    /// The names that are asked for in turn until one has an address.
    pub fn candidates(&self, name: &str) -> Vec<Name> {
        if name.ends_with('.') {
            return Name::new(name).into_iter().collect();
        }
        let dots = name.matches('.').count();
        let as_it_is = Name::new(name);
        let with_domains = self.search.iter();
        let with_domains = with_domains.filter_map(|it| Name::new(&format!("{name}.{it}")));
        let mut names: Vec<Name> = with_domains.collect();
        match as_it_is {
            Some(name) if dots >= self.ndots => names.insert(0, name),
            Some(name) => names.push(name),
            None => {}
        }
        names
    }
}

/// The sources of host names in nsswitch.conf(5), with their actions; `None` without such a line.
pub fn host_sources(text: &str) -> Option<Vec<String>> {
    let lines = text
        .lines()
        .map(|line| line.split('#').next().unwrap_or_default());
    let line = lines
        .rev()
        .find_map(|line| line.trim().strip_prefix("hosts:"))?;
    // An action may have blanks inside.
    let mut sources: Vec<String> = Vec::new();
    let mut open = false;
    for word in line.split_whitespace().take(32) {
        match sources.last_mut().filter(|_| open) {
            Some(last) => {
                last.push(' ');
                last.push_str(word);
            }
            None => sources.push(word.to_owned()),
        }
        open = (open || word.starts_with('[')) && !word.ends_with(']');
    }
    Some(sources)
}

/// Where a source of host names looks, in words; `None` of an action, and of a source that is not known.
pub fn source_words(source: &str) -> Option<&'static str> {
    Some(match source {
        "files" => "/etc/hosts",
        "dns" => "the name servers of /etc/resolv.conf",
        "resolve" => "systemd-resolved",
        "myhostname" => "the names of this host",
        "mymachines" => "containers of systemd-machined",
        "mdns" | "mdns4" | "mdns6" => "multicast DNS (Avahi), for every name",
        "mdns_minimal" | "mdns4_minimal" | "mdns6_minimal" => "multicast DNS (Avahi), for .local",
        "wins" => "NetBIOS (Samba)",
        "ldap" => "LDAP",
        "sss" => "SSSD",
        "nis" => "NIS",
        "libvirt" | "libvirt_guest" => "virtual machines of libvirt",
        "cache" => "a cache (nscd)",
        _ => return None,
    })
}

/// Whether an action of the line `hosts` ends the search there before the DNS is asked, for a name that the
/// source in front of it does not have: the source.
pub fn ends_before_dns(sources: &[String], name: &str) -> Option<String> {
    let is_local = name
        .trim_end_matches('.')
        .to_ascii_lowercase()
        .ends_with(".local");
    let mut before: Option<&String> = None;
    for source in sources {
        if source == "dns" {
            return None;
        }
        if !source.starts_with('[') {
            before = Some(source);
            continue;
        }
        let ends = source.to_ascii_uppercase().contains("NOTFOUND=RETURN");
        // The minimal modules are not responsible for other names.
        let is_asked = |it: &&String| is_local || !it.ends_with("_minimal");
        if let Some(before) = before.filter(is_asked).filter(|_| ends) {
            return Some(before.clone());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(config: &ResolverConfig, name: &str) -> Vec<String> {
        let names = config.candidates(name);
        names.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_file_is_read_as_the_c_library_reads_it() {
        let config = ResolverConfig::read(
            "# nameserver 10.0.0.9\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver x\n\
             domain a.test\nsearch b.test c.test\noptions timeout:2 attempts:9 ndots:2 rotate edns0\n",
            "host.own.test",
        );
        assert_eq!(config.servers.len(), 2);
        assert_eq!(config.servers[1].zone.as_deref(), Some("eth0"));
        assert_eq!(config.search, ["b.test", "c.test"]);
        assert_eq!(config.timeout, Duration::from_secs(2));
        assert_eq!((config.attempts, config.ndots, config.rotate), (5, 2, true));
        let empty = ResolverConfig::read("", "host.own.test");
        assert_eq!(empty.search, ["own.test"]);
        assert_eq!(empty.used()[0].ip, IpAddr::from([127, 0, 0, 1]));
        assert!(ResolverConfig::read("search .\n", "a.b").search.is_empty());
    }

    #[test]
    fn only_the_first_three_servers_are_asked() {
        let text = "nameserver 10.0.0.1\n".repeat(9);
        let config = ResolverConfig::read(&text, "");
        assert_eq!((config.servers.len(), config.used().len()), (8, 3));
    }

    #[test]
    fn a_short_name_is_tried_with_the_domains_first_and_a_long_one_last() {
        let config = ResolverConfig::read("search a.test b.test\n", "");
        assert_eq!(names(&config, "db"), ["db.a.test", "db.b.test", "db"]);
        assert_eq!(
            names(&config, "db.x"),
            ["db.x", "db.x.a.test", "db.x.b.test"]
        );
        assert_eq!(names(&config, "db."), ["db"]);
        assert_eq!(names(&config, "a..b"), [] as [&str; 0]);
    }

    #[test]
    fn the_sources_keep_their_actions() {
        let text =
            "passwd: files\nhosts:  files mdns4_minimal [NOTFOUND=return SUCCESS=return] dns # x\n";
        assert_eq!(
            host_sources(text).unwrap(),
            [
                "files",
                "mdns4_minimal",
                "[NOTFOUND=return SUCCESS=return]",
                "dns"
            ]
        );
        assert_eq!(host_sources("passwd: files\n"), None);
    }

    #[test]
    fn a_source_that_ends_the_search_is_told_for_the_names_that_it_is_asked_for() {
        let ends = |text: &str, name| {
            let sources = host_sources(&format!("hosts: {text}\n")).unwrap();
            ends_before_dns(&sources, name)
        };
        let usual = "files mdns4_minimal [NOTFOUND=return] dns";
        assert_eq!(
            ends(usual, "printer.local").as_deref(),
            Some("mdns4_minimal")
        );
        assert_eq!(ends(usual, "shop.test"), None);
        let systemd = "files resolve [!UNAVAIL=return] dns";
        assert_eq!(ends(systemd, "shop.test"), None);
        let all = "files mdns [NOTFOUND=return] dns";
        assert_eq!(ends(all, "shop.test").as_deref(), Some("mdns"));
        assert_eq!(ends("files dns [NOTFOUND=return]", "a.local"), None);
        assert!(source_words("files").is_some() && source_words("[x]").is_none());
    }
}
