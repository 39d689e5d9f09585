"""TLS of one API server.

Owns: `ssl_context`. Called by `backends.kube.transport` in a worker thread, because it reads files.
"""

from __future__ import annotations

import os
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backends.kube.context import ContextConfig, Pem, shown
from fleetui.model.errors import UnauthorizedError, UnreachableError


def ssl_context(config: ContextConfig, *, cert: Pem, key: Pem) -> ssl.SSLContext | None:
    """The TLS settings for a context, with a client certificate where one is given; None for an http server.

    Chain, host name and dates are checked, but not OpenSSL's strict mode, on by default from Python 3.13: kubectl has
    none, and older EKS, MicroK8s and minikube authorities lack what it asks for (kubernetes-client/python issue 2394).
    A certificate authority that is no root counts as an anchor, as in Go.

    Raises:
        UnreachableError: the certificate authority can't be read or is no PEM certificate.
        UnauthorizedError: the client certificate or its key can't be used.
    """
    if config.server.startswith("http:"):
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.set_alpn_protocols(["http/1.1"])
    if config.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        _trust(context, config)
    if cert is not None and key is not None:
        _identify(context, config, cert=cert, key=key)
    return context


def _trust(context: ssl.SSLContext, config: ContextConfig) -> None:
    if config.ca is None:
        context.load_default_certs()
        return
    problem = f"the certificate authority of {config.cluster or config.name}{_at(config.ca)}"
    try:
        context.load_verify_locations(cadata=_read(config.ca).decode("ascii", "replace"))
    except (ssl.SSLError, ValueError, TypeError) as error:  # empty: a file that is just being written; not ASCII
        raise UnreachableError(f"{problem} is no PEM certificate", cluster=config.name) from error
    except OSError as error:
        raise UnreachableError(f"{problem} can't be read: {error.strerror}", cluster=config.name) from error


def _identify(context: ssl.SSLContext, config: ContextConfig, *, cert: Pem, key: Pem) -> None:
    who = f"the client certificate of {config.user or config.name}"
    try:
        with _as_file(cert) as cert_file, _as_file(key) as key_file:
            # An empty password, or OpenSSL would ask for one on the terminal that the console owns.
            context.load_cert_chain(cert_file, key_file, password="")
    except ssl.SSLError as error:
        reason = f"is not usable with its key: {error.reason or 'no PEM'}"
        raise UnauthorizedError(f"{who}{_at(cert)} {reason}", cluster=config.name) from error
    except OSError as error:
        raise UnauthorizedError(f"{who}{_at(cert)} can't be read: {error.strerror}", cluster=config.name) from error


def _at(pem: Pem) -> str:
    return f" ({shown(pem)})" if isinstance(pem, Path) else ""


def _read(pem: Path | bytes) -> bytes:
    return pem.read_bytes() if isinstance(pem, Path) else pem


@contextmanager
def _as_file(pem: Pem) -> Iterator[Path]:
    """`ssl` loads a key from a file only; data is lent one of mode 0600 for as long as that takes."""
    if isinstance(pem, Path):
        yield pem
        return
    handle, name = tempfile.mkstemp(prefix="fleetui-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(pem or b"")
        yield Path(name)
    finally:
        Path(name).unlink()
