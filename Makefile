# Thin on purpose: each target is one or two commands. `make book` and `make test` are the two to know.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Two processes with two threads each fight over two cores: one thread each.
QUIET := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive PYTHONHASHSEED=0

.PHONY: book pdf epub serve test unit unit-book unit-grader browser run lint notebooks transcripts check lab data lock repository bench clean

$(STAMP): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("The book builds with Python 3.11 or newer; this is %d.%d. Try: make PYTHON=python3.12" % v[:2])'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

book: $(STAMP)            ## build the HTML from the committed notebooks
	$(BIN)/python -m tools.book build

pdf: $(STAMP)             ## the book on sheets of A4: build/d2l-lite.pdf (needs chromium, nodejs and npm)
	$(BIN)/python -m tools.printing pdf

epub: $(STAMP)            ## the book for e-readers: build/d2l-lite.epub (needs nodejs and npm)
	$(BIN)/python -m tools.printing epub

serve: book               ## serve the built book on loopback
	$(BIN)/python -m tools.book serve

test: lint check book unit run ## prove everything

unit: unit-book unit-grader ## the tests below tests/

# A file that takes minutes starts first, or one core waits for it in the end.
unit-book: $(STAMP)       ## of all but the grader, on both cores
	$(QUIET) $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --ignore tests/grading \
	    tests/tools/test_printing.py tests

# They wait for limits of time more than they compute: three of their files at once keep two cores busy.
unit-grader: $(STAMP)     ## of the grader
	$(QUIET) $(BIN)/pytest -n 3 --dist loadfile --no-loadscope-reorder \
	    tests/grading/test_attacks.py tests/grading/test_soak.py tests/grading

browser: book             ## look at every page in a browser, and print what was seen
	$(QUIET) $(BIN)/pytest -n 2 --dist loadfile tests/book

run: $(STAMP)             ## run every notebook again, and compare the cells that are tagged for it
	$(QUIET) $(BIN)/pytest -n 2 --dist loadfile -W default --nbval-lax --nbval-current-env \
	    --nbval-cell-timeout 300 --timeout 0 chapters exercises/solutions

lint: $(STAMP)            ## ruff and mypy
	$(BIN)/ruff check . && $(BIN)/ruff format --check .
	$(BIN)/mypy

notebooks: $(STAMP)       ## execute what changed (profile: make notebooks PROFILE=fast)
	$(BIN)/python -m tools.notebooks build $(if $(PROFILE),--profile $(PROFILE))

transcripts: $(STAMP)     ## run the commands on the pages again, and write down what they print
	$(BIN)/python -m tools.transcripts build

check: $(STAMP)           ## are the committed notebooks those of their sources, run in order?
	$(BIN)/python -m tools.notebooks check

lab: $(STAMP)             ## open JupyterLab on the chapters
	$(BIN)/jupyter lab chapters

data: $(STAMP)            ## fetch every data set into the cache
	$(BIN)/python -m d2l_lite

lock: $(STAMP)            ## pin the environment in use
	$(BIN)/python -m tools.lock

repository: $(STAMP)      ## set the repository's address: make repository URL=https://…
	$(BIN)/python -m tools.repository set "$(URL)"

bench: $(STAMP)           ## measure, and write benchmarks/results
	$(BIN)/python -m benchmarks.training_loop && $(BIN)/python -m benchmarks.book && $(BIN)/python -m benchmarks.lighthouse \
	    && $(BIN)/python -m benchmarks.grading && $(BIN)/python -m benchmarks.attacks

clean:
	rm -rf _build build .pytest_cache .mypy_cache .ruff_cache
