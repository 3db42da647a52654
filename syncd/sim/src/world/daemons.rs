//! What reaches a daemon, by which door, and what its turn causes.

use syncd_core::flow::{Change, Origin};
use syncd_core::replica::{Command, KernelReply, RequestId, Role};
use syncd_core::time::Duration;

use super::{DROPS, Event, Verdict, World};
use crate::host::{Answer, Daemon, Host, LINK};
use crate::trace::{Glance, Side};

impl World {
    pub(super) fn wake(&mut self, side: Side, life: u32) -> Verdict {
        let host = &mut self.hosts[side.index()];
        if host.life != life || host.wake_at != Some(self.now) {
            return Ok(());
        }
        host.wake_at = None;
        self.turn(side, "wake", String::new)
    }

    /// The daemon reads its kernel's events.
    pub(super) fn gather(&mut self, side: Side, life: u32) -> Verdict {
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        host.reading = false;
        if self.now < host.stalled_until {
            self.gather_soon(side);
            return Ok(());
        }
        let (events, lost) = host.gather();
        if events.is_empty() && !lost && host.dump_wanted.is_none() {
            return Ok(());
        }
        let now = self.now;
        for event in &events {
            let host = &mut self.hosts[side.index()];
            match &mut host.daemon {
                Daemon::Syncd(replica) => {
                    // The end of a flow that had to give way is news: the peer may know it.
                    let echo = event.origin == Origin::Ourselves && event.change != Change::Destroy;
                    let quiet = echo && !replica.tells_what_it_writes();
                    let before = Glance::of(replica, now);
                    replica.handle_flow(now, event.origin, event.change, &event.flow);
                    self.oracle.fed(side, before, replica, now, quiet)?;
                    let what = || format!("{:?} {:?} {}", event.change, event.origin, event.flow);
                    self.trace.note(now, Some(side), Glance::of(replica, now), "flow", what);
                }
                Daemon::Conntrackd(conntrackd) => conntrackd.event(event),
                Daemon::None => {}
            }
        }
        if lost {
            match &mut self.hosts[side.index()].daemon {
                Daemon::Syncd(replica) => replica.handle_overrun(now),
                Daemon::Conntrackd(_) | Daemon::None => self.resync_conntrackd(side),
            }
        }
        let host = &mut self.hosts[side.index()];
        if let Some(token) = host.begin_dump()
            && let Daemon::Syncd(replica) = &mut host.daemon
        {
            replica.handle_kernel(now, KernelReply::Begun(token));
        }
        self.gather_soon(side);
        self.turn(side, "gathered", || {
            format!("{} events{}", events.len(), if lost { ", overrun" } else { "" })
        })
    }

    /// The daemon looks at how many events its kernel has lost.
    pub(super) fn look_at_drops(&mut self, side: Side, life: u32) -> Verdict {
        let now = self.now;
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        self.plan(now + DROPS, Event::LookAtDrops(side, life));
        let host = &mut self.hosts[side.index()];
        let more = host.look_at_drops();
        if let Daemon::Syncd(replica) = &mut host.daemon
            && more
        {
            replica.handle_overrun(now);
            return self.turn(side, "drops", String::new);
        }
        Ok(())
    }

    /// conntrackd dumps its kernel again after an overrun.
    fn resync_conntrackd(&mut self, side: Side) {
        let Host { kernel, daemon, .. } = &mut self.hosts[side.index()];
        if let Daemon::Conntrackd(conntrackd) = daemon {
            conntrackd.overrun(kernel);
        }
    }

    /// The helper thread works.
    pub(super) fn help(&mut self, side: Side, life: u32) -> Verdict {
        let missed = if self.calm { 0 } else { self.options.missed };
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        host.helping = false;
        let answers = host.help(&mut self.chance, missed);
        let delay = Duration::from_micros(self.chance.pick(&[50, 500, 10_000]));
        let at = (self.now + delay).max(host.handed_over);
        host.handed_over = at;
        self.on_the_way += 1;
        self.plan(at, Event::HandOver(side, life, answers));
        self.help_soon(side);
        Ok(())
    }

    /// The helper thread's batch reaches the daemon.
    pub(super) fn hand_over(&mut self, side: Side, life: u32, answers: &[Answer]) -> Verdict {
        self.on_the_way -= 1;
        let now = self.now;
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        let Daemon::Syncd(replica) = &mut host.daemon else { return Ok(()) };
        let before = Glance::of(replica, now);
        for answer in answers {
            replica.handle_kernel(
                now,
                match answer {
                    Answer::Dumped(token, flow) => KernelReply::Dumped(*token, flow.into()),
                    Answer::Found(token, Ok(flow)) => KernelReply::Found(*token, flow.into()),
                    Answer::Found(token, Err(errno)) | Answer::Failed(token, errno) => {
                        KernelReply::Failed(*token, *errno)
                    }
                    Answer::Done(token) => KernelReply::Done(*token),
                    Answer::Counted(token, flows) => KernelReply::Counted(*token, *flows),
                },
            );
        }
        self.oracle.fed(side, before, replica, now, false)?;
        self.turn(side, "kernel", || format!("{} answers: {:?}", answers.len(), answers.last().map(brief)))
    }

    pub(super) fn arrive(&mut self, side: Side, bytes: &[u8]) -> Verdict {
        self.on_the_way -= 1;
        self.trace.mix_bytes(bytes);
        let now = self.now;
        match &mut self.hosts[side.index()].daemon {
            Daemon::None => return Ok(()),
            Daemon::Conntrackd(conntrackd) => conntrackd.datagram(bytes),
            Daemon::Syncd(replica) => {
                replica.handle_datagram(now, LINK, bytes);
                self.oracle.arrived(side, bytes, replica, now)?;
            }
        }
        self.turn(side, "datagram", || describe(bytes))
    }

    /// VRRP tells a daemon what it is.
    pub(super) fn tell_role(&mut self, side: Side) -> Verdict {
        let (now, role) = (self.now, self.vrrp[side.index()]);
        if role == Role::Primary {
            self.oracle.takes_over(side, &self.hosts, now)?;
        }
        let Host { kernel, daemon, .. } = &mut self.hosts[side.index()];
        match daemon {
            Daemon::None => return Ok(()),
            Daemon::Conntrackd(conntrackd) => conntrackd.role(now, role, kernel),
            Daemon::Syncd(replica) => replica.handle_command(now, RequestId(0), Command::Role(role)),
        }
        self.turn(side, "role", || role.name().into())
    }

    /// One turn of a daemon, and everything it causes.
    pub(super) fn turn(&mut self, side: Side, door: &'static str, what: impl FnOnce() -> String) -> Verdict {
        let now = self.now;
        let glance = self.hosts[side.index()].replica().map_or(Glance::default(), |r| Glance::of(r, now));
        self.trace.note(now, Some(side), glance, door, what);
        let turned = self.hosts[side.index()].turn_any(now);
        let glance = self.hosts[side.index()].replica().map_or(Glance::default(), |r| Glance::of(r, now));
        for (request, done) in &turned.requests {
            self.trace.note(now, Some(side), glance, "request", || format!("{request}: {done:?}"));
        }
        for notice in &turned.notices {
            self.trace.note(now, Some(side), glance, "notice", || format!("{notice:?}"));
        }
        if turned.told_own {
            return Err(format!("{}: a flow that was committed became news", side.name()));
        }
        for bytes in turned.sent {
            self.oracle.sent(side, &bytes, &self.hosts, now)?;
            self.send(side, glance, &bytes);
        }
        self.oracle.notices(side, &turned.notices, &turned.stats, &self.hosts[side.index()], now)?;
        if let Some(replica) = self.hosts[side.index()].replica() {
            self.oracle.turned(side, replica, now)?;
        }
        if let Some(wake) = turned.wake {
            self.plan_wake(side, wake);
        }
        self.gather_soon(side);
        self.help_soon(side);
        Ok(())
    }

    fn send(&mut self, side: Side, glance: Glance, bytes: &[u8]) {
        let now = self.now;
        let journey = self.network.send(now, side);
        let door = if journey.first.is_some() { "transmit" } else { "dropped" };
        self.trace.mix_bytes(bytes);
        self.trace.note(now, Some(side), glance, door, || describe(bytes));
        for at in [journey.first, journey.second].into_iter().flatten() {
            self.on_the_way += 1;
            self.plan(at, Event::Arrive(side.other(), bytes.to_vec()));
        }
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Dumped(_, flow) => format!("dumped {flow}"),
        Answer::Found(_, Ok(flow)) => format!("found {flow}"),
        Answer::Found(_, Err(errno)) | Answer::Failed(_, errno) => format!("{errno}"),
        Answer::Done(_) => "done".into(),
        Answer::Counted(_, flows) => format!("{flows} in all"),
    }
}

/// A datagram in a line.
fn describe(bytes: &[u8]) -> String {
    let mut text = String::new();
    for view in syncd_core::wire::frames(bytes).flatten() {
        let flags = (if view.hello() { "H" } else { "" }, if view.hello_back() { "b" } else { "" });
        let what = match (view.control(), view.change()) {
            (Some(control), _) => format!("{control:?}"),
            (None, Some(change)) => {
                let flow = syncd_core::wire::decode_flow(&view).map(|decoded| decoded.flow.to_string());
                format!("{change:?} {}", flow.unwrap_or_default())
            }
            (None, None) => "?".into(),
        };
        text.push_str(&format!("[{}{}{} {what}] ", view.seq(), flags.0, flags.1));
    }
    text
}
