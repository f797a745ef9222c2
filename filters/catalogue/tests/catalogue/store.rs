//! Many workers, lost races, refusing stores and what others write.

use std::cell::{Cell, RefCell};

use crate::support::{Interrupted, World, catalogue, demanded, learn, list, server};
use meshward_catalogue::Learned;
use proptest::prelude::*;

const ANY: &[&str] = &["1", "2", "3", "4"];

/// Runs an action with another just before its first, second, … step, until there is none so late.
pub(crate) fn at_every_step(
    prepare: impl Fn(&World),
    action: impl Fn(&Interrupted<'_>),
    other: impl Fn(&World),
    judge: impl Fn(&World),
) {
    for step in 0.. {
        assert!(step < 100);
        let world = World::default();
        prepare(&world);
        let shared = world.clone();
        let host = Interrupted {
            world: world.clone(),
            left: Cell::new(step),
            action: RefCell::new(Some(Box::new(|| other(&shared)))),
        };
        action(&host);
        let was_too_late = host.action.borrow().is_some();
        drop(host);
        if was_too_late {
            assert!(step > 2);
            break;
        }
        judge(&world);
    }
}

#[test]
fn two_workers_learn_different_pages() {
    at_every_step(
        |_| {},
        |host| assert!(!learn(&catalogue("{}"), host, &server("a"), &list([("t", "1"), ("u", "2")])).failed),
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &list([("v", "3"), ("w", "4")])).failed),
        |world| {
            let worker = catalogue("{}");
            let found = ["t", "u", "v", "w"].map(|name| demanded(&worker, world, &server("a"), name, ANY));
            assert_eq!(found, ["1", "2", "3", "4"].map(|constant| Some(Some(constant))));
            assert_eq!(world.keys().len(), 3, "nothing twice");
        },
    );
}

#[test]
fn two_workers_learn_the_same_page() {
    let page = list([("t", "1"), ("u", "2")]);
    at_every_step(
        |_| {},
        |host| assert!(!learn(&catalogue("{}"), host, &server("a"), &page).failed),
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &page).failed),
        |world| {
            let found = ["t", "u"].map(|name| demanded(&catalogue("{}"), world, &server("a"), name, ANY));
            assert_eq!(found, [Some(Some("1")), Some(Some("2"))]);
            let once = World::default();
            learn(&catalogue("{}"), &once, &server("a"), &page);
            assert_eq!(world.bytes(), once.bytes(), "nothing twice");
        },
    );
}

#[test]
fn two_workers_learn_different_definitions() {
    at_every_step(
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &list([("t", "1"), ("u", "1")])).failed),
        |host| assert!(!learn(&catalogue("{}"), host, &server("a"), &list([("t", "2")])).failed),
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &list([("t", "3")])).failed),
        |world| {
            let found = demanded(&catalogue("{}"), world, &server("a"), "t", ANY);
            assert!(matches!(found, Some(Some("2" | "3"))), "{found:?}");
            assert_eq!(demanded(&catalogue("{}"), world, &server("a"), "u", ANY), Some(Some("1")));
        },
    );
}

#[test]
fn what_is_learned_while_it_is_taken_back_is_old_or_gone() {
    at_every_step(
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &list([("t", "1")])).failed),
        |host| {
            learn(&catalogue("{}"), host, &server("a"), &list([("u", "2")]));
        },
        |world| assert!(catalogue("{}").forget(world, &server("a"))),
        |world| {
            let worker = catalogue("{}");
            assert_eq!(demanded(&worker, world, &server("a"), "t", ANY), None, "it was taken back");
            assert!(matches!(demanded(&worker, world, &server("a"), "u", ANY), None | Some(Some("2"))));
            assert!(!learn(&worker, world, &server("a"), &list([("t", "3")])).failed);
            assert_eq!(demanded(&catalogue("{}"), world, &server("a"), "t", ANY), Some(Some("3")));
        },
    );
}

#[test]
fn a_slot_changes_hands_while_it_is_written() {
    let one_slot = r#"{"max_servers": 1}"#;
    at_every_step(
        |world| assert!(!learn(&catalogue(one_slot), world, &server("a"), &list([("t", "1")])).failed),
        |host| {
            learn(&catalogue(one_slot), host, &server("a"), &list([("u", "2")]));
        },
        |world| assert!(!learn(&catalogue(one_slot), world, &server("b"), &list([("t", "3")])).failed),
        |world| {
            let worker = catalogue(one_slot);
            let found = demanded(&worker, world, &server("a"), "t", ANY);
            assert!(matches!(found, None | Some(Some("1"))), "never another server's: {found:?}");
            let found = demanded(&worker, world, &server("b"), "t", ANY);
            assert!(matches!(found, None | Some(Some("3"))), "never another server's: {found:?}");
            assert!(!learn(&worker, world, &server("b"), &list([("t", "4")])).failed);
            assert_eq!(demanded(&catalogue(one_slot), world, &server("b"), "t", ANY), Some(Some("4")));
        },
    );
}

#[test]
fn a_tool_is_read_while_it_changes() {
    at_every_step(
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &list([("t", "1")])).failed),
        |host| {
            let worker = catalogue("{}");
            for _ in 0..3 {
                let found = demanded(&worker, host, &server("a"), "t", ANY);
                assert!(matches!(found, None | Some(Some("1" | "2"))), "{found:?}");
            }
        },
        |world| assert!(!learn(&catalogue("{}"), world, &server("a"), &list([("t", "2")])).failed),
        |world| assert_eq!(demanded(&catalogue("{}"), world, &server("a"), "t", ANY), Some(Some("2"))),
    );
}

#[test]
fn a_writer_that_dies_leaves_nothing_that_is_believed_or_in_the_way() {
    let pages = [list([("t", "1")]), list([("t", "2"), ("u", "3")])];
    for writes in 0..10 {
        let world = World::default();
        learn(&catalogue("{}"), &world, &server("a"), &pages[0]);
        // It gets so far and no further.
        let host = Interrupted { world: world.clone(), left: Cell::new(usize::MAX), action: RefCell::new(None) };
        let dying = Dying { inner: host, writes: Cell::new(writes) };
        learn(&catalogue("{}"), &dying, &server("a"), &pages[1]);
        let (reader, learner) = (catalogue("{}"), catalogue("{}"));
        let found = demanded(&reader, &world, &server("a"), "t", ANY);
        assert!(matches!(found, None | Some(Some("1" | "2"))), "{found:?}");
        assert!(!learn(&learner, &world, &server("a"), &pages[1]).failed);
        assert_eq!(demanded(&reader, &world, &server("a"), "t", ANY), Some(Some("2")), "after {writes}");
        assert_eq!(demanded(&reader, &world, &server("a"), "u", ANY), Some(Some("3")));
    }
}

struct Dying<'a> {
    inner: Interrupted<'a>,
    writes: Cell<usize>,
}

impl meshward_engine::Host for Dying<'_> {
    fn now(&self) -> u64 {
        self.inner.now()
    }

    fn random(&self, into: &mut [u8]) -> bool {
        self.inner.random(into)
    }

    fn property(&self, path: &[&str]) -> Option<Vec<u8>> {
        self.inner.property(path)
    }

    fn store_get(&self, key: &str) -> Option<(Vec<u8>, u32)> {
        self.inner.store_get(key)
    }

    fn store_set(&self, key: &str, value: &[u8], version: Option<u32>) -> Result<(), meshward_engine::StoreError> {
        let left = self.writes.get().checked_sub(1).ok_or(meshward_engine::StoreError::Refused)?;
        self.writes.set(left);
        self.inner.store_set(key, value, version)
    }
}

#[test]
fn a_store_that_refuses_is_said() {
    let world = World { refuses: true, ..World::default() };
    let worker = catalogue("{}");
    let learned = learn(&worker, &world, &server("a"), &list([("t", "1")]));
    assert_eq!(learned, Learned { failed: true, ..Learned::default() });
    assert_eq!(demanded(&worker, &world, &server("a"), "t", ANY), None);
    assert!(worker.forget(&world, &server("a")), "there is nothing to forget");
    let known = World::default();
    learn(&worker, &known, &server("a"), &list([("t", "1")]));
    let refusing = World { refuses: true, ..known.clone() };
    assert!(!worker.forget(&refusing, &server("a")));
}

#[test]
fn eight_threads() {
    let world = World::default();
    let done: Vec<_> = (0..8)
        .map(|thread| {
            let values = world.values.clone();
            std::thread::spawn(move || {
                let world = World { values, ..World::default() };
                let worker = catalogue(r#"{"max_servers": 2}"#);
                for round in 0..200 {
                    let name = ["a", "b"][(thread + round) % 2];
                    let constant = ANY[round % 4];
                    match (thread + round) % 7 {
                        0 => assert!(worker.forget(&world, &server(name))),
                        1..=3 => {
                            let own = format!("own-{thread}");
                            let learned =
                                learn(&worker, &world, &server(name), &list([("t", constant), (own.as_str(), name)]));
                            assert!(!learned.failed);
                        }
                        _ => {
                            let found = demanded(&worker, &world, &server(name), "t", ANY);
                            assert!(matches!(found, None | Some(Some(_))), "{found:?}");
                            for other in 0..8 {
                                let own = format!("own-{other}");
                                let found = demanded(&worker, &world, &server(name), &own, &["a", "b"]);
                                assert!(found.is_none() || found == Some(Some(name)), "{found:?}");
                            }
                        }
                    }
                }
            })
        })
        .collect();
    for thread in done {
        thread.join().unwrap();
    }
    let worker = catalogue("{}");
    for name in ["a", "b"] {
        assert!(!learn(&worker, &world, &server(name), &list([("t", "4")])).failed);
        assert_eq!(demanded(&catalogue("{}"), &world, &server(name), "t", ANY), Some(Some("4")));
    }
}

#[derive(Debug, Clone)]
enum Act {
    Learn {
        server: usize,
        tools: Vec<(usize, usize)>,
    },
    Forget {
        server: usize,
    },
    Read {
        server: usize,
        tool: usize,
    },
    /// Another plugin writes to one of the keys: garbage, or a value with bytes changed or cut.
    Spoil {
        key: usize,
        garbage: Option<Vec<u8>>,
        at: usize,
    },
}

fn acts() -> impl Strategy<Value = Vec<(usize, Act)>> {
    let act = prop_oneof![
        (0..3_usize, prop::collection::vec((0..6_usize, 0..4_usize), 1..4))
            .prop_map(|(server, tools)| Act::Learn { server, tools }),
        (0..3_usize).prop_map(|server| Act::Forget { server }),
        (0..3_usize, 0..6_usize).prop_map(|(server, tool)| Act::Read { server, tool }),
        (0..9_usize, prop::option::of(prop::collection::vec(any::<u8>(), 0..40)), any::<usize>())
            .prop_map(|(key, garbage, at)| Act::Spoil { key, garbage, at }),
    ];
    prop::collection::vec((0..3_usize, act), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(debug_assertions) { 300 } else { 3000 }))]

    /// What is known is what was listed last, as long as nobody spoils the store; and if somebody does, what is known was
    /// listed at some time.
    #[test]
    fn workers_agree_with_a_plain_map(acts in acts()) {
        const SERVERS: [&str; 3] = ["a", "b", "c"];
        let world = World::default();
        let workers = [catalogue("{}"), catalogue("{}"), catalogue("{}")];
        let mut listed = std::collections::BTreeMap::new();
        let mut ever = std::collections::BTreeSet::new();
        let mut spoiled = false;
        for (worker, act) in acts {
            let worker = &workers[worker];
            match act {
                Act::Learn { server: at, tools } => {
                    let names: Vec<_> = tools.iter().map(|(tool, constant)| (format!("t{tool}"), ANY[*constant])).collect();
                    let page = list(names.iter().map(|(name, constant)| (name.as_str(), *constant)));
                    let learned = learn(worker, &world, &server(SERVERS[at]), &page);
                    prop_assert!(!learned.failed || spoiled);
                    for (name, constant) in names.into_iter().rev() {
                        ever.insert((at, name.clone(), constant));
                        listed.insert((at, name), constant);
                    }
                }
                Act::Forget { server: at } => {
                    prop_assert!(worker.forget(&world, &server(SERVERS[at])));
                    listed.retain(|(server, _), _| *server != at);
                }
                Act::Read { server: at, tool } => {
                    let name = format!("t{tool}");
                    let found = demanded(worker, &world, &server(SERVERS[at]), &name, ANY);
                    if spoiled {
                        let known = |constant| ever.contains(&(at, name.clone(), constant));
                        prop_assert!(found.is_none_or(|constant| constant.is_some_and(known)));
                    } else {
                        prop_assert_eq!(found, listed.get(&(at, name)).map(|constant| Some(*constant)));
                    }
                }
                Act::Spoil { key, garbage, at } => {
                    // Rarely, so that most runs are of a store that holds.
                    let keys = world.keys();
                    if let Some(key) = keys.get(key) {
                        let mut value = world.values.lock().unwrap().0[key].0.clone();
                        match garbage {
                            Some(garbage) => value = garbage,
                            None if at % 2 == 0 => value.truncate(at % (value.len() + 1)),
                            None => {
                                let len = value.len().max(1);
                                if let Some(byte) = value.get_mut(at % len) {
                                    *byte ^= 0x55;
                                }
                            }
                        }
                        world.put(key, &value);
                        spoiled = true;
                    }
                }
            }
        }
    }
}
