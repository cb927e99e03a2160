"""Programs that measure: `python -m benchmarks.<name>` writes `benchmarks/results/<name>.md`."""
