use meshward_engine::{Glob, Headers};

use super::*;
use crate::baggage::Allowance;

/// What a place has, in a letter: `-` nothing, `H`, `M`, `S` and `N` the parents of the head, of `_meta`, of the proxy, and
/// one begun here.
fn parent(letter: char) -> Option<Parent> {
    let digit = match letter {
        'H' => 'a',
        'M' => 'b',
        'S' => 'c',
        'N' => 'd',
        'E' => 'e',
        _ => return None,
    };
    let digits = |count| digit.to_string().repeat(count);
    Parent::read(format!("00-{}-{}-01", digits(32), digits(16)).as_bytes())
}

fn place(letter: char, baggage: bool) -> Place {
    let allowance = Allowance { keys: vec![Glob::new("*")], max_members: 64, max_bytes: 8192 };
    let value = parent(letter).map(|parent| parent.quoted().value().to_vec()).unwrap_or_default();
    let (state, list) = (format!("{}=1", letter.to_ascii_lowercase()), format!("{letter}=1"));
    let mut lines: Vec<(&[u8], &[u8])> = Vec::new();
    if letter == 'x' {
        lines.push((b"traceparent", b"00-malformed"));
        lines.push((b"tracestate", b"a=1"));
    }
    if parent(letter).is_some() {
        lines.push((b"traceparent", &value));
        lines.push((b"tracestate", state.as_bytes()));
    }
    if baggage && letter != '-' {
        lines.push((b"baggage", list.as_bytes()));
    }
    Place::of_head(Headers::new(&lines), &allowance)
}

/// What is then in a place, by the letter of its parent. Its vendors' positions are the same parent's, or none.
fn letter(place: &Place) -> char {
    let Some(found) = place.parent.value else { return '-' };
    let letter = "HMSNE".chars().find(|letter| parent(*letter) == Some(found)).unwrap();
    let state = place.state.value.as_deref();
    assert!(state.is_none() || state == Some(&format!("{}=1", letter.to_ascii_lowercase())), "{state:?} with {letter}");
    letter
}

fn run(rule: Rule, head: char, meta: char, around: &Around<'_>) -> (char, char, char) {
    let (mut head, mut meta) = (place(head, false), place(meta, false));
    let winner = reconcile(rule, &mut head, &mut meta, around, || parent('N'));
    let mut other = Place::default();
    if let Some(winner) = winner {
        other.follow(winner, None);
    }
    (letter(&head), letter(&meta), letter(&other))
}

const ROWS: [(char, char); 9] =
    [('-', '-'), ('-', 'M'), ('-', 'x'), ('H', '-'), ('H', 'M'), ('H', 'x'), ('x', '-'), ('x', 'M'), ('x', 'x')];

/// The tables of docs/trace.md: the head, `_meta`, and what the request belongs to.
#[test]
fn every_rule_says_what_each_place_has_then() {
    let hold = |can_edit_head| Around { proxy_span: None, can_edit_head, earlier: None, begun: None };
    for (rule, held, not_held) in [
        (
            Rule::Convention,
            ["NNN", "MMM", "NNN", "HHH", "HMM", "HHH", "NNN", "MMM", "NNN"],
            ["-NN", "-MM", "-NN", "HHH", "HMM", "HHH", "-NN", "-MM", "-NN"],
        ),
        (
            Rule::Meta,
            ["NNN", "MMM", "NNN", "HHH", "MMM", "HHH", "NNN", "MMM", "NNN"],
            ["-NN", "-MM", "-NN", "HHH", "HMM", "HHH", "-NN", "-MM", "-NN"],
        ),
        (
            Rule::Header,
            ["NNN", "MMM", "NNN", "HHH", "HHH", "HHH", "NNN", "MMM", "NNN"],
            ["-NN", "-MM", "-NN", "HHH", "HHH", "HHH", "-NN", "-MM", "-NN"],
        ),
    ] {
        for (index, (head, meta)) in ROWS.into_iter().enumerate() {
            for (can_edit_head, expected) in [(true, held[index]), (false, not_held[index])] {
                let (h, m, w) = run(rule, head, meta, &hold(can_edit_head));
                assert_eq!(
                    String::from_iter([h, m, w]),
                    expected,
                    "{rule:?}: {head} {meta}, editable: {can_edit_head}"
                );
            }
        }
    }
}

/// With the proxy's own span known the head is the proxy's, which writes it when the request goes on.
#[test]
fn the_proxys_own_span_is_the_heads() {
    let around = Around { proxy_span: parent('S'), can_edit_head: false, earlier: None, begun: None };
    for (rule, expected) in [
        (Rule::Convention, ["-SS", "-MM", "-SS", "HSS", "HMM", "HSS", "-SS", "-MM", "-SS"]),
        (Rule::Meta, ["-SS", "-MM", "-SS", "HSS", "HMM", "HSS", "-SS", "-MM", "-SS"]),
        (Rule::Header, ["-SS", "-SS", "-SS", "HSS", "HSS", "HSS", "-SS", "-SS", "-SS"]),
        (Rule::Restart, ["-SS", "-SS", "-SS", "HSS", "HSS", "HSS", "-SS", "-SS", "-SS"]),
    ] {
        for ((head, meta), expected) in ROWS.into_iter().zip(expected) {
            let (h, m, w) = run(rule, head, meta, &around);
            assert_eq!(String::from_iter([h, m, w]), expected, "{rule:?}: {head} {meta}");
        }
    }
}

#[test]
fn in_a_batch_what_has_no_context_belongs_to_the_first_ones_trace() {
    let around = Around { proxy_span: None, can_edit_head: false, earlier: parent('E'), begun: Some("n=1") };
    for (meta, expected) in [('-', "-EE"), ('M', "-MM")] {
        let (h, m, w) = run(Rule::Convention, '-', meta, &around);
        assert_eq!(String::from_iter([h, m, w]), expected);
    }
}

/// What is sampled says by which part of the traces it was: to be counted as often.
#[test]
fn a_trace_that_begins_here_says_how_it_is_sampled() {
    let around = Around { proxy_span: None, can_edit_head: true, earlier: None, begun: Some("n=1") };
    for (flags, state) in [(3, Some("n=1")), (2, None)] {
        let (mut head, mut meta) = (Place::default(), Place::default());
        reconcile(Rule::Convention, &mut head, &mut meta, &around, || Some(Parent { flags, ..parent('N')? }));
        assert_eq!((head.state.value.as_deref(), meta.state.value.as_deref()), (state, state));
    }
}

#[test]
fn vendors_positions_go_with_their_own_parent() {
    let around = Around { proxy_span: None, can_edit_head: true, earlier: None, begun: None };
    // The client's own tracestate is of another trace.
    let (mut head, mut meta) = (place('H', false), place('M', false));
    reconcile(Rule::Header, &mut head, &mut meta, &around, || None);
    assert_eq!((meta.state.value.as_deref(), head.state.value.as_deref()), (Some("h=1"), Some("h=1")));
    // The winner has none, so the other loses its own.
    let (mut head, mut meta) = (place('H', false), place('M', false));
    meta.state.remove();
    reconcile(Rule::Meta, &mut head, &mut meta, &around, || None);
    assert_eq!((head.state.value.as_deref(), head.state.differs), (None, true));
    // The proxy's span is of another trace than the head's tracestate.
    let around = Around { proxy_span: parent('S'), ..around };
    let (mut head, mut meta) = (place('H', false), place('-', false));
    reconcile(Rule::Convention, &mut head, &mut meta, &around, || None);
    assert_eq!(meta.state.value, None);
}

#[test]
fn baggage_follows_the_same_rule_on_its_own() {
    for (rule, head, meta, expected) in [
        (Rule::Convention, 'H', '-', "HH"),
        (Rule::Convention, '-', 'M', "MM"),
        (Rule::Convention, 'H', 'M', "HM"),
        (Rule::Meta, 'H', 'M', "MM"),
        (Rule::Meta, 'H', '-', "HH"),
        (Rule::Header, 'H', 'M', "HH"),
        (Rule::Header, '-', 'M', "MM"),
        (Rule::Convention, '-', '-', "--"),
    ] {
        let (mut head, mut meta) = (place(head, true), place(meta, true));
        let around = Around { proxy_span: None, can_edit_head: true, earlier: None, begun: None };
        reconcile(rule, &mut head, &mut meta, &around, || None);
        let letter = |place: &Place| place.baggage.value.as_ref().and_then(|list| list.chars().next()).unwrap_or('-');
        assert_eq!(String::from_iter([letter(&head), letter(&meta)]), expected, "{rule:?}");
    }
}
