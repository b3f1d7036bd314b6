//! The codes of findings, what each means and what to do where a finding does not say so itself. docs/analysis.md lists
//! the same, which a test checks.

use ripstop_yaml::code;

/// A kind of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// Its name.
    pub code: &'static str,
    /// What it means.
    pub meaning: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
}

/// Of a problem that has no code of its own.
pub(super) const OTHER: &str = code::NOT_IN_FORCE;

const fn of(code: &'static str, meaning: &'static str, remedy: &'static str) -> Code {
    Code { code, meaning, remedy }
}

/// Every code, by name.
pub const CODES: &[Code] = &[
    of(
        "ambiguous-port",
        "a destination has several ports and the route names none",
        "write the number of the port at the destination",
    ),
    of("conflict", "two resources claim the same, and only one holds", "merge the two, or remove one"),
    of(
        "double-slash",
        "a rewrite makes paths that begin with two slashes",
        "match the prefix with the slash at its end",
    ),
    of(
        "double-tls",
        "TLS is begun within a connection that the application has secured already",
        "remove the TLS settings, or let the application speak HTTP",
    ),
    of("duplicate", "a resource is written twice", "remove one of them"),
    of(code::DUPLICATE_FIELD, "a field is written twice", "remove one of them"),
    of("empty", "there are no documents", "check the path"),
    of(
        "failover-without-ejection",
        "near instances are preferred, but nothing notices that they fail",
        "add outlierDetection to the same policy",
    ),
    of("gateway-host-clash", "two servers of a port serve the same host", "leave the host to one of them"),
    of(
        "gateway-port-clash",
        "two servers of a port speak different protocols",
        "give one of them another port",
    ),
    of(code::INVALID_VALUE, "a value cannot be used", "correct the value"),
    of(code::LIMIT, "a document is too large", "split the document"),
    of("mirror-to-itself", "copies go where the requests go", "name another destination or subset"),
    of(code::MISSING_FIELD, "a field that must be there is not", "add the field"),
    of(
        "mixed-mtls",
        "some instances of a service take mutual TLS and others do not",
        "give every instance a sidecar and one PeerAuthentication mode",
    ),
    of(
        "mtls-conflict",
        "callers are told to speak what instances do not take",
        "remove the TLS mode from the DestinationRule, or change the PeerAuthentication",
    ),
    of("never-applies", "a rule or condition holds nowhere", "correct the condition, or remove the rule"),
    of(
        "no-endpoints",
        "nobody answers for a service, port or subset",
        "add a workload with these labels and ports",
    ),
    of(
        "not-exported",
        "a host exists and cannot be seen from here",
        "add the namespace to exportTo of what describes the host",
    ),
    of("not-in-force", "a field is understood and has no effect", "remove the field, or do not rely on it"),
    of(
        "out-of-scope",
        "a workload calls what its Sidecar keeps from it",
        "add the host to egress of the Sidecar",
    ),
    of(
        "per-try-exceeds-timeout",
        "one try may take longer than all of them",
        "make perTryTimeout shorter than timeout",
    ),
    of(
        "plaintext-to-https-port",
        "plaintext HTTP goes to port 443",
        "set protocol HTTPS, or begin TLS with a DestinationRule in mode SIMPLE",
    ),
    of("port-clash", "two want the same port of a machine", "give one of them another port"),
    of(
        "protocol-mismatch",
        "rules are of a kind that the port does not speak",
        "write rules for what the port speaks, or change its protocol",
    ),
    of(
        "redirect-loop",
        "a redirect leads to where it is sent from",
        "change the host, or narrow the condition",
    ),
    of(
        "retries-exceed-timeout",
        "all tries together take longer than the timeout",
        "raise timeout, or lower attempts or perTryTimeout",
    ),
    of(
        "shadowed",
        "a rule is never reached: an earlier one takes its requests",
        "put the narrower rule first",
    ),
    of(
        "stacked-retries",
        "two hops of one request retry, which multiplies the load on the last",
        "retry at the outermost hop alone",
    ),
    of(
        "strict-without-sidecar",
        "STRICT is asked of a workload that has no sidecar to insist on it",
        "give the workload a sidecar",
    ),
    of(code::SYNTAX, "the text is not YAML", "correct the text"),
    of(
        "timeout-exceeds-caller",
        "a hop waits longer than whoever called it",
        "make it shorter than the timeout of the caller",
    ),
    of(
        "token-not-required",
        "tokens are checked, but who has none passes",
        "add an AuthorizationPolicy that asks for requestPrincipals",
    ),
    of("unknown-credential", "a credential is not there", "add a Credential in the namespace of the proxy"),
    of(
        "unknown-delegate",
        "a rule delegates to what is not there",
        "add a VirtualService of that name without hosts",
    ),
    of(code::UNKNOWN_FIELD, "a field that nobody knows", "correct its name, or remove it"),
    of("unknown-gateway", "a gateway is not there", "correct the name, or add the Gateway"),
    of("unknown-host", "a host is not there", "correct the name, or add a Service or ServiceEntry"),
    of("unknown-port", "a port is not there", "correct the number or name of the port"),
    of(
        "unknown-principal",
        "a policy names an identity that no workload has",
        "correct the namespace and service account",
    ),
    of("unknown-service", "a service is not there", "correct the name, or add the Service"),
    of("unknown-subset", "no rule defines a subset", "define the subset in a DestinationRule"),
    of(
        "unserved-host",
        "a gateway serves none of the hosts of a virtual service that is bound to it",
        "add the host to a server of the Gateway",
    ),
    of("unused", "something applies to nothing", "correct the selector, or remove it"),
    of(
        "weights",
        "weights do not add up to 100",
        "make them add up to 100, so that each is the percentage that it looks like",
    ),
];

/// What to do about a finding.
pub(super) fn remedy(code: &str) -> &'static str {
    let found = CODES.iter().find(|known| known.code == code);
    found.map_or("see docs/analysis.md", |known| known.remedy)
}
