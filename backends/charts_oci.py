"""Charts and artifacts in OCI registries.

Owns: `Registry`. Rules: OCI distribution-spec 1.1 with Docker's token challenge, as oras-go has it for Argo CD 3.6
(`GetTags` in util/helm/client.go, util/oci/client.go) and for Helm. Called by `backends.charts`. What makes requests is
`backends.charts_http`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from backends.repository_access import RepositoryAccess
from fleetui.model.errors import ChartError
from fleetui.model.text import masked, quoted

if TYPE_CHECKING:
    from backends.charts_http import Answer, Web

CHART_CONFIG = "application/vnd.cncf.helm.config.v1+json"
CHART_LAYER = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
ARTIFACT_LAYERS = ("application/vnd.oci.image.layer.v1.tar", "application/vnd.oci.image.layer.v1.tar+gzip", CHART_LAYER)
"""What a layer of manifests may be (Argo CD: --oci-layer-media-types)."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ACCEPTED = f"{MANIFEST}, application/vnd.docker.distribution.manifest.v2+json"

_MOST_METADATA = 4 * 1024 * 1024
"""Bytes of a manifest, a page of tags or a token's answer (maxOCIManifestSize)."""
_MOST_PAGES = 100
_MOST_LAYERS = 10
_REFERENCE = re.compile(r"(?P<host>[^/]+)/(?P<path>[a-z0-9]+(?:[._\-]+[a-z0-9]+)*(?:/[a-z0-9]+(?:[._\-]+[a-z0-9]+)*)*)")
_TAG = re.compile(r"\w[\w.\-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class Layer(msgspec.Struct, frozen=True):
    """The content of an artifact: its digest, and whether it is a chart's archive."""

    digest: str
    is_chart: bool


class Registry:
    """One repository of a registry.

    Args:
        reference: ``HOST[:PORT]/PATH``, without a scheme.
        access: the login; `oci_force_http` says plain HTTP.

    Raises:
        ChartError: `reference` is none.
    """

    def __init__(self, web: Web, reference: str, access: RepositoryAccess) -> None:
        found = _REFERENCE.fullmatch(reference)
        if found is None:
            raise ChartError(f"{quoted(masked(reference))} is no repository of a registry, such as ghcr.io/team/charts")
        self.name = f"oci://{reference}"
        # What Docker calls docker.io is another host to machines.
        host = {"docker.io": "registry-1.docker.io"}.get(found["host"], found["host"])
        self._base = f"{'http' if access.oci_force_http else 'https'}://{host}/v2/{found['path']}/"
        self._path = found["path"]
        self._web = web
        self._access = access
        self._authorization = ""

    async def tags(self) -> list[str]:
        """Every tag, as the registry orders them.

        Raises:
            ChartError: they can't be read.
        """
        from backends.charts_http import joined

        found: list[str] = []
        url = f"{self._base}tags/list"
        for _ in range(_MOST_PAGES):
            answer = await self._get(url, "list of tags", limit=_MOST_METADATA)
            listed = _json(answer, "list of tags").get("tags")
            found += [tag for tag in listed if isinstance(tag, str)] if isinstance(listed, list) else []
            following = re.match(r'<([^>]+)>;\s*rel="?next"?', answer.headers.get("link", ""))
            if following is None:
                return found
            url = joined(url, following[1])
            if not url.startswith(self._base):
                raise ChartError(f"{self.name} leads to another repository for its tags", url=self.name)
        raise ChartError(f"{self.name} has more than {_MOST_PAGES} pages of tags", url=self.name)

    async def manifest(self, reference: str) -> tuple[str, dict[str, Any]]:
        """The digest and content of the manifest with a tag or digest.

        Raises:
            ChartError: there is none, it can't be read, or it has another digest than was asked for.
        """
        if _TAG.fullmatch(reference) is None and _DIGEST.fullmatch(reference) is None:
            raise ChartError(f"{quoted(reference)} is no tag or digest of {self.name}", url=self.name)
        what = f"manifest of {reference}"
        answer = await self._get(f"{self._base}manifests/{quote(reference, safe=':')}", what, limit=_MOST_METADATA)
        digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
        if reference.startswith("sha256:") and digest != reference:
            raise ChartError(f"{self.name} gives another content for {reference}", url=self.name)
        return digest, _json(answer, what)

    def layer(self, manifest: Mapping[str, Any]) -> Layer:
        """The one layer of a manifest that holds its content.

        Raises:
            ChartError: it has none, several, or one of another kind.
        """
        config = manifest.get("config")
        is_chart = isinstance(config, dict) and config.get("mediaType") == CHART_CONFIG
        listed = manifest.get("layers")
        layers = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        if len(layers) > _MOST_LAYERS:
            raise ChartError(f"{self.name}: expected no more than {_MOST_LAYERS} oci layers, got {len(layers)}")
        kinds = [str(each.get("mediaType")) for each in layers]
        content = [
            (kind, str(each.get("digest")))
            for kind, each in zip(kinds, layers, strict=True)
            if (kind == CHART_LAYER if is_chart else kind.endswith(("tar+gzip", "tar.gzip", "tar")))
        ]
        for kind, _ in content:
            if kind not in ARTIFACT_LAYERS:
                raise ChartError(
                    f"{self.name}: oci layer media type {quoted(kind)} is not in the list of allowed media types"
                )
        if len(content) != 1:
            raise ChartError(f"{self.name}: expected only a single oci content layer, got {len(content)}")
        kind, digest = content[0]
        return Layer(digest, kind == CHART_LAYER)

    async def blob(self, digest: str, *, limit: int) -> bytes:
        """The content with a digest, at most `limit` bytes.

        Raises:
            ChartError: it can't be read, or is another.
        """
        if _DIGEST.fullmatch(digest) is None:
            raise ChartError(f"{self.name} names a content by {quoted(digest)}, which is no SHA-256", url=self.name)
        answer = await self._get(f"{self._base}blobs/{digest}", "content", limit=limit)
        if hashlib.sha256(answer.body).hexdigest() != digest.removeprefix("sha256:"):
            raise ChartError(f"{self.name} gives another content for {digest}", url=self.name)
        return answer.body

    async def _get(self, url: str, what: str, *, limit: int) -> Answer:
        from backends.charts_http import failed

        answer = await self._asked(url, limit)
        if answer.status == 401 and (challenge := answer.headers.get("www-authenticate")):
            self._authorization = await self._authorized(challenge)
            answer = await self._asked(url, limit)
        if answer.status != 200:
            raise failed(answer, what)
        return answer

    async def _asked(self, url: str, limit: int) -> Answer:
        headers = {"Accept": _ACCEPTED}
        if self._authorization:
            headers["Authorization"] = self._authorization
        # User and password only answer a challenge: a registry with tokens refuses them anywhere else.
        anonymous = msgspec.structs.replace(self._access, username="", password="")
        return await self._web.get(url, limit=limit, access=anonymous, headers=headers)

    async def _authorized(self, challenge: str) -> str:
        """The `Authorization` that a ``WWW-Authenticate`` asks for."""
        from backends.charts_http import address, basic, failed

        access = self._access
        scheme, _, rest = challenge.partition(" ")
        if scheme.lower() == "basic" and (access.username or access.password):
            return basic(access)
        if scheme.lower() != "bearer":
            return ""
        if access.bearer_token:
            return f"Bearer {access.bearer_token}"
        asked = dict(_CHALLENGE.findall(rest))
        realm = address(asked.get("realm", ""))
        if realm.scheme != "https" and not (realm.scheme == "http" and access.oci_force_http):
            raise ChartError(f"{self.name} sends its logins to {quoted(masked(realm.geturl()))}, which is not https")
        query = {"scope": asked.get("scope") or f"repository:{self._path}:pull"}
        if service := asked.get("service"):
            query["service"] = service
        url = f"{realm.geturl()}{'&' if realm.query else '?'}{urlencode(query)}"
        # The certificate of the registry is none for its token service, which is often another host.
        login = msgspec.structs.replace(access, client_certificate="", client_key="")
        answer = await self._web.get(url, limit=_MOST_METADATA, access=login)
        if answer.status != 200:
            raise failed(answer, "token")
        told = _json(answer, "token")
        token = told.get("token") or told.get("access_token")
        if not isinstance(token, str) or not (token.isascii() and token.isprintable()):
            raise ChartError(f"{masked(realm.geturl())} answers without a token", url=self.name)
        return f"Bearer {token}"


def _json(answer: Answer, what: str) -> dict[str, Any]:
    try:
        value = json.loads(answer.body)
    except (ValueError, RecursionError) as error:
        raise ChartError(f"{masked(answer.url)} gives a {what} that is not JSON", url=masked(answer.url)) from error
    if not isinstance(value, dict):
        raise ChartError(f"{masked(answer.url)} gives a {what} that is no object", url=masked(answer.url))
    return value
