# Two commands do everything on a fresh machine: `make demo` and `make test`.
BIN := .venv/bin
KEEP ?=

.PHONY: help demo test heavy lint types contracts wheel reference postgres browser bench fuzz check clean lock

help: ## show this help
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/.demo: requirements/demo.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh demo
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml scripts/setup.sh
	@scripts/setup.sh dev
	@touch $@ .venv/.demo

demo: .venv/.demo ## run the whole loop on real flights (KEEP=1 leaves it running)
	@$(BIN)/holdfast demo $(if $(KEEP),--keep)

test: .venv/.dev ## run the tests that need nothing but Python
	@$(BIN)/pytest -n 2 -m "not heavy and not browser and not postgres and not docker"

heavy: .venv/.dev ## run the tests that need PostgreSQL, Chromium, Docker or an MLflow server
	@scripts/heavy.sh

lint: .venv/.dev ## check style
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: .venv/.dev ## check types, strictly
	@$(BIN)/mypy

contracts: .venv/.dev ## check that the layers hold
	@$(BIN)/lint-imports

wheel: .venv/.dev ## build the wheel and try it in an environment of its own
	@scripts/wheel.sh

postgres: ## install and start a private PostgreSQL; prints its URL
	@scripts/postgres.sh install && scripts/postgres.sh start

browser: ## install Chromium
	@scripts/browser.sh

bench: .venv/.dev ## run the benchmarks; prints ratios
	@$(BIN)/python benchmarks/run.py

fuzz: .venv/.dev ## fuzz the decoders, a minute each
	@scripts/fuzz.sh

reference: .venv/.dev ## write the reference pages of the docs anew
	@$(BIN)/python scripts/reference.py

lock: ## resolve pyproject.toml anew
	@scripts/lock.sh

check: lint types contracts test ## what a change must pass

clean: ## remove the environment and what tools left
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
