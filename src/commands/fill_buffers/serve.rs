//! The server that does not read.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::Args;
use crate::commands::endpoint::Endpoint;
use crate::commands::serving::{print, tell};
use crate::commands::{Context, Status};
use crate::error::{Error, Result};
use crate::reference;
use crate::render::fill::json::SCHEMA;
use crate::render::{counted, escape, json as as_json, thousands};
use crate::service::Peer;
use crate::sys::fill::server::{self, Ended, Ending, EventHandler};
use crate::sys::signals::Signals;
use crate::sys::socket::{Listener, Place};
use crate::sys::{limits, privilege};

/// Listens and serves until a signal comes.
pub(super) fn run(args: &Args, context: &Context) -> Result<Status> {
    limits::raise_descriptor_limit();
    let Endpoint { host, port } = Endpoint::parse(&args.endpoint)?;
    let listener = Listener::stream(&Place::Ip(host, port), 1024, &args.receiver_options())?;
    privilege::drop_all()?;
    let signals = Signals::open()?;
    let mut log = Log {
        context: *context,
        connections: 0,
        read: 0,
    };
    let rate = args.read_rate as u64;
    log.listening(&listener.local, rate)?;
    server::serve(&listener, rate, &signals, &mut log)?;
    log.served()?;
    Ok(Status::Good)
}

/// What the server says.
struct Log {
    context: Context,
    connections: u64,
    read: u64,
}

impl Log {
    fn listening(&self, local: &Peer, rate: u64) -> Result<()> {
        let how = match rate {
            0 => "Not reading".to_owned(),
            rate => format!(
                "Reading {} bytes per second from each connection",
                thousands(rate)
            ),
        };
        let fields = json!({ "local": as_json::peer(local), "read_rate": rate });
        self.say("listening", fields, &format!("Listening on {local}\n{how}"))
    }

    fn served(&self) -> Result<()> {
        let line = format!(
            "Served {}: {} bytes read",
            counted(self.connections, "connection"),
            thousands(self.read)
        );
        let fields = json!({ "connections": self.connections, "read_bytes": self.read });
        self.say("served", fields, &line)
    }

    /// A line for people, or the same as an object.
    fn say(&self, event: &str, fields: Value, line: &str) -> Result<()> {
        let mut out = Vec::new();
        if self.context.json {
            let mut object = Map::new();
            object.insert("schema".to_owned(), SCHEMA.into());
            object.insert("event".to_owned(), event.into());
            if let Value::Object(fields) = fields {
                object.extend(fields);
            }
            as_json::line(&mut out, &object).map_err(Error::output)?;
        } else {
            for line in line.lines() {
                out.extend_from_slice(escape::text(line).as_bytes());
                out.push(b'\n');
            }
        }
        print(&out).map_err(Error::output)
    }
}

impl EventHandler for Log {
    fn accepted(&mut self, peer: &Peer) -> Result<()> {
        self.connections += 1;
        let fields = json!({ "peer": as_json::peer(peer) });
        self.say(
            "accepted",
            fields,
            &format!("Accepted connection from {peer}"),
        )
    }

    fn starved(&mut self, error: &Error) {
        tell(&error.on_one_line());
    }

    fn ended(&mut self, ended: &Ended<'_>) -> Result<()> {
        self.read += ended.read;
        let (how, errno) = match ended.ending {
            Ending::Closed => ("the peer closed".to_owned(), None),
            Ending::ServerEnded => ("this server ends".to_owned(), None),
            Ending::Failed(number) => {
                let entry = reference::errno::by_number(number);
                let name = entry.map_or("an error", |entry| entry.name);
                (format!("it failed ({name})"), Some(number))
            }
        };
        let unread = match ended.unread {
            None | Some(0) => String::new(),
            Some(bytes) => format!("; {} bytes were never read", thousands(bytes)),
        };
        let line = format!(
            "{} after {}: {how}; {} bytes read, CRC-32 {:08x}{unread}",
            ended.peer,
            seconds(ended.lasted),
            thousands(ended.read),
            ended.checksum
        );
        let fields = json!({
            "peer": as_json::peer(ended.peer),
            "how": match ended.ending {
                Ending::Closed => "closed",
                Ending::Failed(_) => "failed",
                Ending::ServerEnded => "server_ended",
            },
            "errno": errno,
            "lasted_us": as_json::micros(ended.lasted),
            "read_bytes": ended.read,
            "crc32": format!("{:08x}", ended.checksum),
            "unread_bytes": ended.unread,
        });
        self.say("ended", fields, &line)
    }
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
