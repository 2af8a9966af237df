//! Numbers that a line marks as errors, and what each is on the systems in question.

use super::super::system::{self, System};
use super::super::{errno, resolver};
use super::words;

/// What a number is on one system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meaning {
    /// The name of the entry: `ECONNREFUSED`.
    pub name: &'static str,
    /// The system on which the number has this meaning.
    pub system: System,
    /// The number as the text has it, without its sign.
    pub number: i32,
}

/// Whose numbers a marker speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mark {
    /// Of the system that reported it, whichever that is.
    Any,
    Bsd,
    Windows,
    /// Of Windows, if it is one of `WinSock`'s; otherwise it is any number.
    WinSock,
}

/// What stands before a number, in lower case and without the punctuation between them.
const MARKERS: &[(&str, Mark)] = &[
    ("errno", Mark::Any),
    ("errno is", Mark::Any),
    ("os error", Mark::Any),
    ("os code", Mark::Any),
    ("oserror", Mark::Any),
    ("system error", Mark::Any),
    ("socketexception", Mark::Any),
    ("delayed connect error", Mark::Any),
    ("mount error", Mark::Any),
    ("_kcfstreamerrorcodekey", Mark::Bsd),
    ("win32exception", Mark::Windows),
    ("winerror", Mark::Windows),
    ("wsagetlasterror", Mark::Windows),
    ("wsa error", Mark::Windows),
    ("error 0", Mark::Bsd),
    ("error", Mark::WinSock),
    ("code", Mark::WinSock),
    ("side", Mark::WinSock),
];

/// The marked numbers of a line, each with its place and its meanings. `in_brackets`: a number in
/// parentheses at the end of a word is one too, as `MySQL` writes it.
pub(super) fn marked(
    line: &str,
    systems: &[System],
    in_brackets: bool,
) -> Vec<(std::ops::Range<usize>, Vec<Meaning>)> {
    let lower = line.to_ascii_lowercase();
    let mut found = Vec::new();
    for range in numbers(&lower) {
        let Some((number, is_negative)) = value(&lower, &range) else {
            continue;
        };
        let before = lower[..range.start].trim_end_matches(|c: char| " =:#([-'\"_".contains(c));
        let before = before.trim_end_matches("()").trim_end_matches(['=', ' ']);
        let mark = mark_of(before, &lower, range.start, range.end, number, in_brackets);
        let Some(mark) = mark else {
            continue;
        };
        // libuv, Node's library: `errno: -104`; there a sign does not mean the resolver.
        let is_libuv = is_negative && lower[..range.start - 1].ends_with("errno: ");
        if let (true, Some((system, name))) = (is_libuv, system::of_libuv(number)) {
            let meaning = Meaning {
                name,
                system,
                number,
            };
            found.push((range, vec![meaning]));
            continue;
        }
        let is_negative = is_negative && !is_libuv;
        let resolves = ["gai", "getaddrinfo", "gethostby", "hostname", "server host"];
        let resolves = resolves.iter().any(|sign| lower.contains(sign));
        let meanings = meanings(number, is_negative, mark, systems, resolves);
        if !meanings.is_empty() {
            found.push((range, meanings));
        }
    }
    found
}

/// What a number is when nothing else is known of it.
pub(super) fn alone(number: i32) -> Vec<Meaning> {
    // Below zero it is what a call of Linux returns, or a code of its resolver.
    let systems: &[System] = if number < 0 { &[System::Linux] } else { &[] };
    let mut found = meanings(
        number.saturating_abs(),
        number < 0,
        Mark::Any,
        systems,
        false,
    );
    found.retain(|meaning| number >= 0 || meaning.system == System::Linux);
    found
}

fn mark_of(
    before: &str,
    lower: &str,
    start: usize,
    end: usize,
    number: i32,
    in_brackets: bool,
) -> Option<Mark> {
    let is_bracketed = lower[..start].trim_end_matches('-').ends_with('(')
        && lower[end..].starts_with([')', ':', ',']);
    let is_winsock = system::errnos(System::Windows, number).len() == 1 && number >= 10_000;
    let marker = MARKERS.iter().find(|(text, _)| ends_in_word(before, text));
    match marker.map(|(_, mark)| *mark) {
        Some(Mark::WinSock) if is_winsock => Some(Mark::Windows),
        // redis-py: `Error 111 connecting to`; Rust: `Os { code: 111`; `NSPOSIXErrorDomain Code=61`.
        Some(Mark::WinSock) if lower[end..].starts_with(" connecting") => Some(Mark::Any),
        Some(Mark::WinSock) if ends_in_word(before, "os { code") => Some(Mark::Any),
        Some(Mark::WinSock) if ends_in_word(before, "nsposixerrordomain code") => Some(Mark::Bsd),
        Some(Mark::WinSock) | None if is_bracketed && is_winsock => Some(Mark::Windows),
        Some(Mark::WinSock) | None if is_bracketed && in_brackets => Some(Mark::Any),
        Some(Mark::WinSock) | None if lower[start..end].starts_with("0x8007") => {
            Some(Mark::Windows)
        }
        Some(Mark::WinSock) | None => None,
        mark => mark,
    }
}

/// Whether a text ends with a word or words, not as a part of a longer one.
fn ends_in_word(text: &str, words: &str) -> bool {
    text.strip_suffix(words)
        .is_some_and(|head| !head.ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_'))
}

/// Where the numbers of a line are, decimal and hexadecimal, not as parts of words.
fn numbers(line: &str) -> Vec<std::ops::Range<usize>> {
    let mut found = words::runs(line);
    found.retain(|range| line[range.clone()].starts_with(|c: char| c.is_ascii_digit()));
    found
}

/// The number, and whether a sign stands before it. A result of COM (0x8007....) has the error of
/// Windows in its lower half.
fn value(lower: &str, range: &std::ops::Range<usize>) -> Option<(i32, bool)> {
    let digits = &lower[range.clone()];
    let number = match digits.strip_prefix("0x") {
        Some(hex) => i32::try_from(u32::from_str_radix(hex, 16).ok()? & 0xffff).ok()?,
        None => digits.parse().ok()?,
    };
    let before = lower[..range.start].strip_suffix('-');
    let is_negative = before.is_some_and(|it| !it.ends_with(|c: char| c.is_ascii_alphanumeric()));
    Some((number, is_negative))
}

/// What a number is, on the systems that the text names; on all of them where it names none.
fn meanings(
    number: i32,
    is_negative: bool,
    mark: Mark,
    systems: &[System],
    resolves: bool,
) -> Vec<Meaning> {
    let mean = |system, names: &[&'static str]| -> Vec<Meaning> {
        let meaning = |name: &&'static str| Meaning {
            name,
            system,
            number,
        };
        names.iter().map(meaning).collect()
    };
    // MicroPython's umqtt and usocket: the stream ended.
    if is_negative && number == 1 && systems.contains(&System::Lwip) {
        return mean(System::Lwip, &["PEER_CLOSED"]);
    }
    let code = resolver::by_number(if is_negative { -number } else { 0 });
    if let Some(code) = code
        && (number < 100 || !systems.contains(&System::Lwip))
    {
        let mut found = mean(System::Linux, &[code.name]);
        if number >= 100 {
            found.extend(errno::by_number(number).map(|it| Meaning {
                name: it.name,
                system: System::Linux,
                number,
            }));
            found.reverse();
        }
        return found;
    }
    if mark == Mark::Windows || number >= 10_000 {
        return mean(System::Windows, system::errnos(System::Windows, number));
    }
    let on = |system: System| -> Vec<Meaning> {
        let own = system::errnos(system, number);
        let of_linux = errno::by_number(number).map(|it| it.name);
        match system {
            _ if !own.is_empty() => mean(system, own),
            // Below 35 they are the same everywhere, but for EAGAIN.
            System::Bsd | System::Windows if number >= 35 || number == 11 => Vec::new(),
            _ => of_linux.map_or(Vec::new(), |name| mean(system, &[name])),
        }
    };
    let all = [System::Linux, System::Bsd, System::Lwip];
    let asked: &[System] = match mark {
        Mark::Bsd => &[System::Bsd],
        _ if systems.is_empty() => &all,
        _ => systems,
    };
    let mut found: Vec<Meaning> = asked.iter().flat_map(|system| on(*system)).collect();
    if resolves && (systems.is_empty() || systems.contains(&System::Bsd)) {
        found.extend(mean(System::Bsd, system::resolver_of_bsd(number)));
    }
    if found.is_empty() {
        found = all.iter().flat_map(|system| on(*system)).collect();
    }
    let mut kept: Vec<Meaning> = Vec::new();
    for meaning in found {
        if !kept.iter().any(|it| it.name == meaning.name) {
            kept.push(meaning);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str, systems: &[System]) -> Vec<&'static str> {
        let found = marked(line, systems, false).into_iter();
        found
            .flat_map(|(_, meanings)| meanings)
            .map(|it| it.name)
            .collect()
    }

    #[test]
    fn a_number_is_what_the_system_of_the_text_says() {
        assert_eq!(names("[Errno 61]", &[]), ["ENODATA", "ECONNREFUSED"]);
        assert_eq!(names("[Errno 61]", &[System::Bsd]), ["ECONNREFUSED"]);
        assert_eq!(names("[Errno 61]", &[System::Linux]), ["ENODATA"]);
        assert_eq!(names("[Errno 113]", &[System::Lwip]), ["ECONNABORTED"]);
        assert_eq!(names("[WinError 10061]", &[]), ["ECONNREFUSED"]);
        assert_eq!(names("WSAGetLastError() = 10038", &[]), ["ENOTSOCK"]);
        assert_eq!(names("HRESULT: 0x80072746", &[]), ["ECONNRESET"]);
        assert_eq!(names("errno: -111,", &[]), ["ECONNREFUSED"]);
        assert_eq!(names("gaierror: [Errno -2]", &[]), ["EAI_NONAME"]);
        assert_eq!(names("  errno: -104,", &[]), ["ECONNRESET"]);
        assert_eq!(names("  errno: -3008,", &[]), ["EAI_NONAME"]);
        assert_eq!(names("  errno: -4077,", &[]), ["ECONNRESET"]);
    }

    #[test]
    fn a_number_without_a_mark_is_none() {
        for line in [
            "listening on port 10061",
            "page 111",
            "code 111",
            "error 111",
            "exited with code 1",
            "errno111",
        ] {
            assert_eq!(names(line, &[]), Vec::<&str>::new(), "{line}");
        }
    }
}
