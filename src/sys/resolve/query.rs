//! One query to one name server: by UDP, and by TCP where the answer does not fit.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use crate::dns::{
    Answer, Asked, Back, BackAnswer, Edns, Name, Query, QueryType, Reply, ServerAnswers,
};
use crate::sys::icmp::random;

/// How many times a query is sent before the server counts as dead.
const TRIES: u32 = 3;
/// From one to the next.
const INTERVAL: Duration = Duration::from_secs(1);
/// An answer that takes longer is asked for once more: the server may have looked elsewhere.
const SLOW: Duration = Duration::from_secs(1);
/// Datagrams that are not the reply; after more of them the server is given up.
const MOST_FOREIGN: u32 = 64;
/// The size that a query with EDNS offers (the value of DNS Flag Day 2020).
const EDNS_SIZE: u16 = 1232;
/// Names of one address that are kept.
const MOST_NAMES: usize = 8;

/// Asks a server for names in turn until one has an address, as the C library does with the search list.
/// It may take [`TRIES`] seconds for a name and some more, and no longer than until `deadline`.
pub(super) fn ask(
    address: SocketAddr,
    names: &[Name],
    kinds: &[QueryType],
    deadline: Instant,
) -> ServerAnswers {
    let mut asked = Vec::new();
    for name in names {
        let both: Vec<Asked> = std::thread::scope(|scope| {
            let running: Vec<_> = kinds
                .iter()
                .map(|&kind| scope.spawn(move || ask_one(address, name, kind, deadline)))
                .collect();
            running
                .into_iter()
                .filter_map(|it| it.join().ok())
                .collect()
        });
        let is_dead = both.iter().all(Asked::is_dead);
        asked.extend(both);
        let server = ServerAnswers { address, asked };
        if is_dead || !server.addresses().is_empty() || Instant::now() >= deadline {
            return server;
        }
        asked = server.asked;
    }
    ServerAnswers { address, asked }
}

/// How a server takes a query for a name that it answered without EDNS.
pub(super) fn ask_with_edns(address: SocketAddr, name: &Name, deadline: Instant) -> Edns {
    let query = query(name.clone(), QueryType::A);
    let asked = by_udp(
        address,
        &query,
        &query.encode_with_edns(EDNS_SIZE),
        deadline,
    );
    match &asked.answer {
        Answer::Reply(reply) => match (reply.edns, reply.rcode) {
            (Some(size), _) => Edns::Size(size),
            // An error of a server that does not know EDNS (RFC 6891 section 7).
            (None, rcode @ (1 | 4)) => Edns::Failure(rcode),
            (None, _) => Edns::Ignored,
        },
        _ => Edns::Silent,
    }
}

/// The name of an address.
pub(super) fn ask_back(server: SocketAddr, address: IpAddr, deadline: Instant) -> Back {
    let query = query(Name::reverse(address), QueryType::Ptr);
    let asked = by_udp(server, &query, &query.encode(), deadline);
    let answer = match &asked.answer {
        Answer::Reply(reply) if reply.rcode == 0 => {
            let names = reply.pointers(&query.name).into_iter().cloned();
            let names: Vec<Name> = names.take(MOST_NAMES).collect();
            if names.is_empty() {
                BackAnswer::None
            } else {
                BackAnswer::Names(names)
            }
        }
        Answer::Reply(reply) if reply.rcode == 3 => BackAnswer::None,
        Answer::Reply(reply) => BackAnswer::Failure(reply.rcode),
        _ => BackAnswer::Silent,
    };
    Back {
        address,
        answer,
        time: asked.time,
    }
}

fn query(name: Name, kind: QueryType) -> Query {
    Query {
        id: random().map_or(0, |numbers| (numbers[0] & 0xffff) as u16),
        name,
        kind,
        unchecked: false,
    }
}

fn ask_one(address: SocketAddr, name: &Name, kind: QueryType, deadline: Instant) -> Asked {
    let query = query(name.clone(), kind);
    let by_udp = |query: &Query| by_udp(address, query, &query.encode(), deadline);
    let mut asked = by_udp(&query);
    let Answer::Reply(reply) = &asked.answer else {
        return asked;
    };
    if reply.truncated {
        let start = Instant::now();
        let answer = by_tcp(address, &query, deadline);
        asked.over_tcp = Some((answer, start.elapsed()));
    } else if reply.rcode == 2 {
        let unchecked = Query {
            unchecked: true,
            ..query
        };
        if let Answer::Reply(reply) = by_udp(&unchecked).answer {
            asked.unchecked = Some(reply.rcode);
        }
    } else if asked.time >= SLOW {
        let again = by_udp(&query);
        asked.again = matches!(again.answer, Answer::Reply(_)).then_some(again.time);
    }
    asked
}

/// Sends the query, as this message, up to [`TRIES`] times and waits for the reply.
fn by_udp(address: SocketAddr, query: &Query, message: &[u8], deadline: Instant) -> Asked {
    let start = Instant::now();
    let mut asked = Asked {
        name: query.name.clone(),
        kind: query.kind,
        answer: Answer::Silent,
        time: Duration::ZERO,
        sent: 0,
        ignored: 0,
        again: None,
        over_tcp: None,
        unchecked: None,
    };
    if let Err(error) = exchange((address, message), query, (start, deadline), &mut asked) {
        asked.answer = Answer::Failed(error.raw_os_error().unwrap_or(0));
    }
    asked.time = start.elapsed();
    asked
}

fn exchange(
    (address, message): (SocketAddr, &[u8]),
    query: &Query,
    (start, deadline): (Instant, Instant),
    asked: &mut Asked,
) -> io::Result<()> {
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    let mut buffer = [0; 4096];
    while asked.sent < TRIES && Instant::now() < deadline {
        socket.send(message)?;
        asked.sent += 1;
        let until = (start + INTERVAL * asked.sent).min(deadline);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            socket.set_read_timeout(Some(left))?;
            match socket.recv(&mut buffer) {
                Ok(length) => match query.read(&buffer[..length]) {
                    Ok(reply) => {
                        asked.answer = Answer::Reply(reply);
                        return Ok(());
                    }
                    Err(_) => asked.ignored += 1,
                },
                Err(error) if is_timeout(&error) => {}
                Err(error) => return Err(error),
            }
            if asked.ignored >= MOST_FOREIGN {
                return Ok(());
            }
        }
    }
    Ok(())
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut | io::ErrorKind::Interrupted
    )
}

/// The same by TCP (RFC 7766), with a length of two bytes in front.
fn by_tcp(address: SocketAddr, query: &Query, deadline: Instant) -> Answer {
    let deadline = deadline.min(Instant::now() + INTERVAL * TRIES);
    match exchange_by_tcp(address, query, deadline) {
        Ok(Some(reply)) => Answer::Reply(reply),
        Ok(None) => Answer::Unusable,
        Err(error) if is_timeout(&error) => Answer::Silent,
        Err(error) => Answer::Failed(error.raw_os_error().unwrap_or(0)),
    }
}

fn exchange_by_tcp(
    address: SocketAddr,
    query: &Query,
    deadline: Instant,
) -> io::Result<Option<Reply>> {
    let left = || match deadline.saturating_duration_since(Instant::now()) {
        Duration::ZERO => Err(io::Error::from(io::ErrorKind::TimedOut)),
        left => Ok(left),
    };
    let mut stream = TcpStream::connect_timeout(&address, left()?)?;
    let message = query.encode();
    let length = u16::try_from(message.len()).unwrap_or(0).to_be_bytes();
    stream.set_write_timeout(Some(left()?))?;
    stream.write_all(&[&length[..], &message].concat())?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let needed = bytes
            .first_chunk()
            .map_or(2, |length| 2 + usize::from(u16::from_be_bytes(*length)));
        if bytes.len() >= needed && needed > 2 {
            return Ok(query.read(&bytes[2..needed]).ok());
        }
        stream.set_read_timeout(Some(left()?))?;
        match stream.read(&mut buffer)? {
            0 => return Ok(None),
            length => bytes.extend(&buffer[..length]),
        }
        if bytes.starts_with(&[0, 0]) {
            return Ok(None);
        }
    }
}
