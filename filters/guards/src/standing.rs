//! What is known of a server's tools, held against their pins.

use meshward_catalogue::{NameId, Remembered, Tools};

use crate::config::{Trust, Unlisted};
use crate::definitions::Flaws;
use crate::guards::Guards;
use crate::pins::{Pinned, Pins};

/// How a tool stands to its pins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is as it was approved.
    Approved,
    /// Its definition is another.
    Changed,
    /// Nobody has approved it.
    Unpinned,
    /// It has not been listed.
    Unlisted,
}

/// What is known of a server's tools, for those who ask.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known<'a> {
    guards: &'a Guards,
    /// `None`: nothing.
    tools: Option<&'a Tools>,
    /// What is not known will not be: there is no room for it.
    is_full: bool,
}

impl<'a> Known<'a> {
    pub(crate) const fn of(guards: &'a Guards, tools: &'a Tools) -> Self {
        Self { guards, tools: Some(tools), is_full: tools.held_len() >= guards.max_tools }
    }

    pub(crate) fn by(guards: &'a Guards, remembered: &'a Remembered) -> Self {
        match remembered {
            Remembered::Tools(tools) => Self::of(guards, tools),
            Remembered::Nothing => Self { guards, tools: None, is_full: false },
            Remembered::NoRoom => Self { guards, tools: None, is_full: true },
        }
    }

    /// How a tool stands to its pins by the definition that was listed last.
    pub(crate) fn standing(self, pins: &Pins, pinned: &Pinned, name: &str) -> Standing {
        let id = NameId::of(name);
        let held = self.tools.and_then(|tools| tools.held(id));
        let configured = pinned.of(name);
        let trusted = held.and_then(|held| held.approved).filter(|_| pins.trust == Trust::FirstUse);
        let approved = if configured.is_empty() { trusted.as_slice() } else { configured };
        match held.and_then(|held| held.current) {
            _ if approved.is_empty() && pins.trust == Trust::Configured => Standing::Unpinned,
            Some(current) if !approved.contains(&current) => {
                if approved.is_empty() {
                    Standing::Unpinned
                } else {
                    Standing::Changed
                }
            }
            None if approved.is_empty() && self.is_full => Standing::Unpinned,
            Some(_) if self.tools.is_some_and(|tools| tools.said(id).is_some()) => Standing::Approved,
            _ => Standing::Unlisted,
        }
    }

    /// How a tool that is called stands to its pins.
    pub(crate) fn admits(self, endpoint: &str, name: &str) -> Standing {
        let Some(pins) = &self.guards.pins else { return Standing::Approved };
        match self.standing(pins, pins.of(endpoint), name) {
            Standing::Unlisted if pins.unlisted == Unlisted::Allow => Standing::Approved,
            standing => standing,
        }
    }

    /// Whether a tool says that a call may run twice, and is as it was approved.
    pub(crate) fn may_repeat(self, endpoint: &str, name: &str) -> bool {
        let said = self.tools.and_then(|tools| tools.said(NameId::of(name)));
        let standing = |pins| self.standing(pins, Pins::of(pins, endpoint), name);
        said.is_some_and(|said| said.may_repeat) && self.guards.pins.as_ref().map(standing) == Some(Standing::Approved)
    }

    /// What was wrong with a tool when it was listed last, and could not be taken out.
    pub(crate) fn flaws(self, name: &str) -> Flaws {
        let held = self.tools.and_then(|tools| tools.held(NameId::of(name)));
        held.map(|held| Flaws(held.flaws)).unwrap_or_default()
    }
}
