//! The module in a real Envoy: one process, a listener for each configuration and mode, real sockets on both sides.

mod access_log;
mod authority;
mod bootstrap;
mod client_h1;
mod client_h2;
mod connect;
mod h1;
mod ledger;
mod upstream;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use http::uri::Scheme;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinSet;

use self::access_log::AccessLog;
use self::authority::Authority;
use self::bootstrap::{Setup, bootstrap, name};
use self::connect::connect;
use self::ledger::{Entry, Ledger};
use super::caller::Caller;
use super::case::{Http, Request};
use super::counts;
use super::keys;
use super::left::LOG_PREFIX;
use super::observed::{ClientSaw, Observed, Run};
use super::report::{Counts, Host, Played};
use super::service::{self, Said};
use crate::envoy::{Envoy, sidecar_inbound};
use crate::{documents, grpc};

/// How many exchanges are under way at once.
const AT_ONCE: usize = 16;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The host.
#[derive(Debug, Clone, Copy)]
pub struct EnvoyHost;

impl Host for EnvoyHost {
    fn name(&self) -> &'static str {
        "envoy"
    }

    fn parses_http(&self) -> bool {
        true
    }

    fn play(&self, runs: &[Run<'_>]) -> Result<Played> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(self.play_all(runs))
    }
}

impl EnvoyHost {
    async fn play_all(&self, runs: &[Run<'_>]) -> Result<Played> {
        let mut setups: Vec<_> = runs.iter().map(Setup::new).collect();
        setups.sort();
        setups.dedup();
        let authority = Arc::new(Authority::new()?);
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let access_log = AccessLog::new()?;
        let limits = TcpListener::bind("127.0.0.1:0").await?;
        let key_sets = TcpListener::bind("127.0.0.1:0").await?;
        let (upstream, services) = (listener.local_addr()?, [limits.local_addr()?, key_sets.local_addr()?]);
        let bootstrap = bootstrap(sidecar_inbound()?, &setups, upstream, services, &authority, &access_log)?;
        let service = tokio::spawn(grpc::serve(limits, Arc::new(limits_answer)));
        let key_sets = tokio::spawn(documents::serve(key_sets, Arc::new(keys_answer)));
        let entries = runs.iter().map(|run| Entry::new(run.case.answer.clone())).collect();
        let ledger = Arc::new(Ledger::new(entries));
        let (stop, stopped) = oneshot::channel();
        let upstream = tokio::spawn(upstream::serve(listener, Arc::clone(&ledger), stopped));
        let envoy = tokio::task::spawn_blocking(move || Envoy::start(bootstrap, 2)).await??;
        let addresses = envoy.listeners().with_context(|| envoy.log_tail())?;
        tokio::task::block_in_place(|| until_fetched(&envoy, &setups)).with_context(|| envoy.log_tail())?;

        let room = Arc::new(Semaphore::new(AT_ONCE));
        let mut exchanges = JoinSet::new();
        let mut first = 0_usize;
        for steps in
            runs.chunk_by(|one, next| one.case.sequence().is_some() && one.case.sequence() == next.case.sequence())
        {
            let mut planned = Vec::with_capacity(steps.len());
            for (index, run) in (first..).zip(steps) {
                let setup = setups.binary_search(&Setup::new(run)).ok().context("a run without a listener")?;
                let address = *addresses.get(&name(setup)).context("a listener without an address")?;
                let caller = run.case.caller.clone();
                let request = with_token(&run.case.request, &caller, &authority)?;
                planned.push((index, address, caller, run.http, request));
            }
            first = first.saturating_add(steps.len());
            let (room, ledger, authority) = (Arc::clone(&room), Arc::clone(&ledger), Arc::clone(&authority));
            exchanges.spawn(async move {
                let _place = room.acquire_owned().await;
                let mut saw = Vec::with_capacity(planned.len());
                for (index, address, caller, http, request) in planned {
                    let exchange = exchange(address, &caller, &authority, http, index, &request, &ledger);
                    let client = tokio::time::timeout(PATIENCE, exchange).await.unwrap_or_else(|_| silent());
                    saw.push((index, client));
                }
                saw
            });
        }
        let mut clients: Vec<_> = runs.iter().map(|_| ClientSaw::default()).collect();
        while let Some(done) = exchanges.join_next().await {
            for (index, saw) in done? {
                if let Some(place) = clients.get_mut(index) {
                    *place = saw;
                }
            }
        }

        let counts = tokio::task::block_in_place(|| settled(&envoy)).with_context(|| envoy.log_tail())?;
        // What exchanges left is written down soon after their end.
        let logged: Vec<_> = runs
            .iter()
            .enumerate()
            .filter(|(_, run)| access_log::is_of_interest(run.case) && run.case.request.raw.is_none())
            .map(|(index, _)| index)
            .collect();
        let mut left = access_log.read(&logged).await?;
        service.abort();
        key_sets.abort();
        // Only when Envoy is gone can nothing more reach the upstream; its connections then end by themselves.
        let log = envoy.stop()?;
        drop(stop);
        tokio::time::timeout(PATIENCE, upstream).await.context("a connection to the upstream does not end")??;
        let ledger = Arc::into_inner(ledger).context("the upstream is still there")?;
        let records: Vec<_> = log.lines().filter(|line| line.contains(LOG_PREFIX)).collect();
        let records = records.join("\n");
        let mut problems = ledger.strays();
        problems.extend(log.lines().filter(|line| line.contains("[critical]")).map(str::to_owned));
        let observed = clients
            .into_iter()
            .zip(ledger.entries)
            .enumerate()
            .map(|(index, (client, entry))| {
                let (upstream, late) = entry.into_parts();
                Observed {
                    client,
                    upstream,
                    late,
                    left: left.remove(&index).map(|entry| entry.left(&records)).unwrap_or_default(),
                    is_routed: true,
                }
            })
            .collect();
        Ok(Played { observed, counts, problems })
    }
}

/// What the rate limit service answers.
fn limits_answer(question: Bytes) -> grpc::Answer {
    Box::pin(async move {
        match service::answer(&question) {
            Said::Message(message) => Ok(message),
            Said::Status(status) => Err(tonic::Status::new(i32::try_from(status).unwrap_or(2).into(), "")),
            Said::Nothing => std::future::pending().await,
        }
    })
}

/// What the service with keys answers.
fn keys_answer(path: String) -> documents::Answer {
    Box::pin(async move {
        match keys::answer(&path) {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    })
}

/// Waits until each set of keys was fetched, or could not be: the module says so.
fn until_fetched(envoy: &Envoy, setups: &[Setup]) -> Result<()> {
    let end = Instant::now().checked_add(PATIENCE).context("clock")?;
    for url in setups.iter().flat_map(Setup::key_sets).collect::<BTreeSet<_>>() {
        let told = format!(" `{}` ", url.split('?').next().unwrap_or_default());
        while !envoy.log().contains(&told) {
            anyhow::ensure!(Instant::now() < end, "{url} was not fetched");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    Ok(())
}

/// What the module has counted, once no more comes: an exchange is measured at its end, which the client may see first, and
/// Envoy shows histograms as of its last flush.
fn settled(envoy: &Envoy) -> Result<Counts> {
    let mut before = None;
    for _ in 0..50 {
        let counts = counts::of_metrics(envoy.metrics()?);
        if before.as_ref() == Some(&counts) {
            return Ok(counts);
        }
        before = Some(counts);
        std::thread::sleep(bootstrap::FLUSH.saturating_mul(3));
    }
    anyhow::bail!("Envoy's metrics do not settle")
}

/// The request with the caller's token, where it has one.
fn with_token(request: &Request, caller: &Caller, authority: &Authority) -> Result<Request> {
    let mut request = request.clone();
    if caller.dpop.is_some() {
        // It has it already.
        return Ok(request);
    }
    let tokens = [(&caller.jwt, true), (&caller.unverified_jwt, false)];
    for (claims, trusted) in tokens.iter().filter_map(|(claims, trusted)| Some((claims.as_ref()?, *trusted))) {
        let token = authority.token(claims, trusted)?;
        request.headers.push(("authorization".to_owned(), format!("Bearer {token}")));
    }
    Ok(request)
}

async fn exchange(
    address: SocketAddr,
    caller: &Caller,
    authority: &Authority,
    http: Http,
    run: usize,
    request: &Request,
    ledger: &Ledger,
) -> ClientSaw {
    let Some(entry) = ledger.entries.get(run) else { return ClientSaw::default() };
    let stream = match connect(address, caller, http, authority).await {
        Ok(stream) => stream,
        Err(error) => return ClientSaw { broken: Some(format!("{error:#}")), ..ClientSaw::default() },
    };
    let scheme = if caller.uses_tls() { Scheme::HTTPS } else { Scheme::HTTP };
    match http {
        Http::One => client_h1::exchange(stream, run, request, entry).await,
        Http::Two => client_h2::exchange(stream, scheme, run, request, entry).await,
    }
}

fn silent() -> ClientSaw {
    ClientSaw { broken: Some("nothing more came for a long time".to_owned()), ..ClientSaw::default() }
}
