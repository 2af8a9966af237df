//! ICMP errors, and requests that never leave.

use super::*;

#[test]
fn an_icmp_error_says_by_whom_and_ends_the_wait() {
    let (session, world) = run(plan(2), &mut |_, reply| vec![refused(reply, 1)]);
    assert_eq!(session.totals.errors, 2);
    let told: Vec<_> = session.losses.refused().collect();
    assert_eq!(told, [(&refusal(1), 2)]);
    assert!(world.now < 1_200 * MS, "{}", world.now);
    adds_up(&session);
}

#[test]
fn an_icmp_error_about_somebody_elses_packet_is_not_ours() {
    let strangers: [fn(&mut Vec<u8>); 3] = [
        |message| message[5] ^= 1,
        |message| message[7] = 99,
        |message| message[HEADER] ^= 1,
    ];
    for stranger in strangers {
        let (session, world) = run(plan(1), &mut |_, reply| {
            let mut packet = refused(reply, 1);
            stranger(&mut packet.message);
            vec![packet]
        });
        assert_eq!(session.totals.errors, 0);
        assert_eq!(session.losses.silent, 1);
        assert_eq!(world.events.len(), 1);
    }
}

#[test]
fn an_icmp_error_that_quotes_only_eight_bytes_is_enough() {
    let (session, _) = run(plan(1), &mut |_, reply| {
        let mut packet = refused(reply, 3);
        packet.message.truncate(HEADER);
        vec![packet]
    });
    assert_eq!(session.losses.refused().count(), 1);
}

#[test]
fn a_good_reply_after_an_icmp_error_is_received() {
    let (session, _) = run(plan(2), &mut |request, reply| match request.number {
        1 => {
            let mut good = reply.clone();
            good.delay = 5 * MS;
            vec![refused(reply, 1), good]
        }
        _ => vec![reply.clone()],
    });
    assert_eq!((session.totals.received, session.totals.errors), (2, 1));
    assert_eq!(session.losses.total(), 0);
    adds_up(&session);
}

#[test]
fn an_icmp_error_that_comes_late_still_says_why_it_was_silent() {
    let (session, _) = run(plan(20), &mut |request, reply| match request.number {
        1 => vec![Packet {
            delay: 1_500 * MS,
            ..refused(reply, 1)
        }],
        _ => vec![reply.clone()],
    });
    assert_eq!((session.losses.silent, session.losses.total()), (0, 1));
    assert_eq!(session.losses.refused().count(), 1);
    adds_up(&session);
}

#[test]
fn a_redirect_on_a_raw_socket_is_advice_and_no_loss() {
    let (session, world) = run(plan(1), &mut |_, reply| {
        let mut quoted = vec![0x45, 0, 0, 84, 0, 0, 0, 0, 64, 1, 0, 0, 10, 0, 0, 1];
        quoted.extend(HOST);
        quoted.extend(changed(reply, |message| message[0] = 8).message);
        let mut message = vec![5, 1, 0, 0, 10, 8, 0, 254];
        message.extend(quoted);
        let redirect = Packet {
            delay: MS / 2,
            from: [10, 8, 0, 254].into(),
            message: checksummed(message),
            refusal: None,
        };
        vec![redirect, reply.clone()]
    });
    let Event::Refused(told) = world.events[0] else {
        panic!("{:?}", world.events);
    };
    assert!(told.refusal.is_advice());
    assert_eq!(told.detail, u32::from_be_bytes([10, 8, 0, 254]));
    assert_eq!((session.totals.received, session.totals.errors), (1, 0));
    adds_up(&session);
}

#[test]
fn a_request_that_never_left_is_dropped_here() {
    let mut world = World::new();
    let mut session = session_of(plan(1), vec![target(HOST)], &world);
    let request = session.poll_transmit(Monotonic(world.now), 0).unwrap();
    let event = session.handle_unsent(request.number, Unsent::Firewall);
    assert!(matches!(event, Some(Event::Unsent { sequence: 1, .. })));
    assert_eq!(
        session.handle_unsent(request.number, Unsent::Firewall),
        None
    );
    assert!(session.is_over(Monotonic(world.now)));
    world.now += MS;
    adds_up(&session);
}
