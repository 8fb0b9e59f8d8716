//! How a node refuses a call whose client speaks another version: a form that never changes.
//!
//! Client and node of different versions cannot read what the other one says. All versions, from the fourth
//! on, keep to this, so that a person reads why a call is not served:
//!
//! - A message of the stream of calls has the version as its fifth byte ([`version_of`](super::wire::version_of)),
//!   and in `Nats-Msg-Id` the name of its call, 32 hexadecimal digits of the client, a point and a decimal
//!   number, after which there may be a point and more ([`CallId::of_message`]).
//! - A client listens at `NAMESPACE.client.` with its 32 digits.
//! - A node that does not speak that version sends this there, in place of a letter; nobody answers:
//!
//! ```text
//! header Refused: the name of the call, digits, point, number
//! header Node:    the name of the node
//! payload:        why, in UTF-8
//! ```

use async_nats::HeaderMap;

use super::wire::CallId;

/// The name of the header that has the call.
const REFUSED: &str = "Refused";

/// The name of the header that has the node.
const NODE: &str = "Node";

/// A call is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    /// Which one.
    pub(super) id: CallId,
    /// By whom.
    pub(super) node: String,
    /// Why.
    pub(super) why: String,
}

impl Refusal {
    /// The message: its headers, and its payload.
    pub(super) fn message(self) -> (HeaderMap, Vec<u8>) {
        let mut headers = HeaderMap::new();
        headers.insert(REFUSED, self.id.to_string().as_str());
        headers.insert(NODE, self.node.as_str());
        (headers, self.why.into_bytes())
    }

    /// What a message says, if it is a refusal. What is no text is shown as well as it can be.
    pub(super) fn of(headers: Option<&HeaderMap>, payload: &[u8]) -> Option<Self> {
        let headers = headers?;
        let id = CallId::of_message(headers.get(REFUSED)?.as_str())?;
        let node = headers.get(NODE).map_or("a node", |node| node.as_str()).to_owned();
        Some(Self { id, node, why: String::from_utf8_lossy(payload).into_owned() })
    }
}

#[cfg(test)]
mod tests {
    use async_nats::HeaderValue;

    use super::*;

    #[test]
    fn a_refusal_has_the_form_that_never_changes() {
        let id = CallId { client: 0xab, number: 12 };
        let refusal = Refusal { id, node: "host/7".to_owned(), why: "because \u{2192}".to_owned() };
        let (headers, payload) = refusal.clone().message();
        let header = |name| headers.get(name).map(HeaderValue::as_str);
        assert_eq!(header("Refused"), Some("000000000000000000000000000000ab.12"));
        assert_eq!((header("Node"), headers.len()), (Some("host/7"), 2));
        assert_eq!(payload, b"because \xe2\x86\x92");
        assert_eq!(Refusal::of(Some(&headers), &payload), Some(refusal));
    }

    #[test]
    fn what_is_no_refusal_is_none() {
        assert_eq!(Refusal::of(None, b"why"), None);
        let mut headers = HeaderMap::new();
        headers.insert("Refused", "no call");
        assert_eq!(Refusal::of(Some(&headers), b"why"), None);
        headers.insert("Refused", "ab.12");
        let said = Refusal::of(Some(&headers), b"\xff").unwrap();
        assert_eq!((said.node.as_str(), said.why.as_str()), ("a node", "\u{fffd}"));
    }
}
