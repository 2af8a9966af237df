//! When requests leave, and what their times are measured from.

use super::*;

#[test]
fn an_honest_host_is_measured_to_the_nanosecond() {
    let (session, world) = run(plan(3), &mut |_, reply| vec![reply.clone()]);
    assert_eq!(world.verdicts(), [Verdict::Good; 3]);
    let times = session.totals.times.summary().unwrap();
    assert_eq!(
        (times.min, times.max),
        (Duration::from_millis(1), Duration::from_millis(1))
    );
    assert_eq!(session.timings.kernel, 3);
    assert_eq!(world.replies()[0].hop_limit, Some(63));
    assert_eq!(session.sending_time(), Duration::from_millis(200));
    assert_eq!(session.pipe, 1);
    adds_up(&session);
}

#[test]
fn a_thousand_requests_at_ten_milliseconds_end_within_one_interval_of_the_right_time() {
    let plan = Plan {
        interval: Duration::from_millis(10),
        ..plan(1_000)
    };
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    let mut late = 0;
    // Whoever runs the session comes up to 7 ms after the time.
    let start = world.now;
    while !session.is_over(Monotonic(world.now)) {
        late = (late + 3) % 8;
        let due = session.next_deadline(Monotonic(world.now)).unwrap();
        world.now = world.now.max(due.0) + late * MS;
        let now = Monotonic(world.now);
        while let Some(request) = session.poll_transmit(now, 0) {
            world.sent.push(world.now);
            let reply = good_reply(&session, &request);
            world.deliver(&mut session, &reply);
        }
    }
    assert_eq!(world.sent.len(), 1_000);
    let took = world.sent[999] - start;
    assert!((9_990 * MS..10_000 * MS).contains(&took), "{took}");
}

#[test]
fn a_step_of_the_clock_is_told_and_no_time_is_off_by_it() {
    for step in [3_600_000_000_000_i64, -3_600_000_000_000, 5_000_000] {
        let mut world = World::new();
        let mut session = session_of(plan(4), vec![target(HOST)], &world);
        for number in 0..4 {
            let now = Monotonic(world.now);
            let request = session.poll_transmit(now, 0).unwrap();
            session.handle_stamp(
                request.number,
                Stage::Queued,
                Realtime(world.now + world.ahead),
                now,
            );
            let reply = good_reply(&session, &request);
            world.now += MS;
            if number == 1 {
                world.ahead = world.ahead.wrapping_add_signed(step);
            }
            world.deliver(&mut session, &reply);
            world.now += 99 * MS;
        }
        assert_eq!(session.clock_steps, 1, "{step}");
        assert!(world.events.contains(&Event::ClockStep { by: step }));
        let times = session.totals.times.summary().unwrap();
        assert_eq!(session.totals.received, 4, "{step}");
        assert_eq!(times.min, Duration::from_millis(1), "{step}");
        assert_eq!(times.max, Duration::from_millis(1), "{step}");
    }
}

#[test]
fn a_stamp_that_cannot_be_true_is_not_believed() {
    let mut world = World::new();
    let mut session = session_of(plan(2), vec![target(HOST)], &world);
    let now = Monotonic(world.now);
    let request = session.poll_transmit(now, 0).unwrap();
    let reply = good_reply(&session, &request);
    // Before it was sent; and a reply from the future.
    session.handle_stamp(
        request.number,
        Stage::Queued,
        Realtime(world.now + AHEAD - 5),
        now,
    );
    world.now += 3 * MS;
    world.ahead += 1_500;
    world.deliver(&mut session, &reply);
    let replies = world.replies();
    assert_eq!(replies[0].timing, crate::ping::event::Timing::default());
    assert_eq!(replies[0].rtt, Some(Duration::from_millis(3)));
    assert_eq!(session.timings.user, 1);
}

#[test]
fn the_round_trip_begins_at_the_queue_of_the_link_and_what_is_before_it_is_told_apart() {
    let mut world = World::new();
    let mut session = session_of(plan(1), vec![target(HOST)], &world);
    let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
    let reply = good_reply(&session, &request);
    let sent = world.now;
    world.now += 1_330 * MS;
    // Held for its neighbour for 847 ms, then 478 ms in the queue; devices may be stacked.
    let at = |ms| Realtime(sent + ms * MS + AHEAD);
    let now = Monotonic(world.now);
    for (stage, ms) in [
        (Stage::Queued, 347),
        (Stage::Queued, 350),
        (Stage::Left, 825),
    ] {
        session.handle_stamp(request.number, stage, at(ms), now);
    }
    world.now = sent + 826 * MS;
    world.deliver(&mut session, &reply);
    let reply = world.replies()[0];
    assert_eq!(reply.rtt, Some(Duration::from_millis(826 - 347)));
    assert_eq!(reply.local.held, Some(Duration::from_millis(347)));
    assert_eq!(reply.local.queue, Some(Duration::from_millis(478)));
    assert_eq!(session.queue.max(), reply.local.queue);
    assert_eq!(session.timings.kernel, 1);
}

#[test]
fn in_a_flood_only_the_first_of_a_batch_is_timed() {
    let plan = Plan {
        pace: Pace::Flood,
        preload: 10,
        times_first_only: true,
        ..plan(10)
    };
    let mut world = World::new();
    let mut session = session_of(plan, vec![target(HOST)], &world);
    let now = Monotonic(world.now);
    let requests: Vec<Request> = (0..10)
        .map_while(|place| session.poll_transmit(now, place))
        .collect();
    assert_eq!(requests.len(), 10);
    for request in &requests {
        let reply = good_reply(&session, request);
        world.deliver(&mut session, &reply);
    }
    assert_eq!(
        (session.totals.received, session.totals.times.count),
        (10, 1)
    );
}
