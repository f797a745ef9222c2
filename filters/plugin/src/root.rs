//! The root context: one configuration, compiled when it is loaded.

use std::cell::Cell;
use std::rc::Rc;

use meshward::Config;
use meshward_engine::{Effects, Pipeline};
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{BufferType, ContextType, LogLevel};

use crate::abi;
use crate::exchange::{HttpExchange, ProxyHost};
use crate::metrics::Metrics;

#[derive(Default)]
pub(crate) struct Root {
    /// `None` until a configuration was accepted: no exchange is let through without one.
    pipeline: Option<Rc<Pipeline>>,
    effects: Rc<Cell<Effects>>,
    metrics: Rc<Metrics>,
}

impl Root {
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
}

impl RootContext for Root {
    fn on_configure(&mut self, size: usize) -> bool {
        match Self::load(size) {
            Ok(pipeline) => {
                pipeline.start(&ProxyHost);
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
        if let Some(pipeline) = &self.pipeline {
            self.metrics.ticks().call_stages(pipeline);
        }
    }

    fn create_http_context(&self, _: u32) -> Option<Box<dyn HttpContext>> {
        let (effects, metrics) = (Rc::clone(&self.effects), Rc::clone(&self.metrics));
        Some(Box::new(HttpExchange::new(self.pipeline.clone(), effects, metrics)))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}
