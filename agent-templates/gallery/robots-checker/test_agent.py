"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_rules_are_kept(self):
        self.assertEqual(list(answer(EXAMPLE)["allowed"].values()), [True, False])

    def test_no_rules_allow_everything(self):
        self.assertEqual(answer({"robots": "", "urls": ["/x"]})["allowed"], {"/x": True})

    def test_rules_for_one_crawler_are_its_own(self):
        text = "User-agent: bad\nDisallow: /\n"
        self.assertFalse(answer({"robots": text, "agent": "bad", "urls": ["/"]})["allowed"]["/"])
        self.assertTrue(answer({"robots": text, "agent": "good", "urls": ["/"]})["allowed"]["/"])

    def test_nothing_is_refused(self):
        for wrong in ({}, {"robots": "", "urls": []}, {"robots": 1, "urls": ["/"]}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
