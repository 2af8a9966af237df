//! Control groups (cgroups(7)): their paths by their ids, and what they do to a process.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::host::GroupMemory;

/// Where cgroup v2 may be mounted.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// The control groups of one process.
#[derive(Debug)]
pub struct Groups(String);

impl Groups {
    /// Reads /proc/PID/cgroup.
    pub fn of(pid: u32) -> Groups {
        Groups(fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default())
    }

    /// The folder of its group: of a controller of version 1, or, for an empty name, of version 2.
    fn folder(&self, controller: &str) -> Option<PathBuf> {
        let path = path(&self.0, controller)?;
        let root = if controller.is_empty() {
            root()?.to_owned()
        } else {
            Path::new("/sys/fs/cgroup").join(controller)
        };
        Some(root.join(path))
    }

    fn read(&self, controller: &str, file: &str) -> Option<String> {
        fs::read_to_string(self.folder(controller)?.join(file)).ok()
    }

    /// Whether its processes are frozen.
    pub fn are_frozen(&self) -> bool {
        let second = || field(&self.read("", "cgroup.events")?, "frozen");
        let first = || Some(self.read("freezer", "freezer.state")?.trim() != "THAWED");
        second() == Some(1) || first() == Some(true)
    }

    /// Its memory, if there is a limit.
    pub fn memory(&self) -> Option<GroupMemory> {
        let number = |controller, file| self.read(controller, file)?.trim().parse().ok();
        let second = || {
            Some(GroupMemory {
                limit: number("", "memory.max")?,
                used: number("", "memory.current")?,
                met: field(&self.read("", "memory.events")?, "max")?,
            })
        };
        let first = || {
            Some(GroupMemory {
                limit: number("memory", "memory.limit_in_bytes").filter(|it| *it < NO_LIMIT)?,
                used: number("memory", "memory.usage_in_bytes")?,
                met: number("memory", "memory.failcnt")?,
            })
        };
        second().or_else(first)
    }
}

/// Version 1 has a number near 2^63 where there is no limit.
const NO_LIMIT: u64 = 1 << 62;

/// The path of the group of a controller in /proc/PID/cgroup: `4:cpu,memory:/web`, of version 2 `0::/web`.
fn path<'a>(text: &'a str, controller: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        rest.split_once(':')
    });
    let is_it = |names: &str| names.split(',').any(|name| name == controller);
    let (_, path) = lines.find(|(names, _)| is_it(names))?;
    // Outside of a namespace of control groups it begins with `/..`.
    let path = path.strip_prefix('/')?;
    let is_inside = !path.split('/').any(|part| part == "..");
    is_inside.then_some(path)
}

/// The value of a line `name value`.
fn field(text: &str, name: &str) -> Option<u64> {
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(of, _)| *of == name)?.1.trim().parse().ok()
}

/// Where version 2 is mounted.
fn root() -> Option<&'static Path> {
    let mut roots = ROOTS.map(Path::new).into_iter();
    roots.find(|root| root.join("cgroup.controllers").exists())
}

/// A host has some hundred groups; this bounds the walk over a strange one.
const MOST: usize = 20_000;

/// The path of each group by its id, which is the inode of its folder.
pub fn paths() -> HashMap<u64, String> {
    let mut paths = HashMap::new();
    let Some(root) = root() else { return paths };
    let mut folders: Vec<PathBuf> = vec![root.to_owned()];
    while let Some(folder) = folders.pop().filter(|_| paths.len() < MOST) {
        let Ok(metadata) = fs::metadata(&folder) else {
            continue;
        };
        let below = folder.strip_prefix(root).unwrap_or(Path::new(""));
        paths.insert(metadata.ino(), format!("/{}", below.display()));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(
            entries
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
                .map(|entry| entry.path()),
        );
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_group_of_a_controller_is_found_and_none_outside_of_the_namespace() {
        let text = "9:name=systemd:/\n4:cpu,memory:/web/a:b\n6:freezer:/../x\n0::/web.slice\n";
        assert_eq!(path(text, "memory"), Some("web/a:b"));
        assert_eq!(path(text, ""), Some("web.slice"));
        assert_eq!(path(text, "freezer"), None);
        assert_eq!(path(text, "pids"), None);
        assert_eq!(path("odd\n:\n1:memory\n", "memory"), None);
    }

    #[test]
    fn fields_of_events_are_read() {
        let text = "populated 1\nfrozen 1\n";
        assert_eq!(field(text, "frozen"), Some(1));
        assert_eq!((field(text, "oom"), field("max x\n", "max")), (None, None));
    }

    #[test]
    fn we_are_not_frozen() {
        assert!(!Groups::of(std::process::id()).are_frozen());
    }
}
