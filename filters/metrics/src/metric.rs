//! The metrics there are: one table of names, kinds, units and labels.

use meshward_engine::{Direction, MetricKind};
use serde::Deserialize;

use crate::label::Key;

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident: $kind:ident $base:literal $unit:literal [$($label:ident),*];)*) => {
        /// A metric.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
        #[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
        #[serde(rename_all = "snake_case")]
        pub enum Metric { $($(#[$doc])* $variant,)* }

        impl Metric {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its kind.
            #[must_use]
            pub const fn kind(self) -> MetricKind {
                match self { $(Self::$variant => MetricKind::$kind,)* }
            }

            /// Its name before the labels, on a side of the server or client.
            #[must_use]
            pub fn base(self, direction: Direction) -> &'static str {
                let name = match self { $(Self::$variant => $base,)* };
                match (name, direction) {
                    ("mcp_server_operation_duration", Direction::Outbound) => "mcp_client_operation_duration",
                    ("mcp_server_session_duration", Direction::Outbound) => "mcp_client_session_duration",
                    (name, _) => name,
                }
            }

            /// What stands behind the labels: the unit, or `total`.
            #[must_use]
            pub const fn unit(self) -> &'static str {
                match self { $(Self::$variant => $unit,)* }
            }

            /// The labels it can have.
            pub(crate) const fn keys(self) -> &'static [Key] {
                match self { $(Self::$variant => &[$(Key::$label,)*],)* }
            }
        }
    };
}

metrics! {
    /// How long a request took, from its head to its answer (`mcp.server.operation.duration`, outbound
    /// `mcp.client.operation.duration`).
    OperationDuration: Histogram "mcp_server_operation_duration" "milliseconds"
        [Method, Tool, Prompt, ErrorType, StatusCode, Revision, Endpoint];
    /// How long a session was, from `initialize` to its end (`mcp.server.session.duration`, outbound
    /// `mcp.client.session.duration`).
    SessionDuration: Histogram "mcp_server_session_duration" "milliseconds" [ErrorType, Endpoint];
    /// Requests of clients, by what came of them.
    Requests: Counter "meshward_requests" "total" [Outcome, Method, Tool, Prompt, ErrorType, StatusCode, Endpoint];
    /// Requests of the server's own, by the decision on them.
    ServerRequests: Counter "meshward_server_requests" "total" [Decision, Method, Reason, Rule, Endpoint];
    /// Messages of clients, by the decision on them.
    Decisions: Counter "meshward_decisions" "total" [Decision, Method, Tool, Prompt, Reason, Rule, Endpoint];
    /// Bytes of a request's body.
    RequestSize: Histogram "meshward_request_size" "bytes" [Method, Endpoint];
    /// Bytes of a response's body.
    ResponseSize: Histogram "meshward_response_size" "bytes" [Method, Endpoint];
    /// Streams of events that are open.
    OpenStreams: Gauge "meshward_open" "streams" [];
    /// Events with data on streams.
    Events: Counter "meshward_events" "total" [Endpoint];
    /// From a request's head to the first event with data of its answer.
    TimeToFirstEvent: Histogram "meshward_time_to_first_event" "milliseconds" [Method, Endpoint];
    /// `notifications/progress`, by who sent them.
    Progress: Counter "meshward_progress" "total" [Sender, Endpoint];
    /// `notifications/cancelled`, by who sent them.
    Cancellations: Counter "meshward_cancellations" "total" [Sender, Endpoint];
    /// Bytes read as JSON, of requests and responses.
    ParsedBytes: Counter "meshward_parsed_bytes" "total" [Endpoint];
    /// Exchanges at endpoints, by how they ended.
    Exchanges: Counter "meshward_exchanges" "total" [Outcome, Endpoint];
    /// Measurements that went to `other` since there were `max_series` already.
    SeriesOverflow: Counter "meshward_series_overflow" "total" [];
}
