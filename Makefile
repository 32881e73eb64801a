# Short names for what developers do; `make help` lists them.
.PHONY: help install test test-all lint format types mini clean
BIN := tools/venv/bin

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:.*## /\t/' | expand -t 12

install: ## make the environment under tools/venv
	tools/install.sh

test: ## the fast tests
	tests/run.sh

test-all: ## every test
	tests/run.sh --all

lint: ## style, layers, types and shell scripts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	$(BIN)/shellcheck -x $$(git ls-files '*.sh') .ci/run

format: ## reformat Python
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: ## type checker alone
	$(BIN)/mypy

mini: ## the mini recipe, all stages
	egs/mini/run.sh

clean: ## remove caches (no data, no results)
	find . -name __pycache__ -not -path './tools/*' -prune -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache .mypy_cache .hypothesis .import_linter_cache build *.egg-info
