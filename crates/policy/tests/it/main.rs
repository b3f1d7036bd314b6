//! Simulations and properties of the policies: seeded dice, virtual time, no threads, no sleeps.

mod breaker;
mod chain;
mod detectors;
mod places;
mod properties;
mod scale;
mod shields;
mod sim;
