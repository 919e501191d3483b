"""Planted paths and blanks are found; addresses and routes are not taken for paths."""

import tempfile
import unittest
from pathlib import Path

from tree import LONG, look


class Tree(unittest.TestCase):
    def look(self, text, name="a.md"):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / name
            path.write_text(text)
            return look(path, name)

    def test_a_path_of_one_machine(self):
        for path in ("home/ann/x", "Users/Ann/x", "root/.cargo", "work/main/x"):
            with self.subTest(path):
                self.assertEqual(len(self.look(f"see `/{path}`\n")[0]), 1)

    def test_what_only_looks_like_one(self):
        self.assertEqual(self.look("https://example.org/home/ann ./work/main a/root/b /readyz\n")[0], [])

    def test_trailing_blanks(self):
        self.assertEqual(self.look("a \nb\t\nc\n")[0], ["a.md:1: trailing blanks", "a.md:2: trailing blanks"])
        self.assertEqual(self.look("a, \n", "a.csv")[0], [])

    def test_a_long_file_is_a_hint_only(self):
        errors, hints = self.look("x\n" * (LONG + 1), "a.rs")
        self.assertEqual((errors, len(hints)), ([], 1))
        self.assertEqual(self.look("// generated\n" + "x\n" * LONG, "b.rs"), ([], []))


if __name__ == "__main__":
    unittest.main()
