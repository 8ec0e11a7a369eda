# The first two commands are `make run` and `make test`; everything else builds on them.
PY := .venv/bin/python
SEED ?= 1
SEEDS ?= 1 2 3
CUTS ?= 100000
DAYS ?= 200
KILLS ?= 300

.PHONY: block-cuts fuzz-env receiptline simulate kills cuts emupos cbor5 oracle day-check help run test check format lint types imports docs bench pins env env-dev clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

env:
	@scripts/setup-env base

env-dev:
	@scripts/setup-env dev

run: env  ## a whole business day on the host board, against the simulators
	@.venv/bin/posfw day --board host --seed $(SEED) --out out/day

test: env-dev  ## every test this machine can run; what it cannot run is named
	@$(PY) -m pytest -q $(TESTS)

check: env-dev lint types imports docs  ## format, lint, types, import rules, docs, tests
	@$(MAKE) --no-print-directory test

format: env-dev  ## rewrite to the house format
	@$(PY) -m ruff format src tests bench scripts
	@$(PY) -m ruff check --fix src tests bench scripts

lint: env-dev
	@$(PY) -m ruff format --check src tests bench scripts
	@$(PY) -m ruff check src tests bench scripts

types: env-dev
	@$(PY) -m mypy

imports: env-dev
	@.venv/bin/lint-imports

docs: env-dev
	@$(PY) scripts/check-docs.py
	@$(PY) scripts/check-guide.py
	@$(PY) scripts/catalogues.py check

oracle: .venv-oracle/ready  ## the second COSE implementation, in an environment of its own

.venv-oracle/ready: requirements/oracle.txt | env-dev
	@$(PY) -m venv .venv-oracle
	@.venv-oracle/bin/python -m pip install --quiet --require-hashes -r requirements/oracle.txt
	@touch $@

cbor5: oracle  ## codec, crypto, uplink and journal with cbor2 5.9 in pure Python, as armv7 has it
	@mkdir -p .venv-oracle/pure && ln -sfn "$$(.venv-oracle/bin/python -c 'import cbor2; print(cbor2.__path__[0])')" .venv-oracle/pure/cbor2
	@PYTHONPATH=.venv-oracle/pure $(PY) -c 'import cbor2, sys; sys.exit(f"not 5.9 in pure Python: {cbor2.__file__}" if "_cbor2" in sys.modules or hasattr(cbor2, "frozendict") else 0)'
	@PYTHONPATH=.venv-oracle/pure $(PY) -m pytest -q tests/codec tests/crypto tests/uplink tests/journal

emupos:  ## the foreign printer that judges slips, in an environment of its own (Python 3.13)
	@scripts/setup-emupos

receiptline:  ## the foreign receipt writer that judges bytes and dots (needs node and npm)
	@command -v npm >/dev/null || { echo "receiptline: no npm was found; slips are judged without it" >&2; exit 0; }; \
	cp requirements/node/package.json requirements/node/package-lock.json . && npm ci --silent --ignore-scripts --no-audit --no-fund; \
	status=$$?; rm -f package.json package-lock.json; exit $$status

day-check: env-dev  ## the business day must balance for several seeds
	@mkdir -p out; for seed in $(SEEDS); do .venv/bin/posfw day --seed $$seed --out out/day-$$seed --json >out/day-$$seed.json || exit 1; echo "seed $$seed balanced"; done

cuts: env-dev  ## cut the power of the journal CUTS times (SEED), and of wrong ones that must fail
	@$(PY) -m tests.power.campaign --cuts $(CUTS) --seed $(SEED)

block-cuts: CUTS = 60
block-cuts: BLOCKS = PYTHONPATH=scripts/qemu:scripts/flash $(PY) -m tests.blocks.campaign
block-cuts: env-dev  ## cut the power of a disk under the terminal in QEMU CUTS times (60; SEED)
	@$(BLOCKS) --tools
	@$(MAKE) --no-print-directory image BOARD=qemu-virt-arm64
	@$(BLOCKS) --cuts $(CUTS) --seed $(SEED)

simulate: env-dev  ## DAYS terminal-days on virtual time with every fault (SEED), and wrong terminals
	@$(PY) -m tests.simulation --days $(DAYS) --seed $(SEED) --plants 20

kills: env-dev  ## SIGKILL the real terminal KILLS times while it sells
	@$(PY) -m tests.system.sigkill --kills $(KILLS) --seed $(SEED)

fuzz-env: .venv-fuzz/ready  ## atheris, which guides a third of the fuzzing (wheels: x86_64)

.venv-fuzz/ready: requirements/fuzz.txt | env-dev
	@$(PY) -m venv .venv-fuzz
	@.venv-fuzz/bin/python -m pip install --quiet --require-hashes -r requirements/fuzz.txt
	@touch $@

SECONDS ?= 60
DECODER ?= 0
fuzz: env-dev  ## mutants, atheris and hypothesis at every parser for SECONDS; ends with one JSON line
	@$(PY) -m tests.fuzz $(SECONDS) --decoder $(DECODER)

.venv-bench/ready: requirements/bench.txt | env-dev
	@$(PY) -m venv .venv-bench
	@.venv-bench/bin/python -m pip install --quiet --require-hashes -r requirements/bench.txt
	@touch $@

BOARD ?= qemu-virt-arm64
image: env-dev  ## the image of BOARD, from pinned packages, in out/image/BOARD
	@$(PY) scripts/flash/image --board $(BOARD)

qemu: image  ## a short business day in the image of BOARD, in QEMU, by hand afterwards
	@$(PY) scripts/qemu/run --board $(BOARD)

qemu-test: image  ## the image of BOARD in QEMU: day, power cut, hardware
	@POSFW_QEMU=$(BOARD) $(PY) -m pytest -q -s tests/qemu

bench: env-dev .venv-bench/ready  ## every performance claim as a ratio measured in this run
	@$(PY) -m bench

pins:  ## regenerate requirements/*.txt (needs uv)
	scripts/pin-requirements

clean:
	rm -rf .venv out build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
