//! Which protocol bytes are of, by how a server's first message begins.

use crate::tls::records::is_record;

/// The name of the protocol that a server speaks whose first bytes these are; `None` if they do not tell.
pub fn recognise(bytes: &[u8]) -> Option<&'static str> {
    if bytes.len() >= 3 && is_record(bytes) == Some(true) {
        return Some("TLS");
    }
    let begins = STARTS.iter().find(|(start, _)| bytes.starts_with(start));
    if let Some((_, name)) = begins {
        return Some(name);
    }
    match bytes {
        [
            b'2' | b'4' | b'5',
            b'0'..=b'5',
            b'0'..=b'9',
            b' ' | b'-',
            ..,
        ] => Some(mail_or_files(bytes)),
        // MySQL: three bytes of length, packet 0, protocol 10 or an error.
        [_, _, 0, 0, 10, b'0'..=b'9', ..] | [_, _, 0, 0, 0xff, _, _, ..] => Some("MySQL"),
        // HTTP/2: a SETTINGS frame of stream 0.
        [0, 0, length, 4, 0 | 1, 0, 0, 0, 0, ..] if length % 6 == 0 => Some("HTTP/2"),
        // PostgreSQL: an error with its length.
        [b'E', 0, 0, _, _, b'S', ..] => Some("PostgreSQL"),
        // MQTT: CONNACK.
        [0x20, 2, 0 | 1, 0..=5] => Some("MQTT"),
        [0xff, 0xfb..=0xfe, ..] => Some("Telnet"),
        _ => None,
    }
}

/// How the first message of a server begins.
const STARTS: &[(&[u8], &str)] = &[
    (b"HTTP/", "HTTP"),
    (b"<!DOCTYPE", "HTTP"),
    (b"<!doctype", "HTTP"),
    (b"<html", "HTTP"),
    (b"SSH-", "SSH"),
    (b"* OK", "IMAP"),
    (b"* PREAUTH", "IMAP"),
    (b"* BYE", "IMAP"),
    (b"+OK", "POP3"),
    (b"+PONG", "Redis"),
    (b"-NOAUTH", "Redis"),
    (b"-DENIED", "Redis"),
    (b"-ERR", "Redis or POP3"),
    (b"AMQP", "AMQP"),
    (b"\x01\0\0\0\0", "AMQP"),
    (b"RFB ", "VNC"),
    (b"@RSYNCD:", "rsync"),
    (b"INFO {", "NATS"),
    (b"ERROR\r\n", "memcached"),
    (b"RTSP/", "RTSP"),
    (b"SIP/2.0", "SIP"),
    (b"\x03\0\0", "RDP"),
];

/// `220` and other codes with a text, of SMTP and of FTP.
fn mail_or_files(bytes: &[u8]) -> &'static str {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let line = line.to_ascii_uppercase();
    let has = |word: &[u8]| line.windows(word.len()).any(|it| it == word);
    if has(b"SMTP") || has(b"MAIL") || line.starts_with(b"554") {
        "SMTP"
    } else if has(b"FTP") || line.starts_with(b"530") {
        "FTP"
    } else {
        "SMTP or FTP"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_known_by_their_first_bytes() {
        for (bytes, name) in [
            (&b"HTTP/1.1 200 OK\r\n"[..], Some("HTTP")),
            (b"SSH-2.0-OpenSSH_9.2", Some("SSH")),
            (b"220 mx.test ESMTP Postfix", Some("SMTP")),
            (b"220 ProFTPD Server ready", Some("FTP")),
            (b"220 welcome", Some("SMTP or FTP")),
            (b"* OK [CAPABILITY IMAP4rev1]", Some("IMAP")),
            (b"+OK POP3 ready", Some("POP3")),
            (b"\x15\x03\x01\0\x02\x02\x28", Some("TLS")),
            (b"\x4a\0\0\0\x0a8.0.36\0", Some("MySQL")),
            (b"\0\0\x12\x04\0\0\0\0\0", Some("HTTP/2")),
            (b"E\0\0\0\x42SFATAL", Some("PostgreSQL")),
            (b"AMQP\0\0\x09\x01", Some("AMQP")),
            (b"\x20\x02\0\x05", Some("MQTT")),
            (b"hello", None),
            (b"", None),
            (b"999 x", None),
        ] {
            assert_eq!(recognise(bytes), name, "{bytes:?}");
        }
    }
}
