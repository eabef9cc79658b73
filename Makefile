# Everything is one command. `make` lists them; each sets up what it needs (see .ci/setup.sh).

BIN := .venv/bin
# pytest's own words, for instance PYTEST_ARGS="-k journal".
PYTEST_ARGS ?= -rs
# What the demo is told, for instance ARGS="--seconds 120 --camera clip.mp4".
ARGS ?=
# The campaigns of `make sim`: seeded device lives, and power cuts on a loop device.
SEEDS ?= 200
CUTS ?= 0

.DEFAULT_GOAL := help
.PHONY: help setup demo demo-faults test check bench sim

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Set up everything that the other commands need
	@sh .ci/setup.sh test

demo: ## Record a minute with simulated sensors and verify it (ARGS="--seconds 120")
	@sh .ci/setup.sh demo
	@$(BIN)/liuhen demo $(ARGS)

demo-faults: ## Record five minutes with eight faults, each found, told and explained
	@sh .ci/setup.sh demo
	@$(BIN)/liuhen demo --seconds 300 --scenario faults --dir demo-faults $(ARGS)

test: ## Run the tests (PYTEST_ARGS="-k journal")
	@sh .ci/setup.sh test
	@$(BIN)/pytest $(PYTEST_ARGS)

check: ## Lint, format, types, imports
	@sh .ci/setup.sh demo
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: ## Measure cost, memory, start, card bytes (half an hour of media)
	@sh .ci/setup.sh test
	@$(BIN)/python -P -m tests.bench

sim: ## Simulate device lives and power cuts (SEEDS=200 CUTS=1000)
	@sh .ci/setup.sh test
	@$(BIN)/python -P -m tests.sim --seeds $(SEEDS) --cuts $(CUTS)
