"""A register says of itself exactly what is in it."""

import csv
import json
import tempfile
import unittest
from collections import Counter
from pathlib import Path
from unittest import mock

from book import Book
from register import BIRTH, EMAIL, FAULTS, LAST, MRN, Register, write


class Registers(unittest.TestCase):
    def test_the_same_seed_is_the_same_file(self):
        text = lambda **more: "".join(Register(500, 1.0, **more).lines())
        self.assertEqual(text(seed=4), text(seed=4))
        self.assertNotEqual(text(seed=4), text(seed=5))

    def test_without_faults_every_row_is_a_person_of_their_own(self):
        rows = list(csv.reader(Register(1000).lines()))[1:]
        for place in (EMAIL, MRN):
            self.assertEqual(len({row[place] for row in rows}), 1000)
        self.assertEqual({len(row) for row in rows}, {7})

    def test_the_promise_counts_every_row_once(self):
        promise = Register(20_000, 1.0).promise()
        expected = promise["expected"]
        self.assertEqual(sum(count for name, count in expected.items() if name != "read"), 20_000)
        self.assertEqual(sum(promise["codes"].values()), expected["failed"])
        self.assertEqual(set(promise["planted"]), set(FAULTS))
        for count in promise["planted"].values():
            self.assertTrue(100 < count < 320, promise["planted"])

    def test_rows_that_repeat_another_repeat_a_sound_one(self):
        register = Register(5_000, 2.0)
        told = Counter()
        for row in range(1, 5_001):
            fault = register.fault(row)
            if fault not in ("email_of_another", "said_before", "said_otherwise"):
                continue
            told[fault] += 1
            earlier = register.original(row)
            self.assertLess(earlier, row)
            self.assertIsNone(register.fault(earlier))
            cells, true = register.cells(row), register.person(earlier)
            same = {place for place in range(7) if cells[place] == true[place]}
            match fault:
                case "said_before":
                    self.assertEqual(same, set(range(7)))
                case "said_otherwise":
                    self.assertTrue(MRN in same and not {EMAIL, LAST} & same)
                case "email_of_another":
                    self.assertTrue(EMAIL in same and not {MRN, LAST, BIRTH} & same)
        self.assertEqual(len(told), 3)

    def test_more_faults_than_rows_are_refused(self):
        with self.assertRaises(ValueError):
            Register(10, 20)

    def test_the_promise_stands_beside_the_file(self):
        with tempfile.TemporaryDirectory() as directory:
            path = Path(directory) / "r.csv"
            promise = write(Register(50, 1.0), path)
            self.assertEqual(json.loads(Path(f"{path}.json").read_text()), promise)


class Books(unittest.TestCase):
    def test_one_wrong_check_is_told_to_the_end(self):
        with mock.patch("builtins.print"):
            book = Book("x", "1 row")
            book.check("counts", 1, 1)
            self.assertTrue(book.well())
            book.check("counts", 2, 1)
            book.check("counts", 1, 1)
        self.assertFalse(book.well())
        self.assertIn("wished 1, saw 2", book.summary())


if __name__ == "__main__":
    unittest.main()
