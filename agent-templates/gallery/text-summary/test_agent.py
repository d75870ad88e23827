"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_the_telling_sentences_stay_in_order(self):
        found = answer(EXAMPLE)["summary"]
        self.assertEqual(
            found, ["Ships are built on a slipway.", "A slipway leads ships to water."]
        )

    def test_a_short_text_stays_whole(self):
        self.assertEqual(answer({"text": "One."})["summary"], ["One."])

    def test_nothing_is_refused(self):
        for wrong in ({}, {"text": " "}, {"text": "a", "sentences": 0}, {"text": 3}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
