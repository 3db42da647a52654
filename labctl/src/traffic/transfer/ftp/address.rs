//! How FTP announces where a data connection is awaited: `h1,h2,h3,h4,p1,p2` as RFC 959 has it, for IPv6 as RFC 2428.
//!
//! Pure. Used by client and server; tested below.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// By which a client asks where the server waits, and how the answer to it begins.
pub(super) const fn question(server: IpAddr) -> (&'static str, &'static str) {
    if server.is_ipv4() { ("PASV", "227") } else { ("EPSV", "229") }
}

/// The server's answer.
pub(super) fn answer(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(_) => format!("227 Entering Passive Mode ({}).", numbers(address)),
        SocketAddr::V6(address) => format!("229 Entering Extended Passive Mode (|||{}|)", address.port()),
    }
}

/// The command by which a client says where it waits.
pub(super) fn command(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(_) => format!("PORT {}", numbers(address)),
        SocketAddr::V6(address) => format!("EPRT |2|{}|{}|", address.ip(), address.port()),
    }
}

/// The address in a line; where it has only a port, that of `known`, who has said it.
pub(super) fn parse(line: &str, known: IpAddr) -> Option<SocketAddr> {
    six_numbers(line).or_else(|| between_bars(line, known))
}

fn numbers(address: SocketAddr) -> String {
    let [high, low] = address.port().to_be_bytes();
    format!("{},{high},{low}", address.ip().to_string().replace('.', ","))
}

/// Six numbers with commas between them, wherever they stand.
fn six_numbers(line: &str) -> Option<SocketAddr> {
    let words = line.split(|letter: char| !letter.is_ascii_digit() && letter != ',');
    let numbers = words.filter_map(|word| {
        let numbers: Result<Vec<u8>, _> = word.split(',').map(str::parse).collect();
        <[u8; 6]>::try_from(numbers.ok()?).ok()
    });
    let [a, b, c, d, high, low] = numbers.into_iter().next()?;
    Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

/// `|2|2001:db8::1|11001|` or `|||11001|`.
fn between_bars(line: &str, known: IpAddr) -> Option<SocketAddr> {
    let [_, family, address, port, _] = *line.split('|').collect::<Vec<_>>() else { return None };
    let address = match (family, address) {
        ("", "") => known,
        ("2", address) => address.parse().ok().filter(IpAddr::is_ipv6)?,
        _ => return None,
    };
    Some(SocketAddr::new(address, port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::{answer, command, parse, question};

    fn socket(text: &str) -> SocketAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_of_ipv4_is_six_numbers() {
        let address = socket("198.51.100.10:11001");
        let known = IpAddr::from([10, 1, 0, 1]);
        assert_eq!(question(address.ip()), ("PASV", "227"));
        assert_eq!(answer(address), "227 Entering Passive Mode (198,51,100,10,42,249).");
        assert_eq!(command(address), "PORT 198,51,100,10,42,249");
        assert_eq!(parse(&answer(address), known), Some(address));
        assert_eq!(parse(&command(address), known), Some(address));
        assert_eq!(parse("PORT 198,51,100,10,42", known), None);
        assert_eq!(parse("PORT 198,51,100,256,42,249", known), None);
    }

    #[test]
    fn an_address_of_ipv6_stands_between_bars_and_a_server_says_only_its_port() {
        let address = socket("[2001:db8:2::10]:11001");
        let known: IpAddr = "2001:db8:1::1".parse().unwrap();
        assert_eq!(question(address.ip()), ("EPSV", "229"));
        assert_eq!(answer(address), "229 Entering Extended Passive Mode (|||11001|)");
        assert_eq!(command(address), "EPRT |2|2001:db8:2::10|11001|");
        assert_eq!(parse(&answer(address), known), Some(socket("[2001:db8:1::1]:11001")));
        assert_eq!(parse(&command(address), known), Some(address));
        for wrong in [
            "EPRT |1|2001:db8::1|1|",
            "EPRT |2|10.1.0.1|1|",
            "EPRT |2|2001:db8::1|70000|",
            "EPRT |2|2001:db8::1|1",
        ] {
            assert_eq!(parse(wrong, known), None, "{wrong}");
        }
    }
}
