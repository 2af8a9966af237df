//! Network namespaces: which there are, and a look into one.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::error::{Error, Kind, Result};
use crate::sockets::Namespace;

/// Where ip-netns(8) keeps its names.
const NAMED: &str = "/run/netns";

/// A namespace that can be entered.
#[derive(Debug)]
pub struct Place {
    /// What it is called.
    pub namespace: Namespace,
    /// The file that stands for it; `None`: our own, there is nothing to enter.
    file: Option<PathBuf>,
}

impl Place {
    /// Our own.
    pub fn own() -> Place {
        let inode = inode_of(Path::new("/proc/self/ns/net")).unwrap_or(0);
        Place {
            namespace: Namespace {
                inode,
                label: String::new(),
            },
            file: None,
        }
    }

    /// The one of a name of ip-netns(8), or of a process id.
    pub fn named(word: &str) -> Result<Place> {
        let by_pid = word.bytes().all(|byte| byte.is_ascii_digit()) && !word.is_empty();
        let (file, label) = if by_pid {
            (
                PathBuf::from(format!("/proc/{word}/ns/net")),
                format!("pid {word}"),
            )
        } else if word.is_empty() || word.contains('/') || word == ".." {
            let cause = "a name of ip-netns(8) or a process id is needed";
            return Err(Error::new(Kind::CannotRun, "enter the network namespace", cause).on(word));
        } else {
            (Path::new(NAMED).join(word), word.to_owned())
        };
        let inode = inode_of(&file).map_err(|error| {
            Error::os(Kind::CannotRun, "enter the network namespace", &error)
                .on(word)
                .next(
                    "list the named ones: ip netns list; or give the id of a process: --netns PID",
                )
        })?;
        Ok(Place {
            namespace: Namespace { inode, label },
            file: Some(file),
        })
    }

    /// Every namespace that has a name or a process that can be seen, our own first; and how many
    /// processes hid theirs.
    pub fn all() -> (Vec<Place>, usize) {
        let own = Place::own();
        let mut seen = HashSet::from([own.namespace.inode]);
        let mut places = vec![own];
        let mut hidden = 0;
        for entry in fs::read_dir(NAMED).into_iter().flatten().flatten() {
            let label = entry.file_name().to_string_lossy().into_owned();
            if let Ok(inode) = inode_of(&entry.path())
                && seen.insert(inode)
            {
                let namespace = Namespace { inode, label };
                places.push(Place {
                    namespace,
                    file: Some(entry.path()),
                });
            }
        }
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse::<u32>().ok())
            else {
                continue;
            };
            let file = entry.path().join("ns/net");
            match inode_of(&file) {
                Ok(inode) if seen.insert(inode) => {
                    let comm = fs::read(entry.path().join("comm")).unwrap_or_default();
                    let comm = String::from_utf8_lossy(&comm).trim_end().to_owned();
                    let label = format!("pid {pid} ({comm})");
                    let namespace = Namespace { inode, label };
                    places.push(Place {
                        namespace,
                        file: Some(file),
                    });
                }
                Err(error) if error.raw_os_error() == Some(libc::EACCES) => hidden += 1,
                _ => {}
            }
        }
        (places, hidden)
    }

    /// Runs `look` inside the namespace: in a thread of its own, which enters it and ends. A socket
    /// opened there stays there wherever it is used.
    pub fn inside<T: Send>(&self, look: impl FnOnce() -> T + Send) -> Result<T> {
        let Some(path) = &self.file else {
            return Ok(look());
        };
        let fail = |error: io::Error| {
            let failure = Error::os(Kind::CannotRun, "enter the network namespace", &error)
                .on(self.namespace.label.clone());
            match error.raw_os_error() {
                Some(libc::EPERM | libc::EACCES) => {
                    failure.next("entering another namespace needs CAP_SYS_ADMIN: try it as root")
                }
                _ => failure,
            }
        };
        let file = File::open(path).map_err(fail)?;
        std::thread::scope(|scope| {
            let inside = scope.spawn(|| {
                setns(&file, CloneFlags::CLONE_NEWNET).map_err(io::Error::from)?;
                Ok(look())
            });
            inside
                .join()
                .unwrap_or_else(|_| Err(io::Error::other("the look into it failed")))
        })
        .map_err(fail)
    }
}

fn inode_of(path: &Path) -> io::Result<u64> {
    fs::metadata(path).map(|metadata| metadata.ino())
}

/// The interfaces of the namespace that this thread is in, by index (`if_nameindex(3)`).
pub fn interfaces() -> HashMap<u32, String> {
    let Ok(list) = nix::net::if_::if_nameindex() else {
        return HashMap::new();
    };
    list.iter()
        .map(|interface| {
            (
                interface.index(),
                interface.name().to_string_lossy().into_owned(),
            )
        })
        .collect()
}
