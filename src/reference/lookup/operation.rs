//! What was being done when an error came, as the words of its line or of the stack say it.

use super::paste::{Kind, Line};

/// A step in the life of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operation {
    Resolve,
    Connect,
    Bind,
    Accept,
    Receive,
    Send,
}

/// This many frames of a stack are asked.
const FRAMES: usize = 8;

/// The operation of the statement at `at`: from its own words, from the frames above it (Python, whose
/// innermost frame is the last), or from those below it.
pub(super) fn of(lines: &[Line<'_>], at: usize) -> Option<Operation> {
    let is_frame = |line: &&Line<'_>| line.kind == Kind::Frame;
    let above = lines[..at].iter().rev().take_while(is_frame).take(FRAMES);
    let below = lines[at + 1..].iter().take_while(is_frame).take(FRAMES);
    last_in(lines[at].text)
        .or_else(|| above.clone().find_map(|line| last_in(line.text)))
        .or_else(|| below.clone().find_map(|line| last_in(line.text)))
}

/// The last word of a line that names an operation.
fn last_in(line: &str) -> Option<Operation> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = line.rsplit(|c| !is_part(c)).filter(|it| !it.is_empty());
    words.map(str::to_ascii_lowercase).find_map(|word| {
        let row = WORDS.iter().find(|(_, words)| words.contains(&&*word));
        row.map(|(operation, _)| *operation)
    })
}

const WORDS: &[(Operation, &[&str])] = &[
    (
        Operation::Resolve,
        &["getaddrinfo", "gethostbyname", "lookup", "resolve"],
    ),
    (
        Operation::Connect,
        &[
            "connect",
            "connecting",
            "create_connection",
            "open_connection",
            "connectex",
            "sock_connect",
            "socketconnect",
            "finishconnect",
            "afterconnect",
            "doconnect",
            "tcpconnectwrap",
            "connectasync",
            "dial",
            "connect_ex",
            "__connect_nonblock",
        ],
    ),
    (
        Operation::Bind,
        &["bind", "listen", "start_server", "server_bind", "listen2"],
    ),
    (Operation::Accept, &["accept", "accept4"]),
    (
        Operation::Receive,
        &[
            "recv",
            "recv_into",
            "recvfrom",
            "recvmsg",
            "read",
            "reading",
            "readline",
            "readinto",
            "readexactly",
            "readfully",
            "readint",
            "socketread0",
            "implread",
            "onstreamread",
            "getresponse",
            "receive",
            "sysread",
            "readpartial",
            "recvall",
            "recv_exact",
        ],
    ),
    (
        Operation::Send,
        &[
            "send",
            "sendall",
            "sendto",
            "sendmsg",
            "write",
            "writing",
            "socketwrite0",
            "afterwritedispatched",
            "syswrite",
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::super::paste;
    use super::*;

    #[test]
    fn the_innermost_frame_tells_the_operation() {
        let python = "Traceback (most recent call last):\n  File \"a.py\", line 1, in f\n    s=create_connection(x); s.recv(10)\nTimeoutError: timed out";
        let lines = paste::lines(python);
        assert_eq!(of(&lines, lines.len() - 1), Some(Operation::Receive));
        let java = "java.net.SocketTimeoutException\n\tat java.net.SocketInputStream.socketRead0(Native Method)";
        assert_eq!(of(&paste::lines(java), 0), Some(Operation::Receive));
        assert_eq!(of(&paste::lines("timed out"), 0), None);
    }
}
