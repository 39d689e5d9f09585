"""A kustomization is read, its parts put together, and its changes made.

Owns: `built`. Follows api 0.21.2 (internal/target/kusttarget.go, krusty/kustomizer.go): the order of the steps is
theirs. Called by `build`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from fleetui.model.errors import ManifestError
from fleetui.render.kustomize import patches, transform
from fleetui.render.kustomize.documents import resources as objects_of
from fleetui.render.kustomize.errors import Problem, Unsupported, UnsupportedProblem
from fleetui.render.kustomize.generators import absorb, add_hashes, generate
from fleetui.render.kustomize.kustomization import Kustomization, line_of, parsed, read, unedited
from fleetui.render.kustomize.loader import Folder
from fleetui.render.kustomize.order import ordered
from fleetui.render.kustomize.references import fix_references
from fleetui.render.kustomize.replacements import apply_replacements
from fleetui.render.kustomize.resource import Resource, Resources

_LOCAL = "config.kubernetes.io/local-config"

Edit = Callable[[dict[str, Any], Folder], dict[str, Any]]


def built(folder: Folder, edit: Edit | None) -> list[Resource]:
    """The objects of the root kustomization in `folder`, after `edit`, if any, changed what it says.

    Raises:
        ManifestError, Unsupported: with the file and, where it is known, the line.
    """
    root = _Target(folder, edit)
    resources = Resources()
    root.accumulate(resources)
    with root.blames(""):
        add_hashes(resources)
        fix_references(resources)
        kept = Resources(resource for resource in resources if not _is_local(resource))
        for resource in resources:
            if not resource.kind or (not resource.name and not resource.kind.endswith("List")):
                raise Problem(f"a patch took the name or the kind of {resource.original_id} away")
        _recheck(kept)
    with root.blames("sortOptions"):
        result = ordered(kept, root.kustomization.sort_options)
    for resource in result:
        resource.finish()
    return result


def _is_local(resource: Resource) -> bool:
    annotations = resource.annotations
    return _LOCAL in annotations and annotations[_LOCAL] != "false"


class _Target:
    """One kustomization."""

    def __init__(self, folder: Folder, edit: Edit | None = None) -> None:
        self._folder = folder
        self._content = folder.content
        self.kustomization: Kustomization = (
            unedited(self._content, folder.file)
            if edit is None
            else parsed(edit(read(self._content, folder.file), folder), self._content, folder.file)
        )

    @contextmanager
    def blames(self, field: str) -> Iterator[None]:
        """Gives a problem this file and the line of `field`."""
        try:
            yield
        except Problem as problem:
            kind = Unsupported if isinstance(problem, UnsupportedProblem) else ManifestError
            line = line_of(self._content, field) if field else None
            raise kind(str(problem), path=self._folder.file, line=line) from problem

    def accumulate(self, resources: Resources) -> None:
        """Adds this kustomization's objects to `resources`, and makes its changes to all of them.

        For a component these are its parent's; for any other kustomization there are none before.
        """
        own = self.kustomization
        for field, paths in (("resources", own.resources), ("bases", own.bases)):
            for number, path in enumerate(paths):
                with self.blames(f"{field}[{number}]"):
                    self._add(path, resources)
        self._generate(resources)
        for number, path in enumerate(own.components):
            with self.blames(f"components[{number}]"):
                component = _Target(self._folder.folder(path))
                if component.kustomization.kind != "Component":
                    raise Problem(f"{path} is no Component; its kustomization needs kind: Component")
                component.accumulate(resources)
                _recheck(resources)
        self._transform(resources)

    def _add(self, path: str, resources: Resources) -> None:
        if self._folder.has(path):
            content, file = self._folder.load(path)
            resources.add_all(Resource(doc.value, file, doc.line) for doc in objects_of(content, file))
            return
        target = _Target(self._folder.folder(path))
        if target.kustomization.kind == "Component":
            raise Problem(f"{path} is a Component; list it in components")
        below = Resources()
        target.accumulate(below)
        resources.add_all(below)

    def _generate(self, resources: Resources) -> None:
        own = self.kustomization
        for field, kind, generators in (
            ("configMapGenerator", "ConfigMap", own.config_map_generator),
            ("secretGenerator", "Secret", own.secret_generator),
        ):
            made = []
            for number, generator in enumerate(generators):
                with self.blames(f"{field}[{number}]"):
                    made.append(generate(kind, generator, own.generator_options, self._folder, None))
                    made[-1].line = line_of(self._content, f"{field}[{number}]") or 1
                    absorb(made[-1], resources)

    def _transform(self, resources: Resources) -> None:
        own, loader = self.kustomization, self._folder
        with self.blames("patchesStrategicMerge"):
            patches.apply_strategic_merges(own.patches_strategic_merge, resources, loader)
            _drop_empty(resources)
        for number, patch in enumerate(own.patches):
            with self.blames(f"patches[{number}]"):
                patches.apply_patches([patch], resources, loader)
                _drop_empty(resources)
        if own.namespace:
            with self.blames("namespace"):
                transform.set_namespace(own.namespace, resources)
        if own.name_prefix:
            with self.blames("namePrefix"):
                transform.add_prefix(own.name_prefix, resources)
        if own.name_suffix:
            with self.blames("nameSuffix"):
                transform.add_suffix(own.name_suffix, resources)
        with self.blames("labels" if own.labels else "commonLabels"):
            transform.add_labels(own.labels, own.common_labels, resources)
        with self.blames("commonAnnotations"):
            transform.add_annotations(own.common_annotations, resources)
        for number, patch in enumerate(own.patches_json6902):
            with self.blames(f"patchesJson6902[{number}]"):
                patches.apply_json_patches([patch], resources, loader)
        with self.blames("replicas"):
            transform.set_replicas(own.replicas, resources)
        with self.blames("images"):
            transform.set_images([*own.images, *own.image_tags], resources)
        for number, replacement in enumerate(own.replacements):
            with self.blames(f"replacements[{number}]"):
                apply_replacements([replacement], resources, loader)


def _drop_empty(resources: Resources) -> None:
    resources[:] = [resource for resource in resources if resource.obj]


def _recheck(resources: Resources) -> None:
    """kustomize puts a component's objects, and at last all, into a new list, which finds ids that are there twice."""
    Resources().add_all(resources)
