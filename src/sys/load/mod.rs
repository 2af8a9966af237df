//! Many connections that drive a [`Client`].
//!
//! This file defines the target of the load and sets up the event loop; `runner` is the loop.

mod runner;

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use socket2::{Socket, Type};

use crate::error::{Error, Kind, Result};
use crate::load::{Client, Figures, Plan};
use crate::sys::connect::connect_started;
use crate::sys::signals::Signals;
use crate::sys::socket::{Options, client};
use crate::sys::unix;

use runner::Runner;

/// The target of the load.
#[derive(Debug, Clone)]
pub enum Target {
    /// A TCP server; the name is for errors.
    Tcp(String, Vec<SocketAddr>),
    /// A UDP server.
    Udp(SocketAddr),
    /// A Unix domain stream server.
    Unix(PathBuf),
}

impl Target {
    /// Starts a connection; says whether it is there already.
    fn open(&self, options: &Options) -> io::Result<(Socket, bool)> {
        match self {
            Target::Tcp(_, addresses) => {
                let socket = client(&addresses[0], Type::STREAM, options)?;
                let connected = connect_started(&socket, addresses[0])?;
                Ok((socket, connected))
            }
            Target::Udp(address) => {
                let socket = client(address, Type::DGRAM, options)?;
                socket.connect(&(*address).into())?;
                Ok((socket, true))
            }
            Target::Unix(path) => {
                let socket = unix::connect_at_once(path, options)?;
                Ok((socket, true))
            }
        }
    }

    /// For errors.
    fn name(&self) -> String {
        match self {
            Target::Tcp(name, _) => name.clone(),
            Target::Udp(address) => address.to_string(),
            Target::Unix(path) => path.display().to_string(),
        }
    }
}

/// Runs the plan, and gives the figures; `progress` is called now and then. SIGINT and SIGTERM end
/// the run early; what is unanswered then is counted apart.
///
/// # Errors
/// When the first connection fails.
pub fn run<C: Client>(
    target: &Target,
    options: &Options,
    plan: &Plan,
    client: C,
    progress: &mut dyn FnMut(&Figures),
) -> Result<Figures> {
    let fail = |error: io::Error| Error::os(Kind::CannotRun, "set up the event loop", &error);
    let mut runner = Runner::new(target, options, plan, client).map_err(fail)?;
    // A signal that comes before there is anything to report ends the program as it always does.
    runner.open_first()?;
    let signals = Signals::open()?;
    runner.run(&signals, progress).map_err(fail)?;
    Ok(runner.figures)
}
