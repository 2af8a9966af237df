//! Parsers of ping's output read ours: jc and pingparsing, two Python packages.

use std::path::PathBuf;

use crate::ping::may_ping;
use crate::support::parsers::{parsed, parser};
use crate::support::{run, stdout};

/// Runs the test's ping; `None` if something is missing, which is said loudly.
fn said(test: &str, name: &str, args: &[&str]) -> Option<(PathBuf, String)> {
    let parser = parser(test, name)?;
    if !may_ping(test) {
        return None;
    }
    Some((parser, stdout(&run(&[&["ping"], args].concat()))))
}

#[test]
fn jc_reads_every_form() {
    for args in [
        &["-c", "2", "-i", "0.01", "127.0.0.1"][..],
        &["-c", "2", "-i", "0.01", "-4", "localhost"],
        &["-c", "2", "-i", "0.01", "-D", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "-I", "lo", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "--hist", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "-p", "ff", "127.0.0.1"],
        &["-c", "2", "-i", "0.01", "--format", "bsd", "127.0.0.1"],
    ] {
        let Some((peer, text)) = said("jc_reads_every_form", "jc", args) else {
            return;
        };
        let read = parsed(&peer, &["--ping"], &text);
        assert_eq!(read["packets_transmitted"], 2, "{args:?}: {read}");
        assert_eq!(read["packets_received"], 2, "{args:?}");
        assert_eq!(read["destination_ip"], "127.0.0.1", "{args:?}");
        let replies = read["responses"].as_array().expect("a list");
        assert_eq!(replies.len(), 2, "{args:?}");
        for reply in replies {
            assert_eq!(
                (&reply["type"], &reply["ttl"]),
                (&"reply".into(), &64.into()),
                "{args:?}"
            );
        }
        assert!(read["round_trip_ms_avg"].as_f64().is_some(), "{args:?}");
    }
}

#[test]
fn pingparsing_reads_it() {
    let args = ["-c", "3", "-i", "0.01", "127.0.0.1"];
    let Some((peer, text)) = said("pingparsing_reads_it", "pingparsing", &args) else {
        return;
    };
    let read = parsed(&peer, &["-"], &text);
    assert_eq!(read["destination"], "127.0.0.1", "{read}");
    assert_eq!(read["packet_transmit"], 3, "{read}");
    assert_eq!(read["packet_receive"], 3, "{read}");
    assert_eq!(read["packet_loss_rate"], 0.0, "{read}");
}
