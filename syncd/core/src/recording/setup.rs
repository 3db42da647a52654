//! With what a replica was made, and what of it an operator changes later, as bytes. Tested in `tests.rs`.

use alloc::vec::Vec;

use super::decoder::Damage;
use super::doors::Start;
use super::flow::family;
use super::number::{Bytes, Coded, put_counted};
use crate::filter::{Filter, Helpers, Network};
use crate::flow::{Address, Protocol};
use crate::replica::{Config, Ends, Settings};
use crate::wire::Options;
use crate::wire::datagram::LONGEST_FRAME;

/// Protocols and networks of a filter: no configuration has nearly so many.
const LISTED: u64 = 8192;

impl<'a> Start<'a> {
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let Self { config, entropy, datagram_limit, unix_seconds, program } = self;
        config.put(out);
        out.extend_from_slice(entropy);
        datagram_limit.put(out);
        unix_seconds.put(out);
        put_counted(program.as_bytes(), out);
    }

    pub(super) fn take(from: &mut Bytes<'a>) -> Result<Self, Damage> {
        let (config, entropy) = (Config::take(from)?, from.array()?);
        let (datagram_limit, unix_seconds) = (Coded::take(from)?, Coded::take(from)?);
        let program = str::from_utf8(from.counted()?).map_err(|_| Damage::Value)?;
        let taken = Self { config, entropy, datagram_limit, unix_seconds, program };
        if takes_any_frame(datagram_limit) { Ok(taken) } else { Err(Damage::Value) }
    }
}

/// Whether a datagram of at most so many bytes takes whatever there is to say.
fn takes_any_frame(datagram_limit: u16) -> bool {
    usize::from(datagram_limit) >= LONGEST_FRAME
}

/// A struct as its fields, one after the other; with what must hold of it when it is read.
macro_rules! fields {
    ($of:ident { $($field:ident),+ $(,)? } $(if $holds:expr)?) => {
        impl Coded for $of {
            fn put(&self, out: &mut Vec<u8>) {
                let Self { $($field),+ } = self;
                $($field.put(out);)+
            }

            fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
                let taken = Self { $($field: Coded::take(from)?),+ };
                $(if !$holds(&taken) {
                    return Err(Damage::Value);
                })?
                Ok(taken)
            }
        }
    };
}

fields!(Config { filter, internal_limit, external_limit, channels, wire, ends, peer_keeps });
fields!(Options { window_scale });
fields!(Settings {
    filter,
    internal_limit,
    external_limit,
    channels,
    datagram_limit,
    commit_timeout,
    silence,
    purge,
    preload,
    lent_shows,
} if |taken: &Self| takes_any_frame(taken.datagram_limit));

impl Coded for Filter {
    fn put(&self, out: &mut Vec<u8>) {
        let (accepted, ignored, helpers) = self.parts();
        (accepted.len() as u64).put(out);
        for protocol in accepted {
            out.push(protocol.0);
        }
        (ignored.len() as u64).put(out);
        for network in ignored {
            out.extend_from_slice(&[network.family() as u8, network.prefix()]);
            out.extend_from_slice(&network.address().v6());
        }
        helpers.put(out);
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        let accepted = take_list(from, |from| Ok(Protocol(u8::take(from)?)))?;
        let ignored = take_list(from, |from| {
            let [number, prefix] = from.array()?;
            let address = Address::from_v6(from.array()?);
            Network::new(family(number)?, address, prefix).ok_or(Damage::Value)
        })?;
        Ok(Self::new(accepted, ignored).with_helpers(Coded::take(from)?))
    }
}

impl Coded for Helpers {
    fn put(&self, out: &mut Vec<u8>) {
        match self {
            Self::None => out.push(0),
            Self::All => out.push(1),
            Self::Named(names) => {
                out.push(2);
                (names.len() as u64).put(out);
                names.iter().for_each(|name| name.put(out));
            }
        }
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::None,
            1 => Self::All,
            2 => Self::Named(take_list(from, Coded::take)?),
            _ => return Err(Damage::Kind),
        })
    }
}

fn take_list<T>(
    from: &mut Bytes<'_>,
    item: impl Fn(&mut Bytes<'_>) -> Result<T, Damage>,
) -> Result<Vec<T>, Damage> {
    let count = u64::take(from)?;
    if count > LISTED {
        return Err(Damage::Number);
    }
    (0..count).map(|_| item(from)).collect()
}

impl Coded for Ends {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(match self {
            Self::Told => 0,
            Self::UntoldBefore => 1,
            Self::Untold => 2,
        });
    }

    fn take(from: &mut Bytes<'_>) -> Result<Self, Damage> {
        Ok(match u8::take(from)? {
            0 => Self::Told,
            1 => Self::UntoldBefore,
            2 => Self::Untold,
            _ => return Err(Damage::Value),
        })
    }
}
