//! `syncd run`: from a configuration to a running daemon, in the order that keeps failures harmless: read, check, claim
//! the control socket, open links and kernel, then loop. Tested end to end.

use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use syncd_core::ftfw::SILENCE;
use syncd_core::recording::Start;
use syncd_core::replica::{self, Ends, LENT, PEER_KEEPS, Replica, Settings};
use syncd_core::time::Instant;
use syncd_core::wire::Options;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::channels::Channels;
use crate::clock;
use crate::config::{self, Beside, Config, Interface, Transport};
use crate::control::claim::Claim;
use crate::control::server::{self, Call};
use crate::doors::Doors;
use crate::event_loop::{Ending, EventLoop, Inputs, Parts};
use crate::journal::{Journal, Level, is_journalds};
use crate::kernel::{self, Kernel};
use crate::last_role::LastRole;
use crate::metrics::{self, listen::Listener};
use crate::processes;
use crate::recorder::Recording;
use crate::reload::Reader;
use crate::show::view::Setting;
use crate::signals;
use crate::supervisor::Supervisor;
use crate::vrrp::Fifo;

/// So many values of one kind wait for the loop.
const WAITING: usize = 16;

/// Runs the daemon until a signal ends it.
///
/// # Errors
///
/// Whatever keeps it from starting, and a broken kernel socket later.
pub(crate) fn run(config_file: &Path, socket: &Path, record: Option<&Path>) -> anyhow::Result<()> {
    let config = config::load(config_file)?;
    let journal = Journal::new();
    let own = here(&config, &journal)?;
    journal.limit(config.log);
    refuse_conntrackd()?;
    let claim = Claim::take(socket)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let file = std::path::absolute(config_file).unwrap_or_else(|_| config_file.to_owned());
    let done = runtime.block_on(serve(config, &own, file, socket, claim, record, journal));
    // The query thread may be in the middle of a dump; it ends with the process.
    runtime.shutdown_background();
    match done? {
        Ending::Stop => Ok(()),
        Ending::Restart => begin_again(),
    }
}

/// Two daemons that commit and tell the same flows would undo each other's work.
fn refuse_conntrackd() -> anyhow::Result<()> {
    let Some(pid) = processes::conntrackd() else { return Ok(()) };
    anyhow::bail!(
        "conntrackd is running (pid {pid}) in this network namespace, and both would replicate and commit the same flows; \
         stop it ('systemctl disable --now conntrackd'), then start syncd; one that is there for user-space helpers \
         may run: its configuration has a block 'Helper' and no block 'Sync'"
    )
}

/// With what the daemon was started, as far as it could keep it from starting again.
#[derive(Debug)]
pub(crate) struct Rehearsal {
    config_file: PathBuf,
    record: Option<PathBuf>,
}

impl Rehearsal {
    /// Whether it would come up now, as far as can be said without trying.
    ///
    /// # Errors
    ///
    /// Why not.
    pub(crate) fn play(&self) -> anyhow::Result<()> {
        if let Some(file) = &self.record {
            anyhow::bail!("it records into {}, and a recording is never written over", file.display());
        }
        refuse_conntrackd()?;
        let config = config::load(&self.config_file)?;
        let interfaces = Interface::all().context("cannot list the interfaces")?;
        config.check_system(&interfaces, Beside::read(&config.failover).as_ref())?;
        Ok(())
    }
}

/// Becomes the same program with the same arguments: who supervises the process sees no end. After an upgrade of the
/// package it is the new one.
fn begin_again() -> anyhow::Result<()> {
    let ours = std::env::current_exe().context("cannot find our own program")?;
    let text = ours.to_string_lossy().into_owned();
    let path = text.strip_suffix(" (deleted)").map_or(ours, PathBuf::from);
    let error = Command::new(&path).arg0("syncd").args(std::env::args_os().skip(1)).exec();
    Err(error).with_context(|| format!("cannot begin again as {}; start syncd by hand", path.display()))
}

/// Our address on each link, if the configuration fits the machine; remarks go to the journal.
pub(crate) fn here(config: &Config, journal: &Journal) -> anyhow::Result<Vec<IpAddr>> {
    let interfaces = Interface::all().context("cannot list the interfaces")?;
    let here = config.check_system(&interfaces, Beside::read(&config.failover).as_ref())?;
    for remark in config.remarks().iter().chain(&here.remarks) {
        journal.say(Level::Warn, config::line(config.file(), remark));
    }
    Ok(here.own)
}

async fn serve(
    config: Config,
    own: &[IpAddr],
    file: PathBuf,
    socket: &Path,
    claim: Claim,
    record: Option<&Path>,
    journal: Journal,
) -> anyhow::Result<Ending> {
    let (tell_signals, signals) = mpsc::channel(1);
    // Before anything else that a signal could leave behind.
    tokio::spawn(signals::listen(tell_signals)?);
    let (ends, enabled) = kernel::enable_events();
    if let Err(reason) = enabled {
        let consequence = "flows may never tell their end, so the table is read again and again";
        journal.say(Level::Warn, format_args!("{reason}; {consequence}"));
    }
    warn_of_limit(&config, &journal);
    let kernel = Kernel::open(config.event_buffer, config.filter.wants_expectations())
        .map_err(|error| anyhow::anyhow!("{error:#}; run as root, or with CAP_NET_ADMIN"))?;
    let channels = Channels::open(&config, own)?;
    let failover = &config.failover;
    let fifo =
        failover.notify_fifo.as_deref().map(|path| Fifo::open(path, &failover.sync_group)).transpose()?;
    let claim = Arc::new(claim);
    let (tell_calls, calls) = mpsc::channel(WAITING);
    let metrics = show_metrics(&config, &tell_calls, &journal)?;
    let server = tokio::spawn(server::serve(Arc::clone(&claim), tell_calls, Arc::clone(journal.told())));

    let start = clock::now();
    let (tell_reloads, reloads) = mpsc::channel(WAITING);
    let settings = settings(&config, channels.payload_limit());
    let mut replica = doors(start, replica_config(&settings, ends), settings.datagram_limit, record)?;
    replica.handle_settings(start, &settings);
    let parts = Parts {
        replica,
        kernel,
        channels,
        setting: setting(&config, start),
        transport: transport(&config),
        config,
        rehearsal: Rehearsal { config_file: file.clone(), record: record.map(Path::to_path_buf) },
        reader: Reader::new(file, tell_reloads),
        last_role: LastRole::beside(socket),
        journal: journal.clone(),
        fifo,
        inputs: Inputs { calls, signals, reloads },
        supervisor: Supervisor::from_environment(start)?,
    };
    let kept = parts.last_role.read();
    journal.say(Level::Info, "initialization completed");
    let mut event_loop = EventLoop::new(parts, start)?;
    if let Some((kept, yields)) = kept {
        event_loop.resume(kept, yields);
    }
    let done = event_loop.run().await;
    server.abort();
    // The last owner of the claim removes the socket's file.
    drop(server.await);
    if let Some(metrics) = metrics {
        metrics.abort();
        drop(metrics.await);
    }
    drop(claim);
    journal.settle();
    journal.say(Level::Info, "---- shutdown received ----");
    done
}

/// Shows metrics where the configuration wants them; opens the socket at once, so that a wrong one is seen.
fn show_metrics(
    config: &Config,
    calls: &mpsc::Sender<Call>,
    journal: &Journal,
) -> anyhow::Result<Option<JoinHandle<()>>> {
    let Some(at) = &config.metrics else { return Ok(None) };
    let listener = Listener::open(at, journal)?;
    journal.say(Level::Info, format_args!("metrics are shown on {at}"));
    Ok(Some(tokio::spawn(metrics::server::serve(listener, calls.clone(), journal.clone()))))
}

/// A fresh replica, and its recording if one is wanted. The file is made when nothing else can keep us from starting.
fn doors(
    now: Instant,
    config: replica::Config,
    datagram_limit: u16,
    record: Option<&Path>,
) -> anyhow::Result<Doors> {
    let entropy = entropy()?;
    let recording = match record {
        None => None,
        Some(path) => {
            let (config, unix_seconds) = (config.clone(), clock::unix_seconds());
            let program = concat!("syncd ", env!("CARGO_PKG_VERSION"));
            let start = Start { config, entropy, datagram_limit, unix_seconds, program };
            Some(Recording::begin(path, now, start)?)
        }
    };
    Ok(Doors::new(Replica::new(config, entropy, now), recording))
}

/// Says that a limit of the caches keeps out what the kernel may hold.
pub(crate) fn warn_of_limit(config: &Config, journal: &Journal) {
    let table_limit = kernel::table_limit();
    if let Some((limit, max)) = config.cache_limit.zip(table_limit).filter(|(limit, max)| limit < max) {
        let consequence = "flows beyond it are not replicated; raise it, or leave it out";
        let text =
            format_args!("cache-limit {limit} is below nf_conntrack_max, which is {max}: {consequence}");
        journal.say(Level::Warn, text);
    }
}

/// How many flows each cache may hold where nobody says: as conntrackd's users set it, twice what the kernel may; at
/// least half a million, because the kernel's limit may be raised while we run. Memory is taken only as flows come.
fn usual_cache_limit() -> u32 {
    const LEAST: u32 = 1 << 19;
    kernel::table_limit().map_or(LEAST, |max| max.saturating_mul(2).max(LEAST))
}

/// Window scales are said whenever the kernel says them: 16 bytes of a TCP flow's message. A conntrackd understands them
/// whether or not it sends its own (`TCPWindowTracking`).
const WIRE: Options = Options { window_scale: true };

fn replica_config(settings: &Settings, ends: Ends) -> replica::Config {
    let Settings { filter, internal_limit, external_limit, channels, .. } = settings;
    replica::Config {
        filter: filter.clone(),
        internal_limit: *internal_limit,
        external_limit: *external_limit,
        channels: *channels,
        wire: WIRE,
        ends,
        peer_keeps: PEER_KEEPS,
    }
}

/// What of the configuration concerns the replica, and may change while it runs.
pub(crate) fn settings(config: &Config, datagram_limit: usize) -> Settings {
    let limit = config.cache_limit.unwrap_or_else(usual_cache_limit);
    let seconds = |seconds: u32| Duration::from_secs(u64::from(seconds));
    Settings {
        filter: config.filter.clone(),
        internal_limit: limit,
        external_limit: limit,
        channels: u8::try_from(config.links.len()).expect("at most MAX_LINKS"),
        datagram_limit: u16::try_from(datagram_limit).unwrap_or(u16::MAX),
        commit_timeout: config.commit_timeout,
        silence: config.peer_timeout.map_or(SILENCE, seconds),
        purge: config.purge_timeout.map(seconds),
        preload: config.preload,
        lent_shows: kernel::longest_timeout().is_none_or(|(_, seconds)| seconds < LENT),
    }
}

/// What the configuration adds to the status.
pub(crate) fn setting(config: &Config, start: Instant) -> Setting {
    Setting {
        sync_interface: config.links.iter().map(|link| link.interface.clone()).collect(),
        peer: peer(config),
        sync_group: config.failover.sync_group.clone(),
        expect_sync: config.expect_sync.clone(),
        has_fifo: config.failover.notify_fifo.is_some(),
        start,
        journal_unit: journal_unit(),
    }
}

/// What the peer is called where it has no name: its address, or the group in which it is heard.
fn peer(config: &Config) -> String {
    match config.links.first().map(|link| link.transport) {
        Some(Transport::Unicast(peer)) => peer.ip().to_string(),
        Some(Transport::Multicast(group)) => group.ip().to_string(),
        None => String::new(),
    }
}

/// The unit of systemd that started us, if journald reads our standard error: the last part of our cgroup.
fn journal_unit() -> Option<String> {
    let groups = is_journalds().then(|| std::fs::read_to_string("/proc/self/cgroup").ok()).flatten()?;
    let unit =
        groups.lines().find_map(|line| line.rsplit('/').next().filter(|last| last.ends_with(".service")));
    unit.map(str::to_owned)
}

/// conntrackd's word for the transport.
pub(crate) fn transport(config: &Config) -> &'static str {
    match config.links.first().map(|link| link.transport) {
        Some(Transport::Unicast(_)) => "UDP",
        _ => "multicast",
    }
}

/// The kernel's randomness: the one place where chance enters.
fn entropy() -> anyhow::Result<[u8; 32]> {
    use std::io::Read;
    let mut bytes = [0; 32];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| source.read_exact(&mut bytes))
        .context("cannot read /dev/urandom")?;
    Ok(bytes)
}
