"""What may not come in is seen."""

import unittest

from packages import allowed, complaints

RULES = {
    "licenses": {"allow": ["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]},
    "bans": {"deny": [{"crate": "ring", "reason": "one provider"}]},
    "sources": {"allow-registry": ["https://example.org/index"]},
}


def lock(source=None):
    return {"package": [{"name": "x", **({"source": source} if source else {})}]}


class Packages(unittest.TestCase):
    def test_expressions(self):
        licences = {"MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"}
        for expression, answer in {
            "MIT": True,
            "GPL-3.0": False,
            "GPL-3.0 OR MIT": True,
            "MIT/GPL-3.0": True,
            "MIT AND GPL-3.0": False,
            "(MIT OR GPL-3.0) AND Apache-2.0": True,
            "MIT OR GPL-3.0 AND BSD": True,
            "Apache-2.0 WITH LLVM-exception": True,
            "MIT WITH Odd-exception": False,
        }.items():
            with self.subTest(expression):
                self.assertEqual(allowed(expression, licences), answer)

    def test_each_rule_is_told(self):
        self.assertEqual(complaints(RULES, [("a", "MIT", False), ("ours", "", True)], lock("registry+https://example.org/index")), [])
        self.assertIn("banned", complaints(RULES, [("ring", "MIT", False)], lock())[0])
        self.assertIn("licence", complaints(RULES, [("a", "GPL-3.0", False)], lock())[0])
        self.assertIn("none", complaints(RULES, [("a", "", False)], lock())[0])
        self.assertIn("comes from", complaints(RULES, [], lock("git+https://example.org/x"))[0])


if __name__ == "__main__":
    unittest.main()
