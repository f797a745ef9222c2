//! What a message of the client is, established from its body and confirmed by its headers.

use std::borrow::Cow;

use meshward_wire::json::{self, ValueKind};
use meshward_wire::message::{Kind, Message, Text};
use meshward_wire::method::{Method, TargetKind};
use meshward_wire::mirrored::{self, Condemned, Facts};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::{self, SUPPORTED_JSON, Said, Statement, Unrecognised, VersionHeader};

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

impl From<Unrecognised<'_>> for Flaw {
    fn from(unrecognised: Unrecognised<'_>) -> Self {
        match unrecognised {
            Unrecognised::Unsupported { requested } => {
                let mut quoted = String::new();
                json::write_string(requested, &mut quoted);
                let data = vec![("supported", SUPPORTED_JSON.to_owned()), ("requested", quoted)];
                Self { reason: Reason::UnsupportedProtocolVersion, data }
            }
            Unrecognised::Mismatch => Reason::HeaderMismatch.into(),
            Unrecognised::HeaderMissing => Reason::HeaderMissing.into(),
            Unrecognised::HeaderRepeated => Reason::HeaderRepeated.into(),
            Unrecognised::HeaderMalformed => Reason::HeaderMalformed.into(),
            Unrecognised::InvalidMeta => Reason::InvalidParams.into(),
        }
    }
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
            params: said(&params),
            meta: said(&meta),
        },
    )?;
    let revision = recognised.revision();
    if in_batch && !revision.is_some_and(|revision| revision.allows_batches()) {
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
    let target = target(message, method)?;
    Ok(Call { message, method, target, revision, headers })
}

const fn said<'t>(text: &'t Text<'_>) -> Said<'t> {
    match text {
        Text::Missing => Said::Nothing,
        Text::NotAString => Said::NotText,
        Text::Is(Cow::Borrowed(text)) => Said::Text(text),
        Text::Is(Cow::Owned(text)) => Said::Text(text.as_str()),
    }
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
