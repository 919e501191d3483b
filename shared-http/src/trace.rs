//! W3C trace context: which larger doing a request belongs to.

use crate::random;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use std::convert::Infallible;

/// Where this request stands in its trace. Read from `traceparent`, or begun here.
///
/// <https://www.w3.org/TR/trace-context/>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole trace, 32 hex digits.
    pub trace_id: String,
    /// This request's own span, 16 hex digits.
    pub span_id: String,
    /// The caller's span, where it told us.
    pub parent_id: Option<String>,
    /// Whether the caller records this trace. One that begins here is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// A trace that begins here.
    pub fn begin() -> Self {
        TraceContext {
            trace_id: random::hex::<16>(),
            span_id: random::hex::<8>(),
            parent_id: None,
            sampled: true,
        }
    }

    /// Goes on with the caller's trace. A header that is missing or malformed begins a new one, as the
    /// standard asks.
    pub fn read(headers: &HeaderMap) -> Self {
        let header = headers.get("traceparent").and_then(|value| value.to_str().ok());
        header.and_then(TraceContext::parse).unwrap_or_else(TraceContext::begin)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.split('-');
        let (version, trace, parent, flags) =
            (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
        // Version 00 has four fields; a later version may append some, ff is forbidden.
        let known = version == "00" && fields.next().is_none();
        let later = is_hex(version, 2) && version != "00" && version != "ff";
        if !(known || later) || !is_id(trace, 32) || !is_id(parent, 16) || !is_hex(flags, 2) {
            return None;
        }
        let flags = u8::from_str_radix(flags, 16).ok()?;
        Some(TraceContext {
            trace_id: trace.to_owned(),
            span_id: random::hex::<8>(),
            parent_id: Some(parent.to_owned()),
            sampled: flags & 1 == 1,
        })
    }

    /// The `traceparent` for what this request causes: an event's envelope, a call to a neighbour.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-{:02x}", self.trace_id, self.span_id, u8::from(self.sampled))
    }
}

impl<S: Sync> FromRequestParts<S> for TraceContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get().cloned().unwrap_or_else(TraceContext::begin))
    }
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

fn is_id(text: &str, length: usize) -> bool {
    is_hex(text, length) && text.bytes().any(|b| b != b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn a_trace_goes_on_under_a_span_of_our_own() {
        let context = TraceContext::parse(&format!("00-{TRACE}-{SPAN}-00")).expect("read");
        assert_eq!((context.trace_id.as_str(), context.parent_id.as_deref()), (TRACE, Some(SPAN)));
        assert_ne!(context.span_id, SPAN);
        assert!(!context.sampled);
        assert_eq!(context.traceparent(), format!("00-{TRACE}-{}-00", context.span_id));
    }

    #[test]
    fn a_malformed_header_begins_a_new_trace() {
        let zeros = "0".repeat(32);
        for bad in [
            String::new(),
            format!("00-{TRACE}-{SPAN}"),
            format!("00-{TRACE}-{SPAN}-01-more"),
            format!("ff-{TRACE}-{SPAN}-01"),
            format!("00-{zeros}-{SPAN}-01"),
            format!("00-{}-{SPAN}-01", TRACE.to_uppercase()),
        ] {
            assert_eq!(TraceContext::parse(&bad), None, "{bad}");
        }
        assert!(TraceContext::parse(&format!("01-{TRACE}-{SPAN}-01-more")).is_some());
    }
}
