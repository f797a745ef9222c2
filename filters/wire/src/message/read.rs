//! From bytes to messages: what the scanner finds is sorted into slots, and every message is checked when it closes.

use std::cell::OnceCell;

use super::known::{resembles_envelope, resembles_params, resembles_reference};
use super::{Body, Kind, Members, Message, OwnedId};
use crate::json::{Span, ValueKind, unescape};
use crate::limits::Limits;
use crate::refusal::Reason;
use crate::scan::{Fault, Letters, Scanner, Scratch, Sink, Value};

/// Reads bodies, one after the other, in the same scratch memory.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    keeps_arguments: bool,
    scratch: Scratch<Role, Slot>,
}

/// Why a body was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} at byte {at}", reason.name())]
pub struct ReadError {
    /// Why.
    pub reason: Reason,
    /// Where: a byte offset.
    pub at: usize,
    /// The id of the message, where it could be read all the same and is not in doubt.
    pub id: Option<OwnedId>,
}

impl Reader {
    /// A reader with bounds.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, keeps_arguments: false, scratch: Scratch::default() }
    }

    /// The same, but its messages say where the members of their arguments are.
    #[must_use]
    pub fn keeping_arguments(self, keeps_arguments: bool) -> Self {
        Self { keeps_arguments, ..self }
    }

    /// Reads a whole body.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn read<'b>(&mut self, body: &'b [u8]) -> Result<Body<'b>, ReadError> {
        let refuse = |reason, at| Err(ReadError { reason, at, id: None });
        if body.len() > self.limits.max_bytes {
            return refuse(Reason::BodyTooLarge, self.limits.max_bytes);
        }
        if body.starts_with(b"\xef\xbb\xbf") {
            let id = self.id_of_unclean(body);
            return Err(ReadError { reason: Reason::ByteOrderMark, at: 0, id });
        }
        if body.trim_ascii().is_empty() {
            return refuse(Reason::EmptyBody, 0);
        }
        let text = match simdutf8::basic::from_utf8(body) {
            Ok(text) => text,
            Err(_) => {
                let at = std::str::from_utf8(body).err().map_or(0, |error| error.valid_up_to());
                let id = self.id_of_unclean(body);
                return Err(ReadError { reason: Reason::InvalidUtf8, at, id });
            }
        };
        let mut messages = Messages { keeps_arguments: self.keeps_arguments, ..Messages::new(text, self.limits) };
        let scanned = Scanner::new(text, self.limits, &mut self.scratch, &mut messages).run();
        messages.finish(scanned)
    }

    /// The id of a body that is refused for its bytes.
    fn id_of_unclean(&mut self, body: &[u8]) -> Option<OwnedId> {
        let text = String::from_utf8_lossy(body);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        let mut messages = Messages::new(text, self.limits);
        // The body is refused already; that it has more faults is nothing new.
        let _ = Scanner::new(text, self.limits, &mut self.scratch, &mut messages).run();
        messages.certain_id().filter(|id| !id.raw().contains(char::REPLACEMENT_CHARACTER))
    }
}

/// Where a value that matters has its place. The order is that of [`Message`]'s values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(usize)]
pub(super) enum Slot {
    JsonRpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    ErrorCode,
    ErrorMessage,
    Name,
    Uri,
    TaskId,
    Ref,
    RefType,
    RefName,
    RefUri,
    Arguments,
    Cursor,
    ProtocolVersion,
    ClientInfo,
    ClientName,
    Meta,
    ProgressToken,
    MetaProtocolVersion,
    MetaClientInfo,
    MetaClientName,
    /// A member of `_meta` that has no slot of its own.
    MetaOther,
    #[default]
    None,
}

/// Slots whose values are kept.
pub(super) const SLOTS: usize = Slot::MetaOther as usize;

/// Room for the arguments that most calls have.
const MEMBERS: usize = 8;

/// What a container is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Role {
    /// Not begun: the body itself.
    #[default]
    Outside,
    Batch,
    Envelope,
    Params,
    Arguments,
    Meta,
    MetaClientInfo,
    ClientInfo,
    Ref,
    Error,
    /// Nothing of interest.
    Other,
}

struct Messages<'b> {
    text: &'b str,
    limits: Limits,
    keeps_arguments: bool,
    is_batch: bool,
    /// The one message, or those of the batch.
    alone: Option<Message<'b>>,
    done: Vec<Message<'b>>,
    /// The message that is open.
    values: [Value; SLOTS],
    ids: u8,
    members: Members,
    /// Of the member that is open, of what is kept.
    key: Span,
}

impl<'b> Messages<'b> {
    const fn new(text: &'b str, limits: Limits) -> Self {
        Self {
            text,
            limits,
            keeps_arguments: false,
            is_batch: false,
            alone: None,
            done: Vec::new(),
            values: [Value { span: Span { start: 0, end: 0 }, kind: ValueKind::Null, letters: Letters::Plain }; SLOTS],
            ids: 0,
            members: Members::NONE,
            key: Span { start: 0, end: 0 },
        }
    }

    fn finish(self, scanned: Result<(), Fault>) -> Result<Body<'b>, ReadError> {
        if let Err(Fault { reason, at }) = scanned {
            return Err(ReadError { reason, at, id: self.certain_id() });
        }
        if self.is_batch {
            return if self.done.is_empty() {
                Err(ReadError { reason: Reason::EmptyBatch, at: 0, id: None })
            } else {
                Ok(Body::Batch(self.done))
            };
        }
        self.alone.map(Body::One).ok_or(ReadError { reason: Reason::NotAnObject, at: 0, id: None })
    }

    /// The id of a faulty single message, if there is exactly one and it is one.
    fn certain_id(&self) -> Option<OwnedId> {
        // Digits at the very end of a body that was cut may have gone on.
        let cut = |id: &Value| id.kind == ValueKind::Number && id.span.end == self.text.len();
        let id = self.get(Slot::Id).filter(|id| !cut(id))?;
        (!self.is_batch && self.ids == 1 && self.valid_id(id)).then(|| OwnedId::from_raw(id.span.of(self.text)))
    }

    fn get(&self, slot: Slot) -> Option<Value> {
        self.values.get(slot as usize).copied().filter(|value| !value.span.is_empty())
    }

    /// A string or an integer, to the letter: digits, perhaps with a fraction of zeros; no exponent.
    fn valid_id(&self, id: Value) -> bool {
        let letters = id.span.of(self.text);
        let form = match id.kind {
            ValueKind::String => id.letters != Letters::Unfit,
            ValueKind::Number => {
                let (whole, fraction) = letters.split_once('.').unwrap_or((letters, ""));
                fraction.bytes().all(|b| b == b'0') && whole.bytes().all(|b| b == b'-' || b.is_ascii_digit())
            }
            _ => false,
        };
        form && letters.len() <= self.limits.max_id_bytes
    }

    fn valid_text(&self, value: Value, max: usize) -> bool {
        value.kind == ValueKind::String && value.letters != Letters::Unfit && value.span.without_quotes().len() <= max
    }

    /// What kind of message the open one is, or what is wrong with it.
    fn check(&self) -> Result<Kind, Reason> {
        let version = self.get(Slot::JsonRpc).map(|value| value.span.of(self.text));
        if version != Some("\"2.0\"") {
            return Err(Reason::NotJsonRpc2);
        }
        let (id, method) = (self.get(Slot::Id), self.get(Slot::Method));
        let (result, error) = (self.get(Slot::Result), self.get(Slot::Error));
        let kind = match (method, result, error) {
            (Some(_), None, None) if id.is_some() => Kind::Request,
            (Some(_), None, None) => Kind::Notification,
            (None, Some(_), None) => Kind::Response,
            (None, None, Some(_)) => Kind::Error,
            (_, Some(_), Some(_)) => return Err(Reason::ResultAndError),
            (Some(_), _, _) => return Err(Reason::RequestAndResponse),
            (None, None, None) => return Err(Reason::NoMethod),
        };
        // An error answers a request whose id could not be read with null (JSON-RPC 2.0, section 5).
        let null_error = |id: Value| kind == Kind::Error && id.kind == ValueKind::Null;
        if id.is_some_and(|id| !self.valid_id(id) && !null_error(id)) {
            return Err(Reason::InvalidId);
        }
        if kind == Kind::Response && id.is_none() {
            return Err(Reason::ResponseWithoutId);
        }
        if method.is_some_and(|method| !self.valid_text(method, self.limits.max_method_bytes)) {
            return Err(Reason::InvalidMethod);
        }
        if self.get(Slot::Params).is_some_and(|params| params.kind != ValueKind::Object) {
            return Err(Reason::ParamsNotAnObject);
        }
        if result.is_some_and(|result| result.kind != ValueKind::Object) {
            return Err(Reason::ResultNotAnObject);
        }
        if error.is_some() && !self.valid_error() {
            return Err(Reason::InvalidError);
        }
        for slot in [Slot::Name, Slot::Uri, Slot::TaskId, Slot::RefName, Slot::RefUri] {
            let text = self.get(slot).filter(|value| value.kind == ValueKind::String);
            if text.is_some_and(|text| !self.valid_text(text, self.limits.max_name_bytes)) {
                return Err(Reason::InvalidName);
            }
        }
        Ok(kind)
    }

    fn valid_error(&self) -> bool {
        let code = self.get(Slot::ErrorCode).filter(|code| code.kind == ValueKind::Number);
        let message = self.get(Slot::ErrorMessage).filter(|message| message.kind == ValueKind::String);
        code.is_some_and(|code| code.span.of(self.text).bytes().all(|b| b == b'-' || b.is_ascii_digit()))
            && message.is_some()
    }
}

impl Sink for Messages<'_> {
    type Role = Role;
    type Slot = Slot;

    fn open(&mut self, slot: Slot, parent: Role, kind: ValueKind, _: usize) -> Result<Role, Reason> {
        let object = kind == ValueKind::Object;
        Ok(match (parent, slot) {
            (Role::Outside, _) if !object => {
                self.is_batch = true;
                Role::Batch
            }
            (Role::Outside | Role::Batch, _) if object => {
                self.values = [Value::default(); SLOTS];
                self.ids = 0;
                self.members = Members::NONE;
                Role::Envelope
            }
            (Role::Batch, _) => return Err(Reason::NotAnObject),
            (Role::Envelope, Slot::Params) if object => Role::Params,
            (Role::Envelope, Slot::Error) if object => Role::Error,
            (Role::Params, Slot::Arguments) if object && self.keeps_arguments => {
                self.members.arguments = Some(Vec::with_capacity(MEMBERS));
                Role::Arguments
            }
            (Role::Params, Slot::Meta) if object => Role::Meta,
            (Role::Params, Slot::Ref) if object => Role::Ref,
            (Role::Params, Slot::ClientInfo) if object => Role::ClientInfo,
            (Role::Meta, Slot::MetaClientInfo) if object => Role::MetaClientInfo,
            _ => Role::Other,
        })
    }

    fn key(&mut self, role: Role, letters: &str, escaped: bool, at: Span) -> Result<Slot, Reason> {
        let name = if escaped { unescape(letters) } else { letters.into() };
        let name = &*name;
        Ok(match role {
            Role::Envelope => match name {
                "jsonrpc" => Slot::JsonRpc,
                "id" => {
                    self.ids = self.ids.saturating_add(1);
                    Slot::Id
                }
                "method" => Slot::Method,
                "params" => Slot::Params,
                "result" => Slot::Result,
                "error" => Slot::Error,
                name if resembles_envelope(name) => {
                    if name.eq_ignore_ascii_case("id") {
                        self.ids = self.ids.saturating_add(1);
                    }
                    return Err(Reason::CaseVariant);
                }
                _ => Slot::None,
            },
            Role::Params => match name {
                "name" => Slot::Name,
                "uri" => Slot::Uri,
                "taskId" => Slot::TaskId,
                "ref" => Slot::Ref,
                "arguments" => Slot::Arguments,
                "cursor" => Slot::Cursor,
                "protocolVersion" => Slot::ProtocolVersion,
                "clientInfo" => Slot::ClientInfo,
                "_meta" => Slot::Meta,
                name if resembles_params(name) => return Err(Reason::CaseVariant),
                _ => Slot::None,
            },
            Role::Arguments => {
                self.key = at;
                Slot::None
            }
            Role::Meta => {
                self.key = at;
                match name {
                    "progressToken" => Slot::ProgressToken,
                    "io.modelcontextprotocol/protocolVersion" => Slot::MetaProtocolVersion,
                    "io.modelcontextprotocol/clientInfo" => Slot::MetaClientInfo,
                    _ => Slot::MetaOther,
                }
            }
            Role::Ref => match name {
                "type" => Slot::RefType,
                "name" => Slot::RefName,
                "uri" => Slot::RefUri,
                name if resembles_reference(name) => return Err(Reason::CaseVariant),
                _ => Slot::None,
            },
            Role::ClientInfo if name == "name" => Slot::ClientName,
            Role::MetaClientInfo if name == "name" => Slot::MetaClientName,
            Role::Error => match name {
                "code" => Slot::ErrorCode,
                "message" => Slot::ErrorMessage,
                _ => Slot::None,
            },
            _ => Slot::None,
        })
    }

    fn value(&mut self, slot: Slot, parent: Role, value: Value) -> Result<(), Reason> {
        if let Some(place) = self.values.get_mut(slot as usize) {
            *place = value;
        }
        match parent {
            // The scanner is inside a member's value while its key is remembered; nested members have other roles.
            Role::Meta => {
                self.members.meta.push((self.key, value.span));
                Ok(())
            }
            Role::Arguments => {
                self.members.arguments.get_or_insert_default().push((self.key, value.span));
                Ok(())
            }
            Role::Outside | Role::Batch if value.kind != ValueKind::Object && !self.is_own_batch(parent, value) => {
                Err(Reason::NotAnObject)
            }
            _ => Ok(()),
        }
    }

    fn close(&mut self, role: Role, span: Span) -> Result<(), Reason> {
        if role != Role::Envelope {
            return Ok(());
        }
        let kind = self.check()?;
        if self.is_batch && self.done.len() >= self.limits.max_batch {
            return Err(Reason::BatchTooLong);
        }
        let members = std::mem::replace(&mut self.members, Members::NONE);
        let message = Message { text: self.text, span, kind, values: self.values, members, tools: OnceCell::new() };
        if self.is_batch {
            self.done.push(message);
        } else {
            self.alone = Some(message);
        }
        Ok(())
    }

    fn listens(&self, role: Role) -> bool {
        !matches!(role, Role::Other | Role::Outside | Role::Batch)
    }
}

impl Messages<'_> {
    /// Whether a value is the batch itself.
    fn is_own_batch(&self, parent: Role, value: Value) -> bool {
        parent == Role::Outside && value.kind == ValueKind::Array
    }
}
