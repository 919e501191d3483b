"""What the start of servers does without starting any."""

import os
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import need
import postgres
import servers


class Servers(unittest.TestCase):
    def setUp(self):
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def test_servers_that_are_named_are_used_and_none_is_started(self):
        given = {"PF_TEST_POSTGRES_URL": "postgres://elsewhere", "PF_TEST_AMQP_URL": "amqp://elsewhere"}
        with mock.patch.dict(os.environ, given), mock.patch.object(postgres, "start") as start:
            self.assertEqual(servers.start(self.directory), given)
        start.assert_not_called()
        self.assertEqual((self.directory / "env").read_text(),
                         "PF_TEST_POSTGRES_URL=postgres://elsewhere\nPF_TEST_AMQP_URL=amqp://elsewhere\n")

    def test_only_what_is_not_named_is_looked_for(self):
        with mock.patch.dict(os.environ, {"PF_TEST_AMQP_URL": "amqp://elsewhere"}), \
                mock.patch.object(need, "ensure", side_effect=need.Trouble("stop here")) as ensure:
            os.environ.pop("PF_TEST_POSTGRES_URL", None)
            with self.assertRaises(need.Trouble):
                servers.start(self.directory)
        ensure.assert_called_once_with(["postgres"])

    def test_a_dead_postmaster_is_buried_but_its_shared_memory_is_not_forgotten(self):
        lock = self.directory / "postmaster.pid"
        lock.write_text("123456\n/data\n1700000000\n5432\n\n127.0.0.1\n  77  88\n")
        postgres._bury(lock)
        first, *rest = lock.read_text().splitlines()
        self.assertEqual(int(first), os.getpid())
        self.assertEqual(rest[-1], "  77  88")
        postgres._bury(self.directory / "none")


if __name__ == "__main__":
    unittest.main()
