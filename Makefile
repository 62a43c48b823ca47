# `make` alone prints this help. Everything runs from .venv, which `scripts/setup.py` makes from the locks.
PYTHON ?= python3
BIN := .venv/bin
export PATH := $(CURDIR)/.venv/bin:$(CURDIR)/node_modules/.bin:$(PATH)
export PYTHONPATH :=
PROFILE ?= sandbox
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo sandbox test lint synth audit opinions mutants review deployed preflight deploy destroy rehearse bill pause resume failover failback status rightsizing board snapshots diagram bench lock clean

help:  ## this list
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  options: PROFILE=sandbox|production (synth, audit, review, preflight, deploy, destroy), SLICE=1, KEEP=1 and CONTRACT=diabetes (demo), PYTHON=python3.12, PYTEST_ARGS='-k gate'"

setup:  ## the virtual environment, Node and the CDK command line (the others call it)
	@$(PYTHON) scripts/setup.py

demo: setup  ## the whole story in the embedded account, with a report at the end (SLICE=1: some minutes' worth of data)
	@$(BIN)/python -m demo $(if $(CONTRACT),--contract $(CONTRACT)) $(if $(SLICE),--slice) $(if $(KEEP),--keep)

sandbox: setup  ## the embedded account with the stacks deployed, for the AWS CLI, boto3 and the CDK; Ctrl-C ends it
	@$(BIN)/python -m sandbox up --deploy

test: setup  ## the test suite
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

lint: setup  ## formatting, lint and types
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy

synth: setup  ## CloudFormation templates into cdk.out, checked by cdk-nag and the CDK's linter
	@node_modules/.bin/cdk synth --quiet --context profile=$(PROFILE) && ls -1 cdk.out/*.template.json

# The record of what roles did is the last demo's; without one, that part is left out. The engines of a second
# opinion are installed once; without a network the report says that they did not run.
audit: synth  ## what the templates allow, reach, encrypt and leave open: audit-report/<profile> (PROFILE=production)
	-@$(BIN)/python scripts/opinions.py
	@$(BIN)/python -m audit cdk.out --profile $(PROFILE) --output audit-report/$(PROFILE) --ledger security/ledger.yaml --explanations security/unexercised.yaml $(addprefix --record ,$(wildcard demo-report/exercised.json))

# BASE: a git revision, which is synthesised aside with this environment, or a folder of templates.
review: synth  ## what the templates hold and would change: review-report/<profile> (BASE=main, FAIL_ON=data-loss)
	@$(BIN)/python -m audit.review cdk.out --profile $(PROFILE) --output review-report/$(PROFILE) $(if $(BASE),--base '$(BASE)') $(if $(FAIL_ON),--fail-on '$(FAIL_ON)')

deployed: synth  ## the templates as they are deployed: deployed/<profile>, a base for review (BASE=deployed/sandbox)
	@$(BIN)/python -m deployment.deployed cdk.out --profile $(PROFILE) --output deployed/$(PROFILE) $(if $(DELIVERY),--delivery)

opinions: setup  ## checkov and cloudformation-validate, for a second opinion in the audit (audit calls it)
	@$(BIN)/python scripts/opinions.py

# The production profile: the sandbox keeps nothing, so there is less of it to break.
mutants: PROFILE = production
mutants: synth  ## break templates (and CODE=1: our code) one property at a time: does a check notice? some minutes
	@$(BIN)/python -m audit.mutants $(if $(CODE),--code,cdk.out) $(if $(WRITE),--write)

preflight: setup  ## would a deployment come through? quotas, Region, names, bootstrap, each with the command that mends it (REGION=, ACCOUNT=)
	@$(BIN)/python -m deployment.preflight --profile $(PROFILE) $(if $(REGION),--region $(REGION)) $(if $(ACCOUNT),--account $(ACCOUNT))

# DELIVERY=1, APP=cdk.out: for a pipeline, whose role may only take on roles of the bootstrap.
deploy: setup  ## make a deployment in the account of your credentials, or bring it up to date (PROFILE=sandbox; ACCOUNT=, REGION=: refuse others; SKIP_PREFLIGHT='why')
	@$(BIN)/python -m deployment deploy --profile $(PROFILE) $(if $(ACCOUNT),--account $(ACCOUNT)) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes) $(if $(DELIVERY),--delivery) $(if $(APP),--app '$(APP)') $(if $(SKIP_PREFLIGHT),--skip-preflight '$(SKIP_PREFLIGHT)')

destroy: setup  ## delete a deployment from the account of your credentials, after a yes (PROFILE=sandbox; YES=1: without)
	@$(BIN)/python -m deployment destroy --profile $(PROFILE) $(if $(ACCOUNT),--account $(ACCOUNT)) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes)

rehearse: synth  ## deploy and destroy from every half-made state, in the embedded account: docs/rehearsal.md; minutes
	@$(BIN)/python -m rehearsal cdk.out --result docs/rehearsal.md

bill: setup  ## what the profiles cost (PROFILE=..., KNOBS="--predictions-per-day 50000", JSON=1; WRITE=1: README's table)
	@$(BIN)/python scripts/bill.py $(if $(filter command environment,$(origin PROFILE)),--profile $(PROFILE)) $(if $(JSON),--json) $(if $(WRITE),--write) $(KNOBS)

pause: setup  ## take away what costs by existing; data, models and the champion stay (PROFILE=sandbox; YES=1: without asking)
	@$(BIN)/python -m deployment.pause pause --profile $(PROFILE) $(if $(YES),--yes)

resume: setup  ## bring back what a pause took away (PROFILE=sandbox)
	@$(BIN)/python -m deployment.pause resume --profile $(PROFILE)

failover: setup  ## have the second Region answer (REGION=the second one; PROFILE=sandbox; YES=1; REHEARSAL=1: although the first still does)
	@$(BIN)/python -m deployment failover --profile $(PROFILE) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes) $(if $(REHEARSAL),--although-healthy)

failback: setup  ## have the first Region answer again, with what the second was asked meanwhile (REGION=the first one; YES=1)
	@$(BIN)/python -m deployment failback --profile $(PROFILE) $(if $(REGION),--region $(REGION)) $(if $(YES),--yes)

# The account's credentials and Region are those of the environment; AT: where its clock is not this machine's.
status: setup  ## how a deployment does: runs, models, alarms, data, cost (PROFILE=sandbox; JSON=1; exit 1: something rings)
	@$(BIN)/python -m deployment.status --profile $(PROFILE) $(if $(JSON),--json) $(if $(AT),--at $(AT))

rightsizing: setup  ## what is too large or too small by its metrics, and the change to make (PROFILE=sandbox; DAYS=14; JSON=1)
	@$(BIN)/python -m deployment.rightsizing --profile $(PROFILE) $(if $(DAYS),--days $(DAYS)) $(if $(JSON),--json) $(if $(AT),--at $(AT))

board: setup  ## a deployment's dashboard as a picture, build/dashboard.png (PROFILE=sandbox; DAYS=7)
	@$(BIN)/python scripts/board.py --name mlref-$(PROFILE)-loop $(if $(DAYS),--days $(DAYS)) $(if $(AT),--at $(AT))

snapshots: setup  ## rewrite tests/snapshots after a change that was meant; review reads the diff
	@UPDATE_SNAPSHOTS=1 $(BIN)/python -m pytest -q tests -m "not journey" -k "snapshot or logical_id" $(PYTEST_ARGS)

diagram: setup  ## draw the generated parts of docs/architecture.md again, from the templates
	@$(BIN)/python scripts/diagram.py

bench: setup  ## how fast it all is, against its budgets; some minutes (ONLY=transform,endpoint, LONG=1: ten times the data too)
	@$(BIN)/python -m benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(LONG),--long)

lock: setup  ## resolve the dependencies of pyproject.toml and of the second opinions again
	@$(BIN)/python scripts/lock.py && $(BIN)/python scripts/opinions.py lock

clean:  ## remove what the other targets made, the virtual environment included
	rm -rf .venv .opinions node_modules cdk.out .sandbox demo-report audit-report review-report deployed build
