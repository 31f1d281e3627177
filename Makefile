# Everything that one does with NextPlay on one machine. Bare `make` prints what there is.
.DEFAULT_GOAL := help
.SUFFIXES:
MAKEFLAGS += --no-print-directory

PY := .venv/bin/python
LOCAL := $(PY) -m deploy.local
INSTALLED := .venv/.ready

# Of what the platform consists, where it is more than the least.
SHAPE = $(if $(filter-out 0,$(REPLICA)),--replica) $(if $(KAFKA),--kafka=$(KAFKA)) $(if $(SCALE),--scale=$(SCALE))
STUDIO := web/dist/.built
# The platform works without its pages, so that a machine which reaches no npm registry has it all the same.
WITH_STUDIO = $(MAKE) -s $(STUDIO) || echo "Going on without Studio."

##@ Run

.PHONY: run
run: $(INSTALLED) ## Start the platform, take a clip from upload to published, stay up until Ctrl-C (CLIP=file for your own; and as `up`)
	@$(WITH_STUDIO)
	@exec $(LOCAL) run $(if $(CLIP),--clip "$(CLIP)") $(SHAPE)

.PHONY: up
up: $(INSTALLED) ## Start the platform in the background; returns when everything is ready (REPLICA=1, KAFKA=apache, SCALE=2)
	@$(WITH_STUDIO)
	@exec $(LOCAL) up $(SHAPE)

.PHONY: down
down: $(INSTALLED) ## Stop the platform; its data stays
	@exec $(LOCAL) down

.PHONY: demo
demo: $(INSTALLED) ## Take a clip from upload to published on the running platform, or on a temporary one (CLIP=file)
	@exec $(LOCAL) demo $(if $(CLIP),--clip "$(CLIP)")

.PHONY: status
status: $(INSTALLED) ## Show what runs, and where
	@exec $(LOCAL) status

.PHONY: clean
clean: ## Stop the platform and remove its data, and what tests and tools left behind
	@if [ -e $(INSTALLED) ]; then $(LOCAL) clean; else rm -rf .nextplay; fi
	@rm -rf .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@rm -rf web/dist web/node_modules web/src/api/schema.d.ts

##@ Check

.PHONY: test
test: $(INSTALLED) ## Run the tests on a platform of their own
	@$(WITH_STUDIO)
	@tests/browser/set_up.sh || true
	@exec $(PY) -m pytest -m "not long"

.PHONY: test-long
test-long: $(INSTALLED) ## Run all tests, with the repetitions, kills and faults that take long
	@$(WITH_STUDIO)
	@tests/browser/set_up.sh || true
	@exec $(PY) -m pytest

.PHONY: lint
lint: $(INSTALLED) ## Check style, types, import rules, protos, CloudFormation, Studio's TypeScript; look for secrets
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	@cd protos && ../$(PY) -c 'import generate; generate.lay_out_googleapis()'
	.venv/bin/buf lint
	@PATH="$(CURDIR)/.venv/bin:$$PATH" protos/breaking.sh
	.venv/bin/cfn-lint deploy/aws/*.yaml
	@[ ! -x .venv/bin/hadolint ] || .venv/bin/hadolint Dockerfile
	$(PY) -m deploy.audit.secrets_scan
	deploy/local/web.sh npm run --silent check

.PHONY: audit
audit: $(INSTALLED) ## Look for known vulnerabilities in what the lock files pin (fails too where the data is out of reach)
	@exec $(PY) -m deploy.audit

.PHONY: test-kafka
test-kafka: $(INSTALLED) ## Run the tests of events, and clips through two instances of everything, on Apache Kafka (SHORT=1: events)
	@$(PY) -m deploy.local.apache_kafka
	@KAFKA=apache exec $(PY) -m pytest -m "not long" tests/integration/test_kafka_secured.py \
		tests/integration/test_chassis_rebalancing.py $(if $(filter-out 0,$(SHORT)),, \
		tests/integration/test_chassis_consumer.py tests/integration/test_chassis_outbox.py \
		tests/integration/test_deploy_topics.py tests/integration/test_local_stack_files.py \
		tests/integration/test_chassis_metrics.py tests/integration/test_operating_letters.py \
		tests/e2e/test_instances.py tests/e2e/test_whole_way.py tests/e2e/test_notifications.py)

.PHONY: helm-check
helm-check: $(INSTALLED) ## Lint the chart, render it with each file of values, and check every object (also a part of make test)
	@exec $(PY) -m pytest tests/chart

.PHONY: bench
bench: $(INSTALLED) ## Measure, and print the results as ratios with how they were taken
	@exec $(PY) -m benchmarks

##@ Develop

.PHONY: web
web: $(STUDIO) ## Build Studio and the page of the API's documentation where their sources changed

.PHONY: screenshots
screenshots: $(INSTALLED) $(STUDIO) ## Take the pictures of Studio in docs/images, in Chromium
	@tests/browser/set_up.sh
	@exec $(PY) -m tests.browser.screenshots

.PHONY: image
image: ## Build the image of all processes; needs a builder like Docker (PYTHON_IMAGE, NODE_IMAGE by digest, IMAGE its name)
	docker build $(foreach name,PYTHON_IMAGE NODE_IMAGE,$(if $($(name)),--build-arg $(name)=$($(name)))) \
		--tag $(or $(IMAGE),nextplay:$(shell sed -n 's/^appVersion: "\(.*\)"/\1/p' deploy/helm/nextplay/Chart.yaml)) .

.PHONY: proto
proto: $(INSTALLED) ## Generate protos/gen from the protos
	$(PY) protos/generate.py

.PHONY: docs
docs: $(INSTALLED) ## Write docs/metrics.md, docs/log-events.md and the dashboard from the code
	@exec $(PY) -m deploy.observability

.PHONY: lock
lock: $(INSTALLED) ## Pin the dependencies of pyproject.toml in requirements.lock, and of them those of the image
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		--all-extras pyproject.toml -o requirements.lock
	.venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
		$(addprefix --extra ,upload media catalog notify gateway) pyproject.toml clients/python/pyproject.toml \
		--constraint requirements.lock -o deploy/image/requirements.lock
	echo setuptools | .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
		--no-header --constraint requirements.lock - -o deploy/image/build.lock

.PHONY: help
help: ## Print this
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The types of the API that Studio is checked with come from the descriptors.
$(STUDIO): $(shell find web \( -name node_modules -o -name dist -o -name tests \) -prune -o -type f ! -name schema.d.ts -print) \
		protos/gen/descriptors.binpb protos/gen/comments.json $(wildcard gateway/openapi*) gateway/schema.py \
		deploy/local/web.sh | $(INSTALLED)
	@deploy/local/web.sh

# What a change of these changes is what is installed.
$(INSTALLED): requirements.lock pyproject.toml $(wildcard clients/python/pyproject.toml)
	@deploy/local/install.sh
