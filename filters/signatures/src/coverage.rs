//! What a signature must cover, said once for who signs and who verifies.

use sfv::FieldType as _;

use crate::component::{Component, Form};
use crate::request::Request;

/// What a signature must cover of a request: what the request has of it.
///
/// A field that the request does not have cannot be covered; one that is added on the way is then there, and not covered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    components: Vec<Component>,
}

/// The fields that carry MCP: `Mcp-Session-Id`, `Mcp-Protocol-Version`, the mirrored ones; and where a stream is resumed.
const MCP: &[u8] = b"mcp-";
const RESUMES: &[u8] = b"last-event-id";

/// The field that stands for the content (RFC 9530, section 2).
pub(crate) const CONTENT_DIGEST: &str = "content-digest";

impl Coverage {
    /// The method, the authority, the path, the query, the content, every `mcp-*` field and `last-event-id`; and besides them
    /// some more.
    #[must_use]
    pub fn with(more: impl IntoIterator<Item = Component>) -> Self {
        let mut components = vec![Component::Method, Component::Authority, Component::Path, Component::Query];
        components.extend(more.into_iter().filter(|component| !matches!(component, Component::Query)));
        Self { components }
    }

    /// The names of the fields that it looks at, besides `mcp-*`.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.components.iter().filter(|component| matches!(component, Component::Field { .. }));
        fields.map(Component::name).chain([CONTENT_DIGEST, "last-event-id"])
    }

    /// What must be covered of this request, as the identifiers of an inner list.
    #[must_use]
    pub fn identifiers(&self, request: &Request<'_>, has_content: bool) -> String {
        let items = self.of(request, has_content).into_iter().filter_map(|component| component.item());
        items.map(|item| item.serialize()).collect::<Vec<_>>().join(" ")
    }

    /// What must be covered of this request, each once.
    pub(crate) fn of(&self, request: &Request<'_>, has_content: bool) -> Vec<Component> {
        let mut wanted: Vec<Component> = Vec::new();
        let mut want = |component: Component| {
            if !wanted.contains(&component) {
                wanted.push(component);
            }
        };
        for component in &self.components {
            let is_there = match component {
                Component::Query => request.query().is_some(),
                Component::Field { name, .. } => request.values(name).next().is_some(),
                _ => true,
            };
            if is_there {
                want(component.clone());
            }
        }
        if has_content {
            want(Component::field(CONTENT_DIGEST));
        }
        for name in request.names().filter(|name| is_mcp(name)) {
            // A name that is no text cannot be covered: nothing fits it, and so it is refused.
            want(Component::field(&String::from_utf8_lossy(name)));
        }
        wanted
    }

    /// The first that must be covered, and is not.
    pub(crate) fn missing(&self, covered: &[Component], request: &Request<'_>, has_content: bool) -> Option<Component> {
        self.of(request, has_content).into_iter().find(|wanted| !covered.iter().any(|one| covers(one, wanted)))
    }
}

/// Whether a field belongs to MCP, or some server takes it for one that does: `_` may stand for `-`.
fn is_mcp(name: &[u8]) -> bool {
    let folded: Vec<u8> = name.iter().map(|b| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() }).collect();
    folded.starts_with(MCP) || folded == RESUMES
}

/// Whether a component that is covered says all of another.
fn covers(covered: &Component, wanted: &Component) -> bool {
    match (covered, wanted) {
        (Component::TargetUri, Component::Scheme | Component::Authority | Component::Path | Component::Query)
        | (Component::RequestTarget, Component::Path | Component::Query) => true,
        (Component::Field { name, form }, Component::Field { name: wanted, .. }) => {
            name == wanted && !matches!(form, Form::Member(_))
        }
        _ => covered == wanted,
    }
}
