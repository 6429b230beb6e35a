# A thin front of Meson: no compile rules here. `make run` shows the main job, `make test` runs all tests.
PREFIX ?= /usr/local
DESTDIR ?=
SECONDS ?= 60
BUILD := build
ASAN := build-asan

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile

deps: ## install what is missing (Debian packages; names them first)
	@tools/deps

deps-agents: deps ## install the agent CLIs that some tests run (npm packages, pinned); without them those tests are skipped
	@tools/deps-agents

$(BUILD)/build.ninja: | deps
	meson setup $(BUILD) --buildtype=debugoptimized --prefix=$(PREFIX)

$(ASAN)/build.ninja: | deps
	CC=clang meson setup $(ASAN) -Db_sanitize=address,undefined -Db_lundef=false --prefix=$(PREFIX)

build: deps $(BUILD)/build.ninja ## build
	@ninja -C $(BUILD)

run: build ## the main job before your eyes, in a throwaway clone (BACKEND=claude-code or codex: by agents of yours)
	@tools/demo $(BUILD)/coppice $(BACKEND)

test: build $(ASAN)/build.ninja ## build and run all tests (gcc, then clang with ASan and UBSan)
	@ninja -C $(ASAN)
	@tools/run-tests $(BUILD) $(ASAN)

asan: deps $(ASAN)/build.ninja ## the tests under clang with ASan and UBSan
	@ninja -C $(ASAN)
	@tools/run-tests $(ASAN)

lint: build $(ASAN)/build.ninja ## formatting, layers, shell scripts, longest functions, clang-tidy
	@tools/lint $(ASAN)

fuzz: deps ## every fuzzer for SECONDS each
	@tools/fuzz $(SECONDS)

soak: build $(ASAN)/build.ninja ## long runs: crashes, simulator, fuzzers
	@tools/soak $(BUILD) $(ASAN)

bench: build ## figures, each with its command and baseline
	@tests/bench/bench $(BUILD)

install: build ## install under PREFIX (DESTDIR is honoured)
	@meson configure $(BUILD) --prefix=$(PREFIX) >/dev/null
	@ninja -C $(BUILD) build.ninja >/dev/null
	@DESTDIR=$(DESTDIR) meson install -C $(BUILD) --no-rebuild --quiet

clean: ## remove what was built
	rm -rf $(BUILD) $(ASAN) build-fuzz

.PHONY: help deps deps-agents build run test asan lint fuzz soak bench install clean
