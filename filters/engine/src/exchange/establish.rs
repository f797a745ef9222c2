//! What a message of the client is, established from its body and confirmed by its headers.

use meshward_wire::json::{self, ValueKind};
use meshward_wire::message::{Kind, Message, Text};
use meshward_wire::method::{Method, TargetKind};
use meshward_wire::mirrored::{self, Condemned, Facts};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::{self, Revision, STATELESS_JSON, SUPPORTED_JSON, Statement, Unrecognised, VersionHeader};

use crate::headers::KeptHeaders;
use crate::stage::{Call, Target};

/// Why a message that reads well is refused all the same.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) reason: Reason,
    /// Further members of the error's `data`, as JSON.
    pub(super) data: Vec<(&'static str, String)>,
}

impl From<Reason> for Flaw {
    fn from(reason: Reason) -> Self {
        Self { reason, data: Vec::new() }
    }
}

impl From<Condemned> for Flaw {
    fn from(condemned: Condemned) -> Self {
        Self { reason: condemned.reason(), data: vec![("header", format!("\"{}\"", condemned.header.name()))] }
    }
}

/// A revision that cannot be spoken. Whoever asked statelessly is told what can be asked so: a client that falls back to
/// a session takes anything else for a promise that the server, which nobody has asked, may not keep.
fn unrecognised(why: Unrecognised<'_>, is_stateless: bool) -> Flaw {
    let reason = why.reason();
    let Unrecognised::Unsupported { requested } = why else { return reason.into() };
    let mut quoted = String::new();
    json::write_string(requested, &mut quoted);
    let supported = if is_stateless { STATELESS_JSON } else { SUPPORTED_JSON };
    Flaw { reason, data: vec![("supported", supported.to_owned()), ("requested", quoted)] }
}

/// Establishes a message, alone or in a batch.
pub(super) fn establish<'m>(
    message: &'m Message<'m>,
    headers: &'m KeptHeaders,
    in_batch: bool,
) -> Result<Call<'m>, Flaw> {
    let name = message.method();
    let method = name.as_deref().and_then(Method::lookup);
    let (params, meta) = (message.protocol_version(), message.meta_protocol_version());
    let recognised = revision::recognise(
        VersionHeader::read(headers.all(revision::HEADER)),
        &Statement {
            method: name.as_deref(),
            is_request: message.kind() == Kind::Request,
            params: (&params).into(),
            meta: (&meta).into(),
        },
    )
    .map_err(|why| unrecognised(why, matches!(meta, Text::Is(_))))?;
    let revision = recognised.revision();
    // `initialize` is never part of a batch (2025-03-26, Lifecycle, Initialization).
    if in_batch && (name.as_deref() == Some("initialize") || !revision.is_some_and(Revision::allows_batches)) {
        return Err(Reason::BatchRefused.into());
    }
    let named = match method.map(|method| method.target) {
        Some(TargetKind::Tool | TargetKind::Prompt) => message.name().into_option(),
        Some(TargetKind::Resource) => message.uri().into_option(),
        Some(TargetKind::Task) => message.task_id().into_option(),
        Some(TargetKind::Reference | TargetKind::None) | None => None,
    };
    let facts = Facts {
        is_batch: in_batch,
        is_request: message.kind() == Kind::Request,
        revision,
        method: name.as_deref(),
        name: named.as_deref(),
        params: &[],
    };
    mirrored::check(headers.iter(), &facts)?;
    if matches!(message.meta_as_sent(), Some((_, kind)) if !matches!(kind, ValueKind::Object | ValueKind::Null)) {
        return Err(Reason::InvalidParams.into());
    }
    let target = match target(message, method) {
        // Where the revision has no such method its parameters have no rules: the server does not know it, or the
        // policy does not.
        Err(_) if !method.is_some_and(|method| exists(method, revision)) => Target::None,
        target => target?,
    };
    Ok(Call { message, method, target, revision, headers })
}

/// Whether clients have a method in a revision; in any, where the revision is still to be negotiated.
fn exists(method: &Method, revision: Option<Revision>) -> bool {
    revision.is_none_or(|revision| method.from_client.contains(revision))
}

/// What the message is about. A method that is about something must name it: a server that reads a default into its
/// absence would act on something nobody decided.
fn target<'m>(message: &'m Message<'m>, method: Option<&Method>) -> Result<Target<'m>, Reason> {
    let kind = method.map_or(TargetKind::None, |method| method.target);
    let named = |text: Text<'m>| text.into_option().ok_or(Reason::InvalidParams);
    if matches!(kind, TargetKind::Tool | TargetKind::Prompt)
        && !matches!(message.arguments_kind(), None | Some(ValueKind::Object | ValueKind::Null))
    {
        return Err(Reason::InvalidParams);
    }
    match kind {
        TargetKind::Tool => named(message.name()).map(Target::Tool),
        TargetKind::Prompt => named(message.name()).map(Target::Prompt),
        TargetKind::Resource => named(message.uri()).map(Target::Resource),
        TargetKind::Reference => {
            let reference = message.reference().ok_or(Reason::InvalidParams)?;
            match reference.kind.into_option().as_deref() {
                Some("ref/prompt") => named(reference.name).map(Target::Prompt),
                Some("ref/resource") => named(reference.uri).map(Target::Resource),
                _ => Err(Reason::InvalidParams),
            }
        }
        TargetKind::Task | TargetKind::None => Ok(Target::None),
    }
}
