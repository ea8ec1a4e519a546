"""The scripts of the page on clusters are scripts, and their launchers start evaluations."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import ROOT, blocks

SCRIPTS = [block for block in blocks(ROOT / "docs/clusters.md") if block.language == "sh"]
# What a cluster has: srun starts the words behind its options, scontrol says the names of the machines.
SRUN = '#!/bin/bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
SCONTROL = "#!/bin/bash\necho localhost\n"
SMALL = {
    "--nproc_per_node=4": "--nproc_per_node=1",
    "--datasets=COCO_MVal": "--datasets=Samples --cpu --max-objects=1 --n-clicks=1 --no-overlays",
}


def free_port():
    with socket.socket() as listening:
        listening.bind(("localhost", 0))
        return str(listening.getsockname()[1])


@pytest.mark.skipif(sys.platform == "win32", reason="clusters run Linux")
@pytest.mark.parametrize("block", SCRIPTS, ids=lambda block: block.title or "interactive")
def test_scripts_are_written_as_bash_reads_them(block):
    checked = subprocess.run(["bash", "-n"], input=block.body, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "torchrun" in block.body


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="clusters run Linux")
def test_a_submitted_script_evaluates(tmp_path):
    (script,) = (block.body for block in SCRIPTS if block.title == "evaluate.sh")
    for words, small in {**SMALL, ":29500": f":{free_port()}"}.items():
        assert words in script
        script = script.replace(words, small)
    torchrun = f'#!/bin/bash\nexec "{sys.executable}" -m torch.distributed.run "$@"\n'
    for name, content in {"srun": SRUN, "scontrol": SCONTROL, "torchrun": torchrun}.items():
        (tmp_path / name).write_text(content)
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_NNODES": "1", "SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "node[1-2]"}
    places = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    for name in ("scripts", "config.yml", "weights"):
        (tmp_path / name).symlink_to(Path(ROOT) / name)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env={**os.environ, **slurm, **places},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "|  Samples  |" in done.stdout
