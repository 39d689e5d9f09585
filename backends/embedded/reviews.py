"""Reviews: who am I, may I, may he. They are answered and never stored.

Owns: `Reviewer`: the status of each kind of review. Called by `handlers`. Rules: Kubernetes v1.37
pkg/registry/authorization, pkg/registry/authentication.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from backends.embedded.access import Access, User
from backends.embedded.calls import Call
from backends.embedded.errors import bad_request, field_invalid, invalid
from backends.embedded.rbac import Authorizer
from backends.embedded.tablecells import get

Obj = dict[str, Any]
_ONE_OF = "exactly one of nonResourceAttributes or resourceAttributes must be specified"


FRESH = frozenset({"SelfSubjectReview", "SelfSubjectRulesReview"})
"""The kinds whose answer has nothing of the question in it."""


class Reviewer:
    """Answers reviews from the roles of one cluster and its tokens."""

    def __init__(self, authorizer: Authorizer, tokens: Mapping[str, User]) -> None:
        self._authorizer = authorizer
        self._tokens = tokens

    def answer(self, call: Call, review: Obj) -> Obj:
        """The status of a review.

        Raises:
            ApiError: 422 or 400, it asks for nothing.
        """
        match review.get("kind"):
            case "SelfSubjectReview":
                return {"userInfo": call.user.to_json()}
            case "SelfSubjectRulesReview":
                return self._rules(call, review)
            case "TokenReview":
                return self._token(get(review, "spec", "token") or "")
            case "SelfSubjectAccessReview":
                return self._access(call.user, review)
        spec = review.get("spec") or {}
        if not spec.get("user") and not spec.get("groups"):
            cause = field_invalid("spec.user", "", "at least one of user or group must be specified")
            raise invalid("authorization.k8s.io", "", "", causes=[cause])
        return self._access(User(spec.get("user", ""), tuple(spec.get("groups") or ())), review)

    def _access(self, user: User, review: Obj) -> Obj:
        of_resource = get(review, "spec", "resourceAttributes")
        of_path = get(review, "spec", "nonResourceAttributes")
        if (of_resource is None) is (of_path is None):
            cause = field_invalid("spec", of_path, _ONE_OF)
            raise invalid("authorization.k8s.io", "", "", causes=[cause])
        if of_path is not None:
            access = Access(user, of_path.get("verb", ""), path=of_path.get("path", ""))
        else:
            keys = ("verb", "group", "resource", "namespace", "name", "subresource")
            access = Access(user, *(of_resource.get(key, "") for key in keys))
        decision = self._authorizer.decide(access)
        return {"allowed": decision.allowed} | ({"reason": decision.reason} if decision.reason else {})

    def _rules(self, call: Call, review: Obj) -> Obj:
        namespace = get(review, "spec", "namespace") or ""
        if not namespace:
            raise bad_request("no namespace on request")
        rules = [msgspec.to_builtins(rule) for rule in self._authorizer.rules(call.user, namespace)]
        told = [{key: value for key, value in rule.items() if value} for rule in rules]
        return {
            "incomplete": False,
            "resourceRules": [rule for rule in told if "resources" in rule],
            "nonResourceRules": [
                {"verbs": rule["verbs"], "nonResourceURLs": rule["nonResourceURLs"]}
                for rule in told
                if "nonResourceURLs" in rule
            ],
        }

    def _token(self, token: str) -> Obj:
        if not token:
            raise bad_request("token is required for TokenReview in authentication")
        user = self._tokens.get(token)
        if user is None:
            return {"user": {}, "error": "invalid bearer token"}
        return {"authenticated": True, "user": user.to_json()}
