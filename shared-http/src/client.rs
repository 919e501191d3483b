//! Who asks, where nobody has signed in: the client's network address.
//!
//! The peer of the connection is the client, unless it is a proxy of ours: then the nearest address in
//! `X-Forwarded-For` that is none. What stands further from us could have been written by anybody. Of an IPv6
//! address the first 64 bits count: the rest is the client's to choose.

use axum::extract::{ConnectInfo, FromRef, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

/// A range of addresses, as `10.0.0.0/8`, `2001:db8::/32` or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    network: u128,
    bits: u32,
    is_v4: bool,
}

/// What is no range of addresses.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("is no range of addresses: write it as 10.0.0.0/8, 2001:db8::/32 or a single address")]
pub struct NoCidr;

impl FromStr for Cidr {
    type Err = NoCidr;

    fn from_str(text: &str) -> Result<Cidr, NoCidr> {
        let (address, bits) = match text.trim().split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u32>().map_err(|_| NoCidr)?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoCidr)?;
        let (is_v4, number) = widened(address);
        let all = if is_v4 { 32 } else { 128 };
        let bits = bits.unwrap_or(all);
        if bits > all {
            return Err(NoCidr);
        }
        Ok(Cidr { network: masked(number, bits), bits, is_v4 })
    }
}

impl Cidr {
    fn holds(&self, address: IpAddr) -> bool {
        let (is_v4, number) = widened(address);
        is_v4 == self.is_v4 && masked(number, self.bits) == self.network
    }
}

/// The address's bits, the first one highest whichever family it is of.
fn widened(address: IpAddr) -> (bool, u128) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (true, u128::from(v4.to_bits()) << 96),
        IpAddr::V6(v6) => (false, v6.to_bits()),
    }
}

fn masked(number: u128, bits: u32) -> u128 {
    match bits {
        0 => 0,
        bits => number & (u128::MAX << (128 - bits)),
    }
}

/// The proxies whose word on the client is taken. None where nobody says otherwise. Cheap to clone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Arc<[Cidr]>);

impl TrustedProxies {
    /// The proxies of these ranges.
    pub fn new(ranges: impl IntoIterator<Item = Cidr>) -> TrustedProxies {
        TrustedProxies(ranges.into_iter().collect())
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|range| range.holds(address))
    }

    /// The client of a request that came from `peer`.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut client = peer.to_canonical();
        let given = headers.get_all("x-forwarded-for").iter().rev();
        let said = given.flat_map(|header| header.to_str().unwrap_or_default().rsplit(','));
        for one in said {
            if !self.trusts(client) {
                break;
            }
            // A proxy that writes something else has said nothing: it stands for its clients.
            let Some(address) = read(one.trim()) else { break };
            client = address;
        }
        client
    }
}

/// An address as proxies write it: bare, with a port, or in brackets.
fn read(text: &str) -> Option<IpAddr> {
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|socket| socket.ip());
    let bracketed = || text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6);
    bare.or_else(with_port).or_else(bracketed).map(|address| address.to_canonical())
}

/// Whoever asks, as far as the network tells. As an extractor it needs [`TrustedProxies`] in the state. Does not
/// print itself: it is for counting, not for the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Client(IpAddr);

impl Client {
    /// What all requests of the client have in common.
    pub fn subject(&self) -> Vec<u8> {
        match self.0 {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<client>")
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Client
where
    TrustedProxies: FromRef<S>,
{
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
        // Our own loop always says whose connection it is; whoever serves the routes otherwise has one client.
        let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        Ok(Client(TrustedProxies::from_ref(state).client(peer, &parts.headers)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(ranges: &[&str]) -> TrustedProxies {
        TrustedProxies::new(ranges.iter().map(|range| range.parse().expect("a range")))
    }

    fn client(proxies: &TrustedProxies, peer: &str, said: &[&'static str]) -> String {
        let mut headers = HeaderMap::new();
        for line in said {
            headers.append("x-forwarded-for", axum::http::HeaderValue::from_static(line));
        }
        proxies.client(peer.parse().expect("an address"), &headers).to_string()
    }

    #[test]
    fn a_stranger_is_not_believed() {
        assert_eq!(client(&proxies(&[]), "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        let ours = proxies(&["10.0.0.0/8"]);
        assert_eq!(client(&ours, "203.0.113.9", &["198.51.100.1"]), "203.0.113.9");
        assert_eq!(client(&ours, "11.0.0.1", &["198.51.100.1"]), "11.0.0.1");
    }

    #[test]
    fn the_nearest_that_is_no_proxy_is_the_client() {
        let ours = proxies(&["10.0.0.0/8", "fd00::/8", "192.0.2.7"]);
        assert_eq!(client(&ours, "10.1.2.3", &["1.1.1.1, 198.51.100.1"]), "198.51.100.1");
        assert_eq!(client(&ours, "10.1.2.3", &["1.1.1.1, 198.51.100.1, 10.9.9.9,192.0.2.7"]), "198.51.100.1");
        assert_eq!(client(&ours, "fd00::1", &["198.51.100.1", "10.0.0.5"]), "198.51.100.1");
        assert_eq!(client(&ours, "::ffff:10.1.2.3", &["198.51.100.1:4711"]), "198.51.100.1");
        assert_eq!(client(&ours, "10.1.2.3", &["[2001:db8::1]:443"]), "2001:db8::1");
        assert_eq!(client(&ours, "10.1.2.3", &["10.4.4.4"]), "10.4.4.4");
        for nothing in ["", "unknown", "198.51.100.1, _hidden"] {
            assert_eq!(client(&ours, "10.1.2.3", &[nothing]), "10.1.2.3", "{nothing}");
        }
    }

    #[test]
    fn of_an_ipv6_address_the_network_counts() {
        let subject = |address: &str| Client(address.parse().expect("an address")).subject();
        assert_eq!(subject("2001:db8:0:1::1"), subject("2001:db8:0:1:ffff::2"));
        assert_ne!(subject("2001:db8:0:1::1"), subject("2001:db8:0:2::1"));
        assert_ne!(subject("198.51.100.1"), subject("198.51.100.2"));
    }

    #[test]
    fn ranges_that_are_none() {
        for bad in ["", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "localhost"] {
            assert_eq!(bad.parse::<Cidr>(), Err(NoCidr), "{bad}");
        }
        let all = proxies(&["0.0.0.0/0"]);
        assert!(all.trusts("203.0.113.9".parse().expect("an address")));
        assert!(!all.trusts("2001:db8::1".parse().expect("an address")));
    }
}
