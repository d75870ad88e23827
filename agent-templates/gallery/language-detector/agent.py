"""Tells the language of a text by the little words that every sentence of it needs."""

import re

NAME = "Language detector"
EXAMPLE = {"text": "Das ist ein Haus, und es steht nicht am Wasser."}
WORDS = {
    "da": "og i det at en den til er som på de med han af for ikke der var jeg et har om ud",
    "de": "der die und das ist nicht ein eine es ich zu den mit sich auf dem für von am im auch",
    "en": "the of and to in is that it was for with as his on be at by had not are but from or",
    "es": "el la de que y en los se del las un por con no una su para es al lo como más pero",
    "fr": "le la les de des et est un une que dans il pour pas qui sur ce au plus ne se en du",
    "it": "il di che la e un in per non una sono mi è lo si ho ma del con le da questo come",
    "nl": "de het een en van ik te dat die in je niet is zijn op aan met er voor maar om ook",
    "pl": "nie to się w na i z że do jest jak co ale po tak za od tym czy dla już ma był",
    "pt": "o a de que e do da em um para é com não uma os no se na por mais as dos como mas",
    "sv": "och i att det som en på är av för med den till inte har om ett jag var men så de",
}


def answer(request: dict) -> dict:
    text = request.get("text")
    if not isinstance(text, str) or not text.strip():
        raise ValueError("`text` must be a text that is not empty.")
    found = re.findall(r"[^\W\d_]+", text.lower())[:5000]
    scores = {code: 0.0 for code in WORDS}
    sets = {code: set(words.split()) for code, words in WORDS.items()}
    for word in found:
        holders = [code for code, words in sets.items() if word in words]
        for code in holders:
            scores[code] += 1 / len(holders)
    total = sum(scores.values())
    if not total:
        return {"language": None, "confidence": 0.0}
    best = max(scores, key=scores.__getitem__)
    return {"language": best, "confidence": round(scores[best] / total, 2)}
