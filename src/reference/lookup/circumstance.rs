//! Under which circumstance the errno of a pasted line came.

use crate::reference::{Circumstance, errno, resolver};

/// What the line speaks of. What it is said of (a Unix socket, an address, a path) is more certain
/// than the verb, which may be any word.
pub(super) fn of(line: &str) -> Option<Circumstance> {
    let line = without_cause(line).to_lowercase();
    let is_apart = |c: char| c.is_whitespace() || "\"'`()<>,=".contains(c);
    let words: Vec<&str> = line.split(is_apart).filter(|it| !it.is_empty()).collect();
    let verb = words.iter().find_map(|word| verb(word));
    let binds = verb == Some(Circumstance::Bind);
    let on_unix = if binds {
        Circumstance::UnixBind
    } else {
        Circumstance::UnixSocket
    };
    if words.iter().any(|word| is_unix(word)) {
        return Some(on_unix);
    }
    if words.iter().any(|word| is_network(word)) {
        return verb.filter(|verb| *verb != Circumstance::File);
    }
    if (0..words.len()).any(|at| is_path(&words, at)) {
        // Only a Unix socket is bound or connected to a path.
        let is_socket =
            words.contains(&"socket") || !matches!(verb, None | Some(Circumstance::File));
        return Some(if is_socket {
            on_unix
        } else {
            Circumstance::File
        });
    }
    // Python puts the name of a file in quotes after the message.
    verb.or_else(|| line.contains(": '").then_some(Circumstance::File))
}

/// A line of sockdoc itself without what stands after `(ECONNREFUSED): `. There are words about
/// every circumstance.
pub(super) fn without_cause(line: &str) -> &str {
    let ends = line.match_indices("): ").map(|(at, _)| &line[..at]);
    let named = ends.filter_map(|head| head.rsplit_once('('));
    let mut of_errno = named
        .filter(|(_, name)| errno::by_name(name).is_some() || resolver::by_name(name).is_some());
    of_errno.next().map_or(line, |(head, _)| head)
}

/// What a word says that was done: `bind`, `connect:`, `sock.bind`.
fn verb(word: &str) -> Option<Circumstance> {
    let word = word.trim_matches(|c: char| !c.is_alphanumeric());
    match super::words::last(word) {
        "bind" | "binding" | "listen" | "listening" => Some(Circumstance::Bind),
        "connect" | "connecting" | "connectex" | "dial" => Some(Circumstance::Connect),
        "send" | "sendto" | "sendmsg" | "sendmmsg" => Some(Circumstance::Send),
        "open" | "openat" | "fopen" | "opening" => Some(Circumstance::File),
        _ => None,
    }
}

/// `unix` as in `dial unix`, `unix:/run/x`, `AF_UNIX`; the path of a socket by its name.
fn is_unix(word: &str) -> bool {
    let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
    let names = ["unix", "af_unix", "unix-domain", "unixgram", "unixpacket"];
    names.contains(&bare)
        || word.starts_with("unix:")
        || is_socket_path(ends_path(word))
        || word.contains("/.s.pgsql.")
        || word.contains("/.x11-unix/")
}

/// `/run/app.sock`, and not `self.sock`: a path has a slash.
fn is_socket_path(word: &str) -> bool {
    let end = word.rsplit_once('.').map_or("", |(_, end)| end);
    word.contains('/') && matches!(end, "sock" | "socket")
}

/// An address, with a port or without, an URL, or the name of a protocol above IP.
fn is_network(word: &str) -> bool {
    if word.contains("://") || word.starts_with("/dev/tcp/") || word.starts_with("/dev/udp/") {
        return true;
    }
    // Java writes an address without a name as `/192.168.1.5:80`.
    let word = ends_path(word).trim_start_matches('/');
    let is_address = |text: &str| {
        let inner = text.trim_start_matches('[').trim_end_matches(']');
        inner.parse::<std::net::IpAddr>().is_ok() || inner == "localhost"
    };
    let host = word.rsplit_once(':').map_or("", |(host, _)| host);
    let names = ["tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"];
    is_address(word) || is_address(host) || names.contains(&word)
}

/// A path that something was done to: not the program that says so, nor the source file of a
/// traceback, nor what was asked of an HTTP server.
fn is_path(words: &[&str], at: usize) -> bool {
    let word = words[at];
    let begins = ["/", "./", "../", "~/"];
    if !begins.iter().any(|it| word.starts_with(it)) || word.starts_with("//") || word.len() < 2 {
        return false;
    }
    let is_program = at == 0 && word.ends_with(':') && words.iter().any(|it| verb(it).is_some());
    let before = at.checked_sub(1).map(|before| words[before]);
    // Python: `File "x.py", line 8`; Perl: `at x.pl line 8`; PHP: `in x.php on line 8`.
    let line_follows = match words.get(at + 1) {
        Some(&"on") => words.get(at + 2) == Some(&"line"),
        next => next == Some(&"line"),
    };
    let is_source = matches!(before, Some("file" | "at" | "in")) && line_follows;
    let is_request = matches!(before, Some("get" | "head" | "post" | "put" | "delete"));
    !is_program && !is_source && !is_request
}

/// A word without the punctuation that ends a path or an address in a line.
fn ends_path(word: &str) -> &str {
    word.trim_end_matches([':', ';', '.', ',', ')'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use Circumstance::{Bind, Connect, File, Send, UnixBind, UnixSocket};

    #[test]
    fn a_line_says_what_was_done_and_on_what() {
        for (line, expected) in [
            (
                "dial unix /var/run/docker.sock: connect: permission denied",
                UnixSocket,
            ),
            (
                "connect() to unix:/run/php/php-fpm.sock failed (13: Permission denied) while connecting to upstream, client: 10.0.0.1, request: \"GET / HTTP/1.1\"",
                UnixSocket,
            ),
            ("Error: connect ECONNREFUSED /tmp/app", UnixSocket),
            (
                "connection to server on socket \"/var/run/postgresql/.s.PGSQL.5432\" failed: No such file or directory",
                UnixSocket,
            ),
            (
                "Can't connect to local MySQL server through socket '/var/run/mysqld/mysqld.sock'",
                UnixSocket,
            ),
            (
                "PermissionError: [Errno 13] Permission denied: '/var/run/docker.sock'",
                UnixSocket,
            ),
            (
                "bind() to unix:/run/x.sock failed (98: Address already in use)",
                UnixBind,
            ),
            (
                "listen EADDRINUSE: address already in use /tmp/app",
                UnixBind,
            ),
            ("open /etc/shadow: permission denied", File),
            ("ENOENT: no such file or directory, open '/nonexist'", File),
            ("cat: /etc/shadow: Permission denied", File),
            (
                "FileNotFoundError: [Errno 2] No such file or directory: 'data.bin'",
                File,
            ),
            ("/nonexist: No such file or directory", File),
            (
                "sockdoc: read /nonexist: No such file or directory (ENOENT): for a Unix socket ...",
                File,
            ),
            ("bind: Permission denied", Bind),
            ("/usr/bin/server: bind: Permission denied", Bind),
            ("listen EACCES: permission denied 0.0.0.0:80", Bind),
            ("listen tcp :80: bind: permission denied", Bind),
            (
                "File \"/srv/a.py\", line 3, in <module> sock.bind((\"\", 80)) PermissionError: [Errno 13] Permission denied",
                Bind,
            ),
            (
                "connect to 127.0.0.1:9: Permission denied (EACCES): bind: the port",
                Connect,
            ),
            (
                "connect() failed (111: Connection refused), request: \"GET /x HTTP/1.1\", upstream: \"http://127.0.0.1:8080/\"",
                Connect,
            ),
            (
                "IO::Socket::INET: connect: Connection refused at ./client.pl line 8.",
                Connect,
            ),
            ("ping: sendmsg: Operation not permitted", Send),
        ] {
            assert_eq!(of(line), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_line_that_says_nothing_of_it_has_none() {
        for line in [
            "Permission denied",
            "EACCES",
            "bash: /dev/tcp/127.0.0.1/9: Connection refused",
            "read tcp 10.0.0.1:5->10.0.0.2:80: read: connection reset by peer",
            "",
            "): (",
        ] {
            assert_eq!(of(line), None, "{line}");
        }
    }
}
