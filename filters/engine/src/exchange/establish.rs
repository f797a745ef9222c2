//! What a message of the client is, established from its body and confirmed by its headers.

use meshward_wire::json::{self, Span, ValueKind, unescape};
use meshward_wire::message::{Kind, Message, Text, resembles};
use meshward_wire::method::{Method, TargetKind};
use meshward_wire::mirrored::{Condemned, Facts, Mirrored};
use meshward_wire::refusal::Reason;
use meshward_wire::revision::{self, Recognised, Revision, Statement, Unrecognised, VersionHeader};

use crate::headers::KeptHeaders;
use crate::settings::Settings;
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
fn unsupported(requested: &str, is_stateless: bool, settings: &Settings) -> Flaw {
    let mut quoted = String::new();
    json::write_string(requested, &mut quoted);
    Flaw {
        reason: Reason::UnsupportedProtocolVersion,
        data: vec![("supported", settings.supported_json(is_stateless)), ("requested", quoted)],
    }
}

/// The revision of a message, if it is one that may be spoken.
fn permitted_revision(
    name: Option<&str>,
    message: &Message<'_>,
    header: VersionHeader<'_>,
    settings: &Settings,
) -> Result<Option<Revision>, Flaw> {
    let (params, meta) = (message.protocol_version(), message.meta_protocol_version());
    let is_stateless = matches!(meta, Text::Is(_));
    let recognised = revision::recognise(
        header,
        &Statement {
            method: name,
            is_request: message.kind() == Kind::Request,
            params: (&params).into(),
            meta: (&meta).into(),
        },
    )
    .map_err(|why| match why {
        Unrecognised::Unsupported { requested } => unsupported(requested, is_stateless, settings),
        why => why.reason().into(),
    })?;
    let is_permitted = match recognised {
        Recognised::Known(revision) => settings.permits_revision(revision),
        // What says no revision may be of either that has no header to say it in.
        Recognised::Assumed(revision) => {
            settings.permits_revision(revision) || settings.permits_revision(Revision::V2024_11_05)
        }
        // The server will name one that its client then repeats.
        Recognised::Negotiating => true,
    };
    match recognised.revision() {
        Some(revision) if !is_permitted => Err(unsupported(revision.as_str(), is_stateless, settings)),
        revision => Ok(revision),
    }
}

/// Establishes a message, alone or in a batch.
pub(super) fn establish<'m>(
    message: &'m Message<'m>,
    headers: &KeptHeaders,
    in_batch: bool,
    settings: &Settings,
) -> Result<Call<'m>, Flaw> {
    let mirrored = Mirrored::read(headers.iter())?;
    let name = message.method();
    let method = name.as_deref().and_then(Method::lookup);
    let revision = permitted_revision(name.as_deref(), message, mirrored.version(), settings)?;
    // `initialize` is never part of a batch (2025-03-26, Lifecycle, Initialization).
    if in_batch && (name.as_deref() == Some("initialize") || !revision.is_some_and(Revision::allows_batches)) {
        return Err(Reason::BatchRefused.into());
    }
    let named = match method.map(|method| method.target) {
        Some(TargetKind::Tool | TargetKind::Prompt) => message.name().into_option(),
        Some(TargetKind::Resource) => message.uri().into_option(),
        Some(TargetKind::Task) => message.task_id().into_option(),
        Some(TargetKind::Reference | TargetKind::Subscriptions | TargetKind::None) | None => None,
    };
    let facts = Facts {
        is_batch: in_batch,
        is_request: message.kind() == Kind::Request,
        revision,
        method: name.as_deref(),
        known: method,
        name: named.as_deref(),
    };
    mirrored.check(&facts)?;
    if matches!(message.meta_as_sent(), Some((_, kind)) if !matches!(kind, ValueKind::Object | ValueKind::Null)) {
        return Err(Reason::InvalidParams.into());
    }
    let target = match target(message, method) {
        // Where the revision has no such method its parameters have no rules: the server does not know it, or the
        // policy does not.
        Err(_) if !method.is_some_and(|method| exists(method, revision)) => Target::None,
        target => target?,
    };
    if name.is_some_and(|name| !settings.permits_method(&name)) {
        return Err(Reason::MethodRefused.into());
    }
    Ok(Call { message, method, target, revision })
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
        TargetKind::Subscriptions => subscriptions(message),
        TargetKind::Task | TargetKind::None => Ok(Target::None),
    }
}

/// The resources a `subscriptions/listen` asks for (2026-07-28, schema, `SubscriptionFilter`). They are read as strictly as
/// `params`: a member that only resembles theirs could name others.
fn subscriptions<'m>(message: &'m Message<'m>) -> Result<Target<'m>, Reason> {
    let text = message.text();
    let member = |object: Span, name| json::member(text, object, name);
    let Some(filter) = message.params().and_then(|params| member(params, "notifications")) else {
        return Ok(Target::None);
    };
    if json::kind(text, filter) != Some(ValueKind::Object) {
        return Err(Reason::InvalidParams);
    }
    if json::members(text, filter).any(|member| resembles(&unescape(member.key.of(text)), &["resourceSubscriptions"])) {
        return Err(Reason::CaseVariant);
    }
    let Some(list) = member(filter, "resourceSubscriptions") else { return Ok(Target::None) };
    match json::kind(text, list) {
        Some(ValueKind::Null) => return Ok(Target::None),
        Some(ValueKind::Array) => {}
        _ => return Err(Reason::InvalidParams),
    }
    let uris: Option<Vec<_>> = json::elements(text, list).map(|uri| json::string(text, uri)).collect();
    let uris = uris.ok_or(Reason::InvalidParams)?;
    Ok(if uris.is_empty() { Target::None } else { Target::Resources(uris) })
}
