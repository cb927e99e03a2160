"""Programs that measure: `python -m benchmarks.<name>` writes to `benchmarks/results/`.

These are training_loop, book, lighthouse, grading and attacks, which `make bench` runs, and
gan_seeds, which takes hours. The other modules are parts of them.
"""
