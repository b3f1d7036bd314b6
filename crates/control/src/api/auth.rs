//! Who calls: tokens and what they allow. The tokens are in the store as digests, and in memory to be looked up.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use ripstop_identity::bearer::{self, BearerToken, KeptToken};

use crate::role::Role;
use crate::store::{Store, StoreError, StoredToken};

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// What they may do; `None`: only what everybody may.
    pub(crate) role: Option<Role>,
    /// Name of the token; `None`: whoever has no token says themselves who they are.
    pub(crate) name: Option<String>,
}

/// All API tokens.
pub(crate) struct ApiTokens {
    store: Arc<Store>,
    by_selector: Mutex<HashMap<String, StoredToken>>,
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotMade {
    /// The random source failed.
    #[error(transparent)]
    Randomness(#[from] bearer::NoRandomness),
    /// It cannot be written down.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another one has the name.
    #[error("there is a token `{0}` already")]
    Taken(String),
}

impl ApiTokens {
    /// Reads them from the store.
    pub(crate) fn open(store: Arc<Store>) -> Result<ApiTokens, StoreError> {
        let by_selector = store.tokens()?.into_iter().map(|token| (token.selector.clone(), token)).collect();
        Ok(ApiTokens { store, by_selector: Mutex::new(by_selector) })
    }

    /// Whose token this is; `None` if it is nobody's or its time is over.
    pub(super) fn caller(&self, presented: &str, now: SystemTime) -> Option<Caller> {
        let selector = bearer::selector(presented)?;
        let tokens = self.lock();
        let token = tokens.get(selector)?;
        let kept = KeptToken { selector: token.selector.clone(), sha256: token.sha256.clone() };
        let is_over = token.expires.is_some_and(|end| end <= now);
        (kept.is_of(presented) && !is_over)
            .then(|| Caller { role: Some(token.role), name: Some(token.name.clone()) })
    }

    /// Makes one.
    pub(super) fn create(
        &self,
        name: &str,
        role: Role,
        expires: Option<SystemTime>,
        now: SystemTime,
    ) -> Result<BearerToken, NotMade> {
        let mut tokens = self.lock();
        if tokens.values().any(|token| token.name == name) {
            return Err(NotMade::Taken(name.to_owned()));
        }
        let secret = BearerToken::generate()?;
        let KeptToken { selector, sha256 } = secret.kept();
        let token = StoredToken {
            selector: selector.clone(),
            name: name.to_owned(),
            role,
            sha256,
            created: now,
            expires,
        };
        self.store.add_token(&token)?;
        tokens.insert(selector, token);
        Ok(secret)
    }

    /// All of them, by name.
    pub(super) fn list(&self) -> Vec<StoredToken> {
        let mut tokens: Vec<StoredToken> = self.lock().values().cloned().collect();
        tokens.sort_by(|a, b| a.name.cmp(&b.name));
        tokens
    }

    /// Ends one. Says whether it was there.
    pub(super) fn delete(&self, name: &str) -> Result<bool, StoreError> {
        let mut tokens = self.lock();
        let found = tokens.values().find(|token| token.name == name).map(|token| token.selector.clone());
        let Some(selector) = found else { return Ok(false) };
        self.store.remove_token(&selector)?;
        tokens.remove(&selector);
        Ok(true)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, StoredToken>> {
        self.by_selector.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
