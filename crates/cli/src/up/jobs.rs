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
            format!("--trust-domain={}", self.plan.mesh.trust_domain.as_str()).into(),
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
        Some(self.own(proxy_name(instance), stage, args, readiness, Some(token)))
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

/// Name of the proxy of an instance among the processes.
pub fn proxy_name(instance: &Instance) -> String {
    format!("{}.proxy", instance.name)
}
