//! What is known of the connection to the upstream, and of both sides' TLS.

use ripstop_identity::context::facts::{CertificateDetails, TlsFacts};
use ripstop_model::format::operator::{AttemptPart, CertificateFact, Field, Side, Unit, Whose};

use super::{address, amount, blanks_to_underscores, in_unit, number, text};
use crate::format::Shown;
use crate::format::context::Context;
use crate::stream_info::Attempted;

/// TLS of one side of a request.
pub(super) fn facts<'a>(side: Side, context: &Context<'a>) -> Option<&'a TlsFacts> {
    match side {
        Side::Downstream => context.connection.secured.as_deref(),
        Side::Upstream => context.stream.upstream.as_deref()?.secured.as_deref(),
    }
}

/// Shows a field of these.
pub(super) fn write(field: Field, context: &Context<'_>, out: &mut Vec<u8>) -> Shown {
    let (stream, connection) = (context.stream, context.connection);
    let upstream = stream.upstream.as_deref();
    match field {
        Field::UpstreamCluster => text(stream.cluster.as_deref(), out),
        Field::UpstreamHost => text(stream.host.as_deref(), out),
        Field::UpstreamHostName => text(stream.host_name(), out),
        Field::UpstreamHostNameWithoutPort => text(stream.host_name().map(without_port), out),
        Field::UpstreamAttempts(part) => attempts(&stream.attempted, part, out),
        Field::UpstreamConnectionId => number(upstream.map_or(0, |upstream| upstream.id), out),
        Field::UpstreamConnectionPoolReadyDuration => {
            amount(stream.ready_after.map(|waited| in_unit(waited, Unit::Milliseconds)), out)
        }
        Field::UpstreamLocalAddress(part) => {
            address(upstream.and_then(|upstream| upstream.local.as_ref()), part, out)
        }
        Field::UpstreamRemoteAddress(part) => {
            address(upstream.and_then(|upstream| upstream.remote.as_ref()), part, out)
        }
        Field::UpstreamServerName => {
            text(facts(Side::Upstream, context).and_then(|facts| facts.server_name.as_deref()), out)
        }
        Field::UpstreamTransportFailureReason => {
            let start = out.len();
            let shown = text(stream.upstream_failure.as_deref(), out);
            blanks_to_underscores(&mut out[start..]);
            shown
        }
        // Whoever sent a request had come through the handshake.
        Field::DownstreamTransportFailureReason => text(connection.transport_failure.as_deref(), out),
        Field::TlsCipher(side) => text(facts(side, context).map(TlsFacts::cipher), out),
        Field::TlsVersion(side) => text(facts(side, context).map(TlsFacts::version), out),
        Field::TlsGroup(side) => {
            text(facts(side, context).map(|facts| facts.group).filter(|group| !group.is_empty()), out)
        }
        Field::Certificate(side, whose, fact) => certificate(facts(side, context), whose, fact, out),
        _ => Shown::Absent,
    }
}

fn without_port(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(name, _)| name)
}

/// Each once, as in Envoy.
fn attempts(attempted: &[Attempted], part: AttemptPart, out: &mut Vec<u8>) -> Shown {
    let show = |attempt: &Attempted| {
        let name = attempt.name.as_deref().unwrap_or(&attempt.address);
        match part {
            AttemptPart::Address => attempt.address.to_string(),
            AttemptPart::Ip => without_port(&attempt.address).to_owned(),
            AttemptPart::Name => name.to_owned(),
            AttemptPart::NameWithoutPort => without_port(name).to_owned(),
            AttemptPart::Connection => attempt.connection.to_string(),
        }
    };
    let mut shown: Vec<String> = Vec::new();
    for text in attempted.iter().map(show) {
        if !shown.contains(&text) {
            shown.push(text);
        }
    }
    list(&shown, out)
}

fn certificate(facts: Option<&TlsFacts>, whose: Whose, fact: CertificateFact, out: &mut Vec<u8>) -> Shown {
    let details = match whose {
        Whose::Peer => facts.and_then(TlsFacts::peer),
        Whose::Local => facts.and_then(TlsFacts::local),
    };
    let Some(details) = details else { return Shown::Absent };
    let chain = || facts.map(TlsFacts::peer_chain).unwrap_or_default().iter();
    let of_chain = |show: fn(&CertificateDetails) -> String| {
        chain().filter_map(|of| CertificateDetails::read(of).ok()).map(|of| show(&of)).collect::<Vec<_>>()
    };
    match fact {
        CertificateFact::Subject => text(Some(&details.subject), out),
        CertificateFact::Issuer => text(Some(&details.issuer), out),
        CertificateFact::Serial => text(Some(&details.serial), out),
        CertificateFact::UriSans => list(&details.uris, out),
        CertificateFact::DnsSans => list(&details.dns_names, out),
        CertificateFact::IpSans => {
            list(&details.ips.iter().map(ToString::to_string).collect::<Vec<_>>(), out)
        }
        CertificateFact::EmailSans => list(&details.emails, out),
        CertificateFact::Sha256 => text(Some(&details.sha256()), out),
        CertificateFact::Sha1 => text(Some(&details.sha1()), out),
        CertificateFact::Pem => text(Some(&url_encoded(&details.pem())), out),
        CertificateFact::ChainSha256 => list(&of_chain(CertificateDetails::sha256), out),
        CertificateFact::ChainSha1 => list(&of_chain(CertificateDetails::sha1), out),
        CertificateFact::ChainSerials => list(&of_chain(|of| of.serial.clone()), out),
    }
}

/// Several texts, with commas between them.
fn list(texts: &[String], out: &mut Vec<u8>) -> Shown {
    text(Some(texts.join(",")).filter(|_| !texts.is_empty()).as_deref(), out)
}

/// A certificate as Envoy puts it into one line.
fn url_encoded(pem: &str) -> String {
    let mut out = String::with_capacity(pem.len() + pem.len() / 8);
    for c in pem.chars() {
        match c {
            '\n' => out.push_str("%0A"),
            ' ' => out.push_str("%20"),
            '+' => out.push_str("%2B"),
            '/' => out.push_str("%2F"),
            '=' => out.push_str("%3D"),
            other => out.push(other),
        }
    }
    out
}
