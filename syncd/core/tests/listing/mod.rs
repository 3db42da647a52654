//! The listing of a capture: what an independent reader of conntrackd's frames found in them, and the bytes of it.
//!
//! Shares nothing with the room `wire` but the names of types and flags.

use serde::Deserialize;
use syncd_core::wire::{Control, Flags, MessageType, Seq, SeqRange};

use crate::fixture::bytes;

/// Bytes of an attribute's header, and what its end is padded to.
const ATTR_HEADER: usize = 4;

/// What was seen on the dedicated link during one experiment.
#[derive(Deserialize)]
pub(crate) struct Capture {
    /// Its file's name without the ending.
    #[serde(skip)]
    pub(crate) name: String,
    /// In the order of arrival, of all speakers.
    pub(crate) datagrams: Vec<Captured>,
}

/// One datagram and what stands in it.
#[derive(Deserialize)]
pub(crate) struct Captured {
    /// UDP payload, in hex.
    pub(crate) payload: String,
    /// What an independent reader of the capture found in it.
    pub(crate) messages: Vec<Listed>,
}

/// One message as the listing of a capture has it.
#[derive(Deserialize)]
pub(crate) struct Listed {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) flags: Vec<String>,
    pub(crate) seq: u32,
    pub(crate) from: Option<u32>,
    pub(crate) to: Option<u32>,
    #[serde(default)]
    pub(crate) attributes: Vec<ListedAttr>,
}

/// One attribute as the listing of a capture has it.
#[derive(Deserialize)]
pub(crate) struct ListedAttr {
    pub(crate) number: u16,
    pub(crate) name: String,
    pub(crate) length: usize,
    pub(crate) hex: String,
    pub(crate) value: String,
}

impl Listed {
    pub(crate) fn kind(&self) -> MessageType {
        match self.kind.as_str() {
            "CT_NEW" => MessageType::New,
            "CT_UPD" => MessageType::Update,
            "CT_DEL" => MessageType::Destroy,
            "EXP_NEW" => MessageType::ExpectNew,
            "EXP_DEL" => MessageType::ExpectDestroy,
            "CTL" => MessageType::Control,
            other => panic!("a message of type {other}"),
        }
    }

    pub(crate) fn flags(&self) -> Flags {
        let values = self.flags.iter().map(|name| match name.as_str() {
            "RESYNC" => Flags::RESYNC,
            "NACK" => Flags::NACK,
            "ACK" => Flags::ACK,
            "ALIVE" => Flags::ALIVE,
            "HELLO" => Flags::HELLO,
            "HELLO_BACK" => Flags::HELLO_BACK,
            other => panic!("a flag {other}"),
        });
        values.fold(Flags::NONE, Flags::with)
    }

    pub(crate) fn control(&self) -> Option<Control> {
        let range = || {
            let (from, to) = self.from.zip(self.to).expect("a range");
            SeqRange::new(Seq(from), Seq(to)).expect("an ordered range")
        };
        self.flags.iter().find_map(|name| match name.as_str() {
            "RESYNC" => Some(Control::Resync),
            "NACK" => Some(Control::Nack(range())),
            "ACK" => Some(Control::Ack(range())),
            "ALIVE" => Some(Control::Alive),
            _ => None,
        })
    }

    /// The bytes of the message if these are its attributes.
    pub(crate) fn frame<'a>(&self, attributes: impl IntoIterator<Item = &'a ListedAttr>) -> Vec<u8> {
        let mut frame = vec![0x10 | self.kind() as u8, self.flags().0, 0, 0];
        frame.extend(self.seq.to_be_bytes());
        for end in self.from.iter().chain(&self.to) {
            frame.extend(end.to_be_bytes());
        }
        for attr in attributes {
            attr.append_to(&mut frame);
        }
        let length = u16::try_from(frame.len()).expect("a short frame");
        frame[2..4].copy_from_slice(&length.to_be_bytes());
        frame
    }
}

impl ListedAttr {
    fn append_to(&self, frame: &mut Vec<u8>) {
        let payload = bytes(&self.hex);
        assert_eq!(self.length, ATTR_HEADER + payload.len(), "{}", self.name);
        let length = u16::try_from(self.length).expect("a short attribute");
        frame.extend(length.to_be_bytes());
        frame.extend(self.number.to_be_bytes());
        frame.extend(payload);
        frame.resize(frame.len().next_multiple_of(ATTR_HEADER), 0);
    }
}
