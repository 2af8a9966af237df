//! Whether packets of full size reach the host: echo requests that may not be fragmented.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::commands::ping::path::{Prober, outcome};
use crate::ping::mtu::{Found, Search, headers};
use crate::ping::plan::Plan;
use crate::ping::target::Target;
use crate::sys::icmp::{Fragmentation, Options};
use crate::sys::signals::Signals;

/// How long the first, small packet is waited for.
const FIRST: Duration = Duration::from_millis(800);
/// The others are waited for as long as several round trips take, and at least this long.
const LEAST: Duration = Duration::from_millis(150);

/// Searches for the largest packet up to `mtu` bytes that is answered. Where all is well that takes two packets.
/// All capabilities are dropped after the first.
pub(super) fn search(to: SocketAddr, mtu: usize, options: &Options, end: Instant) -> Option<Found> {
    let mut target = Target::from(to.ip());
    if let SocketAddr::V6(to) = to {
        target.scope = to.scope_id();
    }
    // The flag is set, and what the kernel believes of the path does not count.
    let options = Options {
        fragmentation: Some(Fragmentation::Probe),
        ..options.clone()
    };
    let mut prober = Prober::new(&target, Signals::open_with_quit().ok()?).ok()?;
    let mut search = Search::new(target.version(), mtu);
    let mut patience = FIRST;
    let mut is_first = true;
    while let Some(size) = search.next_size() {
        if Instant::now() + patience > end {
            search.stop();
            break;
        }
        let plan = Plan {
            count: Some(1),
            timeout: Some(patience),
            ..Plan::default()
        };
        let start = Instant::now();
        let data = size - headers(target.version());
        let result = prober.ask(plan, data, &options).ok()?;
        if result.interrupted {
            return None;
        }
        search.handle(outcome(&result.events));
        if std::mem::take(&mut is_first) {
            patience = LEAST.max(start.elapsed() * 4).min(FIRST);
        }
    }
    search.found().cloned()
}
