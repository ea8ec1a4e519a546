"""The experiment scripts of the repository, without those that somebody tries out beside them."""

import subprocess
from pathlib import Path

MODELS = Path(__file__).resolve().parents[1] / "models"


def experiment_scripts():
    """Paths below models/ that git tracks; all that are there where this is no git checkout."""
    done = subprocess.run(["git", "ls-files", "*.py", "*/*.py"], cwd=MODELS, capture_output=True, text=True)
    names = done.stdout.split() if done.returncode == 0 else []
    return sorted(map(Path, names)) or sorted(path.relative_to(MODELS) for path in MODELS.rglob("*.py"))
