//! Secrets by name, for whoever subscribes to them: the sessions of both dialects without their I/O. They are spoken on streams of
//! their own ([`super::sds`]) and within ADS. A secret that is not there (yet) is not mentioned: whoever asks waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ripstop_model::{Name, Secret};

use crate::encode::encode_secret;
use crate::encoded::{EncodedResource, encode_resource, version_of};
use crate::{ResourceType, pb};

/// Most names in one subscription.
const MAX_SECRET_NAMES: usize = 1_000;

/// Secrets, ready to be sent. `Debug` shows names alone.
#[derive(Default)]
pub struct EncodedSecrets(BTreeMap<Name, Arc<EncodedResource>>);

impl EncodedSecrets {
    /// Encodes each.
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a Secret>) -> EncodedSecrets {
        let encoded = secrets.into_iter().map(|secret| {
            (secret.name.clone(), Arc::new(encode_resource(&secret.name, encode_secret(secret))))
        });
        EncodedSecrets(encoded.collect())
    }

    /// The secret of this name.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<EncodedResource>> {
        self.0.get(name).cloned()
    }

    /// Version of the secret of this name, which whoever has taken it confirms.
    pub fn version(&self, name: &str) -> Option<String> {
        self.0.get(name).map(|secret| secret.version())
    }
}

impl std::fmt::Debug for EncodedSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Where a session finds secrets.
pub(crate) type Find<'a> = &'a dyn Fn(&str) -> Option<Arc<EncodedResource>>;

/// What came of a response: the versions that were in it, by name, and what the other side says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answered {
    pub(crate) versions: BTreeMap<Name, String>,
    pub(crate) refused: Option<String>,
}

/// A subscription beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} names of secrets are too many, at most {MAX_SECRET_NAMES} are allowed")]
pub(crate) struct TooManySecrets(usize);

/// A dialect.
pub(crate) trait SecretDialect: Default + Send + 'static {
    type Request: Send;
    type Response: Send;

    /// Takes what was sent.
    fn receive(&mut self, request: Self::Request) -> Result<Option<Answered>, TooManySecrets>;

    /// The next response, if there is anything to say that was not said.
    fn next(&mut self, find: Find<'_>) -> Option<Self::Response>;
}

/// What was sent last and not answered.
#[derive(Default)]
struct Flight {
    nonces: u64,
    nonce: String,
    versions: Option<BTreeMap<Name, String>>,
}

impl Flight {
    fn begin(&mut self, sent: &[Arc<EncodedResource>]) -> String {
        self.nonces += 1;
        self.nonce = format!("s{}", self.nonces);
        let versions = sent.iter().map(|one| (one.name.clone(), one.version()));
        self.versions = Some(versions.collect());
        self.nonce.clone()
    }

    fn end(&mut self, nonce: &str, error: Option<pb::Status>) -> Option<Answered> {
        if nonce.is_empty() || nonce != self.nonce {
            return None;
        }
        let versions = self.versions.take()?;
        Some(Answered { versions, refused: error.map(|error| error.message) })
    }
}

/// State of the world: all of the secrets that were asked for, each time.
#[derive(Default)]
pub(crate) struct SotwSecrets {
    names: BTreeSet<String>,
    flight: Flight,
    /// Version of the last response.
    said: Option<String>,
}

impl SecretDialect for SotwSecrets {
    type Request = pb::DiscoveryRequest;
    type Response = pb::DiscoveryResponse;

    fn receive(&mut self, request: pb::DiscoveryRequest) -> Result<Option<Answered>, TooManySecrets> {
        if request.resource_names.len() > MAX_SECRET_NAMES {
            return Err(TooManySecrets(request.resource_names.len()));
        }
        let nonce = request.response_nonce;
        let answered = self.flight.end(&nonce, request.error_detail);
        // What names an older response is out of date, its names too.
        if !nonce.is_empty() && nonce != self.flight.nonce && self.flight.nonces > 0 {
            return Ok(None);
        }
        let names: BTreeSet<String> = request.resource_names.into_iter().collect();
        if names != self.names {
            self.names = names;
            self.said = None;
        }
        Ok(answered)
    }

    fn next(&mut self, find: Find<'_>) -> Option<pb::DiscoveryResponse> {
        if self.flight.versions.is_some() {
            return None;
        }
        let found: Vec<Arc<EncodedResource>> = self.names.iter().filter_map(|name| find(name)).collect();
        let version = version_of(found.iter());
        if found.is_empty() || self.said.as_ref() == Some(&version) {
            return None;
        }
        let nonce = self.flight.begin(&found);
        self.said = Some(version.clone());
        let any = |one: &Arc<EncodedResource>| pb::Any {
            type_url: ResourceType::Secret.type_url().to_owned(),
            value: one.value.clone(),
        };
        Some(pb::DiscoveryResponse {
            version_info: version,
            resources: found.iter().map(any).collect(),
            type_url: ResourceType::Secret.type_url().to_owned(),
            nonce,
            ..Default::default()
        })
    }
}

/// Incremental: what has changed.
#[derive(Default)]
pub(crate) struct DeltaSecrets {
    names: BTreeSet<String>,
    told: BTreeMap<String, String>,
    flight: Flight,
}

impl SecretDialect for DeltaSecrets {
    type Request = pb::DeltaDiscoveryRequest;
    type Response = pb::DeltaDiscoveryResponse;

    fn receive(&mut self, request: pb::DeltaDiscoveryRequest) -> Result<Option<Answered>, TooManySecrets> {
        let names = self.names.len() + request.resource_names_subscribe.len();
        let names = names.max(request.initial_resource_versions.len());
        if names > MAX_SECRET_NAMES {
            return Err(TooManySecrets(names));
        }
        let answered = self.flight.end(&request.response_nonce, request.error_detail);
        for name in request.resource_names_unsubscribe {
            self.names.remove(&name);
            self.told.remove(&name);
        }
        for name in request.resource_names_subscribe {
            // Whoever asks again is told again.
            self.told.remove(&name);
            self.names.insert(name);
        }
        for (name, version) in request.initial_resource_versions {
            if self.names.contains(&name) {
                self.told.insert(name, version);
            }
        }
        Ok(answered)
    }

    fn next(&mut self, find: Find<'_>) -> Option<pb::DeltaDiscoveryResponse> {
        if self.flight.versions.is_some() {
            return None;
        }
        let found = self.names.iter().filter_map(|name| find(name));
        let news = found.filter(|one| self.told.get(&*one.name) != Some(&one.version()));
        let news: Vec<Arc<EncodedResource>> = news.collect();
        if news.is_empty() {
            return None;
        }
        for one in &news {
            self.told.insert(one.name.to_string(), one.version());
        }
        let nonce = self.flight.begin(&news);
        let resource = |one: &Arc<EncodedResource>| pb::Resource {
            name: one.name.to_string(),
            version: one.version(),
            resource: Some(pb::Any {
                type_url: ResourceType::Secret.type_url().to_owned(),
                value: one.value.clone(),
            }),
            ..Default::default()
        };
        Some(pb::DeltaDiscoveryResponse {
            system_version_info: version_of(news.iter()),
            resources: news.iter().map(resource).collect(),
            type_url: ResourceType::Secret.type_url().to_owned(),
            nonce,
            ..Default::default()
        })
    }
}

#[cfg(test)]
mod tests;
