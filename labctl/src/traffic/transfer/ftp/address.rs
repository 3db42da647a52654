//! `h1,h2,h3,h4,p1,p2`: how FTP announces an address.
//!
//! Pure. Used by client and server; tested below.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// The six numbers; None for an address of IPv6, for which RFC 959 has no words.
pub(super) fn render(address: SocketAddr) -> Option<String> {
    let IpAddr::V4(ip) = address.ip() else { return None };
    let [a, b, c, d] = ip.octets();
    let [high, low] = address.port().to_be_bytes();
    Some(format!("{a},{b},{c},{d},{high},{low}"))
}

/// The address in a line: six numbers with commas between them, wherever they stand.
pub(super) fn parse(line: &str) -> Option<SocketAddr> {
    let words = line.split(|letter: char| !letter.is_ascii_digit() && letter != ',');
    let numbers = words.filter_map(|word| {
        let numbers: Result<Vec<u8>, _> = word.split(',').map(str::parse).collect();
        <[u8; 6]>::try_from(numbers.ok()?).ok()
    });
    let [a, b, c, d, high, low] = numbers.into_iter().next()?;
    Some(SocketAddr::new(Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([high, low])))
}

#[cfg(test)]
mod tests {
    use super::{parse, render};

    #[test]
    fn an_address_is_six_numbers() {
        let address = "198.51.100.10:11001".parse().unwrap();
        assert_eq!(render(address).unwrap(), "198,51,100,10,42,249");
        assert_eq!(parse("227 Entering Passive Mode (198,51,100,10,42,249)."), Some(address));
        assert_eq!(parse("PORT 198,51,100,10,42,249"), Some(address));
        assert_eq!(parse("PORT 198,51,100,10,42"), None);
        assert_eq!(parse("PORT 198,51,100,256,42,249"), None);
        assert_eq!(render("[::1]:21".parse().unwrap()), None);
    }
}
