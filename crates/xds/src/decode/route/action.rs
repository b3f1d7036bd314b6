//! What becomes of a request ← wire. Forwarding is in [`super::forward`].

use ripstop_model::route::{DirectResponse, Forward, RouteAction, RouteMatch};

use super::{forward, redirect};
use crate::decode::common::{Context, data_source};
use crate::decode::retry::{self, Extras};
use crate::pb;

/// What a route takes from the configuration around it.
#[derive(Clone, Copy)]
pub(super) struct Inherited {
    /// Longest body of a direct response.
    pub(super) max_body_bytes: u32,
}

/// `matches` is `None` where it could not be read.
pub(super) fn action(
    cx: &mut Context,
    wire: &pb::Route,
    matches: Option<&RouteMatch>,
    extras: Extras,
    inherited: Inherited,
) -> Option<RouteAction> {
    use pb::route::Action;
    match &wire.action {
        Some(Action::Route(forward)) => {
            let forward = cx.at("route", |cx| forward::forward(cx, forward, matches, extras))?;
            let body_buffer_bytes = body_buffer(wire);
            Some(RouteAction::Forward(Box::new(Forward { body_buffer_bytes, ..forward })))
        }
        Some(Action::DirectResponse(response)) => cx
            .at("direct_response", |cx| direct_response(cx, response, inherited))
            .map(RouteAction::DirectResponse),
        Some(Action::Redirect(redirect)) => cx
            .at("redirect", |cx| redirect::redirect(cx, redirect))
            .map(|redirect| RouteAction::Redirect(Box::new(redirect))),
        Some(Action::NonForwardingAction(_)) => Some(RouteAction::NonForwarding),
        Some(Action::FilterAction(_)) => {
            cx.at("filter_action", |cx| cx.refuse("no filter here acts in the place of the router"))
        }
        None => {
            cx.refuse("a route needs an action: route, redirect, direct_response or non_forwarding_action")
        }
    }
}

#[allow(deprecated, reason = "files say it so")]
fn body_buffer(wire: &pb::Route) -> Option<u64> {
    retry::body_buffer(wire.request_body_buffer_limit.as_ref(), wire.per_request_buffer_limit_bytes.as_ref())
}

fn direct_response(
    cx: &mut Context,
    wire: &pb::DirectResponseAction,
    inherited: Inherited,
) -> Option<DirectResponse> {
    let max = inherited.max_body_bytes;
    let body = match &wire.body {
        Some(source) => cx.at("body", |cx| data_source(cx, source, max))?,
        None => Vec::new(),
    };
    match u16::try_from(wire.status) {
        Ok(status @ 200..600) => Some(DirectResponse { status, body }),
        _ => cx.at("status", |cx| cx.refuse("must be an HTTP status between 200 and 599")),
    }
}
