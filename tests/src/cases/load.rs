//! Reads the case files: merges variants, fetches shared configurations, and reports every unreadable file at once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

use super::case::{Case, Http, Mode};
use super::chosen;
use super::format::CaseSpec;

/// The folder of the cases.
#[must_use]
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// Every case under a folder, in order of file name.
///
/// # Errors
/// The list of everything that is wrong, one line each, with the file's name.
pub fn load(folder: &Path) -> Result<Vec<Case>> {
    let configs = configs(&folder.join("configs"))?;
    let mut files = Vec::new();
    for area in entries(folder)? {
        if area.is_dir() && !area.ends_with("configs") {
            files.extend(entries(&area)?.into_iter().filter(|file| file.extension().is_some_and(|e| e == "yaml")));
        }
    }
    let mut cases = Vec::new();
    let mut errors = Vec::new();
    for file in files {
        let name = file.strip_prefix(folder).unwrap_or(&file).with_extension("").display().to_string();
        let text = match std::fs::read_to_string(&file) {
            Ok(text) => chosen::at_present(&text),
            Err(error) => {
                errors.push(format!("{name}: {error:#}"));
                continue;
            }
        };
        for (name, file, document) in played(&name, &file, &text) {
            match document.and_then(|document| split(&name, document)) {
                Ok(documents) => {
                    for (name, document) in documents {
                        match resolve(name.clone(), &file, document, &configs) {
                            Ok(case) => cases.push(case),
                            Err(error) => errors.push(format!("{name}: {error:#}")),
                        }
                    }
                }
                Err(error) => errors.push(format!("{name}: {error:#}")),
            }
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    errors.extend(cases.iter().filter(|case| !seen.insert(&case.name)).map(|case| format!("{}: twice", case.name)));
    if !errors.is_empty() {
        bail!("{}", errors.join("\n"));
    }
    Ok(cases)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listing = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut paths = listing.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

/// A file as it is played: its name, its place, and what it says.
type Played = (String, PathBuf, Result<Map<String, Value>>);

/// A file once for all modes and protocols, or once for each where it differs.
fn played(name: &str, file: &Path, text: &str) -> Vec<Played> {
    if !chosen::differs_by_run(text) {
        return vec![(name.to_owned(), file.to_owned(), parse(text))];
    }
    let play = |(mode, http, run)| {
        let document = parse(&chosen::for_run(text, run)).map(|mut document| {
            document.insert("modes".to_owned(), json!([if mode == Mode::Hold { "hold" } else { "no_hold" }]));
            document.insert("http".to_owned(), json!([if http == Http::One { 1 } else { 2 }]));
            document
        });
        (format!("{name} {run}"), file.with_file_name(format!("{name} {run}")), document)
    };
    chosen::PLACES.into_iter().map(play).collect()
}

fn parse(text: &str) -> Result<Map<String, Value>> {
    match serde_saphyr::from_str(text)? {
        Value::Object(members) => Ok(members),
        _ => bail!("not a mapping"),
    }
}

fn configs(folder: &Path) -> Result<BTreeMap<String, Value>> {
    let mut configs = BTreeMap::new();
    for file in entries(folder)? {
        let name = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&file)?;
        let document = parse(&text).with_context(|| file.display().to_string())?;
        configs.insert(name, Value::Object(document));
    }
    Ok(configs)
}

/// One document for each variant of a file.
fn split(name: &str, mut document: Map<String, Value>) -> Result<Vec<(String, Map<String, Value>)>> {
    let Some(variants) = document.remove("variants") else { return Ok(vec![(name.to_owned(), document)]) };
    let Value::Array(variants) = variants else { bail!("`variants` is not a list") };
    if variants.is_empty() {
        bail!("`variants` is empty");
    }
    variants
        .into_iter()
        .enumerate()
        .map(|(index, variant)| {
            let Value::Object(mut variant) = variant else { bail!("variants[{index}] is not a mapping") };
            let Some(Value::String(title)) = variant.remove("name") else { bail!("variants[{index}] has no `name`") };
            Ok((format!("{name}: {title}"), merged(&document, variant)))
        })
        .collect()
}

/// A variant's field takes the place of the file's; `request` and `answer` are merged one level deeper.
fn merged(common: &Map<String, Value>, own: Map<String, Value>) -> Map<String, Value> {
    let mut out = common.clone();
    for (key, value) in own {
        match (out.get_mut(&key), value) {
            (Some(Value::Object(common)), Value::Object(own)) if key == "request" || key == "answer" => {
                common.extend(own);
            }
            (_, value) => {
                out.insert(key, value);
            }
        }
    }
    out
}

fn resolve(
    name: String,
    file: &Path,
    mut document: Map<String, Value>,
    configs: &BTreeMap<String, Value>,
) -> Result<Case> {
    if let Some(config) = document.get_mut("config")
        && let Value::String(shared) = config
    {
        *config = configs.get(shared).with_context(|| format!("config: there is no configs/{shared}.yaml"))?.clone();
    }
    let spec: CaseSpec = serde_path_to_error::deserialize(Value::Object(document))?;
    Case::resolve(name, file.to_owned(), spec)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Loads one file, written for the test.
    fn load_one(text: &str) -> Result<Vec<Case>> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("configs"))?;
        std::fs::write(
            folder.path().join("configs/open.yaml"),
            "apiVersion: meshward/v1\nendpoints: [{ path: /mcp }]",
        )?;
        std::fs::create_dir(folder.path().join("area"))?;
        std::fs::write(folder.path().join("area/one.yaml"), text)?;
        load(folder.path())
    }

    #[test]
    fn variants_change_what_they_say_and_nothing_else() {
        let cases = load_one(
            "about: x\nconfig: open\nhttp: [2]\nrequest: { path: /a, body: abc }\nexpect: passes\nvariants:\n\
             - { name: one }\n- { name: two, request: { cuts: [1] }, modes: [hold] }\n",
        )
        .unwrap();
        let [one, two] = cases.as_slice() else { panic!("{cases:?}") };
        assert_eq!((one.name.as_str(), two.name.as_str()), ("area/one: one", "area/one: two"));
        assert_eq!((one.modes.len(), two.modes.len(), one.http.len(), two.http.len()), (2, 1, 1, 1));
        assert_eq!((one.request.path.as_str(), two.request.path.as_str()), ("/a", "/a"));
        assert_eq!(one.request.pieces, Some(vec![b"abc".to_vec()]));
        assert_eq!(two.request.pieces, Some(vec![b"a".to_vec(), b"bc".to_vec()]));
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said_with_its_name() {
        for (text, said) in [
            ("about: x\nconfig: open\nexpect: passes\nexpected: 1", "unknown field `expected`"),
            ("about: x\nconfig: open\nexpect: passes\nrequest: { boddy: a }", "request.boddy: unknown field"),
            (
                "about: x\nconfig: open\nexpect: { refused: { status: 400, code: 1, reason: a, ids: 1 } }",
                "unknown field `ids`",
            ),
            ("about: x\nconfig: open\nexpect: refuses", "unknown variant `refuses`"),
            ("about: x\nconfig: open", "missing field `expect`"),
            ("about: ''\nconfig: open\nexpect: passes", "`about` is empty"),
            ("about: x\nconfig: shut\nexpect: passes", "there is no configs/shut.yaml"),
            ("about: x\nconfig: open\nexpect: passes\nhttp: [3]", "HTTP/3 is not driven"),
            ("about: x\nconfig: open\nexpect: passes\nrequest: { body: abc, cuts: [4] }", "cut at 4"),
            ("about: x\nconfig: open\nexpect: passes\nrequest: { body: [hex: f] }", "odd number of hexadecimal digits"),
            ("about: x\nconfig: open\nexpect: passes\nrequest: { headers: [{ a: b, c: d }] }", "has one name"),
            (
                "about: x\nconfig: open\nexpect: passes\nrequest: { trailers: [a: b], body: c }",
                "need `framing: chunked`",
            ),
            ("about: x\nconfig: open\nexpect: passes\nrequest: { raw: x }", "needs `http: [1]`"),
            ("about: x\nconfig: open\nexpect: passes\ncaller: { peers: a }", "caller.peers: unknown field"),
            ("about: x\nconfig: open\nexpect: passes\ncaller: { source: 10.0.0.1 }", "127.0.0.0/8"),
            ("about: x\nconfig: open\nexpect: passes\ncaller: { jwt: {}, unverified_jwt: {} }", "one token"),
            ("about: x\nconfig: open\nexpect: passes\ncaller: { peer: a, unverified_peer: a }", "one certificate"),
            (
                "about: x\nconfig: open\nexpect: passes\ncaller: { jwt: {} }\nhttp: [1]\nrequest: { raw: x }",
                "raw bytes say all header fields",
            ),
            ("about: x\nconfig: open\nexpect: passes\nvariants: []", "`variants` is empty"),
            ("about: x\nconfig: open\nexpect: passes\nvariants: [{ name: a }, { name: a }]", "area/one: a: twice"),
        ] {
            let error = format!("{:#}", load_one(text).unwrap_err());
            assert!(error.starts_with("area/one") && error.contains(said), "{text}\n{error}");
        }
    }
}
