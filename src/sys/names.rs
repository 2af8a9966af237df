//! The names of hosts, looked up by a thread of its own: nothing waits for the DNS.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crate::sys::resolve::name_of;

/// Addresses whose names are asked for; a hostile network can make up any number of them.
const MOST: usize = 256;

/// Names, as far as they are known by now.
#[derive(Debug)]
pub struct Names {
    questions: Sender<IpAddr>,
    answers: Receiver<(IpAddr, Option<String>)>,
    known: HashMap<IpAddr, Option<String>>,
}

impl Names {
    /// Starts the thread, which ends with the program. Call it when the signals are blocked.
    pub fn start() -> std::io::Result<Names> {
        let (questions, asked) = channel();
        let (answer, answers) = channel();
        std::thread::Builder::new()
            .name("names".to_owned())
            .spawn(move || {
                for address in asked {
                    if answer.send((address, name_of(address))).is_err() {
                        return;
                    }
                }
            })?;
        Ok(Names {
            questions,
            answers,
            known: HashMap::new(),
        })
    }

    /// The name of an address if it is known; if it was never asked for it is asked for now.
    pub fn of(&mut self, address: IpAddr) -> Option<&str> {
        while let Ok((address, name)) = self.answers.try_recv() {
            self.known.insert(address, name);
        }
        if !self.known.contains_key(&address) && self.known.len() < MOST {
            self.known.insert(address, None);
            // The thread lives as long as this.
            let _ = self.questions.send(address);
        }
        self.known.get(&address)?.as_deref()
    }

    /// The same, with some patience for the answer.
    pub fn of_within(&mut self, address: IpAddr, patience: Duration) -> Option<&str> {
        let deadline = Instant::now() + patience;
        self.of(address);
        while self.known.get(&address).is_some_and(Option::is_none) {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((told, name)) = self.answers.recv_timeout(left) else {
                break;
            };
            self.known.insert(told, name);
            if told == address {
                break;
            }
        }
        self.known.get(&address)?.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_this_host_is_known_soon_and_a_flood_of_addresses_is_not_asked_for() {
        let mut names = Names::start().unwrap();
        let loopback = IpAddr::from([127, 0, 0, 1]);
        let expected = name_of(loopback);
        let name = names.of_within(loopback, Duration::from_secs(20));
        assert_eq!(name, expected.as_deref());
        // Filled by hand: a question about these would go to the DNS.
        for last in 0..MOST {
            let address = IpAddr::from([127, 0, 1, u8::try_from(last).unwrap()]);
            names.known.insert(address, None);
        }
        assert_eq!(names.of(IpAddr::from([127, 9, 9, 9])), None);
        assert_eq!(names.known.len(), MOST + 1);
    }
}
