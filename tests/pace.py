"""How fast this machine is at this moment: what a bound on CPU time is measured by."""

import time


def cpu_seconds_of_a_million_steps() -> float:
    """Return the CPU seconds of a plain loop; those of the fastest of three."""
    found = []
    for _ in range(3):
        start, total = time.process_time(), 0
        for step in range(1_000_000):
            total += step
        found.append(time.process_time() - start)
    return min(found)
