//! Names that are looked up again and again, by a thread of its own: nothing waits for the DNS.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use crate::sys::resolve::{Family, resolve};

/// A name, and the address that it has so far.
#[derive(Debug, Clone)]
pub struct Watched {
    /// What the caller knows it by.
    pub index: usize,
    /// The name.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
}

/// Names that are followed.
#[derive(Debug)]
pub struct Names {
    moves: Receiver<(usize, SocketAddr)>,
}

impl Names {
    /// Starts the thread, which ends soon after this is dropped. Call it when the signals are blocked.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn follow(mut names: Vec<Watched>, every: Duration) -> std::io::Result<Names> {
        let (sender, moves) = channel();
        thread::Builder::new()
            .name("follow-dns".to_owned())
            .spawn(move || {
                loop {
                    thread::sleep(every);
                    for watched in &mut names {
                        let Some(to) = moved(watched) else {
                            continue;
                        };
                        watched.address = to.ip();
                        if sender.send((watched.index, to)).is_err() {
                            return;
                        }
                    }
                }
            })?;
        Ok(Names { moves })
    }

    /// Who has another address now.
    pub fn moves(&self) -> impl Iterator<Item = (usize, SocketAddr)> {
        self.moves.try_iter()
    }
}

/// The new address of a name: of the same family, for which there is a socket, and only if the one so far
/// is not among its addresses any more. A name that does not resolve keeps the one that it had.
fn moved(watched: &Watched) -> Option<SocketAddr> {
    let family = match watched.address {
        IpAddr::V4(_) => Family::V4,
        IpAddr::V6(_) => Family::V6,
    };
    let addresses = resolve(&watched.name, 0, family).ok()?;
    let is_there = |it: &SocketAddr| it.ip() == watched.address;
    match addresses.first() {
        Some(first) if !addresses.iter().any(is_there) => Some(*first),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_keeps_its_address_has_not_moved_and_one_with_another_has() {
        let named = |address: [u8; 4]| Watched {
            index: 0,
            name: "localhost".to_owned(),
            address: address.into(),
        };
        let there = resolve("localhost", 0, Family::V4).unwrap()[0];
        let IpAddr::V4(here) = there.ip() else {
            panic!("IPv4");
        };
        assert_eq!(moved(&named(here.octets())), None);
        assert_eq!(moved(&named([127, 200, 200, 200])), Some(there));
    }
}
