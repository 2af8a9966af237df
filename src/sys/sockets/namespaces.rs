//! Network namespaces: a look into one. `find` has how they are named and listed.

mod find;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns};

use crate::error::{Error, Kind, Result};
use crate::host::Namespace;
use crate::sys::privilege::{self, Capability};

pub use find::Unseen;

/// What opening the namespace of another user's process needs.
const LOOK: &[Capability] = &[Capability::SysPtrace];

/// A namespace that can be entered.
#[derive(Debug)]
pub struct Place {
    /// What it is called.
    pub namespace: Namespace,
    entry: Entry,
}

/// What is entered.
#[derive(Debug)]
enum Entry {
    /// Nothing: it is our own.
    Own,
    /// The file that stands for it.
    File(PathBuf),
}

impl Place {
    /// That of the calling thread.
    pub fn own() -> Place {
        let inode = inode_of(Path::new("/proc/thread-self/ns/net")).unwrap_or(0);
        Place {
            namespace: Namespace::new(inode, ""),
            entry: Entry::Own,
        }
    }

    /// Those that flags choose: one by its name, all, or otherwise our own; and what could not be seen.
    ///
    /// # Errors
    /// When no namespace has that name.
    pub fn chosen(name: Option<&str>, all: bool) -> Result<(Vec<Place>, Unseen)> {
        let one = |place| (vec![place], Unseen::default());
        match name {
            Some(name) => Ok(one(Place::named(name)?)),
            None if all => Ok(Place::all()),
            None => Ok(one(Place::own())),
        }
    }

    /// Whether it is another one than our own.
    pub fn must_be_entered(&self) -> bool {
        !matches!(self.entry, Entry::Own)
    }

    /// Runs `look` inside the namespace: in a thread of its own, which enters it and ends. A socket
    /// opened there stays there wherever it is used.
    pub fn inside<T: Send>(&self, look: impl FnOnce() -> T + Send) -> Result<T> {
        let label = &self.namespace.label;
        let path = match &self.entry {
            Entry::Own => return Ok(look()),
            Entry::File(path) => path,
        };
        let by_pid = path.starts_with("/proc");
        let file = privilege::with(LOOK, || File::open(path))
            .map_err(|error| look_failure(&error, by_pid, label))?;
        enter(file.as_fd(), label, look)
    }

    /// The interfaces of the namespace, by index.
    ///
    /// # Errors
    /// When it cannot be entered.
    pub fn interfaces(&self) -> Result<HashMap<u32, String>> {
        self.inside(interfaces)
    }
}

/// Runs `look` in a thread that enters the namespace first.
fn enter<T: Send>(file: BorrowedFd<'_>, label: &str, look: impl FnOnce() -> T + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let inside = scope.spawn(|| {
            privilege::with(&[Capability::SysAdmin], || {
                setns(file, CloneFlags::CLONE_NEWNET)
            })
            .map_err(io::Error::from)?;
            Ok(look())
        });
        inside
            .join()
            .unwrap_or_else(|_| Err(io::Error::other("the look into it failed")))
    })
    .map_err(|error| enter_failure(&error, label))
}

const ENTER: &str = "enter the network namespace";
const LIST: &str =
    "list the namespaces and a process in each: lsns -t net; those with a name: ip netns list";

/// The file of a namespace cannot be looked at or opened. What an errno means in general (a port, an
/// address) is not what it means here.
fn look_failure(error: &io::Error, by_pid: bool, on: &str) -> Error {
    let is_root = privilege::holds(&[Capability::SysPtrace, Capability::SysAdmin]);
    look_failure_for(is_root, error, by_pid, on)
}

/// `is_root`: no right is missing.
fn look_failure_for(is_root: bool, error: &io::Error, by_pid: bool, on: &str) -> Error {
    let failure = Error::os(Kind::CannotRun, ENTER, error).on(on);
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ESRCH) if by_pid => because(
            failure,
            "no visible process has this pid",
            "list the namespaces and a process in each: lsns -t net",
        ),
        Some(libc::ENOENT) => because(
            failure,
            "no network namespace of this name exists in /run/netns",
            LIST,
        ),
        Some(libc::EACCES | libc::EPERM) if is_root => because(
            failure,
            "the process is protected, even from root",
            "name another process of the namespace: lsns -t net",
        ),
        Some(libc::EACCES | libc::EPERM) => because(
            failure,
            "the namespace of another user's process requires CAP_SYS_PTRACE and CAP_SYS_ADMIN",
            "run as root",
        ),
        _ => because(failure, "its file cannot be opened", LIST),
    }
}

/// setns(2) fails.
fn enter_failure(error: &io::Error, on: &str) -> Error {
    let failure = Error::os(Kind::CannotRun, ENTER, error).on(on);
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => because(
            failure,
            "entering another namespace needs CAP_SYS_ADMIN, in it and here",
            "run as root",
        ),
        Some(libc::EINVAL) => because(
            failure,
            "the file is not that of a network namespace: what remains in /run/netns when one \
             was not deleted completely is an empty file",
            LIST,
        ),
        _ => because(failure, "the kernel does not let us in", LIST),
    }
}

/// Replaces cause and next step; what the system said stays in front.
fn because(mut failure: Error, cause: &str, next: &str) -> Error {
    if let Some(entry) = failure.code.and_then(crate::reference::errno::by_name) {
        failure.cause = format!("{} ({}): {cause}", entry.message, entry.name);
    }
    failure.next(next)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(word: &str) -> String {
        Place::named(word).unwrap_err().to_string()
    }

    #[test]
    fn a_name_that_is_none_says_so_in_the_words_of_namespaces() {
        let text = failure("no-such-name");
        assert!(text.contains("no network namespace of this name"), "{text}");
        assert!(text.contains("ip netns list"), "{text}");
        let text = failure("4194303");
        assert!(text.contains("no visible process has this pid"), "{text}");
        for word in [".", "..", "", "pid:x", "net:[x]"] {
            assert!(failure(word).contains("a name of ip-netns(8)"), "{word}");
        }
        for word in ["4026539999", "net:[1]"] {
            let text = failure(word);
            assert!(
                text.contains("holds the network namespace"),
                "{word}: {text}"
            );
        }
        for word in ["a/b", "/dev/null", "/"] {
            assert!(failure(word).contains(word), "{word}");
        }
    }

    #[test]
    fn a_refusal_names_the_right_that_is_missing() {
        let error = |errno| io::Error::from_raw_os_error(errno);
        let text = look_failure_for(true, &error(libc::EACCES), true, "pid 1").to_string();
        assert!(text.contains("protected, even from root"), "{text}");
        let text = look_failure_for(false, &error(libc::EACCES), true, "pid 1").to_string();
        assert!(text.contains("CAP_SYS_PTRACE"), "{text}");
        assert!(!text.contains("port"), "{text}");
        let text = enter_failure(&error(libc::EPERM), "blue").to_string();
        assert!(text.contains("CAP_SYS_ADMIN"), "{text}");
        let text = enter_failure(&error(libc::EINVAL), "blue").to_string();
        assert!(text.contains("not that of a network namespace"), "{text}");
        assert!(!text.contains("fe80"), "{text}");
    }

    #[test]
    fn our_own_place_has_our_interfaces() {
        assert_eq!(Place::own().interfaces().unwrap(), interfaces());
    }

    #[test]
    fn a_file_that_is_no_namespace_cannot_be_entered() {
        let place = Place {
            namespace: Namespace::new(1, "stale"),
            entry: Entry::File(PathBuf::from("/proc/self/comm")),
        };
        assert!(place.inside(|| ()).is_err());
    }
}
