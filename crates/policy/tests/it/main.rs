//! Simulations and properties of the policies: seeded dice, virtual time, no threads, no sleeps.

mod breaker;
mod ceilings;
mod chain;
mod detectors;
mod hours;
mod places;
mod properties;
mod scale;
mod shields;
mod sim;
