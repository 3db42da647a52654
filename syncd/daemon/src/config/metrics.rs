//! Where metrics are shown: `metrics: { listen: … }`. Tested in `config/metrics/tests.rs`.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::node::{Node, Part};
use super::tree::{Cursor, Reader};

/// `sun_path` without the zero byte (`linux/un.h`).
const LONGEST_PATH: usize = 107;

/// A socket on which metrics can be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MetricsSocket {
    /// In the file system.
    Unix(PathBuf),
    /// On an address of this machine, or of one that it may get.
    Tcp(SocketAddr),
}

impl fmt::Display for MetricsSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tcp(address) => address.fmt(f),
        }
    }
}

/// The section; nothing where it says something wrong.
pub(super) fn section(reader: &mut Reader<'_>, cursor: &Cursor<'_>) -> Option<MetricsSocket> {
    let listen = |node: &Node| match node {
        Node::Text(word) if socket(word).is_ok() => Some(format!("metrics: {{ listen: \"{word}\" }}")),
        _ => None,
    };
    let fields = reader.fields(cursor, "metrics", listen)?;
    let Some(listen) = fields.get("listen") else {
        if !fields.is_meant("listen") {
            let remedy = "add 'listen: unix:/run/syncd/metrics.sock' or 'listen: 127.0.0.1:9716', or leave 'metrics' out: \
                          nothing is shown then";
            reader.note(cursor, Part::Key, "it is not said where metrics shall be shown", remedy);
        }
        return None;
    };
    let remedy = "write unix:/run/syncd/metrics.sock, 127.0.0.1:9716 or \"[::1]:9716\"";
    if let Node::Whole(number) = listen.node {
        let reason = format!("{number} is no address: whoever may ask must be said too");
        reader.note(
            listen,
            Part::Value,
            &reason,
            &format!("write 127.0.0.1:{number} for this machine alone"),
        );
        return None;
    }
    let word = reader.text_of(listen, remedy)?;
    match socket(&word) {
        Ok(socket) => Some(socket),
        Err(Wrong { reason, remedy: better }) => {
            reader.note(listen, Part::Value, &reason, better.as_deref().unwrap_or(remedy));
            None
        }
    }
}

/// What is wrong with an address, and a remedy if one is better than the usual.
struct Wrong {
    reason: String,
    remedy: Option<String>,
}

fn socket(word: &str) -> Result<MetricsSocket, Wrong> {
    if let Some(path) = word.strip_prefix("unix:") {
        return unix(path);
    }
    let wrong = |reason: String, remedy: Option<String>| Err(Wrong { reason, remedy });
    if word.starts_with('/') {
        return wrong(format!("'{word}' is a path"), Some(format!("write unix:{word}")));
    }
    if let Ok(address) = word.parse::<SocketAddr>() {
        return if address.port() == 0 {
            wrong("0 is no port".to_owned(), None)
        } else if address.ip().is_multicast() {
            wrong(format!("{} is a multicast address", address.ip()), None)
        } else {
            Ok(MetricsSocket::Tcp(address))
        };
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        let whole = SocketAddr::new(ip, 9716);
        let remedy = match ip {
            IpAddr::V4(_) => format!("write {whole}, or another port"),
            IpAddr::V6(_) => {
                format!("write \"{whole}\", or another port: brackets show where the address ends")
            }
        };
        return wrong(format!("'{word}' has no port"), Some(remedy));
    }
    match word.rsplit_once(':') {
        Some((host, port)) if port.parse::<u16>().is_ok() && !host.is_empty() => wrong(
            format!("'{host}' is no address"),
            Some(
                "write the address in numbers, an IPv6 address in brackets: names are not looked up"
                    .to_owned(),
            ),
        ),
        Some(("", port)) if port.parse::<u16>().is_ok() => wrong(
            format!("'{word}' has no address"),
            Some(format!(
                "write 127.0.0.1:{port} for this machine alone, 0.0.0.0:{port} for everybody who can reach it"
            )),
        ),
        Some((host, port)) if host.parse::<IpAddr>().is_ok() || host.ends_with(']') => {
            wrong(format!("'{port}' is no port of 1 to 65535"), None)
        }
        _ => wrong(format!("'{word}' is no socket"), None),
    }
}

fn unix(path: &str) -> Result<MetricsSocket, Wrong> {
    let wrong = |reason: String, remedy: &str| Err(Wrong { reason, remedy: Some(remedy.to_owned()) });
    let parsed = PathBuf::from(path);
    if !parsed.is_absolute() || parsed.file_name().is_none() || path.ends_with('/') || path.contains('\0') {
        return wrong(
            format!("'{path}' is no absolute path of a socket"),
            "write unix:/run/syncd/metrics.sock",
        );
    }
    if path.len() > LONGEST_PATH {
        let reason = format!("the path has {} bytes, a socket's may have {LONGEST_PATH}", path.len());
        return wrong(reason, "take a shorter path, for example unix:/run/syncd/metrics.sock");
    }
    Ok(MetricsSocket::Unix(parsed))
}

#[cfg(test)]
mod tests;
