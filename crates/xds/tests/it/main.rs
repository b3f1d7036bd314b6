//! ADS over real connections, and what decoding costs: the public API as the control plane and the proxy use it.

mod ads;
mod memory;
mod secrets;
