//! What can be captured on.

use crate::capfile::LinkType;
use crate::commands::serving::print;
use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::render::capture as text;
use crate::sys::live;
use crate::sys::network;
use crate::sys::privilege::{self, Capability};
use crate::sys::sockets::namespaces::Place;

/// The interfaces of the namespaces.
pub(super) fn list(places: &[Place], context: &Context) -> Result<Status> {
    let rights = text::Rights {
        packets: privilege::holds(&[Capability::NetRaw]),
        processes: privilege::holds(&[Capability::SysPtrace, Capability::DacReadSearch]),
        bpf: privilege::holds(&[Capability::Bpf, Capability::Perfmon]),
        program: live::program(),
    };
    let mut out = Vec::new();
    for place in places {
        let (network, links) = place.inside(|| {
            let network = network::network(&[]);
            let links = network.links.iter();
            let links = links.map(|link| live::link_type(&link.name).ok());
            let links: Vec<Option<LinkType>> = links.collect();
            (network, links)
        })?;
        text::write_interfaces(&mut out, &network, &links, &rights, context.json)
            .map_err(Error::output)?;
    }
    privilege::drop_all()?;
    print(&out).map_err(Error::output)?;
    Ok(Status::Good)
}

/// The interfaces that were asked for, each once: any is all of them.
pub(super) fn distinct(names: &[String]) -> Vec<String> {
    if names.iter().any(|name| name == live::ANY) {
        return vec![live::ANY.to_owned()];
    }
    let mut distinct: Vec<String> = Vec::new();
    for name in names {
        if !distinct.contains(name) {
            distinct.push(name.clone());
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_that_is_named_twice_is_captured_on_once() {
        let of = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
            distinct(&names)
        };
        assert_eq!(of(&["lo", "eth0", "lo"]), ["lo", "eth0"]);
        assert_eq!(of(&["lo", "any"]), ["any"]);
    }
}
