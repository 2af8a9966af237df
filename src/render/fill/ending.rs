//! The watch, the close, the drain, the datagrams.

use std::io;

use super::{Page, bytes, errno, time};
use crate::fill::report::{CloseKind, Closed, Datagrams};
use crate::fill::{DrainEnd, Draining, Holding, Report, Variant};
use crate::render::{Paint, thousands};

/// The persist timer, as it was watched.
pub fn holding(page: &mut Page<'_>, report: &Report, holding: &Holding) -> io::Result<()> {
    let mut rows: Vec<(String, String)> = holding
        .probes()
        .iter()
        .map(|probe| {
            let next = time(probe.next_in);
            let text = format!(
                "window probe; the next one in {next} (backoff {})",
                probe.backoff
            );
            (format!("after {}", time(probe.at)), text)
        })
        .collect();
    let taken = holding.acknowledged().filter(|bytes| *bytes > 0);
    if let Some(number) = holding.failed {
        rows.push((
            format!("after {}", time(holding.lasted)),
            format!("the connection ended: {}", errno(number)),
        ));
    } else if rows.is_empty() && taken.is_none() {
        let text = match holding.first() {
            Some(first) => format!("no probe yet: the timer expires in {}", time(first.next_in)),
            None => "no change".to_owned(),
        };
        rows.push((String::new(), text));
    }
    if let Some(taken) = taken {
        let text = format!("{} more: the receiver reads", bytes(Some(taken)));
        rows.push(("acknowledged".to_owned(), text));
    }
    if holding.interrupted {
        rows.push((String::new(), "interrupted".to_owned()));
    }
    let rows: Vec<(&str, String)> = rows
        .iter()
        .map(|(at, text)| (at.as_str(), text.clone()))
        .collect();
    let lasted = time(holding.lasted);
    let title = if report.both_ends {
        format!("Held for {lasted}: not read")
    } else {
        format!("Held for {lasted}")
    };
    page.section(&title, &rows)
}

/// What datagrams were counted.
pub fn datagrams(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let Some(counted) = &report.datagrams else {
        return Ok(());
    };
    let rows = match report.variant {
        Variant::Udp => dropped(report, counted),
        _ => unix_datagrams(counted),
    };
    let title = match report.variant {
        Variant::Udp => "Datagrams sent, received and dropped",
        _ => "Other limits of Unix datagrams",
    };
    page.section(title, &rows)
}

fn dropped(report: &Report, counted: &Datagrams) -> Vec<(&'static str, String)> {
    let mut rows = vec![(
        "sent",
        format!(
            "{}, each without an error",
            thousands(report.timeline.sends())
        ),
    )];
    if let Some(draining) = &report.draining {
        rows.push(("received", thousands(draining.reads())));
    }
    if let Some(drops) = counted.dropped {
        let text = "at the receiver's socket, silently (SK_MEMINFO_DROPS)";
        rows.push(("dropped", format!("{} {text}", thousands(drops))));
    }
    if let Some(errors) = counted.rcvbuf_errors {
        let text = "on this host meanwhile (RcvbufErrors: nstat -az | grep Udp)";
        rows.push(("", format!("{} {text}", thousands(errors))));
    }
    rows
}

fn unix_datagrams(counted: &Datagrams) -> Vec<(&'static str, String)> {
    let mut rows = Vec::new();
    if let Some(taken) = counted.named_receiver {
        rows.push((
            "a receiver with a name",
            format!(
                "accepts {}, then the sender waits (net.unix.max_dgram_qlen)",
                thousands(taken)
            ),
        ));
    }
    if let Some((size, number)) = counted.oversize {
        rows.push((
            "a datagram too large",
            format!("{}: {}", bytes(Some(size as u64)), errno(number)),
        ));
    }
    rows
}

/// What a close does to the bytes in the queues.
pub fn closed(page: &mut Page<'_>, report: &Report, closed: &Closed) -> io::Result<()> {
    let mut rows = Vec::new();
    let title = match closed.kind {
        CloseKind::Normal => {
            rows.push(("means", after_close(report)));
            "The sender calls close()"
        }
        CloseKind::Linger0 => {
            let lost = match closed.queued {
                Some(0) => "nothing is queued".to_owned(),
                queued => format!("the {} of the Send-Q are discarded", bytes(queued)),
            };
            let text = format!("{lost}, and the receiver gets RST");
            rows.push(("means", text));
            "The sender calls close() with SO_LINGER of 0 seconds"
        }
        CloseKind::Unread => {
            for (label, number) in ["next send()", "and after it"]
                .into_iter()
                .zip(&closed.writer)
            {
                rows.push((label, errno(*number)));
            }
            let means = match report.variant {
                Variant::Tcp => {
                    "closing with unread data sends RST instead of FIN: queued data is lost, and \
                    the sender gets an error on its next call"
                }
                _ => {
                    "closing with unread data gives the sender an error on its next call; queued \
                    data is lost"
                }
            };
            rows.push(("means", means.to_owned()));
            "The receiver calls close() with unread data"
        }
    };
    page.section(title, &rows)
}

/// What remains after `close()`.
fn after_close(report: &Report) -> String {
    let Some(sample) = &report.settled else {
        return "close() returned at once".to_owned();
    };
    let sender = &sample.sender;
    match (report.variant, sender.send_queue, sender.recv_queue) {
        (Variant::UnixStreams, ..) => {
            "close() returned at once; all data is already queued at the receiver".to_owned()
        }
        // RFC 2525 section 2.17 and RFC 9293 section 3.6.1.
        (_, queued, Some(1..)) if queued > Some(0) => format!(
            "some of the server's data was never read here, so close() sent RST: the {} of the Send-Q \
             are lost",
            bytes(queued)
        ),
        (_, Some(0), _) => "close() returned at once; nothing was queued".to_owned(),
        (_, queued, _) => format!(
            "close() returned at once; the kernel still holds the {} of the Send-Q and keeps \
             sending them as the receiver reads",
            bytes(queued)
        ),
    }
}

/// What remains if the receiver is not ours or does not read.
pub fn left(page: &mut Page<'_>, report: &Report) -> io::Result<()> {
    let sum = format!(
        "{}, CRC-32 {:08x}",
        bytes(Some(report.timeline.bytes())),
        report.checksum
    );
    if report.both_ends || report.closed.is_some() || report.variant.is_datagram() {
        return page.section("Not drained", &[("sent", sum)]);
    }
    let closed = if report.connection_failed() {
        "the connection has ended: queued data is lost".to_owned()
    } else {
        after_close(report)
    };
    let sent = format!("{sum}; compare this with what the server read");
    page.section(
        "Not drained: the server reads, not this command",
        &[("sent", sent), ("closed", closed)],
    )
}

/// What the receiver read at last, and whether it is what was sent.
pub fn drain(page: &mut Page<'_>, report: &Report, draining: &Draining) -> io::Result<()> {
    let mut rows = Vec::new();
    if let Some(writable) = draining.writable_after() {
        let left = match writable.send_queue {
            Some(left) => format!("; the Send-Q had fallen to {}", bytes(Some(left))),
            None => String::new(),
        };
        rows.push((
            "writable again",
            match writable.after {
                0 => "always: poll() reported POLLOUT before anything was read".to_owned(),
                after => format!("after {} were read (POLLOUT){left}", bytes(Some(after))),
            },
        ));
    }
    let sum = |sum: u32| format!("CRC-32 {sum:08x}");
    let total = report.timeline.bytes();
    rows.push((
        "sent",
        format!("{}, {}", bytes(Some(total)), sum(report.checksum)),
    ));
    let how = match draining.end() {
        Some(DrainEnd::Failed(number)) => format!(", then {}", errno(number)),
        Some(DrainEnd::Silence) => ", then nothing more and no end of file".to_owned(),
        Some(DrainEnd::Interrupted) => ", then interrupted".to_owned(),
        _ => String::new(),
    };
    rows.push((
        "received",
        format!(
            "{}, {}{how}",
            bytes(Some(draining.bytes())),
            sum(draining.checksum())
        ),
    ));
    page.section("Drain: now the receiver reads", &rows)?;
    let (paint, text) = match report.checksum_ok() {
        Some(true) => (Paint::Good, "every byte arrived, in order".to_owned()),
        Some(false) => (
            Paint::Bad,
            "the received data does NOT match the sent data".to_owned(),
        ),
        None if report.variant == Variant::Udp => return Ok(()),
        None => {
            let lost = total.saturating_sub(draining.bytes());
            (Paint::Bad, format!("{} never arrived", bytes(Some(lost))))
        }
    };
    writeln!(page.out, "  {}", page.style.paint(paint, text))
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{report, written};
    use super::*;

    #[test]
    fn the_drain_says_when_writing_was_possible_again_and_compares_both_ends() {
        let mut report = report();
        let draining = report.draining.clone().unwrap();
        let text = written(|page| drain(page, &report, &draining));
        assert!(
            text.contains("after 4 bytes were read (POLLOUT); the Send-Q had fallen to 70 bytes"),
            "{text}"
        );
        assert!(text.contains("does NOT match"), "{text}");
        report.closed = Some(Closed {
            kind: CloseKind::Linger0,
            queued: Some(10),
            writer: Vec::new(),
        });
        let text = written(|page| drain(page, &report, &draining));
        assert!(text.contains("3,910,647 bytes never arrived"), "{text}");
    }

    #[test]
    fn a_close_with_unread_data_tells_what_the_writer_is_told() {
        let report = report();
        let unread = Closed {
            kind: CloseKind::Unread,
            queued: Some(10),
            writer: vec![104, 32],
        };
        let text = written(|page| closed(page, &report, &unread));
        assert!(
            text.contains("next send()   ECONNRESET (errno 104)"),
            "{text}"
        );
        assert!(text.contains("and after it  EPIPE (errno 32)"), "{text}");
    }

    #[test]
    fn dropped_datagrams_are_counted_where_the_kernel_counts_them() {
        let mut report = report();
        report.variant = Variant::Udp;
        report.datagrams = Some(Datagrams {
            dropped: Some(2_744),
            rcvbuf_errors: Some(2_744),
            ..Datagrams::default()
        });
        let text = written(|page| datagrams(page, &report));
        assert!(text.contains("2,744 at the receiver's socket"), "{text}");
        assert!(text.contains("RcvbufErrors"), "{text}");
    }
}
