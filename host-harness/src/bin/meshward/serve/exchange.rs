//! One HTTP exchange: client, filter and upstream, each fed as fast as the next one takes it.
//!
//! A task per exchange moves frames. It reads from a side only when what the filter let go has been written, so at most
//! one frame per direction waits here; what the filter holds back it bounds itself.

use std::future::{Future, pending};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host_harness::{Frame, HeaderMap, Properties, StreamId};
use http::{Request, Response, StatusCode, Version};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{mpsc, oneshot};

use super::access_log::{AccessLog, Record};
use super::body::{Cut, FrameBody, Piece};
use super::headers::{self, Rejected};
use super::stats::{ActiveGuard, Stats};
use super::upstream::{Lease, Upstream, UpstreamError};
use super::vm::{Mailbox, Vm, Way};

/// How long the rest of a request is read when its answer is complete; Envoy's delayed close.
const LINGER: Duration = Duration::from_secs(1);

/// What all exchanges of a worker thread use.
pub(crate) struct Shared {
    /// The filter.
    pub(crate) vm: Rc<Vm>,
    /// Where requests go.
    pub(crate) upstream: Rc<Upstream>,
    /// Where a line per exchange goes, if anywhere.
    pub(crate) access_log: Option<AccessLog>,
    /// What is counted.
    pub(crate) stats: Arc<Stats>,
}

/// Answers one request. The exchange goes on in a task of its own when its response has begun.
pub(crate) async fn handle(
    shared: Rc<Shared>,
    properties: Properties,
    record: Record,
    request: Request<Incoming>,
) -> Result<Response<FrameBody>, Cut> {
    let active = shared.stats.begin_request();
    let (parts, body) = request.into_parts();
    let fields = match headers::from_client(&parts) {
        Ok(fields) => fields,
        Err(rejected) => {
            shared.write_record(record.rejected(rejected));
            return Ok(rejected.response());
        }
    };
    let (answer, head) = oneshot::channel();
    let (stream, mailbox) = shared.vm.open(properties);
    let exchange = Exchange {
        shared,
        stream,
        mailbox,
        version: parts.version,
        request: (!body.is_end_stream()).then_some(body),
        upload: None,
        download: Download::None,
        client: Client::Head(answer),
        record,
        _active: active,
    };
    tokio::task::spawn_local(exchange.run(fields));
    // No answer: the filter ended the exchange without a response.
    head.await.unwrap_or(Err(Cut))
}

impl Shared {
    fn write_record(&self, record: Record) {
        if let Some(log) = &self.access_log {
            log.write(&record);
        }
    }
}

struct Exchange {
    shared: Rc<Shared>,
    stream: StreamId,
    mailbox: Rc<Mailbox>,
    version: Version,
    /// The client's body, until it has been read.
    request: Option<Incoming>,
    /// The way to the upstream, from the request's head to its end.
    upload: Option<mpsc::Sender<Piece>>,
    download: Download,
    client: Client,
    record: Record,
    _active: ActiveGuard,
}

type Sending = Pin<Box<dyn Future<Output = Result<(Response<Incoming>, Lease), UpstreamError>>>>;

/// The upstream's half.
enum Download {
    /// Nothing was sent yet, or nothing is wanted any more.
    None,
    /// The request is on its way.
    Sending(Sending),
    /// The response has begun.
    Body(Box<(Incoming, Lease)>),
}

/// The client's half.
enum Client {
    /// It waits for the head of the response.
    Head(oneshot::Sender<Result<Response<FrameBody>, Cut>>),
    /// It reads the body. `left` is what `content-length` still promises, in bytes.
    Body { sender: mpsc::Sender<Piece>, left: Option<u64> },
    /// It has what `content-length` promised; the end itself is still to come.
    Satisfied,
    /// It has everything, or is gone.
    Done,
}

/// What happened next.
enum Step {
    Again,
    Request(Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>),
    Response(Result<(Response<Incoming>, Lease), UpstreamError>),
    ResponseFrame(Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>),
    ClientGone,
}

impl Exchange {
    async fn run(mut self, fields: HeaderMap) {
        let (stream, end) = (self.stream, self.request.is_none());
        self.shared.vm.call(|worker| worker.request_headers(stream, fields, end));
        loop {
            self.write_upstream();
            self.write_client();
            if matches!(self.client, Client::Done) {
                break;
            }
            let step = self.next().await;
            self.apply(step);
        }
        let info = self.shared.vm.close(stream);
        self.record.finish(info);
        self.shared.write_record(self.record);
        if let Some(request) = self.request {
            tokio::task::spawn_local(linger(request));
        }
    }

    /// Waits for whatever can go on.
    async fn next(&mut self) -> Step {
        let Self { shared, stream, mailbox, request, upload, download, client, .. } = self;
        let (wants_request, wants_response) =
            shared.vm.ask(|worker| (worker.wants_request_data(*stream), worker.wants_response_data(*stream)));
        let to_upstream = !mailbox.is_empty(Way::Upstream);
        let to_client = !mailbox.is_empty(Way::Client);
        tokio::select! {
            () = mailbox.changed() => Step::Again,
            frame = next_frame(request.as_mut()), if wants_request && !to_upstream => Step::Request(frame),
            () = has_room(upload.as_ref()), if to_upstream => Step::Again,
            step = download.next(wants_response && !to_client) => step,
            step = client.next(to_client) => step,
        }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Again => {}
            Step::Request(frame) => self.request_frame(frame),
            Step::Response(Ok((response, lease))) => self.response_head(response, lease),
            Step::Response(Err(error)) => self.upstream_failed(&error),
            Step::ResponseFrame(frame) => self.response_frame(frame),
            Step::ClientGone => self.client_gone(),
        }
    }

    fn request_frame(&mut self, frame: Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>) {
        let stream = self.stream;
        let vm = Rc::clone(&self.shared.vm);
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    self.record.received(data.len());
                    let end = self.request.as_ref().is_none_or(hyper::body::Body::is_end_stream);
                    if end {
                        self.request = None;
                    }
                    vm.call(|worker| worker.request_data(stream, data, end));
                }
                Err(frame) => {
                    self.request = None;
                    let trailers = frame.trailers_ref().map_or_else(HeaderMap::new, headers::from_trailers);
                    vm.call(|worker| worker.request_trailers(stream, trailers));
                }
            },
            None => {
                self.request = None;
                vm.call(|worker| worker.request_data(stream, Bytes::new(), true));
            }
            Some(Err(error)) => {
                self.request = None;
                // A connection that broke has no ear; a body that is no HTTP gets an answer.
                if self.version == Version::HTTP_2 || error.is_incomplete_message() {
                    self.client_gone();
                } else {
                    self.local_reply(StatusCode::BAD_REQUEST, "Bad Request", "http1.codec_error");
                }
            }
        }
    }

    fn response_head(&mut self, response: Response<Incoming>, lease: Lease) {
        let stream = self.stream;
        let (parts, body) = response.into_parts();
        let fields = headers::from_upstream(&parts);
        let end = body.is_end_stream();
        if end {
            self.download = Download::None;
            lease.give_back();
        } else {
            self.download = Download::Body(Box::new((body, lease)));
        }
        self.shared.vm.call(|worker| worker.response_headers(stream, fields, end));
    }

    fn response_frame(&mut self, frame: Option<Result<hyper::body::Frame<Bytes>, hyper::Error>>) {
        let stream = self.stream;
        let vm = Rc::clone(&self.shared.vm);
        match frame {
            Some(Ok(frame)) => match frame.into_data() {
                Ok(data) => {
                    let end = self.download.is_at_end();
                    if end {
                        self.give_back();
                    }
                    vm.call(|worker| worker.response_data(stream, data, end));
                }
                Err(frame) => {
                    self.give_back();
                    let trailers = frame.trailers_ref().map_or_else(HeaderMap::new, headers::from_trailers);
                    vm.call(|worker| worker.response_trailers(stream, trailers));
                }
            },
            None => {
                self.give_back();
                vm.call(|worker| worker.response_data(stream, Bytes::new(), true));
            }
            Some(Err(_)) => {
                self.drop_upstream();
                vm.call(|worker| worker.upstream_reset(stream));
            }
        }
    }

    /// Words, statuses and details are Envoy's.
    fn upstream_failed(&mut self, error: &UpstreamError) {
        let (status, reason) = match error {
            UpstreamError::Connect(..) => (StatusCode::SERVICE_UNAVAILABLE, "connection failure"),
            UpstreamError::ConnectTimeout(..) => (StatusCode::SERVICE_UNAVAILABLE, "connection timeout"),
            UpstreamError::Closed(_) => (StatusCode::SERVICE_UNAVAILABLE, "connection termination"),
            UpstreamError::Protocol(..) => (StatusCode::BAD_GATEWAY, "protocol error"),
        };
        self.record.upstream_failed(error);
        let text = format!("upstream connect error or disconnect/reset before headers. reset reason: {reason}");
        let details = format!("upstream_reset_before_response_started{{{}}}", reason.replace(' ', "_"));
        self.local_reply(status, &text, &details);
    }

    fn local_reply(&mut self, status: StatusCode, text: &str, details: &str) {
        self.drop_upstream();
        let stream = self.stream;
        let body = Bytes::copy_from_slice(text.as_bytes());
        self.shared.vm.call(|worker| worker.local_reply(stream, status.as_u16(), body, details));
    }

    fn client_gone(&mut self) {
        self.client = Client::Done;
        self.request = None;
        self.record.client_gone();
        self.drop_upstream();
        let stream = self.stream;
        self.shared.vm.call(|worker| worker.client_reset(stream));
    }

    fn give_back(&mut self) {
        if let Download::Body(body) = std::mem::replace(&mut self.download, Download::None) {
            let (_, lease) = *body;
            lease.give_back();
        }
    }

    /// Cuts the upstream's part where it is not complete.
    fn drop_upstream(&mut self) {
        self.upload = None;
        self.download = Download::None;
    }

    /// Writes what the filter let go to the upstream, as far as there is room.
    fn write_upstream(&mut self) {
        while let Some(frame) = self.mailbox.take_if(Way::Upstream, |frame| can_write(frame, self.upload.as_ref())) {
            let piece = match frame {
                Frame::Headers { headers, end_stream } => {
                    self.start_upload(headers, end_stream);
                    continue;
                }
                Frame::Reset(_) => {
                    self.drop_upstream();
                    continue;
                }
                Frame::Data { data, end_stream } => Some(Piece::Data { data, end: end_stream }),
                Frame::Trailers(trailers) => headers::to_trailers(trailers).ok().map(Piece::Trailers),
            };
            // An upstream that has stopped reading its request may still answer: what it does not read is lost.
            let Some(sender) = self.upload.take() else { continue };
            self.upload = piece.and_then(|piece| send(sender, piece));
        }
    }

    fn start_upload(&mut self, fields: HeaderMap, end_stream: bool) {
        let (sender, body) = FrameBody::channel();
        let body = if end_stream { FrameBody::empty() } else { body };
        let upstream = Rc::clone(&self.shared.upstream);
        match headers::to_upstream(fields, body, upstream.target().version, Some(self.version)) {
            Ok(request) => {
                self.upload = (!end_stream).then_some(sender);
                self.download = Download::Sending(Box::pin(upstream.send(request)));
            }
            Err(malformed) => self.local_reply(StatusCode::BAD_GATEWAY, &malformed.to_string(), "filter_made_no_http"),
        }
    }

    /// Writes what the filter let go to the client, as far as there is room.
    fn write_client(&mut self) {
        loop {
            let frame = match &self.client {
                Client::Head(_) | Client::Satisfied => self.mailbox.take(Way::Client),
                Client::Body { sender, .. } => {
                    self.mailbox.take_if(Way::Client, |frame| can_write(frame, Some(sender)))
                }
                Client::Done => None,
            };
            let Some(frame) = frame else { return };
            match frame {
                Frame::Headers { headers, end_stream } => self.start_response(headers, end_stream),
                Frame::Data { data, end_stream } => self.respond(Piece::Data { data, end: end_stream }),
                Frame::Trailers(trailers) => match headers::to_trailers(trailers) {
                    Ok(trailers) => self.respond(Piece::Trailers(trailers)),
                    Err(_) => self.respond(Piece::Data { data: Bytes::new(), end: true }),
                },
                // Dropping the sender without an end is what cuts the message.
                Frame::Reset(reason) => {
                    self.record.reset(reason);
                    self.client = Client::Done;
                }
            }
        }
    }

    fn start_response(&mut self, fields: HeaderMap, end_stream: bool) {
        let Client::Head(answer) = std::mem::replace(&mut self.client, Client::Done) else { return };
        let left = fields.get_str("content-length").and_then(|length| length.parse().ok());
        let (sender, body) = FrameBody::channel();
        let body = if end_stream { FrameBody::empty() } else { body };
        let response = match headers::to_client(fields, body) {
            Ok(response) => response,
            Err(malformed) => {
                self.record.malformed(malformed);
                self.drop_upstream();
                let text = "the filter's response is no HTTP";
                Rejected { status: StatusCode::BAD_GATEWAY, text, details: "filter_made_no_http" }.response()
            }
        };
        self.record.status(response.status());
        // Without a reader for the body there is nothing more to send.
        let streams = !sender.is_closed() && !end_stream;
        if answer.send(Ok(response)).is_err() {
            self.client_gone();
        } else if streams {
            self.client = Client::Body { sender, left };
        }
    }

    fn respond(&mut self, piece: Piece) {
        let (length, end) = match &piece {
            Piece::Data { data, end } => (data.len(), *end),
            Piece::Trailers(_) => (0, true),
        };
        match std::mem::replace(&mut self.client, Client::Done) {
            Client::Body { sender, left } => {
                self.record.sent(length);
                let left = left.map(|left| left.saturating_sub(u64::try_from(length).unwrap_or(u64::MAX)));
                match send(sender, piece) {
                    Some(sender) => self.client = Client::Body { sender, left },
                    None if end => {}
                    None if left == Some(0) => self.client = Client::Satisfied,
                    None => self.client_gone(),
                }
            }
            Client::Satisfied if !end => self.client = Client::Satisfied,
            _ => {}
        }
    }
}

impl Download {
    async fn next(&mut self, reads: bool) -> Step {
        match self {
            Self::Sending(sending) => Step::Response(sending.await),
            Self::Body(body) if reads => Step::ResponseFrame(body.0.frame().await),
            _ => pending().await,
        }
    }

    fn is_at_end(&self) -> bool {
        match self {
            Self::Body(body) => body.0.is_end_stream(),
            _ => true,
        }
    }
}

impl Client {
    async fn next(&mut self, writes: bool) -> Step {
        match self {
            Self::Head(answer) => {
                answer.closed().await;
                Step::ClientGone
            }
            Self::Body { sender, left } => {
                tokio::select! {
                    () = sender.closed() => {}
                    () = has_room(Some(sender)), if writes => return Step::Again,
                }
                if *left == Some(0) {
                    *self = Self::Satisfied;
                    Step::Again
                } else {
                    Step::ClientGone
                }
            }
            Self::Satisfied | Self::Done => pending().await,
        }
    }
}

/// Reads on for a while what nobody wants: a client that is still sending when it is cut off may never see the answer
/// (RFC 9112, section 9.6).
async fn linger(mut request: Incoming) {
    let rest = async { while let Some(Ok(_)) = request.frame().await {} };
    // Beyond the time hyper cuts it off.
    let _ = tokio::time::timeout(LINGER, rest).await;
}

async fn next_frame(body: Option<&mut Incoming>) -> Option<Result<hyper::body::Frame<Bytes>, hyper::Error>> {
    match body {
        Some(body) => body.frame().await,
        None => pending().await,
    }
}

/// Returns when a piece fits in, or when nobody reads any more.
async fn has_room(sender: Option<&mpsc::Sender<Piece>>) {
    match sender {
        Some(sender) => drop(sender.reserve().await),
        None => pending().await,
    }
}

/// Heads and resets need no room; a piece for a reader that is gone is taken, to be dropped.
fn can_write(frame: &Frame, sender: Option<&mpsc::Sender<Piece>>) -> bool {
    match frame {
        Frame::Headers { .. } | Frame::Reset(_) => true,
        Frame::Data { .. } | Frame::Trailers(_) => {
            sender.is_none_or(|sender| sender.capacity() > 0 || sender.is_closed())
        }
    }
}

/// Sends a piece into a channel with room. `None` when it was the last one, or nobody reads any more.
fn send(sender: mpsc::Sender<Piece>, piece: Piece) -> Option<mpsc::Sender<Piece>> {
    let end = matches!(piece, Piece::Data { end: true, .. } | Piece::Trailers(_));
    let sent = sender.try_send(piece).is_ok();
    (sent && !end).then_some(sender)
}
