# The verbs of this repository. `make build` and `make demo` are all that a user needs.
PREFIX ?= /usr/local
JOBS := $(shell nproc 2>/dev/null || echo 2)

.PHONY: help build demo test proof proof-release bench bench-compare bench-peers bench-scale lint format coverage install clean

help:
	@echo 'make build     install what is missing and build the gateway: build/release/holdfast'
	@echo 'make demo      build, then watch exactly-once survive several kills'
	@echo 'make test      everything that is checked, in one go'
	@echo 'make proof     of these, what looks for schedules and inputs that break a promise'
	@echo 'make proof-release   the same, for a night'
	@echo 'make bench     how fast it is on this machine'
	@echo 'make bench-compare BASE=REV   this tree and a commit of before in turns, with ratios'
	@echo 'make bench-peers   the same load on Restate beside it, half an hour (RUNS=1 SECONDS=1 KEYS=2000: a minute)'
	@echo 'make bench-scale   how cost grows with keys, values, connections, what waits: half an hour (SCALE_QUICK=1: a minute)'
	@echo 'make lint      format, house rules, static analysis'
	@echo 'make format    mend the format'
	@echo 'make coverage  which lines of the engine the tests run'
	@echo 'make install   stripped, into PREFIX ($(PREFIX)), DESTDIR is honoured'
	@echo 'make clean     remove build/'

build:
	@scripts/setup build
	@cmake --preset release -DCMAKE_INSTALL_PREFIX=$(PREFIX) >/dev/null
	@cmake --build --preset release -j $(JOBS) --target holdfast

demo:
	@scripts/setup demo
	@$(MAKE) --no-print-directory build
	@examples/billing/demo

test:
	@scripts/setup test
	@scripts/test

proof:
	@scripts/setup test
	@scripts/test proof

proof-release:
	@scripts/setup test
	@scripts/test release

bench: build
	@cmake --build --preset release -j $(JOBS) --target tests/perf/all
	@tests/perf/run-bench

bench-compare: build
	@cmake --build --preset release -j $(JOBS) --target tests/perf/all
	@base=$$(tests/perf/build-base "$(BASE)") && tests/perf/run-bench --base "$$base"

bench-peers: build
	@scripts/setup test
	@cmake --build --preset release -j $(JOBS) --target tests/perf/all
	@tests/perf/run-peers

bench-scale: build
	@cmake --build --preset release -j $(JOBS) --target tests/perf/all
	@tests/perf/run-scale

lint:
	@scripts/setup test
	@scripts/lint

format:
	@git ls-files -z -- '*.c' '*.h' | xargs -0 clang-format -i

coverage:
	@scripts/setup test
	@scripts/coverage -v

install: build
	@cmake --install build/release --prefix $(PREFIX) --strip

clean:
	@rm -rf build
