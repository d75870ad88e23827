"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_common_ones_are_weak_whatever_paint_they_wear(self):
        for password in ("password", "P4$$w0rd", "qwerty123", "aaaaaaaa"):
            self.assertEqual(answer({"password": password})["verdict"], "weak", password)

    def test_long_ones_are_strong(self):
        self.assertEqual(answer({"password": "walnut-copper-fjord-elbow"})["verdict"], "strong")

    def test_nothing_is_refused(self):
        for wrong in ({}, {"password": ""}, {"password": "x" * 501}, {"password": 1}):
            with self.assertRaises(ValueError):
                answer(wrong)

    def test_example(self):
        self.assertEqual(answer(EXAMPLE)["verdict"], "weak")


if __name__ == "__main__":
    unittest.main()
