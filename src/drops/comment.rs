//! Dropped packets in a pcapng file: an interface of their own, and comments that say why each was dropped.
//!
//! The comments (`opt_comment`) are for people and are read back:
//!
//! ```text
//! dropped: NETFILTER_DROP in nft_do_chain (input) on eth0: a firewall rule of this host
//! process: psql(991)
//! ```

use super::hook::Hook;
use super::{Dropped, LINK};
use crate::capfile::{Frame, Interface, Resolution, comments};
use crate::host::traced::Process;

/// The name of the interface.
pub const INTERFACE: &str = "drops";
const DROPPED: &str = "dropped: ";
const PROCESS: &str = "process: ";
/// No reason, function or interface has a name as long as this.
const LONGEST: usize = 256;

/// The interface of dropped packets.
pub fn interface() -> Interface {
    Interface {
        resolution: Resolution::NANOSECONDS,
        name: Some(INTERFACE.into()),
        ..Interface::new(LINK)
    }
}

impl Dropped {
    /// `NETFILTER_DROP in nft_do_chain (input) on eth0`.
    pub fn place(&self) -> String {
        let mut text = self.reason.to_string();
        if let Some(function) = &self.function {
            text.push_str(" in ");
            text.push_str(function);
        }
        if let Some(hook) = self.hook {
            text.push_str(" (");
            text.push_str(hook.name());
            text.push(')');
        }
        if let Some(interface) = &self.interface {
            text.push_str(" on ");
            text.push_str(interface);
        }
        text
    }

    /// The comments of its frame; `words` say what the reason means.
    pub fn comments(&self, words: Option<&str>) -> Vec<String> {
        let place = self.place();
        let mut comments = vec![match words {
            Some(words) => format!("{DROPPED}{place}: {words}"),
            None => format!("{DROPPED}{place}"),
        }];
        if let Some(Process { pid, comm }) = &self.process {
            let name = String::from_utf8_lossy(comm);
            comments.push(match pid {
                Some(pid) => format!("{PROCESS}{name}({pid})"),
                None => format!("{PROCESS}{name}"),
            });
        }
        comments
    }

    /// Its frame in a capture, on the interface of this number.
    pub fn frame(&self, interface: u32) -> Frame<'_> {
        Frame {
            number: 0,
            offset: 0,
            interface,
            link: LINK,
            time: Some(self.time),
            data: &self.frame,
            original_len: self.original_len,
            ends: crate::capfile::Ends::default(),
            record: &[],
        }
    }

    /// The dropped packet that a frame of a file is about; `None` if it is a frame like others.
    pub fn of_frame(frame: &Frame<'_>, interface: &Interface) -> Option<Dropped> {
        if frame.link != LINK || interface.name.as_deref() != Some(INTERFACE) {
            return None;
        }
        let mut said = comments(frame.record).filter_map(|it| std::str::from_utf8(it).ok());
        let why = said.find_map(|it| it.strip_prefix(DROPPED))?;
        let place = why.split_once(": ").map_or(why, |(place, _)| place);
        let mut words = place.split(' ');
        let reason = words.next().filter(|it| is_name(it))?;
        let mut dropped = Dropped {
            time: frame.time.unwrap_or_default(),
            reason: reason.into(),
            function: None,
            hook: None,
            netns: 0,
            interface: None,
            process: said.find_map(|it| it.strip_prefix(PROCESS)).map(process),
            frame: frame.data.to_vec(),
            original_len: frame.original_len,
            length: frame.original_len,
        };
        while let Some(word) = words.next() {
            match word {
                "in" => dropped.function = words.next().filter(|it| is_name(it)).map(Into::into),
                "on" => dropped.interface = words.next().filter(|it| is_name(it)).map(Into::into),
                hook => {
                    let name = hook.strip_prefix('(').and_then(|it| it.strip_suffix(')'));
                    dropped.hook = name.and_then(Hook::by_name);
                }
            }
        }
        Some(dropped)
    }
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.len() < LONGEST
}

/// `psql(991)`.
fn process(text: &str) -> Process {
    let numbered = text.strip_suffix(')').and_then(|it| it.rsplit_once('('));
    let numbered = numbered.and_then(|(name, pid)| Some((name, pid.parse().ok()?)));
    match numbered {
        Some((name, pid)) => Process {
            pid: Some(pid),
            comm: name.as_bytes().into(),
        },
        None => Process {
            pid: None,
            comm: text.as_bytes().into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::syn;
    use super::*;
    use crate::capfile::{ByteOrder, PcapngWriter, SliceReader};

    /// Through a file and back.
    fn read(dropped: &Dropped, comments: &[String]) -> Option<Dropped> {
        let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Big).unwrap();
        let interface = interface();
        writer
            .commented(&dropped.frame(3), &interface, comments)
            .unwrap();
        let file = writer.into_inner();
        let mut reader = SliceReader::new(&file);
        let frame = reader.next().unwrap().unwrap();
        Dropped::of_frame(&frame, &reader.interfaces()[0])
    }

    #[test]
    fn what_is_written_is_read_back() {
        let whole = Dropped {
            process: Some(Process {
                pid: Some(991),
                comm: b"a (b)"[..].into(),
            }),
            netns: 0,
            length: 60,
            ..syn("NETFILTER_DROP", 80)
        };
        let bare = Dropped {
            function: None,
            hook: None,
            interface: None,
            process: None,
            ..whole.clone()
        };
        for dropped in [whole, bare] {
            for words in [None, Some("a firewall rule in this host: yes")] {
                let comments = dropped.comments(words);
                assert_eq!(read(&dropped, &comments), Some(dropped.clone()));
            }
        }
    }

    #[test]
    fn other_comments_are_those_of_a_frame_like_others() {
        let dropped = syn("NETFILTER_DROP", 80);
        for text in ["", "dropped", "dropped: ", "a note", "process: x(1)"] {
            assert_eq!(read(&dropped, &[text.to_owned()]), None, "{text}");
        }
        for text in [
            "dropped: X in",
            "dropped: X (nohook) on ",
            "dropped: X ((( ",
        ] {
            let read = read(&dropped, &[text.to_owned()]).unwrap();
            assert_eq!(read.place(), "X", "{text}");
        }
        assert_eq!(read(&dropped, &[]), None);
        let frame = dropped.frame(0);
        assert_eq!(Dropped::of_frame(&frame, &Interface::new(LINK)), None);
    }
}
