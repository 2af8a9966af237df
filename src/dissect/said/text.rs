//! Protocols in text: the first line of HTTP (RFC 9112 sections 3 and 4), the greeting of SSH (RFC 4253 section 4.2).

use super::{Said, add, lossy};

/// Reads the beginning of a segment.
pub(super) fn read(data: &[u8]) -> Option<Said> {
    let end = data.iter().take(4096).position(|byte| *byte == b'\n');
    let line = end.map_or(data, |end| &data[..end]);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.starts_with(b"SSH-") {
        let banner = lossy(line);
        return Some(
            Said::new("SSH")
                .saying(banner.clone())
                .with("banner", banner),
        );
    }
    if line.starts_with(b"HTTP/1.") {
        return reply(line);
    }
    request(line, end.map_or(&[], |end| &data[end..]))
}

/// `HTTP/1.1 404 Not Found`
fn reply(line: &[u8]) -> Option<Said> {
    let status = line.get(9..12).filter(|_| line.get(8) == Some(&b' '))?;
    if !status.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let words = lossy(&line[9..]);
    let status = lossy(status);
    Some(Said::new("HTTP").saying(words).with("status", status))
}

/// The methods of RFC 9110 section 9.3, and PATCH (RFC 5789).
const METHODS: &[&str] = &[
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

/// `GET /index.html HTTP/1.1`, and the header field `Host` after it.
fn request(line: &[u8], rest: &[u8]) -> Option<Said> {
    let method = METHODS.iter().find(|method| {
        line.strip_prefix(method.as_bytes())
            .is_some_and(|rest| rest.starts_with(b" "))
    })?;
    let target = &line[method.len() + 1..];
    // A long target may be cut by the segment; otherwise the version is there.
    let target = match target.iter().rposition(|byte| *byte == b' ') {
        Some(end) if target[end..].starts_with(b" HTTP/") => &target[..end],
        None if rest.is_empty() => target,
        _ => return None,
    };
    let target = lossy(target);
    let mut said = Said::new("HTTP")
        .with("method", *method)
        .with("target", target.clone());
    let mut words = format!("{method} {target}");
    if let Some(host) = host(rest) {
        add(&mut words, format_args!(" (host {host})"));
        // Without the port.
        let name = match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host.as_str(),
        };
        said = said.naming(name).with("host", host.clone());
    }
    Some(said.saying(words))
}

fn host(headers: &[u8]) -> Option<String> {
    const MOST_FIELDS: usize = 64;
    for line in headers.split(|byte| *byte == b'\n').take(MOST_FIELDS) {
        let Some((name, value)) = line.split_at_checked(5) else {
            continue;
        };
        if name.eq_ignore_ascii_case(b"host:") {
            return Some(lossy(value.trim_ascii()));
        }
    }
    None
}
