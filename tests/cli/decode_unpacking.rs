//! `sockdoc decode` of compressed files: what a small file may unpack to.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support::pcapng::block;
use crate::support::{Running, finish, launched_by, program, run, skip, stderr, stdout};

/// Kilobytes of address space that the program may have.
const MOST_KB: &str = "120000";
/// Bytes of one block: the longest that is read.
const BLOCK: usize = 16 << 20;
const BLOCKS: usize = 16;

/// A capture of one frame after 256 MiB that mean nothing, packed.
fn bomb(folder: &Path, packer: &str) -> PathBuf {
    let path = folder.join(packer);
    let mut packer = Running::from(
        Command::new(packer)
            .args(["-q", "-1", "-c"])
            .stdin(Stdio::piped())
            .stdout(File::create(&path).unwrap())
            .spawn()
            .expect("the packer starts"),
    );
    let mut input = packer.stdin.take().unwrap();
    let section = [
        &0x1a2b_3c4d_u32.to_le_bytes()[..],
        &[1, 0, 0, 0],
        &[0xff; 8],
    ]
    .concat();
    input.write_all(&block(0x0a0d_0d0a, &section)).unwrap();
    input
        .write_all(&block(1, &[101, 0, 0, 0, 0, 0, 0, 0]))
        .unwrap();
    let nothing = block(0x8000_0001, &vec![0; BLOCK - 12]);
    for _ in 0..BLOCKS {
        input.write_all(&nothing).unwrap();
    }
    input
        .write_all(&block(3, &[4, 0, 0, 0, 0x45, 0, 0, 0]))
        .unwrap();
    drop(input);
    assert!(packer.wait().unwrap().success());
    path
}

#[test]
fn a_file_that_unpacks_to_much_takes_no_more_memory_than_another() {
    let test = "a_file_that_unpacks_to_much_takes_no_more_memory_than_another";
    let folder = tempfile::tempdir().unwrap();
    for packer in ["gzip", "zstd", "lz4"] {
        if program(packer).is_none() {
            skip(test, &format!("{packer} is not installed"));
            continue;
        }
        let path = bomb(folder.path(), packer);
        let packed = fs::metadata(&path).unwrap().len();
        assert!(packed < (BLOCK * BLOCKS) as u64 / 100, "{packer}: {packed}");
        let limit = format!("ulimit -v {MOST_KB}; exec \"$@\"");
        let mut command = launched_by(&["sh", "-c", &limit, "sh"]);
        command.args(["decode", "-n"]).arg(&path);
        let output = finish(command);
        assert_eq!(stderr(&output), "", "{packer}");
        assert_eq!(stdout(&output).lines().count(), 1, "{packer}");
    }
}

#[test]
fn a_name_that_promises_another_compression_is_refused_before_anything_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let capture = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/data/captures/tutorial.pcap"
    );
    for ending in ["xz", "lz4", "bz2"] {
        let path = folder.path().join(format!("out.pcapng.{ending}"));
        let output = run(&["decode", capture, "-w", path.to_str().unwrap()]);
        assert_eq!(output.status.code(), Some(2), "{ending}");
        assert!(
            stderr(&output).contains(".gz or .zst"),
            "{}",
            stderr(&output)
        );
        assert!(!path.exists(), "{ending}");
    }
}
