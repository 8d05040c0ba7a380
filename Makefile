# make demo shows celeriac at work; make test proves it. `make help` lists the rest.
#
# Everything is installed below this directory, at the versions of constraints.txt:
#   .venv         the oldest suitable Python present (3.11 where there is one), Django 5.2: what `demo` and `test` use
#   .venv-newest  the newest Python present, the newest Django
#   .venv-peers   a real Celery, django-celery-beat, Flower and Huey, which interop tests run beside
#   .venv-bench   an environment for each queue that benchmarks run beside, at the versions of benchmarks/constraints
#   .node-peer    a client of Celery's for Node.js, for interop tests; only where there is an npm
#   .venv-docs    Sphinx
# PYTHON=/path/to/python3 chooses the interpreter of all but .venv-newest, NEWEST_PYTHON=... that one's.

DJANGO_LTS := 5.2.19
DJANGO_NEWEST := 6.1.3
# Django's task framework for the LTS release, which has none of its own.
DJANGO_TASKS := django-tasks

PYTHON ?= oldest
NEWEST_PYTHON ?= newest
# What `make test` runs: folders, files, or anything else that pytest takes.
TESTS ?= tests
# Further words for the command: make demo ARGUMENTS="--port 9000", make bench ARGUMENTS="--quick --engine redis".
ARGUMENTS ?=

TOOLS := pytest pytest-django pytest-timeout hypothesis psutil psycopg[binary,pool]
CHECKERS := ruff mypy pyright[nodejs]
# Needs a chromium beside it (Debian: apt-get install chromium); without one its tests are skipped.
BROWSER := playwright
EXTRAS := redis,msgpack,yaml,reload,solar,zstd,brotli

export CELERIAC_PEER_PYTHON := $(CURDIR)/.venv-peers/bin/python
export CELERIAC_NODE_PEER := $(CURDIR)/.node-peer
# A project elsewhere may have set it; this one's tests and demo bring their own settings.
unexport DJANGO_SETTINGS_MODULE

.DEFAULT_GOAL := help
.PHONY: help demo demo-check test check format bench bench-peers docs soak clean environment browser tools peers node-peer newest docs-environment

help:
	@echo "make demo    start the example site, a worker and a mail server; prints the address, Ctrl-C ends it"
	@echo "make demo-check  walk through the example site in a headless chromium (a minute)"
	@echo "make test    lint, types and all tests, on two Pythons (some minutes)"
	@echo "make check   lint and types only"
	@echo "make format  let ruff put the code in order"
	@echo "make bench   celeriac beside its peers, side by side (long; ARGUMENTS=\"--quick --engine redis\": 5 minutes)"
	@echo "make docs    build the documentation into site/"
	@echo "make soak    kill and restart workers hundreds of times (many minutes)"
	@echo "make clean   remove everything that make made"

demo: environment
	@.venv/bin/python examples/postoffice/demo.py $(ARGUMENTS)

demo-check: browser
	@.venv/bin/python examples/postoffice/tour.py $(ARGUMENTS)

test: check peers node-peer newest
	.venv/bin/python scripts/test.py $(TESTS)

check: tools
	.venv/bin/python -m ruff check .
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m mypy

format: tools
	.venv/bin/python -m ruff check --fix-only .
	.venv/bin/python -m ruff format .

# Each peer gets an environment of its own first; `make bench-peers` makes them all and does no more.
bench: tools
	.venv/bin/python -m benchmarks $(ARGUMENTS)

bench-peers: tools
	.venv/bin/python -m benchmarks.environments

soak: tools peers node-peer
	.venv/bin/python -m pytest -m soak --timeout 3600 $(TESTS)

docs: docs-environment
	.venv-docs/bin/python docs/generate.py --check
	.venv-docs/bin/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs site
	@echo "Built: site/index.html"

clean:
	rm -rf .venv .venv-newest .venv-peers .venv-bench .venv-docs .venv*.lock .node-peer site build dist
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

environment:
	@scripts/make_environment.sh .venv "$(PYTHON)" demo -e ".[django,redis]" "Django==$(DJANGO_LTS)"

browser: environment
	@scripts/make_environment.sh .venv "$(PYTHON)" browser -e ".[django,redis]" "Django==$(DJANGO_LTS)" $(BROWSER)

tools: environment
	@scripts/make_environment.sh .venv "$(PYTHON)" tools -e ".[django,$(EXTRAS)]" "Django==$(DJANGO_LTS)" $(DJANGO_TASKS) $(TOOLS) $(CHECKERS) $(BROWSER)

newest:
	@scripts/make_environment.sh .venv-newest "$(NEWEST_PYTHON)" tools -e ".[django,$(EXTRAS)]" \
		"Django==$(DJANGO_NEWEST); python_version >= '3.12'" $(TOOLS)

peers:
	@scripts/make_environment.sh .venv-peers "$(PYTHON)" peers "celery[redis]==5.7.*" ephem flower huey \
		django-celery-beat "Django==$(DJANGO_LTS)" "psycopg[binary]"

node-peer:
	@scripts/make_node_peer.sh .node-peer celery-node@0.5.9

docs-environment:
	@scripts/make_environment.sh .venv-docs "$(PYTHON)" docs -e ".[django]" "Django==$(DJANGO_LTS)" Sphinx myst-parser furo
