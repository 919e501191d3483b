"""Only what was started is ended."""

import signal
import sys
import tempfile
import unittest
from pathlib import Path
from unittest import mock

import need
import postgres
import procs
import rabbitmq
import state


class Processes(unittest.TestCase):
    def setUp(self):
        self.directory = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def spawn(self, code):
        process = procs.spawn([sys.executable, "-c", code], self.directory / "log")
        self.addCleanup(procs.kill9, process)
        return process

    def test_it_ends_on_a_gentle_word(self):
        process = self.spawn("import time; time.sleep(100)")
        self.assertTrue(procs.alive(process))
        procs.end(process, ((signal.SIGTERM, 10),))
        self.assertFalse(procs.alive(process))

    def test_deaf_ones_are_killed(self):
        process = self.spawn("import signal, time; signal.signal(15, signal.SIG_IGN); print('x', flush=True); time.sleep(100)")
        while not (self.directory / "log").read_text():
            pass
        procs.end(process, ((signal.SIGTERM, 0.2),))
        self.assertFalse(procs.alive(process))

    def test_another_process_with_the_same_pid_is_left_alone(self):
        process = self.spawn("import time; time.sleep(100)")
        stranger = {**process, "birth": "1"}
        procs.end(stranger)
        procs.kill9(stranger)
        self.assertTrue(procs.alive(process))

    def test_stop_without_start_does_nothing(self):
        for server in (postgres, rabbitmq):
            server.stop(self.directory)
            server.kill9(self.directory)
            self.assertFalse(server.running(self.directory))

    def test_state_is_private(self):
        state.save(self.directory, "x", {"password": "p"})
        self.assertEqual((self.directory / "x.json").stat().st_mode & 0o777, 0o600)
        self.assertEqual(state.load(self.directory, "x"), {"password": "p"})
        self.assertIsNone(state.load(self.directory, "y"))


class Needs(unittest.TestCase):
    def test_without_root_it_says_what_to_do(self):
        with mock.patch.object(need, "_found", return_value=False), mock.patch("os.geteuid", return_value=1000):
            with self.assertRaises(procs.Trouble) as told:
                need.ensure(["postgres", "rabbitmq"])
        for word in ("postgresql", "rabbitmq-server", "PF_TEST_POSTGRES_URL", "PF_TEST_AMQP_URL"):
            self.assertIn(word, str(told.exception))

    def test_installing_leaves_no_policy_behind(self):
        policy = mock.Mock()
        policy.exists.return_value = False
        with mock.patch.object(need, "POLICY", policy), mock.patch.object(need, "_known", return_value=True), \
                mock.patch.object(need, "_apt", side_effect=[None, procs.Trouble("no network")]), \
                mock.patch("sys.stderr"):
            with self.assertRaises(procs.Trouble):
                need._install(["rabbitmq"])
        policy.unlink.assert_called_once()

    def test_what_is_there_is_not_installed(self):
        with mock.patch.object(need, "_found", return_value=True), mock.patch.object(need, "_install") as install:
            need.ensure(["postgres", "rabbitmq"])
        install.assert_not_called()


if __name__ == "__main__":
    unittest.main()
