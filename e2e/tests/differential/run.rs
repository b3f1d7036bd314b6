//! One case: both proxies at once, each with upstreams of its own, then the comparison.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::answer::Answer;
use crate::case::{Action, Case, Differs, Exchange, Step};
use crate::client::{self, Connection, Target};
use crate::compare::Comparison;
use crate::normal::Normal;
use crate::proxy::{Failure, Kind, Proxy};
use crate::template::{self, Names};
use crate::upstream::{self, Recorder};

/// What all cases share.
pub struct Context {
    pub envoy: PathBuf,
    pub ripstop: PathBuf,
    pub scratch: PathBuf,
    /// The differences that are meant.
    pub known: BTreeSet<String>,
}

/// Longest wait for what comes after the answer: copies of a request, the ends of bodies, lines of logs.
const LATE: Duration = Duration::from_secs(2);

/// How long a change of files may take to have an effect.
const CHANGE_TIMEOUT: Duration = Duration::from_secs(10);

/// Starts with ports that somebody else took in the meantime are tried again.
const START_TRIES: u32 = 3;

/// What one side did.
struct Side {
    answers: Vec<Answer>,
    log: Vec<String>,
    refused: Option<String>,
}

/// Runs a case. Gives what is to be shown.
///
/// # Errors
/// With a report of every difference.
pub async fn case(context: &Context, case: &Case) -> Result<String, String> {
    unknown_differences(context, case)?;
    let (envoy, ripstop) = tokio::join!(side(context, case, Kind::Envoy), side(context, case, Kind::Ripstop));
    let (envoy, ripstop) = (envoy?, ripstop?);
    if let Some(wanted) = &case.refused {
        return refused(wanted, &envoy, &ripstop);
    }
    let mut report = String::new();
    let show = std::env::var_os("SHOW").is_some();
    let mut shown = String::new();
    for (index, step) in case.steps.iter().enumerate() {
        let (of_envoy, of_ripstop) = (&envoy.answers[index], &ripstop.answers[index]);
        let differs: Vec<Differs> = case.differs.iter().chain(&step.differs).cloned().collect();
        let comparison = Comparison::new(of_envoy, of_ripstop, &differs, step);
        let mut problems = Vec::new();
        if !comparison.is_alike() {
            problems.push("the answers differ".to_owned());
        }
        let stale = comparison.stale(&step.differs);
        if !stale.is_empty() {
            problems.push(format!("`differs` names what does not differ: {}", stale.join(", ")));
        }
        problems.extend(expectations(step, of_envoy));
        if !problems.is_empty() {
            let words = problems.join("; ");
            let request = described(step);
            report.push_str(&format!(
                "request {index}: {}: {words}\n{request}{}",
                step.name,
                comparison.table()
            ));
        } else if show {
            shown.push_str(&format!("\nrequest {index}: {}\n{}", step.name, comparison.table()));
        }
    }
    if case.log {
        report.push_str(&logs(case, &envoy.log, &ripstop.log));
    }
    if show {
        shown.push_str("\nlog of Envoy\n");
        envoy.log.iter().for_each(|line| shown.push_str(&format!("    {line}\n")));
    }
    if report.is_empty() { Ok(shown) } else { Err(format!("{report}{shown}")) }
}

fn unknown_differences(context: &Context, case: &Case) -> Result<(), String> {
    let all = case.differs.iter().chain(case.steps.iter().flat_map(|step| &step.differs));
    let unknown: Vec<&str> =
        all.filter(|one| !context.known.contains(&one.why)).map(|one| one.why.as_str()).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "docs/xds-support.md does not explain under `Deliberate differences`: {}",
        unknown.join(", ")
    ))
}

fn refused(wanted: &str, envoy: &Side, ripstop: &Side) -> Result<String, String> {
    match (&envoy.refused, &ripstop.refused) {
        (Some(_), Some(said)) if said.contains(wanted) => Ok(String::new()),
        (Some(_), Some(said)) => Err(format!("Ripstop does not say {wanted:?} but:\n{said}")),
        (None, _) => Err("Envoy takes this configuration".to_owned()),
        (_, None) => Err("Ripstop takes this configuration".to_owned()),
    }
}

/// What the case says of the answer and Envoy does not do: then the case is not about what it thinks it is.
fn expectations(step: &Step, envoy: &Answer) -> Vec<String> {
    let mut problems = Vec::new();
    if let Some(status) = step.status.filter(|status| *status != envoy.status()) {
        problems.push(format!("the case says status {status}, Envoy {}", envoy.status()));
    }
    if let Some(seen) = &step.seen {
        let said = seen.join(" ");
        let upstreams = envoy.get("upstreams").unwrap_or_default();
        if said != upstreams {
            problems.push(format!("the case says upstreams `{said}`, Envoy `{upstreams}`"));
        }
    }
    problems
}

fn described(step: &Step) -> String {
    match &step.action {
        Action::Request(request) => format!(
            "    > {} {} {:?} {:?} body of {} bytes\n",
            request.method,
            request.path,
            request.protocol,
            request.headers,
            request.body.len()
        ),
        Action::Bytes(exchanges) => {
            let sent = exchanges.iter().filter_map(|one| match one {
                Exchange::Send(bytes) => Some(format!("    > {}\n", bytes.escape_ascii())),
                _ => None,
            });
            sent.collect()
        }
        Action::Write(_) => String::new(),
    }
}

fn logs(case: &Case, envoy: &[String], ripstop: &[String]) -> String {
    if envoy == ripstop || case.differs.iter().any(|one| one.field == "log") {
        return String::new();
    }
    let mut report = String::from("the access logs differ\n");
    for index in 0..envoy.len().max(ripstop.len()) {
        let (of_envoy, of_ripstop) = (envoy.get(index), ripstop.get(index));
        let absent = "(absent)".to_owned();
        if of_envoy == of_ripstop {
            continue;
        }
        report.push_str(&format!("  ≠ line {index}\n      Envoy    {}\n", of_envoy.unwrap_or(&absent)));
        report.push_str(&format!("      Ripstop  {}\n", of_ripstop.unwrap_or(&absent)));
    }
    report
}

async fn side(context: &Context, case: &Case, kind: Kind) -> Result<Side, String> {
    let words = |error: String| format!("{}: {error}", kind.name());
    let directory = context.scratch.join(case.name.replace('/', "-")).join(kind.name());
    std::fs::create_dir_all(&directory).unwrap();
    let recorder = Recorder::default();
    let certificates = context.scratch.join("certs");
    let texts: Vec<&String> = case.files.values().chain([&case.config]).collect();
    let upstreams =
        texts.iter().flat_map(|text| template::upstreams(text)).chain(case.upstreams.keys().cloned());
    let upstreams: BTreeSet<String> = upstreams.collect();
    let upstreams: Vec<String> = upstreams.into_iter().collect();
    let ports = upstream::start(&upstreams, &case.upstreams, &certificates, &recorder).await;
    let mut names = Names {
        directory: directory.clone(),
        certificates,
        upstreams: ports,
        listeners: Default::default(),
        closed: Default::default(),
    };
    for attempt in 1.. {
        names.listeners.clear();
        for (file, text) in &case.files {
            let text = names.render(text).map_err(words)?;
            std::fs::write(directory.join(file), text).unwrap();
        }
        let config = names.render(&case.config).map_err(words)?;
        let path = directory.join("config.yaml");
        std::fs::write(&path, config).unwrap();
        let binary = if kind == Kind::Envoy { &context.envoy } else { &context.ripstop };
        let listeners: Vec<u16> = names.listeners.values().copied().collect();
        let admin = names.listeners.get("admin").copied();
        match Proxy::start(kind, binary, &path, admin, &listeners).await {
            Ok(proxy) => return drive(case, proxy, names, &recorder).await.map_err(words),
            Err(Failure::Refused(said)) if case.refused.is_some() => {
                return Ok(Side { answers: Vec::new(), log: Vec::new(), refused: Some(said) });
            }
            Err(Failure::Refused(said)) if said.contains("in use") && attempt < START_TRIES => {}
            Err(Failure::Refused(said)) => return Err(words(format!("it does not start:\n{said}"))),
            Err(Failure::NotReady(said)) => return Err(words(format!("it does not get ready:\n{said}"))),
        }
    }
    Err(words("no ports".to_owned()))
}

async fn drive(case: &Case, proxy: Proxy, mut names: Names, recorder: &Recorder) -> Result<Side, String> {
    let mut answers = Vec::new();
    let mut kept = None;
    for step in &case.steps {
        recorder.take();
        let action = rendered(&step.action, &mut names)?;
        let mut answer = match &action {
            Action::Write(files) => write(files, &names),
            _ => match &step.shares {
                Some((repeat, shares)) => {
                    let mut all = Answer::default();
                    let mut counts = std::collections::BTreeMap::<String, f64>::new();
                    for _ in 0..*repeat {
                        let (_, left) = ask(step, &action, &names, kept.take()).await;
                        kept = left;
                        for seen in recorder.take() {
                            *counts.entry(seen.upstream).or_default() += 1.0 / f64::from(*repeat);
                        }
                    }
                    let is_near = |(name, share): (&String, &f64)| {
                        (counts.get(name).copied().unwrap_or(0.0) - share).abs() <= step.tolerance
                    };
                    let near =
                        shares.iter().all(is_near) && counts.keys().all(|name| shares.contains_key(name));
                    all.add("shares", if near { format!("{shares:?}") } else { format!("{counts:?}") });
                    answers.push(all);
                    continue;
                }
                None => {
                    let (answer, left) = until(step, &action, &names, kept.take(), recorder).await;
                    kept = left;
                    answer
                }
            },
        };
        settle(step, recorder).await;
        let mut seen = recorder.take();
        if step.seen.is_some() {
            seen.sort_by(|a, b| a.upstream.cmp(&b.upstream));
        }
        answer.add_seen(&seen);
        answers.push(answer);
    }
    drop(kept);
    let normal = Normal::new(&names);
    let log = end(case, proxy, &names, &normal).await?;
    answers.iter_mut().for_each(|answer| normal.answer(answer));
    Ok(Side { answers, log, refused: None })
}

async fn until(
    step: &Step,
    action: &Action,
    names: &Names,
    mut kept: Option<Connection>,
    recorder: &Recorder,
) -> (Answer, Option<Connection>) {
    let deadline = Instant::now() + CHANGE_TIMEOUT;
    loop {
        let (answer, left) = ask(step, action, names, kept.take()).await;
        let good = step.until_status.is_none_or(|status| status == answer.status());
        if good || Instant::now() > deadline {
            return (answer, left);
        }
        recorder.take();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn ask(
    step: &Step,
    action: &Action,
    names: &Names,
    kept: Option<Connection>,
) -> (Answer, Option<Connection>) {
    let target = match &step.unix {
        Some(name) => Target::Unix(names.directory.join(name)),
        None => match names.listeners.get(&step.listener) {
            Some(port) => Target::Port(*port),
            None => {
                let mut answer = Answer::default();
                answer.add("connection", format!("the configuration has no listener `{}`", step.listener));
                return (answer, None);
            }
        },
    };
    client::ask(step, action, &target, &names.certificates, kept).await
}

fn write(files: &std::collections::BTreeMap<String, String>, names: &Names) -> Answer {
    for (file, text) in files {
        let beside = names.directory.join(format!("{file}.new"));
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, names.directory.join(file)).unwrap();
    }
    Answer::default()
}

/// Waits until the upstreams have seen what they are to see.
async fn settle(step: &Step, recorder: &Recorder) {
    let wanted = step.seen.as_ref().map_or(0, Vec::len);
    let deadline = Instant::now() + LATE;
    loop {
        let (done, all) = recorder.count();
        if (done == all && all >= wanted) || Instant::now() > deadline {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Ends the proxy and reads its access log.
async fn end(case: &Case, proxy: Proxy, names: &Names, normal: &Normal) -> Result<Vec<String>, String> {
    let path = names.directory.join("access.log");
    let read = || std::fs::read_to_string(&path).unwrap_or_default();
    if case.log {
        // Lines are written when a stream ends, shortly after its answer.
        let asks = case.requests();
        let deadline = Instant::now() + Duration::from_millis(300);
        while read().lines().count() < asks && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    proxy.end().await?;
    Ok(read().lines().map(|line| normal.log(line)).collect())
}

fn rendered(action: &Action, names: &mut Names) -> Result<Action, String> {
    Ok(match action {
        Action::Write(files) => {
            let mut out = std::collections::BTreeMap::new();
            for (file, text) in files {
                out.insert(file.clone(), names.render(text)?);
            }
            Action::Write(out)
        }
        Action::Request(request) => {
            let mut request = request.clone();
            request.path = names.render(&request.path)?;
            for (_, value) in &mut request.headers {
                *value = names.render(value)?;
            }
            Action::Request(request)
        }
        Action::Bytes(exchanges) => {
            let mut out = Vec::new();
            for one in exchanges {
                out.push(match one {
                    Exchange::Send(bytes) => {
                        let text = names.render(&crate::http1::text(bytes))?;
                        Exchange::Send(crate::case::latin1(&text))
                    }
                    Exchange::Admin { path, .. } => {
                        let port = names.listeners.get("admin").copied().unwrap_or(0);
                        Exchange::Admin { path: path.clone(), port }
                    }
                    other => other.clone(),
                });
            }
            Action::Bytes(out)
        }
    })
}
