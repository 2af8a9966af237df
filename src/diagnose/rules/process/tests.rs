use crate::diagnose::testing::{commands, figures, idle, sample, socket};
use crate::diagnose::{Case, Finding, Findings, Severity, Subject, diagnose};
use crate::host::{GroupMemory, Index, ProcessAt, ProcessStatus, Sample, SocketAt, Threads};
use crate::sockets::testing::owners;
use crate::sockets::{Socket, State, TcpFigures};

fn status(state: char, descriptors: u32) -> ProcessStatus {
    ProcessStatus {
        process: ProcessAt(0),
        state,
        descriptors: Some(descriptors),
        descriptor_limit: Some(1024),
        frozen: false,
        memory: None,
        threads: None,
        adopted: false,
    }
}

/// A server with a listener at which `waiting` connections wait and with one connection.
fn server(waiting: u32, unread: u32, status: ProcessStatus) -> Sample {
    let connection = Socket {
        inode: 9,
        ..socket(State::Established, unread, 0)
    };
    let connection = figures(
        connection,
        TcpFigures {
            last_data_recv_ms: Some(1_500),
            ..idle()
        },
    );
    let unaccepted = figures(
        Socket {
            inode: 0,
            ..socket(State::Established, 0, 0)
        },
        TcpFigures {
            last_data_sent_ms: Some(4_000),
            ..TcpFigures::default()
        },
    );
    let mut sockets = vec![socket(State::Listen, waiting, 128), connection];
    sockets.extend((0..waiting).map(|_| unaccepted.clone()));
    Sample {
        owners: owners(&[(812, "web", None, &[7, 9])]),
        processes: vec![status],
        ..sample(sockets)
    }
}

fn findings(sample: &Sample) -> Findings {
    let index = Index::new(sample);
    diagnose(&Case::new(&index))
}

fn about_the_process(sample: &Sample) -> Option<Finding> {
    let findings = findings(sample);
    let is_it = |finding: &&Finding| finding.subject == Subject::Process(ProcessAt(0));
    findings.all().iter().find(is_it).cloned()
}

#[test]
fn a_stopped_process_for_which_clients_wait_is_the_first_cause() {
    let sample = server(5, 300, status('T', 20));
    let finding = about_the_process(&sample).unwrap();
    assert_eq!(finding.rule.id, "process_stopped");
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(
        finding.headline,
        "web (pid 812) is stopped: 5 connections wait for accept(), data is unread on 1 connection"
    );
    assert_eq!(commands(&finding), ["kill -CONT 812"]);

    let index = Index::new(&sample);
    let case = Case::new(&index);
    let found = findings(&sample);
    // The row of the listener, and that of the connection, name it first.
    for at in [0, 1] {
        assert_eq!(found.of(SocketAt(at)).next(), Some(&finding));
    }
    // All that waits is one effect of it.
    let places: Vec<SocketAt> = sample.places().collect();
    let blocks = found.blocks(&case, &places, false);
    assert_eq!(blocks.len(), 1);
    let effects = &blocks[0].effects;
    assert_eq!(effects.len(), 1);
    assert_eq!(
        effects[0].finding.headline,
        "not accepted: 5 connections on port 80 of web (pid 812)"
    );
}

#[test]
fn a_stopped_process_that_nobody_waits_for_and_a_sleeping_one_stay_silent() {
    assert_eq!(about_the_process(&server(0, 0, status('T', 20))), None);
    for state in ['S', 'R', 'D', 'Z'] {
        assert_eq!(about_the_process(&server(5, 300, status(state, 20))), None);
    }
}

#[test]
fn a_frozen_process_is_told_from_a_stopped_one() {
    let frozen = ProcessStatus {
        frozen: true,
        ..status('S', 20)
    };
    let finding = about_the_process(&server(1, 0, frozen)).unwrap();
    assert_eq!(
        finding.headline,
        "web (pid 812) is frozen: 1 connection waits for accept()"
    );
    assert_eq!(about_the_process(&server(0, 0, frozen)), None);
}

/// What is found about the process if its status was another one two seconds before.
fn since(waiting: u32, was: ProcessStatus, is: ProcessStatus) -> Option<String> {
    let (before, after) = (server(waiting, 0, was), server(waiting, 0, is));
    let index = Index::new(&after);
    let elapsed = std::time::Duration::from_secs(2);
    let delta = crate::host::Delta::new(Index::new(&before), &index, elapsed);
    let findings = diagnose(&Case::new(&index).since(Some(&delta)));
    let is_it = |finding: &&Finding| finding.subject == Subject::Process(ProcessAt(0));
    findings
        .all()
        .iter()
        .find(is_it)
        .map(|it| it.headline.clone())
}

#[test]
fn a_process_that_is_blocked_in_both_samples_is_a_finding_if_somebody_waits() {
    let (blocked, asleep) = (status('D', 20), status('S', 20));
    assert_eq!(
        since(3, blocked, blocked).unwrap(),
        "web (pid 812) is blocked in the kernel (state D): 3 connections wait for accept()"
    );
    assert_eq!(since(3, asleep, blocked), None);
    assert_eq!(since(0, blocked, blocked), None);
}

#[test]
fn a_group_that_meets_its_memory_limit_is_a_finding_if_somebody_waits() {
    let with = |used, met| ProcessStatus {
        memory: Some(GroupMemory {
            used,
            limit: 1000,
            met,
        }),
        ..status('S', 20)
    };
    assert_eq!(
        since(3, with(990, 5), with(990, 9)).unwrap(),
        "memory limit reached: web (pid 812); 3 connections wait for accept()"
    );
    assert_eq!(since(3, with(990, 5), with(990, 5)), None);
    assert_eq!(since(3, with(990, 5), with(900, 9)), None);
    assert_eq!(since(0, with(990, 5), with(990, 9)), None);
}

#[test]
fn a_debugger_is_named() {
    let finding = about_the_process(&server(1, 0, status('t', 20))).unwrap();
    assert_eq!(
        finding.headline,
        "web (pid 812) is stopped by a debugger: 1 connection waits for accept()"
    );
}

#[test]
fn a_server_at_its_descriptor_limit_is_the_first_cause() {
    let sample = server(3, 0, status('S', 1024));
    let finding = about_the_process(&sample).unwrap();
    assert_eq!(finding.rule.id, "descriptor_limit");
    assert_eq!(
        finding.headline,
        "descriptor limit reached: web (pid 812) has 1024 of 1024 open; 3 connections at its listeners \
         cannot be accepted"
    );
    let found = findings(&sample);
    let waits = found.of(SocketAt(2)).next().unwrap();
    assert_eq!(waits.rule.id, "not_accepted");
    assert_eq!(waits.because.and_then(|at| found.get(at)), Some(&finding));
}

#[test]
fn a_limit_that_is_not_reached_or_not_known_and_an_empty_queue_stay_silent() {
    assert_eq!(about_the_process(&server(3, 0, status('S', 1023))), None);
    assert_eq!(about_the_process(&server(0, 0, status('S', 1024))), None);
    let unknown = ProcessStatus {
        descriptors: None,
        ..status('S', 0)
    };
    assert_eq!(about_the_process(&server(3, 0, unknown)), None);
}

#[test]
fn a_listener_that_only_a_forgotten_child_holds_is_the_cause_of_what_waits() {
    let child = |adopted, await_events| ProcessStatus {
        adopted,
        threads: Some(Threads {
            await_events,
            ..Threads::default()
        }),
        ..status('S', 20)
    };
    let said = |waiting, status| {
        let sample = server(waiting, 0, status);
        let found = findings(&sample);
        let mut found = found.of(SocketAt(0)).map(|it| it.headline.clone());
        let first = found.next();
        first.filter(|it| it.starts_with("listener"))
    };
    assert_eq!(
        said(3, child(true, false)).unwrap(),
        "listener of port 80 held by a child of a server that has ended: web (pid 812); its clients wait"
    );
    for healthy in [child(false, false), child(true, true), status('S', 20)] {
        assert_eq!(said(3, healthy), None);
    }
    assert_eq!(said(0, child(true, false)), None);
}
