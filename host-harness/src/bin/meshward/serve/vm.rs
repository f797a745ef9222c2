//! The VM of one worker thread and the way of its events to the exchanges.

use std::cell::RefCell;
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;

use host_harness::{CalloutToken, Event, Frame, Properties, StreamId, StreamInfo, Worker};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

use super::callout;
use super::upstream::Upstream;

/// A worker's VM. All calls into it go through [`Vm::call`], which hands the events that follow to those they are for.
pub(crate) struct Vm {
    worker: RefCell<Worker>,
    mailboxes: RefCell<HashMap<StreamId, Rc<Mailbox>>>,
    callouts: RefCell<HashMap<CalloutToken, AbortHandle>>,
    clusters: HashMap<String, Rc<Upstream>>,
    timers: Notify,
}

/// Frames that the filter let go and that wait to be written.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    queues: RefCell<Queues>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Queues {
    upstream: VecDeque<Frame>,
    client: VecDeque<Frame>,
}

/// The way a frame goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The request.
    Upstream,
    /// The response.
    Client,
}

impl Mailbox {
    /// Returns when frames have come since the last time.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Takes the next frame if `accept` says so.
    pub(crate) fn take_if(&self, way: Way, accept: impl FnOnce(&Frame) -> bool) -> Option<Frame> {
        let mut queues = self.queues.borrow_mut();
        let queue = queues.of(way);
        if queue.front().is_some_and(accept) { queue.pop_front() } else { None }
    }

    /// Takes the next frame.
    pub(crate) fn take(&self, way: Way) -> Option<Frame> {
        self.take_if(way, |_| true)
    }

    /// Does nothing wait?
    pub(crate) fn is_empty(&self, way: Way) -> bool {
        self.queues.borrow_mut().of(way).is_empty()
    }

    fn push(&self, way: Way, frame: Frame) {
        self.queues.borrow_mut().of(way).push_back(frame);
        self.changed.notify_one();
    }
}

impl Queues {
    fn of(&mut self, way: Way) -> &mut VecDeque<Frame> {
        match way {
            Way::Upstream => &mut self.upstream,
            Way::Client => &mut self.client,
        }
    }
}

impl Vm {
    /// Takes a started VM and the clusters it may call.
    pub(crate) fn new(worker: Worker, clusters: HashMap<String, Rc<Upstream>>) -> Rc<Self> {
        Rc::new(Self {
            worker: RefCell::new(worker),
            mailboxes: RefCell::default(),
            callouts: RefCell::default(),
            clusters,
            timers: Notify::new(),
        })
    }

    /// Opens a stream.
    pub(crate) fn open(&self, properties: Properties) -> (StreamId, Rc<Mailbox>) {
        let stream = self.worker.borrow_mut().open(properties);
        let mailbox = Rc::new(Mailbox::default());
        self.mailboxes.borrow_mut().insert(stream, Rc::clone(&mailbox));
        (stream, mailbox)
    }

    /// Ends a stream.
    pub(crate) fn close(self: &Rc<Self>, stream: StreamId) -> StreamInfo {
        let info = self.call(|worker| worker.close(stream));
        self.mailboxes.borrow_mut().remove(&stream);
        info.unwrap_or_default()
    }

    /// Calls the worker and sees to everything that follows from it.
    pub(crate) fn call<T>(self: &Rc<Self>, call: impl FnOnce(&mut Worker) -> T) -> T {
        let result = call(&mut self.worker.borrow_mut());
        // The borrow ends with each event: handling one may call the worker again.
        while let Some(event) = self.next_event() {
            self.handle(event);
        }
        self.timers.notify_one();
        result
    }

    /// Asks the worker something that has no consequences.
    pub(crate) fn ask<T>(&self, question: impl FnOnce(&Worker) -> T) -> T {
        question(&self.worker.borrow())
    }

    /// Runs the worker's timers when they are due, for ever.
    pub(crate) async fn run_timers(self: Rc<Self>) {
        loop {
            match self.ask(Worker::next_timer) {
                Some(wait) => {
                    tokio::select! {
                        () = tokio::time::sleep(wait) => self.call(Worker::run_timers),
                        () = self.timers.notified() => {}
                    }
                }
                None => self.timers.notified().await,
            }
        }
    }

    fn next_event(&self) -> Option<Event> {
        self.worker.borrow_mut().next_event()
    }

    fn handle(self: &Rc<Self>, event: Event) {
        match event {
            Event::ToUpstream(stream, frame) => self.deliver(stream, Way::Upstream, frame),
            Event::ToClient(stream, frame) => self.deliver(stream, Way::Client, frame),
            Event::HttpCall(call) => {
                let token = call.token;
                let cluster = self.clusters.get(&call.cluster).cloned();
                let vm = Rc::clone(self);
                let task = tokio::task::spawn_local(async move {
                    let response = callout::http(cluster, call).await;
                    vm.callouts.borrow_mut().remove(&token);
                    vm.call(|worker| worker.http_call_response(token, response));
                });
                self.callouts.borrow_mut().insert(token, task.abort_handle());
            }
            Event::GrpcCall(call) => {
                let token = call.token;
                let cluster = self.clusters.get(&call.cluster).cloned();
                let vm = Rc::clone(self);
                let task = tokio::task::spawn_local(async move {
                    let answer = callout::grpc(cluster, call).await;
                    vm.callouts.borrow_mut().remove(&token);
                    vm.call(|worker| match answer {
                        Ok(message) => worker.grpc_message(token, message),
                        Err(status) => {
                            worker.grpc_close(token, i32::from(status.code()).unsigned_abs(), status.message());
                        }
                    });
                });
                self.callouts.borrow_mut().insert(token, task.abort_handle());
            }
            Event::GrpcStream(stream) => self.no_streams(stream.token),
            Event::GrpcSend { .. } | Event::GrpcEnd(_) => {}
            Event::CancelCallout(token) => {
                if let Some(task) = self.callouts.borrow_mut().remove(&token) {
                    task.abort();
                }
            }
        }
    }

    /// The tool opens no gRPC streams; a module hears so in gRPC's own words (`UNIMPLEMENTED`).
    fn no_streams(self: &Rc<Self>, token: CalloutToken) {
        let vm = Rc::clone(self);
        tokio::task::spawn_local(async move {
            vm.call(|worker| worker.grpc_close(token, 12, "meshward serve opens no gRPC streams"));
        });
    }

    fn deliver(&self, stream: StreamId, way: Way, frame: Frame) {
        // A stream that is closed has nobody left to write to.
        if let Some(mailbox) = self.mailboxes.borrow().get(&stream) {
            mailbox.push(way, frame);
        }
    }
}
