//! What is to be checked, as people type it.

use std::fmt;
use std::path::PathBuf;

use crate::protocol::{SCHEMES, Scheme};

/// What a client of the target would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// As it was typed.
    pub shown: String,
    /// Where it is.
    pub place: Place,
    /// What is spoken there: of a URL.
    pub scheme: Option<&'static Scheme>,
    /// The path of a URL, with its query: `/health?deep=1`.
    pub path: String,
}

/// Where the target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// A host and a TCP port.
    Tcp(String, u16),
    /// A host and a UDP port.
    Udp(String, u16),
    /// The path of a Unix socket, or `@name` in the abstract namespace.
    Unix(PathBuf),
    /// The TCP port of this host.
    Port(u16),
    /// Every peer of a process.
    Process(u32),
}

/// Names are not longer (RFC 1035, with dots).
const LONGEST_NAME: usize = 255;

/// Why a target cannot be read, and what may be meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// What is wrong with it.
    pub cause: String,
    /// What to type.
    pub next: String,
}

impl Unreadable {
    fn new(cause: impl Into<String>, next: impl Into<String>) -> Unreadable {
        Unreadable {
            cause: cause.into(),
            next: next.into(),
        }
    }
}

impl Target {
    /// Reads one word, or a host and a port.
    ///
    /// # Errors
    /// When the words have none of these forms.
    pub fn parse(words: &[String]) -> Result<Target, Unreadable> {
        let example = "sockdoc check HOST:PORT";
        match words {
            [word] => Self::parse_word(word),
            [host, port] => {
                let (host, port) = (unbracketed(host), number(port)?);
                Ok(Target {
                    shown: joined(host, port),
                    place: Place::Tcp(name(host)?, port),
                    scheme: None,
                    path: String::new(),
                })
            }
            [] => Err(Unreadable::new("no target", example)),
            _ => Err(Unreadable::new("more than a host and a port", example)),
        }
    }

    fn parse_word(word: &str) -> Result<Target, Unreadable> {
        let place = |place| {
            Ok(Target {
                shown: word.to_owned(),
                place,
                scheme: None,
                path: String::new(),
            })
        };
        if let Some(path) = word.strip_prefix("unix:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(Unreadable::new("the path is empty", "unix:/run/app.sock"));
            }
            return place(Place::Unix(path.into()));
        }
        if let Some(pid) = word.strip_prefix("pid:") {
            let read = pid.parse().ok().filter(|pid| *pid > 0);
            let read = read.ok_or_else(|| {
                Unreadable::new(format!("'{pid}' is not a process id"), "pid:1234")
            })?;
            return place(Place::Process(read));
        }
        if let Some((scheme, rest)) = word.split_once("://") {
            return Self::of_url(word, scheme, rest);
        }
        if let Some(port) = word.strip_prefix(':').filter(|rest| !rest.contains(':')) {
            return place(Place::Port(number(port)?));
        }
        let (host, port) = host_and_port(word)?;
        let port = port.ok_or_else(|| {
            Unreadable::new(
                "the port is missing",
                format!("{}, or https://{host}", joined(host, 443)),
            )
        })?;
        place(Place::Tcp(name(host)?, port))
    }

    fn of_url(word: &str, scheme: &str, rest: &str) -> Result<Target, Unreadable> {
        let scheme = scheme.to_ascii_lowercase();
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        // A password is not shown.
        let (shown, authority) = match authority.rsplit_once('@') {
            Some((_, host)) => (format!("{scheme}://{host}{path}"), host),
            None => (word.to_owned(), authority),
        };
        let (host, port) = host_and_port(authority)?;
        let host = name(host)?;
        if scheme == "udp" {
            let port = port.ok_or_else(|| {
                Unreadable::new(
                    "the port is missing",
                    format!("udp://{}", joined(&host, 53)),
                )
            })?;
            return Ok(Target {
                shown,
                place: Place::Udp(host, port),
                scheme: None,
                path: String::new(),
            });
        }
        let known = Scheme::named(&scheme).ok_or_else(|| {
            let all: Vec<&str> = SCHEMES.iter().map(|it| it.name).collect();
            Unreadable::new(
                format!("'{scheme}' is not a scheme that is known"),
                format!("HOST:PORT, or one of: {} udp", all.join(" ")),
            )
        })?;
        let port = port.or(Some(known.port).filter(|port| *port > 0));
        let port = port.ok_or_else(|| {
            Unreadable::new(
                "the port is missing",
                format!("tcp://{}", joined(&host, 80)),
            )
        })?;
        let path = match path {
            "" => "/".to_owned(),
            path if path.starts_with('/') => path.to_owned(),
            path => format!("/{path}"),
        };
        Ok(Target {
            shown,
            place: Place::Tcp(host, port),
            scheme: Some(known),
            path,
        })
    }

    /// The name or address of the host, if it has one.
    pub fn host(&self) -> Option<&str> {
        match &self.place {
            Place::Tcp(host, _) | Place::Udp(host, _) => Some(host),
            _ => None,
        }
    }

    /// The port, if it has one.
    pub fn port(&self) -> Option<u16> {
        match self.place {
            Place::Tcp(_, port) | Place::Udp(_, port) | Place::Port(port) => Some(port),
            _ => None,
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

/// `HOST:PORT`, with brackets around an IPv6 address.
pub fn joined(host: &str, port: u16) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

/// A host, and the port after it.
fn host_and_port(word: &str) -> Result<(&str, Option<u16>), Unreadable> {
    if let Some(rest) = word.strip_prefix('[') {
        let (host, rest) = rest
            .split_once(']')
            .ok_or_else(|| Unreadable::new("a bracket is not closed", "[ADDRESS]:PORT"))?;
        let port = match rest {
            "" => None,
            rest => Some(number(rest.strip_prefix(':').unwrap_or(rest))?),
        };
        return Ok((host, port));
    }
    match word.rsplit_once(':') {
        Some((host, _)) if host.contains(':') => Err(Unreadable::new(
            format!("'{word}' has more than one colon"),
            "[ADDRESS]:PORT for an IPv6 address",
        )),
        Some((host, port)) => Ok((host, Some(number(port)?))),
        None => Ok((word, None)),
    }
}

fn unbracketed(host: &str) -> &str {
    let inside = host.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    inside.unwrap_or(host)
}

fn name(host: &str) -> Result<String, Unreadable> {
    let cause = if host.is_empty() {
        "the host is missing"
    } else if host.len() > LONGEST_NAME {
        "the name is longer than names are"
    } else if host.chars().any(|c| c.is_whitespace() || c.is_control()) {
        "the name has a blank in it"
    } else {
        return Ok(host.to_owned());
    };
    Err(Unreadable::new(cause, "sockdoc check HOST:PORT"))
}

fn number(word: &str) -> Result<u16, Unreadable> {
    let port = word.parse().ok().filter(|port| *port > 0);
    port.ok_or_else(|| {
        Unreadable::new(
            format!("'{word}' is not a port"),
            "a port is a number from 1 to 65535",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(word: &str) -> Target {
        Target::parse(&[word.to_owned()]).unwrap_or_else(|error| panic!("{word}: {error:?}"))
    }

    #[test]
    fn every_form_is_read() {
        let tcp = |host: &str, port| Place::Tcp(host.to_owned(), port);
        for (word, place, scheme, path) in [
            ("db.internal:5432", tcp("db.internal", 5432), None, ""),
            ("[::1]:80", tcp("::1", 80), None, ""),
            ("[fe80::1%eth0]:80", tcp("fe80::1%eth0", 80), None, ""),
            (
                "https://shop.test",
                tcp("shop.test", 443),
                Some("https"),
                "/",
            ),
            ("HTTP://a:8080/x?y#z", tcp("a", 8080), Some("http"), "/x?y"),
            ("http://a?q", tcp("a", 80), Some("http"), "/?q"),
            ("redis://[::1]", tcp("::1", 6379), Some("redis"), "/"),
            ("tcp://a:7", tcp("a", 7), Some("tcp"), "/"),
            ("udp://a:53", Place::Udp("a".to_owned(), 53), None, ""),
            ("unix:/run/x", Place::Unix("/run/x".into()), None, ""),
            ("unix:///run/x", Place::Unix("/run/x".into()), None, ""),
            ("unix:@x", Place::Unix("@x".into()), None, ""),
            (":8080", Place::Port(8080), None, ""),
            ("pid:7", Place::Process(7), None, ""),
        ] {
            let target = parsed(word);
            assert_eq!(target.place, place, "{word}");
            assert_eq!(target.scheme.map(|it| it.name), scheme, "{word}");
            assert_eq!(target.path, path, "{word}");
        }
        let two = ["::1".to_owned(), "80".to_owned()];
        let target = Target::parse(&two).unwrap();
        assert_eq!(
            (target.shown.as_str(), target.port()),
            ("[::1]:80", Some(80))
        );
    }

    #[test]
    fn a_password_is_not_shown() {
        let target = parsed("postgres://user:p@ss@db/x");
        assert_eq!(target.shown, "postgres://db/x");
        assert_eq!(target.host(), Some("db"));
    }

    #[test]
    fn what_is_not_a_target_says_what_to_type() {
        for word in [
            "",
            "host",
            ":",
            ":0",
            "a:b",
            "a:70000",
            "::1:80",
            "[::1",
            "[::1]x",
            "gopher://a",
            "udp://a",
            "tcp://a",
            "unix:",
            "pid:0",
            "pid:x",
            "http://",
            "a b:1",
            "://a:1",
        ] {
            let error = Target::parse(&[word.to_owned()]);
            assert!(error.is_err_and(|it| !it.next.is_empty()), "{word:?}");
        }
        let long = format!("{}:1", "a".repeat(300));
        assert!(Target::parse(&[long]).is_err());
        assert!(Target::parse(&[]).is_err());
    }
}
