"""The rules of gist.py, each with the smallest text that shows it."""

# ruff: noqa: PT009 - unittest, so that the tests need nothing installed

import time
import unittest

from gist import gist, rank_phrases, split_sentences


class Sentences(unittest.TestCase):
    def test_titles_initials_and_abbreviations_do_not_end_a_sentence(self):
        text = "Dr. Ames met J. Cole, i.e. the builder. They agreed! Did they? Yes."
        self.assertEqual(
            split_sentences(text),
            ["Dr. Ames met J. Cole, i.e. the builder.", "They agreed!", "Did they?", "Yes."],
        )

    def test_quotation_marks_stay_with_what_they_close(self):
        text = "\u201cLaunch her!\u201d They did. (It went well.) Then lunch."
        self.assertEqual(
            split_sentences(text),
            ["\u201cLaunch her!\u201d", "They did.", "(It went well.)", "Then lunch."],
        )

    def test_a_blank_line_ends_a_sentence_and_a_line_break_does_not(self):
        self.assertEqual(
            split_sentences("A heading\n\nOne line\nand more"), ["A heading", "One line and more"]
        )

    def test_what_has_no_words_is_no_sentence(self):
        self.assertEqual(split_sentences("*** 42 ***\n\n…"), [])


class Choice(unittest.TestCase):
    text = (
        "The harbour has a slipway. The slipway of the harbour launches ships. "
        "Lunch was soup. Ships leave the harbour by the slipway."
    )

    def test_quotes_sentences_in_reading_order(self):
        result = gist(self.text, sentences=2)
        self.assertEqual(
            list(result.summary), [s for s in split_sentences(self.text) if s in result.summary]
        )
        self.assertNotIn("Lunch was soup.", result.summary)

    def test_says_a_thing_once(self):
        told = "Cranes lift steel plates daily."
        text = f"{told} {told} Painters coat every hull twice."
        self.assertEqual(gist(text, sentences=2).summary, (told, "Painters coat every hull twice."))

    def test_asking_for_more_than_there_is_gives_what_there_is(self):
        self.assertEqual(len(gist(self.text, sentences=20).summary), 4)

    def test_counts_words_and_sentences(self):
        result = gist("One two. Three don't.")
        self.assertEqual((result.words, result.sentences), (4, 2))

    def test_reads_other_scripts(self):
        self.assertEqual(
            gist("Корабль стоит в гавани.", sentences=1).summary, ("Корабль стоит в гавани.",)
        )

    def test_the_worst_texts_are_read_within_a_second(self):
        for worst in ("a. ", "! ", "A.B. ", "word one. ", "x'"):
            began = time.perf_counter()
            gist(worst * (100_000 // len(worst)), sentences=20)
            self.assertLess(time.perf_counter() - began, 1.0, worst)


class Phrases(unittest.TestCase):
    def test_function_words_and_punctuation_end_a_phrase(self):
        phrases = dict(rank_phrases(["The dry dock, old crane of the harbour."]))
        self.assertEqual(set(phrases), {"dry dock", "old crane", "harbour"})

    def test_repeated_and_longer_phrases_weigh_more(self):
        first, *_ = rank_phrases(["A dry dock.", "The dry dock.", "A crane."])
        self.assertEqual(first, ("dry dock", 8.0))

    def test_ties_are_settled_by_the_alphabet_so_answers_do_not_change(self):
        self.assertEqual([p for p, _ in rank_phrases(["Beta and alpha."])], ["alpha", "beta"])
