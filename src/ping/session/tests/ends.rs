//! When a session ends, what is unfinished then, and outages.

use super::*;

#[test]
fn without_a_time_given_the_last_reply_is_waited_for_as_iputils_does() {
    let plan = Plan {
        timeout: None,
        ..plan(2)
    };
    // The last one is lost: two round-trip times, or an interval.
    let (session, world) = run(plan.clone(), &mut |request, reply| match request.number {
        1 => vec![reply.clone()],
        _ => Vec::new(),
    });
    assert_eq!(world.now - 1_000 * MS, 200 * MS);
    assert_eq!(session.losses.silent, 1);
    adds_up(&session);
    // None came: ten seconds.
    let (session, world) = run(plan, &mut |_, _| Vec::new());
    assert_eq!(world.now - 1_000 * MS, 10_100 * MS);
    assert_eq!(session.losses.silent, 2);
    adds_up(&session);
}

#[test]
fn a_deadline_wants_so_many_replies_and_goes_on_through_errors() {
    let plan = Plan {
        deadline: Some(Duration::from_secs(5)),
        ..plan(3)
    };
    let (session, world) = run(
        plan.clone(),
        &mut |request, reply| match request.number % 2 {
            1 => vec![refused(reply, 1)],
            _ => vec![reply.clone()],
        },
    );
    assert_eq!((session.totals.received, session.totals.sent), (3, 6));
    assert!(world.now - 1_000 * MS < 600 * MS);
    let (session, world) = run(plan, &mut |_, _| Vec::new());
    assert_eq!(world.now - 1_000 * MS, 5_000 * MS);
    // The deadline is a tenth of a second after the last request; the others were silent for longer.
    assert_eq!((session.totals.sent, session.losses.silent), (50, 41));
    assert_eq!(session.losses.unfinished, 9);
    adds_up(&session);
}

#[test]
fn nothing_is_sent_at_the_deadline_and_a_healthy_host_has_no_loss() {
    let plan = Plan {
        count: None,
        deadline: Some(Duration::from_secs(5)),
        interval: Duration::from_secs(1),
        ..plan(0)
    };
    let (session, _) = run(plan, &mut |_, reply| {
        vec![Packet {
            delay: 20 * MS,
            ..reply.clone()
        }]
    });
    assert_eq!((session.totals.sent, session.totals.received), (5, 5));
    assert_eq!(session.totals.loss_percent(), Some(0.0));
}

#[test]
fn what_is_under_way_is_neither_lost_nor_received() {
    let plan = Plan {
        interval: Duration::from_millis(20),
        intervals: true,
        ..plan(6)
    };
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    for _ in 0..6 {
        let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
        if request.sequence == 1 {
            let reply = good_reply(&session, &request);
            world.now += 10 * MS;
            world.deliver(&mut session, &reply);
        }
        world.now += 20 * MS;
    }
    let interval = session.interval(Some(0)).unwrap();
    assert_eq!((interval.sent, interval.under_way()), (6, 5));
    assert_eq!(interval.loss_percent(), Some(0.0));
    session.begin_interval();
    assert_eq!(session.interval(None), Some(&Tally::default()));
    // Twice as long as a reply takes is a tenth of a second at least.
    while session.poll_end(Monotonic(world.now)).is_some() {}
    assert_eq!((session.losses.silent, session.losses.unfinished), (1, 4));
    adds_up(&session);
}

#[test]
fn five_losses_in_a_row_are_an_outage_and_scattered_ones_are_none() {
    let plan = Plan {
        interval: Duration::from_millis(200),
        ..plan(20)
    };
    let (session, world) = run(plan, &mut |request, reply| match request.sequence {
        2 | 5..10 | 15 => Vec::new(),
        _ => vec![reply.clone()],
    });
    let outages = session.outages(0);
    assert_eq!((outages.count, outages.lost), (1, 5));
    let changes: Vec<&Event> = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::Down { .. } | Event::Up { .. }))
        .collect();
    let since = Realtime(1_000 * MS + 4 * 200 * MS + AHEAD);
    let down = Event::Down {
        target: 0,
        since,
        lost: 3,
    };
    let up = Event::Up {
        target: 0,
        since,
        lost: 5,
        after: Duration::from_secs(1),
    };
    assert_eq!(changes, [&down, &up]);
}

#[test]
fn who_waits_for_a_host_to_come_up_stops_at_the_first_reply() {
    let plan = Plan {
        count: None,
        until: Until::Up,
        ..plan(0)
    };
    let (session, _) = run(plan, &mut |request, reply| match request.number {
        0..4 => Vec::new(),
        _ => vec![reply.clone()],
    });
    assert_eq!((session.totals.received, session.totals.sent), (1, 4));
}

#[test]
fn who_waits_for_a_host_to_go_down_stops_at_the_first_loss() {
    let plan = Plan {
        count: None,
        until: Until::Down(1),
        ..plan(0)
    };
    let (session, world) = run(plan, &mut |request, reply| match request.number {
        0..4 => vec![reply.clone()],
        _ => Vec::new(),
    });
    assert_eq!(session.totals.received, 3);
    assert_eq!(world.now - 1_000 * MS, 1_300 * MS);
}
