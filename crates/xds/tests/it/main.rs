//! ADS over real connections: the public API as the control plane and the proxy use it.

mod ads;
