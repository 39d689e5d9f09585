"""What Kubernetes accepts as names and labels.

Owns: `is_subdomain`, `is_qualified_name`, `is_label_value` (apimachinery v0.37.0, pkg/util/validation/validation.go),
`sanitized_name`. Called by whoever makes objects or selectors of what others wrote. Pure.
"""

from __future__ import annotations

import re
from functools import lru_cache

LONGEST_NAME, LONGEST_LABEL = 253, 63

_NOT_IN_A_NAME = re.compile("[^-a-z0-9.]")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LABEL = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?")


def is_subdomain(name: str) -> bool:
    """Whether most kinds of objects may have the name."""
    return len(name) <= LONGEST_NAME and bool(_SUBDOMAIN.fullmatch(name))


@lru_cache(maxsize=4096)
def is_qualified_name(key: str) -> bool:
    """Whether a label may have the key: a subdomain, if there is one, a slash, and a name."""
    prefix, slash, name = key.rpartition("/")
    if slash and not is_subdomain(prefix):
        return False
    return len(name) <= LONGEST_LABEL and bool(_LABEL.fullmatch(name))


def is_label_value(value: str) -> bool:
    """Whether a label may have the value."""
    return not value or (len(value) <= LONGEST_LABEL and bool(_LABEL.fullmatch(value)))


@lru_cache(maxsize=4096)
def sanitized_name(text: str) -> str:
    """`text` as a name of the DNS, as generators' parameters ``…Normalized`` have it (Argo CD 3.6,
    applicationset/utils/template_functions.go, `SanitizeName`)."""
    return _NOT_IN_A_NAME.sub("-", text.lower())[:LONGEST_NAME].strip("-.")
