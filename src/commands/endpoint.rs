//! Host and port as typed by the user.

use std::net::Ipv6Addr;

use crate::error::{Error, Kind, Result};

/// The tutorial's port, and ours.
pub const DEFAULT_PORT: u16 = 65432;
const DEFAULT_HOST: &str = "127.0.0.1";

/// A host (a name, an address, or empty for all interfaces) and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without brackets.
    pub host: String,
    /// 0 lets the kernel choose, for a server.
    pub port: u16,
}

impl Endpoint {
    /// Reads at most two words: nothing, `HOST`, `PORT`, `HOST PORT`, `HOST:PORT`, `:PORT`,
    /// `[ADDRESS]:PORT`.
    pub fn parse(words: &[String]) -> Result<Endpoint> {
        match words {
            [] => Ok(Endpoint {
                host: DEFAULT_HOST.to_owned(),
                port: DEFAULT_PORT,
            }),
            [word] => Self::parse_word(word),
            [one, two] if is_number(one) && is_number(two) => Err(usage(format!(
                "'{one} {two}' are two numbers, and '{one}' is not a host"
            ))),
            [host, port] => Ok(Endpoint {
                host: unbracketed(host).to_owned(),
                port: parse_port(port)?,
            }),
            [_, _, more, ..] => Err(usage(format!("'{more}' is one word too many"))),
        }
    }

    fn parse_word(word: &str) -> Result<Endpoint> {
        if is_number(word) {
            return Ok(Endpoint {
                host: DEFAULT_HOST.to_owned(),
                port: parse_port(word)?,
            });
        }
        // A bare IPv6 address is full of colons; only one colon, or brackets, make a port.
        let is_address = word.matches(':').count() > 1 && !word.starts_with('[');
        if is_address && !is_ipv6(word) {
            return Err(no_address(word));
        }
        match word.rsplit_once(':') {
            Some((host, port)) if !is_address && !word.ends_with(']') => {
                let host = if host.is_empty() {
                    DEFAULT_HOST
                } else {
                    unbracketed(host)
                };
                Ok(Endpoint {
                    host: host.to_owned(),
                    port: parse_port(port)?,
                })
            }
            _ => Ok(Endpoint {
                host: unbracketed(word).to_owned(),
                port: DEFAULT_PORT,
            }),
        }
    }

    /// The same, for a client.
    pub fn parse_remote(words: &[String]) -> Result<Endpoint> {
        match Self::parse(words)? {
            endpoint if endpoint.port == 0 => {
                Err(usage("port 0 is not a port to connect to".to_owned())
                    .next("type the port that the server says it listens on, from 1 to 65535"))
            }
            endpoint => Ok(endpoint),
        }
    }

    /// The host to connect to: all interfaces means this host.
    pub fn connect_host(&self) -> &str {
        match self.host.as_str() {
            "" | "*" => DEFAULT_HOST,
            host => host,
        }
    }

    /// `HOST:PORT`, with brackets if needed.
    pub fn name(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit())
}

/// With a scope (`fe80::1%eth0`) too.
fn is_ipv6(word: &str) -> bool {
    let (address, scope) = word.split_once('%').unwrap_or((word, ""));
    address.parse::<Ipv6Addr>().is_ok() && !scope.contains(':')
}

/// A word with several colons that is not an address; perhaps one with a port after it.
fn no_address(word: &str) -> Error {
    match word.rsplit_once(':') {
        Some((host, port)) if is_ipv6(host) && is_number(port) => usage(format!(
            "'{word}' is not an IPv6 address; before a port an IPv6 address needs brackets"
        ))
        .next(format!("type [{host}]:{port}, or two words: {host} {port}")),
        _ => usage(format!("'{word}' is neither an IPv6 address nor HOST:PORT")),
    }
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host)
}

fn parse_port(word: &str) -> Result<u16> {
    word.parse().map_err(|_| {
        usage(format!(
            "'{word}' is not a port: a port is a number from 0 to 65535"
        ))
    })
}

/// A mistake in the words of the command line.
pub fn usage(cause: String) -> Error {
    Error::new(Kind::CannotRun, "read the command line", cause)
        .next("type HOST PORT or HOST:PORT, for example 127.0.0.1 65432; see --help")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> std::result::Result<(String, u16), String> {
        let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
        Endpoint::parse(&words)
            .map(|at| (at.host, at.port))
            .map_err(|error| error.cause)
    }

    #[test]
    fn every_way_to_type_a_host_and_a_port_is_understood() {
        let ok = |words: &[&str], host: &str, port| {
            assert_eq!(parse(words), Ok((host.to_owned(), port)), "{words:?}");
        };
        ok(&[], "127.0.0.1", 65432);
        ok(&["8080"], "127.0.0.1", 8080);
        ok(&[":8080"], "127.0.0.1", 8080);
        ok(&["localhost"], "localhost", 65432);
        ok(&["localhost:80"], "localhost", 80);
        ok(&["localhost", "80"], "localhost", 80);
        ok(&["::1"], "::1", 65432);
        ok(&["[::1]:80"], "::1", 80);
        ok(&["[::1]", "80"], "::1", 80);
        ok(&["[::1]"], "::1", 65432);
        ok(&["fe80::1%eth0", "80"], "fe80::1%eth0", 80);
        ok(&["", "80"], "", 80);
        ok(&[""], "", 65432);
        ok(&["*"], "*", 65432);
    }

    #[test]
    fn a_wrong_port_is_named() {
        for words in [
            &["localhost", "99999"][..],
            &["99999"],
            &["localhost:http"],
            &["a", "-1"],
        ] {
            assert!(
                parse(words).unwrap_err().contains("is not a port"),
                "{words:?}"
            );
        }
        assert!(parse(&["a", "1", "b"]).unwrap_err().contains("too many"));
    }

    #[test]
    fn an_address_with_a_port_and_no_brackets_is_told_of_them() {
        for (word, better) in [
            ("::1:41999", "[::1]:41999"),
            (":::42200", "[::]:42200"),
            ("fe80::1%eth0:80", "[fe80::1%eth0]:80"),
            ("2001:db8:1:2:3:4:5:6:80", "[2001:db8:1:2:3:4:5:6]:80"),
        ] {
            let error = Endpoint::parse(&[word.to_owned()]).unwrap_err();
            assert!(error.cause.contains("brackets"), "{error}");
            assert!(error.next.unwrap().contains(better), "{word}");
        }
        assert!(parse(&["a:b:c"]).unwrap_err().contains("neither an IPv6"));
        // It is an address as it stands.
        assert_eq!(parse(&["::1:4199"]), Ok(("::1:4199".to_owned(), 65432)));
    }

    #[test]
    fn two_numbers_and_port_0_are_no_place_to_connect_to() {
        let told = parse(&["42200", "42201"]).unwrap_err();
        assert!(told.contains("'42200' is not a host"), "{told}");
        for words in [&["0"][..], &["localhost:0"], &["::1", "0"]] {
            let words: Vec<String> = words.iter().map(|&word| word.to_owned()).collect();
            assert!(Endpoint::parse(&words).is_ok());
            let error = Endpoint::parse_remote(&words).unwrap_err();
            assert!(error.cause.contains("port 0 is not a port"), "{error}");
        }
    }
}
