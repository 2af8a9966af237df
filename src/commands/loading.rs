//! A load run and its report.

use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::load::{CLOSED_EARLY, Client, Plan};
use crate::render::{json, load, thousands};
use crate::sys::around;
use crate::sys::load::{self as runner, Target};
use crate::sys::socket::Options;
use crate::sys::terminal::Progress;

/// Runs a plan with a progress line, and reports. Good if every request succeeded and
/// no signal ended the run.
/// `if_closed` is said when the server closed connections that were still in use, after each reply.
pub fn run<C: Client>(
    command: &str,
    target: &Target,
    options: &Options,
    plan: &Plan,
    client: C,
    if_closed: Option<&str>,
    context: &Context,
) -> Result<Status> {
    let progress = Progress::start(plan.count);
    let result = runner::run(target, options, plan, client, &mut |figures| {
        let failed = match figures.bad() {
            0 => String::new(),
            bad => format!(", {} failed", thousands(bad)),
        };
        let message = format!(
            "{} per second{failed}",
            load::per_second(figures.per_second())
        );
        progress.show(figures.good + figures.bad(), message);
    });
    progress.finish();
    let figures = result?;
    let mut out = Vec::new();
    if context.json {
        let report = load::json(&figures, plan, &format!("sockdoc.{command}/1"));
        json::line(&mut out, &report).map_err(Error::output)?;
    } else {
        load::write(&mut out, &figures, plan, context.style).map_err(Error::output)?;
    }
    print(&out).map_err(Error::output)?;
    if let Target::Tcp(_, addresses) = target
        && figures
            .errors
            .keys()
            .any(|kind| kind.contains("(EADDRNOTAVAIL)"))
        && let Some(told) = addresses
            .iter()
            .find_map(|address| around::ports_used_up(*address, figures.good > 0))
    {
        tell(&format!(
            "local ports are used up: {}; next: {}",
            told.cause, told.next
        ));
    }
    if let (Some(hint), true) = (if_closed, figures.errors.contains_key(CLOSED_EARLY)) {
        tell(if figures.closed_after_each() {
            hint
        } else {
            "the server closed connections that it had kept open: it was stopped or restarted, or it limits \
             the requests of a connection; next: read its log"
        });
    }
    let good = figures.bad() == 0 && figures.good > 0 && !figures.interrupted;
    Ok(Status::of(good))
}
