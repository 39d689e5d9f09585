"""Certificates of one control plane: owns which files there are, whoever writes them.

Called by server.py. The Go binary writes them in 10 ms; openssl does for binaries that came ready-made.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.controlplane.process import ControlPlaneError

_EXTENSIONS = {
    "ca": "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,digitalSignature\n",
    "serving": "extendedKeyUsage=serverAuth\nsubjectAltName=IP:127.0.0.1,DNS:localhost\n",
    "admin": "extendedKeyUsage=clientAuth\n",
}
_SUBJECTS = {
    "ca": "/CN=fleetui-test-ca",
    "serving": "/CN=kube-apiserver",
    "admin": "/O=system:masters/CN=admin-by-certificate",
}
_NEW_KEY = "ecparam -name prime256v1 -genkey -noout -out {}.key"


@dataclass(frozen=True)
class Pki:
    """The folder of keys and certificates."""

    folder: Path

    @property
    def ca(self) -> Path:
        return self.folder / "ca.crt"

    @property
    def serving(self) -> tuple[Path, Path]:
        """Certificate and key of the API server."""
        return self.folder / "serving.crt", self.folder / "serving.key"

    @property
    def admin(self) -> tuple[Path, Path]:
        """Certificate and key of an administrator."""
        return self.folder / "admin.crt", self.folder / "admin.key"

    @property
    def service_account(self) -> tuple[Path, Path]:
        """Public and private key of service account tokens."""
        return self.folder / "service-account.pub", self.folder / "service-account.key"


def write_pki(pki: Pki, command: list[str] | None) -> None:
    """Fills the folder, by the command where there is one, else by openssl."""
    folder = pki.folder
    folder.mkdir(mode=0o700)
    if command is not None:
        _run([*command, str(folder)], folder)
    else:
        _write_by_openssl(folder)


def _write_by_openssl(folder: Path) -> None:
    for name in ("ca", "serving", "admin"):
        (folder / f"{name}.ext").write_text(_EXTENSIONS[name])
        signer = "-signkey ca.key" if name == "ca" else "-CA ca.crt -CAkey ca.key -CAcreateserial"
        _openssl(folder, _NEW_KEY.format(name))
        _openssl(folder, f"req -new -key {name}.key -subj {_SUBJECTS[name]} -out {name}.csr")
        _openssl(folder, f"x509 -req -days 1 -in {name}.csr -out {name}.crt -extfile {name}.ext {signer}")
    _openssl(folder, _NEW_KEY.format("service-account"))
    _openssl(folder, "ec -in service-account.key -pubout -out service-account.pub")


def _openssl(folder: Path, arguments: str) -> None:
    _run(["openssl", *arguments.split()], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        last = " ".join(done.stderr.strip().splitlines()[-1:])
        raise ControlPlaneError(f"certificates could not be made by {command[0]}: {last}")
