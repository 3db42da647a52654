//! The gate: while the peer's flows are being written into our kernel, packets in the middle of a connection that the kernel
//! does not know yet are dropped, so that nobody answers them with a reset and no flow is made of them.
//!
//! A child `nft -i` holds a table of its own (`flags owner`), so the table goes when the child does, and the child goes when
//! the daemon does, however it ends. What closes the gate is the element of a set that the kernel lets expire: a daemon that
//! hangs says nothing more, and the gate opens. The child is started while the router stands by; then closing is one line.
//! Whatever goes wrong is told and counted, and the commit goes on without a gate: it never waits for it.
//!
//! keepalived moves the shared addresses before it tells anybody. So the table of a router that stands by knows which addresses
//! are the router's own: a packet to any other one is to a shared address that has just come, and meets a closed gate at once.
//!
//! [`words`] knows nft's language, [`child`] the process. Decides only when to say what; whether a commit runs the replica
//! says. Driven by the event loop; tested in `tests.rs` and, with a kernel, end to end and in the lab.

mod child;
mod words;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::env;
use std::ffi::OsStr;
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use syncd_core::time::{Duration, Instant};

use child::{Child, Corpse};

use crate::config::Interface;

/// How the names of our tables begin.
pub(crate) const TABLES: &str = "syncd-gate-";

/// The gate is closed again so often: two of these may come late before the kernel opens it.
const AGAIN: Duration = Duration::from_secs(1);

/// nft answers within some milliseconds. One that takes longer hangs, or the machine does.
const PATIENCE: Duration = Duration::from_secs(2);

/// No commit takes so long (ten million flows with their translations need some 100 s): it hangs, and what is not known by
/// then is better taken as it comes.
const LONGEST: Duration = Duration::from_secs(180);

/// More of what it says besides answers is not kept, in bytes.
const GRUMBLES: usize = 1000;

/// What the router needs of its gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// None: its flows are in its kernel.
    None,
    /// One that can be closed at once: the peer's flows may have to be committed.
    Prepared,
    /// A closed one: they are.
    Closed,
}

/// What has happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// The kernel drops what it does not know.
    Closed {
        /// Since that was wanted.
        after: Duration,
    },
    /// It does not any more.
    Opened {
        /// So long it was wanted that it does.
        closed: Duration,
        /// So many packets were dropped; none where nft does not say.
        held: Option<u64>,
    },
    /// There is no gate, or not any more.
    Failed {
        /// Why.
        reason: String,
    },
    /// The commit lasted too long, and the gate was opened before its end.
    Overdue,
}

/// Counts since the start of the daemon.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Times that it was closed.
    pub(crate) closed: u64,
    /// Packets that it has dropped.
    pub(crate) held: u64,
    /// Times that there was none although one was needed.
    pub(crate) failed: u64,
}

/// The gate.
#[derive(Debug)]
pub(crate) struct Gate {
    program: PathBuf,
    arguments: Vec<&'static str>,
    /// So many tables were named.
    named: u32,
    /// Holds the table.
    keeper: Option<Keeper>,
    /// Was told to open, and will end.
    leaving: Option<Keeper>,
    corpses: Vec<Corpse>,
    need: Need,
    /// What is needed now could not be had.
    gave_up: bool,
    counts: Counts,
    news: VecDeque<News>,
}

/// A child, and its table.
#[derive(Debug)]
struct Keeper {
    child: Child,
    table: String,
    /// Since when the gate was to be closed.
    since: Option<Instant>,
    /// It is closed when so many questions are answered.
    closed_by: u32,
    /// The kernel has closed it.
    is_closed: bool,
    /// When it is to be closed again.
    again: Instant,
    /// So many questions were asked, and answered.
    asked: u32,
    answered: u32,
    /// Since when an answer is awaited.
    waits: Option<Instant>,
    /// What the last answer told.
    held: Option<u64>,
    /// What it has said besides answers, the beginning of it.
    grumbled: String,
    /// The router's own addresses, as the table knows them. Never more than there were in the beginning: what comes later
    /// may be shared.
    own: BTreeSet<IpAddr>,
    /// When they were compared last.
    compared: Instant,
}

impl Gate {
    /// An open one, held by the `nft` of this machine.
    pub(crate) fn new() -> Self {
        Self::held_by(find("nft"), vec!["-i"])
    }

    fn held_by(program: PathBuf, arguments: Vec<&'static str>) -> Self {
        Self {
            program,
            arguments,
            named: 0,
            keeper: None,
            leaving: None,
            corpses: Vec::new(),
            need: Need::None,
            gave_up: false,
            counts: Counts::default(),
            news: VecDeque::new(),
        }
    }

    /// Sees to it that there is what is needed, and hears what has become of it.
    pub(crate) fn tend(&mut self, now: Instant, need: Need) {
        self.hear(now);
        self.corpses.retain_mut(|corpse| !corpse.is_buried());
        if need != self.need {
            self.need = need;
            self.gave_up = false;
        }
        let since = self.keeper.as_ref().and_then(|keeper| keeper.since);
        match (need, since) {
            (Need::Closed, Some(since)) if now.since(since) > LONGEST => {
                self.news.push_back(News::Overdue);
                self.gave_up = true;
                self.open(now);
            }
            (Need::Closed, Some(_)) => self.close(now),
            _ if self.gave_up => {}
            (Need::Closed, None) => self.close(now),
            (Need::Prepared | Need::None, Some(_)) => self.open(now),
            (Need::Prepared, None) => self.stand_by(now),
            (Need::None, None) => self.let_go(),
        }
    }

    /// When it is to be tended although nothing happens.
    pub(crate) fn due(&self) -> Option<Instant> {
        let keepers = [&self.keeper, &self.leaving].into_iter().flatten();
        let due = |keeper: &Keeper| {
            let answer = keeper.waits.map(|since| since + PATIENCE);
            answer.into_iter().chain(keeper.since.map(|_| keeper.again)).min()
        };
        keepers.filter_map(due).min()
    }

    /// Ready when something may have happened to it; if not, wakes the task when it has.
    pub(crate) fn poll_read(&self, context: &mut Context<'_>) -> Poll<()> {
        let keepers = [&self.keeper, &self.leaving];
        let ready = keepers
            .map(|keeper| keeper.as_ref().is_some_and(|keeper| keeper.child.poll_read(context).is_ready()));
        if ready.contains(&true) { Poll::Ready(()) } else { Poll::Pending }
    }

    /// What has happened since it was asked last.
    pub(crate) fn news(&mut self) -> Option<News> {
        self.news.pop_front()
    }

    /// Whether it is open, and nothing is to be heard of it.
    pub(crate) fn rests(&self) -> bool {
        self.leaving.is_none() && self.keeper.as_ref().is_none_or(|keeper| keeper.since.is_none())
    }

    /// What it has done.
    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// Opens it for good; nothing is left of it.
    pub(crate) fn end(&mut self) {
        let keepers = [self.keeper.take(), self.leaving.take()].into_iter().flatten();
        self.corpses.extend(keepers.map(|keeper| keeper.child.end()));
        self.corpses.drain(..).for_each(Corpse::bury);
    }

    // ----- What it does. -----

    /// A child with a table that is open.
    fn prepare(&mut self, now: Instant) -> Option<&mut Keeper> {
        if self.keeper.is_none() {
            self.named += 1;
            let table = format!("{TABLES}{}-{}", std::process::id(), self.named);
            let arguments: Vec<&OsStr> = self.arguments.iter().map(OsStr::new).collect();
            let started = Child::start(&self.program, &arguments);
            let begun = started.and_then(|child| {
                let mut keeper = Keeper::new(now, child, table, addresses()?);
                // The answer shows that the kernel can do it, before it must.
                keeper.ask(now, &words::make(&keeper.table, &keeper.own))?;
                Ok(keeper)
            });
            match begun {
                Ok(keeper) => self.keeper = Some(keeper),
                Err(error) => {
                    let program = self.program.display();
                    let reason = if error.kind() == ErrorKind::NotFound {
                        format!("{program} is missing (package nftables)")
                    } else {
                        format!("cannot start {program}: {error}")
                    };
                    self.fail(reason);
                }
            }
        }
        self.keeper.as_mut()
    }

    /// Keeps a child, and sees to it that no address counts as the router's own that it has given away.
    fn stand_by(&mut self, now: Instant) {
        let Some(keeper) = self.prepare(now) else { return };
        if now.since(keeper.compared) < AGAIN {
            return;
        }
        keeper.compared = now;
        // If they cannot be listed this time, then the next time.
        let Ok(there) = addresses() else { return };
        let gone: Vec<IpAddr> = keeper.own.difference(&there).copied().collect();
        if gone.is_empty() {
            return;
        }
        keeper.own.retain(|address| there.contains(address));
        if let Err(error) = keeper.ask(now, &words::disown(&keeper.table, &gone)) {
            self.fail(format!("cannot tell nft: {error}"));
        }
    }

    /// Closes it, or keeps it closed.
    fn close(&mut self, now: Instant) {
        let Some(keeper) = self.prepare(now) else { return };
        if keeper.since.is_some() && keeper.again > now {
            return;
        }
        keeper.again = now + AGAIN;
        let said = keeper.ask(now, &words::close(&keeper.table));
        if keeper.since.is_none() {
            (keeper.since, keeper.closed_by) = (Some(now), keeper.asked);
        }
        if let Err(error) = said {
            self.fail(format!("cannot tell nft: {error}"));
        }
    }

    /// Opens it, and lets the table go.
    fn open(&mut self, now: Instant) {
        let Some(mut keeper) = self.keeper.take() else { return };
        // If it cannot be told, it is ended in a while.
        drop(keeper.ask(now, &words::open(&keeper.table)));
        keeper.child.dismiss();
        if let Some(before) = self.leaving.replace(keeper) {
            self.opened(now, before);
        }
    }

    fn let_go(&mut self) {
        if let Some(keeper) = self.keeper.take() {
            self.corpses.push(keeper.child.end());
        }
    }

    fn opened(&mut self, now: Instant, keeper: Keeper) {
        let closed = keeper.since.map(|since| now.since(since)).unwrap_or_default();
        self.counts.held += keeper.held.unwrap_or(0);
        self.news.push_back(News::Opened { closed, held: keeper.held });
        self.corpses.push(keeper.child.end());
    }

    /// There is none, until something else is needed.
    fn fail(&mut self, reason: String) {
        self.counts.failed += 1;
        self.gave_up = true;
        self.news.push_back(News::Failed { reason });
        self.let_go();
    }

    // ----- What it hears. -----

    fn hear(&mut self, now: Instant) {
        if let Some(keeper) = &mut self.leaving {
            let complaint = keeper.listen(now);
            let is_over = keeper.child.has_ended() || keeper.is_late(now);
            let closed = keeper.closed(now);
            self.counts.closed += u64::from(closed.is_some());
            self.counts.failed += u64::from(complaint.is_some());
            self.news.extend(closed.into_iter().chain(complaint.map(|reason| News::Failed { reason })));
            if is_over && let Some(keeper) = self.leaving.take() {
                self.opened(now, keeper);
            }
        }
        let Some(keeper) = &mut self.keeper else { return };
        if let Some(complaint) = keeper.listen(now) {
            return self.fail(complaint);
        }
        if keeper.child.has_ended() {
            let reason = keeper.last_words("nft has ended by itself".to_owned());
            return self.fail(reason);
        }
        if keeper.is_late(now) {
            let reason = keeper.last_words(format!("nft has not answered for {} s", PATIENCE.as_secs()));
            return self.fail(reason);
        }
        let closed = keeper.closed(now);
        self.counts.closed += u64::from(closed.is_some());
        self.news.extend(closed);
    }
}

impl Keeper {
    const fn new(now: Instant, child: Child, table: String, own: BTreeSet<IpAddr>) -> Self {
        Self {
            child,
            table,
            since: None,
            closed_by: 0,
            is_closed: false,
            again: now,
            asked: 0,
            answered: 0,
            waits: None,
            held: None,
            grumbled: String::new(),
            own,
            compared: now,
        }
    }

    /// Says something, and asks whether it was done.
    fn ask(&mut self, now: Instant, words: &str) -> io::Result<()> {
        self.asked += 1;
        self.waits.get_or_insert(now);
        self.child.say(&(words.to_owned() + &words::ask(&self.table)))
    }

    /// That the kernel has closed the gate, when that is known for the first time.
    fn closed(&mut self, now: Instant) -> Option<News> {
        let since = self.since.filter(|_| !self.is_closed && self.answered >= self.closed_by)?;
        self.is_closed = true;
        Some(News::Closed { after: now.since(since) })
    }

    /// Whether it has owed an answer for too long.
    fn is_late(&self, now: Instant) -> bool {
        self.waits.is_some_and(|since| now.since(since) > PATIENCE)
    }

    /// What is wrong, and what it has said about it.
    fn last_words(&self, what: String) -> String {
        let said = words::complaint(&self.grumbled);
        if said.is_empty() { what } else { format!("{what}: {said}") }
    }

    /// Takes answers; says what went wrong by its own word. Remarks are none.
    fn listen(&mut self, now: Instant) -> Option<String> {
        if !self.child.speaks() {
            return None;
        }
        let (lines, complaint) = self.child.hear();
        for held in lines.iter().filter_map(|line| words::answer(line)) {
            self.held = Some(held);
            self.answered += 1;
            self.waits = (self.answered < self.asked).then_some(now);
        }
        if self.grumbled.len() < GRUMBLES {
            self.grumbled.push_str(&complaint);
        }
        words::is_error(&self.grumbled).then(|| words::complaint(&std::mem::take(&mut self.grumbled)))
    }
}

/// Those that this router has now; the shared ones are not among them while it stands by.
fn addresses() -> io::Result<BTreeSet<IpAddr>> {
    Ok(Interface::all()?.into_iter().flat_map(|interface| interface.addresses).collect())
}

/// The program of that name; where root's programs are if it is nowhere else.
fn find(name: &str) -> PathBuf {
    let usual = Path::new("/usr/sbin").join(name);
    let paths = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&paths).map(|directory| directory.join(name)).find(|path| path.is_file());
    found.unwrap_or(usual)
}
