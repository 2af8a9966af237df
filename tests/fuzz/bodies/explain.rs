//! What must hold for the look-up of an error text whatever is pasted.

use sockdoc::reference::look_up;

/// The input: the text.
pub(crate) fn explain(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let found = look_up(&text);
    assert!(found.entries.is_empty() || found.nearest.is_empty());
    assert!(found.nearest.len() <= 5);
    // Nothing of the text can add to a command.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/.:-_@+".contains(c);
    for part in [&found.place.host, &found.place.path].into_iter().flatten() {
        assert!(
            part.chars().all(is_plain) && !part.starts_with('-'),
            "{part}"
        );
    }
    assert_ne!(found.place.port, Some(0));
    for entry in &found.entries {
        assert!(!found.place.fill(found.advice(*entry).next).is_empty());
        if let Some(remedy) = found.remedy(*entry) {
            let is_command = |it: &str| found.place.fill(it).starts_with("sockdoc ");
            assert!(remedy.run.iter().all(|it| is_command(it)));
        }
    }
}
