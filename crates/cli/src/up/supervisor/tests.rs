//! Real processes under supervision. A script stands in for the binary: it becomes the child as `exec-child` does, and writes
//! down what a guard is told.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::up::guard::Guard;
use crate::up::process::CommandLine;
use crate::up::readiness::Readiness;
use crate::up::state_dir::tests::Scratch;

struct Setting {
    scratch: Scratch,
    launcher: Arc<Launcher>,
}

impl Setting {
    fn new() -> Self {
        let scratch = Scratch::new();
        let executable = scratch.0.join("ripstop");
        let told = scratch.0.join("told");
        let script = format!(
            "#!/bin/sh\ncase $1 in\n  guard) exec cat > {} ;;\n  exec-child) shift 3; exec \"$@\" ;;\nesac\n",
            told.display()
        );
        fs::write(&executable, script).unwrap();
        fs::set_permissions(&executable, fs::Permissions::from_mode(0o700)).unwrap();
        let guard = Guard::start(&executable).unwrap();
        Self { launcher: Arc::new(Launcher { executable, guard }), scratch }
    }

    fn job(&self, name: &str, stage: Stage, script: &str) -> Job {
        let script = script.replace("$DIR", &self.scratch.0.display().to_string());
        Job {
            name: name.to_owned(),
            stage,
            command: CommandLine {
                program: "sh".into(),
                args: vec!["-c".into(), script.into()],
                env: Vec::new(),
                cwd: None,
            },
            readiness: Readiness::Running,
            token: None,
            log_file: self.log_file(name),
        }
    }

    fn log_file(&self, name: &str) -> PathBuf {
        self.scratch.0.join(format!("{name}.log"))
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.scratch.0.join(name)).unwrap_or_default()
    }

    /// Waits for a file to have content.
    async fn written(&self, name: &str) -> String {
        let wait = async {
            while self.read(name).is_empty() {
                sleep(Duration::from_millis(2)).await;
            }
            self.read(name)
        };
        timeout(Duration::from_secs(10), wait).await.unwrap()
    }
}

async fn next(events: &mut mpsc::Receiver<Event>) -> Event {
    timeout(Duration::from_secs(10), events.recv()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_process_that_ends_is_started_again() {
    let setting = Setting::new();
    let (mut fleet, mut events) = Fleet::new(Arc::clone(&setting.launcher));
    // The first time it fails, the second time it stays.
    let script =
        "if [ -e $DIR/second ]; then exec sleep 1000; fi; sleep 0.1; touch $DIR/second; echo oh; exit 7";
    fleet.launch(setting.job("a", Stage::App, script));
    assert!(matches!(next(&mut events).await, Event::Ready { .. }));
    match next(&mut events).await {
        Event::Ended(failure) => {
            assert_eq!(failure.to_string(), "a ended with status 7");
            assert_eq!(failure.log_lines, ["oh"]);
        }
        other => panic!("{other:?}"),
    }
    assert!(matches!(next(&mut events).await, Event::Restarted { .. }));
    drop(events);
    fleet.stop(std::future::pending()).await;
    setting.launcher.guard.dismiss();
    let told = setting.read("told");
    let words: Vec<&str> = told.lines().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(words, ["started", "ended", "started", "ended", "done"]);
}

#[tokio::test]
async fn a_restart_that_fails_as_before_is_told_once() {
    let setting = Setting::new();
    let (mut fleet, mut events) = Fleet::new(Arc::clone(&setting.launcher));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let script = "echo x >> $DIR/runs; if [ -e $DIR/stay ]; then exec sleep 1000; fi; if [ -e $DIR/fail ]; then \
                  echo again; exit 7; fi; echo first; while [ ! -e $DIR/fail ]; do sleep 0.01; done";
    let mut job = setting.job("a", Stage::App, script);
    job.readiness = Readiness::Tcp(address);
    fleet.launch(job);
    assert!(matches!(next(&mut events).await, Event::Ready { .. }));
    setting.written("a.log").await;
    drop(listener);
    fs::write(setting.scratch.0.join("fail"), "").unwrap();
    match next(&mut events).await {
        Event::Ended(failure) => assert_eq!(failure.log_lines, ["first"]),
        other => panic!("{other:?}"),
    }
    match next(&mut events).await {
        Event::RestartFailed(failure) => assert_eq!(failure.log_lines, ["again"], "of this run alone"),
        other => panic!("{other:?}"),
    }
    while setting.read("runs").lines().count() < 4 {
        sleep(Duration::from_millis(2)).await;
    }
    let _listener = std::net::TcpListener::bind(address).unwrap();
    fs::write(setting.scratch.0.join("stay"), "").unwrap();
    assert!(matches!(next(&mut events).await, Event::Restarted { .. }));
    drop(events);
    fleet.stop(std::future::pending()).await;
    setting.launcher.guard.dismiss();
}

#[tokio::test]
async fn stages_end_one_after_the_other() {
    let setting = Setting::new();
    let (mut fleet, mut events) = Fleet::new(Arc::clone(&setting.launcher));
    let jobs =
        [("control", Stage::Control), ("app", Stage::App), ("edge", Stage::Gateway), ("car", Stage::Sidecar)];
    for (name, stage) in jobs {
        let script = format!(
            "trap 'echo {name} >> $DIR/order; exit 0' TERM; echo up > $DIR/{name}.up; while :; do sleep 0.01; done"
        );
        fleet.launch(setting.job(name, stage, &script));
    }
    for (name, _) in jobs {
        assert!(matches!(next(&mut events).await, Event::Ready { .. }));
        setting.written(&format!("{name}.up")).await;
    }
    drop(events);
    fleet.stop(std::future::pending()).await;
    assert_eq!(setting.read("order"), "edge\napp\ncar\ncontrol\n");
    setting.launcher.guard.dismiss();
}

#[tokio::test]
async fn who_is_in_a_hurry_waits_for_nobody() {
    let setting = Setting::new();
    let (mut fleet, mut events) = Fleet::new(Arc::clone(&setting.launcher));
    fleet.launch(setting.job(
        "deaf",
        Stage::App,
        "trap '' TERM; echo up > $DIR/deaf.up; while :; do sleep 0.01; done",
    ));
    assert!(matches!(next(&mut events).await, Event::Ready { .. }));
    setting.written("deaf.up").await;
    drop(events);
    timeout(GRACE / 2, fleet.stop(std::future::ready(()))).await.unwrap();
    setting.launcher.guard.dismiss();
}

#[tokio::test]
async fn a_process_that_is_never_ready_is_given_up() {
    let setting = Setting::new();
    let (mut fleet, mut events) = Fleet::new(Arc::clone(&setting.launcher));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let mut job = setting.job("a", Stage::App, "echo port taken >&2; exit 1");
    job.readiness = Readiness::Tcp(address);
    fleet.launch(job);
    match next(&mut events).await {
        Event::Failed(failure) => {
            assert_eq!(failure.to_string(), "a ended with status 1");
            assert_eq!(failure.log_lines, ["port taken"]);
            assert_eq!(failure.log_file, setting.log_file("a"));
        }
        other => panic!("{other:?}"),
    }
    drop(events);
    fleet.stop(std::future::pending()).await;
    setting.launcher.guard.dismiss();
}

#[tokio::test]
async fn children_of_children_end_with_them() {
    let setting = Setting::new();
    let (mut fleet, mut events) = Fleet::new(Arc::clone(&setting.launcher));
    fleet.launch(setting.job("a", Stage::App, "sleep 1000 & echo $! > $DIR/grandchild; wait"));
    assert!(matches!(next(&mut events).await, Event::Ready { .. }));
    let grandchild = setting.written("grandchild").await;
    drop(events);
    fleet.stop(std::future::pending()).await;
    setting.launcher.guard.dismiss();
    let gone = async {
        // A process that waits to be collected by init counts as gone.
        let stat = PathBuf::from(format!("/proc/{}/stat", grandchild.trim()));
        while fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(Duration::from_secs(10), gone).await.unwrap();
}
