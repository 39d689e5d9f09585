"""What the senders of webhooks must know, as one hub says it.

Owns: `HubWebhooks`: one watch of the hub's ``argocd-secret``, of which the webhooks' values alone are kept. Called by
the composition root where somebody listens. How a request is read is in `fleetui.engine.webhook`.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Mapping, Sequence

from fleetui.engine.clock import Clock
from fleetui.engine.gathering import Rechecked
from fleetui.engine.webhook import Answer, Event, WebhookSecrets, answer_to, webhook_secrets
from fleetui.model.errors import ForbiddenError
from fleetui.model.objects import ApiResource, ObjectRef, StoredObject
from fleetui.model.secrets import secret_texts
from fleetui.ports import Cluster

_log = logging.getLogger(__name__)

SECRET = "argocd-secret"
NOT_YET = "it is not known yet which webhooks are to be believed"
FULL = "Queue is full, discarding webhook payload"
_RESOURCE = ApiResource(group="", version="v1", kind="Secret", plural="secrets", namespaced=True)


class HubWebhooks:
    """Answers webhooks for the applications of one hub.

    Args:
        hub: the cluster.
        namespace: where Argo CD runs.
        clock: for the next look at what may not be read.
        heard: told of each event that is believed; False where it can't take more.
    """

    def __init__(self, hub: Cluster, *, namespace: str, clock: Clock, heard: Callable[[Event], bool]) -> None:
        self._hub = hub
        self._namespace = namespace
        self._heard = heard
        self._secrets: WebhookSecrets | None = None
        self._watch = Rechecked(hub, clock, settle=self._settle, change=self._change, refused=self._refuse)

    def start(self) -> None:
        """Begins to watch; returns at once."""
        self._watch.start(_RESOURCE, namespace=self._namespace, fields=f"metadata.name={SECRET}")

    def close(self) -> None:
        """Ends the watch."""
        self._watch.close()

    def receive(self, method: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Answers a request, and hands on the event that it tells of."""
        if self._secrets is None:
            # Without them everybody would be believed.
            return Answer(503, NOT_YET)
        answer = answer_to(method, headers, body, self._secrets)
        if answer.status >= 400:
            # The sender is not told what is wrong with it, whoever reads the log may want to know that he came.
            _log.info("%s: a webhook was refused: %s (%d)", self._hub.name, answer.text, answer.status)
        if answer.event is not None and not self._heard(answer.event):
            return Answer(503, FULL)
        return answer

    # --- what the watch says ----------------------------------------------------------------------------------------

    def _settle(self, objects: Sequence[StoredObject]) -> None:
        self._secrets = webhook_secrets(_data(objects[0])) if objects else WebhookSecrets()

    def _change(self, objects: Sequence[StoredObject], gone: set[ObjectRef]) -> None:
        if objects or gone:
            self._settle(objects[-1:])

    def _refuse(self, error: ForbiddenError) -> None:
        _log.warning("%s: %s; its webhooks are refused", self._hub.name, error)


def _data(obj: StoredObject) -> dict[str, str]:
    found, broken = secret_texts(obj)
    for key in broken:
        # Where a secret can't be read nobody knows it: whatever is no text is some sender's unknown secret.
        found[key] = secrets.token_hex()
        _log.warning("Secret %s/%s: %s is no text", obj.ref.namespace, obj.ref.name, key)
    return found
