//! A budget of work, so that no schema and no arguments take a worker's time beyond it.

/// More work than the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooComplex;

/// What is left of a budget. A step is about ten nanoseconds of work.
#[derive(Debug)]
pub(super) struct Steps(usize);

impl Steps {
    pub(super) const fn new(steps: usize) -> Self {
        Self(steps)
    }

    pub(super) fn spend(&mut self, steps: usize) -> Result<(), TooComplex> {
        self.0 = self.0.checked_sub(steps).ok_or(TooComplex)?;
        Ok(())
    }

    /// Bytes that are read once.
    pub(super) fn spend_bytes(&mut self, bytes: usize) -> Result<(), TooComplex> {
        self.spend(bytes >> 3)
    }
}
