//! A reason for which the kernel drops packets.

use std::io::{self, Write};

use serde::Serialize;

use super::super::table::Table;
use crate::reference::drop_reason::{self, DropReason, PREFIX};

/// A reason, as the running kernel and the tables know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelReason {
    /// `NETFILTER_DROP`.
    pub name: Box<str>,
    /// Its number in the running kernel; `None`: that does not have it, or does not tell.
    pub number: Option<u32>,
}

impl KernelReason {
    fn words(&self) -> Option<&'static DropReason> {
        drop_reason::by_name(&self.name)
    }
}

/// Those that the running kernel has, and those of the tables that it has not.
pub fn joined(kernel: &[(u32, Box<str>)]) -> Vec<KernelReason> {
    let known = kernel.iter().map(|(number, name)| KernelReason {
        name: name.clone(),
        number: Some(*number),
    });
    let others = drop_reason::all().filter(|reason| {
        let mut names = kernel.iter().map(|(_, name)| &**name);
        !names.any(|name| name == reason.name)
    });
    let others = others.map(|reason| KernelReason {
        name: reason.name.into(),
        number: None,
    });
    known.chain(others).collect()
}

/// Writes a reason, wrapped to the `width` of the terminal.
///
/// # Errors
/// Those of `out`.
pub fn write(out: &mut dyn Write, reason: &KernelReason, width: Option<u16>) -> io::Result<()> {
    let number = match reason.number {
        Some(number) => format!("drop reason {number} of this kernel"),
        None => "drop reason, not of this kernel".to_owned(),
    };
    let mut table = Table::new().indent(2);
    let drops = format!("sockdoc drops {}", reason.name);
    if let Some(words) = reason.words() {
        writeln!(out, "{} ({number}): {}", reason.name, words.words)?;
        table.row(&["cause:", words.cause]);
        table.row(&["next:", words.next]);
        table.row(&["run:", &drops]);
        if !words.run.is_empty() {
            table.row(&["", words.run]);
        }
    } else {
        writeln!(out, "{} ({number})", reason.name)?;
        let cause = format!(
            "the kernel drops a packet and says {PREFIX}{}; include/net/dropreason-core.h of its source has a \
                 sentence about it",
            reason.name
        );
        table.row(&["cause:", &cause]);
        table.row(&[
            "next:",
            "see which packets, and the function of the kernel that drops them",
        ]);
        table.row(&["run:", &drops]);
    }
    table.write(out, width)
}

/// Writes a line for each reason, as the list of entries has them.
///
/// # Errors
/// Those of `out`.
pub fn write_list(
    out: &mut dyn Write,
    reasons: &[KernelReason],
    width: Option<u16>,
) -> io::Result<()> {
    let titles = ["DROP REASON", "NUMBER", "MEANING"];
    let mut table = Table::new().header(&titles).right(1);
    for reason in reasons {
        let number = reason.number.map_or("-".to_owned(), |it| it.to_string());
        let words = reason.words();
        let meaning = words.map_or("-".to_owned(), |it| format!("{}: {}", it.words, it.cause));
        table.row(&[&*reason.name, &number, &meaning]);
    }
    table.write(out, width)
}

/// A reason in the document of `--json`.
#[derive(Debug, Serialize)]
pub struct ReasonJson<'a> {
    name: &'a str,
    number: Option<u32>,
    words: Option<&'static str>,
    cause: Option<&'static str>,
    next: Option<&'static str>,
    run: Vec<String>,
}

impl<'a> From<&'a KernelReason> for ReasonJson<'a> {
    fn from(reason: &'a KernelReason) -> Self {
        let words = reason.words();
        let mut run = vec![format!("sockdoc drops {}", reason.name)];
        run.extend(
            words
                .map(|it| it.run.to_owned())
                .filter(|it| !it.is_empty()),
        );
        ReasonJson {
            name: &reason.name,
            number: reason.number,
            words: words.map(|it| it.words),
            cause: words.map(|it| it.cause),
            next: words.map(|it| it.next),
            run,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(name: &str, number: Option<u32>) -> String {
        let mut out = Vec::new();
        let reason = KernelReason {
            name: name.into(),
            number,
        };
        write(&mut out, &reason, None).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_reason_has_words_and_one_that_is_new_has_its_name() {
        let known = text("NETFILTER_DROP", Some(12));
        assert!(
            known.starts_with(
                "NETFILTER_DROP (drop reason 12 of this kernel): a firewall rule of this host\n"
            ),
            "{known}"
        );
        assert!(
            known.contains("run:    sockdoc drops NETFILTER_DROP\n"),
            "{known}"
        );
        let new = text("NEVER_SEEN", Some(900));
        assert!(
            new.starts_with("NEVER_SEEN (drop reason 900 of this kernel)\n"),
            "{new}"
        );
        assert!(new.contains("SKB_DROP_REASON_NEVER_SEEN"), "{new}");
    }

    #[test]
    fn the_list_has_those_of_the_kernel_and_the_others() {
        let kernel = [(12, "NETFILTER_DROP".into()), (900, "NEVER_SEEN".into())];
        let all = joined(&kernel);
        let number = |name: &str| all.iter().find(|it| &*it.name == name).map(|it| it.number);
        assert_eq!(number("NETFILTER_DROP"), Some(Some(12)));
        assert_eq!(number("NEVER_SEEN"), Some(Some(900)));
        assert_eq!(number("NO_SOCKET"), Some(None));
        assert_eq!(all.len(), drop_reason::all().count() + 1);
        let mut out = Vec::new();
        write_list(&mut out, &all, None).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap().lines().count(),
            all.len() + 1
        );
    }
}
