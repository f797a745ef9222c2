//! What is approved by being listed first: once, whoever else writes, and for good.

use std::cell::RefCell;

use meshward_catalogue::{Catalogue, CatalogueConfig, Digest, NameId, Remembered, ServerKey, Tools};
use meshward_engine::{Host, StoreError};
use meshward_wire::json::{Span, elements, member, string};

use crate::store::at_every_step;
use crate::support::{World, catalogue, demanded, learn, list, server};

/// A worker that approves what it sees first.
fn worker(epoch: u64, max_servers: usize) -> Catalogue {
    catalogue("{}").with_approvals(epoch, max_servers)
}

/// Without schemas.
fn bare() -> Catalogue {
    Catalogue::new(&CatalogueConfig { learn: false, ..CatalogueConfig::default() }).unwrap().with_approvals(0, 16)
}

/// Takes in a list. What was approved of each tool.
fn review(worker: &Catalogue, host: &dyn Host, server: &ServerKey, text: &str) -> Result<Vec<Digest>, StoreError> {
    let entries: Vec<_> = elements(text, Span { start: 0, end: text.len() })
        .map(|entry| (string(text, member(text, entry, "name").unwrap()).unwrap(), entry))
        .collect();
    let approve = |tools: &mut Tools| {
        let approve = |(name, entry): &(std::borrow::Cow<'_, str>, Span)| {
            let definition = Digest::of_definition(text, *entry).unwrap();
            tools.list(NameId::of(name), definition, false);
            *tools.hold(NameId::of(name)).approved.get_or_insert(definition)
        };
        entries.iter().map(approve).collect()
    };
    worker.review(host, server, text, entries.iter().map(|(name, entry)| (&**name, *entry)), approve)
}

fn hash(constant: &str) -> Digest {
    let list = list([("t", constant)]);
    Digest::of_definition(&list, Span { start: 1, end: list.len() - 1 }).unwrap()
}

fn approved(worker: &Catalogue, host: &dyn Host, server: &ServerKey, name: &str) -> Option<Digest> {
    match worker.remembered(host, server) {
        Remembered::Tools(tools) => tools.held(NameId::of(name))?.approved,
        Remembered::Nothing | Remembered::NoRoom => None,
    }
}

#[test]
fn one_worker_approves_for_all() {
    let world = World::default();
    let (one, two) = (worker(0, 16), worker(0, 16));
    let a = server("a");
    assert!(matches!(one.remembered(&world, &a), Remembered::Nothing));
    assert_eq!(review(&one, &world, &a, &list([("t", "1")])), Ok(vec![hash("1")]));
    assert_eq!(approved(&two, &world, &a, "t"), Some(hash("1")));
    assert_eq!(review(&two, &world, &a, &list([("t", "2"), ("u", "3")])), Ok(vec![hash("1"), hash("3")]));
    assert_eq!(approved(&one, &world, &a, "u"), Some(hash("3")));
    assert_eq!(demanded(&one, &world, &a, "t", &["1", "2"]), Some(Some("2")), "what was said last");
    assert_eq!(approved(&one, &world, &server("b"), "t"), None);
}

#[test]
fn the_first_of_two_workers_is_the_first_at_every_step() {
    let a = server("a");
    for seen_before in [false, true] {
        let told = RefCell::new(Vec::new());
        at_every_step(
            |world| {
                if seen_before {
                    review(&worker(0, 16), world, &a, &list([("z", "9")])).unwrap();
                }
            },
            |host| {
                let said = review(&worker(0, 16), host, &a, &list([("t", "1")])).unwrap();
                told.borrow_mut().push(said[0]);
            },
            |world| {
                let said = review(&worker(0, 16), world, &a, &list([("t", "2")])).unwrap();
                review(&worker(0, 16), world, &server("b"), &list([("t", "3")])).unwrap();
                told.borrow_mut().push(said[0]);
            },
            |world| {
                let first = approved(&worker(0, 16), world, &a, "t").unwrap();
                assert!(first == hash("1") || first == hash("2"));
                assert_eq!(told.take(), [first, first], "nobody is told that another one is");
                assert_eq!(approved(&worker(0, 16), world, &a, "z"), seen_before.then(|| hash("9")));
                assert_eq!(approved(&worker(0, 16), world, &server("b"), "t"), Some(hash("3")));
            },
        );
    }
}

#[test]
fn no_server_talks_itself_out_of_an_approval() {
    let a = server("a");
    at_every_step(
        |world| assert_eq!(review(&worker(0, 16), world, &a, &list([("t", "1")])), Ok(vec![hash("1")])),
        |host| {
            let _ = review(&worker(0, 16), host, &a, &list([("t", "2")]));
        },
        |world| assert!(worker(0, 16).forget(world, &a)),
        |world| {
            let worker = worker(0, 16);
            assert_eq!(approved(&worker, world, &a, "t"), Some(hash("1")));
            assert!(matches!(demanded(&worker, world, &a, "t", &["1", "2"]), None | Some(Some("2"))));
            assert_eq!(review(&worker, world, &a, &list([("t", "2")])), Ok(vec![hash("1")]));
            assert_eq!(demanded(&worker, world, &a, "t", &["1", "2"]), Some(Some("2")));
        },
    );
}

#[test]
fn an_unchanged_list_is_one_read_and_no_write() {
    for worker in [worker(0, 16), bare()] {
        let (world, a) = (World::default(), server("a"));
        review(&worker, &world, &a, &list([("t", "1")])).unwrap();
        let (before, reads) = (world.values.lock().unwrap().clone(), world.reads.get());
        review(&worker, &world, &a, &list([("t", "1")])).unwrap();
        assert_eq!((world.values.lock().unwrap().clone(), world.reads.get()), (before, reads + 1));
        worker.remembered(&world, &a);
        assert_eq!(world.reads.get(), reads + 2);
    }
}

#[test]
fn a_server_that_is_one_too_many_makes_nobody_forgotten() {
    for max in [1, 2, 3] {
        let world = World::default();
        let names: Vec<String> = (0..=max).map(|n| format!("s{n}")).collect();
        let worker = worker(0, max);
        let servers: Vec<_> = names.iter().map(|name| server(name)).collect();
        let (last, known) = servers.split_last().unwrap();
        // The catalogue's own bound is 16; what is approved has the larger one.
        let others = 16_usize.saturating_sub(max);
        for n in 0..others {
            review(&worker, &world, &server(&format!("other-{n}")), &list([("t", "9")])).unwrap();
        }
        for server in known {
            review(&worker, &world, server, &list([("t", "1")])).unwrap();
        }
        assert_eq!(review(&worker, &world, last, &list([("t", "1")])), Err(StoreError::Refused));
        assert!(matches!(worker.remembered(&world, last), Remembered::NoRoom));
        for server in known {
            assert_eq!(review(&worker, &world, server, &list([("t", "2")])), Ok(vec![hash("1")]));
        }
        // Nor do those who approve nothing.
        assert!(learn(&catalogue("{}"), &world, last, &list([("t", "1")])).failed);
    }
}

#[test]
fn an_epoch_begins_anew() {
    let (world, a) = (World::default(), server("a"));
    let epoch = |epoch| {
        Catalogue::new(&CatalogueConfig { learn: false, ..CatalogueConfig::default() })
            .unwrap()
            .with_approvals(epoch, 1)
    };
    review(&epoch(0), &world, &a, &list([("t", "1")])).unwrap();
    assert_eq!(review(&epoch(1), &world, &a, &list([("t", "2")])), Ok(vec![hash("2")]));
    assert_eq!(approved(&epoch(1), &world, &a, "t"), Some(hash("2")));
    assert_eq!(review(&epoch(0), &world, &a, &list([("t", "3")])), Err(StoreError::Refused), "it is over");
}

#[test]
fn approvals_outlast_the_directory_and_a_clock_that_goes_back() {
    for time in [0, 1 << 60] {
        let (world, a) = (World::default(), server("a"));
        world.time.set(1 << 40);
        review(&worker(0, 16), &world, &a, &list([("t", "1")])).unwrap();
        world.put("meshward/tools", b"garbage");
        world.time.set(time);
        assert_eq!(review(&worker(0, 16), &world, &a, &list([("t", "2")])), Ok(vec![hash("1")]), "{time}");
        assert_eq!(demanded(&worker(0, 16), &world, &a, "t", &["1", "2"]), Some(Some("2")));
    }
}

#[test]
fn what_no_more_fits_takes_no_approval_along() {
    let (world, a) = (World::default(), server("a"));
    let worker = catalogue(r#"{"max_bytes": 1000}"#).with_approvals(0, 16);
    review(&worker, &world, &a, &list([("u", "1")])).unwrap();
    for round in 0..50 {
        let constant = round.to_string();
        assert_eq!(review(&worker, &world, &a, &list([("t", constant.as_str())])), Ok(vec![hash("0")]));
        let Remembered::Tools(tools) = worker.remembered(&world, &a) else { panic!() };
        assert!(tools.said(NameId::of("u")).is_some(), "the server vouches for it");
    }
    assert_eq!(approved(&worker, &world, &a, "u"), Some(hash("1")));
    assert!(world.bytes() < 2_000, "{}", world.bytes());
}

#[test]
fn who_keeps_no_schemas_leaves_those_of_definitions_that_are_the_same() {
    let (world, a) = (World::default(), server("a"));
    let (with, without) = (worker(0, 16), bare());
    review(&with, &world, &a, &list([("t", "1"), ("u", "1")])).unwrap();
    review(&without, &world, &a, &list([("t", "2"), ("u", "1")])).unwrap();
    assert_eq!(demanded(&with, &world, &a, "t", &["1", "2"]), None, "it is another tool");
    assert_eq!(demanded(&with, &world, &a, "u", &["1", "2"]), Some(Some("1")));
}
