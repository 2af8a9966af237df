//! A name server that answers by a script, and what a namespace has for /etc.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::namespace::Namespace;
use crate::support::launched_by;
use crate::support::until;

/// How a server answers a query for shop.test. Every other name does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Script {
    /// A 10.9.1.1, no AAAA.
    Good,
    /// The same by an alias.
    Alias,
    /// Nothing.
    Dead,
    /// SERVFAIL.
    Fails,
    /// SERVFAIL unless the query is not to be checked.
    Bogus,
    /// REFUSED.
    Refuses,
    /// NXDOMAIN.
    Denies,
    /// Queries for AAAA are dropped.
    DropsAaaa,
    /// Truncated by UDP; the whole by TCP.
    Truncates,
    /// Truncated by UDP, and nothing listens on TCP.
    TruncatesWithoutTcp,
    /// Replies with another number, and aliases in a circle.
    Hostile,
    /// Good; queries with EDNS are dropped.
    DropsEdns,
    /// 3,000 addresses, by TCP.
    Many,
    /// Forty aliases in a row.
    Chain,
}

/// A server that ends when this is dropped.
pub(crate) struct DnsServer {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl DnsServer {
    /// Starts one on port 53 of an address; it is ready when this returns.
    pub(crate) fn start(namespace: &Namespace, address: &str, script: Script) -> DnsServer {
        let stop = Arc::new(AtomicBool::new(false));
        // A process that another test has just forked holds the socket of the server before, until its exec(2).
        let udp = namespace.inside(|| until("port 53", || UdpSocket::bind((address, 53)).ok()));
        let tick = Some(Duration::from_millis(50));
        udp.set_read_timeout(tick).expect("set");
        let told = Arc::clone(&stop);
        let mut threads = vec![std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while !told.load(Ordering::Relaxed) {
                if let Ok((length, from)) = udp.recv_from(&mut buffer) {
                    for reply in replies(&buffer[..length], script, false) {
                        let _ = udp.send_to(&reply, from);
                    }
                }
            }
        })];
        if matches!(script, Script::Truncates | Script::Many) {
            let listener =
                namespace.inside(|| until("port 53", || TcpListener::bind((address, 53)).ok()));
            listener.set_nonblocking(true).expect("set");
            let told = Arc::clone(&stop);
            threads.push(std::thread::spawn(move || {
                while !told.load(Ordering::Relaxed) {
                    match listener.accept() {
                        Ok((mut stream, _)) => {
                            stream.set_nonblocking(false).expect("set");
                            let patience = Some(Duration::from_secs(20));
                            stream.set_read_timeout(patience).expect("set");
                            // The C library sends both queries on one connection.
                            let mut length = [0; 2];
                            while stream.read_exact(&mut length).is_ok() {
                                let mut query = vec![0; u16::from_be_bytes(length).into()];
                                stream.read_exact(&mut query).expect("a query");
                                for reply in replies(&query, script, true) {
                                    let length = u16::try_from(reply.len()).expect("short");
                                    let message = [&length.to_be_bytes()[..], &reply].concat();
                                    stream.write_all(&message).expect("written");
                                }
                            }
                        }
                        Err(_) => std::thread::sleep(Duration::from_millis(5)),
                    }
                }
            }));
        }
        DnsServer { stop, threads }
    }
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// An A record of the name in the question, and an alias of it: `www` before it.
const ADDRESS: &[u8] = b"\xc0\x0c\0\x01\0\x01\0\0\x01\x2c\0\x04\x0a\x09\x01\x01";
const ALIAS: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x06\x03www\xc0\x0c";
/// The address of that alias, whose name is in the data of the record before.
const OF_ALIAS: &[u8] = b"\xc0\x27\0\x01\0\x01\0\0\0\x3c\0\x04\x0a\x09\x01\x01";
const CIRCLE: &[u8] = b"\xc0\x0c\0\x05\0\x01\0\0\x01\x2c\0\x02\xc0\x0c";

/// The name of an address.
const POINTER: &[u8] = b"\xc0\x0c\0\x0c\0\x01\0\0\x01\x2c\0\x0b\x04shop\x04test\0";

fn is_reverse(question: &[u8]) -> bool {
    question.windows(9).any(|it| it == b"\x04arpa\0\0\x0c\0")
}

/// Aliases, each of the one before.
fn chain(question: usize) -> Vec<&'static [u8]> {
    let mut at = 12;
    let mut next = 12 + question;
    (0..40_u8)
        .map(|number| {
            let [high, low] = u16::try_from(0xc000 | at).expect("near").to_be_bytes();
            let head = [high, low, 0, 5, 0, 1, 0, 0, 0, 60, 0, 5];
            let record = [&head[..], &[2, b'a', b'a' + number % 26, 0xc0, 12]].concat();
            at = next + head.len();
            next += record.len();
            &*record.leak()
        })
        .collect()
}

/// What is sent for a query.
fn replies(query: &[u8], script: Script, by_tcp: bool) -> Vec<Vec<u8>> {
    let name = query[12..]
        .iter()
        .position(|byte| *byte == 0)
        .expect("a name");
    let question = &query[12..12 + name + 5];
    let is_v6 = question[name + 2] == 28;
    let is_known = question.starts_with(b"\x04shop\x04test\0");
    let reply = |flags: u16, records: &[&[u8]]| {
        let mut reply = query[..2].to_vec();
        let count = u16::try_from(records.len()).expect("few");
        for field in [flags, 1, count, 0, 0] {
            reply.extend(field.to_be_bytes());
        }
        reply.extend(question);
        reply.extend(records.concat());
        reply
    };
    let good = || match (is_known, is_v6) {
        (false, _) => reply(0x8183, &[]),
        (true, true) => reply(0x8180, &[]),
        (true, false) => reply(0x8180, &[ADDRESS]),
    };
    let is_unchecked = query[3] & 0x10 != 0;
    let has_edns = query[11] == 1;
    if is_reverse(question) && script != Script::Dead {
        return vec![reply(0x8180, &[POINTER])];
    }
    match script {
        Script::DropsEdns if has_edns => vec![],
        Script::Good if has_edns => {
            let mut good = good();
            good[11] = 1;
            good.extend(b"\0\0\x29\x04\xd0\0\0\0\0\0\0");
            vec![good]
        }
        Script::Many if is_known && !is_v6 && by_tcp => {
            let addresses: Vec<Vec<u8>> = (0..3000_u16)
                .map(|number| {
                    let [high, low] = number.to_be_bytes();
                    [&ADDRESS[..12], &[127, 1, high, low]].concat()
                })
                .collect();
            let addresses: Vec<&[u8]> = addresses.iter().map(Vec::as_slice).collect();
            vec![reply(0x8180, &addresses)]
        }
        Script::Many if is_known && !is_v6 => vec![reply(0x8380, &[])],
        // a.shop.test is b.shop.test and so on; each name is the data of the record before.
        Script::Chain if is_known && !is_v6 => vec![reply(0x8180, &chain(question.len()))],
        Script::Dead => vec![],
        Script::Fails => vec![reply(0x8182, &[])],
        Script::Bogus if !is_unchecked => vec![reply(0x8182, &[])],
        Script::Refuses => vec![reply(0x8185, &[])],
        Script::Denies => vec![reply(0x8183, &[])],
        Script::DropsAaaa if is_v6 => vec![],
        Script::Truncates if !by_tcp => vec![reply(0x8380, &[])],
        Script::TruncatesWithoutTcp => vec![reply(0x8380, &[])],
        Script::Alias if is_known && !is_v6 => vec![reply(0x8180, &[ALIAS, OF_ALIAS])],
        Script::Hostile => {
            let mut foreign = good();
            foreign[0] ^= 0xff;
            vec![foreign, vec![0; 3], reply(0x8180, &[CIRCLE])]
        }
        _ => vec![good()],
    }
}

/// The files that a namespace has for those of /etc (ip-netns(8)); they end with this.
pub(crate) struct Etc<'a> {
    namespace: &'a Namespace,
    folder: String,
}

impl<'a> Etc<'a> {
    /// Writes resolv.conf; nsswitch.conf has `files dns`, and hosts nothing but these lines.
    pub(crate) fn new(namespace: &'a Namespace, resolv: &str, hosts: &str) -> Etc<'a> {
        let folder = format!("/etc/netns/{}", namespace.name);
        fs::create_dir_all(&folder).expect("a folder");
        let etc = Etc { namespace, folder };
        etc.write("resolv.conf", resolv);
        etc.write("hosts", &format!("127.0.0.1 localhost\n{hosts}"));
        etc.write("nsswitch.conf", "hosts: files dns\n");
        etc
    }

    /// Writes one of the files.
    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(format!("{}/{name}", self.folder), text).expect("written");
    }

    /// `sockdoc ARGS...` with these files. Nothing is asked of a resolver outside.
    pub(crate) fn sockdoc(&self, args: &[&str]) -> Command {
        let mut command = launched_by(&["ip", "netns", "exec", &self.namespace.name]);
        command.args(args).stdin(Stdio::null());
        command
    }
}

impl Drop for Etc<'_> {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
