//! Random bytes for request ids and trace ids.

/// `N` random bytes as lower-case hex, two characters each.
///
/// Should the machine's random source ever fail, the zeros that come out are still a legal request id:
/// nothing secret is made here, and a request must not fail for want of a name.
pub(crate) fn hex<const N: usize>() -> String {
    let mut bytes = [0u8; N];
    if aws_lc_rs::rand::fill(&mut bytes).is_err() {
        tracing::warn!("no random bytes for a request id");
    }
    to_hex(&bytes)
}

/// Bytes as lower-case hex.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
