"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_repeated_phrases_rank_first(self):
        found = answer(EXAMPLE)["keywords"]
        self.assertEqual([k["phrase"] for k in found], ["deep learning", "good data"])

    def test_only_stop_words_give_nothing(self):
        self.assertEqual(answer({"text": "it is what it is"})["keywords"], [])

    def test_nothing_is_refused(self):
        for wrong in ({}, {"text": ""}, {"text": "a", "limit": True}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
