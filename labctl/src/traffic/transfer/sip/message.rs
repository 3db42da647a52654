//! A SIP message: its first line, its headers, its description of voice.
//!
//! Pure. Knows as much of the grammar as one call needs. Used by both sides; tested below.

use std::net::SocketAddr;

/// A message as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    /// `INVITE sip:lab@198.51.100.10 SIP/2.0`, or `SIP/2.0 200 OK`.
    pub(super) first: String,
    /// In order.
    headers: Vec<(String, String)>,
    /// Where voice is expected.
    pub(super) voice: Option<SocketAddr>,
}

impl Message {
    pub(super) fn new(first: String) -> Self {
        Self { first, headers: Vec::new(), voice: None }
    }

    pub(super) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn expecting(mut self, voice: SocketAddr) -> Self {
        self.voice = Some(voice);
        self
    }

    /// A header's value; empty when it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    /// `INVITE`, or the code of an answer.
    pub(super) fn word(&self) -> &str {
        let mut words = self.first.split(' ');
        let first = words.next().unwrap_or_default();
        if first.starts_with("SIP/") { words.next().unwrap_or_default() } else { first }
    }

    pub(super) fn render(&self) -> String {
        let body = self.voice.map(describe).unwrap_or_default();
        let mut text = format!("{}\r\n", self.first);
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        if self.voice.is_some() {
            text += "Content-Type: application/sdp\r\n";
        }
        text + &format!("Content-Length: {}\r\n\r\n{body}", body.len())
    }

    /// None for what is no message, also when its length is not what it says.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.split("\r\n");
        let mut message = Self::new(lines.next()?.to_owned());
        for line in lines {
            let (name, value) = line.split_once(':')?;
            message.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        if message.header("Content-Length").parse() != Ok(body.len()) {
            return None;
        }
        message.voice = if body.is_empty() { None } else { Some(described(body)?) };
        Some(message)
    }
}

fn describe(voice: SocketAddr) -> String {
    let (ip, port) = (voice.ip(), voice.port());
    format!(
        "v=0\r\no=lab 1 1 IN IP4 {ip}\r\ns=call\r\nc=IN IP4 {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
}

fn described(body: &str) -> Option<SocketAddr> {
    let line = |start: &str| body.split("\r\n").find_map(|line| line.strip_prefix(start));
    let ip = line("c=IN IP4 ")?.parse().ok()?;
    let port = line("m=audio ")?.split(' ').next()?.parse().ok()?;
    Some(SocketAddr::new(ip, port))
}

/// The address in a Via, or in a URI: what stands before the first `;` or `>`, after the last blank or `@`.
pub(super) fn address_in(value: &str) -> Option<SocketAddr> {
    value.split([';', '>']).next()?.rsplit([' ', '@']).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{Message, address_in};

    #[test]
    fn what_is_rendered_is_parsed() {
        let message = Message::new("INVITE sip:lab@198.51.100.10:5060 SIP/2.0".to_owned())
            .with("Via", "SIP/2.0/UDP 10.1.0.10:40000;branch=z9hG4bK1")
            .with("Call-ID", "3@lab")
            .expecting("10.1.0.10:13006".parse().unwrap());
        let mut parsed = Message::parse(message.render().as_bytes()).unwrap();
        assert_eq!((parsed.word(), parsed.header("call-id")), ("INVITE", "3@lab"));
        assert_eq!(address_in(parsed.header("Via")), Some("10.1.0.10:40000".parse().unwrap()));
        assert_eq!(parsed.voice, message.voice);
        parsed.headers.retain(|(name, _)| !name.starts_with("Content"));
        assert_eq!(parsed, message);
    }

    #[test]
    fn a_wrong_length_is_no_message() {
        let text = Message::new("SIP/2.0 200 OK".to_owned()).render();
        assert_eq!(Message::parse(text.as_bytes()).unwrap().word(), "200");
        assert_eq!(Message::parse(format!("{text}more").as_bytes()), None);
    }

    #[test]
    fn an_address_is_found_in_a_uri() {
        assert_eq!(address_in("<sip:lab@10.1.0.1:5060>"), Some("10.1.0.1:5060".parse().unwrap()));
        assert_eq!(address_in("<sip:lab@lab>"), None);
    }
}
