//! The command line, environment and readiness of each process of a plan.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ripstop_model::node::Role;

use crate::up::job::{Job, Stage, TokenRequest};
use crate::up::plan::{App, Instance, Plan, Proxy};
use crate::up::process::CommandLine;
use crate::up::readiness::Readiness;
use crate::up::request::Server;
use crate::up::state_dir::StateDir;

/// Name of the control plane among the processes.
pub const CONTROL: &str = "control";
/// How long a proxy lets requests finish when it is stopped; below the time after which it is killed.
const DRAIN_TIME_S: u32 = 3;

/// Makes jobs that keep their state in one directory.
#[derive(Debug)]
pub struct Jobs<'a> {
    /// This binary.
    pub executable: &'a Path,
    /// Where sockets, tokens and logs are.
    pub state: &'a StateDir,
    /// The documents of the mesh, absolute.
    pub documents: &'a [PathBuf],
    /// What is run.
    pub plan: &'a Plan,
}

impl Jobs<'_> {
    /// The control plane.
    pub fn control(&self) -> Job {
        let control = self.plan.mesh.control;
        let mut args: Vec<OsString> = vec!["control".into(), "--config".into()];
        args.extend(self.documents.iter().map(OsString::from));
        args.extend([
            OsString::from("--state-dir"),
            self.state.root().into(),
            format!("--xds-listen={}", control.xds).into(),
            format!("--api-listen={}", control.api).into(),
            OsString::from("--api-loopback=read"),
        ]);
        let readiness = Readiness::Http(self.control_server(), "/ready".to_owned());
        self.own(CONTROL.to_owned(), Stage::Control, args, readiness, None)
    }

    /// The proxy of an instance, if it has one.
    pub fn proxy(&self, instance: &Instance) -> Option<Job> {
        let Proxy { node, admin, concurrency, .. } = instance.proxy.as_ref()?;
        let token_file = self.state.token_file(&instance.name);
        let mut args: Vec<OsString> = vec![
            "proxy".into(),
            format!("--service-node={node}").into(),
            format!("--identity={}", instance.identity).into(),
            format!("--control={}", self.plan.mesh.control.xds).into(),
            "--trust-root".into(),
            self.state.trust_root().into(),
            "--token-file".into(),
            token_file.clone().into(),
            format!("--admin={admin}").into(),
            format!("--drain-time-s={DRAIN_TIME_S}").into(),
        ];
        if let Some(workers) = concurrency {
            args.push(format!("--concurrency={workers}").into());
        }
        let token = TokenRequest {
            control: self.control_server(),
            namespace: node.namespace.to_string(),
            workload: node.workload.to_string(),
            file: token_file,
        };
        let stage = match node.role {
            Role::Gateway => Stage::Gateway,
            Role::Sidecar => Stage::Sidecar,
        };
        let readiness = Readiness::Http(Server::Tcp(*admin), "/ready".to_owned());
        Some(self.own(format!("{}.proxy", instance.name), stage, args, readiness, Some(token)))
    }

    /// The application of an instance, if it has one.
    pub fn app(&self, instance: &Instance) -> Option<Job> {
        let App { program, args, env, cwd, address, health_path } = instance.app.as_ref()?;
        let readiness = match (address, health_path) {
            (Some(address), Some(path)) => Readiness::Http(Server::Tcp(*address), path.to_string()),
            (Some(address), None) => Readiness::Tcp(*address),
            (None, _) => Readiness::Running,
        };
        let name = format!("{}.app", instance.name);
        Some(Job {
            log_file: self.state.log_file(&name),
            name,
            stage: Stage::App,
            command: CommandLine {
                program: program.into(),
                args: args.iter().map(OsString::from).collect(),
                env: env.iter().map(|(name, value)| (name.clone(), value.clone())).collect(),
                cwd: cwd.clone(),
            },
            readiness,
            token: None,
        })
    }

    /// A process of this same binary.
    fn own(
        &self,
        name: String,
        stage: Stage,
        args: Vec<OsString>,
        readiness: Readiness,
        token: Option<TokenRequest>,
    ) -> Job {
        let command = CommandLine { program: self.executable.into(), args, env: Vec::new(), cwd: None };
        Job { log_file: self.state.log_file(&name), name, stage, command, readiness, token }
    }

    fn control_server(&self) -> Server {
        Server::Unix(self.state.control_socket())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::up::plan::tests::{MESH, plan};
    use crate::up::state_dir::tests::Scratch;

    /// The jobs of the written mesh, with the state directory shown as `STATE`.
    fn words(job: &Job, state: &StateDir) -> String {
        let args: Vec<_> = job.command.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect();
        args.join(" ").replace(&*state.root().to_string_lossy(), "STATE")
    }

    #[test]
    fn processes_of_this_binary_are_told_where_everything_is() {
        let (scratch, plan) = (Scratch::new(), plan(MESH));
        let state = StateDir::open(scratch.0.clone()).unwrap();
        let documents = [PathBuf::from("/a"), PathBuf::from("/b.yaml")];
        let executable = Path::new("/bin/ripstop");
        let jobs = Jobs { executable, state: &state, documents: &documents, plan: &plan };

        let control = jobs.control();
        assert_eq!(
            words(&control, &state),
            "control --config /a /b.yaml --state-dir STATE --xds-listen=127.0.0.1:15012 \
             --api-listen=127.0.0.1:15014 --api-loopback=read"
        );
        assert_eq!(control.log_file, state.logs().join("control.log"));

        let gateway = jobs.proxy(&plan.instances[0]).unwrap();
        assert_eq!((gateway.name.as_str(), gateway.stage), ("edge.proxy", Stage::Gateway));
        let sidecar = jobs.proxy(&plan.instances[1]).unwrap();
        assert_eq!((sidecar.name.as_str(), sidecar.stage), ("users-1.proxy", Stage::Sidecar));
        assert_eq!(
            words(&sidecar, &state),
            "proxy --service-node=sidecar~127.0.0.1~users-1.default~default.svc.cluster.local \
             --identity=spiffe://cluster.local/ns/default/sa/users --control=127.0.0.1:15012 \
             --trust-root STATE/trust-root.pem --token-file STATE/tokens/users-1 --admin=127.0.0.1:9902 \
             --drain-time-s=3"
        );
        assert_eq!(sidecar.token.unwrap().workload, "users-1");
        assert!(jobs.app(&plan.instances[0]).is_none());
    }

    #[test]
    fn an_application_is_ready_when_its_health_path_answers() {
        let (scratch, plan) = (Scratch::new(), plan(MESH));
        let state = StateDir::open(scratch.0.clone()).unwrap();
        let jobs = Jobs { executable: Path::new("/bin/ripstop"), state: &state, documents: &[], plan: &plan };
        let app = jobs.app(&plan.instances[1]).unwrap();
        let port = Server::Tcp("127.0.0.1:8081".parse().unwrap());
        assert_eq!(app.readiness, Readiness::Http(port, "/health".to_owned()));
        assert_eq!((app.name.as_str(), app.stage, app.token), ("users-1.app", Stage::App, None));
    }
}
