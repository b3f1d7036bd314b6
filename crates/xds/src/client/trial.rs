//! The question whether a resource that was understood can be put in force. It is asked before the control plane is told
//! that the resource was taken, so that a refusal reaches the control plane with its reason.

use ripstop_model::{Cluster, Listener, RouteConfiguration};

/// Whoever puts resources in force. An error is the reason in words for the operator; the resource from before stays.
pub trait Trial: Send {
    /// Whether a listener can be put in force.
    ///
    /// # Errors
    /// It cannot: for instance, its address is taken.
    fn listener(&mut self, listener: &Listener) -> Result<(), String>;

    /// Whether a cluster can be put in force.
    ///
    /// # Errors
    /// It cannot: for instance, a certificate of it is of no use.
    fn cluster(&mut self, cluster: &Cluster) -> Result<(), String>;

    /// Whether a route configuration can be put in force.
    ///
    /// # Errors
    /// It cannot: for instance, an expression in it is too large.
    fn routes(&mut self, routes: &RouteConfiguration) -> Result<(), String>;
}

/// Takes whatever was understood.
#[derive(Clone, Copy, Debug, Default)]
pub struct TakeAll;

impl Trial for TakeAll {
    fn listener(&mut self, _: &Listener) -> Result<(), String> {
        Ok(())
    }

    fn cluster(&mut self, _: &Cluster) -> Result<(), String> {
        Ok(())
    }

    fn routes(&mut self, _: &RouteConfiguration) -> Result<(), String> {
        Ok(())
    }
}
