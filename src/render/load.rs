//! The report of a load run.

use std::io::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use super::escape::text;
use super::json::{maybe_micros, micros};
use super::{Paint, Style, thousands};
use crate::load::{Figures, Plan};

/// The percentiles of a report.
const PERCENTILES: [f64; 5] = [50.0, 90.0, 99.0, 99.9, 100.0];

/// The report for people.
///
/// ```text
/// requests     10,000 of 10,000 succeeded in 0.520 s: 19,230 per second
/// connections  10,000 opened, 32 at a time
/// bytes        1.4 MiB sent, 1.6 MiB received
/// latency      in ms, from the time each was sent
///              min 0.021   mean 0.049   max 1.204
///              50% 0.047   90% 0.066   99% 0.110   99.9% 0.301
/// ```
pub fn write(out: &mut impl Write, figures: &Figures, plan: &Plan, style: Style) -> io::Result<()> {
    let all = figures.good + figures.bad();
    let verdict = format!("{} of {}", thousands(figures.good), thousands(all));
    let code = if figures.bad() == 0 {
        Paint::Good
    } else {
        Paint::Bad
    };
    writeln!(
        out,
        "requests     {} succeeded in {:.3} s: {} per second",
        style.paint(code, verdict),
        figures.elapsed.as_secs_f64(),
        per_second(figures.per_second()),
    )?;
    if figures.interrupted {
        writeln!(
            out,
            "{}  by a signal: {} more were unanswered",
            style.paint(Paint::Bad, "interrupted"),
            thousands(figures.unanswered),
        )?;
    }
    writeln!(
        out,
        "connections  {} opened, {} at a time",
        thousands(figures.connections),
        thousands(figures.most_open),
    )?;
    let (sent, received) = (bytes(figures.sent_bytes), bytes(figures.received_bytes));
    writeln!(out, "bytes        {sent} sent, {received} received")?;
    if let Some(latency) = figures.latency() {
        let since = if plan.rate.is_some() { "due" } else { "sent" };
        writeln!(out, "latency      in ms, from the time each was {since}")?;
        let (min, mean, max) = (ms(latency.min), ms(latency.mean), ms(latency.max));
        writeln!(out, "             min {min}   mean {mean}   max {max}")?;
        let percentiles: Vec<String> = PERCENTILES
            .iter()
            .filter(|&&percentile| percentile < 100.0)
            .map(|&percentile| {
                format!(
                    "{percentile}% {}",
                    ms(figures.percentile(percentile).unwrap_or_default())
                )
            })
            .collect();
        writeln!(out, "             {}", percentiles.join("   "))?;
    }
    for (kind, count) in &figures.errors {
        let count = thousands(*count);
        writeln!(
            out,
            "{}       {count} {}",
            style.paint(Paint::Bad, "failed"),
            text(kind)
        )?;
    }
    Ok(())
}

/// The report for programs.
pub fn json(figures: &Figures, plan: &Plan, schema: &str) -> Value {
    let percentiles: serde_json::Map<String, Value> = PERCENTILES
        .iter()
        .map(|&percentile| {
            (
                percentile.to_string(),
                maybe_micros(figures.percentile(percentile)),
            )
        })
        .collect();
    let latency = figures.latency();
    json!({
        "schema": schema,
        "event": "load",
        "requests": figures.good + figures.bad(),
        "good": figures.good,
        "failed": figures.bad(),
        "errors": figures.errors,
        "elapsed_us": micros(figures.elapsed),
        "requests_per_second": figures.per_second(),
        "connections": figures.connections,
        "interrupted": figures.interrupted,
        "unanswered": figures.unanswered,
        "concurrent": figures.most_open,
        "pipeline": plan.pipeline,
        "rate": plan.rate,
        "sent_bytes": figures.sent_bytes,
        "received_bytes": figures.received_bytes,
        "latency": {
            "since": if plan.rate.is_some() { "due" } else { "sent" },
            "min_us": maybe_micros(latency.map(|latency| latency.min)),
            "mean_us": maybe_micros(latency.map(|latency| latency.mean)),
            "max_us": maybe_micros(latency.map(|latency| latency.max)),
            "percentiles_us": percentiles,
        },
    })
}

/// Milliseconds with three digits that matter.
fn ms(duration: Duration) -> String {
    let ms = duration.as_secs_f64() * 1000.0;
    match ms {
        ms if ms < 10.0 => format!("{ms:.3}"),
        ms if ms < 100.0 => format!("{ms:.1}"),
        ms => format!("{ms:.0}"),
    }
}

/// A rate, a second.
pub fn per_second(rate: f64) -> String {
    if rate < 100.0 {
        return format!("{rate:.1}");
    }
    // Positive and far below 2^64.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    thousands(rate as u64)
}

/// A number of bytes in the unit that reads best.
pub fn bytes(bytes: u64) -> String {
    let value = bytes as f64;
    match bytes {
        0..10_000 => format!("{} B", thousands(bytes)),
        10_000..10_240_000 => format!("{:.1} KiB", value / 1024.0),
        10_240_000..10_485_760_000 => format!("{:.1} MiB", value / 1_048_576.0),
        _ => format!("{:.1} GiB", value / 1_073_741_824.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan() -> Plan {
        Plan {
            conns: 2,
            count: None,
            each: None,
            rate: None,
            pipeline: 1,
            duration: None,
            keep_open: false,
            timeout: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_failed_request_is_told_with_its_kind_and_escaped() {
        let mut figures = Figures::new();
        figures.answered(Duration::from_micros(1500));
        figures.failed("bad\x1b[2J", 2);
        figures.elapsed = Duration::from_secs(1);
        let mut out = Vec::new();
        write(&mut out, &figures, &plan(), Style::new(false)).unwrap();
        let report = String::from_utf8(out).unwrap();
        assert!(report.starts_with("requests     1 of 3 succeeded in 1.000 s: 1.0 per second\n"));
        assert!(report.contains("failed       2 bad\\x1b[2J\n"), "{report}");
        assert!(report.contains("50% 1.5"), "{report}");
    }

    #[test]
    fn an_interrupted_run_says_so_and_how_much_it_left_open() {
        let mut figures = Figures::new();
        figures.answered(Duration::from_micros(1500));
        figures.interrupted = true;
        figures.unanswered = 3;
        figures.most_open = 1;
        let mut out = Vec::new();
        write(&mut out, &figures, &plan(), Style::new(false)).unwrap();
        let report = String::from_utf8(out).unwrap();
        let line = "\ninterrupted  by a signal: 3 more were unanswered\n";
        assert!(report.contains(line), "{report}");
        assert!(report.contains(", 1 at a time\n"), "{report}");
        let report = json(&figures, &plan(), "sockdoc.echo-client/1");
        assert_eq!(report["interrupted"], true);
        assert_eq!(report["unanswered"], 3);
        assert_eq!(report["concurrent"], 1);
    }

    #[test]
    fn what_was_not_measured_is_null() {
        let report = json(&Figures::new(), &plan(), "sockdoc.app-client/1");
        assert_eq!(report["latency"]["min_us"], Value::Null);
        assert_eq!(report["latency"]["percentiles_us"]["99"], Value::Null);
    }
}
