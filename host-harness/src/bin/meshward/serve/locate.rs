//! Where the module is.

use std::path::{Path, PathBuf};

/// The file that was named, or the one that `cargo xtask build` makes: beside this program, in the build directory it
/// was built into, or in that of the current directory.
pub(crate) fn module(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(named) = named {
        return if named.is_file() {
            Ok(named.to_owned())
        } else {
            Err(format!("{}: there is no such file; --module names the WebAssembly module to run", named.display()))
        };
    }
    let candidates = candidates();
    candidates.iter().find(|path| path.is_file()).cloned().ok_or_else(|| {
        let looked = candidates.iter().map(|path| path.display().to_string()).collect::<Vec<_>>().join(", ");
        format!("meshward.wasm is missing; `cargo xtask build` makes it, --module names another (looked for {looked})")
    })
}

fn candidates() -> Vec<PathBuf> {
    let mut paths = Vec::new();
    if let Ok(program) = std::env::current_exe()
        && let Some(directory) = program.parent()
    {
        paths.push(directory.join("meshward.wasm"));
        if let Some(target) = directory.parent() {
            paths.push(target.join("meshward").join("meshward.wasm"));
        }
    }
    paths.push(Path::new("target").join("meshward").join("meshward.wasm"));
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named() {
        let error = module(Some(Path::new("/nowhere/m.wasm"))).unwrap_err();
        assert!(error.starts_with("/nowhere/m.wasm: "), "{error}");
    }

    #[test]
    fn a_named_file_is_taken() {
        let file = std::env::current_exe().unwrap();
        assert_eq!(module(Some(&file)), Ok(file));
    }
}
