//! The configurations that README.md and the documents show are right.

use std::path::{Path, PathBuf};

use meshward::Config;
use serde_json::Value;

/// Every block of YAML in a document that is a whole configuration, with the line it begins in.
fn configurations(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut block: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        match &mut block {
            None if line.trim() == "```yaml" => block = Some((number, String::new())),
            None => {}
            Some((begin, yaml)) if line.trim() == "```" => {
                if yaml.starts_with("apiVersion: meshward/v1") {
                    found.push((*begin, std::mem::take(yaml)));
                }
                block = None;
            }
            Some((_, yaml)) => {
                yaml.push_str(line);
                yaml.push('\n');
            }
        }
    }
    found
}

#[test]
fn every_configuration_that_is_shown_is_right() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let documents: Vec<PathBuf> =
        docs.filter(|path| path.extension().is_some_and(|e| e == "md")).chain([root.join("README.md")]).collect();
    let mut shown = 0;
    let mut wrong = Vec::new();
    for document in documents {
        for (line, yaml) in configurations(&std::fs::read_to_string(&document).unwrap()) {
            shown += 1;
            let value: Value = serde_saphyr::from_str(&yaml).unwrap();
            if let Err(errors) = Config::from_value(value) {
                wrong.push(format!("{}:{line}: {errors}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(shown >= 10, "only {shown} configurations were found");
}
