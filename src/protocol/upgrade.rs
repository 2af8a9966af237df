//! From plain text to TLS on the same connection, after the server's greeting: STARTTLS (RFC 3207, RFC 3501,
//! RFC 2595), AUTH TLS (RFC 4217), and the `SSLRequest` of `PostgreSQL` and `MySQL`.

use super::opening::farewell;
use super::{Exchange, Protocol};
use crate::tls::session::End;

/// An answer takes at most this many bytes.
const MOST: usize = 16 * 1024;
/// The bytes of a line that are kept.
const LINE: usize = 200;

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upgraded {
    /// The server waits for the first bytes of TLS.
    Ready,
    /// The server does not offer it: what it said.
    NotOffered(String),
    /// The server refuses it, or breaks the rules: what it said.
    Refused(String),
    /// The connection ended.
    Ended(End),
}

/// The steps of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It asked what the server offers.
    Asked,
    /// It asked for TLS.
    Wanted,
}

/// A request for TLS: bytes in, bytes out.
#[derive(Debug)]
pub struct Upgrade {
    protocol: Protocol,
    step: Step,
    pending: Vec<u8>,
    bytes: Vec<u8>,
    done: Option<Upgraded>,
}

impl Upgrade {
    /// The request to a server that has greeted; `offers`: what its greeting says about TLS.
    pub fn new(protocol: Protocol, offers: Option<bool>) -> Upgrade {
        let (step, pending): (_, &[u8]) = match protocol {
            Protocol::Smtp => (Step::Asked, b"EHLO sockdoc\r\n"),
            Protocol::Imap => (Step::Wanted, b"a STARTTLS\r\n"),
            Protocol::Pop3 => (Step::Wanted, b"STLS\r\n"),
            Protocol::Ftp => (Step::Wanted, b"AUTH TLS\r\n"),
            Protocol::Mysql => (Step::Wanted, MYSQL),
            // PostgreSQL was asked by the client's first message.
            _ => (Step::Wanted, b""),
        };
        let mut upgrade = Upgrade {
            protocol,
            step,
            pending: pending.to_vec(),
            bytes: Vec::new(),
            done: None,
        };
        match (protocol, offers) {
            (Protocol::Mysql | Protocol::Postgres, Some(true)) => {
                upgrade.done = Some(Upgraded::Ready);
            }
            (_, Some(true) | None) if protocol.upgrade().is_some() => {}
            _ => {
                upgrade.pending.clear();
                upgrade.done = Some(Upgraded::NotOffered(String::new()));
            }
        }
        upgrade
    }

    fn end(&mut self, upgraded: Upgraded) {
        self.pending = farewell(self.protocol).to_vec();
        self.done = Some(upgraded);
    }

    /// What came of it, as soon as that is known.
    pub fn done(&self) -> Option<&Upgraded> {
        self.done.as_ref()
    }

    /// The whole reply to what was sent last, and whether it is good; `None` as long as more is to come.
    fn reply(&self) -> Option<(Vec<u8>, bool)> {
        let mut reply = Vec::new();
        for line in self.bytes.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                return None;
            }
            reply.extend(line);
            let is_last = match self.protocol {
                // Untagged lines may come before the answer.
                Protocol::Imap => !line.starts_with(b"* "),
                // All lines but the last have `-` after the code.
                Protocol::Smtp | Protocol::Ftp => line.get(3) != Some(&b'-'),
                _ => true,
            };
            if is_last {
                let is_good = match (self.protocol, self.step) {
                    (Protocol::Imap, _) => line.to_ascii_lowercase().starts_with(b"a ok"),
                    (Protocol::Pop3, _) => line.starts_with(b"+OK"),
                    (Protocol::Ftp, _) => line.starts_with(b"234"),
                    (_, Step::Asked) => line.starts_with(b"250"),
                    (_, Step::Wanted) => line.starts_with(b"220"),
                };
                return Some((reply, is_good));
            }
        }
        None
    }
}

impl Exchange for Upgrade {
    fn transmit(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.done.is_some() {
            return;
        }
        super::keep(&mut self.bytes, bytes, MOST);
        if let Some((reply, is_good)) = self.reply() {
            let rest = self.bytes.len() > reply.len();
            match (self.step, is_good) {
                (Step::Asked, true) if offers_starttls(&reply) => {
                    self.pending = b"STARTTLS\r\n".to_vec();
                    self.step = Step::Wanted;
                    self.bytes.clear();
                }
                (Step::Asked, _) => self.end(Upgraded::NotOffered(line_of(&reply))),
                // What follows was sent in plain text, and a client must not take it for the server's.
                (Step::Wanted, true) if rest => {
                    let text = "plain text after the answer that TLS may begin";
                    self.end(Upgraded::Refused(text.to_owned()));
                }
                (Step::Wanted, true) => self.done = Some(Upgraded::Ready),
                (Step::Wanted, false) => self.end(Upgraded::Refused(line_of(&reply))),
            }
        } else if self.bytes.len() >= MOST {
            self.end(Upgraded::Refused("an answer without an end".to_owned()));
        }
    }

    fn ended(&mut self, end: End) {
        self.done.get_or_insert(Upgraded::Ended(end));
    }

    fn is_done(&self) -> bool {
        self.done.is_some()
    }
}

/// `SSLRequest` of `MySQL`: packet 1 of 32 bytes, with the capabilities `CLIENT_PROTOCOL_41`, `CLIENT_SSL` and
/// `CLIENT_SECURE_CONNECTION`, packets of at most 16 MiB, the character set utf8mb4, and zero bytes.
const MYSQL: &[u8] =
    b"\x20\0\0\x01\0\x8a\0\0\0\0\0\x01\x2d\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/// Whether the reply to EHLO has the keyword.
fn offers_starttls(reply: &[u8]) -> bool {
    let mut lines = reply.split(|byte| *byte == b'\n');
    lines.any(|line| {
        let keyword = line.get(4..).unwrap_or_default().trim_ascii();
        keyword.eq_ignore_ascii_case(b"STARTTLS")
    })
}

fn line_of(reply: &[u8]) -> String {
    let line = reply
        .split(|byte| *byte == b'\n')
        .rfind(|it| !it.is_empty());
    let line = line.unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(&line[..line.len().min(LINE)]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What it sends and what comes of it, if the server sends these pieces.
    fn run(
        protocol: Protocol,
        offers: Option<bool>,
        pieces: &[&[u8]],
    ) -> (String, Option<Upgraded>) {
        let mut upgrade = Upgrade::new(protocol, offers);
        let mut sent = upgrade.transmit();
        for piece in pieces {
            upgrade.received(piece);
            sent.extend(upgrade.transmit());
        }
        let text = String::from_utf8_lossy(&sent).into_owned();
        (text, upgrade.done().cloned())
    }

    #[test]
    fn mail_and_file_servers_are_asked_for_tls_in_their_own_words() {
        let offer = &b"250-mx.test\r\n250-STARTTLS\r\n250 HELP\r\n"[..];
        let (sent, done) = run(Protocol::Smtp, None, &[offer, b"220 go ahead\r\n"]);
        assert_eq!(sent, "EHLO sockdoc\r\nSTARTTLS\r\n");
        assert_eq!(done, Some(Upgraded::Ready));
        for (protocol, answer, word) in [
            (
                Protocol::Imap,
                &b"* CAPABILITY x\r\na OK begin\r\n"[..],
                "a STARTTLS\r\n",
            ),
            (Protocol::Pop3, b"+OK begin\r\n", "STLS\r\n"),
            (Protocol::Ftp, b"234 AUTH TLS OK\r\n", "AUTH TLS\r\n"),
        ] {
            // One byte at a time says the same.
            let bytes: Vec<&[u8]> = answer.chunks(1).collect();
            for pieces in [&[answer][..], &bytes] {
                let (sent, done) = run(protocol, None, pieces);
                assert_eq!((sent.as_str(), done), (word, Some(Upgraded::Ready)));
            }
        }
    }

    #[test]
    fn a_server_without_tls_or_that_refuses_it_says_so() {
        let (sent, done) = run(Protocol::Smtp, None, &[b"250-mx\r\n250 HELP\r\n"]);
        assert_eq!(sent, "EHLO sockdoc\r\nQUIT\r\n");
        assert_eq!(done, Some(Upgraded::NotOffered("250 HELP".to_owned())));
        let (_, done) = run(Protocol::Imap, None, &[b"a BAD unknown command\r\n"]);
        let refused = Upgraded::Refused("a BAD unknown command".to_owned());
        assert_eq!(done, Some(refused));
        for protocol in [Protocol::Mysql, Protocol::Postgres] {
            let (sent, done) = run(protocol, Some(false), &[]);
            assert_eq!(
                (sent.as_str(), done),
                ("", Some(Upgraded::NotOffered(String::new())))
            );
            assert_eq!(run(protocol, Some(true), &[]).1, Some(Upgraded::Ready));
        }
        assert_eq!(MYSQL.len(), 36);
    }

    #[test]
    fn text_slipped_in_after_the_answer_and_an_answer_without_an_end_are_refused() {
        let slipped = &b"220 go ahead\r\n250 evil\r\n"[..];
        let (_, done) = run(Protocol::Smtp, None, &[b"250 STARTTLS\r\n", slipped]);
        assert!(matches!(done, Some(Upgraded::Refused(_))), "{done:?}");
        let endless = vec![b'x'; MOST + 1];
        let (_, done) = run(Protocol::Pop3, None, &[&endless]);
        assert!(matches!(done, Some(Upgraded::Refused(_))), "{done:?}");
    }
}
