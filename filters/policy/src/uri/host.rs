//! Hosts: names, addresses, and what only some parsers take for an address.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Kind, UriException, UriFault};

/// The host of a URI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Host<'u> {
    /// There is none, or an empty one.
    None,
    /// A name, in the case in which it was written.
    Name(&'u str),
    /// An address in the one form in which all parsers take it for one.
    V4(Ipv4Addr),
    /// An address in brackets.
    V6(Ipv6Addr),
}

/// Names that are this machine by RFC 6761 or by the `/etc/hosts` of a common distribution, in addition to
/// `*.localhost`.
const LOOPBACK_NAMES: &[&str] = &[
    "ip6-localhost",
    "ip6-loopback",
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost4.localdomain4",
    "localhost6",
    "localhost6.localdomain6",
];

/// Names under which clouds offer their metadata services. Those of one label are looked for under the schemes of the
/// network alone: elsewhere `config://metadata` names what it likes.
const METADATA_NAMES: &[&str] = &[
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.packet.net",
    "metadata.platformequinix.com",
    "metadata.tencentyun.com",
    "rancher-metadata",
];

/// Addresses of metadata services, and of what hands out credentials beside them.
const METADATA_V4: &[Ipv4Addr] = &[
    // Most clouds.
    Ipv4Addr::new(169, 254, 169, 254),
    // AWS: time, DNS, ECS tasks, EKS pods.
    Ipv4Addr::new(169, 254, 169, 123),
    Ipv4Addr::new(169, 254, 169, 253),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    // Azure.
    Ipv4Addr::new(168, 63, 129, 16),
    // Alibaba Cloud.
    Ipv4Addr::new(100, 100, 100, 200),
    // Oracle Cloud.
    Ipv4Addr::new(192, 0, 0, 192),
    // Tencent Cloud.
    Ipv4Addr::new(169, 254, 0, 23),
    // Scaleway.
    Ipv4Addr::new(169, 254, 42, 42),
];

/// Likewise, by how many groups are looked at.
const METADATA_V6: &[(&[u16], usize)] = &[
    // AWS: everything in fd00:ec2::/32.
    (&[0xfd00, 0xec2], 2),
    // Google Cloud.
    (&[0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 8),
    // Oracle Cloud.
    (&[0xfd00, 0xc1, 0, 0, 0, 0, 0xa9fe, 0xa9fe], 8),
    // Scaleway.
    (&[0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42], 8),
];

impl<'u> Host<'u> {
    /// Reads a host as RFC 3986 delimits it.
    pub(super) fn read(host: &'u str, kind: Kind) -> Result<Self, UriFault> {
        if host.is_empty() {
            return Ok(Self::None);
        }
        if host.starts_with('[') {
            // What else may stand in brackets (RFC 3986: IPvFuture), nobody has defined.
            return bracketed(host).map(Self::V6).ok_or(UriFault::Ambiguous);
        }
        if let Ok(address) = host.parse() {
            return Ok(Self::V4(address));
        }
        if kind == Kind::Other { other_name(host) } else { domain(host) }
    }

    /// Where it leads that needs an exception.
    pub(super) fn place(&self, kind: Kind) -> Option<UriException> {
        match self {
            Self::None => None,
            Self::Name(name) => place_of_name(&name.to_ascii_lowercase(), kind),
            Self::V4(address) => place_of_v4(*address),
            Self::V6(address) => place_of_v6(*address),
        }
    }
}

/// An address of IPv6 in its brackets.
pub(super) fn bracketed(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

/// A host that WHATWG takes for a domain.
fn domain(host: &str) -> Result<Host<'_>, UriFault> {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    let ends_in_number = host.rsplit('.').next().is_some_and(is_number);
    if host.bytes().all(plain) && host.split('.').all(is_clear_label) && !ends_in_number {
        Ok(Host::Name(host))
    } else {
        Err(UriFault::Ambiguous)
    }
}

/// A host under a scheme that is neither for the network nor for files: a number may be the number of anything, unless
/// it could be the address of what is to be out of reach.
fn other_name(host: &str) -> Result<Host<'_>, UriFault> {
    if host.contains('%') || !host.split('.').all(is_clear_label) {
        return Err(UriFault::Ambiguous);
    }
    let leads_nowhere = |address: Ipv4Addr| address.octets().first() == Some(&0) && !address.is_unspecified();
    let hidden = [loose_address(host, true), loose_address(host, false)].into_iter().flatten();
    match hidden.filter(|address| !leads_nowhere(*address)).find_map(place_of_v4) {
        Some(_) => Err(UriFault::Ambiguous),
        None => Ok(Host::Name(host)),
    }
}

/// Whether a label is there, and says in one way what it is: one in Punycode that encodes nothing is plain ASCII to
/// some decoders.
fn is_clear_label(label: &str) -> bool {
    let punycode = label.get(..4).filter(|prefix| prefix.eq_ignore_ascii_case("xn--")).and_then(|_| label.get(4..));
    !label.is_empty() && punycode.is_none_or(|code| !code.is_empty() && !code.ends_with('-'))
}

/// Whether a label makes WHATWG take a host for an address (URL standard, "ends in a number").
fn is_number(label: &str) -> bool {
    let hex = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// The address that `inet_aton` makes of up to four numbers, the last of which fills what is left. Not all agree on
/// whether a leading zero means octal.
fn loose_address(host: &str, octal: bool) -> Option<Ipv4Addr> {
    let mut parts = host.split('.');
    let last = loose_number(parts.next_back()?, octal)?;
    let (mut address, mut room) = (0_u32, 32_u32);
    for part in parts {
        room = room.checked_sub(8).filter(|room| *room > 0)?;
        let octet = u8::try_from(loose_number(part, octal)?).ok()?;
        address |= u32::from(octet).checked_shl(room)?;
    }
    let fits = room == 32 || last.checked_shr(room) == Some(0);
    fits.then(|| Ipv4Addr::from(address | last))
}

fn loose_number(part: &str, octal: bool) -> Option<u32> {
    if !is_number(part) {
        return None;
    }
    let (digits, radix) = match part.strip_prefix("0x").or_else(|| part.strip_prefix("0X")) {
        Some("") => ("0", 16),
        Some(hex) => (hex, 16),
        None if octal && part.starts_with('0') => (part, 8),
        None => (part, 10),
    };
    u32::from_str_radix(digits, radix).ok()
}

fn place_of_name(name: &str, kind: Kind) -> Option<UriException> {
    if LOOPBACK_NAMES.contains(&name) || name.ends_with(".localhost") {
        return Some(UriException::Loopback);
    }
    let metadata = METADATA_NAMES.contains(&name) && (kind != Kind::Other || name.contains('.'));
    metadata.then_some(UriException::Metadata)
}

fn place_of_v4(address: Ipv4Addr) -> Option<UriException> {
    if METADATA_V4.contains(&address) {
        Some(UriException::Metadata)
    } else if address.is_loopback() || address.octets().first() == Some(&0) {
        Some(UriException::Loopback)
    } else if address.is_link_local() {
        Some(UriException::LinkLocal)
    } else {
        None
    }
}

fn place_of_v6(address: Ipv6Addr) -> Option<UriException> {
    let groups = address.segments();
    if METADATA_V6.iter().any(|(prefix, length)| groups.get(..*length) == Some(*prefix)) {
        return Some(UriException::Metadata);
    }
    if address.is_loopback() || address.is_unspecified() {
        return Some(UriException::Loopback);
    }
    // Site-local addresses (fec0::/10) are deprecated, and just as local.
    if matches!(groups[0] & 0xffc0, 0xfe80 | 0xfec0) {
        return Some(UriException::LinkLocal);
    }
    embedded(groups).into_iter().flatten().find_map(place_of_v4)
}

/// The addresses of IPv4 to which an address of IPv6 may lead.
fn embedded(groups: [u16; 8]) -> [Option<Ipv4Addr>; 2] {
    let [_, b, c, d, e, f, g, h] = groups;
    let join = |high: u16, low: u16| Some(Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)));
    match groups {
        // IPv4-compatible, IPv4-mapped (RFC 4291, section 2.5.5) and IPv4-translated (RFC 2765).
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => [join(g, h), None],
        // NAT64 (RFC 6052).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] => [join(g, h), None],
        // NAT64 for local use (RFC 8215): the address stands at the end, or behind 48 bits, around bits 64 to 71.
        [0x64, 0xff9b, 1, ..] => [join(g, h), join(d, e << 8 | f >> 8)],
        // 6to4 (RFC 3056).
        [0x2002, ..] => [join(b, c), None],
        // Teredo (RFC 4380): a server, and a client in disguise.
        [0x2001, 0, ..] => [join(c, d), join(!g, !h)],
        // ISATAP (RFC 5214), below any prefix.
        [.., 0 | 0x200, 0x5efe, _, _] => [join(g, h), None],
        _ => [None, None],
    }
}
