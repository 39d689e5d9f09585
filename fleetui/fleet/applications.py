"""The applications of a fleet, as their clusters tell of them.

Owns: `Applications`. Made by `fleetui.fleet.fleet`, which subscribes it to each cluster's store. An application that
several contexts lead to is here once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from fleetui.dialectports import Dialect
from fleetui.fleet.seen import Seen
from fleetui.fleet.store import LiveStore
from fleetui.fleet.unique import Unique
from fleetui.fleet.views import ChangeSet
from fleetui.model.app import App, AppKey
from fleetui.model.objects import ClusterName, ObjectRef, StoredObject


class Applications:
    """Every application that is shown.

    Args:
        stores: the chosen clusters, the first before the others where several lead to one application.
        dialects: how applications are written down.
        namespaces: where they are looked for; an empty string stands for all.
        publish: hears of each change; `watched` says which trees somebody looks at.
        same: hears that the second of two clusters leads to the first one's server.
    """

    def __init__(
        self,
        stores: Mapping[ClusterName, LiveStore],
        dialects: Sequence[Dialect],
        namespaces: Collection[str],
        *,
        publish: Callable[[ChangeSet], None],
        watched: Callable[[], frozenset[AppKey]],
        same: Callable[[ClusterName, ClusterName], None],
    ) -> None:
        self.shown: dict[AppKey, App] = {}
        self.seen = Seen()
        self._stores = stores
        self._dialects = {dialect.app_kind: dialect for dialect in dialects}
        self._namespaces = namespaces
        self._publish = publish
        self._watched = watched
        self._same = same
        self._unique = Unique(stores)

    def object_changed(self, hub: ClusterName, obj: StoredObject, *, deleted: bool) -> None:
        """An object of a cluster came, changed or went; most are no applications."""
        dialect = self._dialects.get(obj.ref.group_kind)
        if dialect is None or not obj.whole or not ("" in self._namespaces or obj.ref.namespace in self._namespaces):
            return
        key = dialect.key(hub, obj)
        if deleted:
            self._unique.drop(key, obj.uid)
            self._gone(key)
            self._show_by_another(hub, obj.ref, obj.uid)
            return
        mine, former = self._unique.take(key, obj.uid)
        if former is not None:
            self._same(*((hub, former.hub) if mine else (former.hub, hub)))
        if mine:
            if former is not None:
                self._gone(former)
            self._changed(dialect.app(hub, obj))
            self.seen.tell(dialect.key(hub, obj), obj.meta.resource_version)

    def narrow(self, hub: ClusterName, dialect: Dialect, namespaces: Collection[str]) -> None:
        """Of a cluster's applications those of these namespaces alone may be seen now."""
        mine = [key for key in self.shown if (key.hub, key.dialect) == (hub, dialect.name)]
        unseen = {key for key in mine if key.namespace not in namespaces}
        for key in unseen:
            self._gone(key)
        for key, uid in self._unique.forget(unseen) if unseen else ():
            self._show_by_another(hub, ObjectRef(*dialect.app_kind, key.namespace, key.name), uid)

    def _show_by_another(self, hub: ClusterName, ref: ObjectRef, uid: str) -> None:
        """What one context shows no more, another one of the same server may."""
        for name, store in self._stores.items():
            other = store.get(ref) if name != hub else None
            if other is not None and other.uid == uid:
                self.object_changed(name, other, deleted=False)

    def _changed(self, app: App) -> None:
        if self.shown.get(app.key) != app:
            self.shown[app.key] = app
            self._publish(ChangeSet(apps={app.key: app}, trees=self._watched() & {app.key}))

    def _gone(self, key: AppKey) -> None:
        if self.shown.pop(key, None) is not None:
            self._publish(ChangeSet(removed=frozenset({key}), trees=self._watched() & {key}))
