# The commands of this repository. `make` alone lists them.
# What they do stands in deploy/dev/*.py; here is only how to call it.

PYTHON ?= python3
CARGO  ?= cargo
DATA   ?= ./data
LISTEN ?= 127.0.0.1:8080
T      ?=
ROUNDS ?= 20
P      ?= all

export CARGO
export PYTHONDONTWRITEBYTECODE = 1

.DEFAULT_GOAL := help
.PHONY: help run test lint servers servers-stop cluster cluster-stop soak proof clean

help: ## this list
	@echo "usage: make TARGET [NAME=value ...]"; echo
	@awk -F ':.*## ' -v absent="$(if $(wildcard bench/Cargo.toml),,bench)" '/^[a-z-]+:.*## / && $$1 != absent { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## builds and serves both services in one process (DATA=./data LISTEN=127.0.0.1:8080 RELEASE=1)
	@$(CARGO) run --locked $(if $(RELEASE),--release) -p all-in-one --bin patient-first -- serve --data-dir "$(DATA)" --listen "$(LISTEN)"

test: ## every test, on private PostgreSQL and RabbitMQ (T=name: only those)
	@$(PYTHON) deploy/dev/test.py $(T)

lint: ## format, clippy, rooms, tidiness, dependencies
	@deploy/dev/lint.sh

servers: ## starts PostgreSQL and RabbitMQ in .dev/servers and leaves them running, for repeated test runs
	@$(PYTHON) deploy/dev/servers.py start --dir .dev/servers
	@echo "to use them:  set -a; . .dev/servers/env; set +a"

servers-stop: ## ends them and removes their data
	@$(PYTHON) deploy/dev/servers.py stop --dir .dev/servers --wipe

cluster: ## both services as processes of their own, on private PostgreSQL and RabbitMQ
	@$(CARGO) build --release --locked -p all-in-one -p patients-service -p invites-service --bins
	@$(PYTHON) deploy/dev/cluster.py up

cluster-stop: ## ends them; the data stays in .dev/cluster (cluster.py wipe removes it)
	@$(PYTHON) deploy/dev/cluster.py stop

soak: ## runs the whole suite again and again to find what fails seldom; goes on where it was (ROUNDS=20)
	@$(PYTHON) deploy/dev/soak.py $(ROUNDS)

proof: ## the long proofs of imports, on both doors, with kill -9 (P="import --rows 1000000 --kills 3", invited, undo, correct; P=all: small)
	@$(CARGO) build --release --locked -p all-in-one -p patients-service -p invites-service --bins
	@$(PYTHON) deploy/dev/proof.py $(P)

clean: ## ends what runs under .dev and removes it and what was built; DATA stays
	@$(PYTHON) deploy/dev/cluster.py wipe
	@$(PYTHON) deploy/dev/servers.py stop --dir .dev/servers --wipe
	@rm -rf .dev
	@$(CARGO) clean

# Only where there is something to measure with.
ifneq ($(wildcard bench/Cargo.toml),)
.PHONY: bench
bench: ## measures: creates, relayed events and imported rows per second, beside what the servers can do alone
	@$(CARGO) build --release --locked -p bench -p patients-service -p all-in-one --bins
	@$(PYTHON) deploy/dev/bench.py $(B)
endif
