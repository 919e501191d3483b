//! Searches every byte of every file for what should not be there any more, however it is written.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use std::collections::BTreeSet;
use std::path::Path;

/// What is looked for.
pub struct Wanted {
    /// By first byte, so that a file is gone through once.
    by_first: Vec<Vec<(Vec<u8>, String)>>,
}

impl Wanted {
    /// Texts in UTF-8, UTF-16, hex and base64, as they are and in lower case.
    pub fn new(texts: &[String]) -> Wanted {
        let mut by_first = vec![Vec::new(); 256];
        for text in
            texts.iter().cloned().chain(texts.iter().map(|text| text.to_lowercase())).collect::<BTreeSet<_>>()
        {
            for (how, bytes) in written(&text) {
                by_first[usize::from(bytes[0])].push((bytes, format!("{text} in {how}")));
            }
        }
        Wanted { by_first }
    }

    /// Where any of it is, in the files below a directory. Files that go away meanwhile held nothing that stays.
    pub fn below(&self, dir: &Path) -> Vec<String> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                found.extend(self.below(&path));
            } else if let Ok(bytes) = std::fs::read(&path) {
                found.extend(
                    self.inside(&bytes).into_iter().map(|what| format!("{what}: {}", path.display())),
                );
            }
        }
        found
    }

    fn inside(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let mut found = BTreeSet::new();
        for (place, byte) in bytes.iter().enumerate() {
            for (wanted, what) in &self.by_first[usize::from(*byte)] {
                if bytes[place..].starts_with(wanted) {
                    found.insert(what.as_str());
                }
            }
        }
        found
    }
}

fn written(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let hex = |upper: bool| -> String {
        text.bytes().map(|byte| if upper { format!("{byte:02X}") } else { format!("{byte:02x}") }).collect()
    };
    let mut all = vec![
        ("UTF-8", text.as_bytes().to_vec()),
        ("UTF-16", text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("UTF-16 big-endian", text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
        ("hex", hex(false).into_bytes()),
        ("HEX", hex(true).into_bytes()),
    ];
    for before in 0..3 {
        // Wherever in a longer text it begins: letters at the ends also depend on what stands beside it.
        let padded = ["x".repeat(before).as_bytes(), text.as_bytes()].concat();
        for encoded in [STANDARD.encode(&padded), URL_SAFE.encode(&padded)] {
            all.push(("base64", encoded.as_bytes()[4..encoded.len() - 4].to_vec()));
        }
    }
    all
}

#[test]
fn what_is_there_is_found() {
    let wanted = Wanted::new(&["Findme-Word-17".to_owned()]);
    for (how, bytes) in [
        ("UTF-8", b"..Findme-Word-17..".to_vec()),
        ("UTF-8", b"findme-word-17".to_vec()),
        ("base64", STANDARD.encode("some Findme-Word-17 else").into_bytes()),
        ("base64", STANDARD.encode("any Findme-Word-17 else").into_bytes()),
        ("hex", b"46696e646d652d576f72642d3137".to_vec()),
    ] {
        assert!(wanted.inside(&bytes).iter().any(|what| what.ends_with(how)), "{how}");
    }
    assert!(wanted.inside(b"Findme-Word-18").is_empty());
}
