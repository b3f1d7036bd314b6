//! Ten years in the life of a mesh under virtual time, with real certificates: the real authority with its successions, the real
//! schedule of each proxy, and peers that judge each other as they would in a handshake. Clocks are up to five minutes off,
//! streams break, the control plane is away for two days at a time, proxies come, go and sleep.
//!
//! `RIPSTOP_SIMULATED_PROXIES` sets how many proxies there are.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ripstop_identity::authority::{Authority, AuthorityConfig};
use ripstop_identity::csr::{PendingKey, VerifiedCsr};
use ripstop_identity::rotation::{Alarm, Rotation, Validity};
use ripstop_identity::succession::{Decision, Patience, Phase, Proof, Successor};
use ripstop_identity::svid::IdentityHandle;
use ripstop_identity::verify::{AllowedIdentities, PeerVerifier};
use ripstop_model::spiffe::SpiffeId;
use rustls_pki_types::CertificateDer;
use webpki::KeyUsage;

use crate::support::{domain, id};
use crate::testdir::TestDir;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Long enough to outlive two days without a control plane from the latest point of renewal on.
const LIFETIME: Duration = Duration::from_secs(7 * 24 * 3600);
const MAX_SKEW: Duration = Duration::from_secs(300);

/// A clock that is off by so many seconds.
#[derive(Clone, Copy)]
struct Skew(i64);

impl Skew {
    fn draw(dice: &mut fastrand::Rng) -> Skew {
        let most = MAX_SKEW.as_secs().cast_signed();
        Skew(dice.i64(-most..=most))
    }

    fn at(self, now: SystemTime) -> SystemTime {
        match u64::try_from(self.0) {
            Ok(ahead) => now + Duration::from_secs(ahead),
            Err(_) => now - Duration::from_secs(self.0.unsigned_abs()),
        }
    }
}

struct Proxy {
    id: SpiffeId,
    csr: VerifiedCsr,
    skew: Skew,
    rotation: Rotation,
    trust: IdentityHandle,
    verifier: PeerVerifier,
    chain: Vec<CertificateDer<'static>>,
    serial: String,
    issued_by: Option<String>,
    received: SystemTime,
    not_after: SystemTime,
    /// Version of what it has confirmed.
    confirmed: Option<String>,
    connected: bool,
    /// Since when the authority has not been reached.
    lost: Option<SystemTime>,
    asleep_until: Option<SystemTime>,
    /// It has slept since it got its certificate: it may have slept through what is left of it, and proves itself anew then.
    slept: bool,
}

#[derive(Debug, Default)]
struct Tally {
    renewals: u64,
    judged: u64,
    alarms: u64,
    false_alarms: u64,
    early_alarms: u64,
    joined: u64,
    issuers: u64,
    roots: u64,
    away_hours: u64,
    attested_again: u64,
    ran_out: u64,
}

struct Mesh {
    authority: Authority,
    control_skew: Skew,
    proxies: Vec<Proxy>,
    dice: fastrand::Rng,
    away_until: SystemTime,
    tally: Tally,
    names: u64,
    _dir: TestDir,
}

impl Mesh {
    fn new(seed: u64, count: usize, now: SystemTime) -> Mesh {
        let dir = TestDir::new();
        let patience =
            Patience { settle: Duration::from_secs(1), after_start: MINUTE, distribute: Duration::ZERO };
        let config = AuthorityConfig { patience, ..AuthorityConfig::new(dir.path(), domain()) };
        let authority = Authority::open(config, now).unwrap();
        let mut dice = fastrand::Rng::with_seed(seed);
        let control_skew = Skew::draw(&mut dice);
        let mut mesh = Mesh {
            authority,
            control_skew,
            proxies: Vec::new(),
            dice,
            away_until: now,
            tally: Tally::default(),
            names: 0,
            _dir: dir,
        };
        for _ in 0..count {
            mesh.join(now);
        }
        mesh
    }

    fn is_away(&self, now: SystemTime) -> bool {
        now < self.away_until
    }

    fn join(&mut self, now: SystemTime) {
        self.names += 1;
        let id = id(&format!("w{}", self.names));
        let trust = IdentityHandle::new(self.authority.trust_bundle());
        let skew = Skew::draw(&mut self.dice);
        let csr = VerifiedCsr::from_pem(PendingKey::generate(&id).unwrap().csr_pem()).unwrap();
        let verifier = PeerVerifier::new(trust.clone(), AllowedIdentities::AnyInTrustDomain);
        let mut proxy = Proxy {
            id,
            csr,
            skew,
            rotation: Rotation::new(skew.at(now)),
            trust,
            verifier,
            chain: Vec::new(),
            serial: String::new(),
            issued_by: None,
            received: now,
            not_after: now,
            confirmed: None,
            connected: false,
            lost: None,
            asleep_until: None,
            slept: false,
        };
        self.issue(&mut proxy, now);
        self.tally.joined += 1;
        self.proxies.push(proxy);
    }

    /// Gives a proxy a certificate, as it asks for one.
    fn issue(&mut self, proxy: &mut Proxy, now: SystemTime) {
        let chain = self.authority.sign(&proxy.csr, &proxy.id, LIFETIME, self.control_skew.at(now)).unwrap();
        if !proxy.serial.is_empty() {
            self.authority.replaced(&proxy.serial);
        }
        let own = proxy.skew.at(now);
        let validity = Validity { not_before: chain.not_before, not_after: chain.not_after };
        proxy.rotation.issued(validity, own, &mut self.dice);
        proxy.issued_by = Some(self.authority.status().issuer);
        proxy.serial = chain.serial;
        proxy.chain = chain.certificates;
        proxy.received = own;
        proxy.not_after = chain.not_after;
        proxy.slept = false;
        self.tally.renewals += 1;
    }

    /// What happens in an hour, apart from what proxies do.
    fn events(&mut self, now: SystemTime) {
        let chance = |dice: &mut fastrand::Rng, in_hours: u64| dice.u64(..in_hours) == 0;
        if !self.is_away(now) {
            // About every two months for two days, and now and then for a while.
            if chance(&mut self.dice, 24 * 60) {
                self.away_until = now + 2 * DAY;
            } else if chance(&mut self.dice, 24 * 14) {
                self.away_until = now + HOUR * self.dice.u32(1..8);
            }
            // Somebody replaces a root twice a year, whatever its age.
            if chance(&mut self.dice, 24 * 180) {
                let _ = self.authority.begin(Successor::Root, self.control_skew.at(now));
            }
            if chance(&mut self.dice, 24 * 60) {
                self.join(now);
                let leaver = self.dice.usize(..self.proxies.len());
                self.proxies.swap_remove(leaver);
            }
        }
        if chance(&mut self.dice, 24 * 30) {
            let sleeper = self.dice.usize(..self.proxies.len());
            let until = now + HOUR * self.dice.u32(1..=48);
            self.proxies[sleeper].asleep_until = Some(until);
            self.proxies[sleeper].slept = true;
        }
        if chance(&mut self.dice, 24 * 30) {
            // A clock is set, within its bounds.
            let at = self.dice.usize(..self.proxies.len());
            self.proxies[at].skew = Skew::draw(&mut self.dice);
        }
    }

    /// What the proxies do in an hour: connect, take what is announced, renew.
    fn proxies_act(&mut self, now: SystemTime) {
        let away = self.is_away(now);
        let announced = Arc::clone(&self.authority.announced().borrow());
        let mut proxies = std::mem::take(&mut self.proxies);
        for proxy in &mut proxies {
            if proxy.asleep_until.is_some_and(|until| now < until) {
                proxy.connected = false;
                continue;
            }
            proxy.asleep_until = None;
            let own = proxy.skew.at(now);
            // A stream breaks now and then, and an announcement is missed with it.
            proxy.connected = !away && self.dice.u32(..20) > 0;
            if proxy.connected {
                if *proxy.trust.trust() != announced.trust {
                    proxy.trust.replace_trust(announced.trust.clone());
                }
                proxy.confirmed = Some(announced.version.clone());
                proxy.lost = None;
                if proxy.issued_by.as_ref() != Some(&announced.issuer) {
                    proxy.rotation.hasten(own, &mut self.dice);
                }
            } else {
                proxy.lost.get_or_insert(own);
            }
            proxy.rotation.reached(proxy.connected, own);
            // Whatever is due in this hour.
            let end = own + HOUR;
            while proxy.rotation.next_attempt() < end {
                let at = proxy.rotation.next_attempt().max(own);
                let expired = at > proxy.not_after;
                if proxy.connected {
                    self.tally.attested_again += u64::from(expired && proxy.slept);
                    self.tally.ran_out += u64::from(expired && !proxy.slept);
                    self.issue(proxy, now);
                } else {
                    proxy.rotation.failed(at, &mut self.dice);
                }
            }
        }
        self.proxies = proxies;
    }

    /// What the control plane does in an hour.
    fn control_acts(&mut self, now: SystemTime) {
        if self.is_away(now) {
            self.tally.away_hours += 1;
            return;
        }
        let own = self.control_skew.at(now);
        self.authority.maintain(own);
        let proofs: Vec<Proof> = self
            .proxies
            .iter()
            // Who sleeps is waited for as long as its certificate is good.
            .filter(|proxy| proxy.asleep_until.is_none() || own <= proxy.not_after)
            .map(|proxy| Proof {
                who: proxy.id.to_string(),
                trusts: proxy.confirmed.clone(),
                issued_by: proxy.issued_by.clone(),
                connected: proxy.connected,
            })
            .collect();
        for seconds in [0, 2] {
            let at = own + Duration::from_secs(seconds);
            let decision = self.authority.decide(&proofs, at);
            if decision == Decision::Begin(Phase::Retire) {
                // The control plane itself would renew here.
                let control = ripstop_identity::control_identity(&domain()).unwrap();
                self.authority.issue_svid(&control, LIFETIME, at).unwrap();
            }
            self.authority.carry_out(&decision, at).unwrap();
        }
    }

    /// Two of those who are awake judge each other, each by its own clock.
    fn judge(&mut self, now: SystemTime) {
        let awake: Vec<&Proxy> = self
            .proxies
            .iter()
            // Somebody who has just woken up takes part when it has found the control plane again.
            .filter(|proxy| proxy.asleep_until.is_none() && (proxy.connected || !proxy.slept))
            .collect();
        if awake.len() < 2 {
            return;
        }
        let one = awake[self.dice.usize(..awake.len())];
        let other = awake[self.dice.usize(..awake.len())];
        for (judge, peer) in [(one, other), (other, one)] {
            let [leaf, rest @ ..] = peer.chain.as_slice() else { panic!("no certificate") };
            let verdict = judge.verifier.verify(leaf, rest, KeyUsage::client_auth(), judge.skew.at(now));
            self.tally.judged += 1;
            verdict.unwrap_or_else(|error| {
                let status = self.authority.status();
                panic!("{} s: {error}; {status:?}", now.duration_since(start()).unwrap().as_secs())
            });
        }
    }

    fn watch_alarms(&mut self, now: SystemTime) {
        for proxy in self.proxies.iter().filter(|proxy| proxy.asleep_until.is_none() && !proxy.slept) {
            let own = proxy.skew.at(now);
            let life = proxy.not_after.duration_since(proxy.received).unwrap_or_default();
            let share = |at: SystemTime| {
                at.duration_since(proxy.received).unwrap_or_default().as_secs_f64() / life.as_secs_f64()
            };
            let alarm = proxy.rotation.alarm(own);
            assert!(alarm < Alarm::Expired, "{} has expired: {:?}", proxy.id, proxy.rotation);
            self.tally.alarms += u64::from(alarm == Alarm::Warn);
            match proxy.lost {
                // Away since before 54 % of life: before 60 % there has to be an alarm.
                Some(lost) if share(lost) < 0.54 && share(own) >= 0.6 => {
                    assert_eq!(
                        alarm,
                        Alarm::Warn,
                        "{} at {:.3}, lost at {:.3}",
                        proxy.id,
                        share(own),
                        share(lost)
                    );
                    self.tally.early_alarms += 1;
                }
                None => {
                    self.tally.false_alarms += u64::from(alarm == Alarm::Warn);
                    assert!(
                        share(own) < 0.75,
                        "{} was not renewed by {:.3} of its life",
                        proxy.id,
                        share(own)
                    );
                }
                Some(_) => {}
            }
        }
    }
}

fn start() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

#[test]
fn ten_years_without_an_outage() {
    let count = std::env::var("RIPSTOP_SIMULATED_PROXIES").ok();
    let count = count.and_then(|count| count.parse().ok()).unwrap_or(8);
    let mut mesh = Mesh::new(11, count, start());
    let mut now = start();
    for hour in 0..10 * 365 * 24 {
        now += HOUR;
        mesh.events(now);
        mesh.proxies_act(now);
        mesh.control_acts(now);
        if hour % 4 == 0 {
            mesh.judge(now);
        }
        mesh.watch_alarms(now);
    }
    let status = mesh.authority.status();
    mesh.tally.issuers = status.issuers_replaced;
    mesh.tally.roots = status.roots_replaced;
    println!("{count} proxies, 10 years: {:?}", mesh.tally);
    let tally = &mesh.tally;
    assert_eq!(tally.ran_out, 0, "a certificate ran out");
    assert_eq!(tally.false_alarms, 0);
    assert!(tally.roots >= 8 && tally.issuers >= 1, "{tally:?}");
    assert!(tally.early_alarms > 0 && tally.away_hours > 24 * 30 && tally.judged > 10_000, "{tally:?}");
}
