//! The stages' parts are asked about what is no message: the head, or the body as a whole.

use std::rc::Rc;

use meshward_wire::refusal::Reason;
use meshward_wire::splice::Splices;

use super::Exchange;
use crate::callout::Callout;
use crate::effect::{Effect, Effects};
use crate::host::Host;
use crate::report::Phase;
use crate::stage::{Editable, HeadVerdict, Lent, Scope, StageExchange, Verdict};

impl Exchange {
    /// Asks all of them what can be said without anybody else.
    pub(super) fn ask_parts(
        &mut self,
        mut ask: impl FnMut(&mut dyn StageExchange, &mut Scope<'_>) -> HeadVerdict,
        editable: Editable,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) -> Result<(), Reason> {
        self.ask_parts_from(0, |part, scope| ask(part, scope).into(), editable, host, effects).map(drop)
    }

    /// Asks those from one on, until one refuses or wants another service asked: which, and what.
    pub(super) fn ask_parts_from(
        &mut self,
        from: usize,
        mut ask: impl FnMut(&mut dyn StageExchange, &mut Scope<'_>) -> Verdict,
        editable: Editable,
        host: &mut dyn Host,
        effects: &mut Effects,
    ) -> Result<Option<(usize, Callout)>, Reason> {
        let pipeline = Rc::clone(&self.pipeline);
        let mut parts = std::mem::take(&mut self.parts);
        let mut asked = Ok(None);
        let mut no_edits = Splices::default();
        for (number, (stage, part)) in pipeline.stages.iter().zip(&mut parts).enumerate().skip(from) {
            let kept = Rc::clone(&self.headers);
            let edited_before = effects.list.len();
            let lent = Lent {
                host: &mut *host,
                splices: &mut no_edits,
                headers: &kept,
                trace_id: &mut self.trace_id,
                editable,
                remarks: self.observation.as_deref_mut().map(|observation| &mut observation.remarks),
            };
            let verdict = ask(&mut **part, &mut Scope::new(lent, effects));
            for effect in effects.list.iter().skip(edited_before) {
                if let Effect::RequestHeader(edit) = effect {
                    self.keep_edit(edit);
                }
            }
            if !matches!(verdict, Verdict::Refuse(_)) {
                effects.reply_headers.clear();
            }
            let (decision, shadow) = match verdict {
                Verdict::Pass => continue,
                Verdict::Observe(decision) => (decision, true),
                Verdict::Refuse(decision) => (decision, false),
                Verdict::Ask(callout) => {
                    asked = Ok(Some((number, callout)));
                    break;
                }
            };
            if let Some(observation) = &mut self.observation {
                observation.remarks.ruled(stage.name(), Phase::Request, Some((&decision, shadow)));
            }
            Self::note_decision(effects, stage.name(), &decision, shadow);
            if !shadow {
                effects.reply_headers.extend(decision.retry_after.map(|after| ("retry-after", after.to_string())));
                asked = Err(decision.reason);
                break;
            }
        }
        self.parts = parts;
        asked
    }
}
