//! As an ordinary user, with a /proc that hides processes, and without any.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::namespace::{NOBODY, Namespace, binary_for_all};
use crate::support::sockets::{Listing, inode};
use crate::support::{finish, program, skip, stdout};

/// A namespace with a socket of ours and one that only nobody's process holds, and the binary.
struct Scene {
    namespace: Namespace,
    ours: TcpListener,
    theirs: u64,
    holder: std::process::Child,
    binary: String,
    _folder: tempfile::TempDir,
}

impl Scene {
    fn new(test: &str) -> Option<Scene> {
        if program("setpriv").is_none() || program("unshare").is_none() {
            skip(test, "setpriv or unshare is not installed");
            return None;
        }
        let namespace = Namespace::new(test)?;
        let listen = || namespace.inside(|| TcpListener::bind("127.0.0.1:0").expect("binds"));
        let (ours, theirs) = (listen(), listen());
        let number = inode(&theirs);
        let mut command = Command::new("sleep");
        command
            .arg("1000")
            .stdin(OwnedFd::from(theirs))
            .uid(65534)
            .gid(65534);
        let holder = command.spawn().expect("the holder starts");
        let (folder, binary) = binary_for_all();
        Some(Scene {
            namespace,
            ours,
            theirs: number,
            holder,
            binary,
            _folder: folder,
        })
    }

    /// What the binary says, started by these words.
    fn as_started_by(&self, launcher: &[&str], args: &[&str]) -> std::process::Output {
        let mut command = self.namespace.command(launcher[0]);
        command
            .args(&launcher[1..])
            .arg(&self.binary)
            .arg("sockets")
            .args(args);
        command.stdin(Stdio::null());
        finish(command)
    }

    fn listing(&self, launcher: &[&str], args: &[&str]) -> Listing {
        let mut command = self.namespace.command(launcher[0]);
        command.args(&launcher[1..]).arg(&self.binary);
        command
            .args(["sockets", "--json"])
            .args(args)
            .stdin(Stdio::null());
        Listing::of(command)
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

fn is_of(row: &Value, pid: u32) -> bool {
    let owners = row["owners"].as_array().expect("a list");
    owners.len() == 1 && owners[0]["pid"] == pid && owners[0]["fd"] == 0
}

#[test]
fn an_ordinary_user_sees_own_owners_and_one_notice_with_a_count() {
    let Some(scene) = Scene::new("an ordinary user") else {
        return;
    };
    let listing = scene.listing(&NOBODY, &[]);
    assert_eq!(listing.code, Some(0));
    assert_eq!(listing.rows().len(), 2);
    let row = listing.with_inode(scene.theirs);
    assert!(is_of(row, scene.holder.id()), "{row:#}");
    let row = listing.with_inode(inode(&scene.ours));
    assert_eq!(row["owner_reason"], "permission");
    assert_eq!(row["uid"], 0);
    assert_eq!(listing.notes(), ["owners_hidden"]);
    assert_eq!(listing.document["complete"], false);
    let text = stdout(&scene.as_started_by(&NOBODY, &[]));
    assert_eq!(text.matches("note: ").count(), 1, "{text}");
    assert_eq!(text.matches("(no permission)").count(), 1, "{text}");
    let note = text.lines().last().expect("a note");
    assert!(
        note.split(' ')
            .any(|word| word.parse::<u32>().is_ok_and(|count| count > 0))
    );
    assert!(note.contains("CAP_SYS_PTRACE"), "{note}");
    // Where owners are not looked for, none is missing.
    let listing = scene.as_started_by(&NOBODY, &["--cols", "local"]);
    assert!(!stdout(&listing).contains("note: "));
}

#[test]
fn where_proc_hides_processes_the_listing_is_not_called_complete() {
    let Some(scene) = Scene::new("hidepid") else {
        return;
    };
    let hiding = "mount -t proc -o hidepid=2 proc /proc && exec \"$0\" \"$@\"";
    let launcher = [&["unshare", "-m", "sh", "-c", hiding], &NOBODY[..]].concat();
    let listing = scene.listing(&launcher, &[]);
    assert_eq!(listing.code, Some(0));
    assert!(is_of(listing.with_inode(scene.theirs), scene.holder.id()));
    assert_eq!(
        listing.document["complete"], false,
        "{:#}",
        listing.document
    );
    assert_eq!(listing.document["notes"].as_array().map(Vec::len), Some(1));
}

#[test]
fn without_proc_the_sockets_are_listed_and_a_note_says_why_no_owner_is() {
    let Some(scene) = Scene::new("no /proc") else {
        return;
    };
    let empty = "mount -t tmpfs none /proc && exec \"$0\" \"$@\"";
    let listing = scene.listing(&["unshare", "-m", "sh", "-c", empty], &[]);
    assert_eq!(listing.code, Some(0));
    assert_eq!(listing.rows().len(), 2);
    assert!(
        listing.notes().contains(&"no_proc"),
        "{:?}",
        listing.notes()
    );
    assert_eq!(listing.document["complete"], false);
}

#[test]
fn inside_a_namespace_of_processes_an_owner_outside_is_not_made_up() {
    let Some(scene) = Scene::new("a PID namespace") else {
        return;
    };
    let launcher = ["unshare", "--pid", "--fork", "--mount-proc"];
    let listing = scene.listing(&launcher, &[]);
    for row in listing.rows() {
        assert_eq!(row["owners"], serde_json::json!([]));
        assert_eq!(row["owner_reason"], "not_seen");
    }
    assert_eq!(listing.rows().len(), 2);
}
