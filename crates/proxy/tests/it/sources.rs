//! Configuration from files that are followed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ripstop_model::{ConfigFile, Snapshot};
use ripstop_proxy::sources::files::follow_files;
use ripstop_xds::client::{self, Ends, Following, Origin, WantedFiles};
use tokio::sync::{mpsc, watch};

const DEADLINE: Duration = Duration::from_secs(20);

/// A directory with files, and the proxy's side that follows them.
struct Files {
    root: PathBuf,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl Files {
    fn follow(name: &str) -> Files {
        let root = std::env::temp_dir().join(format!("ripstop-{name}-{}", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let (sender, snapshots) = watch::channel(None);
        let files = Files { root, snapshots };
        files.write("lds.yaml", &listener(&files.path("rds.yaml")));
        files.write("cds.yaml", &cluster("c", &files.path("eds.yaml")));
        files.write("eds.yaml", &endpoints(1));
        files.write("rds.yaml", &routes("/a"));
        let origin = |file: &str| {
            let file = Some(ConfigFile::new(files.path(file)));
            Some(Origin { file, initial_timeout: Some(Origin::DEFAULT_INITIAL_TIMEOUT) })
        };
        let following =
            Following { listeners: origin("lds.yaml"), clusters: origin("cds.yaml"), ..Following::default() };
        let (files_sender, wanted) = watch::channel(WantedFiles::new());
        let (said, updates) = mpsc::channel(4);
        let ends = Ends { files: files_sender, updates, ..Ends::of_ads(sender, Arc::default()) };
        tokio::spawn(follow_files(wanted, said));
        tokio::spawn(client::run(following, None, ends, std::future::pending()));
        files
    }

    fn path(&self, name: &str) -> String {
        self.root.join(name).display().to_string()
    }

    /// Moves a file into place.
    fn write(&self, name: &str, text: &str) {
        fs::write(self.root.join("new"), text).unwrap();
        fs::rename(self.root.join("new"), self.root.join(name)).unwrap();
    }

    async fn until(&mut self, condition: impl Fn(&Snapshot) -> bool) -> Arc<Snapshot> {
        let wait = self.snapshots.wait_for(|latest| latest.as_deref().is_some_and(&condition));
        tokio::time::timeout(DEADLINE, wait).await.expect("in time").unwrap().clone().unwrap()
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

const TYPE: &str = "type.googleapis.com/envoy";

fn listener(rds: &str) -> String {
    format!(
        "resources:
- \"@type\": {TYPE}.config.listener.v3.Listener
  name: l
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
  filter_chains:
  - filters:
    - name: envoy.filters.network.http_connection_manager
      typed_config:
        \"@type\": {TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
        stat_prefix: in
        rds: {{route_config_name: r, config_source: {{path_config_source: {{path: {rds}}}}}}}
        http_filters:
        - name: envoy.filters.http.router
          typed_config: {{\"@type\": {TYPE}.extensions.filters.http.router.v3.Router}}
"
    )
}

fn cluster(name: &str, eds: &str) -> String {
    format!(
        "resources:
- {{\"@type\": {TYPE}.config.cluster.v3.Cluster, name: {name}, type: EDS,
   eds_cluster_config: {{service_name: svc, eds_config: {{path_config_source: {{path: {eds}}}}}}}}}
"
    )
}

fn endpoints(port: u16) -> String {
    let address = format!("{{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}");
    format!(
        "resources:
- {{\"@type\": {TYPE}.config.endpoint.v3.ClusterLoadAssignment, cluster_name: svc,
   endpoints: [{{lb_endpoints: [{{endpoint: {{address: {address}}}}}]}}]}}
"
    )
}

fn routes(prefix: &str) -> String {
    format!(
        "resources:
- {{\"@type\": {TYPE}.config.route.v3.RouteConfiguration, name: r, virtual_hosts: [
    {{name: v, domains: [\"*\"], routes: [{{match: {{prefix: {prefix}}}, route: {{cluster: c}}}}]}}]}}
"
    )
}

fn port(snapshot: &Snapshot) -> Option<u16> {
    let endpoint = snapshot.endpoints.get("svc")?.localities.first()?.endpoints.first()?;
    Some(endpoint.address.as_socket()?.port())
}

#[tokio::test]
async fn files_are_followed_and_bad_ones_change_nothing() {
    let mut files = Files::follow("files");
    let first = files.until(|_| true).await;
    assert_eq!((first.listeners.len(), first.routes.len(), port(&first)), (1, 1, Some(1)));
    assert_eq!(first.dangling(), [""; 0], "the first one is whole");

    files.write("eds.yaml", &endpoints(2));
    let second = files.until(|snapshot| port(snapshot) == Some(2)).await;
    assert!(Arc::ptr_eq(&first.routes["r"], &second.routes["r"]));

    // Neither nonsense nor a file that is gone takes anything away.
    files.write("cds.yaml", "resources: [{\"@type\": nonsense}]");
    fs::remove_file(files.root.join("rds.yaml")).unwrap();
    // Written in place, it counts as well.
    fs::write(files.root.join("eds.yaml"), endpoints(3)).unwrap();
    let third = files.until(|snapshot| port(snapshot) == Some(3)).await;
    assert!(Arc::ptr_eq(&second.clusters["c"], &third.clusters["c"]));
    assert!(Arc::ptr_eq(&second.routes["r"], &third.routes["r"]));

    // What comes back good is in force again, and what is gone from a good file goes.
    files.write("rds.yaml", &routes("/b"));
    files.write("cds.yaml", &cluster("d", &files.path("eds.yaml")));
    files.until(|snapshot| snapshot.routes["r"] != third.routes["r"]).await;
    files.until(|snapshot| snapshot.clusters.contains_key("d")).await;
}
