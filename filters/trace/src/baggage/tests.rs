use proptest::prelude::*;

use super::*;

fn allowance(keys: &[&str], max_members: usize, max_bytes: usize) -> Allowance {
    Allowance { keys: keys.iter().map(|key| Glob::new(key)).collect(), max_members, max_bytes }
}

fn all() -> Allowance {
    allowance(&["*"], 64, 8192)
}

#[test]
fn lists_read_by_the_grammar() {
    for list in [
        "key1=value1,key2=value2",
        "key1=value1;property1;property2, key2 = value2, key3=value3; propertyKey=propertyValue",
        "userId=Am%C3%A9lie,serverNode=DF%2028,isProduction=false",
        "a=",
        "a=b=c",
        "!#$%&'*+-.^_`|~=x",
        "a=!#$%&'()*+-./:<=>?@[]^_`{|}~",
        "a=b\t;\tp\t=\tq",
        "a=1,a=2",
    ] {
        assert!(matches!(all().filter(list), Some(Cow::Borrowed(same)) if same == list), "{list}");
    }
    for list in [
        "",
        " ",
        "a",
        "=b",
        "a=b,",
        ",a=b",
        "a=b,,c=d",
        "a b=c",
        "a=b c",
        "a=\"b\"",
        "a=b\\",
        "a=é",
        "é=a",
        "a=b;",
        "a=b;p q",
        "a=b;=c",
        "a=b;p=q r",
        "a\0=b",
        "a=\n",
        "(a)=b",
    ] {
        assert_eq!(all().filter(list), None, "{list}");
    }
}

#[test]
fn only_what_is_allowed_goes_on() {
    let list = "tenant=a;p=1, user.id=7,user.name=x,token=secret";
    for (keys, kept) in [
        (&["*"][..], Some(list)),
        (&["tenant"], Some("tenant=a;p=1")),
        (&["user.*"], Some("user.id=7,user.name=x")),
        (&["token", "tenant"], Some("tenant=a;p=1,token=secret")),
        (&["Tenant"], Some("")),
        (&[], Some("")),
    ] {
        assert_eq!(allowance(keys, 64, 8192).filter(list).as_deref(), kept, "{keys:?}");
    }
    // What is malformed is malformed, also where it would not go on.
    assert_eq!(allowance(&["a"], 64, 8192).filter("a=1,b"), None);
}

#[test]
fn bounds_hold_at_their_edges() {
    let list = |members: usize| (0..members).map(|n| format!("k{n}=v")).collect::<Vec<_>>().join(",");
    for members in [63, 64, 65] {
        assert_eq!(all().filter(&list(members)).unwrap(), list(members.min(64)));
    }
    let of_length = |length: usize| format!("a=1,b={}", "x".repeat(length - 6));
    for (length, kept) in [(8191, of_length(8191)), (8192, of_length(8192)), (8193, "a=1".to_owned())] {
        assert_eq!(all().filter(&of_length(length)).unwrap(), kept, "{length}");
    }
    // A member behind one without room may still have room.
    assert_eq!(allowance(&["*"], 64, 7).filter("a=1,long=long,b=2").unwrap(), "a=1,b=2");
    assert_eq!(allowance(&["*"], 64, 2).filter("a=1").as_deref(), Some(""));
    // White space counts, and goes where there is too much of it.
    assert_eq!(allowance(&["*"], 64, 7).filter("a=1 , b=2").unwrap(), "a=1,b=2");
}

proptest! {
    #[test]
    fn what_goes_on_reads_again_and_is_within_bounds(list in "[a-c](=[a-c ;=,\"]{0,4}){0,2}(,[ a-c]{1,2}=[a-c;= ]{0,4}){0,8}", max_members in 1_usize..6, max_bytes in 1_usize..40) {
        let allowance = allowance(&["a*", "b"], max_members, max_bytes);
        if let Some(kept) = allowance.filter(&list) {
            prop_assert!(kept.len() <= max_bytes);
            let again = allowance.filter(&kept);
            prop_assert!(kept.is_empty() || again.as_deref() == Some(&*kept));
        }
    }

    #[test]
    fn any_text_is_read_or_not(list in any::<String>()) {
        if let Some(kept) = all().filter(&list) {
            prop_assert!(kept.len() <= list.len());
        }
    }
}
