"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_known_ratios(self):
        self.assertEqual(answer({"text": "000", "background": "fff"})["ratio"], 21.0)
        self.assertEqual(answer(EXAMPLE)["ratio"], 4.54)

    def test_just_below_is_not_enough(self):
        self.assertEqual(answer({"text": "#777777", "background": "#fff"})["normal_text"], "fails")

    def test_nonsense_is_refused(self):
        for wrong in (
            {},
            {"text": "red", "background": "#fff"},
            {"text": "#12", "background": "#fff"},
        ):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
