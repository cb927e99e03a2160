"""Running a program in processes of its own, to see whether its output depends on the process."""

import os
import subprocess
import sys


def distinct_outputs(program: str) -> set[str]:
    """Return what a program prints in two processes that hash strings differently."""
    fixed = {"OMP_NUM_THREADS": "1", "MPLBACKEND": "agg"}
    return {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, **fixed, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
