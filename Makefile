# Parley's build. One file, no recursion into folders; a source list per folder, found by wildcard.
#
#   make            the library and the daemons, in build/release/
#   make help       every target and variable
#
# Every variant has its own folder (build/<variant>/), so that release and sanitizer builds live side by side.
# Paths are relative on purpose: make cannot handle a checkout path with spaces any other way.

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-builtin-rules

# ---- variables a caller may set --------------------------------------------------------------------------------

# SANITIZER=address|thread is the short way to say VARIANT=asan|tsan.
SANITIZER ?=
VARIANT ?= $(if $(filter address,$(SANITIZER)),asan,$(if $(filter thread,$(SANITIZER)),tsan,release))
BUILD_DIR ?= build
V ?= 0
CC = gcc
FUZZ_CC ?= clang
FUZZ_SECONDS ?= 10
PYTHON ?= /usr/bin/python3
JOBS ?= $(shell nproc 2>/dev/null || echo 2)

VARIANTS := release chaos asan tsan gcov valgrind
ifeq ($(filter $(VARIANT),$(VARIANTS)),)
$(error VARIANT=$(VARIANT) is not one of: $(VARIANTS))
endif
ifneq ($(filter-out address thread,$(SANITIZER)),)
$(error SANITIZER=$(SANITIZER) is not one of: address thread)
endif

OUT := $(BUILD_DIR)/$(VARIANT)
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),@:,@printf '  %-7s %s\n' $(1) '$(2)')

# ---- flags -----------------------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion
ifneq ($(filter true 1,$(CI) $(WERROR)),)
WARNINGS += -Werror
endif

# _GNU_SOURCE: accept4, pipe2, eventfd, explicit_bzero. libpq's headers are a system's, not ours to warn about.
DEFINES := -D_GNU_SOURCE= -I. -isystem /usr/include/postgresql

OPTIMIZE_release := -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong -fstack-clash-protection \
    $(if $(filter x86_64,$(shell uname -m)),-fcf-protection)
# Failpoints and planted bugs (docs/faults.md) are in the builds that tests hurt, and in no other.
OPTIMIZE_chaos := $(OPTIMIZE_release) -DPARLEY_CHAOS
OPTIMIZE_asan := -DPARLEY_CHAOS -O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
OPTIMIZE_tsan := -DPARLEY_CHAOS -O1 -g -fsanitize=thread -fno-omit-frame-pointer
OPTIMIZE_gcov := -O0 -g --coverage -fprofile-update=atomic
OPTIMIZE_valgrind := -DPARLEY_VALGRIND -O1 -g -fno-omit-frame-pointer
LINK_release := -Wl,-z,relro,-z,now
LINK_chaos := $(LINK_release)
LINK_asan := -fsanitize=address,undefined
LINK_tsan := -fsanitize=thread
LINK_gcov := --coverage

CFLAGS ?=
LDFLAGS ?=
ALL_CFLAGS = -std=gnu17 $(WARNINGS) -fPIE $(OPTIMIZE_$(VARIANT)) $(DEFINES) $(CFLAGS)
ALL_LDFLAGS = -pie $(LINK_$(VARIANT)) -Wl,--as-needed $(LDFLAGS)
LIBS := -lnng -levent_core -levent_extra -levent_pthreads -lpq -lhiredis -lcjson -lsodium -lmd -lhttp_parser -lpthread -lm
TEST_LIBS := -lcmocka -lwslay

# ---- sources ---------------------------------------------------------------------------------------------------

LAYERS := base net proto store client daemon
SERVICES := user metadata chat delivery

SHARED_SOURCES := $(foreach layer,$(LAYERS),$(wildcard shared/$(layer)/*.c))
SERVICE_SOURCES := $(foreach service,$(SERVICES),$(wildcard services/$(service)/*.c))
UNIT_SOURCES := $(wildcard tests/unit/test_*.c)
MODEL_SOURCES := $(wildcard tests/model/test_*.c)
TEST_HELPER_SOURCES := $(filter-out $(UNIT_SOURCES) $(MODEL_SOURCES),$(wildcard tests/unit/*.c tests/model/*.c))
CLIENT_SOURCES := $(wildcard tests/client/*.c)
REPLAY_SOURCES := $(wildcard tests/replay/*.c)
BENCH_SOURCES := $(wildcard tests/bench/load/*.c)
GUARD_SOURCES := $(wildcard tests/bench/guard/*.c)
CHAOS_SOURCES := $(wildcard tests/chaos/load/*.c)
FUZZ_SOURCES := $(wildcard tests/fuzz/fuzz_*.c)

objects = $(patsubst %.c,$(OUT)/obj/%.o,$(1))
service_objects = $(call objects,$(filter-out %/main.c,$(wildcard services/$(1)/*.c)))

LIBRARY := $(OUT)/libparley.a
BUILT_SERVICES := $(foreach service,$(SERVICES),$(if $(wildcard services/$(service)/main.c),$(service)))
DAEMONS := $(BUILT_SERVICES:%=$(OUT)/bin/parley-%)
REPLAY := $(if $(REPLAY_SOURCES),$(OUT)/bin/parley-replay)
CHAOS_LOAD := $(OUT)/bin/parley-chaos-load
BENCH := $(OUT)/bin/parley-bench
GUARD := $(OUT)/bin/parley-guard
UNIT_TESTS := $(UNIT_SOURCES:tests/%.c=$(OUT)/tests/%)
MODEL_TESTS := $(MODEL_SOURCES:tests/%.c=$(OUT)/tests/%)
FUZZERS := $(FUZZ_SOURCES:tests/fuzz/%.c=$(BUILD_DIR)/fuzz/%)

ALL_SOURCES := $(SHARED_SOURCES) $(SERVICE_SOURCES) $(UNIT_SOURCES) $(MODEL_SOURCES) $(TEST_HELPER_SOURCES) \
    $(CLIENT_SOURCES) $(REPLAY_SOURCES) $(CHAOS_SOURCES) $(BENCH_SOURCES) $(GUARD_SOURCES)
FORMATTED := $(ALL_SOURCES) $(FUZZ_SOURCES) $(wildcard shared/*/*.h services/*/*.h tests/*/*.h tests/*/*/*.h)

# ---- targets people call ---------------------------------------------------------------------------------------

.PHONY: all daemons tests run demo reference stop status test test-unit test-sdk test-system test-browser test-deploy test-chaos chaos chaos-load replay bench bench-peers bench-growth guard fuzz valgrind coverage lint \
    format clean help install-run install-replay install-test install-bench install-lint install-fuzz \
    install-analysis fuzzers

all: daemons ## the library and the daemons (default)
daemons: $(LIBRARY) $(DAEMONS)
	@:
chaos-load: $(CHAOS_LOAD)
	@:
tests: daemons $(REPLAY) $(BENCH) $(GUARD) $(UNIT_TESTS) $(MODEL_TESTS) ## everything that `make test` runs, built only
	@:

# Packages first, then the build: on a bare machine there is no compiler before this has run.
install-run:
	$(Q)deploy/install run build
install-replay:
	$(Q)deploy/install run build replay
install-test:
	$(Q)deploy/install run build replay test bench
install-bench:
	$(Q)deploy/install run build replay bench
install-fuzz:
	$(Q)deploy/install build fuzz
install-analysis:
	$(Q)deploy/install build test analysis
install-lint:
	$(Q)deploy/install build lint

run: install-run ## serve http://127.0.0.1:8080 (PARLEY_PORT); installs what lacks, builds, starts; Ctrl-C stops
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) daemons
	$(Q)PARLEY_BUILD_DIR='$(BUILD_DIR)' PARLEY_VARIANT='$(VARIANT)' exec deploy/supervisor run

demo: install-run ## the same with two accounts already talking in two panes: a demonstration, with data of its own
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) daemons
	$(Q)PARLEY_DEMONSTRATION=1 PARLEY_BUILD_DIR='$(BUILD_DIR)' PARLEY_VARIANT='$(VARIANT)' exec deploy/supervisor run

reference: install-test ## write the reference page of the API anew (web/reference) from api/*.yaml
	$(Q)api/reference --write

stop: ## stop what `make run` started from this checkout
	$(Q)deploy/supervisor stop

status: ## what runs: name, pid, uptime, restarts, readiness
	$(Q)deploy/supervisor status

test: install-test ## every test, unit to browser; ends with `N passed, N failed`
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) tests
	+$(Q)$(if $(filter release,$(VARIANT)),$(MAKE) --no-print-directory VARIANT=chaos -j$(JOBS) daemons chaos-load)
	$(Q)BUILD_DIR='$(BUILD_DIR)' VARIANT='$(VARIANT)' PYTHON='$(PYTHON)' tests/run

test-unit: $(UNIT_TESTS) $(MODEL_TESTS) ## the unit and model tests only
	$(Q)BUILD_DIR='$(BUILD_DIR)' VARIANT='$(VARIANT)' tests/run unit model

test-sdk: ## the tests of the JavaScript SDK in Node only
	$(Q)tests/run sdk

test-browser: daemons ## the page in Chromium against the real daemons only; pictures in build/browser (ARGS='-k name' goes to pytest)
	$(Q)BUILD_DIR='$(BUILD_DIR)' VARIANT='$(VARIANT)' PYTHON='$(PYTHON)' tests/run browser

test-system: daemons $(BENCH) ## the tests of the real daemons only (ARGS='-k name' goes to pytest)
	$(Q)BUILD_DIR='$(BUILD_DIR)' VARIANT='$(VARIANT)' PYTHON='$(PYTHON)' tests/run system $(if $(ARGS),,faults)

test-deploy: daemons $(GUARD) ## the tests of the supervisor, the migrations and the front door only
	$(Q)BUILD_DIR='$(BUILD_DIR)' VARIANT='$(VARIANT)' PYTHON='$(PYTHON)' tests/run deploy

replay: install-replay ## LOG=file: a chat log through the real system, every delivery checked
	$(if $(LOG),,$(error which log? make replay LOG=file))
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) daemons '$(REPLAY)'
	$(Q)PARLEY_BUILD_DIR='$(BUILD_DIR)' PARLEY_VARIANT='$(VARIANT)' exec tests/replay/run "$(LOG)"

chaos: install-test ## the contract under faults, about 15 minutes; CHAOS_SHOTS, CHAOS_SECONDS, CHAOS_SEED, ARGS
	+$(Q)$(MAKE) --no-print-directory VARIANT=chaos -j$(JOBS) daemons chaos-load
	$(Q)PARLEY_VARIANT=chaos PARLEY_BUILD_DIR='$(BUILD_DIR)' exec tests/chaos/run $(ARGS)

test-chaos: ## the judge, the planted bugs, and the short form of `make chaos`
	+$(Q)$(MAKE) --no-print-directory VARIANT=chaos -j$(JOBS) daemons chaos-load
	$(Q)BUILD_DIR='$(BUILD_DIR)' PYTHON='$(PYTHON)' tests/run chaos

fuzzers: $(FUZZERS)
	@:
bench: install-replay ## how fast and how small, against the targets: BENCH_RUNS of each workload (5), ARGS='--only storm'
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) daemons '$(BENCH)'
	$(Q)PARLEY_BUILD_DIR='$(BUILD_DIR)' exec tests/bench/run $(ARGS)

bench-peers: install-replay ## the same, and the same work against what one would use instead, in turn; says what it needs
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) daemons '$(BENCH)'
	$(Q)PARLEY_BUILD_DIR='$(BUILD_DIR)' exec tests/bench/run --peers $(ARGS)

bench-growth: install-bench ## how cost grows, as curves in docs/plots: BENCH_RUNS of each (3), ARGS='sync_by_chats'
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) daemons '$(BENCH)'
	$(Q)PARLEY_BUILD_DIR='$(BUILD_DIR)' tests/bench/run --growth $(ARGS)
	$(Q)exec tests/bench/plots.py

guard: install-analysis ## instructions of a message's way against those of the base commit (GUARD_BASE=REV)
	$(Q)BUILD_DIR='$(BUILD_DIR)' exec tests/bench/guard/run $(ARGS)

fuzz: install-fuzz ## every decoder under ASan and UBSan, FUZZ_SECONDS each (default 10), from tests/fuzz/corpus
	+$(Q)$(MAKE) --no-print-directory -j$(JOBS) fuzzers
	$(Q)BUILD_DIR='$(BUILD_DIR)' FUZZ_SECONDS='$(FUZZ_SECONDS)' tests/run fuzz

valgrind: install-analysis ## the unit and model tests, and the daemons in a short run, under valgrind
	+$(Q)$(MAKE) --no-print-directory VARIANT=valgrind test-unit
	+$(Q)$(MAKE) --no-print-directory VARIANT=valgrind ARGS='-k test_messages' test-system

coverage: install-analysis ## which lines the unit and model tests reach
	+$(Q)$(MAKE) --no-print-directory VARIANT=gcov test-unit
	$(Q)gcovr --object-directory '$(BUILD_DIR)/gcov' --filter shared/ --filter services/

lint: install-lint ## formatting, static checks, shell scripts
	$(Q)deploy/lint

format: ## rewrite the C sources in the project's style
	$(Q)clang-format -i $(FORMATTED)

clean: ## remove everything that was built (never var/, which holds data)
	$(Q)rm -rf -- '$(BUILD_DIR)'

help: ## this list
	@printf 'targets:\n'
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | while IFS="$$(printf '\t')" read -r name text; do \
	    printf '  %-12s %s\n' "$$name" "$$text"; done
	@printf '\nvariables:\n'
	@printf '  %-22s %s\n' 'V=1' 'show every command' \
	    'VARIANT=NAME' 'one of: $(VARIANTS)' 'SANITIZER=address' 'the same as VARIANT=asan (thread: tsan)' \
	    'WERROR=1, CI=true' 'warnings are errors' 'BUILD_DIR=PATH' 'instead of build/' \
	    'PARLEY_PORT=8080' 'of the front door; deploy/supervisor --help lists the rest'

# ---- rules -----------------------------------------------------------------------------------------------------

$(OUT)/obj/%.o: %.c Makefile
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# An archive is made anew each time: `ar` would keep the objects of files that are gone.
define archive
	$(call say,AR,$@)
	$(Q)mkdir -p $(@D)
	$(Q)rm -f $@
	$(Q)ar rcs $@ $^
endef

define link
	$(call say,LINK,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(1) $(LIBS)
endef

$(LIBRARY): $(call objects,$(SHARED_SOURCES))
	$(archive)

# The parts of a service without its main: daemons and tests of parts link it. It is an archive so that a test's fake
# of a function wins over the real one.
define service_rules
$(OUT)/lib$(1).a: $(call service_objects,$(1))
	$$(archive)

$(OUT)/bin/parley-$(1): $(OUT)/obj/services/$(1)/main.o $(OUT)/lib$(1).a $(LIBRARY)
	$$(call link)
endef
$(foreach service,$(SERVICES),$(eval $(call service_rules,$(service))))

$(OUT)/bin/parley-replay: $(call objects,$(REPLAY_SOURCES) $(CLIENT_SOURCES)) $(LIBRARY)
	$(call link,-lwslay)

$(BENCH): $(call objects,$(BENCH_SOURCES)) $(LIBRARY)
	$(call link,-lwslay)

$(GUARD): $(call objects,$(GUARD_SOURCES)) $(OUT)/libdelivery.a $(OUT)/libchat.a $(LIBRARY)
	$(call link)

$(CHAOS_LOAD): $(call objects,$(CHAOS_SOURCES) $(CLIENT_SOURCES)) $(LIBRARY)
	$(call link,-lwslay)

# tests/unit/test_<service>_<part>.c is linked with the parts of that service, every other test with the library only.
service_of = $(filter $(SERVICES),$(word 2,$(subst _, ,$(notdir $(1)))))
define test_rule
$(OUT)/tests/$(1): $(OUT)/obj/tests/$(1).o $(call objects,$(filter $(dir tests/$(1))%,$(TEST_HELPER_SOURCES))) \
    $(patsubst %,$(OUT)/lib%.a,$(call service_of,$(1))) $(LIBRARY)
	$$(call link,$(TEST_LIBS))
endef
$(foreach test,$(UNIT_SOURCES:tests/%.c=%) $(MODEL_SOURCES:tests/%.c=%),$(eval $(call test_rule,$(test))))

# Fuzz targets need a library of their own: libFuzzer's instrumentation belongs into the code under test as well.
FUZZ_FLAGS := -std=gnu17 -O1 -g -fno-sanitize-recover=undefined $(DEFINES)
FUZZ_LIBRARY := $(BUILD_DIR)/fuzz/libparley.a
FUZZ_OBJECTS := $(patsubst %.c,$(BUILD_DIR)/fuzz/obj/%.o,$(SHARED_SOURCES) $(SERVICE_SOURCES) $(FUZZ_SOURCES))
fuzz_objects = $(patsubst %.c,$(BUILD_DIR)/fuzz/obj/%.o,$(1))

.PRECIOUS: $(BUILD_DIR)/fuzz/obj/%.o
$(BUILD_DIR)/fuzz/obj/%.o: %.c Makefile
	$(call say,FUZZCC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer-no-link,address,undefined -MMD -MP -c -o $@ $<

$(FUZZ_LIBRARY): $(call fuzz_objects,$(SHARED_SOURCES))
	$(archive)

# As with unit tests: tests/fuzz/fuzz_<service>_<part>.c is linked with the parts of that service, behind its own stubs.
define fuzz_service_rule
$(BUILD_DIR)/fuzz/lib$(1).a: $(call fuzz_objects,$(filter-out %/main.c,$(wildcard services/$(1)/*.c)))
	$$(archive)
endef
$(foreach service,$(SERVICES),$(eval $(call fuzz_service_rule,$(service))))

define fuzz_rule
$(BUILD_DIR)/fuzz/$(1): $(BUILD_DIR)/fuzz/obj/tests/fuzz/$(1).o $(patsubst %,$(BUILD_DIR)/fuzz/lib%.a,$(call service_of,$(1))) \
    $(FUZZ_LIBRARY)
	$$(call say,LINK,$$@)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(LIBS)
endef
$(foreach fuzzer,$(FUZZ_SOURCES:tests/fuzz/%.c=%),$(eval $(call fuzz_rule,$(fuzzer))))

-include $(patsubst %.c,$(OUT)/obj/%.d,$(ALL_SOURCES)) $(FUZZ_OBJECTS:.o=.d)
