# Everything works in a fresh clone: the environment and the embedded model are made on
# the way, once.  ARGS go to the program or to pytest: make run ARGS="learn notes.md".

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check format model bench clean

BIN := .venv/bin
WORKERS ?= 2
READY := .venv/.installed

help: ## Show the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /  make \1	/' | expand -t 16

run: model ## Start the workbench; with no terminal, a short demonstration
	@$(BIN)/cl-workbench $(ARGS)

test: model ## Run the tests, WORKERS (2) files at a time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(ARGS)

check: $(READY) ## Lint, formatting, types and import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(READY) ## Format the code and sort its imports
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

model: $(READY) ## Fetch the embedded model unless it is there
	@$(BIN)/cl-workbench models path embedded >/dev/null 2>&1 || $(BIN)/cl-workbench models pull embedded

bench: ## List the benchmarks
	@echo "Run one with .venv/bin/python FILE; --help shows its options:"
	@ls benchmarks/*.py

clean: ## Remove the environment and what tools have cached; models and checkpoints stay
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis snapshot_report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# One place knows how the environment is made, for this file and for a GPU box without make.
$(READY): pyproject.toml constraints.txt
	@sh install.sh --environment
