"""Who commits in the demo's repositories. Pure."""

from __future__ import annotations

from typing import NamedTuple


class Person(NamedTuple):
    """A Git author."""

    name: str
    email: str


ANN = Person("Ann Lee", "ann.lee@example.com")
BEN = Person("Ben Okafor", "ben.okafor@example.com")
CHIARA = Person("Chiara Rossi", "chiara.rossi@example.com")
DENIZ = Person("Deniz Yılmaz", "deniz.yilmaz@example.com")
JIWOO = Person("박지우", "jiwoo.park@example.com")
RENOVATE = Person("renovate[bot]", "renovate@example.com")

EVERYBODY = (ANN, BEN, CHIARA, DENIZ, JIWOO)
