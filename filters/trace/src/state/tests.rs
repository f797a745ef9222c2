use proptest::prelude::*;

use super::*;

#[test]
fn lists_read_by_the_grammar() {
    let letters: String = (b'a'..=b'z').chain(b'0'..=b'9').map(char::from).chain("_-*/@".chars()).collect();
    let values: String = (b' '..=b'~').map(char::from).filter(|c| !matches!(c, ',' | '=')).collect();
    let many = |count: usize| (0..count).map(|n| format!("bar{n}={n}")).collect::<Vec<_>>().join(",");
    for (list, valid) in [
        // The vectors of the specification's own test suite (w3c/trace-context, `test/test.py`), level 2.
        ("foo=1,bar=2".to_owned(), true),
        ("foo=1,".into(), true),
        (",foo=1".into(), true),
        ("foo=1,foo=1".into(), true),
        (format!("{letters}={values}"), true),
        ("foo=1 \t , \t bar=2, \t baz=3".into(), true),
        ("\t foo=1 \t".into(), true),
        ("foo =1".into(), false),
        ("FOO=1".into(), false),
        ("foo.bar=1".into(), false),
        ("foo@=1,bar=2".into(), true),
        ("@foo=1,bar=2".into(), false),
        ("foo@@bar=1,bar=2".into(), true),
        ("foo@bar@baz=1,bar=2".into(), true),
        (many(31), true),
        (many(32), true),
        (many(33), false),
        (format!("{}, , ,\t,", many(32)), true),
        (format!("foo=1,{}=1", "z".repeat(255)), true),
        (format!("foo=1,{}=1", "z".repeat(256)), true),
        (format!("foo=1,{}=1", "z".repeat(257)), false),
        (format!("{}@{}=1", "t".repeat(241), "v".repeat(14)), true),
        ("foo=bar=baz".into(), false),
        ("foo=,bar=3".into(), false),
        // The rest of the grammar.
        (String::new(), false),
        (" , ".into(), false),
        ("foo".into(), false),
        ("=1".into(), false),
        ("_foo=1".into(), false),
        ("0foo=1".into(), true),
        ("foo= ".into(), false),
        ("foo= x y".into(), true),
        ("foo=a\tb".into(), false),
        ("foo=\u{e9}".into(), false),
        ("foo=\u{7f}".into(), false),
        (format!("foo={}", "x".repeat(255)), true),
        (format!("foo={}", "x".repeat(256)), true),
        (format!("foo={}", "x".repeat(257)), false),
    ] {
        assert_eq!(is_valid(&list), valid, "{list}");
    }
}

#[test]
fn what_goes_to_another_place_has_a_key_once_and_512_characters() {
    assert!(matches!(carried("foo=1,bar=2"), Cow::Borrowed("foo=1,bar=2")));
    assert_eq!(carried("foo=1,foo=2,bar=3"), "foo=1,bar=3");
    assert_eq!(carried("foo=1, ,fo=2"), "foo=1,fo=2");
    // Four members of 100 characters, commas, and one that makes the list as long as said.
    let list = |length: usize| {
        let hundreds: Vec<_> = (0..4).map(|n| format!("{n}={}", "x".repeat(98))).collect();
        format!("{},z={}", hundreds.join(","), "y".repeat(length - 4 * 101 - 2))
    };
    assert_eq!((list(511).len(), list(513).len()), (511, 513));
    assert_eq!(carried(&list(511)), list(511));
    assert_eq!(carried(&list(512)), list(512));
    // Too long by one: the last goes.
    assert_eq!(carried(&list(513)), list(513).rsplit_once(',').unwrap().0);
    // A large one goes first, wherever it is; one of 128 is not large.
    let large = format!("a={}", "x".repeat(127));
    let not_large = format!("a={}", "x".repeat(126));
    assert_eq!(carried(&format!("{large},{}", list(500))), list(500));
    let without_last = |text: String| text.rsplit_once(',').unwrap().0.to_owned();
    assert_eq!(
        carried(&format!("{not_large},{}", list(500))),
        without_last(without_last(format!("{not_large},{}", list(500))))
    );
    assert_eq!(carried(&format!("a={}", "x".repeat(256))), format!("a={}", "x".repeat(256)));
}

proptest! {
    #[test]
    fn what_is_carried_is_valid_shorter_and_in_order(list in "([a-c@]{1,2}=[x ]{1,200}y|[ \t]{0,2})(,([a-c@]{1,2}=[x ]{1,200}y|[ \t]{0,2})){0,40}") {
        if is_valid(&list) {
            let carried = carried(&list);
            prop_assert!(carried.is_empty() || is_valid(&carried), "{}", carried);
            prop_assert!(carried.len() <= CARRIED.max(list.len().min(CARRIED)));
            let mut members = members_of(&list);
            for member in members_of(&carried) {
                prop_assert!(members.any(|original| original == member));
            }
        }
    }

    #[test]
    fn any_text_is_read_or_not(list in any::<String>()) {
        if is_valid(&list) {
            prop_assert!(carried(&list).len() <= list.len());
        }
    }
}
