//! Secrets that nobody has, put together here so that no scanner takes them for real ones, and what is none.

/// Letters of an alphabet in an order that looks like chance.
fn letters(alphabet: &str, count: usize) -> String {
    alphabet.chars().cycle().step_by(5).take(count).collect()
}

fn alnum(count: usize) -> String {
    letters("aB3cD5eF7gH9iJ2kL4mN6oP8qR1sT0uVwXyZ", count)
}

fn hex(count: usize) -> String {
    letters("0a1b2c3d4e5f6789", count)
}

fn upper(count: usize) -> String {
    letters("A2B3C4D5E6F7GHIJKLMNOPQRSTUVWXYZ", count)
}

/// By the pattern that finds each, all of it.
pub(super) fn samples() -> Vec<(&'static str, String)> {
    let pem = |kind: &str, end: &str| {
        let line = alnum(64);
        format!(
            "-----BEGIN {kind}PRIVATE KEY-----{end}{line}{end}{line}{end}{}=={end}-----END {kind}PRIVATE KEY-----",
            alnum(20)
        )
    };
    let jwt = ["ey", "JhbGciOiJIUzI1NiJ9.ey", "J", &alnum(40), ".", &alnum(43)].concat();
    vec![
        ("aws_access_key_id", ["AK", "IA", &upper(16)].concat()),
        ("aws_access_key_id", ["AS", "IA", &upper(16)].concat()),
        (
            "aws_secret_access_key",
            ["aws_secret_access_key", " = ", &letters("aB/c+D3e", 40)].concat().replacen("aws_", "", 1),
        ),
        ("aws_secret_access_key", ["SecretAccessKey", "\": \"", &alnum(40)].concat()),
        ("azure_storage_key", ["Account", "Key=", &alnum(86), "=="].concat()),
        ("google_api_key", ["AI", "za", &alnum(35)].concat()),
        ("google_oauth_secret", ["GOC", "SPX-", &alnum(28)].concat()),
        ("github_token", ["gh", "p_", &alnum(36)].concat()),
        ("github_token", ["gh", "s_", &alnum(36)].concat()),
        ("github_token", ["github", "_pat_", &alnum(22), "_", &alnum(59)].concat()),
        ("gitlab_token", ["gl", "pat-", &alnum(20)].concat()),
        ("gitlab_token", ["gl", "rt-", &alnum(26)].concat()),
        ("slack_token", ["xo", "xb-", "123456789012-", "1234567890123-", &alnum(24)].concat()),
        ("slack_token", ["xa", "pp-1-", &upper(11), "-1234567890123-", &hex(64)].concat()),
        ("slack_webhook", ["hooks.slack", ".com/services/T", &upper(9), "/B", &upper(9), "/", &alnum(24)].concat()),
        ("stripe_key", ["sk", "_live_", &alnum(24)].concat()),
        ("stripe_key", ["rk", "_live_", &alnum(99)].concat()),
        ("openai_key", ["s", "k-proj-", &alnum(74), "T3Blbk", "FJ", &alnum(74)].concat()),
        ("openai_key", ["s", "k-", &alnum(20), "T3Blbk", "FJ", &alnum(20)].concat()),
        ("anthropic_key", ["sk", "-ant-api03-", &alnum(93), "AA"].concat()),
        ("huggingface_token", ["h", "f_", &alnum(34)].concat()),
        ("npm_token", ["np", "m_", &alnum(36)].concat()),
        ("pypi_token", ["py", "pi-AgEIcHlwaS5vcmc", &alnum(120)].concat()),
        ("sendgrid_key", ["S", "G.", &alnum(22), ".", &alnum(43)].concat()),
        ("twilio_key", ["S", "K", &hex(32)].concat()),
        ("digitalocean_token", ["do", "p_v1_", &hex(64)].concat()),
        ("vault_token", ["hv", "s.", &alnum(95)].concat()),
        ("private_key", pem("", "\n")),
        ("private_key", pem("RSA ", "\r\n")),
        ("private_key", pem("OPENSSH ", "\\n")),
        ("private_key", pem("EC ", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,0011\n\n")),
        ("jwt", jwt),
        ("url_password", "://app:s3cr3t-pass@".to_owned()),
        ("email", "jane.doe+test@mail.example.com".to_owned()),
        ("iban", "GB29NWBK60161331926819".to_owned()),
        ("iban", "DE89 3704 0044 0532 0130 00".to_owned()),
        ("payment_card", "4111 1111 1111 1111".to_owned()),
        ("payment_card", "5555-5555-5555-4444".to_owned()),
        ("payment_card", "378282246310005".to_owned()),
        ("us_ssn", "078-05-1120".to_owned()),
    ]
}

/// Near misses that are put together.
pub(super) fn near_misses() -> Vec<String> {
    vec![
        // Too short by one, or too long where the length is fixed.
        ["AK", "IA", &upper(15)].concat(),
        ["AK", "IA", &upper(17)].concat(),
        ["xAK", "IA", &upper(16)].concat(),
        ["AK", "IA", &upper(15), "1"].concat(),
        ["Account", "Key=", &alnum(85), "=="].concat(),
        ["AI", "za", &alnum(34)].concat(),
        ["GOC", "SPX-", &alnum(27)].concat(),
        ["gh", "p_", &alnum(35)].concat(),
        ["gh", "x_", &alnum(36)].concat(),
        ["github", "_pat_", &alnum(22), "_", &alnum(58)].concat(),
        ["gl", "pat-", &alnum(19)].concat(),
        ["xo", "xb-", &alnum(19)].concat(),
        ["sk", "_test_", &alnum(24)].concat(),
        ["sk", "_live_", &alnum(23)].concat(),
        ["s", "k-", &alnum(48)].concat(),
        ["sk", "-ant-api03-", &alnum(79)].concat(),
        ["h", "f_", &alnum(33)].concat(),
        ["np", "m_", &alnum(35)].concat(),
        ["np", "m_", &alnum(37)].concat(),
        ["py", "pi-AgEIcHlwaS5vcmc", &alnum(49)].concat(),
        ["S", "G.", &alnum(22), ".", &alnum(42)].concat(),
        ["S", "K", &hex(31)].concat(),
        ["S", "K", &hex(33)].concat(),
        ["do", "p_v1_", &hex(63)].concat(),
        ["hv", "s.", &alnum(23)].concat(),
        ["ey", "JhbGciOiJIUzI1NiJ9.", &alnum(40), ".", &alnum(43)].concat(),
        ["secret_access_key = ", &alnum(39)].concat(),
        // Hashes, and what git, npm and lock files print.
        hex(40),
        hex(64),
        ["sha256:", &hex(64)].concat(),
        ["sha512-", &alnum(86), "=="].concat(),
        alnum(400),
    ]
}

/// What tools and people write.
pub(super) const NEAR_MISSES: &[&str] = &[
    "",
    "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n-----END PUBLIC KEY-----",
    "-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUQ2VydGlmaWNhdGVzIGFyZSBub3Qgc2VjcmV0cw==\n-----END CERTIFICATE-----",
    "A PEM file begins with `-----BEGIN PRIVATE KEY-----` and ends with `-----END PRIVATE KEY-----`.",
    "https://example.com:8080/a@b?c:d@e",
    "https://user@host/path:with:colons@sign",
    "postgres://user:<password>@host/db",
    "postgres://user:${DB_PASSWORD}@host/db",
    "postgres://user:****@host/db",
    "git@host:owner/repo.git",
    "mailto:@nobody and @handle and user@localhost",
    "secret_access_key: \"your key\"",
    "ghp_ is the prefix of GitHub's tokens, sk_live_ that of Stripe's",
    "1234-56-7890 and 000-12-3456 and 666-12-3456 and 900-12-3456 and 123-00-4567 and 123-45-0000",
    "4111 1111 1111 1112",
    "2024-01-01T00:00:00.000Z 550e8400-e29b-41d4-a716-446655440000 1700000000000",
    "DE89 3704 0044 0532 0130 01",
    "AB12CD34EF56GH78IJ90",
];
