//! Where the samples come from: this host, or a file.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use super::Args;
use crate::commands::diagnose::read_samples;
use crate::commands::looking::{self, MOST_SAMPLES};
use crate::error::Result;
use crate::host::{Note, Sample};
use crate::render::sockets::Names;
use crate::sockets::{Proto, State};
use crate::sys::network::Firewalls;
use crate::sys::privilege::{self, Need};
use crate::sys::sockets::closings::Closings;
use crate::sys::sockets::sampler::Sampler;
use crate::sys::sockets::{Query, notes};
use crate::sys::users::Users;
use crate::top::look::Taken;

/// The rules of the packet filter are listed again after this time.
const FIREWALL: Duration = Duration::from_secs(10);

/// Where the samples come from.
pub(super) enum Source {
    /// This host.
    Host(Box<Host>),
    /// A file: those that are left.
    File(std::vec::IntoIter<Sample>),
}

/// This host.
pub(super) struct Host {
    query: Query,
    sampler: Sampler,
    closings: Closings,
    unseen: Vec<Note>,
    users: Users,
    firewalls: Firewalls,
}

impl Source {
    /// Opens it, and drops the privileges that are not needed for it.
    pub(super) fn open(args: &Args) -> Result<Source> {
        if let Some(path) = &args.replay {
            privilege::drop_all()?;
            let samples = read_samples(path, MOST_SAMPLES)?;
            return Ok(Source::File(samples.into_iter()));
        }
        let (places, unseen) = args.place.places()?;
        let query = Query {
            protos: Proto::ALL
                .into_iter()
                .filter(|proto| proto.is_internet() || proto.is_unix())
                .collect(),
            states: u32::MAX,
            // They are counted only.
            tcp_states: !State::TimeWait.bit(),
            bytecode: None,
            details: true,
            evidence: true,
            drops: true,
            // The sampler looks for them.
            owners: None,
            pids: Vec::new(),
            places,
        };
        let mut needs = query.needs();
        needs.push(Need::Owners);
        privilege::keep(&needs)?;
        let mut notes = Vec::new();
        notes::add_unseen(&mut notes, &unseen);
        Ok(Source::Host(Box::new(Host {
            closings: Closings::open(&query.places),
            query,
            sampler: Sampler::default(),
            unseen: notes,
            users: Users::default(),
            firewalls: Firewalls::lasting(FIREWALL),
        })))
    }

    /// The next sample, and when it was taken since the view began; `None`: there is no more.
    pub(super) fn take(&mut self, begun: Instant) -> Result<Option<(Taken, Duration)>> {
        match self {
            Source::Host(host) => host.take().map(|taken| Some((taken, begun.elapsed()))),
            Source::File(samples) => Ok(samples.next().map(|sample| {
                let at = sample.taken;
                let taken = Taken {
                    sample,
                    ..Taken::default()
                };
                (taken, at)
            })),
        }
    }

    /// What can be read from while connections close.
    pub(super) fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Source::Host(host) => host.closings.descriptors(),
            Source::File(_) => Vec::new(),
        }
    }

    /// Takes the connections that closed so far.
    pub(super) fn hear(&mut self) {
        if let Source::Host(host) = self {
            host.closings.take();
        }
    }

    /// Waits, and takes the connections that close meanwhile.
    pub(super) fn wait(&mut self, time: Duration) {
        if let Source::Host(host) = self {
            host.closings.wait(time);
        }
    }

    /// What numbers are called.
    pub(super) fn names(&mut self, sample: &Sample) -> Names {
        let mut names = looking::names(sample);
        if let Source::Host(host) = self {
            for uid in sample.sockets.iter().filter_map(|socket| socket.uid) {
                if let Some(name) = host.users.name(uid) {
                    names.users.entry(uid).or_insert_with(|| name.to_owned());
                }
            }
        }
        names
    }
}

impl Host {
    fn take(&mut self) -> Result<Taken> {
        let taken = self.sampler.sample(&self.query, &|_| true)?;
        let (time_wait, mut sample) = (taken.time_wait, taken.sample);
        looking::add_networks(&mut sample, &self.query.places, &mut self.firewalls, None);
        looking::add_processes(&mut sample);
        sample.notes.extend(self.unseen.iter().cloned());
        self.closings.take();
        let (closed, missed) = self.closings.hand_out();
        Ok(Taken {
            sample,
            closed,
            time_wait,
            missed,
        })
    }
}
