//! The root context: one configuration, compiled when it is loaded.

use std::cell::Cell;
use std::rc::Rc;

use meshward::Config;
use meshward_engine::{CalloutOutcome, Effect, Effects, Pipeline};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::abi;
use crate::callouts::{self, Token};
use crate::exchange::{HttpExchange, ProxyHost, note};
use crate::metrics::Metrics;

#[derive(Default)]
pub(crate) struct Root {
    /// `None` until a configuration was accepted: no exchange is let through without one.
    pipeline: Option<Rc<Pipeline>>,
    effects: Rc<Cell<Effects>>,
    metrics: Rc<Metrics>,
    /// The pipeline's callouts, which belong to no exchange, by the host's token.
    callouts: Vec<(Token, u32)>,
}

impl Root {
    /// Lets the pipeline do something apart from any exchange, and carries out what it wants.
    fn work(&mut self, mut work: impl FnMut(&Metrics, &Pipeline, &mut Effects)) {
        let Some(pipeline) = self.pipeline.clone() else { return };
        let mut effects = Effects::default();
        work(&self.metrics, &pipeline, &mut effects);
        let mut not_called = Vec::new();
        for effect in effects.list.drain(..) {
            match effect {
                Effect::Callout(callout) => match callouts::begin(&callout) {
                    Some(token) => self.callouts.push((token, callout.id)),
                    None => not_called.push(callout.id),
                },
                other => note(&self.metrics, other),
            }
        }
        self.metrics.ticks().for_stages(&pipeline);
        self.metrics.tell();
        for id in not_called {
            self.called(id, &CalloutOutcome::Failed);
        }
    }

    fn called(&mut self, id: u32, outcome: &CalloutOutcome) {
        self.work(|_, pipeline, effects| pipeline.called(id, outcome, &mut ProxyHost, effects));
    }

    /// The pipeline of the plugin's configuration, or every reason why there is none.
    fn load(size: usize) -> Result<Pipeline, Vec<String>> {
        let text = abi::buffer(BufferType::PluginConfiguration, size)
            .map_err(|status| vec![format!("the host gives no configuration: {status:?}")])?;
        let root_id = abi::property(&["plugin_root_id"])
            .ok()
            .and_then(|id| String::from_utf8(id).ok())
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| meshward::ROOT_IDS[0].to_owned());
        let config =
            Config::from_json(&text).map_err(|errors| errors.0.iter().map(ToString::to_string).collect::<Vec<_>>())?;
        config.pipeline(&root_id, &|name| std::env::var(name).ok()).map_err(|error| vec![error.to_string()])
    }
}

impl Context for Root {
    fn on_done(&mut self) -> bool {
        self.metrics.interval_ended();
        true
    }

    fn on_http_call_response(&mut self, token: u32, num_headers: usize, body_size: usize, _: usize) {
        let Some(place) = self.callouts.iter().position(|(known, _)| *known == Token::Http(token)) else { return };
        let (_, id) = self.callouts.swap_remove(place);
        self.called(id, &callouts::http_answer(num_headers, body_size));
    }
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Self::load(size) {
            Ok(pipeline) => {
                pipeline.start(&ProxyHost);
                self.metrics.ticks().for_stages(&pipeline);
                self.pipeline = Some(Rc::new(pipeline));
                true
            }
            Err(errors) => {
                for error in errors {
                    abi::log(LogLevel::Error, &format!("meshward configuration refused: {error}"));
                }
                false
            }
        }
    }

    fn on_tick(&mut self) {
        self.metrics.interval_ended();
        self.work(|metrics, pipeline, effects| metrics.ticks().call_stages(pipeline, effects));
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let (effects, metrics) = (Rc::clone(&self.effects), Rc::clone(&self.metrics));
        Some(Box::new(HttpExchange::new(self.pipeline.clone(), effects, metrics)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
