//! Shared data and shared queues.

use super::{Answer, Guest, Imports, Status, import};

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    import!(imports, "env", "proxy_get_shared_data" =>
        |g, key: u32, key_len: u32, value_at: u32, value_len_at: u32, cas_at: u32| {
            get_data(g, (key, key_len), value_at, value_len_at, cas_at)
        }
    );
    import!(imports, "env", "proxy_set_shared_data" =>
        |g, key: u32, key_len: u32, value: u32, value_len: u32, cas: u32| {
            set_data(g, (key, key_len), (value, value_len), cas)
        }
    );
    import!(imports, "env", "proxy_register_shared_queue" => |g, name: u32, name_len: u32, token_at: u32| {
        register(g, (name, name_len), token_at)
    });
    import!(imports, "env", "proxy_resolve_shared_queue" =>
        |g, vm_id: u32, vm_id_len: u32, name: u32, name_len: u32, token_at: u32| {
            resolve(g, (vm_id, vm_id_len), (name, name_len), token_at)
        }
    );
    import!(imports, "env", "proxy_enqueue_shared_queue" => |g, token: u32, value: u32, value_len: u32| {
        let value = g.read(value, value_len);
        value.and_then(|value| {
            if g.state().host.queues().enqueue(token, value) { Ok(()) } else { Err(Status::NotFound.into()) }
        })
    });
    import!(imports, "env", "proxy_dequeue_shared_queue" => |g, token: u32, value_at: u32, value_len_at: u32| {
        match g.state().host.queues().dequeue(token) {
            None => Err(Status::NotFound.into()),
            Some(None) => Err(Status::Empty.into()),
            Some(Some(value)) => g.give(&value, value_at, value_len_at),
        }
    });
    Ok(())
}

fn get_data(guest: &mut Guest<'_>, key: (u32, u32), value_at: u32, value_len_at: u32, cas_at: u32) -> Answer {
    let state = guest.state();
    let found = state.host.data().get(&state.config.vm_id, guest.slice(key.0, key.1)?);
    let (value, cas) = found.ok_or(Status::NotFound)?;
    guest.give(&value, value_at, value_len_at)?;
    guest.write_u32(cas_at, cas)
}

fn set_data(guest: &Guest<'_>, key: (u32, u32), value: (u32, u32), cas: u32) -> Answer {
    let state = guest.state();
    let value = guest.read(value.0, value.1)?;
    let written = state.host.data().set(&state.config.vm_id, guest.slice(key.0, key.1)?, value, cas);
    Ok(written.map_err(|_| Status::CasMismatch)?)
}

fn register(guest: &mut Guest<'_>, name: (u32, u32), token_at: u32) -> Answer {
    let name = guest.read(name.0, name.1)?;
    let state = guest.state_mut();
    let token = state.host.queues().register(&state.config.vm_id, &name);
    let enqueued = state.host.queues().enqueued(token);
    state.queues.entry(token).or_insert(enqueued);
    guest.write_u32(token_at, token)
}

/// An empty VM id means the own one.
fn resolve(guest: &mut Guest<'_>, vm_id: (u32, u32), name: (u32, u32), token_at: u32) -> Answer {
    let named = guest.text(vm_id.0, vm_id.1)?;
    let name = guest.read(name.0, name.1)?;
    let state = guest.state();
    let vm_id = if named.is_empty() { &state.config.vm_id } else { &named };
    let token = state.host.queues().resolve(vm_id, &name).ok_or(Status::NotFound)?;
    guest.write_u32(token_at, token)
}
