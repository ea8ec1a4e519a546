"""Runs an evaluation, and kills the process of the rank DYING when it has written two records."""

import os
import signal
import sys

from isegm.cli.evaluate import main
from isegm.evaluation.records import RecordWriter
from isegm.utils.cli import run

write, written = RecordWriter.write, []


def dying(*arguments):
    write(*arguments)
    written.append(0)
    if len(written) == 2 and os.environ["RANK"] == os.environ["DYING"]:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    RecordWriter.write = dying
    run(lambda: main(sys.argv[1:]))
