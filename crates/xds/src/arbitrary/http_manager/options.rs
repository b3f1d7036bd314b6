//! What a connection manager says of itself, and when it logs, at random.

use fastrand::Rng;
use ripstop_model::grpc_stats::{CountedMethods, CountedService, GrpcStats};
use ripstop_model::http_manager::local_reply::{LocalReplies, ReplyFormat, ReplyMapper};
use ripstop_model::http_manager::log_moments::LogMoments;
use ripstop_model::http_manager::proxy_status::{ProxyName, ProxyStatus};

use super::super::access_log::{log_filter, written_format};
use super::super::route::header_addition;
use super::super::{list, name, option, positive};

pub(super) fn local_replies(rng: &mut Rng) -> Box<LocalReplies> {
    Box::new(LocalReplies { mappers: list(rng, 2, mapper), format: option(rng, reply_format) })
}

fn mapper(rng: &mut Rng) -> ReplyMapper {
    ReplyMapper {
        filter: log_filter(rng, 1),
        status: option(rng, |rng| rng.u16(200..600)),
        body: option(rng, |rng| vec![0xff, rng.u8(..)]),
        format: option(rng, reply_format),
        headers: list(rng, 2, header_addition),
    }
}

fn reply_format(rng: &mut Rng) -> ReplyFormat {
    ReplyFormat { body: written_format(rng), content_type: option(rng, name) }
}

pub(super) fn proxy_status(rng: &mut Rng) -> Box<ProxyStatus> {
    let names = [ProxyName::Server, ProxyName::NodeId, ProxyName::Literal(name(rng))];
    Box::new(ProxyStatus {
        remove_details: rng.bool(),
        remove_connection_termination_details: rng.bool(),
        remove_response_flags: rng.bool(),
        set_recommended_status: rng.bool(),
        name: names[rng.usize(0..names.len())].clone(),
    })
}

pub(super) fn log_moments(rng: &mut Rng) -> LogMoments {
    LogMoments { at_start: rng.bool(), at_tunnel: rng.bool(), interval: option(rng, positive) }
}

pub(super) fn grpc_stats(rng: &mut Rng) -> Box<GrpcStats> {
    let service = |rng: &mut Rng| CountedService { name: name(rng), methods: vec![name(rng), name(rng)] };
    let methods = match rng.u8(0..3) {
        0 => CountedMethods::None,
        1 => CountedMethods::All,
        _ => CountedMethods::These(list(rng, 2, service)),
    };
    Box::new(GrpcStats { methods, upstream_times: rng.bool(), replace_dots: rng.bool() })
}
