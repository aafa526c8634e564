# Everything runs in .venv, made here from the locked requirement files; `make` alone lists the targets.
# The demo needs few of its packages: without .venv, it gets a small .venv-demo of its own.
PYTHON ?= python3
BIN := .venv/bin
DEMO := $(if $(wildcard .venv/.ready),.venv,.venv-demo)
ARGS ?=
ROUNDS ?= 50
SEED ?= 1
DATABASE ?= sqlite

.PHONY: help demo test test-slow lint format bench mutants faults simulate chaos snapshots screenshots docs lock wheel clean

help:
	@echo "make demo   the bot in an offline Discord in your browser (ARGS=--once: one picture, then exit)"
	@echo "make test   the test suite (ARGS=tests/unit for a part)"
	@echo "make test-slow  the long runs: kills of whole processes, chaos (ARGS=\"-k chaos\" for a part)"
	@echo "make lint   ruff, mypy, the import contracts, and the linters of the image, compose files, workflows and manifests"
	@echo "make bench  speed and memory, as figures (ARGS=requests for a part)"
	@echo "make mutants  small faults in the code that the tests miss (ARGS=core, or ARGS=\"sample --seed 9\")"
	@echo "make faults  check that the tests catch each fault in tests/planted_faults.toml (ARGS=\"--jobs 2\"; or --simulate)"
	@echo "make simulate  the whole bot in virtual time, with random faults (SEED=1 ROUNDS=1000 DATABASE=sqlite or postgres)"
	@echo "make chaos  random faults and kills (ROUNDS=1000 SEED=1 DATABASE=sqlite or postgres), in several processes with ARGS=--several"
	@echo "make snapshots  the messages in tests/unit/ui/snapshots and the transcripts in tests/stories anew, after a change that was meant"
	@echo "make screenshots  the documents' pictures anew, from the demo's page (needs Playwright and Chromium)"
	@echo "make format what lint would change, changed"
	@echo "make docs   docs/configuration.md from the settings, and the picture of the packages from their imports"
	@echo "make lock   renew the locked requirement files"
	@echo "make wheel  the package for pip and pipx, in dist"
	@echo "make clean  without .venv, data and caches"

.venv/.ready: requirements/dev.txt
.venv-demo/.ready: requirements/demo.txt

.venv/.ready .venv-demo/.ready:
	@$(PYTHON) -c "import sys; sys.exit('Python 3.11 or newer is needed, this is ' + sys.version.split()[0]) if sys.version_info < (3, 11) else None"
	@echo "Installing the $$(grep -c == $<) packages of $< into $(@D). This happens once."
# A bot may be running from .venv, so what is there stays, unless its Python is gone.
	@$(@D)/bin/python -c "" 2>/dev/null || $(PYTHON) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

demo: $(DEMO)/.ready
	$(DEMO)/bin/python -m demo $(ARGS)

# Test processes share compiled modules; without them each one compiles the bot again.
test test-slow: export PYTHONDONTWRITEBYTECODE =

test: .venv/.ready
	$(BIN)/python -m pytest $(ARGS)

test-slow: .venv/.ready
	$(BIN)/python -m pytest -m slow $(ARGS)

lint: .venv/.ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	$(BIN)/hadolint Dockerfile deploy/picture_check.Dockerfile
	$(BIN)/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec compose.yaml compose.postgres.yaml compose.picture-check.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms .github/ISSUE_TEMPLATE/bug.yml .github/ISSUE_TEMPLATE/idea.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/zizmor --quiet --offline --no-progress .github

format: .venv/.ready
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.ready
	$(BIN)/python -m tests.bench $(ARGS)

mutants: .venv/.ready
	$(BIN)/python -m tools.mutants $(or $(ARGS),core)

faults: .venv/.ready
	$(BIN)/python -m tools.planted_faults $(ARGS)

simulate: .venv/.ready
	$(BIN)/python -m tests.simulation --seed $(SEED) --rounds $(ROUNDS) --database $(DATABASE) $(ARGS)

chaos: .venv/.ready
	$(BIN)/python -m tests.chaos --rounds $(ROUNDS) --seed $(SEED) --database $(DATABASE) $(ARGS)

snapshots: .venv/.ready
	WRITE_SNAPSHOTS=1 $(BIN)/python -m pytest tests/unit/ui tests/stories tests/e2e/test_transcripts.py

screenshots: .venv/.ready
	$(BIN)/python -m tools.screenshots $(ARGS)

docs: .venv/.ready
	$(BIN)/python -m tools.configuration
	$(BIN)/python -m tools.architecture

lock: COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header pyproject.toml
lock: .venv/.ready
	$(COMPILE) --extra postgres -o requirements/run.txt
	$(COMPILE) --extra demo -o requirements/demo.txt
	$(COMPILE) --extra dev -o requirements/dev.txt
	$(subst pyproject.toml,requirements/picture_check.in,$(COMPILE)) --constraint requirements/run.txt -o requirements/picture_check.txt

# setuptools would also pack what an earlier build left.
wheel: .venv/.ready
	rm -rf build dist
	$(BIN)/uv build --quiet --wheel --out-dir dist

clean:
	rm -rf .venv .venv-demo build dist data .mypy_cache .ruff_cache
