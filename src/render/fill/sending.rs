//! The limits, the sends, the first `EWOULDBLOCK`.

use std::io;

use super::{Page, bytes, errno, time};
use crate::fill::report::{Buffer, Limits};
use crate::fill::timeline::Entry;
use crate::fill::{Mode, Plan, Report, Stop, Variant};
use crate::reference::no_room;
use crate::render::table::Table;
use crate::render::{counted, thousands};

/// The first line: sender, receiver and mode. `receiver`: what is known of the other end.
pub fn title(
    page: &mut Page<'_>,
    variant: Variant,
    both: bool,
    ends: &[String; 2],
) -> io::Result<()> {
    let what = match (variant, both) {
        (Variant::Tcp, true) => "A client sends to a server that does not read",
        (Variant::Tcp, false) => "A client sends to a server as fast as the server accepts",
        (Variant::Udp, true) => "A client sends datagrams to a socket that is not read",
        (Variant::Udp, false) => "A client sends datagrams",
        (Variant::UnixStreams, _) => {
            "One end of a pair of unix sockets sends, the other does not read"
        }
        (Variant::UnixDatagrams, _) => {
            "One end of a pair of unix datagram sockets sends, the other does not read"
        }
    };
    let [from, to] = ends;
    if from.is_empty() {
        page.title(what)
    } else {
        page.title(&format!("{what}: {from} -> {to}"))
    }
}

/// What bounds the buffers.
pub fn limits(page: &mut Page<'_>, limits: &Limits, variant: Variant) -> io::Result<()> {
    let mut rows = Vec::new();
    if let Some(name) = &limits.congestion {
        rows.push(("congestion control", name.clone()));
    }
    let tuned = variant == Variant::Tcp;
    rows.push((
        "send buffer",
        buffer(limits.send_buffer, "SO_SNDBUF", tuned),
    ));
    rows.push(match limits.recv_buffer {
        Some(of) => ("receive buffer", buffer(of, "SO_RCVBUF", tuned)),
        None => ("receive buffer", "unknown: set by the server".to_owned()),
    });
    if let Some(lowat) = limits.lowat {
        let lowat = bytes(Some(lowat.into()));
        rows.push((
            "TCP_NOTSENT_LOWAT",
            format!("with {lowat} unsent the buffer counts as full"),
        ));
    }
    if let Some(timeout) = limits.user_timeout {
        rows.push(("TCP_USER_TIMEOUT", time(timeout)));
    }
    for (index, (name, value)) in limits.sysctls.iter().enumerate() {
        let label = if index == 0 { "sysctls" } else { "" };
        rows.push((label, format!("{name} = {value}")));
    }
    page.section("Limits", &rows)
}

fn buffer(buffer: Buffer, option: &str, tuned: bool) -> String {
    let got = bytes(buffer.got);
    match buffer.asked {
        Some(asked) if buffer.got < asked.checked_mul(2) => format!(
            "{got} ({option}): set to {}, capped by the kernel",
            thousands(asked)
        ),
        Some(asked) => format!("{got} ({option}): set to {}", thousands(asked)),
        None if tuned => format!("{got} ({option}): not set; auto-tuned by the kernel"),
        None => format!("{got} ({option}): the default"),
    }
}

/// Lines of the timeline at its beginning and at its end that are shown, if it is long.
const HEAD: usize = 8;
const TAIL: usize = 4;

/// The sends, and what ended them. Of a long timeline the middle is left out, if not `all` is wanted.
pub fn sends(page: &mut Page<'_>, report: &Report, all: bool) -> io::Result<()> {
    let plan = &report.plan;
    let how = match plan.mode {
        Mode::NonBlocking => "without blocking (O_NONBLOCK)".to_owned(),
        Mode::Blocking => format!("blocking, SO_SNDTIMEO {}", time(plan.settle)),
        Mode::Poll => "after poll() said POLLOUT".to_owned(),
    };
    let each = bytes(Some(plan.chunk as u64));
    let title = format!("Sends: {each} each, {how}");
    writeln!(page.out)?;
    page.title(&title)?;
    let timeline = &report.timeline;
    let entries = timeline.entries();
    let mut table = Table::new().indent(2).right(2).right(3);
    let shown = if all { entries.len() } else { HEAD + TAIL };
    let hidden = entries.len().saturating_sub(shown);
    for (index, entry) in entries.iter().enumerate() {
        if hidden > 1 && (HEAD..HEAD + hidden).contains(&index) {
            if index == HEAD {
                let more = format!("{} more such lines (-v)", thousands(hidden as u64));
                table.row(&["...", &more]);
            }
            continue;
        }
        table.row(&line(entry, plan));
    }
    if timeline.omitted() > 0 {
        let more = format!("{} more, not kept", thousands(timeline.omitted()));
        table.row(&["...", &more]);
    }
    table.write(page.out, page.width)?;
    page.line(&stopped(report))
}

fn line(entry: &Entry, plan: &Plan) -> [String; 4] {
    match *entry {
        Entry::Sends {
            first,
            count,
            asked,
            took,
            total,
            at,
        } => {
            let number = match count {
                1 => format!("#{}", thousands(first)),
                _ => format!("#{}..#{}", thousands(first), thousands(first + count - 1)),
            };
            let what = if entry.is_partial() {
                let (took, asked) = (thousands(took as u64), thousands(asked as u64));
                format!("{took} of {asked}: partial")
            } else {
                let each = if count == 1 { "" } else { " each" };
                format!("{}{each}", thousands(took as u64))
            };
            [
                number,
                what,
                format!("{} in all", thousands(total)),
                time(at),
            ]
        }
        Entry::NoRoom { sends, bytes, at } => {
            let what = match plan.mode {
                Mode::NonBlocking => "EWOULDBLOCK".to_owned(),
                Mode::Blocking => "EWOULDBLOCK: timed out".to_owned(),
                Mode::Poll => "no POLLOUT".to_owned(),
            };
            let number = format!("#{}", thousands(sends + 1));
            [
                number,
                what,
                format!("{} in all", thousands(bytes)),
                time(at),
            ]
        }
    }
}

fn stopped(report: &Report) -> String {
    let all = format!(
        "{} in {}",
        bytes(Some(report.timeline.bytes())),
        counted(report.timeline.sends(), "send")
    );
    match report.stop {
        Stop::Settled => format!(
            "steady state: no bytes accepted for {}; {all}",
            time(report.plan.settle)
        ),
        Stop::Limit if report.variant == Variant::Udp => format!("all sent, no error: {all}"),
        Stop::Limit => format!("stopped at the limit: {all}"),
        Stop::TimeUp if report.timeline.omitted() == 0 => format!(
            "stopped after {}, before the steady state; bytes were accepted until {}: {all}",
            time(report.lasted),
            report
                .timeline
                .last_accepted()
                .map_or_else(|| "never".to_owned(), time)
        ),
        Stop::TimeUp => format!(
            "stopped after {}; the receiver was still accepting bytes: {all}",
            time(report.lasted)
        ),
        Stop::Failed(number) => format!("failed with {}; {all}", errno(number)),
        Stop::Interrupted => format!("interrupted after {}: {all}", time(report.lasted)),
    }
}

/// When `poll()` says writable: what the kernel asks (`sk_stream_is_writeable`,
/// `__tcp_stream_memory_free` and `unix_writable`).
fn writable_means(report: &Report) -> &'static str {
    match report.variant {
        Variant::Tcp if report.limits.lowat.is_some() => {
            "poll() says writable only while less than half of --lowat is not sent yet; send() itself \
             would have taken up to the whole. With --mode nonblock it is asked."
        }
        Variant::Tcp | Variant::Udp => {
            "poll() says writable only while a third of the send buffer is free; send() itself would \
             still have taken some. With --mode nonblock it is asked."
        }
        Variant::UnixStreams | Variant::UnixDatagrams => {
            "poll() says writable only while no more than a quarter of the send buffer is in use; send() \
             itself would still have taken some. With --mode nonblock it is asked."
        }
    }
}

/// The first time that there was no room, in the words of each language.
pub fn first_block(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let Some(Entry::NoRoom { sends, bytes, at }) = report.timeline.first_block() else {
        return Ok(());
    };
    let so_far = format!(
        "after {} and {}, {}",
        counted(*sends, "send"),
        super::bytes(Some(*bytes)),
        time(*at)
    );
    if report.plan.mode == Mode::Poll {
        let title = format!("No POLLOUT {so_far}");
        return page.section(&title, &[("means", writable_means(report).to_owned())]);
    }
    let rows: Vec<(&str, String)> = no_room::SEEN
        .iter()
        .map(|seen| (seen.language, seen.text()))
        .collect();
    page.section(&format!("The first EWOULDBLOCK, {so_far}"), &rows)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{report, written};
    use super::*;

    #[test]
    fn the_sends_are_lines_with_their_sum_and_the_partial_one_is_marked() {
        let report = report();
        assert_eq!(
            written(|page| sends(page, &report, false)),
            "\nSends: 65,536 bytes each, without blocking (O_NONBLOCK)\n  \
               #1..#59  65,536 each                3,866,624 in all  59 ms\n  \
               #60      44,032 of 65,536: partial  3,910,656 in all  60 ms\n  \
               #61      EWOULDBLOCK                3,910,656 in all  61 ms\n  \
               steady state: no bytes accepted for 500 ms; 3,910,656 bytes in 60 sends\n"
        );
    }

    #[test]
    fn of_a_long_timeline_the_middle_is_counted() {
        let mut report = report();
        for at in 0..500_u16 {
            let took = 100 + usize::from(at);
            report
                .timeline
                .sent(1_000, took, std::time::Duration::from_secs(1));
        }
        let text = written(|page| sends(page, &report, false));
        assert!(text.contains("491 more such lines (-v)"), "{text}");
        assert!(text.lines().count() < 20, "{text}");
        let whole = written(|page| sends(page, &report, true));
        assert_eq!(whole.lines().count(), 3 + 503, "{whole}");
    }

    #[test]
    fn the_first_block_is_told_as_each_language_meets_it() {
        let text = written(|page| first_block(page, &report()));
        assert!(
            text.contains("after 60 sends and 3,910,656 bytes"),
            "{text}"
        );
        assert!(text.contains("errno 11"), "{text}");
        assert!(
            text.contains("BlockingIOError: [Errno 11] Resource temporarily unavailable"),
            "{text}"
        );
    }

    #[test]
    fn what_was_asked_for_stands_beside_what_was_got() {
        let limits_of = |asked| Limits {
            congestion: Some("cubic".to_owned()),
            send_buffer: Buffer {
                asked,
                got: Some(8_192),
            },
            recv_buffer: None,
            ..Limits::default()
        };
        let text = written(|page| limits(page, &limits_of(Some(4_096)), Variant::Tcp));
        assert!(
            text.contains("8,192 bytes (SO_SNDBUF): set to 4,096"),
            "{text}"
        );
        assert!(text.contains("unknown: set by the server"), "{text}");
        let text = written(|page| limits(page, &limits_of(None), Variant::Tcp));
        assert!(text.contains("auto-tuned by the kernel"), "{text}");
    }

    #[test]
    fn nothing_is_wider_than_a_terminal() {
        let report = report();
        for width in [60, 80] {
            let mut out = Vec::new();
            let mut page = Page {
                out: &mut out,
                style: crate::render::Style::new(false),
                width: Some(width),
            };
            sends(&mut page, &report, false).unwrap();
            first_block(&mut page, &report).unwrap();
            let text = String::from_utf8(out).unwrap();
            for line in text.lines().filter(|line| line.starts_with("  #")) {
                assert!(line.chars().count() <= usize::from(width), "{line}");
            }
        }
    }
}
