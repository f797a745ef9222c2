//! Why the arguments of a call do not pass.

/// Why the arguments of a call do not pass their tool's schema. Holds the schema's text, never the arguments'.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    /// The arguments do not fit. JSON pointer (RFC 6901) into the tool's `inputSchema`: the keyword that says so.
    #[error("the arguments do not fit the tool's input schema at `{0}`")]
    Unfit(String),
    /// To tell would take more work than one call may cost, or the arguments are nested too deeply.
    #[error("the arguments cannot be held against the tool's input schema with bounded work")]
    TooComplex,
    /// There is no schema to hold them against.
    #[error(transparent)]
    Unusable(#[from] Unusable),
}

/// Why a tool's input schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// It is longer than `max_tool_bytes`.
    #[error("the tool's input schema is too large")]
    TooLarge,
    /// It is no schema, or none that can be checked in bounded time: where (a JSON pointer into it), and why.
    #[error("the tool's input schema cannot be used: at `{pointer}`: {problem}")]
    Invalid {
        /// JSON pointer (RFC 6901) into `inputSchema`.
        pointer: String,
        /// What is wrong there.
        problem: Box<str>,
    },
}
