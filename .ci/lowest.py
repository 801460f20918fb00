"""Constraints for pip: the lowest version that pyproject.toml allows of each library; tools for tests as pinned.

What the libraries rest on themselves is left to pip, since their pins belong to the newest of them.
"""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
extras = project["project"]["optional-dependencies"]
libraries = [*project["project"]["dependencies"], *extras["apprise"], *extras["local"], *extras["video"]]
tools = {re.split(r"[\[>]", line)[0].lower() for line in project["dependency-groups"]["dev"]}
pins = (ROOT / ".ci" / "constraints.txt").read_text("utf-8").splitlines()

for line in libraries:
    print(re.sub(r">=([0-9.]+)(,<[0-9.]+)?$", r"==\1", line))
for line in pins:
    if line.partition("==")[0].lower() in tools:
        print(line)
