"""A Helm source: from what an Application says to one `helm template`, and from what that prints to manifests.

Owns: `invocation`, `substituted`, `printed` and `failure`. Rules: Argo CD 3.6 (`helmTemplate` in
reposerver/repository/repository.go, `Cmd.template` in util/helm/cmd.go). Called by `backends.helm`, which runs it, and
by whoever renders a source. Pure. Which files of values a source names is in `fleetui.render.helm_values`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from fleetui.model.errors import ManifestError, RefusedError
from fleetui.model.text import one_line, quoted
from fleetui.render.directory import Manifest, printed_objects
from fleetui.render.environment import expand
from fleetui.renderports import HelmRequest

CHART = "chart"
"""The folder that the chart's files are to lie in, below the one where helm is started."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_LONGEST_NAME = 53
_VERSION = re.compile(r"\s*v?([0-9]+(?:\.[0-9]+)+)")
_UNREADABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_COMMA = re.compile(r"(?<!\\),")
_LONGEST_MESSAGE = 1000
_SEPARATOR = re.compile(rb"^---[ \t]*$", re.MULTILINE)
_SOURCE = re.compile(rb"^# Source: ([^\n]+)$", re.MULTILINE)
_SWITCHES = (
    ("skipCrds", False, "--include-crds"),
    ("skipSchemaValidation", True, "--skip-schema-validation"),
    ("skipTests", True, "--skip-tests"),
)
_PLACES = (
    re.compile(r"(?P<before>)(?:parse|execution) error at \((?P<file>[^\s:()]+):(?P<line>\d+)(?::\d+)?\):\s*"),
    re.compile(r"(?P<before>)(?P<file>[^\s:()]+/templates/[^\s:()]+):(?P<line>\d+):\d+\s+"),
    re.compile(r"(?P<before>YAML parse error) on (?P<file>[^\s:]+): (?:error converting YAML to JSON: )?(?:yaml: )?"),
    re.compile(r"(?P<before>)failed to parse (?P<file>[^:\n]+): .*?yaml: (?:line (?P<line>\d+): )?"),
)


class Invocation(msgspec.Struct, frozen=True):
    """One run of helm: its `arguments`, and the `files` beside the chart's folder that they name, by name.

    `called` says how messages call each of these files.
    """

    arguments: tuple[str, ...]
    files: Mapping[str, bytes]
    called: Mapping[str, str]


def substituted(options: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """`options` (`spec.source.helm`) with the build environment in the values of its parameters; `values` and
    `valuesObject` have no variables. Where nothing is written with one, equal options come of any environment."""
    parameters = options.get("parameters") or ()
    if not parameters:
        return dict(options)
    expanded = [{**each, "value": expand(_text(each, "value"), environment)} for each in parameters]
    return {**options, "parameters": expanded}


def invocation(request: HelmRequest) -> Invocation:
    """How helm is to be run for `request`.

    Raises:
        ManifestError: the release's name, the version of Kubernetes or that of Helm is none.
        RefusedError: a parameter's name would have helm read a file of this machine.
    """
    options = request.options
    if (version := _text(options, "version")) not in ("", "v3", "v4"):
        raise ManifestError(f"helm version {quoted(version)} is not supported")
    files: dict[str, bytes] = {}
    called: dict[str, str] = {}
    release = _release(_text(options, "releaseName") or request.release)
    arguments = ["template", f"./{CHART}", "--name-template", release]
    if namespace := _text(options, "namespace") or request.namespace:
        arguments += ["--namespace", namespace]
    if kube_version := _kube_version(_text(options, "kubeVersion") or request.kube_version):
        arguments += ["--kube-version", kube_version]
    arguments += _parameters(options)
    for number, (name, content) in enumerate(request.file_parameters.items()):
        if "=" in name:
            # Helm would read ``a=/etc/passwd,b=FILE`` as two parameters, and the first file is the operator's.
            raise RefusedError(f"the file parameter {quoted(name)} can't be set: its name holds a =")
        file = f"parameter-{number}"
        files[file], called[file] = content, f"the file of parameter {name}"
        arguments += ["--set-file", f"{name}={file}"]
    for number, (name, content) in enumerate(request.values):
        file = f"values-{number}.yaml"
        files[file], called[file] = content, name
        arguments += ["--values", file]
    if own := _own_values(options):
        file = "values-own.yaml"
        files[file], called[file] = own, "helm.values" if options.get("valuesObject") is None else "helm.valuesObject"
        arguments += ["--values", file]
    for api_version in options.get("apiVersions") or request.api_versions:
        arguments += ["--api-versions", str(api_version)]
    arguments += [switch for option, wanted, switch in _SWITCHES if bool(options.get(option)) is wanted]
    return Invocation(tuple(arguments), files, called)


def printed(stream: bytes, *, chart: str = "") -> list[Manifest]:
    """The manifests of what `helm template` printed, each with the template that it comes from as its file, in order.

    A list's items stand in its place. A line is that of what the template became: its own lines are not known.

    Raises:
        ManifestError: a template became something other than manifests.
    """
    found: list[Manifest] = []
    for document in _SEPARATOR.split(stream):
        source = _SOURCE.search(document)
        file = one_line(source[1].decode(errors="replace")) if source else chart
        content = document[source.end() + 1 :] if source else document
        found.extend(Manifest(each.value, file, each.line) for each in printed_objects(content, file))
    return found


def failure(said: str, run: Invocation, *, chart: str = "") -> ManifestError:
    """What helm's standard error `said`, in one sentence that names the template and its line where helm does."""
    text = said.partition("\n\nUse --debug flag")[0].partition("\n\ngoroutine ")[0]
    start = text.rfind("Error: ")
    text = text[start + len("Error: ") if start >= 0 else 0 :].strip() or "helm said nothing"
    for file, called in run.called.items():
        text = text.replace(file, called)
    for pattern in _PLACES:
        if found := pattern.match(text):
            line = found["line"] if "line" in found.groupdict() else None
            words = ": ".join(filter(None, (found["before"], text[found.end() :])))
            return ManifestError(_sentence(words), path=one_line(found["file"]), line=int(line) if line else None)
    return ManifestError(_sentence(text), path=chart)


def _sentence(text: str) -> str:
    line = one_line(text.replace(":\n- ", ": ").replace("\n- ", "; "))
    return line if len(line) <= _LONGEST_MESSAGE else f"{line[:_LONGEST_MESSAGE]}…"


def _release(name: str) -> str:
    if not name or len(name) > _LONGEST_NAME or _NAME.fullmatch(name) is None:
        raise ManifestError(
            f"{quoted(name)} is no name for a Helm release: lower-case letters, digits, - and . between them, "
            f"at most {_LONGEST_NAME} characters; set helm.releaseName"
        )
    return name


def _kube_version(version: str) -> str:
    """The numbers of a version alone, as `ParseGeneric` reads it: some releases of Helm take no more."""
    if not version:
        return ""
    found = _VERSION.match(version)
    if found is None or any(len(part) > 1 and part[0] == "0" for part in found[1].split(".")[:1]):
        raise ManifestError(f"could not parse kubernetes version {quoted(version)}")
    return ".".join(str(int(part)) for part in found[1].split("."))


def _parameters(options: Mapping[str, Any]) -> list[str]:
    """``--set`` and ``--set-string``; of equal names the last counts, and text wins over both."""
    as_value: dict[str, str] = {}
    as_text: dict[str, str] = {}
    for each in options.get("parameters") or ():
        (as_text if each.get("forceString") else as_value)[_text(each, "name")] = _escaped(_text(each, "value"))
    pairs = [("--set", as_value), ("--set-string", as_text)]
    return [part for flag, values in pairs for name, value in values.items() for part in (flag, f"{name}={value}")]


def _escaped(value: str) -> str:
    """A value with its commas kept from being read as the end of it, unless it is a list such as ``{a,b}``."""
    if value.startswith("{") and value.endswith("}"):
        return value
    return _COMMA.sub(r"\\,", value)


def _own_values(options: Mapping[str, Any]) -> bytes:
    """`valuesObject`, else `values`, as a file."""
    if (obj := options.get("valuesObject")) is None:
        return _text(options, "values").encode()
    # JSON is YAML, but for characters that YAML wants escaped.
    written = json.dumps(obj, ensure_ascii=False)
    return _UNREADABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", written).encode(errors="replace")


def _text(of: Mapping[str, Any], field: str) -> str:
    value = of.get(field)
    return value if isinstance(value, str) else "" if value is None else str(value)
