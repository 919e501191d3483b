//! Topic patterns, read as RabbitMQ reads them: words between dots, `*` is one word, `#` any number.

/// Whether a routing key falls under a binding's pattern.
pub(crate) fn matches(pattern: &str, key: &str) -> bool {
    under(&words(pattern), &words(key))
}

/// The empty key has no words at all, whereas `a.` has two, the second of them empty.
fn words(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

fn under(pattern: &[&str], key: &[&str]) -> bool {
    match (pattern, key) {
        ([], []) => true,
        (["#", rest @ ..], _) => (0..=key.len()).any(|skipped| under(rest, &key[skipped..])),
        (["*", rest @ ..], [_, key @ ..]) => under(rest, key),
        ([word, rest @ ..], [first, key @ ..]) => word == first && under(rest, key),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn words_and_wildcards() {
        for (pattern, key, expected) in [
            ("invites.#", "invites.invite.InviteIssued.v1", true),
            ("invites.#", "invites", true),
            ("invites.#", "invitesx.a", false),
            ("mailer.delivery.#", "mailer.mailbox.Full.v1", false),
            ("*.*.InviteIssued.*", "invites.invite.InviteIssued.v2", true),
            ("*.*.InviteIssued.*", "invites.InviteIssued.v2", false),
            ("#", "", true),
            ("*", "", false),
            ("a.*", "a.", true),
            ("#.v1", "a.b.c.v1", true),
            ("#.v1", "a.b.c.v2", false),
            ("a.#.z", "a.z", true),
            ("a.#.#.z", "a.b.z", true),
            ("", "", true),
        ] {
            assert_eq!(matches(pattern, key), expected, "{pattern:?} over {key:?}");
        }
    }
}
