"""Tests of the agent; run them with `python -m unittest`."""

import unittest

from agent import EXAMPLE, answer


class Test(unittest.TestCase):
    def test_sentences(self):
        for code, text in {
            "en": "This is the house that was on the hill.",
            "de": EXAMPLE["text"],
            "fr": "Il est dans le jardin, et ce n'est pas une maison.",
            "es": "El perro está en la casa, pero no come.",
            "nl": "Het is een huis en ik ben niet op het dak.",
            "pl": "To nie jest tak, jak się wydaje, ale co z tym?",
        }.items():
            self.assertEqual(answer({"text": text})["language"], code, text)

    def test_no_words_is_no_language(self):
        self.assertIsNone(answer({"text": "42 !!"})["language"])

    def test_nothing_is_refused(self):
        for wrong in ({}, {"text": ""}, {"text": ["a"]}):
            with self.assertRaises(ValueError):
                answer(wrong)


if __name__ == "__main__":
    unittest.main()
