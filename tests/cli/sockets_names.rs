//! `sockdoc sockets`: names that others have chosen cannot move a cursor, forge a row or get lost.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixListener};

use crate::sockets::{listener, word};
use crate::support::sockets::{Holder, Listing, hex, inode, pids, wait_for_row};
use crate::support::{run, skip, stdout, until};

/// Clears the screen, sets a colour, ends the line, turns the direction, is no UTF-8.
const HOSTILE: &[u8] = b"a\x1b[2J\x1b[31m\r\ntcp LISTEN 0 0 forged\x7f\xc2\x9b\xe2\x80\xae\xff  z";

/// Each way to show sockets. The last two have a row for each owner, and a child of this process
/// that is being started is one for a moment.
const STYLES: &[&[&str]] = &[
    &[],
    &["--json"],
    &["--csv"],
    &["--like", "ss"],
    &["--like", "netstat"],
    &["-i", "-m", "-o"],
    &["--like", "lsof"],
    &["--group", "process"],
];

/// Runs every style and checks that nothing but ordinary text comes out; gives how many rows each of
/// those has that have one for each socket.
fn rows_of_each_style(word: &str) -> Vec<usize> {
    let count = |style: &&[&str]| {
        let args = [&["sockets"], *style, &[word]].concat();
        let output = run(&args);
        assert_eq!(output.status.code(), Some(0), "{args:?}: {output:?}");
        let text = stdout(&output);
        for c in text.chars().filter(|&c| c != '\n') {
            let bidi = ('\u{202a}'..='\u{202e}').contains(&c);
            assert!(!c.is_control() && !bidi, "{args:?}: {c:?} in {text}");
        }
        assert!(!text.contains("\ntcp LISTEN 0 0 forged"), "{text}");
        text.lines().count()
    };
    let counts: Vec<usize> = STYLES.iter().map(count).collect();
    counts[..STYLES.len() - 2].to_vec()
}

#[test]
fn a_hostile_path_stays_in_its_row_and_is_exact_in_json() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(OsStr::from_bytes(HOSTILE));
    let socket = UnixListener::bind(&path).expect("binds");
    let word = folder.path().to_str().expect("text");
    let listing = Listing::take(&[word]);
    let row = listing.only();
    assert_eq!(row["inode"], inode(&socket));
    assert_eq!(row["local"]["path_hex"], hex(path.as_os_str().as_bytes()));
    let with_hostile = rows_of_each_style(word);
    drop(socket);
    std::fs::remove_file(&path).expect("removed");
    let _plain = UnixListener::bind(folder.path().join("plain")).expect("binds");
    // A child that another test starts may hold a copy until it becomes another program.
    until("the hostile socket to be gone", || {
        (Listing::take(&[word]).rows().len() == 1).then_some(())
    });
    assert_eq!(rows_of_each_style(word), with_hostile);
    let text = stdout(&run(&["sockets", word]));
    assert!(text.contains(&format!("{word}/plain")), "{text}");
}

#[test]
fn an_abstract_name_has_an_at_and_its_nuls_stand_out() {
    let name = format!("sockdoc {}\0with nul", std::process::id());
    let address = SocketAddr::from_abstract_name(name.as_bytes()).expect("a name");
    let socket = UnixListener::bind_addr(&address).expect("binds");
    let front = format!("@sockdoc {}*", std::process::id());
    let listing = Listing::take(&[&front]);
    let row = listing.only();
    assert_eq!(row["inode"], inode(&socket));
    assert_eq!(row["local"]["abstract"], name);
    let text = stdout(&run(&["sockets", &front]));
    let shown = format!("@sockdoc {}\\x00with nul", std::process::id());
    assert!(text.contains(&shown), "{text}");
}

#[test]
fn a_hostile_abstract_name_is_exact_in_json() {
    let mut name = format!("s{}", std::process::id()).into_bytes();
    let front = format!("@{}*", String::from_utf8_lossy(&name));
    name.extend_from_slice(HOSTILE);
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _socket = UnixListener::bind_addr(&address).expect("binds");
    let listing = Listing::take(&[&front]);
    assert_eq!(listing.only()["local"]["abstract_hex"], hex(&name));
    rows_of_each_style(&front);
}

#[test]
fn an_abstract_name_of_107_bytes_is_whole() {
    let mut name = format!("long{}-", std::process::id());
    let front = format!("@{name}*");
    name.extend(std::iter::repeat_n('n', 107 - name.len()));
    let address = SocketAddr::from_abstract_name(&name).expect("a name");
    let _socket = UnixListener::bind_addr(&address).expect("binds");
    assert_eq!(Listing::take(&[&front]).only()["local"]["abstract"], name);
    let text = stdout(&run(&["sockets", &front]));
    assert!(text.contains(&format!("@{name} ")), "{text}");
}

/// Binds a path that fills `sun_path`, without the NUL that libraries put after it.
const FULL_PATH: &str = r#"
import ctypes, os, socket, struct, sys
path = os.fsencode(sys.argv[1])
assert len(path) == 108
s = socket.socket(socket.AF_UNIX)
address = struct.pack("=H", socket.AF_UNIX) + path
assert ctypes.CDLL(None).bind(s.fileno(), address, len(address)) == 0
s.listen()
print("ready", flush=True)
sys.stdin.read()
"#;

#[test]
fn a_path_of_108_bytes_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    let here = folder.path().to_str().expect("text");
    let path = format!("{here}/{}", "p".repeat(107 - here.len()));
    assert_eq!(path.len(), 108);
    let Some(holder) = Holder::python(FULL_PATH, &[&path]) else {
        return skip("a path of 108 bytes", "python3 is not installed");
    };
    assert_eq!(holder.line(), "ready");
    let listing = Listing::take(&[here]);
    let row = listing.only();
    assert_eq!(row["local"]["path"], path);
    assert_eq!(pids(row), [u64::from(holder.pid())]);
    assert_eq!(Listing::take(&[&path]).rows().len(), 1);
    let text = stdout(&run(&["sockets", here]));
    assert!(text.contains(&format!("{path} ")), "{text}");
}

#[test]
fn a_process_called_like_the_end_of_its_own_stat_line_is_known_by_its_name() {
    let folder = tempfile::tempdir().expect("a folder");
    // As /proc/PID/stat writes it: 1 (x) S 1 (y) ...
    for name in [&b"x) S 1 (y"[..], b"\x1b[31mred)\n\xff"] {
        let (socket, address) = listener(5);
        let Some(holder) = Holder::of(socket.into(), folder.path(), OsStr::from_bytes(name)) else {
            return;
        };
        let row = wait_for_row(&[&word(address)], "only the holder", |row| {
            pids(row) == [u64::from(holder.pid())]
        });
        let owner = &row["owners"][0];
        match std::str::from_utf8(name) {
            Ok(text) => assert_eq!(owner["comm"], text),
            Err(_) => assert_eq!(owner["comm_hex"], hex(name)),
        }
        rows_of_each_style(&word(address));
        let text = stdout(&run(&["sockets", &word(address)]));
        let escaped = match std::str::from_utf8(name) {
            Ok(text) => text.to_owned(),
            Err(_) => "\\x1b[31mred)\\n\\xff".to_owned(),
        };
        let shown = format!("{escaped}({},fd0)", holder.pid());
        assert!(text.contains(&shown), "{shown} in {text}");
        let text = stdout(&run(&["sockets", "--like", "ss", &word(address)]));
        assert_eq!(text.lines().count(), 2, "{text}");
    }
}

#[test]
fn a_path_that_is_gone_or_taken_over_is_marked_and_one_that_stands_is_not() {
    // On a file system whose files have the inodes that the kernel knows.
    let folder = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    let folder = folder.expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let bind = |name: &str| UnixListener::bind(path(name)).expect("binds");
    let unlink = |name: &str| std::fs::remove_file(path(name)).expect("unlinked");
    let deleted = bind("deleted");
    unlink("deleted");
    let first = bind("twice");
    unlink("twice");
    let second = bind("twice");
    let word = folder.path().to_str().expect("text");
    let listing = Listing::take(&["-x", word]);
    let state = |listener: &UnixListener| listing.with_inode(inode(listener))["path_state"].clone();
    assert_eq!(state(&deleted), "deleted");
    assert_eq!(state(&first), "replaced");
    assert_eq!(state(&second), serde_json::Value::Null);
    let text = stdout(&run(&["sockets", "-x", word]));
    assert_eq!(text.matches("/deleted (deleted) ").count(), 1, "{text}");
    assert_eq!(text.matches("/twice (replaced) ").count(), 1, "{text}");
}
