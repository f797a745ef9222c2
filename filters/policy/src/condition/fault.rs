//! What is wrong with a condition, and where.

/// One error of a condition's text.
#[derive(Debug)]
pub(super) struct Fault {
    /// The byte it is about.
    at: usize,
    message: String,
}

impl Fault {
    pub(super) const fn new(at: usize, message: String) -> Self {
        Self { at, message }
    }

    /// `line:column: message`; both count from 1, columns in characters.
    pub(super) fn render(&self, source: &str) -> String {
        let before = source.get(..self.at).unwrap_or(source);
        let line = before.matches('\n').count().saturating_add(1);
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count().saturating_add(1);
        format!("{line}:{column}: {}", self.message)
    }
}

/// ` (did you mean "…"?)`, if one of the known names is close.
pub(super) fn suggestion<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let distance = |known: &str| strsim::damerau_levenshtein(&name.to_ascii_lowercase(), &known.to_ascii_lowercase());
    let bound = name.chars().count().div_ceil(3).min(3);
    let nearest = known.into_iter().map(|known| (distance(known), known)).min();
    match nearest {
        Some((distance, known)) if distance <= bound => format!(" (did you mean \"{known}\"?)"),
        _ => String::new(),
    }
}
