//! How network namespaces are named, and where they are found: names of ip-netns(8), processes, and mounts
//! that keep one without either, as container engines do.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

use super::{ENTER, Entry, LIST, LOOK, Place, because, inode_of, look_failure};
use crate::error::{Error, Kind, Result};
use crate::host::Namespace;
use crate::sys::privilege;
use crate::sys::sockets::processes::{Hidden, is_kernel_thread};

/// Where ip-netns(8) keeps its names.
const NAMED: &str = "/run/netns";

/// The highest process id that the kernel gives (`PID_MAX_LIMIT`); the inodes of namespaces are above it.
const MOST_PID: u64 = 4_194_304;

/// Namespaces that a list of them lacks.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Unseen {
    /// Processes that hid theirs.
    pub processes: Hidden,
    /// Mounts of namespaces that cannot be reached: another file system is mounted over them.
    pub mounts: usize,
}

/// What a word stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Named<'a> {
    Process(u64),
    Inode(u64),
    Path(&'a Path),
    Name(&'a str),
}

impl Named<'_> {
    fn of(word: &str) -> Option<Named<'_>> {
        let digits = |text: &str| text.parse::<u64>().ok();
        if let Some(pid) = word.strip_prefix("pid:") {
            return digits(pid).map(Named::Process);
        }
        if let Some(inode) = word.strip_prefix("net:[") {
            return inode.strip_suffix(']').and_then(digits).map(Named::Inode);
        }
        match digits(word) {
            Some(number) if number > MOST_PID => Some(Named::Inode(number)),
            Some(number) => Some(Named::Process(number)),
            None if matches!(word, "" | "." | "..") => None,
            None if word.contains('/') => Some(Named::Path(Path::new(word))),
            None => Some(Named::Name(word)),
        }
    }
}

impl Place {
    /// The one of a name of ip-netns(8), a path, a process id or an inode.
    pub fn named(word: &str) -> Result<Place> {
        privilege::with(LOOK, || Place::find(word))
    }

    fn find(word: &str) -> Result<Place> {
        let Some(named) = Named::of(word) else {
            let cause = "a name of ip-netns(8), a path, an inode number or pid:N is needed";
            return Err(Error::new(Kind::CannotRun, ENTER, cause)
                .on(word)
                .next(LIST));
        };
        let (file, label) = match named {
            Named::Inode(inode) => return Place::with_inode(inode),
            Named::Process(pid) => (
                PathBuf::from(format!("/proc/{pid}/ns/net")),
                format!("pid {pid}"),
            ),
            Named::Path(path) => (path.to_owned(), word.to_owned()),
            Named::Name(name) => (Path::new(NAMED).join(name), name.to_owned()),
        };
        let found = fs::metadata(&file).and_then(|_| inode_of(&file));
        let inode = found.map_err(|error| match named {
            Named::Path(_) if error.kind() == std::io::ErrorKind::NotFound => because(
                Error::os(Kind::CannotRun, ENTER, &error).on(word),
                "this path does not exist",
                LIST,
            ),
            _ => look_failure(&error, matches!(named, Named::Process(_)), word),
        })?;
        // Opening a pipe would wait for its other end.
        if matches!(named, Named::Path(_)) && !file.is_file() {
            let cause = "the file is not that of a network namespace";
            return Err(Error::new(Kind::CannotRun, ENTER, cause)
                .on(word)
                .next(LIST));
        }
        Ok(Place {
            namespace: Namespace::new(inode, label),
            entry: Entry::File(file),
        })
    }

    fn with_inode(wanted: u64) -> Result<Place> {
        let (places, unseen) = Place::find_all();
        let found = places
            .into_iter()
            .find(|place| place.namespace.inode == wanted);
        found.ok_or_else(|| {
            let hidden = if unseen.processes.count > 0 {
                "; some processes hide theirs"
            } else {
                ""
            };
            let cause =
                format!("no visible process, name or mount holds the network namespace{hidden}");
            Error::new(Kind::CannotRun, ENTER, cause)
                .on(format!("net:[{wanted}]"))
                .next(LIST)
        })
    }

    /// Every namespace that has a name, a process that can be seen, or a mount, our own first.
    pub fn all() -> (Vec<Place>, Unseen) {
        privilege::with(LOOK, Place::find_all)
    }

    fn find_all() -> (Vec<Place>, Unseen) {
        let mut all = All::default();
        all.add_own();
        all.add_named();
        all.add_of_processes();
        all.add_mounted();
        (all.places, all.unseen)
    }
}

/// Namespaces, each once.
#[derive(Default)]
struct All {
    places: Vec<Place>,
    seen: HashSet<u64>,
    /// A directory from which the files of each mount namespace can be reached, and its list of mounts.
    mounts: Vec<(PathBuf, PathBuf)>,
    unseen: Unseen,
}

impl All {
    fn add_own(&mut self) {
        let own = Place::own();
        self.seen.insert(own.namespace.inode);
        self.places.push(own);
    }

    fn add(&mut self, inode: u64, label: impl FnOnce() -> String, file: PathBuf) {
        if self.seen.insert(inode) {
            self.places.push(Place {
                namespace: Namespace::new(inode, label()),
                entry: Entry::File(file),
            });
        }
    }

    fn add_named(&mut self) {
        for entry in fs::read_dir(NAMED).into_iter().flatten().flatten() {
            if let Ok(inode) = inode_of(&entry.path()) {
                let label = || entry.file_name().to_string_lossy().into_owned();
                self.add(inode, label, entry.path());
            }
        }
    }

    fn add_of_processes(&mut self) {
        let own = inode_of(Path::new("/proc/self/ns/mnt"));
        self.mounts
            .push((PathBuf::new(), PathBuf::from("/proc/self/mountinfo")));
        let mut seen: HashSet<u64> = own.into_iter().collect();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            let process = entry.path();
            let file = process.join("ns/net");
            match inode_of(&file) {
                Ok(inode) => {
                    let label = || {
                        let comm = fs::read(process.join("comm")).unwrap_or_default();
                        format!("pid {pid} ({})", String::from_utf8_lossy(&comm).trim_end())
                    };
                    self.add(inode, label, file);
                }
                Err(error) if error.raw_os_error() == Some(libc::EACCES) => {
                    if !is_kernel_thread(pid) {
                        self.unseen.processes.add(pid);
                    }
                }
                Err(_) => {}
            }
            if inode_of(&process.join("ns/mnt")).is_ok_and(|inode| seen.insert(inode)) {
                self.mounts
                    .push((process.join("root"), process.join("mountinfo")));
            }
        }
    }

    fn add_mounted(&mut self) {
        let mut unreached = HashSet::new();
        for (root, list) in std::mem::take(&mut self.mounts) {
            for (inode, point) in namespaces_in(&fs::read(list).unwrap_or_default()) {
                let relative = point.strip_prefix("/").unwrap_or(&point);
                let file = if root.as_os_str().is_empty() {
                    point.clone()
                } else {
                    root.join(relative)
                };
                if inode_of(&file).is_ok_and(|found| found == inode) {
                    self.add(inode, || point.display().to_string(), file);
                } else {
                    unreached.insert(inode);
                }
            }
        }
        self.unseen.mounts = unreached.difference(&self.seen).count();
    }
}

/// The network namespaces among the mounts of a /proc/PID/mountinfo (proc(5)), with their mount points:
///
/// ```text
/// 530 38 0:4 net:[4026532247] /run/netns/blue rw shared:254 - nsfs nsfs rw
/// ```
fn namespaces_in(mounts: &[u8]) -> Vec<(u64, PathBuf)> {
    let lines = mounts.split(|byte| *byte == b'\n');
    let found = lines.filter_map(|line| {
        let mut words = line.split(|byte| *byte == b' ');
        let root = words.nth(3)?.strip_prefix(b"net:[")?.strip_suffix(b"]")?;
        let inode = std::str::from_utf8(root).ok()?.parse().ok()?;
        let point = OsString::from_vec(unescaped(words.next()?));
        let is_namespace = words.skip_while(|word| *word != b"-").nth(1) == Some(b"nsfs");
        is_namespace.then(|| (inode, PathBuf::from(point)))
    });
    found.collect()
}

/// A blank, a tab, a line feed and a backslash are written as a backslash and three octal digits.
fn unescaped(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((&byte, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| byte == b'\\');
        let code =
            code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 8).ok());
        out.push(code.unwrap_or(byte));
        rest = if code.is_some() { &after[3..] } else { after };
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_named_in_every_way_that_tools_print() {
        for (word, named) in [
            ("blue", Some(Named::Name("blue"))),
            ("1234", Some(Named::Process(1234))),
            ("pid:1234", Some(Named::Process(1234))),
            ("4026532000", Some(Named::Inode(4_026_532_000))),
            ("net:[4026532000]", Some(Named::Inode(4_026_532_000))),
            (
                "/run/docker/netns/default",
                Some(Named::Path(Path::new("/run/docker/netns/default"))),
            ),
            ("pid:", None),
            ("net:[]", None),
            ("..", None),
            ("", None),
        ] {
            assert_eq!(Named::of(word), named, "{word}");
        }
    }

    #[test]
    fn mounts_of_network_namespaces_are_found_among_all_mounts() {
        let text = b"22 29 0:21 / /sys rw,nosuid - sysfs sysfs rw\n\
            530 38 0:4 net:[4026532247] /run/netns/blue rw shared:254 - nsfs nsfs rw\n\
            531 38 0:4 net:[4026532300] /run/a\\040b rw - nsfs nsfs rw\n\
            532 38 0:4 mnt:[4026532301] /run/mnt rw - nsfs nsfs rw\n\
            533 38 8:1 net:[7] /run/odd rw - ext4 /dev/sda1 rw\n\
            534 38 0:4 net:[8\nnet:[9] cut";
        let found = namespaces_in(text);
        assert_eq!(
            found,
            [
                (4_026_532_247, PathBuf::from("/run/netns/blue")),
                (4_026_532_300, PathBuf::from("/run/a b")),
            ]
        );
        assert_eq!(unescaped(b"a\\04\\"), b"a\\04\\");
    }
}
