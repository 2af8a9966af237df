//! Finding the host, the port and the path in what was pasted.
//!
//! What is taken is parsed, not copied: an address, a number, or a name of letters, digits, `.`, `-`
//! and `_`. So nothing of a text can add to a command that is suggested.

use std::net::IpAddr;

use super::super::{Place, errno};

/// Looks at the texts in their order, until host and port are known.
pub(super) fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Place {
    let mut place = Place::default();
    for text in texts {
        let found = in_line(text);
        if place.path.is_none() {
            place.path = path(text);
        }
        let (host, port) = found;
        // A port belongs to the host beside it.
        if place.host.is_none() && host.is_some() {
            place.host = host;
            place.port = port.or(place.port);
        } else if place.port.is_none() && (host.is_none() || host == place.host) {
            place.port = port;
        }
        if place.is_full() {
            break;
        }
    }
    place
}

type Found = (Option<String>, Option<u16>);

fn in_line(line: &str) -> Found {
    // nginx names the client first and the upstream, which failed, further on.
    if let Some((_, upstream)) = line.split_once("upstream: \"") {
        let url = upstream.split('"').next().unwrap_or_default();
        return url_in(url).unwrap_or_default();
    }
    // Go: `read tcp LOCAL->REMOTE`.
    if let Some((_, remote)) = line.split_once("->")
        && let (Some(host), port) = pair_in(remote)
        && host.parse::<IpAddr>().is_ok()
    {
        return (Some(host), port);
    }
    if let Some((host, port)) = tuple_in(line) {
        return (Some(host), Some(port));
    }
    let by_word = by_words(line);
    let is_lookup = ["lookup ", "ENOTFOUND", "EAI_AGAIN", "resolve "]
        .iter()
        .any(|it| line.contains(it));
    if by_word.0.is_some() && (by_word.1.is_some() || is_lookup) {
        return by_word;
    }
    let (host, port) = pair_in(line);
    if host.is_some() && port.is_some() {
        return (host, port);
    }
    if let Some(found) = url_in(line) {
        return found;
    }
    (by_word.0.or(host), by_word.1.or(port))
}

/// The address of a call as Python's source has it: `connect(("HOST", PORT))`.
fn tuple_in(line: &str) -> Option<(String, u16)> {
    let (_, rest) = line.split_once("((")?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, rest) = rest[1..].split_once(quote)?;
    let digits = rest.strip_prefix(',')?.trim_start();
    let end = digits.find(|c: char| !c.is_ascii_digit())?;
    Some((host(name)?, port(&digits[..end])?))
}

/// Pages that error texts point to.
const READING: &[&str] = &[
    "nodejs.org",
    "docs.rs",
    "curl.se",
    "curl.haxx.se",
    "aka.ms",
    "go.microsoft.com",
    "react.dev",
    "fb.me",
    "git-scm.com",
    "docs.python.org",
    "wiki.openssl.org",
];

/// The first URL of a line; without a port, the one of its scheme.
fn url_in(line: &str) -> Option<Found> {
    for (at, _) in line.match_indices("://") {
        let before = line[..at]
            .rsplit(|c: char| !c.is_ascii_alphanumeric())
            .next();
        let authority = line[at + 3..]
            .split(|c: char| c.is_whitespace() || "/?#\"'<>()`,;".contains(c))
            .next()
            .unwrap_or_default();
        let authority = authority.rsplit('@').next().unwrap_or_default();
        let (name, port) = split_port(authority);
        if let Some(host) = host(name)
            && !READING.contains(&&*host)
        {
            return Some((
                Some(host),
                port.or_else(|| default_port(before.unwrap_or(""))),
            ));
        }
    }
    None
}

fn default_port(scheme: &str) -> Option<u16> {
    let row = SCHEMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(scheme));
    row.map(|(_, port)| *port)
}

const SCHEMES: &[(&str, u16)] = &[
    ("http", 80),
    ("ws", 80),
    ("https", 443),
    ("wss", 443),
    ("redis", 6379),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("mysql", 3306),
    ("mongodb", 27017),
    ("amqp", 5672),
    ("mqtt", 1883),
    ("ssh", 22),
    ("ftp", 21),
    ("fastcgi", 9000),
];

/// What stands after a word: `host X port Y`, `host='X', port=Y`, `(port Y)`, `lookup X`.
fn by_words(line: &str) -> Found {
    let is_apart = |c: char| c.is_whitespace() || "='\"(),;|<>‘’“”".contains(c);
    let words: Vec<&str> = line.split(is_apart).filter(|it| !it.is_empty()).collect();
    let mut found: Found = (None, None);
    for (at, pair) in words.windows(2).enumerate() {
        let [word, value] = [pair[0].trim_end_matches(':'), pair[1]];
        let value = value.trim_end_matches(['.', ':', '?', '!']);
        if HOST_WORDS.iter().any(|it| word.eq_ignore_ascii_case(it)) && found.0.is_none() {
            let (name, port) = split_port(value);
            // In `Hostname mismatch, ...` or `address must be` the next word is one of the sentence.
            let is_ping = pair[0].eq_ignore_ascii_case("ping:");
            let is_set_off = pair[0].ends_with(':') && !is_ping
                || pair[1].ends_with(':')
                || between(line, pair[0], pair[1]).contains(|c: char| !c.is_whitespace());
            let is_last = at + 2 == words.len() || words[at + 2].eq_ignore_ascii_case("port");
            let is_name = name.contains(|c: char| !c.is_ascii_alphabetic())
                || is_set_off
                || is_last
                || !NOUNS.iter().any(|it| word.eq_ignore_ascii_case(it));
            found.0 = host(name).filter(|name| is_name && is_plausible(name));
            found.1 = found.1.or(port.filter(|_| found.0.is_some()));
        }
        if word.eq_ignore_ascii_case("port") && found.1.is_none() {
            found.1 = port(value);
        }
        // curl: `connect to HOST port PORT`. MySQL: `server on 'HOST' (111)`, `server on 'HOST:PORT' (111)`.
        let is_before_port = word == "to"
            && words
                .get(at + 2)
                .is_some_and(|it| it.eq_ignore_ascii_case("port"));
        let is_mysql = word == "on"
            && at > 0
            && words[at - 1] == "server"
            && between(line, pair[0], pair[1]).contains(['\'', '‘']);
        if found.0.is_none() && (is_before_port || is_mysql) {
            let (name, port) = split_port(value);
            found.0 = host(name).filter(|name| is_plausible(name));
            let usual = is_mysql.then_some(3306);
            found.1 = found.1.or(port.or(usual).filter(|_| found.0.is_some()));
        }
    }
    found
}

/// Words that a host follows.
const HOST_WORDS: &[&str] = &[
    "host",
    "hostname",
    "lookup",
    "ENOTFOUND",
    "EAI_AGAIN",
    "connecting",
    "resolve",
    "address",
    "UnknownHostException",
    "ping",
    "proxy",
    "redirect",
    "find",
];

/// Those that stand in many sentences without a name after them.
const NOUNS: &[&str] = &["host", "hostname", "address", "ping", "proxy", "find"];

/// What stands between two parts of a line.
fn between<'a>(line: &'a str, first: &'a str, second: &'a str) -> &'a str {
    // Both are slices of the line.
    let offset = |part: &str| part.as_ptr() as usize - line.as_ptr() as usize;
    line.get(offset(first) + first.len()..offset(second))
        .unwrap_or_default()
}

/// A name after such a word is one, unless it is a word of the sentence.
fn is_plausible(name: &str) -> bool {
    let ordinary = [
        "to",
        "the",
        "on",
        "name",
        "is",
        "port",
        "for",
        "in",
        "of",
        "a",
        "failed",
        "not",
        "and",
        "address",
        "hostname",
        "host",
        "already",
        "connection",
        "was",
        "with",
        "by",
        "from",
        "or",
        "key",
        "has",
        "unreachable",
        "server",
        "at",
        "family",
        "this",
        "your",
        "after",
        "down",
        "that",
        "site",
        "module",
        "type",
        "valid",
        "certificate",
        "unknown",
        "mismatch",
        "lookup",
    ];
    let is_word = name.starts_with(|c: char| c.is_ascii_uppercase()) && !name.contains('.');
    !is_word && !ordinary.contains(&&*name.to_ascii_lowercase())
}

/// `HOST:PORT`, `[::1]:PORT`, `('HOST', PORT)`, `127.0.0.1 port PORT`, or an address alone.
fn pair_in(line: &str) -> Found {
    let is_apart = |c: char| c.is_whitespace() || "='\"(),;|<>{}`".contains(c);
    let words: Vec<&str> = line.split(is_apart).filter(|it| !it.is_empty()).collect();
    let mut address = (None, None);
    for (at, word) in words.iter().enumerate() {
        let word = word
            .trim_end_matches(['.', ':', '?', '!', ']'])
            .trim_start_matches('/');
        let word = if word.contains('[') && !word.contains(']') {
            &format!("{word}]")
        } else {
            word
        };
        // Node writes an IPv6 address and its port without brackets: `ECONNREFUSED ::1:5432`.
        let is_node =
            at > 0 && errno::by_name(words[at - 1]).is_some() && word.matches(':').count() > 2;
        let (name, number) = match word.rsplit_once(':') {
            Some((name, number)) if is_node => (name, port(number)),
            _ => split_port(word),
        };
        let Some(name) = host(name) else {
            continue;
        };
        let is_address = name.parse::<IpAddr>().is_ok() || name == "localhost";
        let follows = at > 0 && BEFORE.contains(&words[at - 1].to_ascii_lowercase().as_str());
        match number {
            Some(number) if is_address || follows || is_dotted(&name) => {
                return (Some(name), Some(number));
            }
            None if is_address && address.0.is_none() => {
                let next = words.get(at + 1).copied().unwrap_or_default();
                let next = if next == "port" {
                    words.get(at + 2).copied().unwrap_or_default()
                } else {
                    next
                };
                let is_pair = line.contains(&format!("{name}', "))
                    || line.contains(&format!("{name}\", "))
                    || words.get(at + 1) == Some(&"port");
                address = (Some(name), port(next).filter(|_| is_pair));
            }
            _ => {}
        }
    }
    address
}

/// Words that stand before `NAME:PORT`.
const BEFORE: &[&str] = &[
    "to",
    "tcp",
    "tcp4",
    "tcp6",
    "udp",
    "at",
    "connect",
    "connecting",
    "econnrefused",
    "etimedout",
    "server",
    "host",
    "from",
    "dial",
    "with",
];

/// A name with a dot that is not a file's: `db.internal`, not `main.go`.
fn is_dotted(name: &str) -> bool {
    let end = name.rsplit_once('.').map_or("", |(_, end)| end);
    let files = [
        "py", "go", "js", "ts", "java", "rb", "c", "cc", "cpp", "h", "rs", "php", "cs", "lua",
        "pl", "ex", "exs", "sh", "pm", "kt", "scala", "mjs", "cjs", "tsx", "jsx", "json", "yaml",
        "yml", "conf", "log", "erl",
    ];
    end.len() >= 2 && end.chars().all(|c| c.is_ascii_lowercase()) && !files.contains(&end)
}

/// A host and the port after its last colon, if it has one. An IPv6 address needs brackets for that.
fn split_port(text: &str) -> (&str, Option<u16>) {
    if let Some(rest) = text.strip_prefix('[') {
        return match rest.split_once(']') {
            Some((host, rest)) => (host, rest.strip_prefix(':').and_then(port)),
            None => (rest, None),
        };
    }
    match text.rsplit_once(':') {
        // `:::3000` is Node's way to write every IPv6 address.
        Some(("::", number)) => ("::", port(number)),
        Some((host, number)) if !host.contains(':') => match port(number) {
            Some(number) => (host, Some(number)),
            None => (host, None),
        },
        _ => (text, None),
    }
}

fn port(text: &str) -> Option<u16> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let is_number = !digits.is_empty() && digits.bytes().all(|c| c.is_ascii_digit());
    digits.parse().ok().filter(|port| is_number && *port > 0)
}

/// A text that is an address or can be a name.
fn host(text: &str) -> Option<String> {
    let text = text.trim_end_matches('.');
    // A scope is a name that the sender chose.
    let address = text.split('%').next().unwrap_or_default();
    if let Ok(address) = address.parse::<IpAddr>() {
        return Some(address.to_string());
    }
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let fits = (1..=253).contains(&text.len())
        && text.chars().all(is_part)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text.ends_with(|c: char| c.is_ascii_alphanumeric())
        && text.contains(|c: char| c.is_ascii_alphabetic())
        && !text.contains("..");
    fits.then(|| text.to_owned())
}

/// The path of a Unix socket, or of a file in quotes.
fn path(line: &str) -> Option<String> {
    let is_apart = |c: char| c.is_whitespace() || "='\"(),;|<>`".contains(c);
    let fits = |c: char| c.is_ascii_alphanumeric() || "/._@+-".contains(c);
    let words = line.split(is_apart);
    let mut paths = words.map(|word| {
        let word = word.strip_prefix("unix:").unwrap_or(word);
        let word = if word.starts_with("///") {
            &word[2..]
        } else {
            word
        };
        word.trim_end_matches([':', '.', '?'])
    });
    paths
        .find(|path| {
            let is_socket =
                path.contains(".sock") || path.contains("/.s.") || path.contains("/run/");
            path.starts_with('/') && path.len() < 256 && is_socket && path.chars().all(fits)
        })
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> (String, u16) {
        let place = of([line].into_iter());
        (
            place.host.unwrap_or_default(),
            place.port.unwrap_or_default(),
        )
    }

    #[test]
    fn a_name_without_a_dot_is_found_in_the_sentences_of_curl_and_mysql() {
        for (line, host, port) in [
            (
                "curl: (7) Failed to connect to db1 port 5432 after 3 ms: Could not connect to server",
                "db1",
                5432,
            ),
            (
                "ERROR 2002 (HY000): Can't connect to MySQL server on 'db1' (111)",
                "db1",
                3306,
            ),
            (
                "ERROR 2003 (HY000): Can't connect to MySQL server on 'db1:3307' (111)",
                "db1",
                3307,
            ),
        ] {
            assert_eq!(found(line), (host.to_owned(), port), "{line}");
        }
    }

    #[test]
    fn host_and_port_are_found_as_programs_write_them() {
        for (line, host, port) in [
            (
                "dial tcp 127.0.0.1:9: connect: connection refused",
                "127.0.0.1",
                9,
            ),
            (
                "dial tcp [::1]:8080: connect: connection refused",
                "::1",
                8080,
            ),
            (
                "dial tcp: lookup db.internal on 127.0.0.11:53: no such host",
                "db.internal",
                0,
            ),
            (
                "read tcp 10.0.0.1:5->10.0.0.2:80: i/o timeout",
                "10.0.0.2",
                80,
            ),
            (
                "Error: connect ECONNREFUSED 127.0.0.1:3306",
                "127.0.0.1",
                3306,
            ),
            ("Error: connect ECONNREFUSED ::1:5432", "::1", 5432),
            (
                "Error: getaddrinfo ENOTFOUND api.exmaple.com",
                "api.exmaple.com",
                0,
            ),
            (
                "curl: (7) Failed to connect to localhost port 8080 after 0 ms",
                "localhost",
                8080,
            ),
            (
                "ssh: connect to host 10.0.0.5 port 22: Connection refused",
                "10.0.0.5",
                22,
            ),
            (
                "HTTPConnectionPool(host='localhost', port=8080): Max retries",
                "localhost",
                8080,
            ),
            ("wget: unable to resolve host address ‘db’", "db", 0),
            ("ping: db: Temporary failure in name resolution", "db", 0),
            (
                "Failed host lookup: 'api.foo.com' (OS Error)",
                "api.foo.com",
                0,
            ),
            ("curl: (6) Could not resolve host: db", "db", 0),
            ("s.connect((\"h\", 1))", "h", 1),
            ("socket.create_connection(('db-1', 5432), 3)", "db-1", 5432),
            (
                "[Connect call failed ('127.0.0.1', 8080)]",
                "127.0.0.1",
                8080,
            ),
            (
                "Get \"https://api.example.com/v1\": context deadline exceeded",
                "api.example.com",
                443,
            ),
            (
                "nc: connect to localhost port 9 (tcp) failed: x",
                "localhost",
                9,
            ),
            (
                "client: 10.0.0.1, upstream: \"http://127.0.0.1:3000/\", host: \"x\"",
                "127.0.0.1",
                3000,
            ),
            (
                "connection to server at \"localhost\" (127.0.0.1), port 5432 failed",
                "localhost",
                5432,
            ),
            (
                "Could not connect to Redis at 127.0.0.1:6379: Connection refused",
                "127.0.0.1",
                6379,
            ),
            (
                "listen EADDRINUSE: address already in use :::3000",
                "::",
                3000,
            ),
            (
                "Error 111 connecting to localhost:6379. Connection refused.",
                "localhost",
                6379,
            ),
        ] {
            assert_eq!(found(line), (host.to_owned(), port), "{line}");
        }
    }

    #[test]
    fn what_is_not_an_address_is_not_taken() {
        for line in [
            "java.net.ConnectException: Connection refused",
            "main.go:12: connection refused",
            "10:00:00 error",
            "Verify return code: 62 (hostname mismatch)",
            "certificate verify failed: Hostname mismatch, certificate is not valid for x",
            "AF_INET address must be tuple, not str",
            "ping: local error: message too long, mtu=1500",
            "[Errno -5] No address associated with hostname",
            "http://$(reboot)/ connection refused",
            "connect to host `id`;port 80x",
            "connect to host -oProxyCommand=x port 22x",
            "http://a.b;reboot:80x",
            "errno:111",
        ] {
            let (host, port) = found(line);
            let is_safe = |c: char| c.is_ascii_alphanumeric() || ".-_:".contains(c);
            assert!(
                host.chars().all(is_safe) && !host.starts_with('-'),
                "{line}: {host}"
            );
            assert!(
                host.is_empty() || line.contains("://"),
                "{line}: {host} {port}"
            );
        }
    }
}
