//! A session as JSON: an object for each event, one a line, and a summary.

use serde_json::{Map, Value, json};

use super::{Extras, NameOf, Output, Writer, words};
use crate::ping::clock::Realtime;
use crate::ping::event::{Event, Refused, Reply, Timing, Verdict};
use crate::ping::losses::Refusal;
use crate::ping::payload::Damage;
use crate::ping::session::{Request, Session, Tally};
use crate::reference::icmp::{self, Version};
use crate::render::json::{self, joined, maybe_micros, micros};

/// An object for each event, one a line, and a summary.
#[derive(Debug, Clone)]
pub struct Objects {
    /// What is shown beside the statistics.
    pub extras: Extras,
}

impl Objects {
    fn figures(&self, output: &mut Output, session: &Session, event: &str, now: Realtime) {
        let fields = figures(session, &self.extras.percentiles, now);
        let _ = json::event(&mut output.out, "ping", event, &fields);
    }
}

impl Writer for Objects {
    fn opening(&mut self, _: &mut Output, _: &Session, _: NameOf<'_>) {}

    fn unanswered(&mut self, output: &mut Output, session: &Session, it: &Request, now: Realtime) {
        if let Some(sequence) = it.unanswered {
            let fields = about(session, it.target, sequence, now, json!({}));
            let _ = json::event(&mut output.out, "ping", "no_answer_yet", &fields);
        }
    }

    fn event(
        &mut self,
        output: &mut Output,
        session: &Session,
        it: &Event,
        now: Realtime,
        _: NameOf<'_>,
    ) {
        let fields = match it {
            Event::Reply(it) => reply(session, it),
            Event::Refused(it) => refused(session, it),
            Event::Lost {
                target,
                sequence,
                damaged,
            } => {
                let reason = lost_word(*damaged);
                about(
                    session,
                    *target,
                    *sequence,
                    now,
                    json!({ "reason": reason }),
                )
            }
            Event::Unsent {
                target,
                sequence,
                why,
            } => {
                let (reason, message) = (words::unsent_word(*why), words::unsent(*why));
                let fields = json!({ "reason": reason, "message": message });
                about(session, *target, *sequence, now, fields)
            }
            Event::ClockStep { by } => {
                json!({ "time": seconds(now), "by_us": *by as f64 / 1000.0 })
            }
        };
        let _ = json::event(&mut output.out, "ping", event_word(it), &fields);
    }

    fn so_far(&mut self, output: &mut Output, session: &Session, now: Realtime) {
        self.figures(output, session, "interval", now);
    }

    fn finish(&mut self, output: &mut Output, session: &Session, now: Realtime) {
        self.figures(output, session, "summary", now);
    }

    fn wants_complaints(&self) -> bool {
        false
    }
}

/// What an event is called in JSON and CSV.
pub(super) fn event_word(event: &Event) -> &'static str {
    match event {
        Event::Reply(_) => "reply",
        Event::Refused(refused) if refused.refusal.is_advice() => "advice",
        Event::Refused(_) => "refused",
        Event::Lost { .. } => "lost",
        Event::Unsent { .. } => "unsent",
        Event::ClockStep { .. } => "clock_step",
    }
}

/// Why no valid reply came, in JSON and CSV.
pub(super) fn lost_word(damaged: bool) -> &'static str {
    if damaged { "corrupted" } else { "silent" }
}

/// `kernel`, `kernel_receive` or `user`.
pub(super) fn timing_word(timing: Timing) -> &'static str {
    match (timing.kernel_sent, timing.kernel_received) {
        (true, true) => "kernel",
        (false, true) => "kernel_receive",
        (_, false) => "user",
    }
}

/// The fields of an event about a request.
fn about(session: &Session, target: usize, sequence: u64, at: Realtime, fields: Value) -> Value {
    let target = session.target(target);
    let head = json!({
        "time": seconds(at),
        "target": target.name,
        "address": target.shown,
        "seq": sequence,
    });
    joined([head, fields])
}

fn reply(session: &Session, reply: &Reply) -> Value {
    let mut fields = json!({
        "verdict": reply.verdict.word(),
        "counts": reply.counts,
        "from": reply.from,
        "bytes": reply.bytes,
        "ttl": reply.hop_limit,
        "rtt_us": maybe_micros(reply.rtt),
        "timing": reply.rtt.map(|_| timing_word(reply.timing)),
    });
    match reply.verdict {
        Verdict::Damaged(Damage::Byte { at, sent, came }) => {
            fields["damage"] = json!({ "payload_byte": at, "sent": sent, "received": came });
        }
        Verdict::BadChecksum => fields["damage"] = json!("checksum"),
        _ => {}
    }
    about(session, reply.target, reply.sequence, reply.at, fields)
}

fn refused(session: &Session, refused: &Refused) -> Value {
    let fields = json!({
        "from": refused.refusal.by,
        "icmp": icmp_value(&refused.refusal),
        "message": words::refused(refused),
        "mtu": refused.refusal.is_too_big().then_some(refused.detail),
        "rtt_us": maybe_micros(refused.rtt),
    });
    about(
        session,
        refused.target,
        refused.sequence,
        refused.at,
        fields,
    )
}

fn icmp_value(refusal: &Refusal) -> Value {
    let known = icmp::describe(refusal.version, refusal.r#type, refusal.code);
    json!({
        "version": match refusal.version { Version::V4 => 4, Version::V6 => 6 },
        "type": refusal.r#type,
        "code": refusal.code,
        "name": known.map(|known| known.name),
    })
}

/// Seconds since 1970, to the microsecond.
fn seconds(at: Realtime) -> f64 {
    (at.0 / 1000) as f64 / 1e6
}

/// The figures so far.
fn figures(session: &Session, percentiles: &[f64], now: Realtime) -> Value {
    let percentiles: Map<String, Value> = percentiles
        .iter()
        .map(|&it| (it.to_string(), maybe_micros(session.times.percentile(it))))
        .collect();
    let targets = (0..session.target_count()).map(|index| {
        let target = session.target(index);
        let head = json!({ "target": target.name, "address": target.shown });
        joined([head, counts(session.tally(index))])
    });
    let timings = &session.timings;
    let tail = json!({
        "sending_time_us": micros(session.sending_time()),
        "percentiles_us": percentiles,
        "losses": losses(session),
        "timing": {
            "kernel": timings.kernel,
            "kernel_receive": timings.kernel_receive,
            "user": timings.user,
        },
        "clock_steps": session.clock_steps,
        "receive_buffer_overflows": session.overflowed,
        "send_retries": session.retried,
        "targets": targets.collect::<Value>(),
    });
    joined([
        json!({ "time": seconds(now) }),
        counts(&session.totals),
        tail,
    ])
}

fn counts(tally: &Tally) -> Value {
    let times = tally.times.summary();
    json!({
        "sent": tally.sent,
        "received": tally.received,
        "duplicates": tally.duplicates,
        "corrupted": tally.damaged,
        "late": tally.late,
        "forged": tally.forged,
        "elsewhere": tally.elsewhere,
        "errors": tally.errors,
        "lost": tally.lost,
        "loss_percent": (tally.sent > 0).then(|| tally.loss_percent()),
        "timed": tally.times.count,
        "rtt_min_us": maybe_micros(times.map(|times| times.min)),
        "rtt_avg_us": maybe_micros(times.map(|times| times.mean)),
        "rtt_max_us": maybe_micros(times.map(|times| times.max)),
        "rtt_mdev_us": maybe_micros(times.map(|times| times.deviation)),
        "rtt_ewma_us": maybe_micros(times.map(|times| times.ewma)),
        "jitter_us": maybe_micros(times.and_then(|times| times.jitter)),
    })
}

fn losses(session: &Session) -> Value {
    let losses = &session.losses;
    let refused = losses.refused().map(|(refusal, count)| {
        json!({
            "count": count,
            "from": refusal.by,
            "icmp": icmp_value(refusal),
            "message": refusal.words(),
        })
    });
    let dropped = losses.unsent().map(|(why, count)| {
        let (reason, message) = (words::unsent_word(why), words::unsent(why));
        json!({ "count": count, "reason": reason, "message": message })
    });
    json!({
        "total": losses.total(),
        "silent": losses.silent,
        "refused": refused.collect::<Value>(),
        "late": losses.late,
        "corrupted": losses.damaged,
        "dropped_locally": dropped.collect::<Value>(),
        "unfinished": losses.unfinished,
    })
}
