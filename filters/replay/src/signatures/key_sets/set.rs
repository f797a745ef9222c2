//! One set of keys: fetched by one worker, found in the store by all.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use fluent_uri::Uri;
use meshward_engine::store::{self, digest, open, seal};
use meshward_engine::{Callout, CalloutOutcome, CalloutRequest, Host, Level, TickScope};
use meshward_signatures::{JwkSet, Keys};

use super::state::{State, Times};
use crate::signatures::config::KeySetConfig;

const TAG: [u8; 8] = *b"1jwks\0\0\0";
/// The longest set, in bytes.
const MOST_BYTES: usize = 64 << 10;

/// How often it is looked whether there is something to fetch, in milliseconds: while a set is waited for, and else.
const SOON_MS: u32 = 100;
const USUAL_MS: u32 = 1000;

/// A set of keys at a URL.
pub(super) struct KeySet {
    cluster: String,
    /// Its URL without the query, which may hold what no log should.
    name: String,
    head: Vec<(String, String)>,
    timeout_ms: u32,
    times: Times,
    /// Where the store has its state, and the set itself.
    state_at: String,
    set_at: String,
    /// What this worker has read, by its version.
    known: RefCell<Option<(u64, Rc<Keys>)>>,
    /// Requests wait for it.
    is_awaited: Cell<bool>,
}

/// Where a URL leads.
pub(super) struct Target<'u> {
    scheme: &'u str,
    authority: &'u str,
    path: String,
}

/// Reads a URL. `None`: it is none of HTTP, or says more than where the set is.
pub(super) fn target(uri: &str) -> Option<Target<'_>> {
    let uri = Uri::parse(uri).ok()?;
    let authority = uri.authority().filter(|authority| !authority.host().is_empty() && !authority.has_userinfo())?;
    let scheme = uri.scheme().as_str();
    if !matches!(scheme, "https" | "http") || uri.fragment().is_some() {
        return None;
    }
    let path = match uri.path().as_str() {
        "" => "/",
        path => path,
    };
    let path = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    Some(Target { scheme, authority: authority.as_str(), path })
}

impl KeySet {
    /// `None`: its URL is none.
    pub(super) fn new(config: &KeySetConfig) -> Option<Self> {
        let KeySetConfig { uri, cluster, timeout, cache_duration, stale_if_error, cooldown } = config;
        let Target { scheme, authority, path } = target(uri)?;
        let fields = [
            (":method", "GET"),
            (":scheme", scheme),
            (":authority", authority),
            (":path", &path),
            ("accept", "application/jwk-set+json, application/json"),
        ];
        let id = digest([cluster.as_bytes(), uri.as_bytes()]);
        Some(Self {
            cluster: cluster.clone(),
            name: uri.split('?').next().unwrap_or_default().to_owned(),
            head: fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            timeout_ms: u32::try_from(timeout.0.as_millis()).unwrap_or(u32::MAX),
            times: Times {
                refresh: cache_duration.nanoseconds(),
                stale: stale_if_error.nanoseconds(),
                cooldown: cooldown.nanoseconds(),
                timeout: timeout.nanoseconds(),
            },
            state_at: format!("meshward/keysets/{id:016x}/state"),
            set_at: format!("meshward/keysets/{id:016x}/set"),
            known: RefCell::default(),
            is_awaited: Cell::new(true),
        })
    }

    fn state(&self, host: &dyn Host) -> State {
        State::read(host.store_get(&self.state_at).as_ref().map(|(value, _)| value.as_slice()))
    }

    /// Changes the state as others have left it. `false`: it stays.
    fn change(&self, host: &dyn Host, change: impl Fn(State) -> Option<State>) -> bool {
        let mut is_changed = false;
        let updated = store::update(host, &self.state_at, |value| {
            let changed = change(State::read(value));
            is_changed = changed.is_some();
            Ok(changed.map(State::value))
        });
        updated.is_ok() && is_changed
    }

    /// The keys that count now. `None`: there are none, or they are too old.
    pub(super) fn keys(&self, host: &dyn Host) -> Option<Rc<Keys>> {
        let state = self.state(host);
        if !state.counts(host.now(), &self.times) {
            self.is_awaited.set(true);
            return None;
        }
        if let Some((version, keys)) = &*self.known.borrow()
            && *version == state.version
        {
            return Some(Rc::clone(keys));
        }
        let (value, _) = host.store_get(&self.set_at)?;
        let set = open(TAG, &value)?;
        let keys = Rc::new(JwkSet::read(set)?.keys());
        *self.known.borrow_mut() = Some((version_of(set), Rc::clone(&keys)));
        Some(keys)
    }

    /// A request names a key that is nowhere: the set may have a new one.
    pub(super) fn missed(&self, host: &dyn Host) {
        let now = host.now();
        // Who floods with names of keys reads, and writes no more often than the set is fetched.
        let may = self.state(host).missed(now, &self.times).is_some();
        if may && self.change(host, |state| state.missed(now, &self.times)) {
            self.is_awaited.set(true);
        }
    }

    /// When to look again, in milliseconds.
    pub(super) fn period(&self) -> u32 {
        if self.is_awaited.get() { SOON_MS } else { USUAL_MS }
    }

    /// Fetches the set, if it is due and no other worker does.
    pub(super) fn tick(&self, number: u16, scope: &mut TickScope<'_>) {
        let now = scope.host.now();
        let state = self.state(&*scope.host);
        self.is_awaited.set(!state.counts(now, &self.times));
        if state.begin(now, &self.times).is_none() || !self.change(&*scope.host, |state| state.begin(now, &self.times))
        {
            return;
        }
        scope.call(
            number,
            Callout {
                id: 0,
                cluster: self.cluster.clone(),
                request: CalloutRequest::Http { headers: self.head.clone(), body: Vec::new() },
                timeout_ms: self.timeout_ms,
            },
        );
    }

    /// The answer, or none.
    pub(super) fn called(&self, outcome: &CalloutOutcome, scope: &mut TickScope<'_>) {
        let now = scope.host.now();
        let mut part = [0];
        // Without chance proxies keep step, and nothing worse.
        let _ = scope.host.random(&mut part);
        let [part] = part;
        match read(outcome).and_then(|set| self.keep(&set, &*scope.host)) {
            Ok((version, number)) => {
                let before = self.state(&*scope.host);
                self.change(&*scope.host, |state| Some(state.succeeded(version, now, &self.times, part)));
                if before.version != version || before.fetched == 0 {
                    let line = format!("replay has {number} keys of `{}` that can be used", self.name);
                    scope.log(if number == 0 { Level::Warn } else { Level::Info }, line);
                }
            }
            Err(fault) => {
                self.change(&*scope.host, |state| Some(state.failed(now, &self.times, part)));
                let line = format!("replay cannot fetch `{}` from cluster `{}`: {fault}", self.name, self.cluster);
                scope.log(Level::Warn, line);
            }
        }
    }

    /// Puts a set where all workers find it. Its version, and how many keys it has.
    fn keep(&self, set: &JwkSet, host: &dyn Host) -> Result<(u64, usize), Fault> {
        let set = set.usable();
        let text = set.to_json().ok_or(Fault::NoSet)?;
        host.store_set(&self.set_at, &seal(TAG, &text), None).map_err(|_| Fault::Store)?;
        Ok((version_of(&text), set.0.len()))
    }
}

fn version_of(set: &[u8]) -> u64 {
    digest([&TAG, set])
}

/// Why a set was not fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
enum Fault {
    #[error("it cannot be reached, or did not answer in time")]
    Unreachable,
    #[error("it answered with status {0}")]
    Status(u16),
    #[error("its answer is longer than 64 KiB")]
    TooLarge,
    #[error("its answer is no JWK Set of at most 64 keys")]
    NoSet,
    #[error("the host's store does not take them")]
    Store,
}

fn read(outcome: &CalloutOutcome) -> Result<JwkSet, Fault> {
    match outcome {
        CalloutOutcome::Answered { status: 200, body } if body.len() > MOST_BYTES => Err(Fault::TooLarge),
        CalloutOutcome::Answered { status: 200, body } => JwkSet::read(body).ok_or(Fault::NoSet),
        CalloutOutcome::Answered { status, .. } => Err(Fault::Status(*status)),
        CalloutOutcome::Grpc { .. } | CalloutOutcome::Failed => Err(Fault::Unreachable),
    }
}
