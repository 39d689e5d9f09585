"""Makes this checkout importable in the virtual environment that runs this file, and its commands callable.

What ``pip install --editable`` would do, without a build tool to download: a path file and two scripts. Called by the
Makefile. The entry points are read from pyproject.toml, so that there is one list of them.
"""

from __future__ import annotations

import sys
import sysconfig
import tomllib
from pathlib import Path

SCRIPT = """#!{python}
import sys
from {module} import {function}
sys.exit({function}())
"""


def main() -> None:
    checkout = Path(__file__).resolve().parent.parent
    (Path(sysconfig.get_path("purelib")) / "fleetui-checkout.pth").write_text(f"{checkout}\n")
    project = tomllib.loads((checkout / "pyproject.toml").read_text())["project"]
    for name, target in project["scripts"].items():
        module, function = target.split(":")
        script = Path(sysconfig.get_path("scripts")) / name
        script.write_text(SCRIPT.format(python=sys.executable, module=module, function=function))
        script.chmod(0o755)


main()
