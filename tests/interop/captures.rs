//! Capture files beside tshark, tcpdump and capinfos: what they write is read alike, and what we write
//! they read back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use sockdoc::capfile::{
    ByteOrder, Compression, Frame, Interface, LinkType, PcapWriter, PcapngWriter, Resolution,
    SliceReader, StreamReader, Unpacker,
};

use crate::packets;
use crate::peers::{finish, no_python, python};
use crate::support::{program, skip};

/// What is compared of a frame: seconds and nanoseconds since 1970, bytes captured, bytes on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    time: Option<(i64, u32)>,
    captured: usize,
    len: u32,
}

/// Says that `test` cannot run, if one of the programs is missing.
fn lacks(test: &str, programs: &[&str]) -> bool {
    let missing = programs.iter().find(|name| program(name).is_none());
    if let Some(name) = missing {
        skip(test, &format!("{name} is not installed"));
    }
    missing.is_some()
}

fn run(program: &str, args: &[&str], file: &Path) -> Output {
    let mut command = Command::new(program);
    command.args(args).arg(file).stdin(Stdio::null());
    command.output().expect("the program runs")
}

fn row(frame: &Frame<'_>) -> Row {
    Row {
        time: frame.time.map(|time| (time.seconds, time.nanoseconds)),
        captured: frame.data.len(),
        len: frame.original_len,
    }
}

/// All frames in front of damage, and whether there was some.
fn ours(file: &[u8]) -> (Vec<Row>, bool) {
    let mut rows = Vec::new();
    for frame in SliceReader::new(file) {
        match frame {
            Ok(frame) => rows.push(row(&frame)),
            Err(_) => return (rows, true),
        }
    }
    (rows, false)
}

/// The same from tshark.
fn tshark(file: &Path) -> (Vec<Row>, bool) {
    let fields = [
        "-n",
        "-T",
        "fields",
        "-e",
        "frame.time_epoch",
        "-e",
        "frame.cap_len",
        "-e",
        "frame.len",
        "-r",
    ];
    let output = run("tshark", &fields, file);
    let text = String::from_utf8(output.stdout).expect("text");
    let rows = text.lines().map(|line| {
        let fields: Vec<&str> = line.split('\t').collect();
        Row {
            time: moment(fields[0]),
            captured: fields[1].parse().expect("a length"),
            len: fields[2].parse().expect("a length"),
        }
    });
    (rows.collect(), !output.status.success())
}

/// `1700000000.000001000`.
fn moment(text: &str) -> Option<(i64, u32)> {
    let (seconds, nanoseconds) = text.split_once('.')?;
    Some((seconds.parse().ok()?, nanoseconds.parse().ok()?))
}

/// How many frames capinfos counts.
fn capinfos(file: &Path) -> Option<usize> {
    let output = run("capinfos", &["-M", "-T", "-r", "-c"], file);
    let text = String::from_utf8(output.stdout).expect("text");
    text.trim_end().rsplit('\t').next()?.parse().ok()
}

/// The frames that tcpdump writes when it reads the file; it keeps the bytes and the lengths.
fn tcpdump(file: &Path) -> (Vec<Row>, bool) {
    let output = Command::new("tcpdump")
        .args(["--time-stamp-precision=nano", "-w", "-", "-r"])
        .arg(file)
        .stdin(Stdio::null())
        .output();
    let output = output.expect("tcpdump runs");
    (ours(&output.stdout).0, !output.status.success())
}

/// A folder of files from the independent writer.
fn generated() -> (tempfile::TempDir, Vec<PathBuf>) {
    let folder = tempfile::tempdir().expect("a folder");
    let output = finish(python("captures.py", &[folder.path().to_str().unwrap()]));
    assert!(output.status.success(), "{output:?}");
    let mut files: Vec<PathBuf> = fs::read_dir(folder.path())
        .expect("a folder")
        .map(|entry| entry.expect("a file").path())
        .collect();
    files.sort();
    assert!(files.len() > 20, "{files:?}");
    (folder, files)
}

#[test]
fn files_with_every_feature_are_read_as_tshark_and_capinfos_read_them() {
    let test = "files_with_every_feature_are_read_as_tshark_and_capinfos_read_them";
    if no_python(test) || lacks(test, &["tshark", "capinfos"]) {
        return;
    }
    let (_folder, files) = generated();
    let (mut frames, mut without_time) = (0, 0);
    for path in &files {
        let file = fs::read(path).unwrap();
        let (ours, damaged) = ours(&file);
        assert!(!damaged, "{}", path.display());
        let (mut theirs, _) = tshark(path);
        // tshark shows custom blocks as if they were frames without a time.
        if path.to_str().unwrap().ends_with("-blocks.pcapng") {
            theirs.retain(|row| row.time.is_some());
        }
        // tshark gives a time to frames that have none.
        for (ours, theirs) in ours.iter().zip(&mut theirs) {
            if ours.time.is_none() {
                theirs.time = None;
                without_time += 1;
            }
        }
        assert_eq!(ours, theirs, "{}", path.display());
        assert_eq!(Some(ours.len()), capinfos(path), "{}", path.display());
        frames += ours.len();
    }
    assert!(frames > 100 && without_time == 4, "{frames} {without_time}");
    println!(
        "{} files, {frames} frames: times and lengths as tshark's",
        files.len()
    );
}

/// All frames of a link type in a file of ours.
fn written(link: LinkType, order: ByteOrder, resolution: Resolution, is_pcapng: bool) -> Vec<u8> {
    let interface = Interface {
        resolution,
        name: Some("any".into()),
        ..Interface::new(link)
    };
    let frames = packets::frames(link);
    let frames = frames.iter().enumerate();
    let frames = frames.map(|(number, packet)| packet.frame(number, link));
    if is_pcapng {
        let mut writer = PcapngWriter::new(Vec::new(), order).unwrap();
        frames.for_each(|frame| writer.frame(&frame, &interface).unwrap());
        return writer.into_inner();
    }
    let mut writer = PcapWriter::new(Vec::new(), order, &interface).unwrap();
    frames.for_each(|frame| writer.frame(&frame).unwrap());
    writer.into_inner()
}

#[test]
fn what_we_write_is_read_back_by_tshark_tcpdump_and_capinfos() {
    let test = "what_we_write_is_read_back_by_tshark_tcpdump_and_capinfos";
    if lacks(test, &["tshark", "tcpdump", "capinfos"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut count = 0;
    for (number, link) in packets::LINKS.into_iter().enumerate() {
        let order = [ByteOrder::Little, ByteOrder::Big][number % 2];
        let resolution = [Resolution::MICROSECONDS, Resolution::NANOSECONDS][number / 2 % 2];
        for is_pcapng in [false, true] {
            let file = written(link, order, resolution, is_pcapng);
            let path = folder.path().join(format!("{link}-{is_pcapng}"));
            fs::write(&path, &file).unwrap();
            let expected = (ours(&file).0, false);
            assert_eq!(expected.0.len(), packets::frames(link).len());
            assert_eq!(tshark(&path), expected, "{link}");
            assert_eq!(tcpdump(&path), expected, "{link}");
            assert_eq!(capinfos(&path), Some(expected.0.len()), "{link}");
            count += 1;
        }
    }
    println!("{count} files of ours read back by all three");
}

#[test]
fn one_file_of_ours_has_room_for_frames_of_all_link_types() {
    let test = "one_file_of_ours_has_room_for_frames_of_all_link_types";
    if lacks(test, &["tshark", "capinfos"]) {
        return;
    }
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    let mut count = 0;
    for (interface, link) in (0..).zip(packets::LINKS) {
        for packet in packets::frames(link).iter().take(10) {
            let mut frame = packet.frame(count, link);
            frame.interface = interface;
            writer.frame(&frame, &Interface::new(link)).unwrap();
            count += 1;
        }
    }
    let file = writer.into_inner();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.pcapng");
    fs::write(&path, &file).unwrap();
    assert_eq!(tshark(&path), (ours(&file).0, false));
    assert_eq!(capinfos(&path), Some(count));
}

#[test]
fn what_editcap_and_mergecap_write_has_the_same_frames() {
    let test = "what_editcap_and_mergecap_write_has_the_same_frames";
    if lacks(test, &["editcap", "mergecap"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let order = ByteOrder::Big;
    let written = |link| written(link, order, Resolution::MICROSECONDS, false);
    let (ethernet, raw) = (written(LinkType::ETHERNET), written(LinkType::RAW));
    let paths = ["ethernet", "raw", "out"].map(|name| folder.path().join(name));
    fs::write(&paths[0], &ethernet).unwrap();
    fs::write(&paths[1], &raw).unwrap();
    let (expected, _) = ours(&ethernet);
    for format in ["pcap", "nsecpcap", "modpcap", "pcapng"] {
        let mut command = Command::new("editcap");
        command.args(["-F", format]).args([&paths[0], &paths[2]]);
        assert!(finish(command).status.success(), "{format}");
        let file = fs::read(&paths[2]).unwrap();
        assert_eq!(ours(&file), (expected.clone(), false), "{format}");
    }
    let mut command = Command::new("mergecap");
    command
        .args(["-a", "-w"])
        .args([&paths[2], &paths[0], &paths[1]]);
    assert!(finish(command).status.success());
    let merged = fs::read(&paths[2]).unwrap();
    assert_eq!(ours(&merged), ([expected, ours(&raw).0].concat(), false));
    let links: Vec<LinkType> = SliceReader::new(&merged)
        .map(|frame| frame.unwrap().link)
        .collect();
    assert_eq!(
        (links.first(), links.last()),
        (Some(&LinkType::ETHERNET), Some(&LinkType::RAW))
    );
}

#[test]
fn of_a_file_that_is_cut_we_give_the_frames_that_tshark_gives() {
    let test = "of_a_file_that_is_cut_we_give_the_frames_that_tshark_gives";
    if lacks(test, &["tshark"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cut");
    let mut random = packets::Random(3);
    for is_pcapng in [false, true] {
        let order = ByteOrder::Little;
        let file = written(
            LinkType::ETHERNET,
            order,
            Resolution::MICROSECONDS,
            is_pcapng,
        );
        for _ in 0..12 {
            // Behind the headers, where both know what the file is.
            let cut = 100 + random.below(file.len() - 100);
            fs::write(&path, &file[..cut]).unwrap();
            assert_eq!(tshark(&path), ours(&file[..cut]), "cut at {cut}");
        }
    }
}

/// A file packed by a program.
fn packed(packer: &str, args: &[&str], file: &Path) -> Vec<u8> {
    let output = run(packer, args, file);
    assert!(output.status.success(), "{packer}: {output:?}");
    output.stdout
}

/// The frames of a compressed file.
fn unpacked(packed: &[u8]) -> (Vec<Row>, Option<Compression>) {
    let compression = Compression::of(packed).expect("a compressed file");
    let window = Unpacker::<&[u8]>::DEFAULT_WINDOW;
    let mut unpacker = Unpacker::new(compression, packed, window);
    let mut reader = StreamReader::new();
    let mut buffer = vec![0; 10_000];
    let mut rows = Vec::new();
    while !reader.is_over() {
        match unpacker.unpack(&mut buffer).expect("a whole file") {
            0 => reader.end(),
            count => reader.feed(&buffer[..count]),
        }
        while let Some(frame) = reader.next_frame().expect("a good file") {
            rows.push(row(&frame));
        }
    }
    (rows, Some(compression))
}

#[test]
fn files_packed_by_gzip_zstd_and_lz4_give_the_same_frames() {
    let test = "files_packed_by_gzip_zstd_and_lz4_give_the_same_frames";
    if lacks(test, &["gzip", "zstd", "lz4"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("frames.pcap");
    let order = ByteOrder::Little;
    let file = written(LinkType::ETHERNET, order, Resolution::MICROSECONDS, false);
    // So much that every format needs several blocks.
    let many = [&file[..], &file[24..].repeat(100)].concat();
    fs::write(&path, &many).unwrap();
    let (rows, damaged) = ours(&many);
    assert!(!damaged);
    for (packer, args) in [
        ("gzip", &["-c"][..]),
        ("gzip", &["-1", "-c"]),
        ("zstd", &["-q", "-c"]),
        ("zstd", &["-q", "-c", "-19", "--long=27"]),
        ("zstd", &["-q", "-c", "--no-check", "--fast"]),
        ("lz4", &["-q", "-c"]),
        ("lz4", &["-q", "-c", "-9", "-B4", "-BD", "-BX"]),
        ("lz4", &["-q", "-c", "--content-size", "--no-frame-crc"]),
    ] {
        let (unpacked, compression) = unpacked(&packed(packer, args, &path));
        assert_eq!(compression.map(Compression::name), Some(packer));
        assert!(unpacked == rows, "{packer} {args:?}");
    }
}
