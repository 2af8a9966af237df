//! The sockets of a host as text: our table, the columns of netstat, lsof and ss, JSON, CSV.
//!
//! | file | what it writes |
//! |---|---|
//! | this one | [`Sheet`]: what every style is given; [`Row`] |
//! | [`cells`] | addresses, owners and names as they stand in a cell |
//! | [`mod@column`] | the columns of our table, by name |
//! | [`text`] | our table and its footer |
//! | [`plan`] | where the columns of our table go on a terminal of some width |
//! | [`rates`] | rates as they stand in a cell |
//! | [`details`] | the lines below a row: TCP, memory, timers |
//! | `marks` | what is said of an address beside it |
//! | [`problems`] | the findings of the sockets, or that there are none |
//! | [`netstat`], [`lsof`], [`ss`] | the same columns, header and words as those tools |
//! | [`json`] | one document, schema `sockdoc.sockets/1` |
//! | [`summary`] | groups and the summary |
//! | [`groups`] | multicast memberships |
//! | [`csv`] | one line a socket for spreadsheets |
//!
//! A host may have a hundred thousand sockets. Nothing here holds more than one row as text: the
//! width of a column comes from a first pass that forgets what it has measured.

pub mod cells;
pub mod column;
pub mod csv;
pub mod details;
pub mod groups;
pub mod json;
pub mod lsof;
mod marks;
pub mod netstat;
pub mod plan;
pub mod problems;
pub mod rates;
pub mod ss;
pub mod summary;
pub mod text;

#[cfg(test)]
mod fixture;

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::IpAddr;
use std::ops::Deref;

use crate::diagnose::Findings;
use crate::host::{Delta, Forward, Index, Sample, SocketAt};
use crate::sockets::{Owner, OwnerReason, PathState, Proto, Socket};

/// What every style is given.
#[derive(Debug, Clone, Copy)]
pub struct Sheet<'a> {
    /// The sample, and who is at the other end in it.
    pub index: &'a Index<'a>,
    /// What happened since an earlier sample, if there is one.
    pub delta: Option<&'a Delta<'a>>,
    /// What is wrong with its sockets.
    pub findings: &'a Findings,
    /// The sockets to show, in this order.
    pub shown: &'a [SocketAt],
    /// What numbers are called here.
    pub names: &'a Names,
}

/// A socket to show.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its place in the sample.
    pub at: SocketAt,
    socket: &'a Socket,
}

impl Deref for Row<'_> {
    type Target = Socket;

    fn deref(&self) -> &Socket {
        self.socket
    }
}

impl<'a> Sheet<'a> {
    /// Owners, namespaces and notes.
    pub fn sample(&self) -> &'a Sample {
        self.index.sample()
    }

    /// The sockets to show.
    pub fn rows(&self) -> impl Iterator<Item = Row<'a>> + Clone + use<'a> {
        let index = self.index;
        self.shown.iter().map(move |&at| Row {
            at,
            socket: index.socket(at),
        })
    }

    /// A socket of the sample, shown or not.
    pub fn row(&self, at: SocketAt) -> Row<'a> {
        let socket = self.index.socket(at);
        Row { at, socket }
    }

    /// What is at the other end, or where a listener forwards to, if that is on this host. Who it is matters, so it is only looked for
    /// where owners were.
    pub fn other_end(&self, at: SocketAt) -> Option<Row<'a>> {
        let sought = self.sample().owners.were_sought();
        let forward = || self.names.forwards.get(&at)?.listener;
        let other = sought.then(|| self.index.other_end(at).or_else(forward))??;
        Some(self.row(other))
    }

    /// The descriptors that hold a socket, by process and number.
    pub fn owners(&self, socket: &Socket) -> &'a [Owner] {
        self.sample().owners.of(socket.inode)
    }

    /// The path of the control group of a socket's first owner, or else of the socket itself.
    pub fn group_of(&self, socket: &Socket) -> Option<&'a str> {
        let owner = self.owners(socket).first();
        let of_owner =
            owner.and_then(|owner| self.sample().owners.process(owner).cgroup.as_deref());
        of_owner.or_else(|| {
            let id = socket.details.as_deref()?.cgroup_id?;
            self.names.cgroups.get(&id).map(String::as_str)
        })
    }

    /// Why a socket has no owner; `None` if it has one.
    pub fn owner_reason(&self, socket: &Socket) -> Option<OwnerReason> {
        let owners = &self.sample().owners;
        owners
            .of(socket.inode)
            .is_empty()
            .then(|| owners.reason(socket))
    }
}

/// What numbers are called here. What is not in a map stays a number, so empty maps are `-n`.
#[derive(Debug, Clone, Default)]
pub struct Names {
    /// Network interfaces, by namespace ([`Socket::netns`]) and index.
    pub interfaces: HashMap<(u16, u32), String>,
    /// Users.
    pub users: HashMap<u32, String>,
    /// Services.
    pub ports: HashMap<(Proto, u16), String>,
    /// Control groups: their paths by id.
    pub cgroups: HashMap<u64, String>,
    /// What became of the paths of Unix sockets, by inode.
    pub paths: HashMap<u32, PathState>,
    /// Where listeners forward to.
    pub forwards: HashMap<SocketAt, Forward>,
    /// Hosts.
    pub hosts: HashMap<IpAddr, String>,
}

/// Gathers lines and hands them on in pieces of some size.
struct Lines<'a, W: ?Sized> {
    out: &'a mut W,
    text: String,
}

/// When a [`Lines`] hands its text on.
const PIECE: usize = 16 * 1024;

impl<'a, W: Write + ?Sized> Lines<'a, W> {
    fn new(out: &'a mut W) -> Self {
        Lines {
            out,
            text: String::with_capacity(2 * PIECE),
        }
    }

    /// Ends a line as it stands.
    fn end(&mut self) -> io::Result<()> {
        self.text.push('\n');
        if self.text.len() >= PIECE {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(self.text.as_bytes())?;
        self.text.clear();
        Ok(())
    }
}
