//! A session as JSON: an object for each event, one a line, and a summary.

use std::net::IpAddr;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{DayTime, Extras, NameOf, Output, Writer, words};
use crate::diagnose::rules::path as rules;
use crate::ping::clock::Realtime;
use crate::ping::event::{Event, Refused, Reply, Timing, Verdict};
use crate::ping::losses::{Losses, Refusal};
use crate::ping::payload::Damage;
use crate::ping::session::{Request, Session};
use crate::ping::tally::Tally;
use crate::reference::icmp::{self, Version};
use crate::render::finding;
use crate::render::json::{self, joined, maybe_micros, micros, seconds};

/// An object for each event, one a line, and a summary.
#[derive(Debug, Clone)]
pub struct Objects {
    /// What is shown beside the statistics.
    pub extras: Extras,
}

impl Writer for Objects {
    fn opening(&mut self, _: &mut Output, _: &Session, _: NameOf<'_>) {}

    fn unanswered(&mut self, output: &mut Output, session: &Session, it: &Request, now: Realtime) {
        if let Some(sequence) = it.unanswered {
            let fields = about(session, it.target, Some(sequence), now, json!({}));
            write(output, "no_answer_yet", &fields);
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
        let (at, fields) = match it {
            Event::Reply(it) => (it.at, json!(ReplyFields::of(it))),
            Event::Refused(it) => (it.at, json!(RefusedFields::of(it))),
            Event::Lost { damaged, sent, .. } => {
                let reason = lost_word(*damaged);
                (
                    now,
                    json!({ "reason": reason, "sent_time": seconds(*sent) }),
                )
            }
            Event::Unsent { why, .. } => {
                let (reason, message) = (words::unsent_word(*why), words::unsent(*why));
                (now, json!({ "reason": reason, "message": message }))
            }
            Event::Down { since, lost, .. } => (
                now,
                json!({ "since": seconds(*since), "lost_in_a_row": lost }),
            ),
            Event::Up {
                since, lost, after, ..
            } => {
                let (since, after) = (seconds(*since), micros(*after));
                let fields = json!({ "since": since, "lost_in_a_row": lost, "after_us": after });
                (now, fields)
            }
            Event::Moved { from, .. } => (now, json!({ "from": from })),
            Event::Unfinished { .. } => (now, json!({})),
            Event::ClockStep { by } => {
                let fields = json!({ "time": seconds(now), "by_us": *by as f64 / 1000.0 });
                return write(output, event_word(it), &fields);
            }
        };
        let target = it.target().unwrap_or_default();
        let fields = about(session, target, it.sequence(), at, fields);
        write(output, event_word(it), &fields);
    }

    fn interval(&mut self, output: &mut Output, session: &Session, now: Realtime, _: DayTime) {
        // The counts are those of the interval, the account below them that of the whole run.
        if let Some(interval) = interval(session) {
            let fields = joined([figures(session, &self.extras.percentiles, now), interval]);
            write(output, "interval", &fields);
        }
    }

    fn so_far(&mut self, output: &mut Output, session: &Session, now: Realtime) {
        let fields = figures(session, &self.extras.percentiles, now);
        write(output, "so_far", &fields);
    }

    fn finish(&mut self, output: &mut Output, session: &Session, now: Realtime) {
        let fields = figures(session, &self.extras.percentiles, now);
        let findings = finding::values(&rules::of_session(session));
        let fields = joined([fields, json!({ "findings": findings })]);
        write(output, "summary", &fields);
    }

    fn wants_complaints(&self) -> bool {
        false
    }
}

/// An event; memory does not fail.
fn write(output: &mut Output, event: &str, fields: &Value) {
    let _ = json::event(&mut output.out, "ping", event, fields);
}

/// What an event is called in JSON and CSV.
pub(super) fn event_word(event: &Event) -> &'static str {
    match event {
        Event::Reply(_) => "reply",
        Event::Refused(refused) if refused.refusal.is_advice() => "advice",
        Event::Refused(_) => "refused",
        Event::Lost { .. } => "lost",
        Event::Unfinished { .. } => "unfinished",
        Event::Unsent { .. } => "unsent",
        Event::Down { .. } => "down",
        Event::Up { .. } => "up",
        Event::Moved { .. } => "moved",
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

/// The fields of an event about a request or a target.
fn about(
    session: &Session,
    target: usize,
    sequence: Option<u64>,
    at: Realtime,
    fields: Value,
) -> Value {
    let target = session.target(target);
    let mut head = json!({
        "time": seconds(at),
        "target": target.name,
        "address": target.shown,
    });
    if let Some(sequence) = sequence {
        head["seq"] = sequence.into();
    }
    joined([head, fields])
}

#[derive(Serialize)]
struct ReplyFields {
    verdict: &'static str,
    counts: bool,
    from: IpAddr,
    bytes: usize,
    ttl: Option<u8>,
    rtt_us: Value,
    timing: Option<&'static str>,
    /// From the call that sends to the queue of the link, which is no part of the round trip.
    held_us: Value,
    /// In that queue, which is a part of it.
    queue_us: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    damage: Option<Value>,
}

impl ReplyFields {
    fn of(reply: &Reply) -> ReplyFields {
        ReplyFields {
            verdict: reply.verdict.word(),
            counts: reply.counts,
            from: reply.from,
            bytes: reply.bytes,
            ttl: reply.hop_limit,
            rtt_us: maybe_micros(reply.rtt),
            timing: reply.rtt.map(|_| timing_word(reply.timing)),
            held_us: maybe_micros(reply.local.held),
            queue_us: maybe_micros(reply.local.queue),
            damage: match reply.verdict {
                Verdict::Damaged(Damage::Byte { at, sent, came }) => {
                    Some(json!({ "payload_byte": at, "sent": sent, "received": came }))
                }
                Verdict::BadChecksum => Some(json!("checksum")),
                _ => None,
            },
        }
    }
}

#[derive(Serialize)]
struct RefusedFields {
    from: Option<IpAddr>,
    icmp: IcmpFields,
    message: String,
    mtu: Option<u32>,
    rtt_us: Value,
}

impl RefusedFields {
    fn of(refused: &Refused) -> RefusedFields {
        RefusedFields {
            from: refused.refusal.by,
            icmp: IcmpFields::of(&refused.refusal),
            message: words::refused(refused),
            mtu: refused.refusal.is_too_big().then_some(refused.detail),
            rtt_us: maybe_micros(refused.rtt),
        }
    }
}

/// Which ICMP error it is.
#[derive(Serialize)]
pub(super) struct IcmpFields {
    version: u8,
    r#type: u8,
    code: u8,
    name: Option<&'static str>,
}

impl IcmpFields {
    pub(super) fn of(refusal: &Refusal) -> IcmpFields {
        let known = icmp::describe(refusal.version, refusal.r#type, refusal.code);
        IcmpFields {
            version: match refusal.version {
                Version::V4 => 4,
                Version::V6 => 6,
            },
            r#type: refusal.r#type,
            code: refusal.code,
            name: known.map(|known| known.name),
        }
    }
}

/// The figures so far.
fn figures(session: &Session, percentiles: &[f64], now: Realtime) -> Value {
    let targets = (0..session.target_count()).map(|index| {
        let target = session.target(index);
        let outages = session.outages(index);
        let tail = json!({
            "percentiles_us": percentiles_of(percentiles, |it| session.times_of(index)?.percentile(it)),
            "losses": LossFields::of(session.losses_of(index)),
            "outages": {
                "count": outages.count,
                "lost": outages.lost,
                "longest_us": micros(outages.longest),
            },
        });
        let head = json!({ "target": target.name, "address": target.shown });
        let tally = session.tally(index);
        let jitter = tally.times.summary().and_then(|times| times.jitter);
        joined([head, json!(TallyFields::of(tally, jitter)), tail])
    });
    let timings = &session.timings;
    let tail = json!({
        "sending_time_us": micros(session.sending_time()),
        "percentiles_us": percentiles_of(percentiles, |it| session.times.percentile(it)),
        "losses": LossFields::of(&session.losses),
        "timing": {
            "kernel": timings.kernel,
            "kernel_receive": timings.kernel_receive,
            "user": timings.user,
        },
        "held_avg_us": maybe_micros(session.held.summary().map(|it| it.mean)),
        "held_max_us": maybe_micros(session.held.max()),
        "queue_avg_us": maybe_micros(session.queue.summary().map(|it| it.mean)),
        "queue_max_us": maybe_micros(session.queue.max()),
        "clock_steps": session.clock_steps,
        "receive_buffer_overflows": session.overflowed,
        "send_retries": session.retried,
        "targets": targets.collect::<Value>(),
    });
    let totals = TallyFields::of(&session.totals, session.jitter());
    joined([json!({ "time": seconds(now) }), json!(totals), tail])
}

/// The counts since the last summary, of all and of each target.
fn interval(session: &Session) -> Option<Value> {
    let of = |target| {
        let tally = session.interval(target)?;
        let jitter = tally.times.summary().and_then(|times| times.jitter);
        // Between one target and another a change says nothing.
        let is_one = target.is_some() || session.target_count() == 1;
        Some(json!(TallyFields::of(tally, jitter.filter(|_| is_one))))
    };
    let targets = (0..session.target_count()).map(|index| {
        let target = session.target(index);
        let head = json!({ "target": target.name, "address": target.shown });
        Some(joined([head, of(Some(index))?]))
    });
    let targets = targets.collect::<Option<Value>>()?;
    Some(joined([of(None)?, json!({ "targets": targets })]))
}

pub(super) fn percentiles_of(
    wanted: &[f64],
    time: impl Fn(f64) -> Option<Duration>,
) -> Map<String, Value> {
    let pairs = wanted.iter();
    pairs
        .map(|&it| (it.to_string(), maybe_micros(time(it))))
        .collect()
}

#[derive(Serialize)]
struct TallyFields {
    sent: u64,
    received: u64,
    other_repliers: u64,
    duplicates: u64,
    corrupted: u64,
    late: u64,
    forged: u64,
    elsewhere: u64,
    reordered: u64,
    errors: u64,
    lost: u64,
    unfinished: u64,
    under_way: u64,
    loss_percent: Option<f64>,
    timed: u64,
    rtt_min_us: Value,
    rtt_avg_us: Value,
    rtt_max_us: Value,
    rtt_mdev_us: Value,
    rtt_ewma_us: Value,
    jitter_us: Value,
}

impl TallyFields {
    fn of(tally: &Tally, jitter: Option<Duration>) -> TallyFields {
        let times = tally.times.summary();
        TallyFields {
            sent: tally.sent,
            received: tally.received,
            other_repliers: tally.others,
            duplicates: tally.duplicates,
            corrupted: tally.damaged,
            late: tally.late,
            forged: tally.forged,
            elsewhere: tally.elsewhere,
            reordered: tally.reordered,
            errors: tally.errors,
            lost: tally.lost,
            unfinished: tally.unfinished,
            under_way: tally.under_way(),
            loss_percent: tally.loss_percent(),
            timed: tally.times.count,
            rtt_min_us: maybe_micros(times.map(|times| times.min)),
            rtt_avg_us: maybe_micros(times.map(|times| times.mean)),
            rtt_max_us: maybe_micros(times.map(|times| times.max)),
            rtt_mdev_us: maybe_micros(times.map(|times| times.deviation)),
            rtt_ewma_us: maybe_micros(times.map(|times| times.ewma)),
            jitter_us: maybe_micros(jitter),
        }
    }
}

#[derive(Serialize)]
struct LossFields {
    total: u64,
    silent: u64,
    after_advice: u64,
    refused: Vec<RefusalFields>,
    late: u64,
    corrupted: u64,
    dropped_locally: Vec<UnsentFields>,
    unfinished: u64,
    advice: Vec<RefusalFields>,
}

/// An ICMP error or advice, and how often it came.
#[derive(Serialize)]
struct RefusalFields {
    count: u64,
    from: Option<IpAddr>,
    icmp: IcmpFields,
    message: String,
}

#[derive(Serialize)]
struct UnsentFields {
    count: u64,
    reason: &'static str,
    message: String,
}

impl LossFields {
    fn of(losses: &Losses) -> LossFields {
        let refusal = |(refusal, count): (&Refusal, u64)| RefusalFields {
            count,
            from: refusal.by,
            icmp: IcmpFields::of(refusal),
            message: refusal.words(),
        };
        let unsent = losses.unsent().map(|(why, count)| UnsentFields {
            count,
            reason: words::unsent_word(why),
            message: words::unsent(why),
        });
        LossFields {
            total: losses.total(),
            silent: losses.silent,
            after_advice: losses.advised,
            refused: losses.refused().map(refusal).collect(),
            late: losses.late,
            corrupted: losses.damaged,
            dropped_locally: unsent.collect(),
            unfinished: losses.unfinished,
            advice: losses.advice().map(refusal).collect(),
        }
    }
}
