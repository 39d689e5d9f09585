"""Which versions a file in Git gives cells, and the file with other ones.

Owns: `versions`, `with_versions`: what is called by `fleetui.fleet.rollouttruth` and by the plan. How a field is edited
is in ``truthfield``, how an element of an ApplicationSet is in ``truthelement``. Never here: what lies where in Git.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fleetui.engine.rollout.truthelement import element_of, element_versions, with_elements
from fleetui.engine.rollout.truthfield import field_of, field_version, with_fields
from fleetui.engine.rollout.truthtext import document_of
from fleetui.model.errors import ManifestError
from fleetui.model.rollout import Truth
from fleetui.model.text import one_line

ELEMENT = "element"


def versions(text: str, truths: Collection[Truth]) -> dict[Truth, str]:
    """The version that a file's text gives for each of `truths`, which are all about this file; those about which it
    says nothing are left out.

    Raises:
        ManifestError: the file can't be read, has no such object, or says it in two places; with file and line.
    """
    found: dict[Truth, str] = {}
    for name, group in _by_document(truths).items():
        document = document_of(text, group[0].path, name)
        fields = {each: field_of(each.field) for each in group if each.kind != ELEMENT}
        said = {each: field_version(document, field) for each, field in fields.items()}
        elements = {each: element_of(each.field) for each in group if each.kind == ELEMENT}
        given = element_versions(document, elements.values())
        said |= {each: given.get(element) for each, element in elements.items()}
        found |= {each: version for each, version in said.items() if version is not None}
    return found


def with_versions(text: str, wanted: Mapping[Truth, str], known: Collection[Truth] = ()) -> str:
    """A file's text with other versions, and else as it is, byte for byte where the edit allows it.

    Doing it again changes nothing, and wanting what was there before gives the text that was there before.

    Args:
        text: the file, as Git has it.
        wanted: the version of each truth; all are about this file.
        known: every cell that is known to have its version here. An element that several share is changed itself when
            no cell of it wants the old version any more; until then those that moved stand beside it.

    Raises:
        ManifestError: it can't be edited in place, with file, line and what to do; a version is no text of one line.
    """
    for truth, version in wanted.items():
        if not version or version != one_line(version):
            raise ManifestError(f"{one_line(version)!r} is no version", path=truth.path)
    for name, group in _by_document(wanted).items():
        fields = {field_of(each.field): wanted[each] for each in group if each.kind != ELEMENT}
        elements = {element_of(each.field): wanted[each] for each in group if each.kind == ELEMENT}
        if fields:
            text = with_fields(document_of(text, group[0].path, name), fields)
        if elements:
            beside = [element_of(each.field) for each in known if each.kind == ELEMENT and each.document == name]
            text = with_elements(document_of(text, group[0].path, name), elements, beside)
    return text


def _by_document(truths: Collection[Truth]) -> dict[str, list[Truth]]:
    groups: dict[str, list[Truth]] = {}
    for each in truths:
        groups.setdefault(each.document, []).append(each)
    return groups
