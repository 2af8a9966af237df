//! Which replies count, and what the others are.

use super::*;

#[test]
fn a_bad_checksum_is_corruption_and_no_reply() {
    let (session, world) = run(plan(2), &mut |_, reply| {
        let mut bad = reply.clone();
        bad.message[2] ^= 0xff;
        vec![bad]
    });
    assert_eq!(world.verdicts(), [Verdict::BadChecksum; 2]);
    assert_eq!((session.totals.received, session.totals.damaged), (0, 2));
    assert_eq!(session.losses.damaged, 2);
    adds_up(&session);
}

#[test]
fn a_payload_of_all_ones_is_forged_and_its_time_is_not_believed() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![changed(reply, |message| message[HEADER..].fill(0xff))]
    });
    assert_eq!(world.verdicts(), [Verdict::Forged]);
    assert_eq!(session.totals.times.count, 0);
    assert_eq!((session.totals.forged, session.losses.silent), (1, 1));
    adds_up(&session);
}

#[test]
fn a_sequence_number_that_was_never_sent_is_forged() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![changed(reply, |message| {
            message[6..8].copy_from_slice(&[0x77, 0x77]);
        })]
    });
    assert_eq!(world.verdicts(), [Verdict::NeverSent]);
    assert_eq!(world.replies()[0].sequence, 0x7777);
    assert_eq!(session.totals.received, 0);
    adds_up(&session);
}

#[test]
fn a_cut_reply_and_a_flipped_byte_are_told_and_not_counted() {
    let (session, world) = run(plan(3), &mut |request, reply| {
        vec![match request.number {
            1 => changed(reply, |message| message.truncate(HEADER + 20)),
            2 => changed(reply, |message| message[HEADER + 40] ^= 0xff),
            _ => changed(reply, |message| message.push(56)),
        }]
    });
    let byte = Damage::Byte {
        at: 40,
        sent: 40,
        came: 215,
    };
    assert_eq!(
        world.verdicts(),
        [Damage::Shorter, byte, Damage::Longer].map(Verdict::Damaged)
    );
    assert_eq!((session.totals.received, session.losses.damaged), (0, 3));
    adds_up(&session);
}

#[test]
fn a_good_reply_after_a_damaged_one_is_received() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        let mut good = reply.clone();
        good.delay = 5 * MS;
        vec![changed(reply, |message| message[HEADER + 40] ^= 1), good]
    });
    assert_eq!(world.verdicts()[1], Verdict::Good);
    assert_eq!((session.totals.received, session.totals.damaged), (1, 1));
    adds_up(&session);
}

#[test]
fn a_reply_from_elsewhere_is_not_the_answer() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![Packet {
            from: [10, 0, 0, 9].into(),
            ..reply.clone()
        }]
    });
    assert_eq!(world.verdicts(), [Verdict::Elsewhere]);
    assert_eq!((session.totals.received, session.totals.elsewhere), (0, 1));
    adds_up(&session);
}

#[test]
fn a_reply_to_another_program_is_none_of_ours() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        vec![changed(reply, |message| message[4] ^= 1)]
    });
    assert_eq!(world.verdicts(), []);
    assert_eq!(session.losses.silent, 1);
}

#[test]
fn a_reply_after_its_time_is_late_and_stays_out_of_the_figures() {
    let (session, world) = run(plan(20), &mut |request, reply| {
        let delay = if request.number == 1 { 1_200 * MS } else { MS };
        vec![Packet {
            delay,
            ..reply.clone()
        }]
    });
    assert!(world.events.contains(&Event::Lost {
        target: 0,
        sequence: 1,
        damaged: false,
        sent: Realtime(1_000 * MS + AHEAD),
    }));
    let late = world
        .replies()
        .into_iter()
        .find(|it| it.sequence == 1)
        .unwrap();
    assert_eq!(late.verdict, Verdict::Late);
    assert_eq!(late.rtt, Some(Duration::from_millis(1_200)));
    assert_eq!((session.losses.late, session.losses.silent), (1, 0));
    assert_eq!((session.totals.received, session.totals.late), (19, 1));
    assert_eq!(session.totals.times.max(), Some(Duration::from_millis(1)));
    adds_up(&session);
}

#[test]
fn a_reply_that_comes_just_in_time_while_nobody_looked_is_late_too() {
    let mut world = World::new();
    let mut session = session_of(plan(1), vec![target(HOST)], &world);
    let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
    let reply = good_reply(&session, &request);
    world.now += 1_001 * MS;
    world.deliver(&mut session, &reply);
    assert_eq!(world.verdicts(), [Verdict::Late]);
    world.deliver(&mut session, &reply);
    assert_eq!(world.verdicts()[1], Verdict::Duplicate);
    adds_up(&session);
}

#[test]
fn duplicates_are_told_and_stay_out_of_the_figures() {
    let (session, world) = run(plan(2), &mut |_, reply| {
        let mut again = reply.clone();
        again.delay = 50 * MS;
        vec![reply.clone(), again]
    });
    let duplicates = world
        .verdicts()
        .iter()
        .filter(|it| **it == Verdict::Duplicate)
        .count();
    // The second one of the last request comes when the session is over.
    assert_eq!((duplicates, session.totals.duplicates), (1, 1));
    assert_eq!(
        (session.totals.received, session.totals.times.count),
        (2, 2)
    );
    adds_up(&session);
}

#[test]
fn replies_in_another_order_are_all_received() {
    let (session, _) = run(plan(6), &mut |request, reply| {
        vec![Packet {
            delay: (700 - 110 * request.number) * MS,
            ..reply.clone()
        }]
    });
    assert_eq!(session.totals.received, 6);
    assert_eq!(session.pipe, 6);
    adds_up(&session);
}

#[test]
fn seventy_thousand_requests_wrap_the_wire_without_a_false_duplicate() {
    let plan = Plan {
        interval: Duration::from_micros(10),
        ..plan(70_000)
    };
    let (session, world) = run(plan, &mut |_, reply| vec![reply.clone()]);
    assert_eq!(session.totals.received, 70_000);
    assert_eq!((session.totals.duplicates, session.totals.forged), (0, 0));
    let last = world.replies().last().unwrap().sequence;
    assert_eq!(last, 70_000);
    adds_up(&session);
}

#[test]
fn a_reply_to_a_request_one_wrap_ago_is_late_and_not_the_answer_to_the_new_one() {
    let mut world = World::new();
    let plan = Plan {
        interval: Duration::from_micros(1),
        timeout: Some(Duration::from_hours(1)),
        ..plan(70_000)
    };
    let mut session = session_of(plan, vec![target(HOST)], &world);
    let mut first = None;
    world.stamps = false;
    for _ in 0..65_537 {
        let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
        first.get_or_insert_with(|| good_reply(&session, &request));
        world.now += 1_000;
    }
    // The first was given up when the ring came round.
    assert_eq!(session.losses.silent, 1);
    world.deliver(&mut session, &first.unwrap());
    assert_eq!(world.verdicts(), [Verdict::Late]);
    assert_eq!(session.totals.received, 0);
}

#[test]
fn a_lenient_session_counts_as_iputils_does() {
    let lenient = Plan {
        lenient: true,
        ..plan(4)
    };
    let (session, _) = run(lenient, &mut |request, reply| {
        vec![match request.number {
            1 => changed(reply, |message| message[HEADER + 40] ^= 1),
            2 => changed(reply, |message| message.truncate(HEADER + 20)),
            3 => Packet {
                from: [10, 0, 0, 9].into(),
                ..reply.clone()
            },
            _ => changed(reply, |message| message[HEADER..].fill(0xff)),
        }]
    });
    assert_eq!(session.totals.received, 4);
    assert_eq!(session.losses.total(), 0);
}

#[test]
fn replies_that_were_overtaken_are_counted() {
    let (session, _) = run(plan(4), &mut |request, reply| {
        vec![Packet {
            delay: if request.sequence == 2 { 150 * MS } else { MS },
            ..reply.clone()
        }]
    });
    assert_eq!(session.totals.reordered, 1);
    assert_eq!(session.totals.received, 4);
}

#[test]
fn whatever_comes_the_account_adds_up() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let kinds = proptest::collection::vec((0_u8..9, 1_u64..3_000), 1..40);
    runner
        .run(&kinds, |kinds| {
            let (session, _) = run(plan(kinds.len() as u64), &mut |request, reply| {
                let (kind, delay) = kinds[usize::try_from(request.sequence).unwrap() - 1];
                let mut packet = match kind {
                    0 => return Vec::new(),
                    1 => refused(reply, 1),
                    2 => changed(reply, |message| message[HEADER + 30] ^= 1),
                    3 => changed(reply, |message| message[HEADER] ^= 1),
                    4 => changed(reply, |message| message.truncate(HEADER + 9)),
                    5 => return vec![refused(reply, 1), reply.clone(), reply.clone()],
                    6 => changed(reply, |message| message[7] ^= 1),
                    _ => reply.clone(),
                };
                packet.delay = delay * MS;
                vec![packet.clone(), packet]
            });
            adds_up(&session);
            Ok(())
        })
        .unwrap();
}
