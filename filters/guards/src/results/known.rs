//! The patterns that come with the module: what issuers of keys say that theirs look like, and some personal data.
//!
//! Only what can be told from other text by itself is among them: a prefix that its issuer chose for that, or a checksum.

use super::checks;

/// A pattern that comes with the module.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) set: Set,
    pub(crate) pattern: &'static str,
    /// How many bytes of a match are what is looked for, if any.
    pub(crate) check: Option<fn(&str) -> Option<usize>>,
}

/// Patterns that are chosen together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Set {
    Secrets,
    PersonalData,
}

impl Set {
    pub(crate) const ALL: [Self; 2] = [Self::Secrets, Self::PersonalData];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Secrets => "secrets",
            Self::PersonalData => "personal_data",
        }
    }
}

const fn secret(name: &'static str, pattern: &'static str) -> Known {
    Known { name, set: Set::Secrets, pattern, check: None }
}

const fn personal(name: &'static str, pattern: &'static str, check: Option<fn(&str) -> Option<usize>>) -> Known {
    Known { name, set: Set::PersonalData, pattern, check }
}

/// All of them. Each stands below where its issuer says what it looks like.
pub(crate) static KNOWN: &[Known] = &[
    // docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html: access keys, long-term and temporary.
    secret("aws_access_key_id", r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b"),
    // The secret has no form of its own: 40 letters behind its name, as in ~/.aws/credentials and in the API's answers.
    secret(
        "aws_secret_access_key",
        r#"(?i:secret_?access_?key)["'\\]{0,3}\s{0,3}[:=]\s{0,3}["'\\]{0,3}[A-Za-z0-9/+]{40}\b"#,
    ),
    // learn.microsoft.com/azure/storage/common/storage-configure-connection-string: 64 bytes in base64.
    secret("azure_storage_key", r"AccountKey=[A-Za-z0-9+/]{86}=="),
    // docs.cloud.google.com/docs/authentication/api-keys.
    secret("google_api_key", r"\bAIza[A-Za-z0-9_-]{35}"),
    // developers.google.com/identity/protocols/oauth2: a client's secret.
    secret("google_oauth_secret", r"\bGOCSPX-[A-Za-z0-9_-]{28}"),
    // docs.github.com/authentication/keeping-your-account-and-data-secure/about-authentication-to-github.
    secret("github_token", r"gh[oprsu]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}"),
    // docs.gitlab.com/security/tokens: token prefixes.
    secret("gitlab_token", r"\bgl(?:agent|cbt|dt|ffct|ft|imt|oas|pat|ptt|rt|rtr|soat)-[A-Za-z0-9_-]{20,}"),
    // docs.slack.dev/authentication/tokens.
    secret("slack_token", r"\bxox[abeoprs]-[A-Za-z0-9-]{20,}|\bxapp-[0-9]-[A-Z0-9]+-[0-9]+-[a-f0-9]{32,}"),
    // docs.slack.dev/messaging/sending-messages-using-incoming-webhooks.
    secret("slack_webhook", r"hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{24}"),
    // docs.stripe.com/keys: secret and restricted keys in live mode.
    secret("stripe_key", r"\b[rs]k_live_[A-Za-z0-9]{24,}"),
    // platform.openai.com/docs/api-reference/authentication: the middle is `OpenAI` in base64.
    secret("openai_key", r"\bsk-[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"),
    // docs.claude.com/en/api/overview.
    secret("anthropic_key", r"\bsk-ant-[a-z0-9]{3,12}-[A-Za-z0-9_-]{80,}"),
    // huggingface.co/docs/hub/security-tokens.
    secret("huggingface_token", r"\bhf_[A-Za-z0-9]{34}\b"),
    // github.blog, "Announcing npm's new access token format" (2021).
    secret("npm_token", r"\bnpm_[A-Za-z0-9]{36}\b"),
    // pypi.org/help/#apitoken: a macaroon, whose beginning is the same for all.
    secret("pypi_token", r"\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,}"),
    // twilio.com/docs/sendgrid/ui/account-and-settings/api-keys.
    secret("sendgrid_key", r"\bSG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    // twilio.com/docs/iam/api-keys.
    secret("twilio_key", r"\bSK[0-9a-f]{32}\b"),
    // docs.digitalocean.com/reference/api/create-personal-access-token.
    secret("digitalocean_token", r"\bdo[opr]_v1_[a-f0-9]{64}\b"),
    // developer.hashicorp.com/vault/docs/concepts/tokens: service, batch and recovery tokens.
    secret("vault_token", r"\bhv[bsr]\.[A-Za-z0-9_-]{24,}"),
    // RFC 7468, section 10; RFC 4880, section 6.2. Up to the end of the text where its last line is missing.
    secret(
        "private_key",
        r"-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----(?:\s|\\[nrt]){0,8}(?:[A-Za-z-]{1,20}: [^\r\n\\]*(?:\s|\\[nrt]){1,8}){0,4}[A-Za-z0-9+/=]{40}(?:[^-]|-{1,4}[^-])*(?:-----END [A-Z0-9 ]{0,48}-----)?",
    ),
    // RFC 7519, section 3: header and claims are objects, the signature is not empty.
    secret("jwt", r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}"),
    // RFC 3986, section 3.2.1: the user's part of a URL with a password, and no place holder in its stead.
    secret("url_password", r#"://[^\s/?#:@"'<>\\]+:[^\s/?#@"'<>{}$*%\[\\][^\s/?#@"'<>\\]{2,}@"#),
    // RFC 5321, section 4.1.2, without what nobody uses.
    personal("email", r"\b[A-Za-z0-9][A-Za-z0-9._%+-]*@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}\b", None),
    // ISO 13616.
    personal("iban", r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]){11,30}", Some(checks::iban)),
    // ISO/IEC 7812: the numbers of the large networks, in groups as they are printed.
    personal(
        "payment_card",
        r"\b(?:(?:4[0-9]{3}|5[1-5][0-9]{2}|2[2-7][0-9]{2}|3[0-9]{3}|6[0-9]{3})(?:[ -]?[0-9]{4}){3}|3[47][0-9]{2}[ -]?[0-9]{6}[ -]?[0-9]{5})\b",
        Some(checks::luhn),
    ),
    // ssa.gov/employer/stateweb.htm: what is never given out is none.
    personal(
        "us_ssn",
        r"\b(?:00[1-9]|0[1-9][0-9]|[1-57-8][0-9]{2}|6[0-57-9][0-9]|66[0-57-9])-(?:0[1-9]|[1-9][0-9])-(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})\b",
        None,
    ),
];
