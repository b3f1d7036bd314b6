//! What HTTP/1 may look like: a second, strict opinion on every byte that a client sends, before the parser that takes the
//! messages apart sees it. Where both agree on where a message ends, nothing can be smuggled past one of them. It follows
//! Envoy where Envoy follows RFC 9112, and the RFC where Envoy is laxer.

pub mod body;
pub mod head;
pub mod scan;
