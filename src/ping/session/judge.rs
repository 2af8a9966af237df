//! What comes in, judged: is it an answer, to what, and is it the one that was asked for.

use std::net::IpAddr;
use std::time::Duration;

use super::{MOST_DISTRIBUTIONS, Session};
use crate::packet::icmp::{self, Echo, Message};
use crate::packet::ip;
use crate::ping::clock::{Monotonic, Realtime};
use crate::ping::event::{Event, Refused, Reply, Timing, Verdict};
use crate::ping::figures::Distribution;
use crate::ping::losses::Refusal;
use crate::ping::mpls::Labels;
use crate::ping::payload::Damage;
use crate::ping::plan::Until;
use crate::ping::tally::Tally;
use crate::ping::window::{Local, SPAN, Slot, State};
use crate::reference::icmp::Version;

/// A packet as a socket gives it.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    /// Of which ICMP.
    pub version: Version,
    /// The message; from a raw socket of IPv4 with the IP header in front.
    pub bytes: &'a [u8],
    /// Whether the IP header is present; then the checksum has not been verified yet.
    pub with_ip_header: bool,
    /// More came than there was room for.
    pub is_cut: bool,
    /// Who sent it.
    pub from: IpAddr,
    /// The remaining hop count, if the kernel reports it.
    pub hop_limit: Option<u8>,
    /// When it came, by the kernel.
    pub stamp: Option<Realtime>,
}

/// An ICMP error as the error queue of a socket gives it (ip(7), `IP_RECVERR`).
#[derive(Debug, Clone, Copy)]
pub struct Notice<'a> {
    /// The error, and who sent it.
    pub refusal: Refusal,
    /// Its second word (`ee_info`).
    pub detail: u32,
    /// The destination of the packet concerned.
    pub to: Option<IpAddr>,
    /// The ICMP message that is quoted, from its own header on, and what follows it.
    pub message: &'a [u8],
    /// Where in that an extension structure begins (RFC 4884), if there is one.
    pub extension: Option<usize>,
    /// When it came, by the kernel.
    pub stamp: Option<Realtime>,
}

/// Members of groups that are remembered as those who answered.
const MOST_REPLIERS: usize = 1 << 16;

/// A reply that was read, and when it came.
struct Answer<'a> {
    echo: Echo<'a>,
    from: IpAddr,
    bytes: usize,
    hop_limit: Option<u8>,
    checksum_is_right: bool,
    is_cut: bool,
    came: Monotonic,
    by_kernel: bool,
    at: Realtime,
}

impl Session {
    /// A packet came. `None` if it is not for us.
    pub fn handle_packet(&mut self, incoming: &Incoming<'_>, now: Monotonic) -> Option<Event> {
        let (message, hop_limit) = if incoming.with_ip_header {
            let head = ip::parse(incoming.bytes).ok()?;
            (&incoming.bytes[head.length..], Some(head.hop_limit))
        } else {
            (incoming.bytes, incoming.hop_limit)
        };
        let (came, by_kernel, at) = self.arrival(incoming.stamp, now);
        match icmp::parse(incoming.version, message).ok()? {
            Message::EchoReply(echo) if echo.identifier == self.identifier(incoming.version) => {
                Some(self.judge(&Answer {
                    echo,
                    from: incoming.from,
                    bytes: message.len(),
                    hop_limit,
                    checksum_is_right: !incoming.with_ip_header
                        || incoming.is_cut
                        || icmp::checksum_is_right(message),
                    is_cut: incoming.is_cut,
                    came,
                    by_kernel,
                    at,
                }))
            }
            // The kernel reports other errors to sockets, but not a redirect or a source quench.
            Message::Problem(problem) => {
                let refusal = Refusal {
                    version: incoming.version,
                    r#type: problem.r#type,
                    code: problem.code,
                    by: Some(incoming.from),
                };
                let quoted = icmp::parse_quoted(incoming.version, problem.quoted).ok()?;
                if !refusal.is_told_to_raw_sockets_only() {
                    return None;
                }
                let detail = u32::from_be_bytes(problem.detail);
                let to = Some(quoted.head.destination);
                self.refuse(refusal, detail, to, quoted.echo?, (came, at))
                    .map(Event::Refused)
            }
            _ => None,
        }
    }

    /// The error queue gave something. `None` if it is not about a request of ours.
    pub fn handle_notice(&mut self, notice: &Notice<'_>, now: Monotonic) -> Option<Event> {
        let echo = icmp::quoted_echo(notice.refusal.version, notice.message)?;
        let (came, _, at) = self.arrival(notice.stamp, now);
        let extension = notice.extension.and_then(|at| notice.message.get(at..));
        let labels = extension.map(Labels::of).unwrap_or_default();
        let refused = self.refuse(notice.refusal, notice.detail, notice.to, echo, (came, at))?;
        Some(Event::Refused(Refused { labels, ..refused }))
    }

    /// When something came: by the kernel's timestamp if it has one that can be true.
    fn arrival(&self, stamp: Option<Realtime>, now: Monotonic) -> (Monotonic, bool, Realtime) {
        if let Some(stamp) = stamp {
            let came = self.watch.monotonic(stamp);
            if came <= now && now.since(came) < Duration::from_hours(1) {
                return (came, true, stamp);
            }
        }
        (now, false, self.watch.realtime(now))
    }

    fn judge(&mut self, answer: &Answer<'_>) -> Event {
        let payload = answer.echo.payload;
        let latest = self.window.number_of(answer.echo.sequence);
        // The bits on the wire may be those of an earlier request that the window has let go.
        let number = latest.filter(|&number| {
            payload.is_empty()
                || self.payloads.nonce_is_of(number, payload)
                || !self.is_of_an_earlier(number, payload)
        });
        let Some(slot) = number.and_then(|number| self.window.slot(number).copied()) else {
            return self.without_request(answer, latest);
        };
        let target = slot.target as usize;
        let verdict = self.verdict(answer, &slot);
        let counts = match verdict {
            Verdict::Good => true,
            Verdict::Duplicate => false,
            _ => self.plan.lenient && !is_answered(slot.state),
        };
        let (began, kernel_sent) = slot.began(answer.came);
        let rtt = slot.timed.then(|| answer.came.since(began));
        let timing = Timing {
            kernel_sent,
            kernel_received: answer.by_kernel,
        };
        if counts && is_answered(slot.state) {
            self.both(target, |tally| tally.others += 1);
            self.measure(&slot, rtt, timing);
        } else if counts {
            self.receive(&slot, rtt, timing);
        } else {
            self.count_bad(&slot, verdict);
        }
        Event::Reply(Reply {
            target,
            sequence: slot.sequence,
            from: answer.from,
            bytes: answer.bytes,
            hop_limit: answer.hop_limit,
            rtt,
            timing,
            local: slot.local(),
            at: answer.at,
            verdict,
            counts,
        })
    }

    /// Whether a payload belongs to a request that had the same bits on the wire one or two spans
    /// before.
    fn is_of_an_earlier(&self, number: u64, payload: &[u8]) -> bool {
        (1..=2).any(|back| {
            number
                .checked_sub(back * SPAN)
                .is_some_and(|earlier| earlier > 0 && self.payloads.nonce_is_of(earlier, payload))
        })
    }

    /// A reply to a request that the window does not have: never sent, or let go long ago.
    fn without_request(&mut self, answer: &Answer<'_>, latest: Option<u64>) -> Event {
        let target = (0..self.targets.len())
            .find(|&index| self.target(index).address == answer.from)
            .unwrap_or(0);
        let verdict = if latest.is_some() {
            Verdict::Late
        } else {
            Verdict::NeverSent
        };
        self.both(target, |tally| match verdict {
            Verdict::Late => tally.late += 1,
            _ => tally.forged += 1,
        });
        let counts = self.plan.lenient;
        if counts {
            self.both(target, |tally| {
                tally.received += 1;
                tally.unasked += 1;
            });
        }
        Event::Reply(Reply {
            target,
            sequence: u64::from(answer.echo.sequence),
            from: answer.from,
            bytes: answer.bytes,
            hop_limit: answer.hop_limit,
            rtt: None,
            timing: Timing::default(),
            local: Local::default(),
            at: answer.at,
            verdict,
            counts,
        })
    }

    fn verdict(&mut self, answer: &Answer<'_>, slot: &Slot) -> Verdict {
        let payload = answer.echo.payload;
        let is_group = self.targets[slot.target as usize].target.is_group();
        let address = self.address_of(slot.target as usize, slot.number);
        // A group answers from the addresses of its members.
        if answer.from != address && !is_group {
            return Verdict::Elsewhere;
        }
        if !answer.checksum_is_right {
            return Verdict::BadChecksum;
        }
        match self.payloads.damage(slot.number, payload) {
            Some(Damage::Nonce) => return Verdict::Forged,
            Some(damage) => return Verdict::Damaged(damage),
            None if answer.is_cut => return Verdict::Damaged(Damage::Longer),
            None => {}
        }
        let is_new = is_group && self.is_new_replier(slot.number, answer.from);
        match slot.state {
            State::Answered if is_new => Verdict::Good,
            State::Answered | State::AnsweredLate => Verdict::Duplicate,
            State::Expired => Verdict::Late,
            _ if answer.came.since(slot.sent) > self.plan.patience() => Verdict::Late,
            _ => Verdict::Good,
        }
    }

    /// Whether it is the first reply of this member of a group to a request.
    fn is_new_replier(&mut self, number: u64, from: IpAddr) -> bool {
        if self.repliers.len() >= MOST_REPLIERS {
            self.repliers.clear();
        }
        self.repliers.insert((number, from))
    }

    /// A reply that counts.
    fn receive(&mut self, slot: &Slot, rtt: Option<Duration>, timing: Timing) {
        let target = slot.target as usize;
        self.take_loss_back(slot);
        self.set_state(slot.number, State::Answered);
        if slot.state == State::Pending {
            self.pending -= 1;
        }
        let is_next = slot.number == self.answered + 1;
        self.in_order = if is_next { self.in_order + 1 } else { 0 };
        self.answered = self.answered.max(slot.number);
        self.pipe = self.pipe.max(self.window.next_number() - slot.number);
        let asked = &mut self.targets[target];
        let is_overtaken = slot.sequence < asked.answered;
        asked.answered = asked.answered.max(slot.sequence);
        self.both(target, |tally| {
            tally.received += 1;
            tally.reordered += u64::from(is_overtaken);
        });
        self.measure(slot, rtt, timing);
        self.answer(slot);
        let has_all = self.plan.count == Some(self.targets[target].tally.received);
        if has_all || self.plan.until == Until::Up {
            self.retire(target);
        }
    }

    /// Takes the time of a reply that counts.
    fn measure(&mut self, slot: &Slot, rtt: Option<Duration>, timing: Timing) {
        let Some(rtt) = rtt else {
            return;
        };
        let target = slot.target as usize;
        self.both(target, |tally| tally.times.add(rtt));
        self.times.add(rtt);
        self.timings.add(timing);
        if (2..=MOST_DISTRIBUTIONS).contains(&self.targets.len()) {
            let times = &mut self.targets[target].times;
            let times = times.get_or_insert_with(|| Box::new(Distribution::new()));
            times.add(rtt);
        }
        let local = slot.local();
        if let Some(held) = local.held.filter(|_| timing.kernel_sent) {
            self.held.add(held);
        }
        if let Some(queue) = local.queue.filter(|_| timing.kernel_sent) {
            self.queue.add(queue);
        }
    }

    /// A reply that does not.
    fn count_bad(&mut self, slot: &Slot, verdict: Verdict) {
        let target = slot.target as usize;
        let count: fn(&mut Tally) = match verdict {
            Verdict::Good => |_| (),
            Verdict::Duplicate => |tally| tally.duplicates += 1,
            Verdict::Late => |tally| tally.late += 1,
            Verdict::BadChecksum | Verdict::Damaged(_) => |tally| tally.damaged += 1,
            Verdict::Forged | Verdict::NeverSent => |tally| tally.forged += 1,
            Verdict::Elsewhere => |tally| tally.elsewhere += 1,
        };
        self.both(target, count);
        match verdict {
            Verdict::Late => self.answer_late(slot),
            Verdict::BadChecksum | Verdict::Damaged(_) if slot.state == State::Pending => {
                if let Some(slot) = self.window.slot_mut(slot.number) {
                    slot.damaged = true;
                }
            }
            _ => {}
        }
    }

    fn answer_late(&mut self, slot: &Slot) {
        self.take_loss_back(slot);
        if slot.state == State::Pending {
            self.pending -= 1;
        }
        self.set_state(slot.number, State::AnsweredLate);
        let target = slot.target as usize;
        self.lose(target, |losses| losses.late += 1);
        self.both(target, |tally| tally.lost += 1);
        if slot.state == State::Pending {
            self.miss(slot);
        }
    }

    /// A request that was lost is so no longer, or for another reason.
    fn take_loss_back(&mut self, slot: &Slot) {
        let target = slot.target as usize;
        match slot.state {
            State::Expired => self.lose(target, |losses| {
                losses.take_back(slot.damaged, slot.advised);
            }),
            State::AnsweredLate => self.lose(target, |losses| losses.late -= 1),
            State::Refused(at) => {
                let refusal = self.losses.refusal(at);
                self.lose(target, |losses| losses.take_refusal_back(refusal));
            }
            State::Pending | State::Answered | State::Unsent => return,
        }
        self.both(target, |tally| tally.lost = tally.lost.saturating_sub(1));
    }

    fn set_state(&mut self, number: u64, state: State) {
        if let Some(slot) = self.window.slot_mut(number) {
            slot.state = state;
        }
    }

    /// An ICMP error about an echo request.
    fn refuse(
        &mut self,
        refusal: Refusal,
        detail: u32,
        to: Option<IpAddr>,
        echo: Echo<'_>,
        (came, at): (Monotonic, Realtime),
    ) -> Option<Refused> {
        if echo.identifier != self.identifier(refusal.version) {
            return None;
        }
        let number = self.window.number_of(echo.sequence)?;
        let slot = *self.window.slot(number)?;
        let target = slot.target as usize;
        let is_ours = to.is_none_or(|to| to == self.address_of(target, number))
            && self.payloads.nonce_is_of(number, echo.payload);
        if !is_ours {
            return None;
        }
        if refusal.is_advice() {
            self.lose(target, |losses| losses.add_advice(refusal));
            if let Some(slot) = self.window.slot_mut(number) {
                slot.advised = true;
            }
        } else {
            self.both(target, |tally| tally.errors += 1);
            // A router may need seconds to find out: what was silent until then is so no longer.
            if matches!(slot.state, State::Pending | State::Expired) {
                self.take_loss_back(&slot);
                if slot.state == State::Pending {
                    self.pending -= 1;
                }
                let at = self.losses.add_refusal(refusal);
                self.targets[target].losses.add_refusal(refusal);
                self.set_state(number, State::Refused(at));
                self.both(target, |tally| tally.lost += 1);
                if slot.state == State::Pending {
                    self.miss(&slot);
                }
            }
        }
        let (began, _) = slot.began(came);
        Some(Refused {
            target,
            sequence: slot.sequence,
            refusal,
            detail,
            rtt: slot.timed.then(|| came.since(began)),
            at,
            labels: Labels::default(),
        })
    }
}

fn is_answered(state: State) -> bool {
    matches!(state, State::Answered | State::AnsweredLate)
}
