use std::time::Duration;

use super::look::Taken;
use super::testing::{CURL, NGINX, busy, closed, flow, taken};
use super::*;
use crate::sockets::Socket;
use crate::sockets::filter::{Filter, LookUp, read};
use crate::sockets::order::GroupBy;

fn view() -> View {
    View::new(Filter::default(), String::new())
}

/// A first look at a host without sockets.
fn quiet() -> (Look, Memory) {
    let mut memory = Memory::default();
    let step = taken(Vec::new(), [0, 0]);
    let look = Look::default().next(step, Duration::from_secs(1), &mut memory);
    (look, memory)
}

fn filter(words: &str) -> Filter {
    let words: Vec<&[u8]> = words.split_whitespace().map(str::as_bytes).collect();
    let look_up = LookUp {
        service: &|_| None,
        user: &|_| None,
    };
    read(&words, look_up).expect("a filter")
}

fn sockets(rows: &Rows) -> Vec<u64> {
    let of = |row: &Row| match row.subject {
        Subject::Socket(key) => Some(key),
        _ => None,
    };
    rows.rows.iter().filter_map(of).collect()
}

fn press(view: &mut View, rows: &Rows, keys: &str) {
    for key in keys.chars() {
        view.press(Key::Char(key), rows, 0);
    }
}

#[test]
fn rates_are_of_the_interval_and_totals_of_the_connection() {
    let (look, memory) = busy();
    let rows = Rows::new(&look, &view(), &memory);
    let busiest = &rows.rows[0];
    assert_eq!(busiest.subject, Subject::Socket(2));
    assert_eq!(busiest.change.in_bytes, Some(1_640_000));
    assert_eq!(look.per_second(1_640_000), Some(820_000.0));
    assert_eq!(busiest.totals.in_bytes, 1_650_000);
}

#[test]
fn a_first_look_has_no_rates_and_nothing_is_new_in_it() {
    let mut memory = Memory::default();
    let first = taken(vec![flow(2, 102, NGINX, [500, 0])], [9, 9]);
    let look = Look::default().next(first, Duration::from_millis(1), &mut memory);
    let rows = Rows::new(&look, &view(), &memory);
    assert_eq!(sockets(&rows), [2]);
    assert_eq!(rows.rows[0].change.in_bytes, None);
    assert_eq!(rows.rows[0].mark, Mark::None);
    assert_eq!(look.per_second(5), None);
}

#[test]
fn what_opened_and_closed_is_marked_for_three_seconds() {
    let (look, mut memory) = busy();
    let closed = look.whole().closed;
    let mark = |look: &Look, memory: &Memory, key| {
        let rows = Rows::new(look, &view(), memory);
        let place = rows.place(&Subject::Socket(key));
        place.map(|place| rows.rows[place].mark)
    };
    assert_eq!(mark(&look, &memory, 4), Some(Mark::New));
    assert_eq!(mark(&look, &memory, 3), Some(Mark::Closed));
    assert_eq!(mark(&look, &memory, 2), Some(Mark::None));
    let again = |memory: &mut Memory, look: Look, seconds| {
        let sockets = look.sample.sockets[..look.open].to_vec();
        look.next(taken(sockets, [0, 0]), Duration::from_secs(seconds), memory)
    };
    let look = again(&mut memory, look, 8);
    assert_eq!(mark(&look, &memory, 3), Some(Mark::Closed));
    // It counted in the interval in which it closed.
    let rows = Rows::new(&look, &view(), &memory);
    let place = rows.place(&Subject::Socket(3)).expect("a row");
    assert_eq!(rows.rows[place].change.in_bytes, None);
    let look = again(&mut memory, look, 10);
    assert_eq!(mark(&look, &memory, 3), None);
    assert_eq!(mark(&look, &memory, 4), Some(Mark::None));
    // It was counted once.
    assert_eq!((closed, look.whole().closed), (1, 0));
}

#[test]
fn the_process_of_a_connection_that_closed_is_remembered() {
    let (look, mut memory) = busy();
    let closed = look
        .sample
        .places()
        .find(|at| look.is_closed(*at))
        .expect("one");
    let socket = look.sample.socket(closed).clone();
    let sockets = look.sample.sockets[..look.open].to_vec();
    let look = look.next(taken(sockets, [0, 0]), Duration::from_secs(8), &mut memory);
    assert!(look.sample.sockets.contains(&socket));
    let holder = memory.holder_of_closed(&socket).expect("a process");
    assert_eq!((holder.pid, &*holder.comm), (5001, &b"curl"[..]));
}

#[test]
fn a_connection_that_closes_while_it_is_looked_at_is_counted_in_the_next_look() {
    let (look, mut memory) = quiet();
    let one = flow(11, 102, NGINX, [1_000, 100]);
    let end = flow(11, 102, NGINX, [1_500, 100]);
    // It is listed, and its end is announced before the look is over.
    let step = Taken {
        closed: vec![closed(&end)],
        ..taken(vec![one], [0, 0])
    };
    let look = look.next(step, Duration::from_secs(2), &mut memory);
    let whole = look.whole();
    assert_eq!((whole.opened, whole.closed), (1, 0));
    assert_eq!(whole.in_bytes, Some(1_000));
    let look = look.next(
        taken(Vec::new(), [0, 0]),
        Duration::from_secs(3),
        &mut memory,
    );
    let whole = look.whole();
    assert_eq!((whole.opened, whole.closed), (0, 1));
    assert_eq!(whole.in_bytes, Some(500));
    let look = look.next(
        taken(Vec::new(), [0, 0]),
        Duration::from_secs(4),
        &mut memory,
    );
    assert_eq!(look.whole().closed, 0);
}

#[test]
fn totals_of_a_process_survive_its_sockets_and_the_sum_stays_right() {
    let (mut look, mut memory) = quiet();
    let mut closed_count = 0;
    // Each look closes a connection that the look before did not have.
    let mut sent = 0;
    for number in 1..=500u64 {
        let one = flow(number + 10, 102, NGINX, [1_000, number]);
        sent += number;
        let step = Taken {
            closed: vec![closed(&one)],
            ..taken(Vec::new(), [0, 0])
        };
        look = look.next(step, Duration::from_secs(1 + number), &mut memory);
        closed_count += look.whole().closed;
    }
    for by in memory::GROUPS {
        let mut by_group = view();
        by_group.group = Some(by);
        let rows = Rows::new(&look, &by_group, &memory);
        let sum = |of: fn(&Totals) -> u64| rows.rows.iter().map(|row| of(&row.totals)).sum::<u64>();
        assert_eq!(sum(|it| it.in_bytes), 500 * 1_000, "{by:?}");
        assert_eq!(sum(|it| it.out_bytes), sent, "{by:?}");
    }
    assert_eq!(closed_count, 500);
}

#[test]
fn what_is_not_attributed_makes_the_sum_that_of_the_interfaces() {
    let (look, memory) = busy();
    let rows = Rows::new(&look, &view(), &memory);
    let sum: u64 = rows
        .rows
        .iter()
        .map(|row| row.change.in_bytes.unwrap_or(0))
        .sum();
    assert_eq!(sum, 1_800_000 - 1_000);
    // Of some sockets no such sum is known.
    let mut some = view();
    some.listening = true;
    let rows = Rows::new(&look, &some, &memory);
    assert!(rows.place(&Subject::NotAttributed).is_none());
}

#[test]
fn findings_begin_and_end_and_the_time_of_each_is_known() {
    let (look, mut memory) = busy();
    let full = memory.troubles.first().expect("a finding").clone();
    assert_eq!(full.since, Duration::from_secs(6));
    assert_eq!(full.process.as_ref().map(|it| it.pid), Some(4242));
    assert!(full.headline.contains("129"), "{}", full.headline);
    let mut sockets = look.sample.sockets[..look.open].to_vec();
    let again = |memory: &mut Memory, look: Look, sockets: &[Socket], seconds| {
        let step = taken(sockets.to_vec(), [0, 0]);
        look.next(step, Duration::from_secs(seconds), memory)
    };
    let look = again(&mut memory, look, &sockets, 8);
    assert_eq!(memory.troubles[0].since, Duration::from_secs(6));
    sockets[0].recv_q = 0;
    let look = again(&mut memory, look, &sockets, 10);
    assert_eq!(memory.troubles[0].ended, Some(Duration::from_secs(10)));
    again(&mut memory, look, &sockets, 41);
    assert!(memory.troubles.is_empty());
}

#[test]
fn the_chosen_row_is_followed_when_the_order_changes() {
    let (look, memory) = busy();
    let mut view = view();
    let rows = Rows::new(&look, &view, &memory);
    view.fit(&rows, 2);
    assert_eq!(view.place(), None);
    view.press(Key::Down, &rows, 0);
    view.press(Key::Down, &rows, 0);
    let chosen = view.chosen.clone().expect("a row");
    view.press(Key::Char('S'), &rows, 0);
    let turned = Rows::new(&look, &view, &memory);
    view.fit(&turned, 2);
    assert_eq!(view.chosen.as_ref(), Some(&chosen));
    let place = turned.place(&chosen).expect("a row");
    assert_eq!(view.place(), Some(place));
    assert!((view.first..view.first + 2).contains(&place));
    // When it is gone, the row in its place is chosen.
    view.listening = true;
    let fewer = Rows::new(&look, &view, &memory);
    view.fit(&fewer, 2);
    assert_eq!(view.chosen, Some(fewer.rows[0].subject.clone()));
}

#[test]
fn no_key_leads_out_of_the_rows() {
    let (look, memory) = busy();
    let mut view = view();
    let keys = [
        Key::End,
        Key::PageDown,
        Key::Down,
        Key::Home,
        Key::PageUp,
        Key::Up,
        Key::Enter,
        Key::Escape,
    ];
    for letters in ["", "g", "gg", "tux", "l!", "sss"] {
        let rows = Rows::new(&look, &view, &memory);
        press(&mut view, &rows, letters);
        for key in keys {
            let rows = Rows::new(&look, &view, &memory);
            view.fit(&rows, 3);
            view.press(key, &rows, 0);
            view.fit(&rows, 3);
            if let Some(place) = view.place().filter(|_| !rows.rows.is_empty()) {
                assert!(place < rows.rows.len() && view.first <= place);
            }
        }
    }
}

#[test]
fn a_filter_is_read_as_it_is_typed_and_given_up_with_escape() {
    let (look, memory) = busy();
    let mut view = view();
    let rows = Rows::new(&look, &view, &memory);
    let read_it = |view: &mut View| {
        let text = view.typing.as_ref().map(|it| it.text.clone());
        view.filtered(Ok(filter(&text.unwrap_or_default())));
    };
    press(&mut view, &rows, "/");
    for key in ":443".chars() {
        assert_eq!(view.press(Key::Char(key), &rows, 0), Action::ReadFilter);
    }
    read_it(&mut view);
    assert_eq!(sockets(&Rows::new(&look, &view, &memory)), [2, 4]);
    assert_eq!(view.filter_text, ":443");
    view.filtered(Err("not a port".to_owned()));
    assert_eq!(view.press(Key::Enter, &rows, 0), Action::None);
    assert!(view.typing.is_some());
    assert_eq!(view.press(Key::Escape, &rows, 0), Action::ReadFilter);
    read_it(&mut view);
    view.end_typing(Key::Escape);
    assert_eq!(
        (view.typing.is_none(), view.filter_text.as_str()),
        (true, "")
    );
}

#[test]
fn letters_type_while_a_filter_is_typed() {
    let (look, memory) = busy();
    let mut view = view();
    let rows = Rows::new(&look, &view, &memory);
    press(&mut view, &rows, "/q");
    assert_eq!(view.typing.as_ref().map(|it| it.text.as_str()), Some("q"));
    assert_eq!(view.press(Key::Interrupt, &rows, 0), Action::Quit);
}

#[test]
fn families_and_groups_are_chosen_by_keys() {
    let (look, memory) = busy();
    let mut view = view();
    let rows = Rows::new(&look, &view, &memory);
    press(&mut view, &rows, "t");
    assert!(sockets(&Rows::new(&look, &view, &memory)).is_empty());
    press(&mut view, &rows, "tg");
    assert_eq!(view.group, Some(GroupBy::Process));
    let groups = Rows::new(&look, &view, &memory);
    let curl = groups
        .rows
        .iter()
        .find(|row| matches!(&row.subject, Subject::Process { pid: 5001, .. }));
    let curl = curl.and_then(|row| row.group.as_ref()).expect("curl");
    assert_eq!((curl.sockets, curl.change.closed), (0, 1));
    for _ in 0..5 {
        press(&mut view, &rows, "g");
    }
    assert_eq!(view.group, None);
}

#[test]
fn what_is_remembered_is_bounded() {
    let (mut look, mut memory) = quiet();
    let mut closed_count = 0;
    for round in 0..4u64 {
        let gone: Vec<_> = (0..9_000u64)
            .map(|number| {
                let host = round * 9_000 + number;
                let peer = format!("10.{}.{}.{}:80", host >> 16, host >> 8 & 255, host & 255);
                let one = flow(host + 1, 0, [CURL[0], &peer], [100, host]);
                closed(&one)
            })
            .collect();
        let step = Taken {
            closed: gone,
            ..taken(Vec::new(), [0, 0])
        };
        look = look.next(step, Duration::from_secs(2 + round), &mut memory);
        closed_count += look.whole().closed;
    }
    assert_eq!(closed_count, 36_000);
    assert!(look.sample.sockets.len() <= 9_000 + 1_000);
    let mut by_peer = view();
    by_peer.group = Some(GroupBy::Peer);
    let rows = Rows::new(&look, &by_peer, &memory);
    let sum: u64 = rows.rows.iter().map(|row| row.totals.out_bytes).sum();
    assert_eq!(sum, (0..36_000).sum::<u64>());
    assert!(memory.is_within_bounds());
}
