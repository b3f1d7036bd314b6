//! The mesh that a control plane is measured with: namespaces of twenty services each, with so many instances each. The first
//! instance of a service can be a proxy of the fleet.

use std::net::Ipv4Addr;

/// Services of a namespace.
const SERVICES_EACH: usize = 20;

/// How large a mesh is, and who sees what of it.
#[derive(Clone, Copy, Debug)]
pub struct Mesh {
    /// Services, a multiple of twenty.
    pub services: usize,
    /// Instances of each.
    pub instances_each: usize,
    /// A proxy sees the services of its namespace and of the next one, instead of all.
    pub scoped: bool,
}

impl Mesh {
    fn namespaces(&self) -> usize {
        self.services / SERVICES_EACH
    }

    /// What stays as it is: services, and who sees them.
    pub fn base(&self) -> String {
        let mut text =
            "apiVersion: ripstop.io/v1\nkind: Mesh\nmetadata: {name: scale}\nspec: {}\n".to_owned();
        for service in 0..self.services {
            let (namespace, name) = name(service);
            text.push_str(&format!(
                "---\napiVersion: ripstop.io/v1\nkind: Service\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
                 spec: {{ports: [{{name: http, port: 80, protocol: HTTP}}]}}\n"
            ));
        }
        for number in (0..self.namespaces()).filter(|_| self.scoped) {
            let next = (number + 1) % self.namespaces();
            text.push_str(&format!(
                "---\napiVersion: networking.istio.io/v1\nkind: Sidecar\n\
                 metadata: {{name: default, namespace: ns-{number}}}\n\
                 spec: {{egress: [{{hosts: [\"./*\", \"ns-{next}/*\"]}}]}}\n"
            ));
        }
        text
    }

    /// Every instance, as a document.
    pub fn instances(&self) -> impl Iterator<Item = String> {
        let each = self.instances_each;
        (0..self.services * each).map(move |number| self.instance(number / each, number % each, false))
    }

    /// One instance, at its own address or at another one.
    pub fn instance(&self, service: usize, number: usize, elsewhere: bool) -> String {
        let (namespace, name) = name(service);
        let address = Ipv4Addr::from_bits(
            u32::from_be_bytes([if elsewhere { 11 } else { 10 }, 0, 0, 0])
                + (service * self.instances_each + number) as u32,
        );
        format!(
            "apiVersion: ripstop.io/v1\nkind: Workload\n\
             metadata: {{name: {name}-{number}, namespace: {namespace}, labels: {{app: {name}, version: v1}}}}\n\
             spec:\n  service: {name}\n  address: {address}\n  ports: {{http: {{app: 8080, sidecar: 15006}}}}\n  \
             sidecar: {{admin: 15000, outbound: 15001}}\n"
        )
    }

    /// Namespace and workload of a proxy of the fleet: the first instance of the service of this number.
    pub fn proxy(&self, number: usize) -> (String, String) {
        let (namespace, name) = name(number);
        (namespace, format!("{name}-0"))
    }

    /// Those of the first `proxies` proxies that see a service.
    pub fn concerned(&self, service: usize, proxies: usize) -> Vec<usize> {
        let of = |number: usize| number / SERVICES_EACH;
        let sees = |proxy: &usize| {
            let own = of(*proxy);
            !self.scoped || of(service) == own || of(service) == (own + 1) % self.namespaces()
        };
        (0..proxies).filter(sees).collect()
    }
}

fn name(service: usize) -> (String, String) {
    (format!("ns-{}", service / SERVICES_EACH), format!("svc-{service}"))
}
