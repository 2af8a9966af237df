//! `sockdoc check --watch`.

use serde_json::Value;

use super::chain::Chain;
use super::rows::listener;
use crate::support::sockets::Holder;

#[test]
fn a_watch_tells_what_changes_and_nothing_else() {
    let Some(chain) = Chain::new("check --watch", 0) else {
        return;
    };
    let to = format!("{}:18470", chain.address());
    let server = listener(chain.server(), &to);
    let args = ["check", "--watch=200ms", "--json", "--quiet-network", &to];
    let watch = Holder::spawn(chain.sockdoc(0, &args));
    let next = || -> Value { serde_json::from_str(&watch.line()).expect("a document") };
    let first = next();
    assert_eq!((&first["well"], &first["cause"]), (&true.into(), &Value::Null));
    drop(server);
    // The next document is that of the change, however many checks there were between.
    let second = next();
    assert_eq!(
        (&second["reachable"], &second["cause"]),
        (&false.into(), &"port_closed".into()),
        "{second:#}"
    );
    let _server = listener(chain.server(), &to);
    assert_eq!(next()["well"], true);
}

#[test]
fn a_watch_with_a_count_ends_and_says_how_it_went() {
    let Some(chain) = Chain::new("check --watch -c", 0) else {
        return;
    };
    let to = format!("{}:18471", chain.address());
    let args = ["check", "--watch=10ms", "-c", "3", "--quiet-network", &to];
    let output = crate::support::finish(chain.sockdoc(0, &args));
    let text = crate::support::stdout(&output);
    assert!(text.starts_with(&format!("{to} is unreachable: ")), "{text}");
    let last = text.lines().last().expect("a line");
    assert!(last.ends_with("  3 checks, 0 well, 3 not"), "{text}");
    // The first is told whole, and the others are the same.
    assert_eq!(text.matches("is unreachable").count(), 1, "{text}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
