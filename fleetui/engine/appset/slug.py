"""Slugs of branches, as `branch_slug` has them (github.com/gosimple/slug v1.15.0, `Make`, in English).

Owns: `slug`. Pure. Unlike there, letters outside of Latin are left out instead of spelled in it.
"""

from __future__ import annotations

import re
import unicodedata

_NOT_IN_A_SLUG = re.compile(r"[^a-z0-9_-]")
_DASHES = re.compile("-+")
_WORDS = str.maketrans(
    {"&": "and", "@": "at", '"': "", "'": "", "’": "", "ß": "ss", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O"}
    | {"đ": "d", "Đ": "D", "ł": "l", "Ł": "L", "œ": "oe", "Œ": "OE", "þ": "th", "Þ": "Th", "ı": "i"}
    | dict.fromkeys("‒–—―", "-")
)


def slug(text: str, longest: int = 50) -> str:
    """`text` in lower case with dashes for all but letters, digits and underscores, cut at a dash where it is longer
    than `longest`; 0 cuts nothing."""
    spelled = unicodedata.normalize("NFKD", text.strip().translate(_WORDS)).encode("ascii", "ignore").decode()
    made = _DASHES.sub("-", _NOT_IN_A_SLUG.sub("-", spelled.lower())).strip("-_")
    if not longest or len(made) <= longest:
        return made
    end = made.rfind("-", 0, longest + 1)
    return made[:end] if end >= 0 else made[:longest]


def branch_slug(branch: str) -> str:
    """The slug of a branch, with which a name has room for 13 more characters; underscores are dashes too."""
    return slug(branch.replace("_", "-"))
