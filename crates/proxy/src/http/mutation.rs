//! Changes that routes make to headers, compiled once and made in Envoy's order: within a level first what is removed, then
//! what takes another's place, then what is added. Values are made before anything of their level is set.

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use ripstop_model::route::{AppendAction, HeaderAddition, HeaderMutations, Mutations};

use crate::format::context::Context;
use crate::format::{CompiledFormat, Wanted};

/// The changes of one level.
#[derive(Debug)]
pub struct Level {
    request: Side,
    response: Side,
    /// What has to be kept of the request for the response.
    wanted: Wanted,
}

#[derive(Debug)]
struct Side {
    remove: Box<[HeaderName]>,
    add: Additions,
}

/// Headers that are added.
#[derive(Debug)]
pub struct Additions(Box<[Addition]>);

#[derive(Debug)]
struct Addition {
    name: HeaderName,
    value: CompiledFormat,
    action: AppendAction,
    keep_empty: bool,
}

/// The levels that hold for a request: the share of a split first, then the route's.
#[derive(Clone, Debug, Default)]
pub struct Levels {
    /// Of the share of a split.
    pub share: Option<Arc<Level>>,
    /// Of the route and what it is in, in the order in which they are made.
    pub route: Option<Arc<[Arc<Level>]>>,
}

/// Whose headers are changed.
#[derive(Clone, Copy)]
enum Message {
    Request,
    Response,
}

/// Headers of which Envoy has one line only, to which values are added after a comma.
const ONE_LINE: [HeaderName; 5] = [
    header::USER_AGENT,
    header::CONTENT_TYPE,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-request-id"),
];

impl Level {
    /// Compiles the changes of a level.
    pub fn compile(mutations: &HeaderMutations) -> Level {
        let (request, response) = (Side::compile(&mutations.request), Side::compile(&mutations.response));
        let mut wanted = Wanted::default();
        response.add.wants(&mut wanted);
        Level { request, response, wanted }
    }
}

/// Compiles the changes of a level, where there are any.
pub fn level(mutations: Option<&HeaderMutations>) -> Option<Arc<Level>> {
    mutations.map(|mutations| Arc::new(Level::compile(mutations)))
}

impl Levels {
    /// Whether nothing is changed.
    pub fn is_empty(&self) -> bool {
        self.share.is_none() && self.route.is_none()
    }

    /// The request headers that values in the response need.
    pub fn wanted_of_request(&self) -> impl Iterator<Item = &HeaderName> {
        self.iter().flat_map(|level| &level.wanted.request)
    }

    fn iter(&self) -> impl Iterator<Item = &Level> {
        let route = self.route.iter().flat_map(|levels| levels.iter());
        self.share.iter().chain(route).map(|level| &**level)
    }

    /// Changes a request.
    pub fn change_request(&self, headers: &mut HeaderMap, base: &Context<'_>) {
        self.iter().for_each(|level| level.request.apply(headers, base, Message::Request));
    }

    /// Changes a response.
    pub fn change_response(&self, headers: &mut HeaderMap, base: &Context<'_>) {
        self.iter().for_each(|level| level.response.apply(headers, base, Message::Response));
    }
}

impl Side {
    fn compile(mutations: &Mutations) -> Side {
        // A name that is none could not have been decoded.
        let remove = mutations.remove.iter().filter_map(|name| name.parse().ok()).collect();
        Side { remove, add: Additions::compile(&mutations.add) }
    }

    fn apply(&self, headers: &mut HeaderMap, base: &Context<'_>, message: Message) {
        for name in &self.remove {
            headers.remove(name);
        }
        self.add.apply(headers, base, message);
    }
}

impl Additions {
    /// Compiles additions.
    pub fn compile(additions: &[HeaderAddition]) -> Additions {
        Additions(additions.iter().filter_map(Addition::compile).collect())
    }

    /// What of a request has to be kept until they are made.
    pub fn wants(&self, wanted: &mut Wanted) {
        self.0.iter().for_each(|addition| addition.value.wants(wanted));
    }

    /// Adds them to a response.
    pub fn apply_to_response(&self, headers: &mut HeaderMap, base: &Context<'_>) {
        self.apply(headers, base, Message::Response);
    }

    fn apply(&self, headers: &mut HeaderMap, base: &Context<'_>, message: Message) {
        if self.0.is_empty() {
            return;
        }
        let mut values = Vec::with_capacity(self.0.len());
        for addition in &self.0 {
            values.extend(addition.value(headers, base, message));
        }
        for (addition, value) in &values {
            if matches!(addition.action, AppendAction::Overwrite | AppendAction::OverwriteIfExists) {
                headers.insert(addition.name.clone(), value.clone());
            }
        }
        for (addition, value) in values {
            if matches!(addition.action, AppendAction::Append | AppendAction::AddIfAbsent) {
                append(headers, &addition.name, value);
            }
        }
    }
}

impl Addition {
    fn compile(addition: &HeaderAddition) -> Option<Addition> {
        Some(Addition {
            name: addition.name.parse().ok()?,
            value: CompiledFormat::compile(&addition.value),
            action: addition.action,
            keep_empty: addition.keep_empty,
        })
    }

    /// The value, if the header is to be set.
    fn value(
        &self,
        headers: &HeaderMap,
        base: &Context<'_>,
        message: Message,
    ) -> Option<(&Addition, HeaderValue)> {
        let there = headers.contains_key(&self.name);
        let wanted = match self.action {
            AppendAction::AddIfAbsent => !there,
            AppendAction::OverwriteIfExists => there,
            AppendAction::Append | AppendAction::Overwrite => true,
        };
        if !wanted {
            return None;
        }
        let mut value = Vec::new();
        let context = match message {
            Message::Request => Context { request: Some(headers), ..*base },
            Message::Response => Context { response: Some(headers), ..*base },
        };
        self.value.write(&context, "", &mut value);
        if value.is_empty() && !self.keep_empty {
            return None;
        }
        Some((self, HeaderValue::from_bytes(&value).ok()?))
    }
}

fn append(headers: &mut HeaderMap, name: &HeaderName, value: HeaderValue) {
    if ONE_LINE.contains(name)
        && let Some(before) = headers.get(name)
    {
        let joined = [before.as_bytes(), b",", value.as_bytes()].concat();
        if let Ok(joined) = HeaderValue::from_bytes(&joined) {
            headers.insert(name.clone(), joined);
        }
        return;
    }
    headers.append(name.clone(), value);
}
