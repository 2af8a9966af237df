//! A run as one document, schema `sockdoc.fill-buffers/1`.

use serde_json::{Value, json};

use crate::fill::report::{Buffer, Limits};
use crate::fill::timeline::Entry;
use crate::fill::{DrainEnd, Draining, End, Mode, Report, Stop};
use crate::reference;
use crate::render::json::micros;

/// The name and version of the document.
pub const SCHEMA: &str = "sockdoc.fill-buffers/1";

/// The document. `verdict` and `sockets` are the finding and the rows as `sockdoc sockets --json` has
/// them.
pub fn document(report: &Report, verdict: &Value, sockets: &Value) -> Value {
    json!({
        "schema": SCHEMA,
        "variant": report.variant.word(),
        "mode": report.plan.mode.word(),
        "both_ends": report.both_ends,
        "sender": name(&report.ends[0]),
        "receiver": name(&report.ends[1]),
        "limits": limits(&report.limits),
        "chunk_bytes": report.plan.chunk,
        "sends": report.timeline.entries().iter().map(entry).collect::<Vec<_>>(),
        "sends_omitted": report.timeline.omitted(),
        "accepted": {
            "bytes": report.timeline.bytes(),
            "sends": report.timeline.sends(),
            "crc32": hex(report.checksum),
        },
        "first_block": first_block(report),
        "stopped": stopped(report),
        "settled": settled(report),
        "windows": windows(report),
        "sockets": sockets,
        "verdict": verdict,
        "hold": hold(report),
        "datagrams": datagrams(report),
        "close": close(report),
        "drain": drain(report),
        "conserved": report.conserved(),
        "interrupted": report.interrupted,
    })
}

/// A Unix socket of a pair has no name.
fn name(name: &str) -> Option<&str> {
    (!name.is_empty()).then_some(name)
}

fn limits(limits: &Limits) -> Value {
    let buffer = |buffer: Buffer| json!({ "asked_bytes": buffer.asked, "got_bytes": buffer.got });
    let sysctls: serde_json::Map<String, Value> = limits
        .sysctls
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Value::from(value.as_str())))
        .collect();
    json!({
        "congestion_control": limits.congestion,
        "sndbuf": buffer(limits.send_buffer),
        "rcvbuf": limits.recv_buffer.map(buffer),
        "notsent_lowat_bytes": limits.lowat,
        "user_timeout_us": limits.user_timeout.map(micros),
        "sysctls": sysctls,
    })
}

fn entry(entry: &Entry) -> Value {
    match entry {
        Entry::Sends {
            first,
            count,
            asked,
            took,
            total,
            at,
        } => json!({
            "event": "send",
            "first": first,
            "count": count,
            "asked_bytes": asked,
            "accepted_bytes": took,
            "partial": took < asked,
            "total_bytes": total,
            "at_us": micros(*at),
        }),
        Entry::NoRoom { sends, bytes, at } => json!({
            "event": "no_room",
            "sends": sends,
            "total_bytes": bytes,
            "at_us": micros(*at),
        }),
    }
}

fn first_block(report: &Report) -> Value {
    let Some(Entry::NoRoom { sends, bytes, at }) = report.timeline.first_block() else {
        return Value::Null;
    };
    // poll() has no errno.
    let errno = (report.plan.mode != Mode::Poll).then(|| reference::errno::by_name("EWOULDBLOCK"));
    let errno = errno.flatten();
    json!({
        "bytes": bytes,
        "sends": sends,
        "errno": errno.map(|entry| entry.number),
        "errno_name": errno.map(|entry| entry.name),
        "at_us": micros(*at),
    })
}

fn stopped(report: &Report) -> Value {
    let errno = match report.stop {
        Stop::Failed(number) => Some(number),
        _ => None,
    };
    json!({
        "reason": report.stop.word(),
        "errno": errno,
        "after_us": micros(report.lasted),
    })
}

fn settled(report: &Report) -> Value {
    let Some(sample) = report
        .settled
        .as_ref()
        .filter(|_| report.stop != Stop::Interrupted)
    else {
        return Value::Null;
    };
    let receiver = sample.receiver.as_ref();
    let memory = |end: Option<&End>| end.and_then(|end| end.memory);
    json!({
        "bytes": report.timeline.bytes(),
        "send_queue_bytes": sample.sender.send_queue,
        "recv_queue_bytes": receiver.and_then(|end| end.recv_queue),
        "acknowledged_bytes": sample.sender.acknowledged(),
        "at_us": micros(sample.at),
        "sender_memory": memory(Some(&sample.sender)),
        "receiver_memory": memory(receiver),
    })
}

fn windows(report: &Report) -> Value {
    let Some(sample) = &report.settled else {
        return Value::Null;
    };
    let Some(tcp) = &sample.sender.tcp else {
        return Value::Null;
    };
    let receiver = sample.receiver.as_ref().and_then(|end| end.tcp.as_ref());
    json!({
        "snd_wnd_bytes": tcp.snd_wnd_bytes,
        "rcv_wnd_bytes": receiver.and_then(|tcp| tcp.rcv_wnd_bytes),
        "notsent_bytes": tcp.notsent_bytes,
        "persist_backoff": tcp.backoff,
        "rto_us": tcp.rto_us,
        "busy_us": tcp.busy_time_us,
        "rwnd_limited_us": tcp.rwnd_limited_us,
        "sndbuf_limited_us": tcp.sndbuf_limited_us,
        "sndbuf_bytes": sample.sender.send_buffer,
        "rcvbuf_bytes": sample.receiver.as_ref().and_then(|end| end.recv_buffer),
    })
}

/// A checksum as people see it too.
fn hex(sum: u32) -> String {
    format!("{sum:08x}")
}

fn hold(report: &Report) -> Value {
    let Some(holding) = &report.holding else {
        return Value::Null;
    };
    let probes = holding.probes().iter().map(|probe| {
        json!({
            "at_us": micros(probe.at),
            "backoff": probe.backoff,
            "next_in_us": micros(probe.next_in),
        })
    });
    json!({
        "lasted_us": micros(holding.lasted),
        "probes": probes.collect::<Vec<_>>(),
        "acknowledged_bytes": holding.acknowledged(),
        "errno": holding.failed,
        "interrupted": holding.interrupted,
    })
}

fn datagrams(report: &Report) -> Value {
    let Some(counted) = report.datagrams else {
        return Value::Null;
    };
    json!({
        "sent": report.timeline.sends(),
        "received": report.draining.as_ref().map(Draining::reads),
        "dropped": counted.dropped,
        "host_rcvbuf_errors": counted.rcvbuf_errors,
        "named_receiver": counted.named_receiver,
        "oversize": counted.oversize.map(|(size, errno)| json!({ "bytes": size, "errno": errno })),
    })
}

fn close(report: &Report) -> Value {
    match &report.closed {
        None => Value::Null,
        Some(closed) => json!({
            "kind": closed.kind.word(),
            "queued_bytes": closed.queued,
            "writer_errnos": closed.writer,
        }),
    }
}

fn drain(report: &Report) -> Value {
    let Some(draining) = &report.draining else {
        return Value::Null;
    };
    let (end, errno) = match draining.end() {
        Some(end @ DrainEnd::Failed(number)) => (Some(end.word()), Some(number)),
        end => (end.map(DrainEnd::word), None),
    };
    json!({
        "writable_after_bytes": draining.writable_after().map(|writable| writable.after),
        "received_bytes": draining.bytes(),
        "crc32": hex(draining.checksum()),
        "checksum_ok": report.checksum_ok(),
        "end": end,
        "errno": errno,
    })
}

#[cfg(test)]
mod tests {
    use super::super::fixture::report;
    use super::*;

    #[test]
    fn what_programs_read_has_its_names_and_units() {
        let document = document(&report(), &Value::Null, &Value::Null);
        assert_eq!(document["schema"], SCHEMA);
        assert_eq!(document["first_block"]["bytes"], 3_910_656);
        assert_eq!(document["first_block"]["sends"], 60);
        assert_eq!(document["first_block"]["errno"], 11);
        assert_eq!(document["settled"]["send_queue_bytes"], 3_782_144);
        assert_eq!(document["settled"]["recv_queue_bytes"], 128_512);
        assert_eq!(document["drain"]["writable_after_bytes"], 4);
        assert_eq!(document["drain"]["received_bytes"], 9);
        assert_eq!(document["drain"]["checksum_ok"], false);
        assert_eq!(document["conserved"], true);
        assert_eq!(document["sends"][1]["partial"], true);
    }

    #[test]
    fn what_is_not_known_is_null_and_never_nothing() {
        let mut report = report();
        report.both_ends = false;
        report.draining = None;
        report.settled.as_mut().unwrap().receiver = None;
        report.plan.mode = Mode::Poll;
        let document = document(&report, &Value::Null, &Value::Null);
        assert_eq!(document["settled"]["recv_queue_bytes"], Value::Null);
        assert_eq!(document["windows"]["rcv_wnd_bytes"], Value::Null);
        assert_eq!(document["drain"], Value::Null);
        assert_eq!(document["first_block"]["errno"], Value::Null);
        assert_eq!(document["limits"]["rcvbuf"], Value::Null);
    }
}
