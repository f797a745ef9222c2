//! Metrics.

use super::{Answer, Guest, Imports, Status, import};
use crate::host::metrics::MetricKind;
use crate::vm::State;

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_define_metric" => |g, kind: u32, name: u32, name_len: u32, id_at: u32| {
        define_metric(g, kind, (name, name_len), id_at)
    });
    import!(imports, "env", "proxy_increment_metric" => |g, id: u32, offset: i64| increment(g.state(), id, offset));
    import!(imports, "env", "proxy_record_metric" => |g, id: u32, value: u64| {
        let state = g.state();
        match state.metric(id) {
            Some((kind, name)) => {
                state.host.metric_store().record(kind, name, value);
                Ok(())
            }
            None => Err(Status::NotFound.into()),
        }
    });
    import!(imports, "env", "proxy_get_metric" => |g, id: u32, value_at: u32| {
        match value(g.state(), id) {
            Ok(value) => g.write_u64(value_at, value),
            Err(fault) => Err(fault),
        }
    });
    Ok(())
}

fn define_metric(guest: &mut Guest<'_>, kind: u32, name: (u32, u32), id_at: u32) -> Answer {
    let kind = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let name = guest.text(name.0, name.1)?;
    let id = guest.state_mut().define_metric(kind, &name);
    guest.write_u32(id_at, id)
}

/// A counter takes only what makes it grow.
fn increment(state: &State, id: u32, offset: i64) -> Answer {
    let (kind, name) = match (id & 3, state.metric(id)) {
        (0 | 1, Some(metric)) => metric,
        (0 | 1, None) => return Err(Status::NotFound.into()),
        _ => return Err(Status::BadArgument.into()),
    };
    if kind == MetricKind::Counter && offset <= 0 {
        return Err(Status::BadArgument.into());
    }
    state.host.metric_store().add(kind, name, offset);
    Ok(())
}

fn value(state: &State, id: u32) -> Answer<u64> {
    match (id & 3, state.metric(id)) {
        (0 | 1, Some((kind, name))) => Ok(state.host.metric_store().value(kind, name).ok_or(Status::NotFound)?),
        (0 | 1, None) => Err(Status::NotFound.into()),
        _ => Err(Status::BadArgument.into()),
    }
}
