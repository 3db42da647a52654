//! One message of the dedicated link as an operator wants to read it, as a line and as an object.
//!
//! What is malformed or refused is a message too, with the reason. Tested in `tests.rs` beside it.

use std::fmt::{self, Display};
use std::net::SocketAddr;

use serde::Serialize;
use syncd_core::flow::{Change, Expectation, Whole};
use syncd_core::wire::{
    BadFrame, Control, Flags, FrameError, FrameView, MessageType, decode_expectation, decode_flow, frames,
};

use super::words::{beside_the_line, passed_over};
use crate::show::expectations::ExpectationView;
use crate::show::text::utc;
use crate::show::view::FlowView;

/// Where and when a datagram was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    /// Nanoseconds since 1970.
    pub(crate) time: u64,
    /// Who sent it.
    pub(crate) source: SocketAddr,
    /// To whom.
    pub(crate) target: SocketAddr,
}

/// What a message says.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    /// About the conversation.
    Control(Control),
    /// About a flow.
    Flow(Change, Box<Whole>, PassedOver),
    /// About an expectation.
    Expectation(Change, Box<Expectation>, PassedOver),
    /// Its header is right, its content is not: why.
    Refused(MessageType, String),
    /// It is no message, or one of a kind that nobody knows: why.
    Malformed(FrameError),
    /// The rest of it, and what follows, is not in the capture.
    Cut,
}

/// Attributes of a message that say nothing to us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PassedOver {
    /// So many, as the daemon counts them.
    pub(crate) count: u32,
    /// Which.
    pub(crate) names: Vec<String>,
}

impl PassedOver {
    fn of(view: &FrameView<'_>, count: u32) -> Self {
        Self { count, names: passed_over(view, count) }
    }
}

/// One message, or a place where none stands.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    /// Its number, as far as it can be known.
    pub(crate) seq: Option<u32>,
    /// Its flags.
    pub(crate) flags: Flags,
    /// Where it begins, in bytes from the head of the payload.
    pub(crate) offset: usize,
    /// What it says.
    pub(crate) said: Said,
}

/// The messages of a datagram's payload.
pub(crate) fn messages(payload: &[u8]) -> impl Iterator<Item = Message> {
    let mut offset = 0;
    frames(payload).map(move |frame| match frame {
        Ok(view) => {
            let message = Message { offset, ..Message::of(&view) };
            offset += HEADER + view.body().len();
            message
        }
        Err(bad) => {
            // What may follow begins at its end, which its length says.
            let length = payload.get(bad.offset + 2..bad.offset + 4).unwrap_or(&[0, 0]);
            offset = bad.offset + usize::from(u16::from_be_bytes([length[0], length[1]]));
            Message::malformed(&bad)
        }
    })
}

/// Bytes before a message's body.
const HEADER: usize = 8;

impl Message {
    fn of(view: &FrameView<'_>) -> Self {
        let said = match (view.control(), view.change()) {
            (Some(control), _) => Said::Control(control),
            (None, Some(_)) => match decode_flow(view) {
                Ok(decoded) => {
                    let skipped = PassedOver::of(view, decoded.skipped);
                    Said::Flow(decoded.change, Box::new(decoded.whole().whole()), skipped)
                }
                Err(error) => Said::Refused(view.kind(), error.to_string()),
            },
            (None, None) => match decode_expectation(view) {
                Ok(decoded) => {
                    let skipped = PassedOver::of(view, decoded.skipped);
                    Said::Expectation(decoded.change, Box::new(decoded.expectation), skipped)
                }
                Err(error) => Said::Refused(view.kind(), error.to_string()),
            },
        };
        Self { seq: Some(view.seq().0), flags: view.flags(), offset: 0, said }
    }

    fn malformed(bad: &BadFrame) -> Self {
        let said = Said::Malformed(bad.reason);
        Self { seq: bad.seq.map(|seq| seq.0), flags: Flags::NONE, offset: bad.offset, said }
    }

    /// As a message of a datagram whose end is missing: what seems broken there is only not whole.
    pub(crate) fn of_a_part(self) -> Self {
        match self.said {
            Said::Malformed(reason) if reason.ends_datagram() => Self { said: Said::Cut, ..self },
            _ => self,
        }
    }

    /// Whether nothing can be made of it.
    pub(crate) const fn is_wrong(&self) -> bool {
        matches!(self.said, Said::Refused(..) | Said::Malformed(_))
    }

    /// The flags that greet.
    fn greetings(&self) -> impl Iterator<Item = &'static str> {
        let all = [(Flags::HELLO, "HELLO"), (Flags::HELLO_BACK, "HELLO_BACK")];
        let flags = self.flags;
        all.into_iter().filter(move |(flag, _)| flags.has(*flag)).map(|(_, word)| word)
    }

    /// As a line, with the envelope it came in.
    pub(crate) fn line(&self, envelope: &Envelope) -> String {
        let Envelope { time, source, target } = envelope;
        let micros = time % 1_000_000_000 / 1000;
        let second = utc(time / 1_000_000_000);
        let second = second.trim_end_matches(" UTC");
        let seq = self.seq.map_or_else(|| "-".to_owned(), |seq| seq.to_string());
        let mut line = format!("{second}.{micros:06} {source} > {target} {seq} {}", self.kind());
        for greeting in self.greetings() {
            line += &format!(" +{greeting}");
        }
        line + &Words(&self.said).to_string()
    }

    /// Its kind in `conntrack -E`'s words, or the protocol's.
    const fn kind(&self) -> &'static str {
        match &self.said {
            Said::Control(Control::Alive) => "ALIVE",
            Said::Control(Control::Resync) => "RESYNC",
            Said::Control(Control::Ack(_)) => "ACK",
            Said::Control(Control::Nack(_)) => "NACK",
            Said::Flow(Change::New, ..) | Said::Refused(MessageType::New, _) => "[NEW]",
            Said::Flow(Change::Update, ..) | Said::Refused(MessageType::Update, _) => "[UPDATE]",
            Said::Flow(Change::Destroy, ..) | Said::Refused(MessageType::Destroy, _) => "[DESTROY]",
            Said::Expectation(Change::New, ..) | Said::Refused(MessageType::ExpectNew, _) => "[EXPECT NEW]",
            Said::Expectation(Change::Update, ..) | Said::Refused(MessageType::ExpectUpdate, _) => {
                "[EXPECT UPDATE]"
            }
            Said::Expectation(Change::Destroy, ..) | Said::Refused(MessageType::ExpectDestroy, _) => {
                "[EXPECT DESTROY]"
            }
            Said::Refused(MessageType::Control, _) | Said::Malformed(_) => "MALFORMED",
            Said::Cut => "CUT",
        }
    }
}

/// What a message says, behind its kind.
struct Words<'a>(&'a Said);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let skipped = |f: &mut fmt::Formatter<'_>, skipped: &PassedOver| match skipped.names.as_slice() {
            [] => Ok(()),
            names => write!(f, " [attributes passed over: {}]", names.join(", ")),
        };
        match self.0 {
            Said::Control(Control::Ack(range) | Control::Nack(range)) if range.from == range.to => {
                write!(f, " {}", range.from)
            }
            Said::Control(Control::Ack(range) | Control::Nack(range)) => {
                write!(f, " {}-{}", range.from, range.to)
            }
            Said::Control(Control::Alive | Control::Resync) => Ok(()),
            Said::Flow(_, flow, names) => {
                write!(f, " {flow}{}", beside_the_line((&**flow).into()))?;
                skipped(f, names)
            }
            Said::Expectation(_, expectation, names) => {
                if let Some(timeout) = expectation.timeout {
                    write!(f, " {timeout}")?;
                }
                write!(f, " {expectation}")?;
                skipped(f, names)
            }
            Said::Refused(_, reason) => write!(f, " refused: {reason}"),
            Said::Malformed(reason) => write!(f, ": {reason}"),
            Said::Cut => f.write_str(": the rest was not captured"),
        }
    }
}

/// A message as an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct MessageView {
    /// Nanoseconds since 1970.
    time_ns: u64,
    source: String,
    target: String,
    /// Its number, if it can be known.
    seq: Option<u32>,
    /// `new`, `update`, `destroy`, the same with `expect-` before it, `ack`, `nack`, `resync`, `alive`, `malformed`,
    /// `cut`.
    kind: String,
    hello: bool,
    hello_back: bool,
    /// Where it begins in the payload, in bytes.
    offset: usize,
    /// The numbers that an ACK or NACK is about, both ends included.
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<[u32; 2]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flow: Option<FlowView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expectation: Option<ExpectationView>,
    /// How many attributes say nothing to us.
    attributes_skipped: u32,
    /// Which.
    attributes_passed_over: Vec<String>,
    /// Why nothing can be made of it.
    error: Option<String>,
}

impl MessageView {
    /// As it is.
    pub(crate) fn new(message: &Message, envelope: &Envelope) -> Self {
        let kind = message.kind().trim_matches(['[', ']']).to_lowercase().replace(' ', "-");
        let mut view = Self {
            time_ns: envelope.time,
            source: envelope.source.to_string(),
            target: envelope.target.to_string(),
            seq: message.seq,
            kind,
            hello: message.flags.has(Flags::HELLO),
            hello_back: message.flags.has(Flags::HELLO_BACK),
            offset: message.offset,
            range: None,
            flow: None,
            expectation: None,
            attributes_skipped: 0,
            attributes_passed_over: Vec::new(),
            error: None,
        };
        match &message.said {
            Said::Control(Control::Ack(range) | Control::Nack(range)) => {
                view.range = Some([range.from.0, range.to.0]);
            }
            Said::Control(Control::Alive | Control::Resync) => {}
            Said::Flow(_, flow, skipped) => {
                view.flow = Some(FlowView::new(&**flow, None, None));
                view.pass_over(skipped);
            }
            Said::Expectation(_, expectation, skipped) => {
                view.expectation = Some(ExpectationView::new(expectation, None, None));
                view.pass_over(skipped);
            }
            Said::Refused(_, reason) => view.error = Some(reason.clone()),
            Said::Malformed(reason) => view.error = Some(reason.to_string()),
            Said::Cut => view.error = Some("the rest was not captured".to_owned()),
        }
        view
    }

    fn pass_over(&mut self, skipped: &PassedOver) {
        self.attributes_skipped = skipped.count;
        self.attributes_passed_over.clone_from(&skipped.names);
    }
}
