//! The reports of `sockdoc diagnose` and `sockdoc check`: one HTML page each.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use socket2::{Domain, Socket, Type};

use crate::support::{run, stderr, stdout, until};

/// What every page is: whole, and without anything that is loaded.
fn page(path: &Path) -> String {
    let html = fs::read_to_string(path).expect("a report");
    assert!(html.starts_with("<!DOCTYPE html>"), "{html}");
    for words in [
        "<script", "<link", "<img", "url(", "@import", "http://", "https://",
    ] {
        assert!(!html.contains(words), "{words}");
    }
    for tag in ["section", "table", "svg", "body"] {
        let (open, close) = (format!("<{tag}"), format!("</{tag}>"));
        assert_eq!(
            html.matches(&open).count(),
            html.matches(&close).count(),
            "{tag}"
        );
    }
    html
}

/// A listener whose accept queue is full, and the connections that wait in it.
fn full_listener() -> (Socket, u16, Vec<TcpStream>) {
    let listener = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
    listener.bind(&any.into()).expect("binds");
    listener.listen(1).expect("listens");
    let address = listener.local_addr().expect("an address");
    let address = address.as_socket().expect("an IP address");
    // The kernel takes one more than the limit.
    let waiting = (0..2)
        .map(|_| TcpStream::connect(address).expect("connects"))
        .collect();
    (listener, address.port(), waiting)
}

#[test]
fn diagnose_writes_its_findings_and_sockets_to_a_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("host.html");
    let file = path.display().to_string();
    let (_listener, port, _waiting) = full_listener();
    let filter = format!(":{port}");
    let args = ["diagnose", &filter, "--seconds", "0.2", "--report", &file];
    let output = run(&args);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(1), "{text}{}", stderr(&output));
    assert!(text.contains("accept queue"), "{text}");
    let html = page(&path);
    let place = |words: &str| {
        html.find(words)
            .unwrap_or_else(|| panic!("{words} in {html}"))
    };
    assert!(place("<h1>") < place("Findings"));
    assert!(html[place("Findings")..].contains("accept queue"), "{html}");
    assert!(place("<h2>Sockets") < place("What was examined"));
    assert!(html.contains(&format!("127.0.0.1:{port}")), "{html}");

    // The same without the addresses; a file that is there is written anew.
    let output = run(&[&args[..], &["--redact"]].concat());
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let html = page(&path);
    assert!(html.contains("accept queue"), "{html}");
    assert!(html.contains(&format!(":{port}")), "{html}");
}

#[test]
fn check_writes_the_path_to_a_page_whether_it_works_or_not() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("path.html");
    let file = path.display().to_string();
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    let target = address.to_string();
    let is_over = Arc::new(AtomicBool::new(false));
    let server = std::thread::spawn({
        let is_over = Arc::clone(&is_over);
        move || {
            let mut accepted = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                accepted.push(listener.accept().expect("a connection"));
            }
        }
    });
    let check = |report: &[&str]| run(&[&["check", &target], report].concat());

    let output = check(&["--report", &file]);
    let html = page(&path);
    let headline = |html: &str| {
        let (_, rest) = html.split_once("<h1>").expect("a headline");
        rest.split_once("</h1>").expect("its end").0.to_owned()
    };
    assert!(html.contains("The path, layer by layer"), "{html}");
    assert!(html.contains(&target), "{html}");
    assert_eq!(output.status.code(), Some(0), "{}", stdout(&output));
    let good = headline(&html);

    is_over.store(true, Ordering::SeqCst);
    drop(TcpStream::connect(address));
    server.join().expect("the server ends");
    let refused = until("the port is closed", || {
        let output = check(&["--report", &file]);
        (output.status.code() == Some(1)).then_some(output)
    });
    let html = page(&path);
    assert!(stdout(&refused).contains("refused"), "{}", stdout(&refused));
    assert_ne!(headline(&html), good);
    assert!(html.contains("refused"), "{html}");

    let nowhere = folder.path().join("none/path.html").display().to_string();
    let output = check(&["--report", &nowhere]);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("ENOENT"), "{}", stderr(&output));
}
