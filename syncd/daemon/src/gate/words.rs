//! What the gate says to `nft -i`, a line for each transaction, and what it makes of the answers. Knows no process.
//!
//! The rules: a packet of TCP that opens nothing and belongs to no known flow, and whatever connection tracking calls
//! invalid, is dropped while the family of the packet is in the set, and its element has a timeout: so the kernel opens the
//! gate by itself when nobody says `close` again. They stand before rules of any other table that reject (nobody rejects in
//! the chains for mangling) and after connection tracking has seen the packet. Nothing is ever rejected, no flow is touched:
//! what is dropped here has no entry, or goes on having it. Tested in `tests.rs` and, with a kernel, end to end.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

/// So long the kernel keeps the gate closed after the last word.
pub(super) const LASTS: Duration = Duration::from_secs(3);

/// Before mangling (-150), after connection tracking (-200).
const PRIORITY: i32 = -160;

/// What an answer looks like: of a counter.
const ANSWER: &str = "packets ";

/// The table, open. It goes when whoever made it ends (`flags owner`: Linux 5.12, nft 1.0.0). TCP to an address of the router
/// that is none of its `own` meets the closed gate from the beginning: it has just become a shared one.
pub(super) fn make(table: &str, own: &BTreeSet<IpAddr>) -> String {
    let elements = |v4: bool| {
        let list: Vec<String> =
            own.iter().filter(|address| address.is_ipv4() == v4).map(ToString::to_string).collect();
        if list.is_empty() { String::new() } else { format!(" elements = {{ {} }};", list.join(", ")) }
    };
    let chain = |hook: &str| {
        format!(
            "chain {hook} {{ type filter hook {hook} priority {PRIORITY}; policy accept; meta nfproto @closed jump unknown; }}"
        )
    };
    format!(
        "table inet {table} {{ flags owner; \
         set closed {{ typeof meta nfproto; flags timeout; }}; \
         set own4 {{ type ipv4_addr;{} }}; set own6 {{ type ipv6_addr;{} }}; \
         counter held {{ }}; \
         chain unknown {{ ct state invalid counter name held drop; \
         ct state new tcp flags & (fin | syn | rst | ack) != syn counter name held drop; }}; \
         {}; {}; \
         chain shared {{ type filter hook input priority {PRIORITY}; policy accept; \
         iifname lo accept; \
         meta l4proto tcp ip daddr != @own4 jump unknown; meta l4proto tcp ip6 daddr != @own6 jump unknown; }}; }}\n",
        elements(true),
        elements(false),
        chain("input"),
        chain("forward")
    )
}

/// These are none of the router's own any more.
pub(super) fn disown(table: &str, gone: &[IpAddr]) -> String {
    let delete = |address: &IpAddr| {
        let set = if address.is_ipv4() { "own4" } else { "own6" };
        format!("delete element inet {table} {set} {{ {address} }}")
    };
    gone.iter().map(delete).collect::<Vec<_>>().join("; ") + "\n"
}

/// Closes it for [`LASTS`], also where it is closed.
pub(super) fn close(table: &str) -> String {
    let seconds = LASTS.as_secs();
    format!(
        "flush set inet {table} closed; \
         add element inet {table} closed {{ ipv4 timeout {seconds}s, ipv6 timeout {seconds}s }}\n"
    )
}

/// Opens it.
pub(super) fn open(table: &str) -> String {
    format!("flush set inet {table} closed\n")
}

/// Asks how many packets were dropped; the answer says also that everything before was done.
pub(super) fn ask(table: &str) -> String {
    format!("list counter inet {table} held\n")
}

/// The packets that an answer tells, if the line is one.
pub(super) fn answer(line: &str) -> Option<u64> {
    line.trim_start().strip_prefix(ANSWER)?.split(' ').next()?.parse().ok()
}

/// How nft says that a transaction was not made.
const ERROR: &str = "Error: ";

/// Whether nft says that something was not done; remarks and warnings do not.
pub(super) fn is_error(text: &str) -> bool {
    text.contains(ERROR)
}

/// What is wrong, of a complaint of many lines that shows the command again.
pub(super) fn complaint(text: &str) -> String {
    /// In characters.
    const LONGEST: usize = 200;
    let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
    let said = lines().find(|line| is_error(line)).or_else(|| lines().next()).unwrap_or_default();
    // nft says where in its input it is.
    let said = said.rsplit_once(ERROR).map_or(said, |(_, said)| said);
    said.chars().take(LONGEST).collect()
}
