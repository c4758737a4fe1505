# SPDX-License-Identifier: BSD-2-Clause
# moat: `make` builds .output/moat and .output/moatd; `make demo` and
# `make test` (as root) install what is missing, build, run and clean up.
# V=1 shows the commands. Non-recursive; everything goes to .output/.

# bpftool is where Debian's users don't look.
export PATH := $(PATH):/usr/sbin:/sbin

OUT := .output
V ?= 0
ifeq ($(V),1)
Q :=
say = @:
else
Q := @
say = @printf '  %-8s %s\n' $(1) $(2)
endif

VERSION := 0.1.0
CC ?= gcc
CLANG ?= clang
BPFTOOL ?= bpftool
PREFIX ?= /usr/local
SYSCONFDIR ?= /etc
ARCH := $(shell uname -m | sed 's/x86_64/x86/;s/aarch64/arm64/')
MULTIARCH := $(shell $(CC) -print-multiarch 2>/dev/null)

WARN := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes \
	-Wmissing-prototypes -Wno-unused-parameter \
	-Wno-missing-field-initializers
CPPFLAGS := -D_GNU_SOURCE -DMOAT_VERSION='"$(VERSION)"' \
	-Iinclude -Iuser -I$(OUT)
# The same source gives the same bytes in whatever folder it is built.
REPRODUCIBLE := -ffile-prefix-map=$(CURDIR)=.
CFLAGS := -std=gnu17 -O2 -g -fPIE -fstack-protector-strong \
	$(REPRODUCIBLE) $(WARN)
LDFLAGS := -pie -Wl,-z,relro,-z,now
# clang's pointer-overflow also means NULL + 0, the end of an empty array, which
# C2y (N3322) defines.
SAN := -fsanitize=address,undefined -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer \
	$(if $(findstring clang,$(CC)),-fno-sanitize=pointer-overflow)
# libFuzzer is clang's: the third flavour, for tests/fuzz.
FUZZ_CC ?= $(CLANG)
FUZZ := -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize=pointer-overflow -fno-sanitize-recover=undefined \
	-fno-omit-frame-pointer -O1 \
	-Wno-unused-function
BPF_CFLAGS := -std=gnu17 -O2 -g -target bpf -D__TARGET_ARCH_$(ARCH) \
	$(REPRODUCIBLE) \
	-Wall -Wextra -Werror -Wno-unused-parameter -Wno-unused-function \
	-Wno-address-of-packed-member -Iinclude -Ibpf \
	$(if $(MULTIARCH),-I/usr/include/$(MULTIARCH))

LIBS_CLI := -lyaml -ljansson
LIBS_AGENT := -lbpf -lelf -lz -lmicrohttpd -lgnutls -lmnl -lyaml -ljansson
LIBS_TEST := -lcmocka $(LIBS_AGENT)

LAYERS := agent cli svc kern compile reference policy base
MAINS := user/agent/main.c user/cli/main.c
layer_src = $(sort $(filter-out $(MAINS),$(wildcard user/$(1)/*.c)))
archive = $(OUT)/$(1)/lib$(2).a

PROGRAMS := $(if $(wildcard user/cli/main.c),$(OUT)/moat) \
	$(if $(wildcard user/agent/main.c),$(OUT)/moatd)
all: $(PROGRAMS)

# ---- BPF object and skeleton ------------------------------------------------
$(OUT)/moat.bpf.o: bpf/moat.bpf.c $(wildcard bpf/*.h include/moat/*.h)
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@
	$(Q)command -v llvm-strip >/dev/null && llvm-strip -g $@ || :

$(OUT)/moat.skel.h: $(OUT)/moat.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name moat_bpf > $@

# ---- user space: build/ is what ships, san/ is ASan and UBSan for tests ------
define flavour
$(OUT)/$(1)/%.o: %.c
	$$(call say,CC,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CPPFLAGS) $$(CFLAGS) $(2) -MMD -MP -c $$< -o $$@
endef
$(eval $(call flavour,build,))
$(eval $(call flavour,san,$(SAN)))
$(eval $(call flavour,fuzz,$(FUZZ)))

define layer_archive
$(call archive,$(1),$(2)): $(patsubst %.c,$(OUT)/$(1)/%.o,$(call layer_src,$(2)))
	$$(call say,AR,$$@)
	@mkdir -p $$(@D)
	$$(Q)rm -f $$@ && ar rcs $$@ $$^
endef
$(foreach f,build san fuzz,$(foreach l,$(LAYERS),$(eval $(call layer_archive,$(f),$(l)))))
$(patsubst %.c,$(OUT)/build/%.o,$(wildcard user/kern/*.c)) \
$(patsubst %.c,$(OUT)/san/%.o,$(wildcard user/kern/*.c)) \
$(patsubst %.c,$(OUT)/fuzz/%.o,$(wildcard user/kern/*.c)): | $(OUT)/moat.skel.h

archives = $(foreach l,$(LAYERS),$(call archive,$(1),$(l)))
cli_archives = $(foreach l,cli svc compile reference policy base,$(call archive,$(1),$(l)))

$(OUT)/moat: $(OUT)/build/user/cli/main.o $(call cli_archives,build)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LIBS_CLI) -o $@

$(OUT)/moatd: $(OUT)/build/user/agent/main.o $(call archives,build)
	$(call say,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $< -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LIBS_AGENT) -o $@

# demo.sh, its policy and the schema are inside the program: embed.c.
$(OUT)/build/user/cli/embed.o $(OUT)/san/user/cli/embed.o: user/cli/demo.sh \
	policies/training-cluster.yaml policies/policy.schema.json

# ---- tests -------------------------------------------------------------------
# Every tests/unit/LAYER/test_*.c, tests/bpf/test_*.c and tests/diff/test_*.c
# is a cmocka program; the other files of tests/support and of its folder are
# linked into it.
UNIT_TESTS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/unit/*/test_*.c))
BPF_TESTS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/bpf/test_*.c))
DIFF_TESTS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/diff/test_*.c))
SUPPORT_SRC := $(sort $(wildcard tests/support/*.c))
CPPFLAGS_TEST := -Itests -DMOAT_SOURCE_DIR='"$(CURDIR)"'
$(OUT)/san/tests/%.o $(OUT)/build/tests/%.o: CPPFLAGS += $(CPPFLAGS_TEST)
ifneq ($(wildcard bpf/moat.bpf.c),)
$(OUT)/build/tests/%.o $(OUT)/san/tests/%.o $(OUT)/fuzz/tests/%.o: \
	| $(OUT)/moat.skel.h
endif

$(UNIT_TESTS): $(OUT)/tests/%: $(OUT)/san/tests/%.o \
		$(patsubst %.c,$(OUT)/san/%.o,$(SUPPORT_SRC)) $(call archives,san)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(SAN) $(LDFLAGS) $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LIBS_TEST) -o $@

helpers = $(patsubst %.c,$(OUT)/build/%.o,$(SUPPORT_SRC) \
	$(filter-out tests/$(1)/test_%.c,$(wildcard tests/$(1)/*.c)))
define kernel_test
$(2): $(OUT)/tests/%: $(OUT)/build/tests/%.o $(call helpers,$(1)) $(call archives,build)
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDFLAGS) $$(filter %.o,$$^) \
		-Wl,--start-group $$(filter %.a,$$^) -Wl,--end-group $$(LIBS_TEST) -o $$@
endef
ifneq ($(BPF_TESTS),)
$(eval $(call kernel_test,bpf,$(BPF_TESTS)))
endif
ifneq ($(DIFF_TESTS),)
$(eval $(call kernel_test,diff,$(DIFF_TESTS)))
endif

unit-build: $(UNIT_TESTS)
tests-build: all unit-build $(BPF_TESTS) $(DIFF_TESTS) bench-build \
	$(patsubst %.c,$(OUT)/%,$(wildcard vmtest/*.c))

# ---- benchmarks --------------------------------------------------------------
# Every tests/bench/bench_*.c is a program, linked with the other files there
# and the helpers of the kernel tests; every *.bpf.c there becomes a skeleton,
# included as "tests/bench/NAME.skel.h". What they measure is built as it ships.
BENCHES := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/bench/bench_*.c))
BENCH_BPF := $(patsubst %.bpf.c,$(OUT)/%,$(wildcard tests/bench/*.bpf.c))
BENCH_SRC := $(filter-out tests/bench/bench_%.c %.bpf.c,$(wildcard tests/bench/*.c))

$(addsuffix .bpf.o,$(BENCH_BPF)): $(OUT)/%.bpf.o: %.bpf.c \
		$(wildcard bpf/*.[ch] include/moat/*.h tests/bench/*.h)
	$(call say,CLANG,$@)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Itests -c $< -o $@
	$(Q)command -v llvm-strip >/dev/null && llvm-strip -g $@ || :

$(addsuffix .skel.h,$(BENCH_BPF)): %.skel.h: %.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name bench_$(basename $(notdir $*)) > $@

$(OUT)/build/tests/bench/%.o: CPPFLAGS += $(CPPFLAGS_TEST)
$(patsubst %.c,$(OUT)/build/%.o,$(wildcard tests/bench/*.c)): \
		| $(OUT)/moat.skel.h $(addsuffix .skel.h,$(BENCH_BPF))

$(BENCHES): $(OUT)/tests/%: $(OUT)/build/tests/%.o $(call helpers,bpf) \
		$(patsubst %.c,$(OUT)/build/%.o,$(BENCH_SRC)) $(call archives,build)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(LIBS_TEST) -lm -o $@

bench-build: all $(BENCHES) $(patsubst %.c,$(OUT)/build/%.o,$(BENCH_SRC))

# As root, under 15 minutes: results.json, results.md, plots/ in tests/bench,
# and the README's table.
bench: deps
	@$(MAKE) --no-print-directory -j$$(nproc) bench-build
	@tests/bench/run.sh

# ---- fuzzing -----------------------------------------------------------------
# Every tests/fuzz/fuzz_*.c is a target of libFuzzer; of the other files of that
# folder, of tests/support and the engines of tests/diff it gets what it calls.
FUZZ_TESTS := $(patsubst tests/%.c,$(OUT)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_HELPERS := $(SUPPORT_SRC) tests/diff/engines.c \
	$(filter-out tests/fuzz/fuzz_%.c,$(wildcard tests/fuzz/*.c))
$(OUT)/fuzz/%.o: override CC = $(FUZZ_CC)
$(OUT)/fuzz/tests/%.o: CPPFLAGS += $(CPPFLAGS_TEST)
# The programs themselves, as functions of user space.
$(OUT)/fuzz/tests/fuzz/bpf_user.o: CFLAGS += -Ibpf -Wno-missing-prototypes \
	-Wno-shadow -Wno-unused-variable -Wno-address-of-packed-member
$(OUT)/fuzz/libtests.a: $(patsubst %.c,$(OUT)/fuzz/%.o,$(FUZZ_HELPERS))
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $^
$(FUZZ_TESTS): $(OUT)/tests/%: $(OUT)/fuzz/tests/%.o $(OUT)/fuzz/libtests.a \
		$(call archives,fuzz)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(CFLAGS) $(FUZZ) -fsanitize=fuzzer $(LDFLAGS) \
		$(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LIBS_TEST) -o $@

fuzz-build: $(FUZZ_TESTS)

# As root. Installs what is missing, builds, runs everything, cleans up.
test: deps
	@$(MAKE) --no-print-directory -j$$(nproc) tests-build fuzz-build
	@tests/run.sh lint static unit bpf diff fuzz e2e soak vm

# What of it needs neither root nor BPF, by anybody; libFuzzer's share of it is
# short, its seeds and findings are replayed.
test-unprivileged: deps
	@$(MAKE) --no-print-directory -j$$(nproc) tests-build fuzz-build
	@MOAT_FUZZ_SECONDS=$${MOAT_FUZZ_SECONDS:-5} \
		tests/run.sh lint static unit fuzz e2e-unprivileged

# As root: that part on a fresh, minimal Debian 12, in .output/fresh.
test-fresh: deps
	@tests/fresh.sh

# The tests that hold one guarantee of the design, as root: make guarantee G=7
guarantee: deps
	@what=$$(tests/guarantee.sh --build $(G)) && \
		$(MAKE) --no-print-directory -j$$(nproc) $$what
	@tests/run.sh $$(tests/guarantee.sh $(G))

check: tests-build
	@tests/run.sh lint unit

unit: tests-build
	@tests/run.sh unit
test-bpf: tests-build
	@tests/run.sh bpf
test-e2e: all
	@tests/run.sh e2e
# What static reads includes the skeleton.
lint: $(OUT)/moat.skel.h
	@tests/run.sh lint static
# Debian's older kernels under qemu, as vmtest/README.md says; test runs the
# short form on two of them.
$(OUT)/vmtest/verifier: $(OUT)/build/vmtest/verifier.o $(call helpers,bpf) \
		$(call archives,build)
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) $(filter %.o,$^) -Wl,--start-group \
		$(filter %.a,$^) -Wl,--end-group $(LIBS_TEST) -o $@
$(OUT)/build/vmtest/verifier.o: CPPFLAGS += $(CPPFLAGS_TEST)
$(OUT)/build/vmtest/verifier.o: | $(OUT)/moat.skel.h
vmtest vmtest-short: deps
	@$(MAKE) --no-print-directory -j$$(nproc) tests-build
	@vmtest/run.sh $(if $(filter %-short,$@),--short) $(KERNELS)
# One target without end: make fuzz TARGET=policy
fuzz: $(FUZZ_TESTS)
	@tests/fuzz/run.sh --forever $(TARGET)
fuzz-diff: tests-build
	$(OUT)/tests/diff/test_differential --forever

# As root, half an hour and the rounds after it: everything that can happen to
# a host at once, SOAK_MINUTES and SOAK_SEED; then 10,000 pushes.
soak: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@SOAK_MINUTES=$${SOAK_MINUTES:-30} bash tests/e2e/test_soak.sh
	@ROUNDS=10000 INTERFACES=1000 bash tests/e2e/test_rounds.sh

# Every system call of every operation of the agent, as root: some hours.
.PHONY: faults
faults: all
	@MOAT_FAULTS=all bash tests/e2e/test_faults.sh --go-on

demo: deps
	@$(MAKE) --no-print-directory -j$$(nproc) all
	@$(OUT)/moat demo

deps:
	@tests/deps.sh

# ---- install -----------------------------------------------------------------
# A configuration that is there is never touched.
BINDIR = $(PREFIX)/bin
SBINDIR = $(PREFIX)/sbin
MANDIR = $(PREFIX)/share/man
SHAREDIR = $(PREFIX)/share/moat
UNITDIR = $(PREFIX)/lib/systemd/system
SYSUSERSDIR = $(PREFIX)/lib/sysusers.d
COMPLETIONDIR = $(PREFIX)/share/bash-completion/completions
INSTALL := install

install: all
	$(INSTALL) -D -m 755 $(OUT)/moat $(DESTDIR)$(BINDIR)/moat
	$(INSTALL) -D -m 755 $(OUT)/moatd $(DESTDIR)$(SBINDIR)/moatd
	for m in user/cli/man/*.[158]; do $(INSTALL) -D -m 644 $$m \
		$(DESTDIR)$(MANDIR)/man$${m##*.}/$${m##*/} || exit; done
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHAREDIR) policies/*.schema.json
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHAREDIR)/policies policies/*.yaml
	$(INSTALL) -D -m 644 -t $(DESTDIR)$(SHAREDIR)/policies/lists \
		policies/lists/*
	$(INSTALL) -d $(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(UNITDIR)
	$(OUT)/moat completion bash > $(DESTDIR)$(COMPLETIONDIR)/moat
	sed 's,@SBINDIR@,$(SBINDIR),;s,@BINDIR@,$(BINDIR),;s,@SYSCONFDIR@,$(SYSCONFDIR),' \
		user/agent/moatd.service.in > $(DESTDIR)$(UNITDIR)/moatd.service
	$(INSTALL) -D -m 644 user/agent/moat.sysusers \
		$(DESTDIR)$(SYSUSERSDIR)/moat.conf
	[ -e $(DESTDIR)$(SYSCONFDIR)/moat/moatd.yaml ] || $(INSTALL) -D -m 640 \
		user/agent/moatd.yaml $(DESTDIR)$(SYSCONFDIR)/moat/moatd.yaml

# Files only: stop the agent and run `moatd --detach-all` first. Leaves
# configuration and state.
uninstall:
	rm -f $(DESTDIR)$(BINDIR)/moat $(DESTDIR)$(SBINDIR)/moatd \
		$(DESTDIR)$(MANDIR)/man1/moat.1 $(DESTDIR)$(MANDIR)/man8/moatd.8 \
		$(DESTDIR)$(MANDIR)/man5/moat-policy.5 \
		$(DESTDIR)$(COMPLETIONDIR)/moat $(DESTDIR)$(UNITDIR)/moatd.service \
		$(DESTDIR)$(SYSUSERSDIR)/moat.conf
	rm -rf $(DESTDIR)$(SHAREDIR)

format:
	clang-format -i $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(OUT)

-include $(shell find $(addprefix $(OUT)/,build san fuzz) -type f -name '*.d' \
	2>/dev/null)

.PHONY: all bench bench-build test test-unprivileged test-fresh guarantee \
	check unit test-bpf test-e2e lint vmtest vmtest-short fuzz fuzz-build \
	fuzz-diff soak demo deps format clean tests-build \
	unit-build install uninstall
.DELETE_ON_ERROR:
.SECONDARY:
