"""A planted violation is found, and nothing else is."""

import tempfile
import unittest
from pathlib import Path

from rooms import spoken, violations


class Rooms(unittest.TestCase):
    def found(self, files):
        with tempfile.TemporaryDirectory() as directory:
            root = Path(directory)
            for name, text in files.items():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                (root / name).write_text(text)
            return violations(root)

    def test_a_word_in_the_wrong_room(self):
        for path, text in {
            "x-service/src/domain.rs": "use sqlx::Row;",
            "x-service/src/domain/invite.rs": "let at = Utc::now();",
            "x-service/src/domain/deep/er.rs": "pub async fn f() {}",
            "y-service/src/domain/a.rs": "std::env::var(name)",
            "x-service/src/http/patients.rs": "sqlx::query(Q)",
            "x-service/src/http.rs": "use sqlx::Row;",
            "x-service/src/store/mod.rs": "use axum::Json;",
            "x-service/src/consumers.rs": "use axum::Json;",
            "shared-runtime/src/relay/mod.rs": "use crate::domain::Patient;",
            "shared-events/src/lib.rs": "use tokio::sync::Mutex;",
            "shared-runtime/src/log.rs": "use lapin::Channel;",
            "all-in-one/src/main.rs": "lapin::Connection::connect(url)",
        }.items():
            with self.subTest(path):
                found = self.found({path: f"// a line before\n{text}\n"})
                self.assertEqual(len(found), 1, found)
                self.assertTrue(found[0].startswith(f"{path}:2: "), found)

    def test_lapin_in_a_room_is_told_for_the_room_and_for_the_house(self):
        self.assertEqual(len(self.found({"x-service/src/http/a.rs": "use lapin::Channel;"})), 2)

    def test_words_at_home(self):
        self.assertEqual(self.found({
            "shared-runtime/src/bus/rabbit.rs": "use lapin::Channel;",
            "bench/src/main.rs": "use lapin::Channel;",
            "x-service/src/store/mod.rs": "use sqlx::Row;",
            "x-service/src/http/mod.rs": "use axum::Json; async fn f() {}",
            "x-service/src/domain/mod.rs": "fn known(&self) { unknown(); self.environment }",
            "shared-runtime/tests/bus.rs": "use lapin::Channel;",
        }), [])

    def test_comments_and_texts_do_not_count(self):
        self.assertEqual(self.found({"x-service/src/domain.rs": '''
//! Never tokio, never sqlx.
/// now() is an argument
/* async
   axum */
const A: &str = "async sqlx // \\" axum";
const B: &str = r#"lapin "now()" "#;
fn f<'a>(c: char) -> bool { c == '"' || c == '\\'' }
'''}), [])

    def test_code_after_a_comment_or_a_text_counts(self):
        code = spoken('let url = "http://x"; use_it(sqlx); // axum\nlet c = \'"\'; lapin();')
        self.assertIn("sqlx", code)
        self.assertIn("lapin", code)
        self.assertNotIn("axum", code)


if __name__ == "__main__":
    unittest.main()
