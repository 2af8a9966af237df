//! What the commands share that look at a whole host: `diagnose`, `watch` and `top`.

use std::io::{self, Write};
use std::net::{IpAddr, SocketAddr};

use crate::diagnose::NextStep;
use crate::error::{Error, Result};
use crate::host::traced::Traced;
use crate::host::{Index, Network, ProcessAt, Sample, SocketAt};
use crate::render::sockets::Names;
use crate::sockets::filter::Filter;
use crate::sockets::{Proto, State};
use crate::sys::network::Firewalls;
use crate::sys::resolve::files::Files;
use crate::sys::sockets::closings::Closings;
use crate::sys::sockets::namespaces::{Place, Unseen};
use crate::sys::sockets::processes::Depth;
use crate::sys::sockets::{Query, containers, notes, statuses};
use crate::sys::{network, privilege, sockets, traced};

/// Which network namespace is looked at, if it is not the own one.
#[derive(Debug, clap::Args)]
#[group(id = "one_netns", multiple = false)]
pub struct One {
    /// Look at this network namespace: an ip-netns(8) name, a path, an inode number, or pid:N.
    #[arg(long, value_name = "NS")]
    netns: Option<String>,
    /// Look at the network namespace of this process.
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(u32).range(1..))]
    pid: Option<u32>,
    /// Look at the network namespace of this container: its id or the start of it, as in its control group.
    #[arg(long, value_name = "ID")]
    container: Option<String>,
}

impl One {
    /// Its name.
    fn name(&self) -> Result<Option<String>> {
        let pid = match &self.container {
            Some(id) => Some(containers::process_of(id)?),
            None => self.pid,
        };
        let of_process = pid.map(|pid| format!("pid:{pid}"));
        Ok(of_process.or_else(|| self.netns.clone()))
    }

    /// Whether one is named.
    pub fn is_given(&self) -> bool {
        self.netns.is_some() || self.pid.is_some() || self.container.is_some()
    }

    /// The files of the resolver of that namespace.
    ///
    /// # Errors
    /// When the container cannot be found.
    pub fn files(&self) -> Result<Files> {
        Ok(Files::of(self.name()?.as_deref()))
    }

    /// The namespace.
    ///
    /// # Errors
    /// When it cannot be found.
    pub fn place(&self) -> Result<Place> {
        self.name()?
            .map_or_else(|| Ok(Place::own()), |name| Place::named(&name))
    }
}

/// An error whose next step is to be done in this namespace.
pub fn there(error: Error, place: &Place) -> Error {
    let next = error.next.map(NextStep::from);
    let next = next.map(|it| it.inside(&place.namespace).to_string());
    Error { next, ..error }
}

/// Which network namespaces are looked at.
#[derive(Debug, clap::Args)]
pub struct Where {
    #[command(flatten)]
    one: One,
    /// Look at every network namespace.
    #[arg(long, conflicts_with = "one_netns")]
    all_netns: bool,
}

impl Where {
    /// The namespaces, and those that cannot be seen.
    ///
    /// # Errors
    /// When one cannot be found.
    pub fn places(&self) -> Result<(Vec<Place>, Unseen)> {
        Place::chosen(self.one.name()?.as_deref(), self.all_netns)
    }
}

/// More samples than these are not read from a file.
pub const MOST_SAMPLES: usize = 10_000;

/// More processes than these are not asked what they do.
const MOST_PROCESSES: usize = 256;

/// No more addresses than these that were bound in vain are looked for: each takes a walk over all sockets.
const MOST_WANTED: usize = 16;

/// Looks at the whole host, or at some of its network namespaces.
pub struct Look {
    query: Query,
    counters: traced::Counters,
    unseen: Unseen,
}

impl Look {
    /// Opens the namespaces, and keeps the privileges that looking needs until they are dropped.
    /// `briefly`: it will not look for long, so what slows the host down a little may be traced.
    ///
    /// # Errors
    /// When a namespace cannot be found or entered.
    pub fn open(wanted: &Where, briefly: bool) -> Result<Look> {
        let (places, unseen) = wanted.places()?;
        let query = Query {
            protos: Proto::ALL.to_vec(),
            states: u32::MAX,
            tcp_states: u32::MAX,
            bytecode: None,
            details: true,
            evidence: true,
            drops: true,
            owners: Some(Depth::Names),
            places,
            pids: Vec::new(),
        };
        let mut needs = query.needs();
        needs.push(privilege::Need::Firewall);
        privilege::keep(&needs)?;
        let counters = traced::Counters::open(briefly);
        Ok(Look {
            query,
            counters,
            unseen,
        })
    }

    /// Begins to listen to connections that close.
    pub fn closings(&self) -> Closings {
        Closings::open(&self.query.places)
    }

    /// One sample: the sockets, then the network stacks, since those tell about the peers of the sockets, and what
    /// the processes do that may keep others waiting.
    ///
    /// # Errors
    /// When the sockets cannot be listed.
    pub fn sample(&self) -> Result<Sample> {
        let mut sample = sockets::sample(&self.query, &|_| true)?.sample;
        let counters = Some(&self.counters);
        add_networks(
            &mut sample,
            &self.query.places,
            &mut Firewalls::default(),
            counters,
        );
        add_processes(&mut sample);
        notes::add_unseen(&mut sample.notes, &self.unseen);
        Ok(sample)
    }
}

/// Adds the network stacks of the sample's namespaces to its sockets, with the routes to peers whose connections
/// wait, and what the kernel told since it is traced.
pub fn add_networks(
    sample: &mut Sample,
    places: &[Place],
    firewalls: &mut Firewalls,
    counters: Option<&traced::Counters>,
) {
    let index = Index::new(sample);
    let (waiting, connecting) = (index.waiting().clone(), index.shaking_hands());
    let counted = counters.and_then(traced::Counters::read);
    for (netns, place) in (0..).zip(places) {
        let here = waiting.iter().filter(|((of, _), _)| *of == netns);
        let mut routes: Vec<IpAddr> = here.clone().map(|((_, to), _)| *to).collect();
        // Whether this host still has the addresses that they send from.
        let sockets = here.filter_map(|(_, sockets)| sockets.first());
        routes.extend(sockets.filter_map(|at| sample.socket(*at).local.ip()));
        let connecting = connecting.iter().filter(|(of, _)| *of == netns);
        routes.extend(connecting.map(|(_, to)| *to));
        routes.sort_unstable();
        routes.dedup();
        let inode = sample.namespaces.get(usize::from(netns));
        let counted = counted.as_ref().zip(inode.map(|it| it.inode));
        if let Some((counted, inode)) = counted {
            routes.extend(counted.destinations(inode));
        }
        // One that cannot be entered is noted with its sockets.
        let network = place.inside(|| Network {
            firewall: firewalls.of(netns),
            ..network::network(&routes)
        });
        let mut network = network.unwrap_or_default();
        network.traced = counted.map(|(counted, inode)| counted.of(inode, &network));
        sample.networks.push(network);
    }
    sample.machine = Some(network::machine());
    network::add_unseen(sample);
    if let Some(counters) = counters {
        counters.add_unseen(sample);
    }
}

/// Adds what the processes do that may keep others waiting, or hold ports that others want.
pub fn add_processes(sample: &mut Sample) {
    let index = Index::new(sample);
    let mut processes = index.in_trouble(MOST_PROCESSES);
    processes.extend(holders_of_wanted(&index));
    processes.sort_unstable();
    processes.dedup();
    sample.processes = statuses::read(sample, &processes);
}

/// The processes that hold ports which other programs tried to bind.
fn holders_of_wanted(index: &Index<'_>) -> Vec<ProcessAt> {
    let mut wanted: Vec<(u16, SocketAddr)> = Vec::new();
    for (netns, network) in (0..).zip(&index.sample().networks) {
        let traced = network.traced.iter();
        wanted.extend(traced.flat_map(Traced::taken).map(|to| (netns, to)));
    }
    wanted.sort_unstable();
    wanted.dedup();
    let mut holders = Vec::new();
    for (netns, to) in wanted.into_iter().take(MOST_WANTED) {
        let mut sockets = index.in_the_way(to);
        sockets.retain(|at| index.socket(*at).netns == netns);
        holders.extend(index.processes(&sockets));
    }
    holders.truncate(MOST_PROCESSES);
    holders
}

/// The sockets that a filter selects; without one all.
pub fn shown(index: &Index<'_>, filter: &Filter, filtered: bool) -> Vec<SocketAt> {
    let owners = filter.for_owners(&index.sample().owners);
    let places = index.sample().places();
    places
        .filter(|at| {
            let socket = index.socket(*at);
            filter.matches_socket(socket) && (!filter.needs_owners() || owners.matches(socket))
        })
        .filter(|at| index.socket(*at).state != State::TimeWait || !filtered)
        .collect()
}

/// The names of the interfaces.
pub fn names(sample: &Sample) -> Names {
    let mut names = Names::default();
    for (netns, network) in (0..).zip(&sample.networks) {
        for link in &network.links {
            names
                .interfaces
                .insert((netns, link.index), link.name.to_string());
        }
    }
    names
}

/// Writes samples as `diagnose --from` reads them.
///
/// # Errors
/// Those of `out`.
pub fn write_samples<'a>(
    out: impl Write,
    samples: impl IntoIterator<Item = &'a Sample>,
) -> io::Result<()> {
    let mut out = io::BufWriter::new(out);
    for sample in samples {
        sample.write(&mut out)?;
    }
    out.flush()
}
