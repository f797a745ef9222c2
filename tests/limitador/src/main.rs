//! A rate limit service for tests: Envoy's protocol in front of the `limitador` crate, whose counters are in Redis.
//!
//! It has two limits: of the descriptors whose `limit` is `counted`, for each `tool`, and one of each `nonce`. It prints its
//! address when it serves.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::Result;
use bytes::Bytes;
use clap::Parser;
use limitador::limit::Limit;
use limitador::storage::AsyncStorage;
use limitador::storage::redis::AsyncRedisStorage;
use limitador::{AsyncRateLimiter, AsyncRateLimiterBuilder};
use prost::Message;
use tonic::Status;

// Files of the workspace, to which this package does not belong.
#[path = "../../../host-harness/src/grpc.rs"]
mod codec;
#[path = "../../src/grpc.rs"]
mod grpc;

use codec::Verbatim;

#[derive(Debug, Parser)]
struct Args {
    /// Where its counters are.
    #[arg(long)]
    redis: String,
    /// How many calls in so many seconds.
    #[arg(long)]
    max: i64,
    #[arg(long)]
    seconds: u64,
}

/// `envoy.service.ratelimit.v3.RateLimitRequest`.
#[derive(Clone, PartialEq, Message)]
struct Question {
    #[prost(string, tag = "1")]
    domain: String,
    #[prost(message, repeated, tag = "2")]
    descriptors: Vec<Descriptor>,
    #[prost(uint32, tag = "3")]
    hits_addend: u32,
}

#[derive(Clone, PartialEq, Message)]
struct Descriptor {
    #[prost(message, repeated, tag = "1")]
    entries: Vec<Entry>,
}

#[derive(Clone, PartialEq, Message)]
struct Entry {
    #[prost(string, tag = "1")]
    key: String,
    #[prost(string, tag = "2")]
    value: String,
}

/// `RateLimitResponse`; like Limitador's own server it says only how all descriptors stand together.
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(int32, tag = "1")]
    overall_code: i32,
}

#[tokio::main]
async fn main() -> Result<()> {
    let Args { redis, max, seconds } = Args::parse();
    let storage = AsyncRedisStorage::new(&redis).await?;
    let limiter = AsyncRateLimiterBuilder::new(AsyncStorage::with_counter_storage(Box::new(storage))).build();
    limiter.add_limit(Limit::new("tests", max, seconds, ["limit == 'counted'"], ["tool"]));
    limiter.add_limit(Limit::new("tests", 1, seconds, ["limit == 'nonces'"], ["nonce"]));
    let limiter = Arc::new(limiter);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    let handler: grpc::Handler = Arc::new(move |question| {
        let limiter = Arc::clone(&limiter);
        Box::pin(async move { answer(&limiter, &question).await })
    });
    grpc::serve(listener, handler).await;
    Ok(())
}

async fn answer(limiter: &AsyncRateLimiter, question: &[u8]) -> Result<Bytes, Status> {
    let question = Question::decode(question).map_err(|error| Status::invalid_argument(error.to_string()))?;
    let entries = question.descriptors.into_iter().flat_map(|descriptor| descriptor.entries);
    let values: HashMap<_, _> = entries.map(|Entry { key, value }| (key, value)).collect();
    let namespace = question.domain.into();
    let checked = limiter
        .check_rate_limited_and_update(&namespace, &values, question.hits_addend.into(), false)
        .await
        .map_err(|_| Status::unavailable("the counters are away"))?;
    let answer = Answer { overall_code: if checked.limited { 2 } else { 1 } };
    Ok(answer.encode_to_vec().into())
}
