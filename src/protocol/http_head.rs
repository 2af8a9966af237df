//! The head of an HTTP/1 message: its first line, and where its body ends (RFC 9112 sections 3, 4 and 6).

/// The fields of a head that say where its body ends, and how it is packed.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) length: Option<u64>,
    pub(super) is_chunked: bool,
    pub(super) coding: String,
}

impl Fields {
    /// `None` if they contradict each other.
    pub(super) fn read<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Fields> {
        let mut fields = Fields::default();
        let mut transfer = None;
        for line in lines {
            let Some(colon) = line.iter().position(|byte| *byte == b':') else {
                continue;
            };
            let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
            let value = std::str::from_utf8(value).unwrap_or_default();
            if name.eq_ignore_ascii_case(b"content-length") {
                // The same number again is allowed (RFC 9110 section 8.6).
                for number in value.split(',') {
                    let number = number.trim();
                    let is_number =
                        !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit());
                    let number = number.parse().ok().filter(|_| is_number)?;
                    if fields
                        .length
                        .replace(number)
                        .is_some_and(|other| other != number)
                    {
                        return None;
                    }
                }
            } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
                transfer = Some(value);
            } else if name.eq_ignore_ascii_case(b"content-encoding") {
                fields.coding = last_coding(value);
            }
        }
        if let Some(transfer) = transfer {
            // It goes before a length (RFC 9112 section 6.3).
            fields.length = None;
            let mut codings = transfer
                .rsplit(',')
                .map(|it| it.trim().to_ascii_lowercase());
            fields.is_chunked = codings.next().as_deref() == Some("chunked");
            if fields.is_chunked
                && let Some(under) = codings.next()
            {
                fields.coding = under;
            }
        }
        Some(fields)
    }
}

fn last_coding(value: &str) -> String {
    let last = value.rsplit(',').next().unwrap_or_default().trim();
    match last.to_ascii_lowercase().as_str() {
        "identity" => String::new(),
        "x-gzip" => "gzip".to_owned(),
        coding => coding.to_owned(),
    }
}

/// Whether a head ends here: with an empty line.
pub(super) fn ends_with_empty_line(head: &[u8]) -> bool {
    let line = head.strip_suffix(b"\n").unwrap_or(head);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    line.is_empty() || line.ends_with(b"\n")
}

/// Whether a message begins here: a line of a request or a reply.
pub(super) fn begins_message(bytes: &[u8]) -> bool {
    let end = bytes.iter().position(|byte| *byte == b'\n');
    let line = bytes[..end.unwrap_or(bytes.len())].trim_ascii_end();
    if bytes.starts_with(b"HTTP/1.") {
        return true;
    }
    match end {
        Some(_) => request_line(line).is_some(),
        None => method(line).is_some(),
    }
}

/// `HTTP/1.1 404 Not Found`
pub(super) fn status(line: &[u8]) -> Option<u16> {
    let rest = line.strip_prefix(b"HTTP/1.")?;
    let (&[b'0' | b'1', b' '], rest) = rest.split_first_chunk()? else {
        return None;
    };
    let digits = rest.first_chunk::<3>()?;
    let is_end = matches!(rest.get(3), None | Some(b' '));
    let is_number = digits.iter().all(u8::is_ascii_digit);
    std::str::from_utf8(digits)
        .ok()?
        .parse()
        .ok()
        .filter(|_| is_number && is_end)
}

/// `GET /index.html HTTP/1.1`
pub(super) fn request_line(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let (method, rest) = method(line)?;
    let end = rest.iter().rposition(|byte| *byte == b' ')?;
    rest[end..]
        .starts_with(b" HTTP/1.")
        .then(|| (method, &rest[..end]))
}

/// A method, in capital letters, and what follows (RFC 9110 section 9.1).
fn method(line: &[u8]) -> Option<(&[u8], &[u8])> {
    const LONGEST: usize = 20;
    let end = line.iter().take(LONGEST).position(|byte| *byte == b' ')?;
    let method = &line[..end];
    let is_method = !method.is_empty()
        && method
            .iter()
            .all(|byte| byte.is_ascii_uppercase() || matches!(byte, b'-' | b'_'));
    is_method.then(|| (method, &line[end + 1..]))
}
