//! What syncd says of itself: `syncd show ... --json`, as an operator's program would read it.
//!
//! Takes only the fields that a verdict needs, so that the daemon may say more. Never links a line of it. Driven by
//! `lab`; tested below.

use std::collections::BTreeMap;
use std::net::IpAddr;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// The version of the documents that are understood here.
const VERSION: u32 = 1;

/// `show conntrack-sync status`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Status {
    version: u32,
    /// The daemon's role.
    pub(crate) role: String,
    /// Towards the peer.
    pub(crate) sync: SyncState,
    /// The last commit.
    pub(crate) commit: Option<Commit>,
    /// Flows of the internal cache.
    pub(crate) internal_flows: u64,
    /// Of these, flows whose end may make no event.
    #[serde(default)]
    pub(crate) mute_flows: u64,
    /// Flows of the external cache.
    pub(crate) external_flows: u64,
    /// Flows that wait to be sent.
    #[serde(default)]
    pub(crate) queued: u64,
    /// Flows sent and not acknowledged.
    #[serde(default)]
    pub(crate) in_flight: u64,
    /// Why this router could not take over now.
    #[serde(default)]
    pub(crate) not_ready: Vec<NotReady>,
}

/// One reason.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct NotReady {
    /// Its name, `table-space`.
    pub(crate) reason: String,
}

impl Status {
    /// What it says in one line that is not a count of health.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let mute = match self.mute_flows {
            0 => String::new(),
            flows => format!(", {flows} flows without events"),
        };
        let reasons: Vec<&str> = self.not_ready.iter().map(|why| why.reason.as_str()).collect();
        let not_ready =
            if reasons.is_empty() { String::new() } else { format!(", not ready: {}", reasons.join(", ")) };
        format!("{}{mute}{not_ready}", self.sync.words())
    }
}

/// How the daemon stands to its peer.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct SyncState {
    /// `in sync`, `catching up`, `peer lost` or `starting`.
    pub(crate) state: String,
    /// Why.
    #[serde(default)]
    pub(crate) reason: Option<String>,
}

impl SyncState {
    /// State and reason in one line.
    #[must_use]
    pub(crate) fn words(&self) -> String {
        let reason = self.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default();
        format!("{}{reason}", self.state)
    }
}

/// A commit, in monotonic nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Commit {
    /// When it began.
    pub(crate) begin_ns: u64,
    /// When it ended.
    pub(crate) end_ns: Option<u64>,
    /// Flows that are in the kernel now.
    pub(crate) committed: u64,
    /// Flows that are not.
    pub(crate) failed: u64,
}

/// `show conntrack-sync external-cache` and `internal-cache`.
#[derive(Debug, Deserialize)]
struct Cache {
    version: u32,
    flows: Vec<CachedFlow>,
}

/// A flow of a cache.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct CachedFlow {
    /// IANA's number.
    pub(crate) protocol_number: u8,
    /// Zone.
    #[serde(default)]
    pub(crate) zone: u16,
    /// `ct mark`; none if it was not said.
    #[serde(default)]
    pub(crate) mark: Option<u32>,
    /// Original direction.
    pub(crate) original: CachedTuple,
    /// Reply direction, after NAT.
    pub(crate) reply: CachedTuple,
    /// TCP's state.
    pub(crate) state: Option<String>,
    /// Whether the kernel keeps it under pressure.
    #[serde(default)]
    pub(crate) assured: bool,
    /// Why it could not be committed.
    #[serde(default)]
    pub(crate) failure: Option<String>,
    /// Shifts of sequence numbers, original and reply: position, bytes before, bytes after.
    #[serde(default)]
    pub(crate) sequence: Option<[[i64; 3]; 2]>,
}

/// `show conntrack-sync external-cache expect`.
#[derive(Debug, Deserialize)]
struct Expectations {
    version: u32,
    expectations: Vec<CachedExpectation>,
}

/// A kernel's expectation in a cache.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct CachedExpectation {
    /// IANA's number.
    pub(crate) protocol_number: u8,
    /// What is expected.
    pub(crate) tuple: CachedTuple,
    /// Original direction of the flow that announced it.
    pub(crate) parent: CachedTuple,
    /// The helper.
    #[serde(default)]
    pub(crate) helper: Option<String>,
    /// The helper's class.
    #[serde(default)]
    pub(crate) class: Option<u32>,
}

/// One direction of a cached flow.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct CachedTuple {
    /// Who sends.
    pub(crate) source: IpAddr,
    /// Who receives.
    pub(crate) target: IpAddr,
    /// With ports.
    pub(crate) source_port: Option<u16>,
    /// With ports.
    pub(crate) target_port: Option<u16>,
    /// Of an echo.
    pub(crate) icmp_id: Option<u16>,
    /// Of an echo.
    pub(crate) icmp_type: Option<u8>,
    /// Of an echo.
    pub(crate) icmp_code: Option<u8>,
}

/// Reads a status.
///
/// # Errors
/// When the document is another than documented.
pub(crate) fn read_status(json: &[u8]) -> Result<Status> {
    let status: Status = serde_json::from_slice(json).context("syncd's status is not understood")?;
    require_version(status.version)?;
    Ok(status)
}

/// Reads a cache.
///
/// # Errors
/// When the document is another than documented.
pub(crate) fn read_cache(json: &[u8]) -> Result<Vec<CachedFlow>> {
    let cache: Cache = serde_json::from_slice(json).context("syncd's cache is not understood")?;
    require_version(cache.version)?;
    Ok(cache.flows)
}

/// Reads the expectations of a cache.
///
/// # Errors
/// When the document is another than documented.
pub(crate) fn read_expectations(json: &[u8]) -> Result<Vec<CachedExpectation>> {
    let cache: Expectations =
        serde_json::from_slice(json).context("syncd's expectations are not understood")?;
    require_version(cache.version)?;
    Ok(cache.expectations)
}

/// Reads the statistics: every integer, named by the way to it.
///
/// # Errors
/// When the document is no object.
pub(crate) fn read_statistics(json: &[u8]) -> Result<BTreeMap<String, u64>> {
    let Value::Object(members) =
        serde_json::from_slice(json).context("syncd's statistics are not understood")?
    else {
        bail!("syncd's statistics are no object");
    };
    let mut counters = BTreeMap::new();
    for (name, value) in
        members.iter().filter(|(name, _)| !matches!(name.as_str(), "version" | "monotonic_ns"))
    {
        collect(name, value, &mut counters);
    }
    Ok(counters)
}

fn collect(name: &str, value: &Value, into: &mut BTreeMap<String, u64>) {
    match value {
        Value::Number(number) => {
            into.extend(number.as_u64().map(|number| (name.to_owned(), number)));
        }
        Value::Object(members) => {
            for (member, value) in members {
                collect(&format!("{name}.{member}"), value, into);
            }
        }
        _ => {}
    }
}

fn require_version(version: u32) -> Result<()> {
    if version != VERSION {
        bail!("syncd speaks version {version} of its documents, labctl understands {VERSION}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{read_cache, read_expectations, read_statistics, read_status};

    #[test]
    fn a_status_is_read_and_another_version_refused() {
        let json = br#"{"version":1,"role":"primary","sync":{"state":"in sync","reason":"answered"},
            "commit":{"begin_ns":5,"end_ns":null,"committed":3,"failed":0},"internal_flows":4,"external_flows":2,
            "monotonic_ns":9,"more":true}"#;
        let status = read_status(json).unwrap();
        assert_eq!(status.sync.state, "in sync");
        assert_eq!(status.commit.unwrap().end_ns, None);
        let other = String::from_utf8_lossy(json).replacen("\"version\":1", "\"version\":2", 1);
        assert!(read_status(other.as_bytes()).unwrap_err().to_string().contains("version 2"));
    }

    #[test]
    fn a_cache_is_read_with_ports_or_echo_numbers() {
        let json = br#"{"version":1,"flows":[{"family":"ipv4","protocol":"tcp","protocol_number":6,"zone":0,"mark":0,
            "original":{"source":"10.1.0.2","target":"198.51.100.10","source_port":1,"target_port":2},
            "reply":{"source":"198.51.100.10","target":"198.51.100.1","source_port":2,"target_port":9},
            "state":"ESTABLISHED","assured":true,"seen_reply":true,"timeout":30,"age":1,"failure":null},
            {"family":"ipv4","protocol":"icmp","protocol_number":1,"zone":0,"mark":0,
            "original":{"source":"10.1.0.2","target":"198.51.100.10","icmp_id":7,"icmp_type":8,"icmp_code":0},
            "reply":{"source":"198.51.100.10","target":"198.51.100.1","icmp_id":7,"icmp_type":0,"icmp_code":0},
            "state":null,"assured":false,"seen_reply":true,"timeout":30,"age":1,"failure":null}]}"#;
        let flows = read_cache(json).unwrap();
        assert_eq!(flows[0].reply.target_port, Some(9));
        assert_eq!(flows[1].original.icmp_id, Some(7));
    }

    #[test]
    fn expectations_are_read_with_their_parents() {
        let json = br#"{"version":1,"expectations":[{"family":"ipv4","protocol":"tcp","protocol_number":6,"zone":0,
            "parent":{"protocol":"tcp","source":"10.1.0.10","target":"198.51.100.10","source_port":40000,"target_port":21},
            "tuple":{"source":"198.51.100.10","target":"198.51.100.1","source_port":0,"target_port":12000},
            "mask":{"source":"255.255.255.255","target":"255.255.255.255","source_port":0,"target_port":65535},
            "helper":"ftp","class":0,"flags":[],"nat":null,"function":"nat-follow-master","timeout":300,"age":1,
            "failure":null}]}"#;
        let expectations = read_expectations(json).unwrap();
        assert_eq!(expectations[0].parent.target_port, Some(21));
        assert_eq!((expectations[0].helper.as_deref(), expectations[0].class), (Some("ftp"), Some(0)));
        assert!(read_expectations(br#"{"version":1,"flows":[]}"#).is_err());
    }

    #[test]
    fn statistics_become_names_and_numbers() {
        let json =
            br#"{"version":1,"monotonic_ns":4,"link":{"sent":3,"errors":{"malformed":0}},"text":"no"}"#;
        let counters = read_statistics(json).unwrap();
        let counters: Vec<_> = counters.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        assert_eq!(counters, [("link.errors.malformed", 0), ("link.sent", 3)]);
    }
}
