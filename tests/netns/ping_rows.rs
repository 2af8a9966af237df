//! What a hostile or broken host may answer, one way for each of its addresses, and how to ask.

use std::time::Duration;

use crate::namespace::Namespace;
use crate::responder::{Answer, Echo, Flaw, NETWORKS, Quote, Responder};

/// One way to answer; three requests are sent, and one of them is answered so.
pub(crate) struct Row {
    /// In words.
    pub(crate) name: &'static str,
    /// What is answered to the request that is not answered rightly.
    answers: fn(&Echo) -> Vec<Answer>,
}

/// The request that is answered by the row; the first and the third are answered rightly.
const SECOND: usize = 2;

/// How late a reply is in the row of that name.
const LATE: Duration = Duration::from_secs(1);

/// How long the first reply takes, if it is right.
const FIRST_TAKES: Duration = Duration::from_millis(60);

/// Somebody else at the responder's.
pub(crate) const ELSEWHERE: u8 = 66;

/// All rows; their numbers are those of their addresses, from [`FIRST`].
pub(crate) const ROWS: &[Row] = &[
    row("right", |_| vec![Answer::right()]),
    row("bad checksum", |_| wrong(&[Flaw::BadChecksum])),
    row("payload all 0xff", |_| wrong(&[Flaw::Ones(0, 65_535)])),
    row("send time all 0xff", |_| wrong(&[Flaw::Ones(0, 16)])),
    row("sequence never sent", |_| wrong(&[Flaw::Sequence(1000)])),
    row("truncated", |_| wrong(&[Flaw::Cut(24)])),
    row("cut to its header", |_| wrong(&[Flaw::Cut(0)])),
    row("longer than sent", |_| wrong(&[Flaw::Longer(8)])),
    row("corrupt byte", |_| wrong(&[Flaw::OddByte(40)])),
    row("other source", |echo| {
        let elsewhere = address(echo.destination.is_ipv6(), ELSEWHERE);
        wrong(&[Flaw::Source(elsewhere.parse().expect("an address"))])
    }),
    row("other identifier", |_| wrong(&[Flaw::Identifier])),
    row("duplicated", |_| vec![Answer::right(), Answer::right()]),
    row("late", |_| vec![Answer::right().after(LATE)]),
    row("reordered", |_| vec![Answer::right().behind(SECOND + 1)]),
    row("silent", |_| vec![]),
    row("unreachable, right quote", |echo| vec![unreachable(echo)]),
    row("unreachable, quote cut", |echo| {
        let header = if echo.destination.is_ipv6() { 40 } else { 20 };
        vec![unreachable(echo).quoting(Quote::Bytes(header + 4))]
    }),
    row("unreachable, quote with options", |echo| {
        vec![unreachable(echo).quoting(Quote::Options(8))]
    }),
    row("unreachable, header past its end", |echo| {
        vec![unreachable(echo).quoting(Quote::PastTheEnd)]
    }),
    row("unreachable, another's request", |echo| {
        vec![unreachable(echo).quoting(Quote::OtherIdentifier)]
    }),
    row("unreachable, another's destination", |echo| {
        vec![unreachable(echo).quoting(Quote::OtherDestination)]
    }),
    row("unreachable, sequence never sent", |echo| {
        vec![unreachable(echo).quoting(Quote::Sequence(1000))]
    }),
    row("unreachable, from a router", |echo| {
        let router = address(echo.destination.is_ipv6(), ELSEWHERE);
        vec![unreachable(echo).sent_by(&router)]
    }),
    row("unreachable, then right", |echo| {
        vec![unreachable(echo), Answer::right()]
    }),
];

/// The last number of the address that answers by the first row.
const FIRST: usize = 10;

const fn row(name: &'static str, answers: fn(&Echo) -> Vec<Answer>) -> Row {
    Row { name, answers }
}

fn wrong(flaws: &[Flaw]) -> Vec<Answer> {
    vec![Answer::wrong(flaws)]
}

/// Host unreachable, from the host itself.
fn unreachable(echo: &Echo) -> Answer {
    if echo.destination.is_ipv6() {
        Answer::error(1, 3)
    } else {
        Answer::error(3, 1)
    }
}

/// The address of the responder with this last number.
pub(crate) fn address(is_v6: bool, house: u8) -> String {
    if is_v6 {
        format!("{}{house:x}", NETWORKS[1])
    } else {
        format!("{}{house}", NETWORKS[0])
    }
}

/// The address that answers by the row of this name.
pub(crate) fn address_of(is_v6: bool, name: &str) -> String {
    let at = ROWS.iter().position(|row| row.name == name);
    let at = at.unwrap_or_else(|| panic!("no row {name:?}"));
    address(is_v6, u8::try_from(FIRST + at).expect("few rows"))
}

/// Count, interval and patience for three requests, in the words of iputils: so that the late reply
/// comes after the patience and before the end.
pub(crate) fn asking(name: &str) -> &'static str {
    if name == "late" {
        "-c 3 -i 0.8 -W 0.7"
    } else {
        "-c 3 -i 0.02 -W 1"
    }
}

/// Starts the host that answers by these rows.
pub(crate) fn host(test: &str, namespace: &Namespace) -> Option<Responder> {
    Responder::start(test, namespace, |echo| {
        let row = usize::from(echo.house()).checked_sub(FIRST);
        match row.and_then(|row| ROWS.get(row)) {
            // The late one has to come before the run is over.
            Some(row) if echo.number == if row.name == "late" { 1 } else { SECOND } => {
                (row.answers)(echo)
            }
            // After the last request iputils waits for twice the longest time so far, which on a
            // busy machine must not be next to nothing.
            _ if echo.number == 1 => vec![Answer::right().after(FIRST_TAKES)],
            _ => vec![Answer::right()],
        }
    })
}
