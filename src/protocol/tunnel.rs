//! A connection through a proxy: CONNECT of HTTP (RFC 9110 section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).

use std::net::IpAddr;

use super::Exchange;
use super::recognise::recognise;
use crate::tls::session::End;

/// An answer takes at most this many bytes.
const MOST: usize = 64 * 1024;
/// The bytes of a line that are kept.
const LINE: usize = 200;

/// What a proxy speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP.
    Http,
    /// SOCKS, version 5.
    Socks,
}

/// What the proxy said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tunneled {
    /// The way to the target is open.
    Open,
    /// It wants a user and a password, or others than were given.
    WantsPassword(String),
    /// It does not open the way: what it said.
    Refused(String),
    /// It could not reach the target: what it said.
    Unreachable(String),
    /// It is not a proxy of this kind; what it is, if that can be told.
    NotAProxy(Option<&'static str>),
    /// The connection ended, or the time.
    Ended(End),
}

/// Where in the conversation of SOCKS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Method,
    Password,
    Request,
}

/// A request to a proxy: bytes in, bytes out.
#[derive(Debug)]
pub struct Tunnel {
    kind: ProxyKind,
    host: String,
    port: u16,
    user: Option<(String, String)>,
    step: Step,
    pending: Vec<u8>,
    bytes: Vec<u8>,
    done: Option<Tunneled>,
}

impl Tunnel {
    /// A request for a connection to a host and a port; `user`: with this user and password.
    pub fn new(kind: ProxyKind, host: &str, port: u16, user: Option<(String, String)>) -> Tunnel {
        let printable: String = host
            .chars()
            .filter(|c| !c.is_control() && *c != ' ')
            .collect();
        let mut tunnel = Tunnel {
            kind,
            host: printable,
            port,
            user,
            step: Step::Method,
            pending: Vec::new(),
            bytes: Vec::new(),
            done: None,
        };
        tunnel.pending = match kind {
            ProxyKind::Http => tunnel.connect(),
            // Without a password, and with one if there is one.
            ProxyKind::Socks if tunnel.user.is_some() => vec![5, 2, 0, 2],
            ProxyKind::Socks => vec![5, 1, 0],
        };
        tunnel
    }

    fn connect(&self) -> Vec<u8> {
        let host = &self.host;
        let to = if host.contains(':') {
            format!("[{host}]:{}", self.port)
        } else {
            format!("{host}:{}", self.port)
        };
        let user = self.user.as_ref();
        let user = user.map_or_else(String::new, |(user, password)| {
            authorization(user, password)
        });
        format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\nUser-Agent: sockdoc\r\n{user}\r\n")
            .into_bytes()
    }

    /// What came of it, as soon as that is known.
    pub fn done(&self) -> Option<&Tunneled> {
        self.done.as_ref()
    }

    fn read(&mut self) {
        match self.kind {
            ProxyKind::Http => self.read_http(),
            ProxyKind::Socks => self.read_socks(),
        }
        if self.done.is_none() && self.bytes.len() >= MOST {
            self.done = Some(Tunneled::Refused("an answer without an end".to_owned()));
        }
    }

    fn read_http(&mut self) {
        let start = self.bytes.len().min(5);
        if self.bytes[..start] != b"HTTP/"[..start] {
            self.done = Some(Tunneled::NotAProxy(recognise(&self.bytes)));
            return;
        }
        let Some(end) = self.bytes.windows(4).position(|it| it == b"\r\n\r\n") else {
            return;
        };
        let line = line_of(&self.bytes);
        let code: u32 = line
            .split(' ')
            .nth(1)
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        self.done = Some(match code {
            200..=299 if self.bytes.len() > end + 4 => {
                Tunneled::Refused("bytes after the answer, before anything was sent".to_owned())
            }
            200..=299 => Tunneled::Open,
            407 => Tunneled::WantsPassword(line),
            502..=504 => Tunneled::Unreachable(line),
            _ => Tunneled::Refused(line),
        });
    }

    fn read_socks(&mut self) {
        let bytes = std::mem::take(&mut self.bytes);
        let rest = match (self.step, &bytes[..]) {
            (Step::Method | Step::Request, [version, ..]) if *version != 5 => {
                self.done = Some(Tunneled::NotAProxy(recognise(&bytes)));
                return;
            }
            (Step::Method, [5, 0, rest @ ..]) | (Step::Password, [_, 0, rest @ ..]) => {
                self.ask();
                rest
            }
            (Step::Method, [5, 2, rest @ ..]) if self.user.is_some() => {
                let (user, password) = self.user.clone().unwrap_or_default();
                self.pending = vec![1];
                for word in [user, password] {
                    let word = &word.as_bytes()[..word.len().min(255)];
                    self.pending
                        .push(u8::try_from(word.len()).unwrap_or(u8::MAX));
                    self.pending.extend(word);
                }
                self.step = Step::Password;
                rest
            }
            (Step::Method, [5, _, ..]) => {
                let text = "SOCKS: no method of authentication that was offered";
                self.done = Some(Tunneled::WantsPassword(text.to_owned()));
                return;
            }
            (Step::Password, [_, _, ..]) => {
                let text = "SOCKS: the user or the password is wrong";
                self.done = Some(Tunneled::WantsPassword(text.to_owned()));
                return;
            }
            (Step::Request, [5, reply, _, kind, rest @ ..]) => {
                let address = match (kind, rest) {
                    (1, _) => Some(4),
                    (4, _) => Some(16),
                    (3, [length, ..]) => Some(1 + usize::from(*length)),
                    _ => None,
                };
                let is_whole = address.is_some_and(|length| rest.len() >= length + 2);
                if *reply != 0 {
                    self.done = Some(of_reply(*reply));
                } else if is_whole {
                    self.done = Some(Tunneled::Open);
                } else {
                    self.bytes = bytes;
                }
                return;
            }
            _ => {
                self.bytes = bytes;
                return;
            }
        };
        if !rest.is_empty() {
            self.bytes = rest.to_vec();
            self.read_socks();
        }
    }

    /// The request of SOCKS: an address as such, a name to be looked up by the proxy.
    fn ask(&mut self) {
        let mut request = vec![5, 1, 0];
        match self.host.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => {
                request.push(1);
                request.extend(ip.octets());
            }
            Ok(IpAddr::V6(ip)) => {
                request.push(4);
                request.extend(ip.octets());
            }
            Err(_) => {
                let name = &self.host.as_bytes()[..self.host.len().min(255)];
                request.extend([3, u8::try_from(name.len()).unwrap_or(u8::MAX)]);
                request.extend(name);
            }
        }
        request.extend(self.port.to_be_bytes());
        self.pending.extend(request);
        self.step = Step::Request;
    }
}

impl Exchange for Tunnel {
    fn transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.done.is_some() {
            return;
        }
        super::keep(&mut self.bytes, bytes, MOST);
        self.read();
    }

    fn ended(&mut self, end: End) {
        self.done.get_or_insert(Tunneled::Ended(end));
    }

    fn is_done(&self) -> bool {
        self.done.is_some()
    }
}

/// RFC 1928 section 6.
fn of_reply(reply: u8) -> Tunneled {
    let text = match reply {
        1 => "general failure",
        2 => "not allowed by its rules",
        3 => "network unreachable",
        4 => "host unreachable",
        5 => "connection refused",
        6 => "TTL expired",
        7 => "command not supported",
        8 => "address type not supported",
        _ => "unknown reply",
    };
    let text = format!("SOCKS reply {reply}: {text}");
    match reply {
        3..=6 => Tunneled::Unreachable(text),
        _ => Tunneled::Refused(text),
    }
}

fn line_of(bytes: &[u8]) -> String {
    let line = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .unwrap_or_default();
    let line = line.trim_ascii();
    String::from_utf8_lossy(&line[..line.len().min(LINE)]).into_owned()
}

/// The header of a user and a password (RFC 7617).
pub(super) fn authorization(user: &str, password: &str) -> String {
    let both = base64(format!("{user}:{password}").as_bytes());
    format!("Proxy-Authorization: Basic {both}\r\n")
}

/// RFC 4648 section 4.
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for piece in bytes.chunks(3) {
        let byte = |at: usize| u32::from(piece.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * place) & 63) as usize];
            text.push(if place > piece.len() {
                '='
            } else {
                digit.into()
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it sends, and what comes of it, if the proxy sends these bytes; one at a time says the same.
    fn run(
        kind: ProxyKind,
        host: &str,
        user: Option<(&str, &str)>,
        answer: &[u8],
    ) -> (Vec<u8>, Option<Tunneled>) {
        let go = |pieces: &[&[u8]]| {
            let user = user.map(|(user, password)| (user.to_owned(), password.to_owned()));
            let mut tunnel = Tunnel::new(kind, host, 443, user);
            let mut sent = tunnel.transmit();
            for piece in pieces {
                tunnel.received(piece);
                sent.extend(tunnel.transmit());
            }
            (sent, tunnel.done().cloned())
        };
        let whole = go(&[answer]);
        let bytes: Vec<&[u8]> = answer.chunks(1).collect();
        if !matches!(whole.1, Some(Tunneled::Refused(_) | Tunneled::NotAProxy(_))) {
            assert_eq!(go(&bytes), whole);
        }
        whole
    }

    #[test]
    fn a_proxy_of_http_is_asked_with_connect_and_its_status_is_the_answer() {
        let (sent, done) = run(
            ProxyKind::Http,
            "shop.test",
            None,
            b"HTTP/1.1 200 OK\r\n\r\n",
        );
        assert!(sent.starts_with(b"CONNECT shop.test:443 HTTP/1.1\r\nHost: shop.test:443\r\n"));
        assert_eq!(done, Some(Tunneled::Open));
        let (sent, _) = run(ProxyKind::Http, "::1", Some(("a", "b")), b"");
        let sent = String::from_utf8(sent).unwrap();
        assert!(sent.starts_with("CONNECT [::1]:443 "), "{sent}");
        assert!(
            sent.contains("Proxy-Authorization: Basic YTpi\r\n"),
            "{sent}"
        );
        for (answer, done) in [
            (
                "407 Auth",
                Tunneled::WantsPassword("HTTP/1.1 407 Auth".into()),
            ),
            (
                "503 Down",
                Tunneled::Unreachable("HTTP/1.1 503 Down".into()),
            ),
            ("403 No", Tunneled::Refused("HTTP/1.1 403 No".into())),
        ] {
            let answer = format!("HTTP/1.1 {answer}\r\n\r\n");
            assert_eq!(
                run(ProxyKind::Http, "a", None, answer.as_bytes()).1,
                Some(done)
            );
        }
        let (_, done) = run(ProxyKind::Http, "a", None, b"SSH-2.0-x\r\n");
        assert_eq!(done, Some(Tunneled::NotAProxy(Some("SSH"))));
        let (_, done) = run(
            ProxyKind::Http,
            "a",
            None,
            &[&b"HTTP/1.1 "[..], &vec![b'x'; MOST]].concat(),
        );
        assert!(matches!(done, Some(Tunneled::Refused(_))));
    }

    #[test]
    fn a_proxy_of_socks_is_asked_for_a_name_or_an_address() {
        let open = b"\x05\x00\x05\x00\x00\x01\0\0\0\0\0\0";
        let (sent, done) = run(ProxyKind::Socks, "a.b", None, open);
        assert_eq!(sent, b"\x05\x01\x00\x05\x01\x00\x03\x03a.b\x01\xbb");
        assert_eq!(done, Some(Tunneled::Open));
        let (sent, _) = run(ProxyKind::Socks, "10.9.1.1", None, open);
        assert_eq!(&sent[3..], b"\x05\x01\x00\x01\x0a\x09\x01\x01\x01\xbb");
        let with = b"\x05\x02\x01\x00\x05\x00\x00\x03\x01x\0\0";
        let (sent, done) = run(ProxyKind::Socks, "a", Some(("u", "pw")), with);
        assert!(
            sent.starts_with(b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x03"),
            "{sent:?}"
        );
        assert_eq!(done, Some(Tunneled::Open));
        let (_, done) = run(ProxyKind::Socks, "a", None, b"\x05\xff");
        assert!(matches!(done, Some(Tunneled::WantsPassword(_))));
        let (_, done) = run(
            ProxyKind::Socks,
            "a",
            None,
            b"\x05\x00\x05\x05\x00\x01\0\0\0\0\0\0",
        );
        let refused = "SOCKS reply 5: connection refused".to_owned();
        assert_eq!(done, Some(Tunneled::Unreachable(refused)));
        let (_, done) = run(ProxyKind::Socks, "a", None, b"HTTP/1.1 400 x\r\n");
        assert_eq!(done, Some(Tunneled::NotAProxy(Some("HTTP"))));
    }

    #[test]
    fn base64_has_its_padding() {
        for (bytes, text) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v")] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }
}
