//! One file for each subcommand: its flags, and `run()`: gather (`sys`), decide (pure rooms), show
//! (`render`).
//!
//! Shared by several: [`endpoint`] (host and port as people type them), [`values`] (durations and
//! sizes), [`options`] (groups of flags), [`serving`] (a server from its first line to its last),
//! [`loading`] (a load run and its report), [`looking`] (samples of the whole host).

// The doc comments of arguments are their help, printed as they stand.
#![allow(clippy::doc_markdown, rustdoc::broken_intra_doc_links)]

pub mod app_client;
pub mod app_server;
pub mod capture;
pub mod check;
pub mod completions;
pub mod decode;
pub mod diagnose;
pub mod drops;
pub mod echo_client;
pub mod echo_server;
pub mod endpoint;
pub mod explain;
pub mod fill_buffers;
pub mod loading;
pub mod looking;
pub mod options;
pub mod ping;
pub mod resolve;
pub mod serving;
pub mod sockets;
pub mod top;
pub mod values;
pub mod watch;

use crate::render::Style;

/// What every command knows of how it was called.
#[derive(Debug, Clone, Copy)]
pub struct Context {
    /// `--json`.
    pub json: bool,
    /// `-v`.
    pub verbose: bool,
    /// Colours, if they are wanted on standard output.
    pub style: Style,
    /// Columns of the terminal on standard output; `None` if it is not a terminal, and nothing is cut or
    /// wrapped.
    pub width: Option<u16>,
}

/// How a command ended that ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Success: exit status 0.
    Good,
    /// A problem was found or the command failed, and it was reported: exit status 1.
    Bad,
}

impl Status {
    /// Good or bad.
    pub fn of(good: bool) -> Status {
        if good { Status::Good } else { Status::Bad }
    }
}
