//! What is no CSV at all, known by how it begins.

use crate::Unreadable;

/// Beginnings that are no text. UTF-32's little-endian mark begins like UTF-16's, so it is looked for here.
const BEGINNINGS: [(&[u8], Unreadable); 11] = [
    (b"\xd0\xcf\x11\xe0", Unreadable::Workbook),
    (b"\x1f\x8b", Unreadable::Packed),
    (b"7z\xbc\xaf\x27\x1c", Unreadable::Packed),
    (b"Rar!\x1a\x07", Unreadable::Packed),
    (b"\xfd7zXZ\x00", Unreadable::Packed),
    (b"\x28\xb5\x2f\xfd", Unreadable::Packed),
    (b"BZh91AY&SY", Unreadable::Packed),
    (b"%PDF-", Unreadable::Pdf),
    (b"{\\rtf", Unreadable::RichText),
    (b"\xff\xfe\x00\x00", Unreadable::Utf32),
    (b"\x00\x00\xfe\xff", Unreadable::Utf32),
];

/// What stands in the first KiB of a ZIP that is a workbook: the names of its first parts.
const WORKBOOK_PARTS: [&[u8]; 5] =
    [b"[Content_Types].xml", b"xl/", b"_rels/", b"application/vnd.oasis", b"Index/Document.iwa"];

/// Whether these first bytes of a file (up to a KiB) begin something that is no text.
pub(crate) fn bytes(head: &[u8]) -> Result<(), Unreadable> {
    if let Some((_, refusal)) = BEGINNINGS.iter().find(|(beginning, _)| head.starts_with(beginning)) {
        return Err(refusal.clone());
    }
    if [&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x07\x08"].iter().any(|mark| head.starts_with(mark)) {
        let workbook = WORKBOOK_PARTS.iter().any(|part| head.windows(part.len()).any(|here| here == *part));
        return Err(if workbook { Unreadable::Workbook } else { Unreadable::Zip });
    }
    Ok(())
}

/// Whether every other byte is zero: Latin letters in UTF-16. Another script in UTF-16 has zeros only at its delimiters,
/// and is then refused for those, or as neither UTF-8 nor windows-1252.
pub(crate) fn looks_like_utf16(head: &[u8]) -> bool {
    let zeros = |odd: usize| head.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    head.len() >= 4 && even.min(odd) == 0 && even.max(odd) * 8 >= head.len() * 3
}

/// Whether the text begins as another kind of text does.
pub(crate) fn text(lead: &str) -> Result<(), Unreadable> {
    let mut letters = lead.trim_start().chars();
    match letters.next() {
        None => Ok(()),
        Some('<') => Err(Unreadable::Markup),
        Some('{') => Err(Unreadable::Json),
        Some('[') if letters.find(|c| !c.is_whitespace()) == Some('{') => Err(Unreadable::Json),
        Some(_) => Ok(()),
    }
}
