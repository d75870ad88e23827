# What a person does with Slipway. `make help` lists it.
#
# Nothing needs to be installed but Python 3.11 or newer, Node.js 20 or newer, and git. Everything
# else comes from the package registries into this folder: .venv and .local.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
UV_VERSION := 0.13.9
UV := .local/venvs/boot/bin/uv
PY := .venv/bin/python
READY := .venv/.ready .local/venvs/emulator/.ready .local/venvs/lambda/.ready
# Deploying to AWS packages with the Python that Lambda runs.
DEPLOY_PYTHON ?= $(shell python3.13 -c 'import sys; print(sys.executable)' 2>/dev/null || echo $(PYTHON))
DEPLOY_PY := .local/venvs/deploy/bin/python
PYTEST := $(PY) -m pytest
# The web app: built again when anything it is made of has changed.
WEB := frontend/dist/index.html
WEB_TOOLS := frontend/node_modules/.package-lock.json
WEB_SOURCES := $(shell find frontend/src frontend/public frontend/index.html frontend/vite.config.ts \
  frontend/outlines.ts frontend/tsconfig.json infra/pages.json -type f ! -name '*.test.*' 2>/dev/null)
NPM := npm --prefix frontend --silent
GENERATED := docs/* frontend/src/api/*.gen.ts

export SLIPWAY_PORT SLIPWAY_DATA
# Where this is set, every start compiles everything anew: twice as long for all that runs here.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help up down reset status logs demo token rotate-keys github-app test test-fast simulate check format gen bench deploy tools deploy-tools web web-dev screenshots lighthouse

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  SLIPWAY_PORT=8800  the web address; the ports behind it follow from it"
	@echo "  SLIPWAY_DATA=DIR   where a local cloud keeps its data (.local/data)"

# ---- the local cloud -------------------------------------------------------------------------

up: tools $(WEB) ## start the whole platform here; Ctrl-C stops it (DETACH=1: return when it is live)
	@$(PY) -m infra.local up $(if $(DETACH),--detach) $(UP)

down: .venv/.ready ## stop it; everything is kept
	@$(PY) -m infra.local down

reset: .venv/.ready ## stop it and forget everything it has kept
	@$(PY) -m infra.local reset

status: .venv/.ready ## what runs, where, how agents are isolated and what is missing for better
	@$(PY) -m infra.local status

logs: .venv/.ready ## follow the logs (PART=aws|yard|web|deploy|api|on-upload|…, FOLLOW=0, LINES=40)
	@$(PY) -m infra.local logs $(if $(PART),--part $(PART)) $(if $(filter 0,$(FOLLOW)),--no-follow) \
	  $(if $(LINES),--lines $(LINES))

demo: .venv/.ready ## fill the local cloud's marketplace with ready-made agents (ONLY="slug …")
	@$(PY) -m infra.local demo $(ONLY)

token: .venv/.ready ## print an API token of the local cloud (EMAIL=you@example.org)
	@test -n "$(EMAIL)" || { echo 'Say for whom: make token EMAIL=you@example.org' >&2; exit 2; }
	@$(PY) -m infra.local token --email "$(EMAIL)"

rotate-keys: .venv/.ready ## new keys take over, nobody is signed out (STAGE=prod: on AWS)
ifeq ($(STAGE),)
	@$(PY) -m infra.local rotate-keys
else
	@$(PY) -m infra.keys --stage "$(STAGE)" $(if $(REVOKE),--revoke)
endif

# ---- tests and the gate ----------------------------------------------------------------------

test: test-fast .local/npm/.ready .venv/.browser $(WEB) ## every test; the last ones against a fresh local cloud of their own
	$(PYTEST) -n 2 tests/simulation
	$(PYTEST) tests/infra
	$(PYTEST) -n 2 --dist loadfile tests/e2e
	$(PYTEST) -n 2 --dist loadfile tests/browser

test-fast: tools .local/npm/.ready $(WEB_TOOLS) ## every quick test that needs no local cloud
	$(NPM) test
	$(PYTEST) -n 2 tests/unit tests/service tests/contract tests/api tests/fuzz tests/house tests/simulation/test_found.py

simulate: tools ## random runs against faults, from a fresh seed (SEED=…, RUNS=200, STRATEGY=source)
	$(PY) -m tests.simulation $(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom)) $(or $(RUNS),200) $(STRATEGY)

check: tools .venv/.browser $(WEB_TOOLS) ## the gate: format, lint, types, import contracts, dead code, generated files
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	$(PY) -m vulture
	$(NPM) run lint
	$(NPM) run types
	$(NPM) run dead
	@before=$$(cat $(GENERATED) 2>/dev/null | cksum); $(MAKE) gen; \
	test "$$before" = "$$(cat $(GENERATED) 2>/dev/null | cksum)" || \
	  { echo 'Generated documents were out of date; `make gen` has written them: commit them.' >&2; exit 1; }

format: .venv/.ready $(WEB_TOOLS) ## put the code in the house's format, mend what can be mended
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .
	$(NPM) run format

gen: .venv/.ready $(WEB_TOOLS) ## write the generated documents, and the web app's types
	$(PY) -m infra.docs
	@$(NPM) run gen >/dev/null

bench: tools $(WEB) .venv/.browser ## measure speed and size, beside their limits; writes .local/bench.json
	$(PY) -m tests.bench

screenshots: tools $(WEB) .venv/.browser ## picture every page in every state into .local/screenshots (ONLY='offer*dark-390')
	@set -f; $(PY) -m tests.browser.screenshots $(ONLY)

lighthouse: tools $(WEB) .venv/.browser ## measure the web app's pages with Lighthouse 12
	$(PY) -m tests.bench.lighthouse $(ONLY)

# ---- the web app -----------------------------------------------------------------------------

web: $(WEB) ## build the web app into frontend/dist

web-dev: $(WEB_TOOLS) ## serve the web app as it is edited, over a local cloud that runs
	@npm --prefix frontend run dev

$(WEB): $(WEB_SOURCES) $(WEB_TOOLS)
	@echo 'Building the web app (frontend/dist)' >&2
	@$(NPM) run build -- --logLevel warn

$(WEB_TOOLS): frontend/package-lock.json
	@echo 'Setting up: the web app (frontend/node_modules)' >&2
	@cd frontend && npm ci --silent --no-audit --no-fund && touch node_modules/.package-lock.json

# ---- AWS -------------------------------------------------------------------------------------

deploy: deploy-tools $(WEB) ## put a stage on AWS (STAGE=prod); says what settings it needs
	@$(DEPLOY_PY) -m infra.deploy --stage "$(STAGE)" --output ".local/outputs-$(STAGE).json"
	@echo "Deployed. What was made is listed in .local/outputs-$(STAGE).json"

github-app: deploy-tools ## make the platform's GitHub App in a browser (STAGE=prod, ORG=acme)
	@$(DEPLOY_PY) -m infra.github_app --stage "$(STAGE)" $(if $(ORG),--organisation "$(ORG)") \
	  $(if $(NAME),--name "$(NAME)") $(if $(PRIVATE),--private)

# ---- tools -----------------------------------------------------------------------------------

tools: $(READY)
	@command -v git >/dev/null || { echo 'git is missing; install it (Debian: apt install git).' >&2; exit 1; }
	@node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' 2>/dev/null || \
	  { echo 'Node.js 20 or newer is missing; agents written for it could not be built.' >&2; exit 1; }

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo '$(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.13 …' >&2; exit 1; }
	@echo 'Setting up: the installer (uv)' >&2
	@mkdir -p .local/venvs
	@$(PYTHON) -m venv --clear .local/venvs/boot >.local/boot.log 2>&1 || { rm -rf .local/venvs/boot; \
	  echo 'Python cannot make virtual environments here: install python3-venv (Debian: apt install python3-venv).' >&2; exit 1; }
	@.local/venvs/boot/bin/python -m pip install -qq --disable-pip-version-check uv==$(UV_VERSION) >&2

.venv/.ready: requirements-dev.txt | $(UV)
	@echo 'Setting up: development tools and the platform (.venv)' >&2
	@test -x $(PY) || $(UV) venv --quiet --python "$$(command -v $(PYTHON))" .venv
	@$(UV) pip install --quiet --python $(PY) -r requirements-dev.txt && touch $@

.venv/.browser: requirements-browser.txt .venv/.ready
	@echo 'Setting up: what drives a browser (.venv)' >&2
	@$(UV) pip install --quiet --python $(PY) -r requirements-browser.txt && touch $@

.local/venvs/emulator/.ready: requirements-emulator.txt | .venv/.ready
	@echo 'Setting up: the AWS emulator (.local/venvs/emulator)' >&2
	@$(call fresh_venv,.local/venvs/emulator,$(PY),requirements-emulator.txt)

.local/venvs/lambda/.ready: requirements-lambda.txt | .venv/.ready
	@echo 'Setting up: what Lambda functions find (.local/venvs/lambda)' >&2
	@$(call fresh_venv,.local/venvs/lambda,$(PY),requirements-lambda.txt)

.local/venvs/deploy/.ready: requirements-dev.txt | $(UV)
	@echo 'Setting up: the tools that deploy (.local/venvs/deploy)' >&2
	@$(call fresh_venv,.local/venvs/deploy,$(DEPLOY_PYTHON),requirements-dev.txt)

deploy-tools: $(UV)
	@test -n "$(STAGE)" || { echo 'Say which stage, such as STAGE=prod' >&2; exit 2; }
	@say='import sys; print(sys.version)'; \
	test "$$($(DEPLOY_PY) -c "$$say" 2>/dev/null)" = "$$($(DEPLOY_PYTHON) -c "$$say")" || rm -rf .local/venvs/deploy
	@$(MAKE) -s .local/venvs/deploy/.ready

.local/npm/.ready: tests/tools/package-lock.json
	@echo 'Setting up: test tools from npm (.local/npm)' >&2
	@mkdir -p .local/npm && cp tests/tools/package.json tests/tools/package-lock.json .local/npm/
	@cd .local/npm && npm ci --silent --no-audit --no-fund && touch .ready

# $(1) folder, $(2) Python, $(3) requirements: a virtual environment with these and nothing else
fresh_venv = rm -rf $(1) && $(UV) venv --quiet --python "$$(command -v $(2) || echo $(2))" $(1) && \
  $(UV) pip install --quiet --python $(1)/bin/python -r $(3) && touch $(1)/.ready
