//! TCP handshakes as JSON: an object for each event, and the statistics.

use std::io::{self, Write};
use std::net::IpAddr;

use serde_json::{Value, json};

use super::{Attempt, Outage, Port};
use crate::ping::clock::Realtime;
use crate::render::finding;
use crate::render::json::{joined, maybe_micros, micros, seconds};
use crate::render::ping::Extras;
use crate::render::ping::json::percentiles_of;
use crate::render::ping::path::event;

/// An attempt as an event.
pub fn attempt(out: &mut impl Write, port: &Port, attempt: &Attempt) -> io::Result<()> {
    let (message, by) = attempt.answer.message();
    let fields = json!({
        "seq": attempt.sequence,
        "sent_time": seconds(attempt.at),
        "answer": attempt.answer.word(),
        "rtt_us": maybe_micros(attempt.time()),
        "took_us": micros(attempt.took),
        "lost_syns": attempt.lost_syns,
        "message": message,
        "by": by,
    });
    timed_json(out, "handshake", port, attempt.ended(), fields)
}

/// A handshake that is still under way, as an event.
pub fn unanswered(
    out: &mut impl Write,
    port: &Port,
    sequence: u64,
    now: Realtime,
) -> io::Result<()> {
    timed_json(out, "no_answer_yet", port, now, json!({ "seq": sequence }))
}

/// An outage as an event: `down`, or `up`.
pub fn outage(out: &mut impl Write, port: &Port, outage: &Outage, now: Realtime) -> io::Result<()> {
    let fields = json!({
        "since": seconds(outage.since),
        "failed_in_a_row": outage.failed,
        "after_us": maybe_micros(outage.up_after),
    });
    timed_json(out, outage.word(), port, now, fields)
}

/// Another address of the name, as an event.
pub fn moved(out: &mut impl Write, port: &Port, from: IpAddr, now: Realtime) -> io::Result<()> {
    timed_json(out, "moved", port, now, json!({ "from": from }))
}

fn timed_json(
    out: &mut impl Write,
    word: &str,
    port: &Port,
    at: Realtime,
    fields: Value,
) -> io::Result<()> {
    let head = json!({ "time": seconds(at), "port": port.number });
    event(out, word, &port.target, joined([head, fields]))
}

/// The statistics of a port as an event: `handshakes` of all attempts, or `interval`.
pub fn statistics(
    out: &mut impl Write,
    port: &Port,
    word: &str,
    extras: &Extras,
) -> io::Result<()> {
    let is_all = word == "handshakes";
    let attempts = if is_all { &port.all } else { &port.interval };
    let times = attempts.times.summary();
    let time = |it| port.times.percentile(it).filter(|_| is_all);
    let fields = json!({
        "port": port.number,
        "tried": attempts.tried,
        "open": attempts.open,
        "refused": attempts.refused,
        "filtered": attempts.filtered,
        "failed": attempts.failed,
        "lost_syns": attempts.lost_syns,
        "loss_percent": (attempts.tried > 0).then(|| attempts.loss_percent()),
        "rtt_min_us": maybe_micros(times.map(|it| it.min)),
        "rtt_avg_us": maybe_micros(times.map(|it| it.mean)),
        "rtt_max_us": maybe_micros(times.map(|it| it.max)),
        "rtt_mdev_us": maybe_micros(times.map(|it| it.deviation)),
        "percentiles_us": percentiles_of(&extras.percentiles, time),
    });
    let outages = port.run.outages();
    let told = port.told.as_ref();
    let tail = json!({
        "outages": {
            "count": outages.count,
            "failed": outages.lost,
            "longest_us": micros(outages.longest),
        },
        "cause": told.map(|told| &told.cause),
        "next": told.map(|told| &told.next),
        "findings": finding::values(&port.findings()),
    });
    let tail = if is_all { tail } else { json!({}) };
    event(out, word, &port.target, joined([fields, tail]))
}
