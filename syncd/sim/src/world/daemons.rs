//! What reaches a daemon, by which door, and what its turn causes.

use syncd_core::flow::{Change, Origin};
use syncd_core::replica::{Command, KernelReply, Reply, RequestId, Role, Step};
use syncd_core::time::{Duration, Instant};

use super::datagram::{Parcel, describe};
use super::{DROPS, Event, Verdict, World};
use crate::host::{Answer, Daemon, Host, LINK};
use crate::kernel::{About, Name};
use crate::trace::{Glance, Side};

/// The command to be primary, and every other one.
const PRIMARY: RequestId = RequestId(1);
const OTHER: RequestId = RequestId(0);

/// Between two audits of a replica's queues and caches, in turns: they are walked from end to end. That no flow is in two
/// queues is looked at in every turn.
const AUDIT: u32 = 32;

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
        let (now, local) = (self.now, self.local(side));
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        host.reading = false;
        if now < host.stalled_until {
            self.gather_soon(side);
            return Ok(());
        }
        let (events, lost) = host.gather();
        if events.is_empty() && !lost && !host.wants_dump() {
            return Ok(());
        }
        for event in &events {
            let host = &mut self.hosts[side.index()];
            match &mut host.daemon {
                Daemon::Syncd(replica) => {
                    // The end of a flow that had to give way is news: the peer may know it.
                    let echo = event.origin == Origin::Ourselves && event.change != Change::Destroy;
                    let quiet = echo && !replica.tells_what_it_writes();
                    let before = Glance::of(replica, local);
                    let failed = replica.stats().internal.create_failed;
                    let door = match &event.about {
                        About::Flow(flow) => {
                            replica.handle_flow(local, event.origin, event.change, flow);
                            "flow"
                        }
                        About::Expectation(expectation) => {
                            replica.handle_expectation(local, event.origin, event.change, expectation);
                            "expectation"
                        }
                    };
                    if let About::Flow(flow) = &event.about
                        && replica.stats().internal.create_failed > failed
                    {
                        self.oracle.crowded(side, Name::of(flow));
                    }
                    let after = Glance::of(replica, local);
                    self.oracle.fed(side, before, after, replica, quiet)?;
                    let what = || format!("{:?} {:?} {}", event.change, event.origin, event.about);
                    self.trace.note(now, Some(side), after, door, what);
                }
                Daemon::Conntrackd(conntrackd) => conntrackd.event(event),
                Daemon::None => {}
            }
        }
        if lost {
            match &mut self.hosts[side.index()].daemon {
                Daemon::Syncd(replica) => replica.handle_overrun(local),
                Daemon::Conntrackd(_) | Daemon::None => self.resync_conntrackd(side),
            }
        }
        let host = &mut self.hosts[side.index()];
        while let Some(token) = host.begin_dump() {
            if let Daemon::Syncd(replica) = &mut host.daemon {
                replica.handle_kernel(local, KernelReply::Begun(token));
            }
        }
        self.gather_soon(side);
        self.turn(side, "gathered", || {
            format!("{} events{}", events.len(), if lost { ", overrun" } else { "" })
        })
    }

    /// The daemon looks at how many events its kernel has lost.
    pub(super) fn look_at_drops(&mut self, side: Side, life: u32) -> Verdict {
        let (now, local) = (self.now, self.local(side));
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
            replica.handle_overrun(local);
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
        let local = self.local(side);
        let host = &mut self.hosts[side.index()];
        if host.life != life {
            return Ok(());
        }
        let Daemon::Syncd(replica) = &mut host.daemon else { return Ok(()) };
        let before = Glance::of(replica, local);
        for answer in answers {
            let failed = replica.stats().internal.create_failed;
            replica.handle_kernel(
                local,
                match answer {
                    Answer::Dumped(token, flow) => KernelReply::Dumped(*token, flow.into()),
                    Answer::Found(token, Ok(flow)) => KernelReply::Found(*token, flow.into()),
                    Answer::Found(token, Err(errno)) | Answer::Failed(token, errno) => {
                        KernelReply::Failed(*token, *errno)
                    }
                    Answer::Expectation(token, found) => KernelReply::Expectation(*token, found),
                    Answer::Done(token) => KernelReply::Done(*token),
                    Answer::Counted(token, flows) => KernelReply::Counted(*token, *flows),
                },
            );
            if let Answer::Dumped(_, flow) | Answer::Found(_, Ok(flow)) = answer
                && replica.stats().internal.create_failed > failed
            {
                self.oracle.crowded(side, Name::of(flow));
            }
        }
        let after = Glance::of(replica, local);
        self.oracle.fed(side, before, after, replica, false)?;
        self.turn(side, "kernel", || format!("{} answers: {:?}", answers.len(), answers.last().map(brief)))
    }

    pub(super) fn arrive(&mut self, side: Side, parcel: &Parcel) -> Verdict {
        self.on_the_way -= 1;
        let bytes = parcel.bytes.as_slice();
        self.trace.mix_bytes(bytes);
        let (now, local) = (self.now, self.local(side));
        let host = &mut self.hosts[side.index()];
        if let Some(life) = parcel.waited_in {
            host.inbox -= usize::from(life == host.life);
            if life != host.life {
                // It waited in the socket of a daemon that is gone.
                return Ok(());
            }
        }
        self.heard[side.index()] = bytes.to_vec();
        match &mut host.daemon {
            Daemon::None => return Ok(()),
            Daemon::Conntrackd(conntrackd) => conntrackd.datagram(bytes),
            Daemon::Syncd(replica) => {
                let before = *replica.stats();
                replica.handle_datagram(local, LINK, bytes);
                self.oracle.arrived(side, bytes, replica, now)?;
                self.oracle.arrived_once(side, parcel.number, bytes, &before, replica.stats())?;
            }
        }
        self.turn(side, "datagram", || describe(bytes))
    }

    /// A daemon is told what it is, by VRRP or by an operator.
    pub(super) fn command_role(&mut self, side: Side, role: Role, door: &'static str) -> Verdict {
        let (now, local) = (self.now, self.local(side));
        if role == Role::Primary {
            self.oracle.takes_over(side, &self.hosts, now, self.options.preload > 0)?;
        }
        let Host { kernel, daemon, .. } = &mut self.hosts[side.index()];
        match daemon {
            Daemon::None => return Ok(()),
            Daemon::Conntrackd(conntrackd) => conntrackd.role(now, role, kernel),
            Daemon::Syncd(replica) => {
                let id = if role == Role::Primary { PRIMARY } else { OTHER };
                replica.handle_command(local, id, Command::Role(role));
            }
        }
        self.turn(side, door, || role.name().into())
    }

    /// VRRP tells a primary that the other one, which it has just heard, will step back.
    pub(super) fn yielded(&mut self, side: Side) -> Verdict {
        let (now, local) = (self.now, self.local(side));
        if let Daemon::Syncd(replica) = &mut self.hosts[side.index()].daemon {
            replica.handle_command(local, OTHER, Command::PeerYielded);
            self.oracle.yielded(side, &self.hosts, now);
        }
        self.turn(side, "role", || "the peer yields".into())
    }

    /// An operator wants one step by itself. conntrackd's own letters are not modelled.
    pub(super) fn wish(&mut self, side: Side, step: Step) -> Verdict {
        let local = self.local(side);
        let Daemon::Syncd(replica) = &mut self.hosts[side.index()].daemon else { return Ok(()) };
        replica.handle_command(local, OTHER, Command::Step(step));
        self.turn(side, "wish", || format!("{step:?}"))
    }

    /// One turn of a daemon, and everything it causes.
    pub(super) fn turn(&mut self, side: Side, door: &'static str, what: impl FnOnce() -> String) -> Verdict {
        let (now, local) = (self.now, self.local(side));
        let glance = self.glance(side);
        self.trace.note(now, Some(side), glance, door, what);
        let turned = self.hosts[side.index()].turn_any(now);
        let glance = self.glance(side);
        for (request, done) in &turned.requests {
            self.trace.note(now, Some(side), glance, "request", || format!("{request}: {done:?}"));
        }
        for notice in &turned.notices {
            self.trace.note(now, Some(side), glance, "notice", || format!("{notice:?}"));
        }
        turned.crowded.iter().for_each(|name| self.oracle.crowded(side, *name));
        if turned.told_own {
            return Err(format!("{}: a flow that was committed became news", self.hosts[side.index()].name));
        }
        if turned.destroyed {
            let name = self.hosts[side.index()].name;
            return Err(format!("{name}: a flow was destroyed although no commit takes over"));
        }
        if self.options.preload == 0 {
            self.oracle.removed(side, &turned.removed, self.options.purge > 0, &self.hosts)?;
        }
        self.oracle.follows_other_numbers(side, &turned.notices, now);
        for bytes in turned.sent {
            self.oracle.sent(side, &bytes, &self.hosts, now)?;
            self.send(side, glance, &bytes);
        }
        self.oracle.notices(side, &turned.notices, &turned.stats, &self.hosts)?;
        if turned.replies.contains(&(PRIMARY, Reply::Done)) {
            let short = self.options.refusals > 0;
            self.oracle.settled_as_primary(side, &self.hosts[side.index()], short)?;
        }
        if let Some(replica) = self.hosts[side.index()].replica() {
            if let Some(what) = replica.misplaced() {
                return Err(format!("{}: {what}", self.hosts[side.index()].name));
            }
            let status = replica.status(local);
            self.oracle.turned(side, status.sync, now)?;
            self.tempt_operator(side, &status);
            self.turns += 1;
            if self.turns.is_multiple_of(AUDIT) {
                self.audit(side)?;
            }
        }
        if let Some(wake) = turned.wake {
            self.plan_wake(side, wake);
        }
        self.gather_soon(side);
        self.help_soon(side);
        Ok(())
    }

    /// Walks a replica's queues.
    pub(super) fn audit(&self, side: Side) -> Verdict {
        let host = &self.hosts[side.index()];
        match host.replica().and_then(syncd_core::replica::Replica::inconsistency) {
            None => Ok(()),
            Some(what) => Err(format!("{}: {what}", host.name)),
        }
    }

    /// The clock of a machine.
    pub(super) fn local(&self, side: Side) -> Instant {
        self.hosts[side.index()].local(self.now)
    }

    pub(super) fn glance(&self, side: Side) -> Glance {
        let local = self.local(side);
        self.hosts[side.index()].replica().map_or(Glance::default(), |replica| Glance::of(replica, local))
    }
}

fn brief(answer: &Answer) -> String {
    match answer {
        Answer::Dumped(_, flow) => format!("dumped {flow}"),
        Answer::Found(_, Ok(flow)) => format!("found {flow}"),
        Answer::Found(_, Err(errno)) | Answer::Failed(_, errno) => format!("{errno}"),
        Answer::Expectation(_, expectation) => format!("expected {expectation}"),
        Answer::Done(_) => "done".into(),
        Answer::Counted(_, flows) => format!("{flows} in all"),
    }
}
