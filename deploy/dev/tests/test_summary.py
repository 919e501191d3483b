"""What the summary makes of cargo's output."""

import unittest
from collections import Counter

from summary import DOORS, Tally, report

GOOD = """\
   Compiling shared-runtime v0.1.0
     Running unittests src/lib.rs (target/debug/deps/shared_runtime-0123456789abcdef)

running 6 tests
test db::postgres::append_is_dense ... ok
test db::sqlite::append_is_dense ... ok
test bus::rabbitmq::keeps_what_it_confirmed ... ok
test bus::embedded::keeps_what_it_confirmed ... ok
test story::postgres::rabbitmq::pending_follows ... ok
test postgresql_is_no_door ... ok

test result: ok. 6 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s

   Doc-tests shared_runtime

running 1 test
test shared-runtime/src/lib.rs - (line 3) ... ok

test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.30s
"""


def told(text, code=0, **more):
    tally = Tally()
    for line in text.splitlines(keepends=True):
        tally.feed(line)
    tally.ended(code)
    lines, well = report(tally, **more)
    return tally, lines, well


def one(test_line, result):
    return (f"     Running tests/story.rs (target/debug/deps/story-0123456789abcdef)\n{test_line}\n"
            f"test result: {result}; 0 measured; 0 filtered out; finished in 0.00s\n")


class Summary(unittest.TestCase):
    def test_counts_by_door(self):
        tally, lines, well = told(GOOD)
        rows = tally.rows()
        self.assertEqual([rows[door]["passed"] for door in DOORS], [2, 1, 2, 1])
        self.assertEqual(rows["no door"]["passed"], 2)
        self.assertTrue(well)
        self.assertEqual(lines[-1], "7 passed, 0 failed")

    def test_a_silent_door_is_wrong_unless_filtered(self):
        text = GOOD.replace("rabbitmq::", "rabbit::")
        _, lines, well = told(text)
        self.assertFalse(well)
        self.assertIn("wrong: no test ran on rabbitmq", lines)
        self.assertTrue(told(text, filtered=True)[2])

    def test_an_ignored_test_is_named_and_opens_no_door(self):
        text = GOOD.replace("test bus::embedded::keeps_what_it_confirmed ... ok",
                            "test bus::embedded::keeps_what_it_confirmed ... ignored, too slow")
        _, lines, well = told(text.replace("6 passed; 0 failed; 0 ignored", "5 passed; 0 failed; 1 ignored"))
        self.assertIn("ignored: shared_runtime: bus::embedded::keeps_what_it_confirmed (too slow)", lines)
        self.assertFalse(well)

    def test_a_failure_is_named_and_counted(self):
        _, lines, well = told(one("test sqlite::it ... FAILED", "FAILED. 0 passed; 1 failed; 0 ignored"), 101, filtered=True)
        self.assertIn("failed: story: sqlite::it", lines)
        self.assertEqual((lines[-1], well), ("0 passed, 1 failed", False))

    def test_a_build_that_fails_is_a_failure(self):
        _, lines, well = told("error: could not compile `x` (lib) due to 1 previous error\n", 101)
        self.assertEqual((lines[-1], well), ("0 passed, 1 failed", False))

    def test_a_binary_that_dies_is_a_failure_beside_the_others(self):
        text = GOOD + ("     Running tests/crash.rs (target/debug/deps/crash-0123456789abcdef)\n\nrunning 2 tests\n"
                       "error: test failed, to rerun pass `-p x --test crash`\n\nCaused by:\n"
                       "  process didn't exit successfully: `crash` (signal: 6, SIGABRT: process abort signal)\n")
        _, lines, well = told(text, 101)
        self.assertIn("failed: crash (ended without a result)", lines)
        self.assertEqual((lines[-1], well), ("7 passed, 1 failed", False))

    def test_nothing_ran(self):
        _, lines, well = told(one("running 0 tests", "ok. 0 passed; 0 failed; 0 ignored"), filtered=True)
        self.assertIn("wrong: no test ran", lines)
        self.assertFalse(well)

    def test_an_outcome_on_a_later_line_is_read(self):
        tally, *_ = told(one("test sqlite::it ... noise of a child\nmore noise\nok", "ok. 1 passed; 0 failed; 0 ignored"))
        self.assertEqual(tally.rows()["sqlite"]["passed"], 1)

    def test_what_cannot_be_read_is_still_counted(self):
        tally, lines, _ = told(one("noise", "ok. 3 passed; 0 failed; 0 ignored"), filtered=True)
        self.assertEqual(tally.rows()["unreadable"]["passed"], 3)
        self.assertEqual(lines[-1], "3 passed, 0 failed")

    def test_colours_and_should_panic(self):
        line = "test sqlite::it - should panic ... \x1b[32mok\x1b(B\x1b[m".replace("\x1b(B", "")
        tally, *_ = told(one(line, "\x1b[32mok\x1b[m. 1 passed; 0 failed; 0 ignored"))
        self.assertEqual(tally.rows()["sqlite"]["passed"], 1)

    def test_tools_are_counted_apart(self):
        _, lines, _ = told(GOOD, tools=Counter(passed=4, failed=1))
        self.assertEqual(lines[-1], "11 passed, 1 failed")
        self.assertTrue(any(line.startswith("tools") for line in lines))


if __name__ == "__main__":
    unittest.main()
