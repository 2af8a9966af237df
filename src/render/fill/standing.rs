//! The queues as bars, the windows and timers, the verdict.

use std::io;

use super::{Page, bytes, time};
use crate::diagnose::{Block, Finding};
use crate::fill::{Balance, End, Report, Sample, Stop, Variant};
use crate::render::finding;
use crate::render::sockets::{Sheet, netstat, text};
use crate::render::{Paint, thousands};
use crate::sockets::{Socket, TimerKind};

/// Columns that a full bar takes at most, and those that stand in front of it.
const BAR: usize = 40;
const BEFORE: usize = 38;

/// The answer in a few lines: the verdict's headline, both queues with their limits, whether they hold
/// all that was accepted, and what to do next. `listed`: the receiver is another program's and on this
/// host, so that its row follows.
pub fn summary(page: &mut Page<'_>, report: &Report, listed: bool) -> io::Result<()> {
    let Some(sample) = &report.settled else {
        return Ok(());
    };
    if let Some(finding) = &report.verdict {
        let paint = finding::paint(finding.severity);
        let word = finding.severity.word().to_ascii_uppercase();
        let word = page.style.paint(paint, word).to_string();
        page.wrapped("", &word, &finding.headline)?;
    }
    let title = match report.stop {
        Stop::Settled | Stop::Limit => "Where the bytes are now",
        _ => "Where the bytes are, still moving",
    };
    writeln!(page.out, "\n{}", page.style.paint(Paint::Bold, title))?;
    let queues = shown(sample, report.variant);
    let most = queues.into_iter().flatten().max().unwrap_or(0);
    let buffers = [
        sample.sender.send_buffer,
        sample.receiver.as_ref().and_then(|end| end.recv_buffer),
    ];
    let terminal = page.width.map_or(usize::MAX, usize::from);
    let room = terminal.saturating_sub(BEFORE).min(BAR);
    for ((label, count), buffer) in ["Send-Q", "Recv-Q"].into_iter().zip(queues).zip(buffers) {
        let limit = buffer.map_or_else(|| "?".to_owned(), thousands);
        if let Some(count) = count {
            let (figure, bar) = (thousands(count), bar(count, most, room));
            let is_over = buffer.is_some_and(|buffer| count > buffer);
            let of = if is_over { "over" } else { "of" };
            let of = format!("{of}{limit:>room$}", room = OF - of.len());
            writeln!(page.out, "  {label}  {figure:>11} {of}  {bar}")?;
        } else {
            let why = why_unknown(report, listed);
            page.wrapped("  ", &format!("{label}      unknown "), why)?;
        }
    }
    if report.variant == Variant::Tcp && buffers[0].is_some() && queues[0] > buffers[0] {
        page.line(OVER_SNDBUF)?;
    }
    page.line(&account(report, sample))?;
    if report.both_ends && report.verdict.is_some() {
        let next = "sockdoc sockets --problems (on a real server, it finds the process)";
        let word = page.style.paint(Paint::Bold, "next:").to_string();
        return page.wrapped("  ", &word, next);
    }
    Ok(())
}

/// The columns of `of` and the buffer's size.
const OF: usize = 14;

/// `tcp_sendmsg_locked()` asks `sk_stream_memory_free()` before it allocates a segment, not after.
const OVER_SNDBUF: &str = "the Send-Q may exceed SO_SNDBUF: the kernel checks the limit before it adds a segment, \
                           of up to 64 KiB, to the queue";

/// Why the kernel does not tell how full a queue is.
fn why_unknown(report: &Report, listed: bool) -> &'static str {
    match (report.both_ends, listed) {
        (true, _) => "the kernel reports only the size of the next datagram",
        (false, true) => "held by the server on this host; see its row below",
        (false, false) => "held by the server; check on its host",
    }
}

/// The two queues as they are shown: if the kernel does not report the payload, the memory that it takes.
fn shown(sample: &Sample, variant: Variant) -> [Option<u64>; 2] {
    let memory = |end: &End| end.memory?.rmem_alloc_bytes.map(u64::from);
    let receiver = sample.receiver.as_ref();
    let recv = match variant {
        Variant::Udp => receiver.and_then(memory),
        _ => receiver.and_then(|end| end.recv_queue),
    };
    [sample.sender.send_queue, recv]
}

fn account(report: &Report, sample: &Sample) -> String {
    let accepted = report.timeline.bytes();
    let all = thousands(accepted);
    let figure = |count: Option<u64>| count.map_or_else(|| "?".to_owned(), thousands);
    let recv = sample.receiver.as_ref().and_then(|end| end.recv_queue);
    let sender = &sample.sender;
    let sum = match report.variant {
        Variant::Tcp if report.both_ends => format!(
            "{} in the Send-Q + {} in the Recv-Q + 0 read",
            figure(sender.send_queue),
            figure(recv)
        ),
        Variant::Tcp => format!(
            "{} acknowledged by the server + {} in the Send-Q",
            figure(sender.acknowledged()),
            figure(sender.send_queue)
        ),
        Variant::UnixStreams => format!(
            "{} in the Recv-Q + 0 read (the Send-Q is their memory, truesize)",
            figure(recv)
        ),
        Variant::Udp if sample.receiver.is_none() => {
            return "only the receiver can tell what arrived".to_owned();
        }
        Variant::Udp => {
            return "Recv-Q counts memory (truesize), not payload: each datagram takes more than its \
                    bytes"
                .to_owned();
        }
        Variant::UnixDatagrams => {
            return "Send-Q counts memory (truesize) held in the receiver's queue until it is read"
                .to_owned();
        }
    };
    match sample.balance(report.variant, accepted, 0) {
        Balance::Holds => format!("{all} accepted = {sum}: nothing is lost"),
        Balance::Off(_) if report.conserved().is_none() => {
            format!("{all} accepted; {sum}; the sum is valid only in the steady state")
        }
        Balance::Off(by) => format!("{all} accepted, but {sum}: OFF BY {by} BYTES"),
        Balance::Unknown => format!("{all} accepted; the kernel does not report the rest"),
    }
}

/// A bar of `width` columns for the most, in eighths of a column; what is above 0 always shows.
fn bar(count: u64, most: u64, width: usize) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let whole = width as u128 * 8;
    let eighths = match most {
        0 => 0,
        most => (u128::from(count) * whole / u128::from(most)).max(u128::from(count > 0)),
    };
    // At most the width.
    #[allow(clippy::cast_possible_truncation)]
    let (full, rest) = ((eighths / 8) as usize, (eighths % 8) as usize);
    format!("{}{}", "█".repeat(full), EIGHTHS[rest])
}

/// The rows of the sockets, as `netstat -an` prints them; Unix sockets, of which netstat prints no
/// queues, as `sockdoc sockets` does.
pub fn rows(page: &mut Page<'_>, variant: Variant, sheet: &Sheet<'_>) -> io::Result<()> {
    if sheet.shown.is_empty() {
        return Ok(());
    }
    let (title, unix) = match variant {
        Variant::Tcp | Variant::Udp => ("The same sockets in netstat -an", false),
        _ => ("The same sockets in sockdoc sockets -x", true),
    };
    writeln!(page.out, "\n{}", page.style.paint(Paint::Bold, title))?;
    if !unix {
        return netstat::write(
            page.out,
            sheet,
            netstat::Asked::All,
            netstat::Programs::Hidden,
        );
    }
    let layout = text::Layout {
        width: page.width,
        style: page.style,
        ..text::Layout::default()
    };
    text::write(page.out, sheet, &layout)
}

/// What TCP knows of both ends.
pub fn windows(page: &mut Page<'_>, report: &Report, sender: Option<&Socket>) -> io::Result<()> {
    let Some(sample) = &report.settled else {
        return Ok(());
    };
    let Some(tcp) = &sample.sender.tcp else {
        return Ok(());
    };
    let wide = |count: Option<u32>| bytes(count.map(u64::from));
    let mut rows = vec![(
        "sender may send",
        format!("{} (tcpi_snd_wnd)", wide(tcp.snd_wnd_bytes)),
    )];
    let receiver = sample.receiver.as_ref();
    if let Some(tcp) = receiver.and_then(|end| end.tcp.as_ref()) {
        rows.push((
            "receiver offers",
            format!("{} (tcpi_rcv_wnd)", wide(tcp.rcv_wnd_bytes)),
        ));
    }
    rows.push((
        "not sent yet",
        format!(
            "{} of the Send-Q (tcpi_notsent_bytes)",
            wide(tcp.notsent_bytes)
        ),
    ));
    if let Some(text) = sender.and_then(|socket| persist(socket, tcp.backoff)) {
        rows.push(("persist timer", text));
    }
    if let (Some(limited), Some(busy @ 1..)) = (tcp.rwnd_limited_us, tcp.busy_time_us) {
        rows.push((
            "limited by window",
            format!(
                "{} of {} busy milliseconds: {} % (tcpi_rwnd_limited)",
                limited / 1000,
                busy / 1000,
                limited.saturating_mul(100) / busy
            ),
        ));
    }
    rows.push(("buffers now", buffers(sample)));
    page.section("Windows and timers", &rows)
}

fn persist(socket: &Socket, backoff: Option<u8>) -> Option<String> {
    let timer = socket
        .timer
        .filter(|timer| timer.kind == TimerKind::Persist)?;
    let next = time(std::time::Duration::from_millis(timer.expires_ms.into()));
    let doubled = match backoff? {
        0 => "not doubled yet".to_owned(),
        1 => "doubled once".to_owned(),
        often => format!("doubled {often} times"),
    };
    Some(format!(
        "next window probe in {next}, {doubled} (tcpi_backoff)"
    ))
}

fn buffers(sample: &Sample) -> String {
    let send = format!("SO_SNDBUF {}", bytes(sample.sender.send_buffer));
    match &sample.receiver {
        Some(end) => format!("{send}, SO_RCVBUF {}", bytes(end.recv_buffer)),
        None => send,
    }
}

/// The verdict: the finding about the sender, with its evidence.
pub fn verdict(
    page: &mut Page<'_>,
    finding: Option<&Finding>,
    sheet: &Sheet<'_>,
) -> io::Result<()> {
    let Some(finding) = finding else {
        return Ok(());
    };
    let title = "Verdict, with its evidence";
    writeln!(page.out, "\n{}", page.style.paint(Paint::Bold, title))?;
    let layout = finding::Layout {
        style: page.style,
        width: page.width,
        verbose: false,
    };
    let block = Block {
        finding: finding.clone(),
        effects: Vec::new(),
    };
    finding::write(page.out, &block, sheet, layout)
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{report, written};
    use super::*;

    #[test]
    fn bars_are_in_proportion_and_what_is_there_shows() {
        assert_eq!(bar(40, 40, 4), "████");
        assert_eq!(bar(20, 40, 4), "██");
        assert_eq!(bar(1, 1_000_000, 4), "▏");
        assert_eq!(bar(0, 40, 4), "");
        assert_eq!(bar(0, 0, 4), "");
        assert_eq!(bar(u64::MAX, u64::MAX, 40), "█".repeat(40));
    }

    #[test]
    fn the_queues_add_up_to_what_was_accepted_or_are_said_not_to() {
        let mut report = report();
        let text = written(|page| summary(page, &report, false));
        assert!(
            text.contains("  Send-Q    3,782,144 of           ?  ████"),
            "{text}"
        );
        assert!(
            text.contains("  Recv-Q      128,512 of           ?  █▎\n"),
            "{text}"
        );
        let sum = "3,910,656 accepted = 3,782,144 in the Send-Q + 128,512 in the Recv-Q + 0 read: \
                   nothing is lost";
        assert!(text.contains(sum), "{text}");
        let settled = report.settled.as_mut().unwrap();
        settled.receiver.as_mut().unwrap().recv_queue = Some(128_511);
        let text = written(|page| summary(page, &report, false));
        assert!(text.contains("OFF BY 1 BYTES"), "{text}");
    }

    #[test]
    fn a_queue_above_its_buffer_is_not_a_part_of_it() {
        let mut report = report();
        report.settled.as_mut().unwrap().sender.send_buffer = Some(8_192);
        let text = written(|page| summary(page, &report, false));
        assert!(text.contains("3,782,144 over     8,192  ███"), "{text}");
        assert!(
            text.contains("\n  the Send-Q may exceed SO_SNDBUF: "),
            "{text}"
        );
        let text = text.lines().find(|line| line.contains("Recv-Q")).unwrap();
        assert!(text.contains("128,512 of           ?  █▎"), "{text}");
    }

    #[test]
    fn a_receiver_that_is_another_programs_is_unknown_and_not_nothing() {
        let mut report = report();
        report.both_ends = false;
        report.settled.as_mut().unwrap().receiver = None;
        let text = written(|page| summary(page, &report, false));
        assert!(text.contains("Recv-Q      unknown"), "{text}");
        assert!(
            text.contains("= 128,512 acknowledged by the server + 3,782,144 in the Send-Q"),
            "{text}"
        );
    }
}
