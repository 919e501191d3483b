//! Bytes to text. A replacement character is never made here: what cannot be read is refused.

mod western;

use crate::{Unreadable, refuse};
use encoding_rs::{DecoderResult, Encoding, UTF_8, WINDOWS_1252};
use western::Western;

/// How many bytes are looked at before anything is decided.
const HEAD: usize = 1024;

/// The longest mark, which UTF-32's is.
const MARK: usize = 4;

/// Text from bytes that come in pieces, cut anywhere.
pub(crate) struct Decoder {
    hint: Option<&'static Encoding>,
    state: State,
    head: usize,
    /// Bytes that wait for more: the head, or a sequence that a piece's end has cut.
    waiting: Vec<u8>,
    broken: Option<Broken>,
}

enum State {
    Head,
    /// `sure`: a mark or the caller says so. `seen`: there was a letter of more than one byte.
    Utf8 {
        sure: bool,
        seen: bool,
    },
    Western(Western),
    Named(encoding_rs::Decoder),
}

/// Where the text ends before the file does. The line is known to whoever counts lines.
#[derive(Debug, Clone)]
pub(crate) enum Broken {
    File(Unreadable),
    Mixed,
    Unknown,
    Not(&'static str),
}

impl Broken {
    pub(crate) fn at(&self, line: u64) -> Unreadable {
        match self {
            Broken::File(refusal) => refusal.clone(),
            Broken::Mixed => Unreadable::MixedEncoding { line },
            Broken::Unknown => Unreadable::UnknownLetters { line },
            Broken::Not(encoding) => Unreadable::NotInEncoding { line, encoding },
        }
    }
}

impl Decoder {
    /// `label` is what the caller says the encoding is.
    pub(crate) fn new(label: Option<&str>) -> Result<Decoder, Unreadable> {
        // The standard's "replacement" reads nothing, and x-user-defined is no encoding of letters.
        let known = |label: &str| {
            Encoding::for_label_no_replacement(label.as_bytes())
                .filter(|encoding| *encoding != encoding_rs::X_USER_DEFINED)
        };
        let hint = match label {
            None => None,
            Some(label) => Some(known(label).ok_or(Unreadable::UnknownEncoding)?),
        };
        Ok(Decoder { hint, state: State::Head, head: HEAD, waiting: Vec::new(), broken: None })
    }

    /// Decides from fewer bytes than usual, though never from less than a mark.
    pub(crate) fn deciding_after(&mut self, bytes: usize) {
        self.head = bytes.clamp(MARK, HEAD);
    }

    /// The encoding, as far as it is known: UTF-8 until something speaks against it.
    pub(crate) fn encoding(&self) -> &'static Encoding {
        match &self.state {
            State::Head => self.hint.unwrap_or(UTF_8),
            State::Utf8 { .. } => UTF_8,
            State::Western(_) => WINDOWS_1252,
            State::Named(decoder) => decoder.encoding(),
        }
    }

    /// Whether nothing said that this is the encoding but the letters themselves.
    pub(crate) fn guessed(&self) -> bool {
        matches!(&self.state, State::Western(western) if western.guessed())
    }

    pub(crate) fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    pub(crate) fn held(&self) -> usize {
        self.waiting.capacity()
    }

    /// Appends to `text` what these bytes say; `last`: there are no more. After something broken nothing is appended.
    pub(crate) fn push(&mut self, bytes: &[u8], text: &mut String, last: bool) {
        if self.broken.is_some() {
            return;
        }
        let mut joined = std::mem::take(&mut self.waiting);
        let head = matches!(self.state, State::Head);
        if head || !joined.is_empty() {
            joined.extend_from_slice(bytes);
        }
        let done = if head && joined.len() < self.head && !last {
            self.waiting = joined;
            Ok(())
        } else if head {
            self.begin(&joined).and_then(|mark| self.take(&joined[mark..], text, last))
        } else if joined.is_empty() {
            self.take(bytes, text, last)
        } else {
            self.take(&joined, text, last)
        };
        self.broken = done.err();
    }

    /// Decides from the head. Gives the length of the mark.
    fn begin(&mut self, bytes: &[u8]) -> Result<usize, Broken> {
        let head = &bytes[..bytes.len().min(self.head)];
        refuse::bytes(head).map_err(Broken::File)?;
        let (encoding, mark) = match (Encoding::for_bom(head), self.hint) {
            (Some((encoding, mark)), _) => (Some(encoding), mark),
            (None, hint) => (hint, 0),
        };
        if encoding.is_none() && refuse::looks_like_utf16(head) {
            return Err(Broken::File(Unreadable::Utf16WithoutMark));
        }
        self.state = match encoding {
            None => State::Utf8 { sure: false, seen: false },
            Some(encoding) if encoding == UTF_8 => State::Utf8 { sure: true, seen: false },
            Some(encoding) if encoding == WINDOWS_1252 => State::Western(Western::said()),
            Some(encoding) => State::Named(encoding.new_decoder_without_bom_handling()),
        };
        Ok(mark)
    }

    fn take(&mut self, bytes: &[u8], text: &mut String, last: bool) -> Result<(), Broken> {
        match &mut self.state {
            State::Head => Ok(()),
            State::Utf8 { sure, seen } => {
                let Err(error) = str::from_utf8(bytes).map(|valid| {
                    *seen |= !valid.is_ascii();
                    text.push_str(valid);
                }) else {
                    return Ok(());
                };
                let (valid, rest) = bytes.split_at(error.valid_up_to());
                *seen |= !valid.is_ascii();
                text.push_str(str::from_utf8(valid).unwrap_or_default());
                match (error.error_len(), *sure, *seen) {
                    (None, _, _) if !last => {
                        self.waiting = rest.to_vec();
                        Ok(())
                    }
                    (_, true, _) => Err(Broken::Not(UTF_8.name())),
                    (_, false, true) => Err(Broken::Mixed),
                    (_, false, false) => {
                        self.state = State::Western(Western::from_here());
                        self.take(rest, text, last)
                    }
                }
            }
            State::Western(western) => {
                let taken = western.take(bytes, text, last)?;
                self.waiting = bytes[taken..].to_vec();
                Ok(())
            }
            State::Named(decoder) => named(decoder, bytes, text, last),
        }
    }
}

fn named(
    decoder: &mut encoding_rs::Decoder,
    mut bytes: &[u8],
    text: &mut String,
    last: bool,
) -> Result<(), Broken> {
    loop {
        let room = decoder.max_utf8_buffer_length_without_replacement(bytes.len());
        text.reserve(room.unwrap_or(bytes.len()));
        let (result, read) = decoder.decode_to_string_without_replacement(bytes, text, last);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return Ok(()),
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => return Err(Broken::Not(decoder.encoding().name())),
        }
    }
}
