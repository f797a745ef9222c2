mod properties;

use super::UriException as X;
use super::UriFault as F;
use super::*;

fn rules(config: &str) -> UriRules {
    let config: UriConfig = serde_json::from_str(config).unwrap();
    UriRules::new(&config).unwrap()
}

fn all() -> UriRules {
    UriRules::new(&UriConfig::default()).unwrap()
}

#[track_caller]
fn refused(rules: &UriRules, fault: F, uris: &[&str]) {
    for uri in uris {
        assert_eq!(rules.check(uri), Err(fault), "{uri}");
    }
}

#[track_caller]
fn passes(rules: &UriRules, uris: &[&str]) {
    for uri in uris {
        assert_eq!(rules.check(uri), Ok(()), "{uri}");
    }
}

#[test]
fn plain_uris_pass() {
    passes(
        &all(),
        &[
            "https://example.com",
            "HTTPS://Example.COM/a/b?c=../d#e",
            "https://example.com:8443/%C3%A9/~a/;b=c",
            "https://example.com:/",
            "http://93.184.216.34/",
            "http://10.0.0.1/",
            "http://[2606:2800:21f:cb07::1]/",
            "https://xn--mnchen-3ya.de/",
            "https://a_b.example/",
            "https://127.0.0.1.example.com/",
            "https://localhost.example.com/",
            "https://notlocalhost/",
            "file:///etc/hosts",
            "file:/etc/hosts",
            "file:///C:/a",
            "file://server/share",
            "file:///a//b/.hidden/..b/c..",
            "urn:isbn:0451450523",
            "memo:x",
            "memo://insights",
            "memo:///a",
            "memo://Team+A/notes!",
            "note://42",
            "note://007/v0.5",
            "docs://1.2/intro",
            "docs://v1.2/intro",
            "issue://123456789",
            "config://metadata",
            "git+ssh://example.com/a",
            "repo://owner/a%2Fb",
            "data:text/plain,a",
            "a:",
            "memo:",
        ],
    );
}

#[test]
fn what_is_no_uri_is_refused() {
    refused(
        &all(),
        F::Unparsable,
        &[
            "",
            "a",
            "/etc/passwd",
            "//example.com/",
            "../a",
            ":a",
            "1a:b",
            "é:a",
            "https://exam ple.com/",
            " https://example.com/",
            "https://example.com/ ",
            "https://example.com/\t",
            "ht\ntps://example.com/",
            "https://example.com/\n",
            "https://example.com/a b",
            "https:\\\\example.com/",
            "https://example.com\\@evil.example/",
            "https://example.com/..\\..\\a",
            "file:///a\\..\\b",
            "https://example.com/é",
            "https://ｅxample.com/",
            "https://１２７.0.0.1/",
            "https://127。0。0。1/",
            "https://①②⑦.0.0.1/",
            "https://example.com/%",
            "https://example.com/%2",
            "https://example.com/%zz",
            "https://a@b@c/",
            "https://a:b:c/",
            "https://example.com:8o/",
            "https://example.com:-1/",
            "https://[::1",
            "https://::1/",
            "https://[::1%25lo]/",
            "https://[fe80::1%eth0]/",
            "https://[127.0.0.1]/",
            "https://[::ffff:127.1]/",
            "https://[1:2:3]/",
            "https://a[b]/",
            "https://<example>/",
            "file:///C|/a",
            "file:///{path}",
            "memo:\u{0}",
        ],
    );
}

#[test]
fn what_parsers_do_not_agree_on_is_refused() {
    let everything = r#"{"allow":["loopback","link_local","metadata","userinfo","dot_segments"]}"#;
    for rules in [all(), rules(everything)] {
        refused(
            &rules,
            F::Ambiguous,
            &[
                // Slashes.
                "https:example.com",
                "https:/example.com",
                "https:///example.com",
                "https:////example.com/",
                "https://",
                "https://?a",
                "https://:80/",
                "file:",
                "file:a",
                "file:a/b",
                "file://C:/a",
                "file://server:80/a",
                "file:////server/share",
                "file:///%2fserver/share",
                "file:///%5C%5Cserver/share",
                "file:/%2F/server",
                "file://user@server/a",
                "file://server",
                // Ports.
                "https://example.com:65536/",
                "https://example.com:99999999999999999999/",
                "memo://a:70000/",
                // Encoded hosts.
                "https://%65xample.com/",
                "https://example%2Ecom/",
                "https://%31%32%37.0.0.1/",
                "https://127%2e0.0.1/",
                "https://%EF%BC%91/",
                "https://example.com%00.evil.example/",
                "https://example.com%2Fa/",
                "memo://%2e%2e/a",
                // Dots.
                "https://example.com./",
                "https://localhost./",
                "https://127.0.0.1./",
                "https://.example.com/",
                "https://example..com/",
                "https://./",
                "https://../",
                "file://../etc/passwd",
                "docs://../secret",
                "docs://a../secret",
                "memo://localhost./",
                // Characters of hosts.
                "https://a!b/",
                "https://a,b.example/",
                "https://a$b/",
                "https://(a)/",
                "https://a=b/",
                "https://[v1.a]/",
                // Punycode that encodes nothing.
                "https://xn--localhost-/",
                "https://XN--localhost-/",
                "https://xn--/",
                "https://a.xn--.b/",
                // Addresses, to some.
                "http://2130706433/",
                "http://0x7f000001/",
                "http://0X7F.1/",
                "http://0x7f.1/",
                "http://0x/",
                "http://127.1/",
                "http://127.0.1/",
                "http://0177.0.0.1/",
                "http://0177.1/",
                "http://017700000001/",
                "http://127.0.0.01/",
                "http://127.0.0.0x1/",
                "http://127.0.0.1.2/",
                "http://1.2.3.256/",
                "http://1.2.3.4.0x5/",
                "http://256/",
                "http://0/",
                "http://99999999999/",
                "http://a.1/",
                "http://a.0x1f/",
                "https://1.0x/",
                "ws://127.1/",
                "wss://127.1/",
                "ftp://127.1/",
                "file://127.1/a",
                "memo://127.1/",
                "postgres://2130706433/db",
                "postgres://0x7f000001/db",
                "postgres://017700000001/db",
                "postgres://0127.0.0.1/db",
                "postgres://0177.0.0.1/db",
                "postgres://0/db",
                "postgres://0.0/db",
                "postgres://00.0.0.0/db",
                "postgres://2852039166/db",
                "postgres://0xa9.254.0xa9fe/db",
                // What decodes to no text, or to text that ends early.
                "https://example.com/%00",
                "file:///a%00.txt",
                "file:///a%2500.txt",
                "https://example.com/%C0%AE%C0%AE/",
                "https://example.com/%E0%80%AF",
                "https://example.com/%FF",
            ],
        );
    }
}

#[test]
fn addresses_out_of_reach_are_named() {
    refused(
        &all(),
        F::Loopback,
        &[
            "http://127.0.0.1/",
            "http://127.255.255.254:80/",
            "http://0.0.0.0/",
            "http://0.1.2.3/",
            "http://[::1]/",
            "http://[0:0:0:0:0:0:0:1]/",
            "http://[0000::0001]:80/",
            "http://[::]/",
            "http://[::127.0.0.1]/",
            "http://[::7f00:1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::FFFF:7F00:1]/",
            "http://[0:0:0:0:0:ffff:0.0.0.0]/",
            "http://[::ffff:0:127.0.0.1]/",
            "http://[64:ff9b::127.0.0.1]/",
            "http://[64:ff9b:1::127.0.0.1]/",
            "http://[64:ff9b:1:7f00:0:100::]/",
            "http://[2002:7f00:1::]/",
            "http://[2002:7f00:0001:1::1]/",
            "http://[2001:0:7f00:1::]/",
            "http://[2001:0:101:101::80ff:fffe]/",
            "http://[2001:db8::5efe:127.0.0.1]/",
            "http://[2001:db8::200:5efe:7f00:1]/",
            "http://localhost/",
            "http://LOCALHOST:8080/a",
            "http://a.b.localhost/",
            "http://LocalHost.LocalDomain/",
            "http://ip6-localhost/",
            "file://localhost/etc/passwd",
            "memo://localhost/",
            "postgres://127.0.0.1/db",
            "postgres://[::1]/db",
        ],
    );
    refused(
        &all(),
        F::LinkLocal,
        &[
            "http://169.254.0.1/",
            "http://169.254.255.255/",
            "http://[fe80::1]/",
            "http://[febf::1]/",
            "http://[fec0::1]/",
            "http://[::ffff:169.254.1.1]/",
            "http://[2002:a9fe:101::]/",
        ],
    );
    refused(
        &all(),
        F::Metadata,
        &[
            "http://169.254.169.254/latest/meta-data/",
            "http://169.254.170.2/v2/credentials",
            "http://100.100.100.200/",
            "http://168.63.129.16/",
            "http://192.0.0.192/",
            "http://[fd00:ec2::254]/",
            "http://[fd00:ec2:0::23]/",
            "http://[fd20:ce::254]/",
            "http://[::ffff:169.254.169.254]/",
            "http://[::ffff:a9fe:a9fe]/",
            "http://[64:ff9b::a9fe:a9fe]/",
            "http://[2002:a9fe:a9fe::1]/",
            "http://[::ffff:100.100.100.200]/",
            "http://metadata.google.internal/computeMetadata/v1/",
            "http://Metadata.Google.Internal/",
            "http://metadata/",
            "http://instance-data/",
            "http://metadata.tencentyun.com/",
            "memo://169.254.169.254/",
            "memo://metadata.google.internal/",
        ],
    );
}

#[test]
fn dot_segments_are_found_in_every_spelling() {
    let dotted = [
        "https://example.com/..",
        "https://example.com/.",
        "https://example.com/a/../b",
        "https://example.com/a/./b",
        "https://example.com/a/%2e%2e/b",
        "https://example.com/a/.%2E/b",
        "https://example.com/a/%2e./b",
        "https://example.com/a/%2E",
        "https://example.com/a/%252e%252e/b",
        "https://example.com/a/%25252e./b",
        "https://example.com/a/%25%32%65%25%32e/b",
        "https://example.com/a%2f..%2fb",
        "https://example.com/a%2F%2e%2e%2Fb",
        "https://example.com/a%5c..%5cb",
        "https://example.com/a%5C%2e%2e/b",
        "https://example.com/a%252f..%252fb",
        "https://example.com/a/..;/b",
        "https://example.com/a/..;c=d/b",
        "https://example.com/a/..%3b/b",
        "https://example.com/a/..%20/b",
        "https://example.com/a/%20../b",
        "https://example.com/a/..%09",
        "https://example.com/a/.../b",
        "https://example.com/a/%EF%BC%8E%EF%BC%8E/b",
        "https://example.com/a/%E2%80%A5/b",
        "https://example.com/a%EF%BC%8F..%EF%BC%BCb",
        "file:///public/../etc/passwd",
        "file:/public/../etc/passwd",
        "file:///C:/..%5cWindows",
        "memo:..",
        "memo:../a",
        "memo:a/../b",
        "urn:a:b/../c",
        "memo:%2e%2e/a",
        "memo://a/..",
    ];
    refused(&all(), F::DotSegment, &dotted);
    passes(&rules(r#"{"allow":["dot_segments"]}"#), &dotted);
    passes(
        &all(),
        &[
            "https://example.com/a..b/..c/d../.e/f.",
            "https://example.com/%2e%2ea/a%2e",
            "https://example.com/?../..#../..",
            "https://example.com/a;..",
            "https://example.com/%252F%25",
            "https://example.com/%25%32",
            "urn:a..b:c",
        ],
    );
}

#[test]
fn exceptions_allow_one_thing_each() {
    let cases = [
        (
            X::Loopback,
            "loopback",
            &["http://localhost/", "http://127.0.0.1/", "http://[::1]/", "http://[::ffff:0.0.0.0]/"][..],
        ),
        (X::LinkLocal, "link_local", &["http://169.254.1.1/", "http://[fe80::1]/"]),
        (
            X::Metadata,
            "metadata",
            &["http://169.254.169.254/", "http://metadata.google.internal/", "http://[fd00:ec2::254]/"],
        ),
        (
            X::Userinfo,
            "userinfo",
            &["http://a@example.com/", "http://a:b@example.com/", "http://@example.com/", "ftp://:@example.com/"],
        ),
        (X::DotSegments, "dot_segments", &["http://example.com/../a"]),
    ];
    for (exception, name, uris) in cases {
        let rules = rules(&format!(r#"{{"allow":["{name}"]}}"#));
        for (other, _, others) in cases {
            for uri in others {
                assert_eq!(rules.check(uri).is_ok(), other == exception, "{name} {uri}");
            }
        }
        uris.iter().for_each(|uri| assert!(all().check(uri).is_err(), "{uri}"));
    }
    refused(
        &all(),
        F::Userinfo,
        &["https://example.com@evil.example/", "memo://a@b/", "https://example.com:80@evil.example/"],
    );
    // Allowed is the name, not what is behind it.
    refused(
        &rules(r#"{"allow":["userinfo"]}"#),
        F::Loopback,
        &["https://example.com@127.0.0.1/", "https://example.com:80@[::1]/"],
    );
}

#[test]
fn schemes_are_those_listed() {
    let rules = rules(r#"{"schemes":["https","FILE"]}"#);
    passes(&rules, &["https://a.example/", "HTTPS://a.example/", "file:///a", "File:///a"]);
    refused(
        &rules,
        F::Scheme,
        &["http://a.example/", "httpss://a.example/", "http+s:a", "memo:https", "javascript:a", "http://127.0.0.1/"],
    );
    refused(&rules, F::Ambiguous, &["http:a"]);
}

#[test]
fn hosts_are_those_that_match() {
    let rules = rules(r#"{"hosts":["Example.com","*.Example.com","10.1.*","[2001:DB8:0::1]","Team"]}"#);
    passes(
        &rules,
        &[
            "https://example.com/",
            "https://EXAMPLE.COM:8443/",
            "wss://a.b.example.com/",
            "http://10.1.2.3/",
            "http://[2001:db8::1]/",
            "http://[2001:db8:0:0:0:0:0:1]:80/",
            "memo://Team/a",
            "https://team/",
            "postgres://10.1.2.3/db",
        ],
    );
    refused(
        &rules,
        F::Host,
        &[
            "https://example.org/",
            "https://notexample.com/",
            "https://example.com.evil.example/",
            "https://evil.example/example.com",
            "https://evil.example/?example.com",
            "http://[2001:db8::2]/",
            "memo://team/a",
            "memo://TEAM/a",
            "file:///a",
            "urn:a",
            "memo:///a",
        ],
    );
    // A pattern is no exception.
    refused(&self::rules(r#"{"hosts":["*"]}"#), F::Loopback, &["http://localhost/"]);
    passes(&self::rules(r#"{"hosts":["*"]}"#), &["file:///a", "https://a.example/"]);
    let no_host = self::rules(r#"{"hosts":["",  "a.example"]}"#);
    passes(&no_host, &["file:///a", "urn:a", "memo:///a", "https://a.example"]);
    refused(&no_host, F::Host, &["file://b/a", "memo://b/a"]);
    refused(&no_host, F::Ambiguous, &["https:///a", "https:a.example"]);
}

#[test]
fn paths_are_those_that_match() {
    let rules = rules(r#"{"paths":["/public/*","/","/caf%c3%a9","isbn:*"]}"#);
    passes(
        &rules,
        &[
            "file:///public/a/b",
            "https://a.example/public/",
            "https://a.example",
            "https://a.example/",
            "https://a.example/%70ublic/a",
            "https://a.example/publi%63/a%20b",
            "https://a.example/caf%C3%A9",
            "https://a.example/?a",
            "urn:isbn:1",
            "memo:/public/a",
        ],
    );
    refused(
        &rules,
        F::Path,
        &[
            "file:///private/a",
            "file:///Public/a",
            "https://a.example/a/public/b",
            "https://a.example//public/a",
            "https://a.example/public",
            "https://a.example/cafe",
            "urn:a:isbn:1",
            "memo://a",
            // To some, another path.
            "file:///public%2Fa",
            "file:///public/a%2fb",
            "file:///public/a%5Cb",
            "file:///public/a%252fb",
        ],
    );
    refused(
        &rules,
        F::DotSegment,
        &["file:///public/../private/a", "file:///public/%2e%2e/private/a", "file:///public/..%2fprivate"],
    );
}

#[test]
fn wrong_rules_are_refused_with_a_remedy() {
    for (config, path, message) in [
        (r#"{"schemes":[]}"#, "schemes", "empty list"),
        (r#"{"hosts":[]}"#, "hosts", "empty list"),
        (r#"{"paths":[]}"#, "paths", "empty list"),
        (r#"{"schemes":["https://"]}"#, "schemes[0]", "`https`"),
        (r#"{"schemes":["a","https:"]}"#, "schemes[1]", "`https`"),
        (r#"{"schemes":["http*"]}"#, "schemes[0]", "no patterns"),
        (r#"{"schemes":[""]}"#, "schemes[0]", "a scheme is"),
        (r#"{"schemes":["1a"]}"#, "schemes[0]", "begins with a letter"),
        (r#"{"hosts":["https://a.example"]}"#, "hosts[0]", "without scheme"),
        (r#"{"hosts":["a.example/b"]}"#, "hosts[0]", "without scheme"),
        (r#"{"hosts":["a.example:80"]}"#, "hosts[0]", "without the port"),
        (r#"{"hosts":["::1"]}"#, "hosts[0]", "brackets"),
        (r#"{"hosts":["[2001:db8:*]"]}"#, "hosts[0]", "brackets"),
        (r#"{"hosts":["a@b"]}"#, "hosts[0]", "user names"),
        (r#"{"hosts":["münchen.de"]}"#, "hosts[0]", "xn--"),
        (r#"{"hosts":["a b"]}"#, "hosts[0]", "matches nothing"),
        (r#"{"hosts":["%61"]}"#, "hosts[0]", "matches nothing"),
        (r#"{"hosts":["example.com."]}"#, "hosts[0]", "dot at an end"),
        (r#"{"paths":["/a b"]}"#, "paths[0]", "percent-encoded"),
        (r#"{"paths":["/é"]}"#, "paths[0]", "percent-encoded"),
        (r#"{"paths":["/a?b"]}"#, "paths[0]", "queries"),
        (r#"{"paths":["/a/../b"]}"#, "paths[0]", "dot segments"),
        (r#"{"paths":["/a"],"allow":["dot_segments"]}"#, "paths", "leave out one"),
    ] {
        let parsed: UriConfig = serde_json::from_str(config).unwrap();
        let errors = UriRules::new(&parsed).unwrap_err();
        assert_eq!(errors.len(), 1, "{config}");
        assert!(errors[0].path == path && errors[0].message.contains(message), "{config}: {}", errors[0]);
    }
    // All at once.
    let parsed: UriConfig =
        serde_json::from_str(r#"{"schemes":["a:","b"],"hosts":["a:1","/"],"paths":["é"]}"#).unwrap();
    assert_eq!(UriRules::new(&parsed).unwrap_err().len(), 4);
    for config in [r#"{"scheme":["a"]}"#, r#"{"allow":["everything"]}"#, r#"{"allow":["Loopback"]}"#] {
        assert!(serde_json::from_str::<UriConfig>(config).is_err(), "{config}");
    }
    for config in [r#"{"hosts":["*","*.a.example","a-*","10.*","",  "a!b"]}"#, r#"{"paths":["*","/a/*","","a:*"]}"#] {
        rules(config);
    }
}
