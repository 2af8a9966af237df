//! The corpus of every fuzz target, replayed as an ordinary test: each file as it is, and a bounded
//! number of changes to it that are the same in every run.

use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use sockdoc::capfile::{ByteOrder, PcapngWriter, SliceReader};

#[path = "fuzz/bodies/bpf.rs"]
mod bpf;
#[path = "fuzz/bodies/capfile.rs"]
mod capfile;
#[path = "fuzz/bodies/dns.rs"]
mod dns;
#[path = "fuzz/bodies/explain.rs"]
mod explain;
#[path = "fuzz/bodies/filter.rs"]
mod filter;
#[path = "fuzz/bodies/framing.rs"]
mod framing;
#[path = "fuzz/bodies/http.rs"]
mod http;
#[path = "fuzz/bodies/message.rs"]
mod message;
#[path = "fuzz/bodies/nftables.rs"]
mod nftables;
#[path = "fuzz/bodies/packet.rs"]
mod packet;
#[path = "fuzz/bodies/ping.rs"]
mod ping;
#[path = "fuzz/bodies/rtnetlink.rs"]
mod rtnetlink;
#[path = "fuzz/bodies/sample.rs"]
mod sample;
#[path = "fuzz/bodies/sockdiag.rs"]
mod sockdiag;
#[path = "fuzz/bodies/stream.rs"]
mod stream;

type Body = fn(&[u8]);

/// Each fuzz target, and what it does with its bytes.
const TARGETS: &[(&str, Body)] = &[
    ("bpf", bpf::bpf),
    ("capfile_pcap", capfile::capfile_pcap),
    ("capfile_pcapng", capfile::capfile_pcapng),
    ("capfile_unpack", capfile::capfile_unpack),
    ("dns", dns::dns),
    ("explain", explain::explain),
    ("filter", filter::filter),
    ("framing", framing::framing),
    ("http", http::http),
    ("message_deframer", message::message_deframer),
    ("message_json", message::message_json),
    ("nftables", nftables::nftables),
    ("packet", packet::packet),
    ("ping", ping::ping),
    ("rtnetlink", rtnetlink::rtnetlink),
    ("sample", sample::sample),
    ("sockdiag", sockdiag::sockdiag),
    ("stream", stream::stream),
];

/// Changes made to each file.
const CHANGES: usize = 300;

/// No changed input is longer; a splice of two files could otherwise be.
const LONGEST: usize = 16 * 1024;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz")
}

/// The corpus of a target: names and contents, in the order of the names.
fn corpus(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| {
        panic!("{target} has no corpus ({error}): add small files to tests/fuzz/corpus/{target}/")
    });
    let mut files: Vec<(String, Vec<u8>)> = entries
        .map(|entry| {
            let entry = entry.expect("an entry");
            let bytes = fs::read(entry.path()).expect("a file");
            (entry.file_name().display().to_string(), bytes)
        })
        .collect();
    files.sort();
    assert!(!files.is_empty(), "the corpus of {target} is empty");
    files
}

/// Runs one input; a panic is told with what repeats it.
fn run(target: &str, body: Body, what: &str, input: &[u8]) {
    let outcome = catch_unwind(AssertUnwindSafe(|| body(input)));
    assert!(
        outcome.is_ok(),
        "{target} fails on {what}; the input: b\"{}\"",
        input.escape_ascii()
    );
}

fn replay(target: &str) {
    let (_, body) = *TARGETS
        .iter()
        .find(|(name, _)| *name == target)
        .expect("a target of the table");
    let files = corpus(target);
    let mut runs = 0_usize;
    for (name, bytes) in &files {
        run(target, body, name, bytes);
        let mut random = Random::new(target, name);
        for change in 0..CHANGES {
            let other = &files[random.below(files.len())].1;
            let input = changed(bytes, other, &mut random);
            run(target, body, &format!("change {change} of {name}"), &input);
            runs += 1;
        }
    }
    println!("{target}: {} files, {runs} changes", files.len());
}

/// One to four changes: a bit flipped, a byte set, a piece cut out, repeated, or put in from another
/// file.
fn changed(bytes: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let mut input = bytes.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(input.len() + 1);
        match random.below(6) {
            0 if at < input.len() => input[at] ^= 1 << random.below(8),
            1 if at < input.len() => {
                // The edges of numbers, of ASCII and of UTF-8, and what means something in JSON.
                let bytes = b"\0\x01\x7f\x80\xc2\xe2\xed\xf0\xf4\xff\"\\{}[],:0-eN\n ";
                input[at] = bytes[random.below(bytes.len())];
            }
            2 => input.truncate(at),
            3 => {
                let end = at + random.below(input.len() - at + 1);
                drop(input.drain(at..end));
            }
            4 => {
                let end = at + random.below((input.len() - at).min(64) + 1);
                let piece = input[at..end].to_vec();
                drop(input.splice(at..at, piece));
            }
            _ => {
                let from = random.below(other.len() + 1);
                let to = from + random.below(other.len() - from + 1);
                drop(input.splice(at..at, other[from..to].iter().copied()));
            }
        }
        input.truncate(LONGEST);
    }
    input
}

/// Numbers that are the same in every run (xorshift64*).
struct Random(u64);

impl Random {
    /// The seed comes from names, so that a new file does not change what is done to the others.
    fn new(target: &str, name: &str) -> Self {
        let seed = target.bytes().chain(name.bytes());
        let seed = seed.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Random(seed | 1)
    }

    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).expect("31 bits") % limit
    }
}

#[test]
fn the_corpus_of_bpf_holds() {
    replay("bpf");
}

#[test]
fn the_corpus_of_capfile_pcap_holds() {
    replay("capfile_pcap");
}

#[test]
fn the_corpus_of_capfile_pcapng_holds() {
    replay("capfile_pcapng");
}

#[test]
fn the_corpus_of_capfile_unpack_holds() {
    replay("capfile_unpack");
}

#[test]
fn the_corpus_of_explain_holds() {
    replay("explain");
}

#[test]
fn the_corpus_of_filter_holds() {
    replay("filter");
}

#[test]
fn the_corpus_of_framing_holds() {
    replay("framing");
}

#[test]
fn the_corpus_of_http_holds() {
    replay("http");
}

#[test]
fn the_corpus_of_message_deframer_holds() {
    replay("message_deframer");
}

#[test]
fn the_corpus_of_message_json_holds() {
    replay("message_json");
}

#[test]
fn the_corpus_of_nftables_holds() {
    replay("nftables");
}

#[test]
fn the_corpus_of_packet_holds() {
    replay("packet");
}

#[test]
fn the_corpus_of_ping_holds() {
    replay("ping");
}

#[test]
fn the_corpus_of_rtnetlink_holds() {
    replay("rtnetlink");
}

#[test]
fn the_corpus_of_sample_holds() {
    replay("sample");
}

#[test]
fn the_corpus_of_dns_holds() {
    replay("dns");
}

#[test]
fn the_corpus_of_sockdiag_holds() {
    replay("sockdiag");
}

#[test]
fn the_corpus_of_stream_holds() {
    replay("stream");
}

/// The captures of the project, as they are and as pcapng.
fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/captures");
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("captures") {
        let path = entry.expect("an entry").path();
        if path
            .extension()
            .is_some_and(|end| end == "pcap" || end == "pcapng")
        {
            let name = path.file_name().expect("a name").display().to_string();
            let bytes = fs::read(&path).expect("a file");
            files.push((format!("{name} as pcapng"), as_pcapng(&bytes)));
            files.push((name, bytes));
        }
    }
    files.sort();
    files
}

fn as_pcapng(file: &[u8]) -> Vec<u8> {
    let mut reader = SliceReader::new(file);
    let mut writer = PcapngWriter::new(Vec::new(), ByteOrder::Big).expect("memory");
    while let Ok(Some(frame)) = reader.next_frame() {
        let interface = &reader.interfaces()[frame.interface as usize];
        writer.frame(&frame, interface).expect("a frame of a file");
    }
    writer.into_inner()
}

/// Where the records of a file begin, and their frames.
fn frames(file: &[u8]) -> Vec<(u64, &[u8])> {
    let frames = SliceReader::new(file).map_while(Result::ok);
    frames.map(|frame| (frame.offset, frame.data)).collect()
}

#[test]
fn of_a_changed_capture_everything_in_front_of_the_change_is_given() {
    let files = captures();
    assert!(files.len() > 20, "{}", files.len());
    for (name, bytes) in &files {
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let whole = frames(bytes);
        let mut random = Random::new("captures", name);
        for change in 0..40 {
            let (_, other) = &files[random.below(files.len())];
            let input = changed(bytes, other, &mut random);
            let what = format!("{name}, change {change}");
            run(
                "capfile",
                |input| capfile::one_file(input, 1_000),
                &what,
                &input,
            );
            let same = bytes.iter().zip(&input).take_while(|(a, b)| a == b).count();
            // Those whose record ends in front of the first byte that is another.
            let before = whole
                .windows(2)
                .take_while(|pair| pair[1].0 <= same as u64)
                .count();
            assert!(frames(&input).starts_with(&whole[..before]), "{what}");
        }
    }
}

/// The `name` of every `[[bin]]` of a manifest.
fn targets(manifest: &str) -> BTreeSet<String> {
    let sections = manifest.split("[[bin]]").skip(1);
    let name = |section: &str| {
        let section = section.split("\n[").next().unwrap_or_default().to_owned();
        let line = section.lines().find_map(|line| {
            let (key, value) = line.split_once('=')?;
            (key.trim() == "name").then(|| value.trim().trim_matches('"').to_owned())
        });
        line.expect("a bin has a name")
    };
    sections.map(name).collect()
}

#[test]
fn every_fuzz_target_is_replayed_here_and_has_a_corpus() {
    let manifest = fs::read_to_string(fuzz().join("Cargo.toml")).expect("the manifest");
    let declared = targets(&manifest);
    let known: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(
        declared, known,
        "the targets of tests/fuzz/Cargo.toml, and those that tests/fuzz_corpus.rs replays"
    );
    let this = include_str!("fuzz_corpus.rs");
    for target in &declared {
        assert!(
            this.contains(&format!("fn the_corpus_of_{target}_holds")),
            "tests/fuzz_corpus.rs has no test that replays {target}"
        );
        corpus(target);
        let source = fuzz().join("fuzz_targets").join(format!("{target}.rs"));
        assert!(source.is_file(), "{} is missing", source.display());
    }
    for entry in fs::read_dir(fuzz().join("corpus")).expect("corpora") {
        let name = entry.expect("an entry").file_name().display().to_string();
        assert!(declared.contains(&name), "corpus/{name} is of no target");
    }
}

#[test]
fn targets_are_read_from_the_manifest() {
    let manifest = "[package]\nname = \"x\"\n[[bin]]\nname = \"a\"\npath = \"p\"\n\n[[bin]]\n\
        name=\"b\"\n[dependencies]\nname = \"c\"\n";
    let found: Vec<String> = targets(manifest).into_iter().collect();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn an_input_that_fails_is_told_with_its_bytes() {
    let caught = catch_unwind(|| run("x", |data| assert!(data.is_empty()), "a file", b"\x00a"));
    let text = caught.expect_err("it fails");
    let text = text.downcast_ref::<String>().expect("a text");
    assert_eq!(text, "x fails on a file; the input: b\"\\x00a\"");
}

#[test]
fn changes_differ_from_each_other_and_are_the_same_in_every_run() {
    let all = || -> Vec<Vec<u8>> {
        let mut random = Random::new("target", "file");
        let change = |_| changed(b"0123456789", b"abcdefghij", &mut random);
        (0..CHANGES).map(change).collect()
    };
    assert_eq!(all(), all());
    let different: BTreeSet<Vec<u8>> = all().into_iter().collect();
    assert!(different.len() > CHANGES / 2, "{}", different.len());
}
