//! Simulations and properties of the policies: seeded dice, virtual time, no threads, no sleeps.

mod chain;
mod properties;
mod scale;
mod sim;
