//! The same world under another trust domain: for a control plane whose authority is of one that the documents do not
//! name.

use std::sync::Arc;

use ripstop_model::{SpiffeId, TrustDomain};

use crate::world::{Instance, World};

impl World {
    /// The world with every identity in `trust_domain`.
    pub fn with_trust_domain(mut self, trust_domain: &TrustDomain) -> World {
        Arc::make_mut(&mut self.mesh).trust_domain = trust_domain.clone();
        let instances: Vec<Arc<Instance>> = self.instances().cloned().collect();
        for instance in instances {
            let moved = moved(instance, trust_domain);
            self.put_instance(&moved.key().clone(), Some(moved));
        }
        self
    }
}

/// Namespace and service account were parts of an identity before, so only the length can make them none; the
/// identity then stays as it was, and no certificate of the new trust domain matches it.
fn moved(instance: Arc<Instance>, trust_domain: &TrustDomain) -> Instance {
    let mut instance = Arc::unwrap_or_clone(instance);
    let workload = &instance.workload;
    match SpiffeId::workload(trust_domain, workload.meta.namespace(), &workload.service_account) {
        Ok(identity) => instance.identity = identity,
        Err(error) => tracing::error!(workload = %instance.key(), %error, "workload has no identity"),
    }
    instance
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::document::decode;
    use crate::resource::ObjectKey;
    use ripstop_yaml::Source;

    #[test]
    fn every_identity_moves_and_nothing_else() {
        let text = "\
apiVersion: ripstop.io/v1
kind: Service
metadata: {name: cart}
spec: {ports: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: ripstop.io/v1
kind: Workload
metadata: {name: cart-1}
spec:
  service: cart
  address: 127.0.0.1
  ports: {http: {app: 8080, sidecar: 15001}}
  sidecar: {admin: 9901}
";
        let (resources, _) = decode(&Source::new("mesh.yaml", text));
        let (world, _) = World::build(resources).unwrap();
        let domain = TrustDomain::new("example.org").unwrap();
        let moved = world.clone().with_trust_domain(&domain);
        let (by_name, by_service) = (
            moved.instance(&ObjectKey::new("default", "cart-1")).unwrap(),
            &moved.instances_of(&ObjectKey::new("default", "cart"))[0],
        );
        assert_eq!(by_name.identity.as_str(), "spiffe://example.org/ns/default/sa/cart");
        assert_eq!(by_name, by_service);
        assert_eq!(moved.mesh().trust_domain, domain);
        assert_eq!(moved.with_trust_domain(&world.mesh().trust_domain.clone()), world);
    }
}
