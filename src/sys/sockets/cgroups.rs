//! The paths of control groups by their ids (cgroups(7)).

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where cgroup v2 may be mounted.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];

/// A host has some hundred groups; this bounds the walk over a strange one.
const MOST: usize = 20_000;

/// The path of each group by its id, which is the inode of its folder.
pub fn paths() -> HashMap<u64, String> {
    let mut paths = HashMap::new();
    let root = ROOTS
        .map(Path::new)
        .into_iter()
        .find(|root| root.join("cgroup.controllers").exists());
    let Some(root) = root else { return paths };
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
