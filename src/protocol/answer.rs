//! What the server's answer means.

use super::{Protocol, Said, Tone};

/// The bytes of a line that are kept.
const LINE: usize = 200;

/// What bytes are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Answer {
    /// An answer in this protocol.
    Said(Said),
    /// The beginning of one.
    More,
    /// Something else.
    Other,
}

fn said(tone: Tone, line: impl Into<String>) -> Said {
    Said {
        tone,
        line: line.into(),
        code: None,
        location: None,
        wants_tls: false,
        offers_tls: None,
        date: None,
    }
}

/// What a server says whose protocol is not known.
pub(super) fn plain(bytes: &[u8]) -> Said {
    said(Tone::Good, line_of(bytes))
}

/// What the bytes of a server are, in a protocol. `is_all`: no more will come.
pub(super) fn answer(protocol: Protocol, bytes: &[u8], is_all: bool) -> Answer {
    match protocol {
        Protocol::Http => http(bytes, is_all, false),
        Protocol::WebSocket => http(bytes, is_all, true),
        Protocol::Grpc => grpc(bytes),
        Protocol::Redis => redis(bytes),
        Protocol::Postgres => postgres(bytes),
        Protocol::Mysql => mysql(bytes),
        Protocol::Amqp => amqp(bytes),
        Protocol::Mqtt => mqtt(bytes),
        Protocol::Smtp => coded(bytes, 220, "SMTP"),
        Protocol::Ftp => coded(bytes, 220, "FTP"),
        Protocol::Imap => imap(bytes),
        Protocol::Pop3 => pop3(bytes),
        Protocol::Ssh => ssh(bytes),
        Protocol::Plain if bytes.is_empty() => Answer::More,
        Protocol::Plain => Answer::Said(plain(bytes)),
    }
}

/// The first line, without its end and not longer than [`LINE`].
fn line_of(bytes: &[u8]) -> String {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let text = String::from_utf8_lossy(&line[..line.len().min(LINE)]);
    text.into_owned()
}

/// Whether a whole line is there.
fn has_line(bytes: &[u8]) -> bool {
    bytes.contains(&b'\n')
}

/// Whether bytes begin so, as far as they go.
fn may_begin(bytes: &[u8], start: &[u8]) -> bool {
    let length = bytes.len().min(start.len());
    bytes[..length] == start[..length]
}

/// A text of lines: one that begins with any of these.
fn line_that_begins(bytes: &[u8], starts: &[&str]) -> Answer {
    let mut known = starts.iter().filter(|it| may_begin(bytes, it.as_bytes()));
    match known.next() {
        None => Answer::Other,
        Some(start) if has_line(bytes) && bytes.len() >= start.len() => {
            Answer::Said(said(Tone::Good, line_of(bytes)))
        }
        Some(_) => Answer::More,
    }
}

/// RFC 9112 section 4: `HTTP/1.1 301 Moved Permanently`, then headers, then an empty line.
fn http(bytes: &[u8], is_all: bool, is_upgrade: bool) -> Answer {
    if !may_begin(bytes, b"HTTP/") {
        return Answer::Other;
    }
    let end = bytes.windows(4).position(|it| it == b"\r\n\r\n");
    let is_end = end.is_some() || bytes.windows(2).any(|it| it == b"\n\n");
    if !has_line(bytes) || !(is_end || is_all) {
        return Answer::More;
    }
    let line = line_of(bytes);
    let code = line.split(' ').nth(1).and_then(|it| it.parse::<u32>().ok());
    let Some(code) = code.filter(|it| (100..1000).contains(it)) else {
        return Answer::Other;
    };
    let head = String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]);
    let header = |name: &str| {
        let mut lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
        let found = lines.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim().chars().take(LINE).collect::<String>())
    };
    // nginx, Apache and Go say so in the body, with status 400.
    let body = String::from_utf8_lossy(&bytes[end.unwrap_or(0)..]).to_lowercase();
    let wants_tls = [
        "sent to https port",
        "speaking plain http to an ssl",
        "http request to an https server",
    ];
    if code == 400 && wants_tls.iter().any(|it| body.contains(it)) {
        return Answer::Said(Said {
            code: Some(code),
            wants_tls: true,
            ..said(Tone::Bad, line)
        });
    }
    let tone = match code {
        101 if is_upgrade => Tone::Good,
        // RFC 6455 section 4.1: any other status, and the handshake has failed.
        401 | 403 | 407 if is_upgrade => Tone::Wants,
        _ if is_upgrade => Tone::Bad,
        500.. => Tone::Bad,
        400.. => Tone::Wants,
        _ => Tone::Good,
    };
    Answer::Said(Said {
        code: Some(code),
        location: header("location"),
        date: header("date").and_then(|it| http_date(&it)),
        ..said(tone, line)
    })
}

/// `Sun, 06 Nov 1994 08:49:37 GMT` (RFC 9110 section 5.6.7), in seconds since 1970.
fn http_date(text: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut words = text.split_once(", ")?.1.split(' ');
    let day: i64 = words.next()?.parse().ok()?;
    let month = words.next()?;
    let month = MONTHS
        .find(month)
        .filter(|at| month.len() == 3 && at % 3 == 0)?
        / 3;
    let year: i64 = words.next()?.parse().ok()?;
    let mut clock = words.next()?.split(':').map(|it| it.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    if !(1970..=9999).contains(&year) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a date: years begin in March, so that a leap day is the last of one.
    let month = i64::try_from(month).ok()? + 1;
    let (year, month) = if month <= 2 {
        (year - 1, month + 9)
    } else {
        (year, month - 3)
    };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

/// RFC 9113 section 3.4: the first frame is SETTINGS.
fn grpc(bytes: &[u8]) -> Answer {
    match bytes {
        [0, 0, length, 4, 0, 0, 0, 0, 0, ..] if length % 6 == 0 => {
            Answer::Said(said(Tone::Good, "HTTP/2 SETTINGS"))
        }
        // GOAWAY.
        [0, _, _, 7, _, 0, 0, 0, 0, ..] => Answer::Said(said(Tone::Bad, "HTTP/2 GOAWAY")),
        _ if bytes.len() < 9 && may_begin(bytes, &[0, 0]) => Answer::More,
        _ => Answer::Other,
    }
}

/// `+PONG`, or an error: `-NOAUTH Authentication required.`
fn redis(bytes: &[u8]) -> Answer {
    let answer = line_that_begins(bytes, &["+PONG", "-"]);
    let Answer::Said(mut said) = answer else {
        return answer;
    };
    let is = |word: &str| said.line.starts_with(word);
    said.tone = if is("+") {
        Tone::Good
    } else if is("-NOAUTH") || is("-WRONGPASS") || is("-NOPERM") {
        Tone::Wants
    } else {
        Tone::Bad
    };
    Answer::Said(said)
}

/// One byte to an `SSLRequest`, or an error message.
fn postgres(bytes: &[u8]) -> Answer {
    match bytes {
        [] => Answer::More,
        [b'S'] => Answer::Said(Said {
            offers_tls: Some(true),
            ..said(Tone::Good, "PostgreSQL, offers TLS")
        }),
        [b'N'] => Answer::Said(Said {
            offers_tls: Some(false),
            ..said(Tone::Good, "PostgreSQL, without TLS")
        }),
        [b'E', length @ ..] => match length {
            [0, 0, high, low, text @ ..] => {
                let length = usize::from(u16::from_be_bytes([*high, *low])).saturating_sub(4);
                match text.get(..length) {
                    Some(text) => Answer::Said(said(Tone::Bad, postgres_error(text))),
                    None => Answer::More,
                }
            }
            _ if may_begin(length, &[0, 0]) => Answer::More,
            _ => Answer::Other,
        },
        _ => Answer::Other,
    }
}

/// Fields of a letter and a text that a zero byte ends; M is the message.
fn postgres_error(text: &[u8]) -> String {
    let mut fields = text.split(|byte| *byte == 0);
    let message = fields.find_map(|it| it.strip_prefix(b"M"));
    format!(
        "PostgreSQL error: {}",
        line_of(message.unwrap_or(b"(no message)"))
    )
}

/// The greeting (protocol 10): three bytes of length, a number, 10, the version; or an error packet.
fn mysql(bytes: &[u8]) -> Answer {
    let [low, mid, high, 0, kind, rest @ ..] = bytes else {
        let too_few = bytes.len() < 5 && bytes.get(3).is_none_or(|it| *it == 0);
        return if too_few { Answer::More } else { Answer::Other };
    };
    let length = usize::from(*low) | usize::from(*mid) << 8 | usize::from(*high) << 16;
    match kind {
        10 => match rest.iter().position(|byte| *byte == 0) {
            Some(end) => {
                let version = String::from_utf8_lossy(&rest[..end.min(LINE)]);
                let packet = rest.get(..length.saturating_sub(1));
                let Some(packet) = packet else {
                    return Answer::More;
                };
                Answer::Said(Said {
                    offers_tls: mysql_offers_tls(packet.get(end + 1..).unwrap_or_default()),
                    ..said(Tone::Good, format!("MySQL {version}"))
                })
            }
            None if rest.len() < LINE => Answer::More,
            None => Answer::Other,
        },
        0xff => match rest.get(..length.saturating_sub(1)) {
            Some([low, high, text @ ..]) => {
                let code = u16::from_le_bytes([*low, *high]);
                Answer::Said(Said {
                    code: Some(code.into()),
                    ..said(Tone::Bad, format!("MySQL error {code}: {}", line_of(text)))
                })
            }
            Some(_) => Answer::Other,
            None => Answer::More,
        },
        _ => Answer::Other,
    }
}

/// Of a greeting after the version: four bytes of the thread, eight of a challenge, a zero byte, then the lower
/// half of the capabilities, in which `CLIENT_SSL` is 0x0800.
fn mysql_offers_tls(rest: &[u8]) -> Option<bool> {
    let flags = rest.get(13..15)?;
    Some(u16::from_le_bytes([flags[0], flags[1]]) & 0x0800 != 0)
}

/// `Connection.Start` (class 10, method 10) in a frame of channel 0, or the header of the version that it has.
fn amqp(bytes: &[u8]) -> Answer {
    match bytes {
        [1, 0, 0, _, _, _, _, 0, 10, 0, 10, ..] => {
            Answer::Said(said(Tone::Good, "AMQP 0-9-1 Connection.Start"))
        }
        [b'A', b'M', b'Q', b'P', id, major, minor, revision, ..] => Answer::Said(said(
            Tone::Bad,
            format!("AMQP of another version: {id}-{major}-{minor}-{revision}"),
        )),
        _ if bytes.len() < 11 && (may_begin(bytes, &[1, 0, 0]) || may_begin(bytes, b"AMQP")) => {
            Answer::More
        }
        _ => Answer::Other,
    }
}

/// CONNACK with its return code (MQTT 3.1.1 section 3.2).
fn mqtt(bytes: &[u8]) -> Answer {
    let [0x20, 2, _, code, ..] = bytes else {
        let is_start = bytes.len() < 4 && may_begin(bytes, &[0x20, 2]);
        return if is_start {
            Answer::More
        } else {
            Answer::Other
        };
    };
    let (tone, text) = match code {
        0 => (Tone::Good, "connection accepted"),
        1 => (Tone::Bad, "another version of the protocol is wanted"),
        2 => (Tone::Wants, "a client identifier is wanted"),
        3 => (Tone::Bad, "server unavailable"),
        4 => (Tone::Wants, "bad user name or password"),
        5 => (Tone::Wants, "not authorized"),
        _ => (Tone::Bad, "unknown return code"),
    };
    Answer::Said(Said {
        code: Some((*code).into()),
        ..said(tone, format!("MQTT CONNACK {code}: {text}"))
    })
}

/// SMTP and FTP: lines of three digits; the last has a blank after them.
fn coded(bytes: &[u8], welcome: u32, protocol: &str) -> Answer {
    let digits = bytes
        .iter()
        .take(3)
        .take_while(|it| it.is_ascii_digit())
        .count();
    if digits < bytes.len().min(3) {
        return Answer::Other;
    }
    if let Some(mark) = bytes.get(3)
        && ![b' ', b'-', b'\r', b'\n'].contains(mark)
    {
        return Answer::Other;
    }
    if !has_line(bytes) {
        return Answer::More;
    }
    // A server of the other kind greets with the same number.
    let other = super::recognise::recognise(bytes);
    if other.is_some_and(|it| ["SMTP", "FTP"].contains(&it) && it != protocol) {
        return Answer::Other;
    }
    let line = line_of(bytes);
    let code: Option<u32> = line.get(..3).and_then(|it| it.parse().ok());
    let tone = if code == Some(welcome) {
        Tone::Good
    } else {
        Tone::Bad
    };
    Answer::Said(Said {
        code,
        ..said(tone, line)
    })
}

fn imap(bytes: &[u8]) -> Answer {
    let answer = line_that_begins(bytes, &["* OK", "* PREAUTH", "* BYE"]);
    let Answer::Said(mut said) = answer else {
        return answer;
    };
    if said.line.starts_with("* BYE") {
        said.tone = Tone::Bad;
    }
    Answer::Said(said)
}

fn pop3(bytes: &[u8]) -> Answer {
    let answer = line_that_begins(bytes, &["+OK", "-ERR"]);
    let Answer::Said(mut said) = answer else {
        return answer;
    };
    if said.line.starts_with('-') {
        said.tone = Tone::Bad;
    }
    Answer::Said(said)
}

/// RFC 4253 section 4.2: other lines may come before the one with the version.
fn ssh(bytes: &[u8]) -> Answer {
    if super::recognise::recognise(bytes).is_some_and(|it| it != "SSH") {
        return Answer::Other;
    }
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
    let whole = lines.find(|line| line.starts_with(b"SSH-") && line.ends_with(b"\n"));
    match whole {
        Some(line) => Answer::Said(said(Tone::Good, line_of(line))),
        // sshd that is busy says so in a line of its own and closes (MaxStartups).
        None if bytes.starts_with(b"Exceeded MaxStartups")
            || bytes.starts_with(b"Not allowed at this time") =>
        {
            Answer::Said(said(Tone::Bad, line_of(bytes)))
        }
        None => Answer::More,
    }
}
