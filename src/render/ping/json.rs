//! A session as JSON: an object for each thing that happens, one a line, and a summary.

use serde_json::{Map, Value, json};

use super::{Extras, NameOf, Pages, Voice, words};
use crate::ping::clock::Realtime;
use crate::ping::event::{Event, Refused, Reply, Timing, Verdict};
use crate::ping::losses::Refusal;
use crate::ping::payload::Damage;
use crate::ping::session::{Request, Session, Tally};
use crate::reference::icmp::{self, Version};
use crate::render::json::{self, maybe_micros, micros};

/// The schema of every object.
pub const SCHEMA: &str = "sockdoc.ping/1";

/// An object for each thing that happens, one a line, and a summary.
#[derive(Debug, Clone)]
pub struct Objects {
    /// What is shown beside the statistics.
    pub extras: Extras,
}

impl Voice for Objects {
    fn opening(&mut self, _: &mut Pages, _: &Session, _: NameOf<'_>) {}

    fn unanswered(&mut self, pages: &mut Pages, session: &Session, it: &Request, now: Realtime) {
        if let Some(sequence) = it.unanswered {
            let object = about(session, "no_answer_yet", it.target, sequence, now);
            let _ = json::line(&mut pages.out, &object);
        }
    }

    fn event(
        &mut self,
        pages: &mut Pages,
        session: &Session,
        it: &Event,
        now: Realtime,
        _: NameOf<'_>,
    ) {
        let _ = json::line(&mut pages.out, &event(session, it, now));
    }

    fn so_far(&mut self, pages: &mut Pages, session: &Session, now: Realtime) {
        let object = figures(session, "interval", &self.extras.percentiles, now);
        let _ = json::line(&mut pages.out, &object);
    }

    fn finish(&mut self, pages: &mut Pages, session: &Session, now: Realtime) {
        let object = figures(session, "summary", &self.extras.percentiles, now);
        let _ = json::line(&mut pages.out, &object);
    }

    fn wants_complaints(&self) -> bool {
        false
    }
}

/// An object with what every line has.
fn object(event: &str) -> Map<String, Value> {
    let mut object = Map::new();
    object.insert("schema".to_owned(), json!(SCHEMA));
    object.insert("event".to_owned(), json!(event));
    object
}

/// What happened; `now` is when, where the event itself does not say it.
fn event(session: &Session, event: &Event, now: Realtime) -> Map<String, Value> {
    match event {
        Event::Reply(it) => reply(session, it),
        Event::Refused(it) => refused(session, it),
        Event::Lost {
            target,
            sequence,
            damaged,
        } => {
            let mut object = about(session, "lost", *target, *sequence, now);
            let reason = if *damaged { "corrupted" } else { "silent" };
            object.insert("reason".to_owned(), json!(reason));
            object
        }
        Event::Unsent {
            target,
            sequence,
            why,
        } => {
            let mut object = about(session, "unsent", *target, *sequence, now);
            object.insert("reason".to_owned(), json!(words::unsent_word(*why)));
            object.insert("message".to_owned(), json!(words::unsent(*why)));
            object
        }
        Event::ClockStep { by } => {
            let mut object = object("clock_step");
            object.insert("time".to_owned(), seconds(now));
            object.insert("by_us".to_owned(), json!(*by as f64 / 1000.0));
            object
        }
    }
}

/// The beginning of an object about a request.
fn about(
    session: &Session,
    event: &str,
    target: usize,
    sequence: u64,
    at: Realtime,
) -> Map<String, Value> {
    let mut object = object(event);
    object.insert("time".to_owned(), seconds(at));
    object.insert("target".to_owned(), json!(session.target(target).name));
    object.insert("address".to_owned(), json!(session.target(target).shown));
    object.insert("seq".to_owned(), json!(sequence));
    object
}

fn reply(session: &Session, reply: &Reply) -> Map<String, Value> {
    let mut object = about(session, "reply", reply.target, reply.sequence, reply.at);
    object.insert("verdict".to_owned(), json!(reply.verdict.word()));
    object.insert("counts".to_owned(), json!(reply.counts));
    object.insert("from".to_owned(), json!(reply.from.to_string()));
    object.insert("bytes".to_owned(), json!(reply.bytes));
    object.insert("ttl".to_owned(), json!(reply.hop_limit));
    object.insert("rtt_us".to_owned(), maybe_micros(reply.rtt));
    let timing = reply.rtt.map(|_| timing_word(reply.timing));
    object.insert("timing".to_owned(), json!(timing));
    if let Verdict::Damaged(Damage::Byte { at, sent, came }) = reply.verdict {
        object.insert(
            "damage".to_owned(),
            json!({ "payload_byte": at, "sent": sent, "received": came }),
        );
    }
    if reply.verdict == Verdict::BadChecksum {
        object.insert("damage".to_owned(), json!("checksum"));
    }
    object
}

/// `kernel`, `kernel_receive` or `user`.
pub(super) fn timing_word(timing: Timing) -> &'static str {
    match (timing.kernel_sent, timing.kernel_received) {
        (true, true) => "kernel",
        (false, true) => "kernel_receive",
        (_, false) => "user",
    }
}

fn refused(session: &Session, refused: &Refused) -> Map<String, Value> {
    let mut object = about(
        session,
        if refused.refusal.is_advice() {
            "advice"
        } else {
            "refused"
        },
        refused.target,
        refused.sequence,
        refused.at,
    );
    let by = refused.refusal.by.map(|by| by.to_string());
    object.insert("from".to_owned(), json!(by));
    object.insert("icmp".to_owned(), icmp_value(&refused.refusal));
    object.insert("message".to_owned(), json!(words::refused(refused)));
    let mtu = refused.refusal.is_too_big().then_some(refused.detail);
    object.insert("mtu".to_owned(), json!(mtu));
    object.insert("rtt_us".to_owned(), maybe_micros(refused.rtt));
    object
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
fn seconds(at: Realtime) -> Value {
    json!((at.0 / 1000) as f64 / 1e6)
}

/// The figures so far, as the event `event`: `interval` or `summary`.
fn figures(session: &Session, event: &str, percentiles: &[f64], now: Realtime) -> Value {
    let mut object = object(event);
    object.insert("time".to_owned(), seconds(now));
    counts(&mut object, &session.totals);
    object.insert("sending_time_us".to_owned(), micros(session.sending_time()));
    let mut values = Map::new();
    for &percentile in percentiles {
        let value = session.times.percentile(percentile);
        values.insert(percentile.to_string(), maybe_micros(value));
    }
    object.insert("percentiles_us".to_owned(), Value::Object(values));
    object.insert("losses".to_owned(), losses(session));
    object.insert(
        "timing".to_owned(),
        json!({
            "kernel": session.timings.kernel,
            "kernel_receive": session.timings.kernel_receive,
            "user": session.timings.user,
        }),
    );
    object.insert("clock_steps".to_owned(), json!(session.clock_steps));
    object.insert(
        "receive_buffer_overflows".to_owned(),
        json!(session.overflowed),
    );
    object.insert("send_retries".to_owned(), json!(session.retried));
    let targets = (0..session.target_count()).map(|index| {
        let target = session.target(index);
        let mut object = Map::new();
        object.insert("target".to_owned(), json!(target.name));
        object.insert("address".to_owned(), json!(target.shown));
        counts(&mut object, session.tally(index));
        Value::Object(object)
    });
    object.insert("targets".to_owned(), targets.collect());
    Value::Object(object)
}

fn counts(object: &mut Map<String, Value>, tally: &Tally) {
    for (key, count) in [
        ("sent", tally.sent),
        ("received", tally.received),
        ("duplicates", tally.duplicates),
        ("corrupted", tally.damaged),
        ("late", tally.late),
        ("forged", tally.forged),
        ("elsewhere", tally.elsewhere),
        ("errors", tally.errors),
        ("lost", tally.lost),
    ] {
        object.insert(key.to_owned(), json!(count));
    }
    let loss = (tally.sent > 0).then(|| tally.loss_percent());
    object.insert("loss_percent".to_owned(), json!(loss));
    let times = tally.times.summary();
    object.insert("timed".to_owned(), json!(tally.times.count));
    for (key, time) in [
        ("rtt_min_us", times.map(|times| times.min)),
        ("rtt_avg_us", times.map(|times| times.mean)),
        ("rtt_max_us", times.map(|times| times.max)),
        ("rtt_mdev_us", times.map(|times| times.deviation)),
        ("rtt_ewma_us", times.map(|times| times.ewma)),
        ("jitter_us", times.and_then(|times| times.jitter)),
    ] {
        object.insert(key.to_owned(), maybe_micros(time));
    }
}

fn losses(session: &Session) -> Value {
    let losses = &session.losses;
    let refused: Vec<Value> = losses
        .refused()
        .map(|(refusal, count)| {
            json!({
                "count": count,
                "from": refusal.by.map(|by| by.to_string()),
                "icmp": icmp_value(refusal),
                "message": refusal.words(),
            })
        })
        .collect();
    let dropped: Vec<Value> = losses
        .unsent()
        .map(|(why, count)| {
            json!({
                "count": count,
                "reason": words::unsent_word(why),
                "message": words::unsent(why),
            })
        })
        .collect();
    json!({
        "total": losses.total(),
        "silent": losses.silent,
        "refused": refused,
        "late": losses.late,
        "corrupted": losses.damaged,
        "dropped_locally": dropped,
        "unfinished": losses.unfinished,
    })
}
