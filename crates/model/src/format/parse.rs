//! The grammar of formats: which texts are formats, and what each operator takes.

use super::operator::{
    Field, GrpcStatusStyle, HeaderChoice, MetadataOf, Operator, Side, TimePoint, Unit, WhichPath,
};
use super::time::TimeFormat;
use super::{Piece, names};
use crate::Name;

/// A text that is no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A percent sign that begins no operator.
    #[error("no operator begins at the '%' at byte {at}; write '%%' for a percent sign")]
    NoOperator {
        /// Where, in bytes from the beginning.
        at: usize,
    },
    /// An operator that nobody knows.
    #[error("%{name}%: there is no such operator")]
    Unknown {
        /// Its name.
        name: String,
    },
    /// An operator of Envoy's whose value is not known here.
    #[error("%{name}%: this operator is not supported")]
    Unsupported {
        /// Its name.
        name: String,
    },
    /// It stands without its argument.
    #[error("%{name}%: an argument in parentheses is needed")]
    NeedsArgument {
        /// The operator.
        name: String,
    },
    /// It takes no argument, or no length.
    #[error("%{name}%: takes no {what}")]
    Takes {
        /// The operator.
        name: String,
        /// What it does not take.
        what: &'static str,
    },
    /// Its argument is not right.
    #[error("%{name}({argument})%: {why}")]
    Argument {
        /// The operator.
        name: String,
        /// The argument as written.
        argument: String,
        /// What is wrong.
        why: &'static str,
    },
}

/// What is wrong with an argument that does not say whose metadata.
const METADATA_FORM: &str =
    "must begin with ROUTE:, VIRTUAL_HOST:, CLUSTER: or DYNAMIC: and go on with a namespace";

/// Takes a text apart.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, FormatError> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(start) = rest.find('%') {
        plain.push_str(&rest[..start]);
        let at = text.len() - rest.len() + start;
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            plain.push('%');
            rest = after;
            continue;
        }
        let command = Command::read(rest).ok_or(FormatError::NoOperator { at })?;
        if !plain.is_empty() {
            pieces.push(Piece::Text(std::mem::take(&mut plain).into()));
        }
        let operator = command.operator()?;
        pieces.push(Piece::Operator { operator, max_bytes: command.length });
        rest = &rest[command.bytes..];
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain.into()));
    }
    Ok(pieces)
}

/// An operator as it is written.
struct Command<'a> {
    name: &'a str,
    argument: Option<&'a str>,
    length: Option<usize>,
    /// How long it is, with the `%` at its end.
    bytes: usize,
}

impl<'a> Command<'a> {
    /// Reads what follows a `%`.
    fn read(text: &'a str) -> Option<Command<'a>> {
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        let end = text.find(|c| !is_name(c))?;
        let (name, mut rest) = text.split_at(end);
        if name.is_empty() {
            return None;
        }
        let mut argument = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let (inside, after) = inner.split_once(')')?;
            if inside.contains('\n') {
                return None;
            }
            argument = Some(inside);
            rest = after;
        }
        let mut length = None;
        if let Some(after) = rest.strip_prefix(':') {
            let end = after.find(|c: char| !c.is_ascii_digit())?;
            length = Some(after[..end].parse().ok()?);
            rest = &after[end..];
        }
        let rest = rest.strip_prefix('%')?;
        Some(Command { name, argument, length, bytes: text.len() - rest.len() })
    }

    fn operator(&self) -> Result<Operator, FormatError> {
        let operator = match self.name {
            "REQ" => return self.header().map(Operator::RequestHeader),
            "RESP" => return self.header().map(Operator::ResponseHeader),
            "TRAILER" => return self.header().map(Operator::ResponseTrailer),
            "QUERY_PARAM" => return Ok(Operator::QueryParameter(self.needed()?.into())),
            "QUERY_PARAMS" => return self.query_parameters(),
            "PATH" => return self.path(),
            "METADATA" => return self.metadata(),
            "CLUSTER_METADATA" => {
                let path = self.needed()?.split(':').map(Name::from).collect();
                return Ok(Operator::Metadata { of: MetadataOf::Cluster, path });
            }
            "ENVIRONMENT" => return Ok(Operator::Environment(self.needed()?.into())),
            "DYNAMIC_METADATA" => return self.needed().map(|_| Operator::Absent),
            "FILTER_STATE" => return self.filter_state(),
            "START_TIME" => Operator::StartTime(self.time()?),
            "EMIT_TIME" => Operator::EmitTime(self.time()?),
            "DOWNSTREAM_PEER_CERT_V_START" => self.certificate_time(Side::Downstream, false)?,
            "DOWNSTREAM_PEER_CERT_V_END" => self.certificate_time(Side::Downstream, true)?,
            "UPSTREAM_PEER_CERT_V_START" => self.certificate_time(Side::Upstream, false)?,
            "UPSTREAM_PEER_CERT_V_END" => self.certificate_time(Side::Upstream, true)?,
            "RESPONSE_CODE_DETAILS" => {
                let allow_whitespace = self.argument == Some("ALLOW_WHITESPACES");
                Operator::ResponseCodeDetails { allow_whitespace }
            }
            "COMMON_DURATION" => self.between()?,
            "GRPC_STATUS" => Operator::GrpcStatus(self.grpc_status()?),
            "GRPC_STATUS_NUMBER" => {
                self.no_argument()?;
                Operator::GrpcStatus(GrpcStatusStyle::Number)
            }
            "UNIQUE_ID" => {
                self.no_argument()?;
                Operator::Field(Field::StreamId)
            }
            name => match names::field(name) {
                Some(operator) => {
                    self.no_argument()?;
                    operator
                }
                None => return Err(self.missing()),
            },
        };
        match self.length {
            None => Ok(operator),
            Some(_) => Err(FormatError::Takes { name: self.name.to_owned(), what: "length" }),
        }
    }

    fn missing(&self) -> FormatError {
        let name = self.name.to_owned();
        match names::is_known_elsewhere(&name) {
            true => FormatError::Unsupported { name },
            false => FormatError::Unknown { name },
        }
    }

    fn wrong(&self, why: &'static str) -> FormatError {
        let argument = self.argument.unwrap_or_default().to_owned();
        FormatError::Argument { name: self.name.to_owned(), argument, why }
    }

    /// An empty argument counts as none.
    fn given(&self) -> Option<&'a str> {
        self.argument.filter(|argument| !argument.is_empty())
    }

    fn needed(&self) -> Result<&'a str, FormatError> {
        self.given().ok_or_else(|| FormatError::NeedsArgument { name: self.name.to_owned() })
    }

    fn no_argument(&self) -> Result<(), FormatError> {
        match self.given() {
            None => Ok(()),
            Some(_) => Err(FormatError::Takes { name: self.name.to_owned(), what: "argument" }),
        }
    }

    fn header(&self) -> Result<HeaderChoice, FormatError> {
        let names = self.needed()?;
        let (first, second) = names.split_once('?').map_or((names, None), |(a, b)| (a, Some(b)));
        if second.is_some_and(|second| second.contains('?')) {
            return Err(self.wrong("only one alternative can be given"));
        }
        if ![Some(first), second].into_iter().flatten().all(is_header_name) {
            return Err(self.wrong("that is not a header name"));
        }
        let lower = |name: &str| Name::from(name.to_ascii_lowercase());
        let alternative = second.filter(|name| !name.is_empty()).map(lower);
        Ok(HeaderChoice { name: lower(first), alternative })
    }

    fn path(&self) -> Result<Operator, FormatError> {
        let mut parts = self.argument.unwrap_or_default().split(':');
        let query = match parts.next() {
            None | Some("" | "WQ") => true,
            Some("NQ") => false,
            Some(_) => return Err(self.wrong("must begin with WQ (with query) or NQ (without)")),
        };
        let which = match parts.next() {
            None | Some("" | "ORIG_OR_PATH") => WhichPath::OriginalOrCurrent,
            Some("ORIG") => WhichPath::Original,
            Some("PATH") => WhichPath::Current,
            Some(_) => return Err(self.wrong("must end with ORIG, PATH or ORIG_OR_PATH")),
        };
        Ok(Operator::Path { query, which })
    }

    fn query_parameters(&self) -> Result<Operator, FormatError> {
        match self.given() {
            // What Envoy calls decoded is the same text.
            None | Some("ORIG" | "DECODED") => Ok(Operator::QueryParameters),
            Some(_) => Err(self.wrong("must be ORIG or DECODED")),
        }
    }

    fn filter_state(&self) -> Result<Operator, FormatError> {
        let mut parts = self.needed()?.split(':');
        let (_key, style, field) = (parts.next(), parts.next(), parts.next());
        match (style, field) {
            (None | Some("" | "PLAIN" | "TYPED"), None) | (Some("FIELD"), Some(_)) => Ok(Operator::Absent),
            _ => Err(self.wrong("the key may be followed by :PLAIN, :TYPED or :FIELD:name")),
        }
    }

    fn certificate_time(&self, side: Side, end: bool) -> Result<Operator, FormatError> {
        Ok(Operator::PeerCertificateTime { side, end, format: self.time()? })
    }

    fn metadata(&self) -> Result<Operator, FormatError> {
        let (kind, path) = self.needed()?.split_once(':').ok_or_else(|| self.wrong(METADATA_FORM))?;
        let of = match kind {
            "ROUTE" => MetadataOf::Route,
            "VIRTUAL_HOST" => MetadataOf::VirtualHost,
            "CLUSTER" => MetadataOf::Cluster,
            "DYNAMIC" => return Ok(Operator::Absent),
            "UPSTREAM_HOST" | "LISTENER" | "LISTENER_FILTER_CHAIN" => {
                return Err(
                    self.wrong("only metadata of ROUTE, VIRTUAL_HOST, CLUSTER and DYNAMIC is known here")
                );
            }
            _ => return Err(self.wrong(METADATA_FORM)),
        };
        Ok(Operator::Metadata { of, path: path.split(':').map(Name::from).collect() })
    }

    fn time(&self) -> Result<TimeFormat, FormatError> {
        let text = self.argument.unwrap_or_default();
        if ["%n", "%En", "%On"].iter().any(|newline| text.contains(newline)) {
            return Err(self.wrong("a line end cannot be part of a time"));
        }
        Ok(TimeFormat::parse(text))
    }

    fn grpc_status(&self) -> Result<GrpcStatusStyle, FormatError> {
        match self.given() {
            None | Some("CAMEL_STRING") => Ok(GrpcStatusStyle::Camel),
            Some("SNAKE_STRING") => Ok(GrpcStatusStyle::Snake),
            Some("NUMBER") => Ok(GrpcStatusStyle::Number),
            Some(_) => Err(self.wrong("must be CAMEL_STRING, SNAKE_STRING or NUMBER")),
        }
    }

    fn between(&self) -> Result<Operator, FormatError> {
        let parts: Vec<&str> = self.needed()?.split(':').collect();
        let (from, to, unit) = match parts[..] {
            [from, to] => (from, to, "ms"),
            [from, to, unit] => (from, to, unit),
            _ => {
                return Err(self.wrong("must be two points in time and a unit, as in DS_RX_BEG:DS_TX_END:ms"));
            }
        };
        let unit = match unit {
            "ms" => Unit::Milliseconds,
            "us" => Unit::Microseconds,
            "ns" => Unit::Nanoseconds,
            _ => return Err(self.wrong("the unit must be ms, us or ns")),
        };
        Ok(Operator::Between { from: self.time_point(from)?, to: self.time_point(to)?, unit })
    }

    fn time_point(&self, name: &str) -> Result<TimePoint, FormatError> {
        Ok(match name {
            "DS_RX_BEG" => TimePoint::RequestBegin,
            "DS_RX_END" => TimePoint::RequestEnd,
            "US_TX_BEG" => TimePoint::UpstreamSendBegin,
            "US_TX_END" => TimePoint::UpstreamSendEnd,
            "US_RX_BEG" => TimePoint::ResponseBegin,
            "US_RX_END" => TimePoint::ResponseEnd,
            "DS_TX_BEG" => TimePoint::SendBegin,
            "DS_TX_END" => TimePoint::SendEnd,
            "US_CX_BEG" | "US_CX_END" | "US_HS_END" | "US_RX_BODY_BEG" => {
                return Err(self.wrong("this point in time is not recorded"));
            }
            _ => TimePoint::Never,
        })
    }
}

/// Envoy takes an empty name too; no header has it.
fn is_header_name(name: &str) -> bool {
    let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    name.strip_prefix(':').unwrap_or(name).chars().all(token)
}
