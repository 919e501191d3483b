"""What schemathesis is told."""

import sys
import tomllib
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import api  # noqa: E402

STAFF = [{"bearer": ["staff"]}]


def document(**operation):
    return {"paths": {"/api/things": {"post": {"security": STAFF, **operation}}}}


class Config(unittest.TestCase):
    def expected(self, **operation):
        (told,) = tomllib.loads(api.config(document(**operation)))["operations"]
        self.assertEqual(told["include-name"], "POST /api/things")
        return told["checks"]["positive_data_acceptance"]["expected-statuses"]

    def test_only_documented_refusals_are_taken(self):
        self.assertEqual(self.expected(responses={"201": {}}), ["2xx"])
        statuses = {status: {} for status in ("201", "400", "401", "403", "404", "409", "422", "500", "503")}
        self.assertEqual(self.expected(responses=statuses), ["2xx", 409, 422, 404])

    def test_a_made_up_cursor_may_be_refused(self):
        cursor = [{"name": "cursor", "in": "query"}]
        self.assertEqual(self.expected(responses={"400": {}}, parameters=cursor), ["2xx", 400])
        self.assertEqual(self.expected(responses={"400": {}}), ["2xx"])

    def test_only_what_is_for_everybody_may_answer_403(self):
        self.assertEqual(self.expected(responses={"403": {}}, security=[{}]), ["2xx", 403])

    def test_every_check_stays_on(self):
        told = tomllib.loads(api.config(document(responses={})))
        self.assertEqual(set(told["checks"]), {"missing_required_header"})


class Plan(unittest.TestCase):
    def test_a_slow_operation_gets_its_examples_from_several(self):
        runs = api.plan("invites", {"paths": {api.SLOW: {}}}, 100)
        self.assertEqual(runs[0], ("invites", ["--exclude-path", api.SLOW], 100))
        self.assertEqual(sum(count for _, _, count in runs[1:]), 100)
        self.assertEqual(len({seed for _, chosen, _ in runs[1:] for seed in chosen[-1:]}), api.SLICES)
        self.assertEqual(api.plan("patients", {"paths": {}}, 100), [("patients", [], 100)])


if __name__ == "__main__":
    unittest.main()
