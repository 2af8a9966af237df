//! What to type in the place of a flag of tcpdump and tshark that is not one here.

/// Flags that `decode` and `capture` do not have, and what there is instead.
const ANSWERS: &[(&str, &str)] = &[
    (
        "-Y",
        "write the filter after the file: sockdoc decode FILE tcp port 80",
    ),
    (
        "-R",
        "write the filter after the file: sockdoc decode FILE tcp port 80",
    ),
    (
        "-f",
        "write the filter at the end: sockdoc capture -i eth0 tcp port 80",
    ),
    ("-V", "use -v for every field of a frame"),
    ("-O", "use -v for every field of a frame"),
    ("-T", "use --json, or --csv"),
    (
        "-z",
        "use --conversations, --endpoints, --io 1s, --stats, --streams, --expert or --follow N",
    ),
    ("-F", "the name after -w decides: .pcapng, otherwise pcap"),
    ("-i", "use sockdoc capture -i INTERFACE"),
    ("-r", "use sockdoc decode FILE"),
    ("-S", "use --absolute-seq"),
    (
        "-K",
        "checksums are not verified unless --check-checksums is given",
    ),
    ("-l", "lines are written as frames come"),
    ("-U", "with -w, frames are written as they come"),
    ("-C", "use sockdoc capture -w FILE -b filesize:SIZE"),
    ("-W", "use sockdoc capture -w FILE -b files:N"),
    ("-G", "use sockdoc capture -w FILE -b duration:TIME"),
];

/// What to type instead of a flag.
pub fn answer(flag: &str) -> Option<&'static str> {
    let found = ANSWERS.iter().find(|(name, _)| *name == flag);
    found.map(|(_, answer)| *answer)
}
