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
    let mut last = Value::Null;
    // A check in the middle of a change may see half of it; each document says something else than the one before.
    let mut until = |is_it: &dyn Fn(&Value) -> bool| loop {
        let document: Value = serde_json::from_str(&watch.line()).expect("a document");
        let key =
            |it: &Value| [&it["cause"], &it["failed_layer"], &it["reachable"]].map(Value::clone);
        assert_ne!(key(&document), key(&last), "{document:#}");
        last = document;
        if is_it(&last) {
            return;
        }
    };
    until(&|it| it["well"] == true);
    drop(server);
    until(&|it| it["cause"] == "port_closed" && it["reachable"] == false);
    let _server = listener(chain.server(), &to);
    until(&|it| it["well"] == true);
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
    assert!(
        text.starts_with(&format!("{to} is unreachable: ")),
        "{text}"
    );
    let last = text.lines().last().expect("a line");
    assert!(last.ends_with("  3 checks: 0 OK, 3 failed"), "{text}");
    // The first is told whole, and the others are the same.
    assert_eq!(text.matches("is unreachable").count(), 1, "{text}");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}
