//! What the access logs of a listener and of a TCP proxy say of a connection: one line each when it is over. Requests
//! have lines of their own.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use super::connection::ConnectionInfo;
use super::incoming::Incoming;
use super::traffic::Traffic;
use crate::access_log::AccessLogs;
use crate::format::context::Context;
use crate::generation::listener::{ActiveListener, ActiveTcpProxy};
use crate::stream_info::StreamInfo;

/// One connection. Its lines are written when this is dropped, however the connection has ended.
pub struct Record {
    /// What became of it.
    pub stream: StreamInfo,
    listener: Arc<ActiveListener>,
    proxy: Option<Arc<ActiveTcpProxy>>,
    connection: Option<Rc<ConnectionInfo>>,
    traffic: Traffic,
}

impl Record {
    /// A connection that begins now. It is large, and many connections are open at a time that do not need it for long.
    pub fn begin(listener: &Arc<ActiveListener>) -> Box<Record> {
        Box::new(Record {
            stream: StreamInfo::begin(),
            listener: listener.clone(),
            proxy: None,
            connection: None,
            traffic: Traffic::default(),
        })
    }

    /// Another listener has taken the connection.
    pub fn hand_over(&mut self, listener: &Arc<ActiveListener>) {
        self.listener = listener.clone();
    }

    /// A TCP proxy has the connection, and logs it too.
    pub fn passed_to(&mut self, proxy: &Arc<ActiveTcpProxy>) {
        self.proxy = Some(proxy.clone());
    }

    /// Whether anybody wants to know.
    pub fn is_wanted(&self) -> bool {
        let proxied = self.proxy.as_ref().is_some_and(|proxy| !proxy.access_logs.is_empty());
        proxied || !self.listener.access_logs.is_empty()
    }

    /// It is served.
    pub fn serve(&mut self, connection: &Rc<ConnectionInfo>, traffic: Traffic) {
        self.connection = Some(connection.clone());
        self.traffic = traffic;
    }

    /// It ends before it was served.
    pub fn refuse(&mut self, connection: ConnectionInfo) {
        self.connection = Some(Rc::new(connection));
    }

    /// The same, where not even TLS was spoken.
    pub fn refuse_early(&mut self, connection: Incoming) {
        if self.is_wanted() {
            self.refuse(connection.into_plain().1);
        }
    }

    fn write(&self, logs: &AccessLogs, connection: &ConnectionInfo, log_type: &'static str) {
        let none = HeaderMap::new();
        let context = Context::of(connection, &self.stream, &none);
        logs.write(&Context { log_type, ended: Some(Instant::now()), ..context });
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let Some(connection) = self.connection.take().filter(|_| self.is_wanted()) else { return };
        self.stream.bytes_received.set(self.traffic.received());
        self.stream.bytes_sent = self.traffic.sent();
        self.write(&self.listener.access_logs, &connection, "NotSet");
        if let Some(proxy) = &self.proxy {
            self.write(&proxy.access_logs, &connection, "TcpConnectionEnd");
        }
    }
}
