//! Connected clients for whoever asks by CSDS. Through a door that only this machine can reach all are seen; who comes with a
//! certificate sees the clients with that identity, its own.

use ripstop_model::SpiffeId;
use ripstop_xds::server::{ClientSource, ClientView, Peer, Refusal};

use super::Hub;

impl ClientSource for Hub {
    fn clients(&self, peer: &Peer) -> Result<Vec<ClientView>, Refusal> {
        let sees = |identity: Option<&SpiffeId>| match peer {
            Peer::Local => true,
            Peer::Proved(own) => identity == Some(own),
            Peer::Unknown => false,
        };
        if *peer == Peer::Unknown {
            return Err(Refusal("this connection shows no valid certificate".to_owned()));
        }
        let state = self.lock();
        let seen = state.entries.values().filter(|entry| sees(entry.identity()));
        let clients = seen.flat_map(|entry| {
            let snapshot = entry.current();
            entry.streams().iter().filter(|stream| !stream.has_ended()).map(move |stream| ClientView {
                id: stream.node.clone(),
                namespace: entry.proxy().namespace.to_string(),
                user_agent: stream.user_agent.clone(),
                snapshot: snapshot.clone(),
                report: stream.status.report(),
            })
        });
        Ok(clients.collect())
    }
}
