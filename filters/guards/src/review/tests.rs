use std::rc::Rc;

use meshward_catalogue::Remembered;
use meshward_engine::Mode;

use super::*;
use crate::config::{PinConfig, PinsConfig, Unlisted};
use crate::definitions::{DefinitionsConfig, LookalikeRemedy};

fn d(text: &str) -> Digest {
    Digest::of_bytes(text.as_bytes())
}

/// The pins of `a` and `b`, or none with trust on first use.
fn pins(trust: Trust, change: impl FnOnce(&mut PinsConfig)) -> Guards {
    let pin = |name: &str| PinConfig { name: name.into(), hash: d(name).to_string(), endpoint: None };
    let tools = if trust == Trust::Configured { vec![pin("a"), pin("b")] } else { Vec::new() };
    let mut config = PinsConfig { trust, tools, ..PinsConfig::default() };
    change(&mut config);
    Guards::new(Some(&config), None, ["/mcp"]).unwrap()
}

fn listed(name: &str, digest: Digest) -> Listed<'_> {
    Listed { name, digest, flaws: Flaws::default(), cured: Flaws::default(), look: Look::default(), may_repeat: false }
}

/// Tools with their definitions; what a step says of each, and what has changed: `+` added, `-` removed, `?` unknown,
/// `!` changed, `>` renamed.
fn see(tools: &mut Tools, pins: &Guards, place: Option<Place<'_>>, list: &[(&str, &str)]) -> (String, Vec<String>) {
    let list = list.iter().map(|(name, definition)| listed(name, d(definition))).collect();
    let review = Review::of(tools, pins, "/mcp", &Page { tools: list, place });
    let standing = |standing: &Standing| match standing {
        Standing::Approved => 'y',
        Standing::Changed => '!',
        Standing::Unpinned => '?',
        Standing::Unlisted => '-',
    };
    let change = |(change, name): &(Change, String)| {
        let sign = match change {
            Change::Changed => "!",
            Change::Unknown => "?",
            Change::Added => "+",
            Change::Removed => "-",
            Change::Renamed => ">",
            Change::Invisible => "i",
            Change::Matches => "m",
            Change::Lookalike => "l",
        };
        format!("{sign}{name}")
    };
    (review.standings.iter().map(standing).collect(), review.changes.iter().map(change).collect())
}

const WHOLE: Option<Place<'_>> = Some(Place { cursor: None, next: None });

/// Each step is a whole list: the tools, how they stand, what has changed.
type Step<'a> = (&'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

fn play(pins: &Guards, steps: &[Step<'_>]) -> Tools {
    let mut table = Tools::default();
    for (number, (tools, standings, changes)) in steps.iter().enumerate() {
        assert_eq!(
            see(&mut table, pins, WHOLE, tools),
            ((*standings).to_owned(), changes.iter().map(|c| (*c).to_owned()).collect()),
            "{number}"
        );
    }
    table
}

#[test]
fn pins_of_the_configuration() {
    let pins = pins(Trust::Configured, |_| {});
    play(
        &pins,
        &[
            (&[("a", "a"), ("b", "b")], "yy", &[]),
            (&[("a", "evil"), ("b", "b")], "!y", &["!a"]),
            (&[("a", "evil"), ("b", "b")], "!y", &[]),
            (&[("a", "worse"), ("b", "b")], "!y", &["!a"]),
            (&[("a", "a"), ("b", "b")], "yy", &[]),
            (&[("a", "a"), ("b", "b"), ("c", "c")], "yy?", &["?c"]),
            (&[("a", "a"), ("c", "c")], "y?", &["-b"]),
            (&[("a", "a"), ("c", "c"), ("b2", "b")], "y??", &[">b -> b2"]),
            (&[("a", "a"), ("c", "c"), ("b", "b")], "y?y", &["-b2"]),
        ],
    );
}

#[test]
fn what_was_never_listed_is_missed_once() {
    let pins = pins(Trust::Configured, |_| {});
    play(
        &pins,
        &[(&[("a", "a")], "y", &["-b"]), (&[("a", "a")], "y", &[]), (&[("a", "a"), ("b", "x")], "y!", &["!b"])],
    );
}

#[test]
fn trust_on_first_use() {
    let pins = pins(Trust::FirstUse, |_| {});
    play(
        &pins,
        &[
            (&[("a", "a"), ("b", "b")], "yy", &[]),
            (&[("a", "a"), ("b", "evil")], "y!", &["!b"]),
            (&[("a", "a"), ("b", "b"), ("c", "c")], "yyy", &["+c"]),
            (&[("a", "a"), ("c", "c")], "yy", &["-b"]),
            (&[("a", "a"), ("c", "c"), ("b2", "b")], "yyy", &[">b -> b2"]),
            (&[("a", "a"), ("c", "c"), ("b2", "b"), ("b", "evil")], "yyy!", &["!b"]),
        ],
    );
}

#[test]
fn a_pin_wins_over_first_use() {
    let pin = PinConfig { name: "b".into(), hash: d("b2").to_string(), endpoint: None };
    let before = pins(Trust::FirstUse, |_| {});
    let after = pins(Trust::FirstUse, |config| config.tools.push(pin));
    let mut table = play(&before, &[(&[("a", "a"), ("b", "b")], "yy", &[])]);
    assert_eq!(Known::of(&after, &table).admits("/mcp", "b"), Standing::Changed);
    assert_eq!(see(&mut table, &after, WHOLE, &[("a", "a"), ("b", "b2")]), ("yy".into(), vec![]));
    assert_eq!(Known::of(&before, &table).admits("/mcp", "b"), Standing::Changed);
}

#[test]
fn calls_go_by_the_last_list() {
    for (trust, unlisted, [never, other, listed, changed, forgotten, forgotten_change]) in [
        (
            Trust::Configured,
            Unlisted::Allow,
            [
                Standing::Approved,
                Standing::Unpinned,
                Standing::Approved,
                Standing::Changed,
                Standing::Approved,
                Standing::Changed,
            ],
        ),
        (
            Trust::Configured,
            Unlisted::Refuse,
            [
                Standing::Unlisted,
                Standing::Unpinned,
                Standing::Approved,
                Standing::Changed,
                Standing::Unlisted,
                Standing::Changed,
            ],
        ),
        (
            Trust::FirstUse,
            Unlisted::Allow,
            [
                Standing::Approved,
                Standing::Approved,
                Standing::Approved,
                Standing::Changed,
                Standing::Approved,
                Standing::Changed,
            ],
        ),
        (
            Trust::FirstUse,
            Unlisted::Refuse,
            [
                Standing::Unlisted,
                Standing::Unlisted,
                Standing::Approved,
                Standing::Changed,
                Standing::Unlisted,
                Standing::Changed,
            ],
        ),
    ] {
        let pins = pins(trust, |config| config.unlisted = unlisted);
        let admits = |table: &Tools, name: &str| Known::of(&pins, table).admits("/mcp", name);
        let mut table = Tools::default();
        assert_eq!(admits(&table, "a"), never);
        assert_eq!(admits(&table, "z"), other);
        see(&mut table, &pins, WHOLE, &[("a", "a")]);
        assert_eq!(admits(&table, "a"), listed);
        table.lapse();
        assert_eq!(admits(&table, "a"), forgotten);
        see(&mut table, &pins, WHOLE, &[("a", "evil")]);
        assert_eq!(admits(&table, "a"), changed);
        table.lapse();
        assert_eq!(admits(&table, "a"), forgotten_change, "no server talks itself out of it");
    }
}

#[test]
fn what_is_removed_shows_when_the_last_page_has_come() {
    let pins = pins(Trust::FirstUse, |_| {});
    let place = |cursor, next| Some(Place { cursor, next });
    let mut table = Tools::default();
    let all = [(None, Some("2"), ("a", "a")), (Some("2"), Some("3"), ("b", "b")), (Some("3"), None, ("c", "c"))];
    for (cursor, next, tool) in all {
        assert_eq!(see(&mut table, &pins, place(cursor, next), &[tool]), ("y".into(), vec![]));
    }
    // Nothing is told by pages that do not follow each other, or by one that was asked for elsewhere.
    for (cursor, next) in [(Some("3"), None), (None, Some("2")), (Some("9"), None)] {
        assert_eq!(see(&mut table, &pins, place(cursor, next), &[("a", "a")]), ("y".into(), vec![]));
    }
    assert_eq!(see(&mut table, &pins, None, &[("a", "a")]), ("y".into(), vec![]));
    see(&mut table, &pins, place(None, Some("2")), &[("a", "a")]);
    assert_eq!(see(&mut table, &pins, place(Some("2"), None), &[("b", "b")]), ("y".into(), vec!["-c".into()]));
}

#[test]
fn one_name_twice_is_approved_for_what_it_was_first() {
    let pins = pins(Trust::Configured, |_| {});
    for (tools, standings) in
        [([("a", "a"), ("a", "evil")], "y!"), ([("a", "evil"), ("a", "a")], "!!"), ([("a", "a"), ("a", "a")], "yy")]
    {
        assert_eq!(see(&mut Tools::default(), &pins, None, &tools).0, standings);
    }
}

#[test]
fn tools_are_bounded_and_what_is_beyond_is_not_trusted() {
    for (max, standings) in [(1, "y??"), (2, "yy?"), (3, "yyy")] {
        let pins = pins(Trust::FirstUse, |config| config.max_tools = max);
        let mut table = Tools::default();
        assert_eq!(see(&mut table, &pins, WHOLE, &[("a", "a"), ("b", "b"), ("c", "c")]).0, standings, "{max}");
        assert_eq!(table.held_len(), max);
        assert_eq!(Known::of(&pins, &table).admits("/mcp", "z"), Standing::Unpinned, "it is full: nobody has seen it");
    }
    // Those with a pin always have room.
    let pins = pins(Trust::Configured, |config| config.max_tools = 1);
    assert_eq!(see(&mut Tools::default(), &pins, WHOLE, &[("x", "x"), ("y", "y"), ("a", "a"), ("b", "b")]).0, "??yy");
}

#[test]
fn what_cannot_be_hashed_is_never_approved() {
    for trust in [Trust::Configured, Trust::FirstUse] {
        let pins = pins(trust, |_| {});
        let page = Page { tools: vec![listed("a", Digest::NONE)], place: WHOLE };
        let mut table = Tools::default();
        for _ in 0..2 {
            let standing = Review::of(&mut table, &pins, "/mcp", &page).standings;
            assert!(matches!(standing[..], [Standing::Changed | Standing::Unpinned]), "{standing:?}");
        }
        assert!(matches!(Known::of(&pins, &table).admits("/mcp", "a"), Standing::Changed | Standing::Unpinned));
    }
}

#[test]
fn without_a_store_only_pins_count() {
    let pins = pins(Trust::Configured, |_| {});
    let tool = |name, definition| listed(name, d(definition));
    let page = Page { tools: vec![tool("a", "a"), tool("b", "evil"), tool("c", "c")], place: WHOLE };
    let review = Review::unremembered(&pins, "/mcp", &page);
    assert_eq!(review.standings, [Standing::Approved, Standing::Changed, Standing::Unpinned]);
}

#[test]
fn long_names_are_remembered_in_part() {
    for (name, kept) in [("n".repeat(127), 127), ("n".repeat(128), 128), ("n".repeat(129), 128), ("ä".repeat(100), 128)]
    {
        let pins = pins(Trust::FirstUse, |_| {});
        let mut table = Tools::default();
        see(&mut table, &pins, WHOLE, &[(&name, "x"), ("other", "y")]);
        let (_, changes) = see(&mut table, &pins, WHOLE, &[("other", "y")]);
        assert_eq!(changes[0].len(), kept + 1);
    }
}

#[test]
fn a_configuration_is_right_or_refused() {
    let errors = |config: PinsConfig| Pins::new(&config, ["/mcp", "/two"]).map(|_| ()).unwrap_err();
    let pin = |endpoint: Option<&str>| PinConfig {
        name: "a".into(),
        hash: d("a").to_string(),
        endpoint: endpoint.map(str::to_owned),
    };
    let with = |tools: Vec<PinConfig>| PinsConfig { tools, ..PinsConfig::default() };
    let paths = |errors: Vec<(String, String)>| errors.into_iter().map(|(path, _)| path).collect::<Vec<_>>();
    assert_eq!(paths(errors(PinsConfig::default())), ["tools"]);
    let no_hash = PinConfig { hash: "sha256:00".into(), ..pin(None) };
    assert_eq!(paths(errors(with(vec![pin(None), no_hash]))), ["tools[1].hash"]);
    assert_eq!(paths(errors(with(vec![pin(None), pin(Some("/no"))]))), ["tools[1].endpoint"]);
    assert_eq!(paths(errors(with(vec![pin(None), pin(Some("/two"))]))), ["tools[1]"]);
    let bounds = PinsConfig { max_servers: 0, max_tools: 1 << 15, trust: Trust::FirstUse, ..PinsConfig::default() };
    assert_eq!(paths(errors(bounds)), ["max_servers", "max_tools"]);
    let pins = Pins::new(&with(vec![pin(Some("/two"))]), ["/mcp", "/two"]).unwrap();
    assert_eq!(
        (pins.of("/two").of("a"), pins.of("/mcp").of("a"), pins.of("/no").of("a")),
        (&[d("a")][..], &[][..], &[][..])
    );
}

/// Names alone, under `definitions`: whether each is refused, and what is new.
fn names(table: &mut Tools, guards: &Guards, place: Option<Place<'_>>, names: &[&str]) -> (String, Vec<String>) {
    let tool = |name: &&'static str| Listed { look: Look::of(name), ..listed(name, d(name)) };
    let leak = |name: &&str| -> &'static str { String::leak((*name).to_owned()) };
    let names: Vec<&'static str> = names.iter().map(leak).collect();
    let review = Review::of(table, guards, "/mcp", &Page { tools: names.iter().map(tool).collect(), place });
    let refused = |(standing, flaws): (&Standing, &Flaws)| match standing {
        Standing::Approved if guards.refuses(*flaws) => 'n',
        Standing::Approved => 'y',
        _ => '?',
    };
    let standings = review.standings.iter().zip(&review.flaws).map(refused).collect();
    (standings, review.changes.into_iter().map(|(change, name)| format!("{} {name}", change.name())).collect())
}

fn definitions(config: DefinitionsConfig) -> Guards {
    Guards::new(None, Some(&config), ["/mcp"]).unwrap()
}

#[test]
fn the_later_of_two_names_that_look_alike_is_refused() {
    let guards = definitions(DefinitionsConfig { reserved: vec!["transfer".into()], ..DefinitionsConfig::default() });
    let mut table = Tools::default();
    let none: Vec<String> = Vec::new();
    for (place, list, refused, findings) in [
        (WHOLE, &["search", "delete"][..], "yy", &[][..]),
        (WHOLE, &["se\u{430}rch", "search"], "yn", &["lookalike search"]),
        // Not for ever: the list is the server's.
        (WHOLE, &["search", "SEARCH"], "yn", &["lookalike SEARCH"]),
        (WHOLE, &["search", "SEARCH"], "yn", &[]),
        (WHOLE, &["search", "search"], "yn", &[]),
        // Another page.
        (Some(Place { cursor: Some("2"), next: None }), &["sea\u{200b}rch"], "n", &["lookalike sea\u{200b}rch"]),
        (Some(Place { cursor: Some("2"), next: None }), &["search"], "y", &[]),
        (WHOLE, &["transfer", "Transfer", "transfers"], "nny", &["lookalike transfer", "lookalike Transfer"]),
    ] {
        let expected: Vec<String> = findings.iter().map(|finding: &&str| (*finding).to_owned()).collect();
        assert_eq!(names(&mut table, &guards, place, list), (refused.to_owned(), expected), "{list:?}");
    }
    assert!(guards.refuses(Known::of(&guards, &table).flaws("Transfer")));
    assert!(!guards.refuses(Known::of(&guards, &table).flaws("transfers")));
    assert_eq!(names(&mut table, &guards, WHOLE, &["transfers"]), ("y".to_owned(), none));
}

#[test]
fn a_renamed_tool_is_no_lookalike_of_itself() {
    let guards = definitions(DefinitionsConfig::default());
    let mut table = Tools::default();
    assert_eq!(names(&mut table, &guards, WHOLE, &["Search"]).0, "y");
    assert_eq!(names(&mut table, &guards, WHOLE, &["search"]).0, "y");
}

#[test]
fn who_has_a_pin_is_the_right_one() {
    let pin = |name: &str| PinConfig { name: name.into(), hash: d(name).to_string(), endpoint: None };
    let pins = PinsConfig { tools: vec![pin("search"), pin("Delete"), pin("delete")], ..PinsConfig::default() };
    let first_use = PinsConfig { trust: Trust::FirstUse, ..pins.clone() };
    let looks = DefinitionsConfig::default();
    let guards = Guards::new(Some(&first_use), Some(&looks), ["/mcp"]).unwrap();
    let mut table = Tools::default();
    // Whoever comes first, the pinned name is taken; and two that were approved both are.
    let (refused, _) = names(&mut table, &guards, WHOLE, &["s\u{435}arch", "search", "other"]);
    assert_eq!(refused, "?yy", "what is refused is not trusted either");
    let only =
        Guards::new(Some(&pins), Some(&DefinitionsConfig { lookalikes: LookalikeRemedy::Pass, ..looks }), ["/mcp"])
            .unwrap();
    assert_eq!(names(&mut table, &only, WHOLE, &["Delete", "delete"]).0, "yy");
}

#[test]
fn of_a_server_for_which_there_is_no_room_only_pins_count() {
    let pin = PinConfig { name: "a".into(), hash: d("a").to_string(), endpoint: None };
    let guards = pins(Trust::FirstUse, |config| config.tools.push(pin));
    for (remembered, pinned, other) in [
        (Remembered::NoRoom, Standing::Approved, Standing::Unpinned),
        (Remembered::Nothing, Standing::Approved, Standing::Approved),
        (Remembered::Tools(Rc::default()), Standing::Approved, Standing::Approved),
    ] {
        let known = Known::by(&guards, &remembered);
        assert_eq!((known.admits("/mcp", "a"), known.admits("/mcp", "z")), (pinned, other), "{remembered:?}");
        assert!(!known.may_repeat("/mcp", "a") && known.flaws("a") == Flaws::default());
    }
}

#[test]
fn only_what_is_as_it_was_approved_may_repeat() {
    let guards = pins(Trust::FirstUse, |config| config.mode = Mode::Observe);
    let mut tools = Tools::default();
    let says = |definition: &str, may_repeat| Listed { may_repeat, ..listed("a", d(definition)) };
    for (definition, may_repeat, expected) in
        [("a", true, true), ("a", false, false), ("evil", true, false), ("a", true, true)]
    {
        Review::of(&mut tools, &guards, "/mcp", &Page { tools: vec![says(definition, may_repeat)], place: WHOLE });
        assert_eq!(Known::of(&guards, &tools).may_repeat("/mcp", "a"), expected, "{definition}");
    }
    tools.lapse();
    assert!(!Known::of(&guards, &tools).may_repeat("/mcp", "a"), "the server does not vouch for it");
}
