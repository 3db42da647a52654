//! conntrackd's command line: one letter says what is wanted, a word behind it of what. Words may be abbreviated.
//!
//! Never does anything. Tested in `front/tests.rs`.

use std::path::PathBuf;

/// What is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    /// `-h`.
    Help,
    /// `-v`.
    Version,
    /// `-d`: run in the background.
    Start {
        /// `-C`, if it was given.
        config: Option<PathBuf>,
    },
    /// `-k`.
    Stop,
    /// `-i` and `-e`.
    Show {
        /// `-i`.
        internal: bool,
        /// Of what.
        table: Table,
        /// `-x`.
        xml: bool,
    },
    /// `-s`.
    Statistics(Statistics),
    /// `-c`: external cache into the kernel; the first word of a take-over.
    Commit,
    /// `-f`.
    FlushCaches {
        /// Also, or only, the external one.
        external: bool,
    },
    /// `-F`.
    FlushKernel {
        /// Flows.
        flows: bool,
        /// Expectations.
        expectations: bool,
    },
    /// `-R`.
    Reload,
    /// `-B`.
    Bulk,
    /// `-n`: ask the peer; the last word of becoming backup.
    AskPeer,
    /// `-t`: this router's flows are stale soon; the first word of becoming backup or fault.
    Retire,
}

/// Flows or expectations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Table {
    /// `ct`.
    Flows,
    /// `expect`.
    Expectations,
}

/// After `-s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Statistics {
    /// Nothing, or `ct`.
    Flows,
    /// `expect`.
    Expectations,
    /// `network`.
    Network,
    /// `cache`.
    Cache,
    /// `runtime`.
    Runtime,
    /// `link`.
    Link,
    /// `queue`.
    Queue,
    /// `rsqueue`.
    ResendQueue,
    /// `process`.
    Process,
}

/// What `-h` prints.
pub(crate) const USAGE: &str = "\
syncd in the place of conntrackd: the letters that scripts use.

  -d            start syncd in the background (configuration: -C FILE if it is one of syncd, else
                $SYNCD_CONFIG, else /etc/syncd/syncd.yaml)
  -k            end it
  -s [WORD]     statistics: ct, expect, network, cache, runtime, link, queue, rsqueue, process
  -i [ct|expect] [-x]   internal cache, as lines or XML
  -e [ct|expect] [-x]   external cache
  -c [ct|expect]  commit the external cache; without a notify FIFO: this router is primary
  -f [internal|external]  the external cache is asked of the peer again
  -F [ct|expect]  empty the kernel's table of what is replicated
  -R            read the kernel's table again
  -B            send all flows to the peer
  -n            ask the peer for all its flows; without a notify FIFO, after -t: this router is backup
  -t            without a notify FIFO: this router is no longer primary
  -C FILE       accepted everywhere
  -h, -v        this help, the version

The daemon is found by $SYNCD_SOCKET, else at /run/syncd/control. 'syncd --help' offers more.
";

/// Reads the words behind the program's name.
///
/// # Errors
///
/// What makes no sense, and what would.
pub(super) fn read(words: &[String]) -> anyhow::Result<Letter> {
    let mut letter: Option<Letter> = None;
    let (mut config, mut xml) = (None, false);
    let mut words = words.iter().map(String::as_str).peekable();
    while let Some(word) = words.next() {
        // A word that belongs to the letter does not begin with a dash.
        let mut of = || words.next_if(|next| !next.starts_with('-'));
        let this = match word {
            "-C" => {
                config = Some(of().ok_or_else(|| wrong("-C wants a file"))?.into());
                continue;
            }
            "-x" => {
                xml = true;
                continue;
            }
            "-h" => Letter::Help,
            "-v" => Letter::Version,
            "-d" => Letter::Start { config: None },
            "-k" => Letter::Stop,
            "-i" | "-e" => Letter::Show {
                internal: word == "-i",
                table: table(of())?.unwrap_or(Table::Flows),
                xml: false,
            },
            "-s" => Letter::Statistics(statistics(of())?),
            "-c" => table(of()).map(|_| Letter::Commit)?,
            "-f" => Letter::FlushCaches {
                external: match of() {
                    None => true,
                    Some(word) => one_of(word, &[("internal", false), ("external", true)])?,
                },
            },
            "-F" => {
                let table = table(of())?;
                let only = |of| table.is_none_or(|table| table == of);
                Letter::FlushKernel { flows: only(Table::Flows), expectations: only(Table::Expectations) }
            }
            "-R" => table(of()).map(|_| Letter::Reload)?,
            "-B" => Letter::Bulk,
            "-n" => Letter::AskPeer,
            "-t" => Letter::Retire,
            _ => return Err(wrong(&format!("{word} is none of conntrackd's options"))),
        };
        if letter.replace(this).is_some() {
            return Err(wrong("one action at a time"));
        }
    }
    match letter {
        None => Err(wrong("an action is missing")),
        Some(Letter::Start { .. }) => Ok(Letter::Start { config }),
        Some(Letter::Show { internal, table, .. }) => Ok(Letter::Show { internal, table, xml }),
        Some(other) => Ok(other),
    }
}

fn table(word: Option<&str>) -> anyhow::Result<Option<Table>> {
    word.map(|word| one_of(word, &[("ct", Table::Flows), ("expect", Table::Expectations)])).transpose()
}

fn statistics(word: Option<&str>) -> anyhow::Result<Statistics> {
    let Some(word) = word else { return Ok(Statistics::Flows) };
    let words = [
        ("ct", Statistics::Flows),
        ("expect", Statistics::Expectations),
        ("network", Statistics::Network),
        ("cache", Statistics::Cache),
        ("runtime", Statistics::Runtime),
        ("link", Statistics::Link),
        // An old name of the same.
        ("multicast", Statistics::Link),
        ("queue", Statistics::Queue),
        ("rsqueue", Statistics::ResendQueue),
        ("process", Statistics::Process),
    ];
    one_of(word, &words)
}

/// The first that begins so.
fn one_of<T: Copy>(word: &str, words: &[(&str, T)]) -> anyhow::Result<T> {
    let found = words.iter().find(|(name, _)| !word.is_empty() && name.starts_with(word));
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        wrong(&format!("{word} is none of: {}", names.join(", ")))
    })
}

fn wrong(reason: &str) -> anyhow::Error {
    anyhow::anyhow!("{reason}; see conntrackd -h")
}
