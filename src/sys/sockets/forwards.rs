//! Listeners that forward into a container, and who listens there.

use std::collections::HashMap;
use std::fs;
use std::net::IpAddr;

use super::Taken;
use super::namespaces::Place;
use crate::host::{Forward, Index, SocketAt};
use crate::sockets::proxy::forwards_to;
use crate::sockets::{Process, State};
use crate::sys::around::is_here;

/// More listeners than this are not looked at.
const MOST: usize = 1_024;

/// Where the listeners of docker-proxy forward to, and the socket that listens there if its namespace is among
/// these places.
pub fn find(taken: &Taken, places: &[Place]) -> HashMap<SocketAt, Forward> {
    let sample = &taken.sample;
    let index = Index::new(sample);
    let mut homes: HashMap<IpAddr, Option<u16>> = HashMap::new();
    let mut found = HashMap::new();
    for at in sample.places() {
        let socket = sample.socket(at);
        if !matches!(socket.state, State::Listen | State::Unconnected) {
            continue;
        }
        // The engine may hold the socket, too.
        let mut owners = sample.owners.of(socket.inode).iter();
        let target = owners.find_map(|owner| target_of(sample.owners.process(owner)));
        let Some((_, to)) = target.filter(|(proto, _)| *proto == socket.proto) else {
            continue;
        };
        let home = *homes
            .entry(to.ip())
            .or_insert_with(|| home(places, to.ip()));
        let listeners =
            home.map(|netns| index.listeners(socket.proto, netns, (to.ip(), to.port())));
        let listener = listeners.and_then(|listeners| listeners.first().copied());
        found.insert(
            at,
            Forward {
                to,
                netns: home,
                listener,
            },
        );
        if found.len() == MOST {
            break;
        }
    }
    found
}

fn target_of(process: &Process) -> Option<(crate::sockets::Proto, std::net::SocketAddr)> {
    match &process.cmdline {
        Some(cmdline) => forwards_to(cmdline),
        None if &*process.comm == b"docker-proxy" => {
            let cmdline = fs::read(format!("/proc/{}/cmdline", process.pid));
            forwards_to(&cmdline.unwrap_or_default())
        }
        None => None,
    }
}

/// The namespace whose interfaces have an address, by its place.
fn home(places: &[Place], ip: IpAddr) -> Option<u16> {
    let has_it = |place: &Place| place.inside(|| is_here(ip)).unwrap_or(false);
    u16::try_from(places.iter().position(has_it)?).ok()
}
