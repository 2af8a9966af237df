//! Several targets, groups, and a target that moves.

use super::*;

#[test]
fn members_of_a_group_answer_each_for_itself_and_a_second_copy_is_a_duplicate() {
    let mut world = World::new();
    let group = target([224, 0, 0, 1]);
    let mut session = session_of(plan(1), vec![group], &world);
    world.run(&mut session, &mut |_, reply| {
        let from = |last, delay| Packet {
            from: [10, 0, 0, last].into(),
            delay,
            ..reply.clone()
        };
        vec![from(1, MS), from(2, MS), from(2, 1), from(3, 1)]
    });
    assert_eq!((session.totals.received, session.totals.others), (1, 2));
    assert_eq!(session.totals.duplicates, 1);
    assert_eq!(session.totals.times.count, 3);
    adds_up(&session);
}

#[test]
fn many_targets_are_told_apart_and_each_has_its_own_count() {
    let plan = Plan {
        spacing: Duration::from_millis(1),
        ..plan(2)
    };
    let mut world = World::new();
    let targets = (1..=200).map(|last| target([10, 0, 1, last])).collect();
    let mut session = session_of(plan, targets, &world);
    world.run(&mut session, &mut |request, reply| {
        if request.target == 7 {
            return Vec::new();
        }
        vec![reply.clone()]
    });
    assert_eq!((session.totals.sent, session.totals.received), (400, 398));
    assert_eq!((session.tally(7).received, session.tally(7).lost), (0, 2));
    assert_eq!((session.tally(8).received, session.tally(8).sent), (2, 2));
    assert!(!session.all_answered());
    adds_up(&session);
}

#[test]
fn a_target_that_moves_is_answered_from_both_addresses_by_the_time_of_the_request() {
    const THERE: [u8; 4] = [10, 0, 0, 77];
    let mut world = World::new();
    let mut session = session_of(plan(3), vec![target(HOST)], &world);
    let mut send = |session: &mut Session| {
        world.now += 100 * MS;
        let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
        good_reply(session, &request)
    };
    let before = send(&mut session);
    session.move_target(0, (THERE, 0).into());
    let moved = Event::Moved {
        target: 0,
        from: HOST.into(),
    };
    assert_eq!(session.poll_change(), Some(moved));
    let after = send(&mut session);
    let wrong = Packet {
        from: HOST.into(),
        ..send(&mut session)
    };
    for packet in [&before, &after, &wrong] {
        world.deliver(&mut session, packet);
    }
    let expected = [Verdict::Good, Verdict::Good, Verdict::Elsewhere];
    assert_eq!(world.verdicts(), expected);
    assert_eq!(session.target(0).shown, "10.0.0.77");
}
