//! `sockdoc sockets --groups`: multicast memberships.

use std::fs;
use std::io::{self, Write as _};

use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::host::Namespace;
use crate::render::sockets::groups;
use crate::sockets::multicast::{self, Membership};
use crate::sys::privilege::{self, Need};
use crate::sys::sockets::namespaces::Place;
use crate::sys::sockets::notes;

use super::Args;

/// Lists the groups of the namespaces that are asked for.
pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    let (places, unseen) = Place::chosen(args.what.netns.as_deref(), args.what.all_netns)?;
    let elsewhere = places.iter().any(Place::must_be_entered);
    privilege::keep(if elsewhere { &[Need::Namespaces] } else { &[] })?;
    let mut found: Vec<(Namespace, Vec<Membership>)> = Vec::new();
    for place in &places {
        match place.inside(read) {
            Ok(groups) => found.push((place.namespace.clone(), groups)),
            Err(error) if places.len() == 1 => return Err(error),
            // It has ended since it was listed.
            Err(_) => {}
        }
    }
    let mut notes = Vec::new();
    notes::add_unseen(&mut notes, &unseen);
    privilege::drop_all()?;
    if !args.what.allows(Version::V4) {
        retain(&mut found, |group| group.group.is_ipv6());
    }
    if !args.what.allows(Version::V6) {
        retain(&mut found, |group| group.group.is_ipv4());
    }
    let is_empty = found.iter().all(|(_, groups)| groups.is_empty());
    let mut out = io::BufWriter::new(io::stdout().lock());
    let written = if context.json {
        groups::write_json(&mut out, &found, &notes)
    } else {
        groups::write(&mut out, &found, &notes, args.what.all_netns, context.width)
    };
    written.and_then(|()| out.flush()).map_err(Error::output)?;
    Ok(Status::of(!is_empty))
}

/// A version of IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

fn retain(found: &mut [(Namespace, Vec<Membership>)], wanted: impl Fn(&Membership) -> bool) {
    for (_, groups) in found {
        groups.retain(&wanted);
    }
}

/// Those of the namespace that this thread is in.
fn read() -> Vec<Membership> {
    let text = |name: &str| {
        let bytes = fs::read(format!("/proc/thread-self/net/{name}")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    };
    let mut groups = multicast::igmp(&text("igmp"));
    groups.extend(multicast::igmp6(&text("igmp6")));
    groups
}
