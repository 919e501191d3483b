//! windows-1252, with a watchful eye: it has a letter for nearly every byte, so nothing ever looks wrong to a decoder.

use super::Broken;
use encoding_rs::WINDOWS_1252;

/// Letters in a row, none of them ASCII, from which on it is some other script: no language of Western Europe writes so.
const FOREIGN: usize = 4;

/// A run of bytes above ASCII is judged in parts of this many.
const PART: usize = 64;

/// Bytes that stand for nothing in windows-1252. The WHATWG standard makes them control characters; a DOS code page has
/// common letters there (0x81 is its ü).
const UNDEFINED: [u8; 5] = [0x81, 0x8d, 0x8f, 0x90, 0x9d];

/// A reader of windows-1252.
pub(super) struct Western {
    guessed: bool,
}

impl Western {
    /// The caller says that it is.
    pub(super) fn said() -> Western {
        Western { guessed: false }
    }

    /// It was ASCII so far, and what comes now is no UTF-8.
    pub(super) fn from_here() -> Western {
        Western { guessed: true }
    }

    pub(super) fn guessed(&self) -> bool {
        self.guessed
    }

    /// Appends what can be judged and gives how many bytes that were; the rest is a run that the piece's end has cut.
    pub(super) fn take(&self, bytes: &[u8], text: &mut String, last: bool) -> Result<usize, Broken> {
        let mut at = 0;
        while let Some(begin) = bytes[at..].iter().position(|byte| !byte.is_ascii()).map(|found| at + found) {
            let run = &bytes[begin..bytes.len().min(begin + PART)];
            let length = run.iter().position(u8::is_ascii).unwrap_or(run.len());
            append(&bytes[at..begin], text);
            at = begin;
            if length == run.len() && length < PART && !last {
                return Ok(at);
            }
            self.judge(&run[..length])?;
            append(&run[..length], text);
            at += length;
        }
        append(&bytes[at..], text);
        Ok(bytes.len())
    }

    fn judge(&self, run: &[u8]) -> Result<(), Broken> {
        let undefined = run.iter().any(|byte| UNDEFINED.contains(byte));
        match (undefined, self.guessed) {
            (true, true) if reads_as_utf8(run) => Err(Broken::Mixed),
            (true, true) => Err(Broken::Unknown),
            (true, false) => Err(Broken::Not(WINDOWS_1252.name())),
            (false, true) if reads_as_utf8(run) => Err(Broken::Mixed),
            (false, true) if foreign(run) => Err(Broken::Unknown),
            (false, _) => Ok(()),
        }
    }
}

fn append(bytes: &[u8], text: &mut String) {
    text.push_str(&WINDOWS_1252.decode_without_bom_handling(bytes).0);
}

/// Whether a run is UTF-8 and hardly anything else. One pair may be chance: `ß“`, as in a German quotation, is also
/// a letter in UTF-8. Not so with the first bytes C2 to C5, which begin nearly all letters of Europe in UTF-8 and are rare
/// capitals here, with more than one letter, or with a letter of three bytes.
fn reads_as_utf8(run: &[u8]) -> bool {
    match str::from_utf8(run) {
        Ok(text) => run.len() > 2 || text.starts_with(|c| c < '\u{180}'),
        // A part may end within a letter.
        Err(error) => run.len() == PART && error.error_len().is_none(),
    }
}

fn foreign(run: &[u8]) -> bool {
    let letter = |byte: &u8| *byte >= 0xc0 && *byte != 0xd7 && *byte != 0xf7;
    run.windows(FOREIGN).any(|here| here.iter().all(letter))
}
