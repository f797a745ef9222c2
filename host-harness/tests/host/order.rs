//! Whatever a module answers and in whatever order frames come: each side sees a well-formed message.

use host_harness::{Clock, Event, Frame, Host, HostOptions, PluginConfig, Properties, Random, VirtualClock, Worker};

use crate::support::{Wat, bytes, fields, post, status};

/// A module that answers each callback at random, replies or closes now and then, and continues what it held on a tick.
fn moody() -> Wat {
    let mut wat = Wat::new();
    let body = wat.text("moody");
    wat.with(
        "(func $dice (result i32) (drop (call $random_get (i32.const 32) (i32.const 4))) (i32.load (i32.const 32)))
         (global $last (mut i32) (i32.const 0))",
    );
    wat.at("proxy_on_context_create", 2, "(if (local.get $b) (then (global.set $last (local.get $a))))");
    let mood = format!(
        "(local $dice i32) (local.set $dice (call $dice))
         (if (i32.eqz (i32.and (local.get $dice) (i32.const 0x1f0))) (then (call $reply (i32.const 418) {body})))
         (if (i32.eqz (i32.and (local.get $dice) (i32.const 0x7e00))) (then (drop (call $close_stream (i32.const 0)))))
         (if (i32.eqz (i32.and (local.get $dice) (i32.const 0x3f0000))) (then (drop (call $continue_stream (i32.const 1)))))
         (i32.and (local.get $dice) (i32.const 3))"
    );
    for callback in ["request_headers", "request_body", "response_headers", "response_body"] {
        wat.on(&format!("proxy_on_{callback}"), 3, &mood);
    }
    for callback in ["request_trailers", "response_trailers"] {
        wat.on(&format!("proxy_on_{callback}"), 2, &mood);
    }
    wat.at(
        "proxy_on_tick",
        1,
        "(if (i32.eqz (call $set_effective_context (global.get $last)))
           (then (drop (call $continue_stream (i32.and (call $dice) (i32.const 1))))))",
    );
    wat.on("proxy_on_vm_start", 2, "(drop (call $set_tick_period (i32.const 1))) (i32.const 1)");
    wat
}

/// What has been seen of a message.
#[derive(Default)]
struct Message {
    begun: bool,
    over: bool,
    reset: bool,
}

impl Message {
    fn see(&mut self, frame: &Frame, what: &str) {
        // A request that has been sent whole can still be called off, once.
        let called_off = matches!(frame, Frame::Reset(_)) && self.begun && what.ends_with("upstream");
        assert!(!self.reset && (!self.over || called_off), "{what}: {frame:?} behind the end");
        match frame {
            Frame::Headers { end_stream, .. } => {
                assert!(!self.begun, "{what}: headers twice");
                self.begun = true;
                self.over = *end_stream;
            }
            Frame::Data { end_stream, .. } => {
                assert!(self.begun, "{what}: data before headers");
                self.over = *end_stream;
            }
            Frame::Trailers(_) => {
                assert!(self.begun, "{what}: trailers before headers");
                self.over = true;
            }
            Frame::Reset(_) => (self.over, self.reset) = (true, true),
        }
    }
}

#[test]
fn messages_are_well_formed_whatever_happens() {
    let module = moody().module();
    let (mut answered, mut replied) = (0_u32, 0_u32);
    for seed in 0..600 {
        let clock = VirtualClock::new(std::time::Duration::ZERO);
        let host = Host::new(HostOptions {
            clock: Clock::Virtual(clock.clone()),
            random: Random::Seeded(seed),
            ..HostOptions::default()
        });
        let config = PluginConfig {
            buffer_limit: 12,
            allow_on_headers_stop_iteration: seed % 2 == 0,
            ..PluginConfig::default()
        };
        let mut worker = Worker::start(&module, &config, &host).unwrap();
        let id = worker.open(Properties::new());
        let (mut up, mut client) = (Message::default(), Message::default());
        let mut dice = seed;
        worker.request_headers(id, post(), seed % 7 == 0);
        for _ in 0..24 {
            dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            match (dice >> 33) % 9 {
                0 | 1 => worker.request_data(id, bytes("abcd"), false),
                2 => worker.request_data(id, bytes(""), true),
                3 => worker.request_trailers(id, fields(&[("t", "1")])),
                4 => worker.response_headers(id, status("200"), false),
                5 => worker.response_data(id, bytes("efgh"), false),
                6 if dice & 1 == 0 => worker.response_data(id, bytes("i"), true),
                6 => worker.response_trailers(id, fields(&[("t", "2")])),
                _ => {
                    clock.advance(std::time::Duration::from_millis(1));
                    worker.run_timers();
                }
            }
            for event in worker.events() {
                match &event {
                    Event::ToUpstream(_, frame) => up.see(frame, &format!("seed {seed}, upstream")),
                    Event::ToClient(_, frame) => {
                        client.see(frame, &format!("seed {seed}, client"));
                        if let Frame::Headers { headers, .. } = frame {
                            answered += u32::from(headers.status() == Some(200));
                            replied += u32::from(headers.status() == Some(418));
                        }
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
        worker.client_reset(id);
        worker.close(id);
        for event in worker.events() {
            assert!(matches!(event, Event::ToUpstream(..)), "seed {seed}: {event:?} after the client left");
        }
        assert_eq!(host.stats().vm_failures, 0, "seed {seed}");
    }
    assert!(answered > 50 && replied > 20, "the test reaches little: {answered} answered, {replied} replied");
}
