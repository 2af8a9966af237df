//! `sockdoc decode`: what was on the wire, in frames, streams and application messages.

mod session;

use std::path::PathBuf;

use crate::commands::{Context, Status, values};
use crate::error::Result;
use crate::render::decode::TimeFormat;
use crate::stream::Overlap;
use crate::sys::capture::Capture;

use session::Session;

/// Print what was on the wire: frames, TCP streams, application messages.
///
/// Reads pcap and pcapng, compressed with gzip, zstd or lz4 too. A frame is a line as tshark prints it;
/// where one completes an application message, the line says that instead.
///
/// The exit status is 1 when the capture is damaged: everything in front of the damage is printed, then
/// one line on standard error says at which byte it is.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    sockdoc decode capture.pcap                  a line for each frame\n  \
    tcpdump -i lo -U -w - | sockdoc decode -     while it is captured")]
pub struct Args {
    /// The capture file; - is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Stop after so many frames.
    #[arg(short = 'c', value_name = "N")]
    count: Option<u64>,
    /// Show the time since the first frame (rel), date and time of day in UTC (abs), the time since the
    /// frame before (delta), or since 1970 (epoch).
    #[arg(short = 't', value_name = "FORMAT", default_value = "rel")]
    time: Time,
    /// Show sequence numbers as they stand on the wire.
    #[arg(long)]
    absolute_seq: bool,
    /// The port of application messages; may be given several times.
    #[arg(long, value_name = "PORT", default_value = "65432")]
    app_port: Vec<u16>,
    /// Look for application messages in every TCP stream.
    #[arg(long)]
    app_any: bool,
    /// Do not look for application messages: every line is about its frame.
    #[arg(long, conflicts_with_all = ["app_any", "app_port"])]
    no_app: bool,
    /// Which bytes count where segments that wait for others overlap and differ.
    #[arg(long, value_name = "WHICH", default_value = "first")]
    overlap: Which,
    /// Memory for all streams together; above it those that were quiet longest are forgotten.
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = values::size)]
    max_memory: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Time {
    Rel,
    Abs,
    Delta,
    Epoch,
}

impl Time {
    fn format(self) -> TimeFormat {
        match self {
            Time::Rel => TimeFormat::Relative,
            Time::Abs => TimeFormat::Absolute,
            Time::Delta => TimeFormat::Delta,
            Time::Epoch => TimeFormat::Epoch,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Which {
    First,
    Last,
}

impl Which {
    fn overlap(self) -> Overlap {
        match self {
            Which::First => Overlap::First,
            Which::Last => Overlap::Last,
        }
    }
}

/// Runs the command.
pub fn run(args: &Args, context: &Context) -> Result<Status> {
    let mut capture = Capture::open(&args.file)?;
    let mut session = Session::new(args, context);
    let read = capture.frames(&mut session);
    session.finish()?;
    read?;
    Ok(Status::Good)
}
