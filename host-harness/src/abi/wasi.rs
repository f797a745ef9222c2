//! The WASI calls that a Rust module for `wasm32-wasip1` may make, answered as proxy-wasm-cpp-host answers them: there are
//! no files, standard output and error are the log.

use wasmtime::Linker;

use super::{Answer, Fault, Guest, Imports, Status};
use crate::host::log::LogLevel;
use crate::vm::{State, abi_len};

const SUCCESS: u32 = 0;
const EBADF: u32 = 8;
const EFAULT: u32 = 21;
const EINVAL: u32 = 28;
const ENOENT: u32 = 44;
const ENOSYS: u32 = 52;
const ENOTSUP: u32 = 58;

/// What `random_get` gives at most.
const MAX_RANDOM: u32 = 64 * 1024;

const MODULES: [&str; 2] = ["wasi_snapshot_preview1", "wasi_unstable"];

/// `wasi!(imports, "name" => |guest, a: u32| expression of type Answer<u32>)`, in both WASI modules.
macro_rules! wasi {
    ($imports:ident, $name:literal => |$guest:ident $(, $arg:ident : $ty:ty)*| $body:expr) => {
        for module in MODULES {
            let linker: &mut Linker<State> = $imports.linker;
            linker.func_wrap(
                module,
                $name,
                |caller: wasmtime::Caller<'_, State> $(, $arg: $ty)*| -> wasmtime::Result<u32> {
                let $guest = &mut Guest(caller);
                let _ = &$guest;
                    $( let _ = $arg; )*
                    errno($body)
                },
            )?;
            $imports.names.push((module, $name));
        }
    };
}

/// What a call returns: memory that is not there is `EFAULT`.
fn errno(result: Answer<u32>) -> wasmtime::Result<u32> {
    match result {
        Ok(errno) => Ok(errno),
        Err(Fault::Status(Status::InvalidMemoryAccess)) => Ok(EFAULT),
        Err(Fault::Status(_)) => Ok(EINVAL),
        Err(Fault::Trap(error)) => Err(error),
    }
}

pub(super) fn define(imports: &mut Imports<'_>) -> wasmtime::Result<()> {
    wasi!(imports, "args_sizes_get" => |g, count_at: u32, size_at: u32| {
        g.write_u32(count_at, 0).and_then(|()| g.write_u32(size_at, 0)).map(|()| SUCCESS)
    });
    wasi!(imports, "args_get" => |g, args: u32, buffer: u32| Ok(SUCCESS));
    wasi!(imports, "environ_sizes_get" => |g, count_at: u32, size_at: u32| environ_sizes(g, count_at, size_at));
    wasi!(imports, "environ_get" => |g, pointers: u32, buffer: u32| environ(g, pointers, buffer));
    wasi!(imports, "clock_time_get" => |g, clock: u32, precision: u64, time_at: u32| clock_time(g, clock, time_at));
    wasi!(imports, "clock_res_get" => |g, clock: u32, resolution_at: u32| match clock {
        0 | 1 => g.write_u64(resolution_at, 1).map(|()| SUCCESS),
        _ => Ok(ENOTSUP),
    });
    wasi!(imports, "random_get" => |g, buffer: u32, len: u32| random(g, buffer, len));
    wasi!(imports, "fd_write" => |g, fd: u32, vectors: u32, count: u32, written_at: u32| {
        fd_write(g, fd, vectors, count, written_at)
    });
    wasi!(imports, "fd_fdstat_get" => |g, fd: u32, stat_at: u32| fdstat(g, fd, stat_at));
    wasi!(imports, "fd_fdstat_set_flags" => |g, fd: u32, flags: u32| Ok(ENOSYS));
    wasi!(imports, "fd_read" => |g, fd: u32, vectors: u32, count: u32, read_at: u32| Ok(ENOSYS));
    wasi!(imports, "fd_seek" => |g, fd: u32, offset: i64, whence: u32, at: u32| Ok(SUCCESS));
    wasi!(imports, "fd_close" => |g, fd: u32| Ok(SUCCESS));
    wasi!(imports, "fd_prestat_get" => |g, fd: u32, at: u32| Ok(EBADF));
    wasi!(imports, "fd_prestat_dir_name" => |g, fd: u32, path: u32, len: u32| Ok(ENOSYS));
    wasi!(imports, "fd_filestat_get" => |g, fd: u32, at: u32| Ok(EBADF));
    wasi!(imports, "path_filestat_get" => |g, fd: u32, flags: u32, path: u32, len: u32, at: u32| Ok(ENOTSUP));
    wasi!(imports, "path_open" => |g, fd: u32, dir_flags: u32, path: u32, len: u32, o_flags: u32, base: i64,
        inheriting: i64, flags: u32, at: u32| Ok(ENOENT));
    wasi!(imports, "sched_yield" => |g| Ok(SUCCESS));
    wasi!(imports, "poll_oneoff" => |g, subscriptions: u32, events: u32, count: u32, count_at: u32| {
        g.write_u32(count_at, 0).map(|()| SUCCESS)
    });
    for module in MODULES {
        imports.linker.func_wrap(module, "proc_exit", |code: u32| -> wasmtime::Result<()> {
            Err(wasmtime::Error::msg(format!("the module called proc_exit({code})")))
        })?;
        imports.names.push((module, "proc_exit"));
    }
    Ok(())
}

/// One variable as WASI wants it: `NAME=value` and a NUL.
fn variable((name, value): (&String, &String)) -> Vec<u8> {
    format!("{name}={value}\0").into_bytes()
}

fn environ_sizes(guest: &mut Guest<'_>, count_at: u32, size_at: u32) -> Answer<u32> {
    let variables = &guest.state().config.environment;
    let count = abi_len(variables.len());
    let size = variables.iter().map(variable).fold(0_usize, |size, text| size.saturating_add(text.len()));
    guest.write_u32(count_at, count)?;
    guest.write_u32(size_at, abi_len(size))?;
    Ok(SUCCESS)
}

fn environ(guest: &mut Guest<'_>, mut pointer_at: u32, mut text_at: u32) -> Answer<u32> {
    let texts: Vec<Vec<u8>> = guest.state().config.environment.iter().map(variable).collect();
    for text in texts {
        guest.write_u32(pointer_at, text_at)?;
        guest.write(text_at, &text)?;
        pointer_at = pointer_at.checked_add(4).ok_or(Status::InvalidMemoryAccess)?;
        text_at = text_at.checked_add(abi_len(text.len())).ok_or(Status::InvalidMemoryAccess)?;
    }
    Ok(SUCCESS)
}

fn clock_time(guest: &mut Guest<'_>, clock: u32, time_at: u32) -> Answer<u32> {
    let source = guest.state().host.clock();
    let time = match clock {
        0 => source.wall(),
        1 => source.monotonic(),
        _ => return Ok(ENOTSUP),
    };
    guest.write_u64(time_at, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))?;
    Ok(SUCCESS)
}

fn random(guest: &mut Guest<'_>, buffer: u32, len: u32) -> Answer<u32> {
    if len > MAX_RANDOM {
        return Ok(EINVAL);
    }
    let mut bytes = vec![0; usize::try_from(len).unwrap_or_default()];
    if !guest.state().host.random().fill(&mut bytes) {
        return Err(Fault::Trap(wasmtime::Error::msg("the system has no random bytes")));
    }
    guest.write(buffer, &bytes)?;
    Ok(SUCCESS)
}

/// Standard output is logged as information, standard error as an error; one newline at the end is dropped.
fn fd_write(guest: &mut Guest<'_>, fd: u32, vectors: u32, count: u32, written_at: u32) -> Answer<u32> {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Ok(EBADF),
    };
    let mut text = Vec::new();
    for index in 0..count {
        let vector = index.checked_mul(8).and_then(|offset| vectors.checked_add(offset));
        let vector = vector.ok_or(Status::InvalidMemoryAccess)?;
        let start = guest.read_u32(vector)?;
        let len = guest.read_u32(vector.checked_add(4).ok_or(Status::InvalidMemoryAccess)?)?;
        text.extend_from_slice(guest.slice(start, len)?);
    }
    let written = abi_len(text.len());
    if written > 0 {
        if text.last() == Some(&b'\n') {
            text.pop();
        }
        guest.state().log(level, String::from_utf8_lossy(&text).into_owned());
    }
    guest.write_u32(written_at, written)?;
    Ok(SUCCESS)
}

/// Standard output and error may be written to, and that is all.
fn fdstat(guest: &mut Guest<'_>, fd: u32, stat_at: u32) -> Answer<u32> {
    const RIGHTS_FD_WRITE: u64 = 64;
    if fd != 1 && fd != 2 {
        return Ok(EBADF);
    }
    let mut stat = [0; 24];
    for (to, from) in stat.iter_mut().skip(8).zip(RIGHTS_FD_WRITE.to_le_bytes()) {
        *to = from;
    }
    guest.write(stat_at, &stat)?;
    Ok(SUCCESS)
}
