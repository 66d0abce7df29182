# A bare `make` lists what there is. Every target sets up what it needs.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
# The distribution's Python, as `make install` takes it: built to be fast, and kept safe with the system. Another one
# where that is too old.
PYTHON3 := $(or $(shell for python in /usr/bin/python3 python3; do "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$python" && break; done),/usr/bin/python3)
export PYTHON3
# What the machine must have, as Debian and Ubuntu call it; `command:package`, or a file.
PACKAGES := /etc/ssl/certs/ca-certificates.crt:ca-certificates /usr/sbin/nginx:nginx /usr/lib/nginx/modules/ngx_http_headers_more_filter_module.so:libnginx-mod-http-headers-more-filter /usr/bin/setpriv:util-linux /usr/share/misc/magic.mgc:libmagic1
BENCH_PACKAGES := /usr/bin/wrk:wrk /usr/bin/ffmpeg:ffmpeg
# With rclone, which comes with the Python packages of the tests: what `make cluster` plays with.
CLUSTER_PACKAGES := /usr/sbin/haproxy:haproxy /usr/bin/redis-server:redis-server /usr/bin/pg_createcluster:postgresql
TEST_PACKAGES := $(CLUSTER_PACKAGES) /bin/ip:iproute2 /usr/bin/curl:curl /usr/bin/systemd-analyze:systemd /usr/sbin/logrotate:logrotate /usr/bin/ffmpeg:ffmpeg /usr/bin/chromium:chromium /usr/bin/node:nodejs /usr/bin/promtool:prometheus /usr/bin/groff:groff-base /usr/sbin/clamd:clamav-daemon /usr/bin/pebble:pebble /usr/bin/minisign:minisign

.PHONY: help setup deb image bundle test-packages test-tools test-on install uninstall withdraw run cluster test release audit no-loss bench check format commands docs screenshots requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.installed ## install what is missing: system packages, Python's into .venv, and the gateway itself there
	@deploy/install-packages $(PACKAGES)

install: ## install in PREFIX=/opt/motion-gateway, for systemd where it is, as root; again to upgrade. DESTDIR= stages it
	@$(if $(DESTDIR),true,deploy/install-packages $(PACKAGES) venv:python3-venv)
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' deploy/install

uninstall: ## remove what install has put there; settings and data stay
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' deploy/uninstall

withdraw: ## remove units and other files outside of PREFIX, before an older release is installed; what runs goes on
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' deploy/uninstall --files

PACKAGING_PACKAGES := /usr/bin/mmdebstrap:mmdebstrap /usr/share/distro-info/ubuntu.csv:distro-info-data /usr/bin/unshare:util-linux /bin/ip:iproute2

deb: ## build the Debian packages, as root, in build/deb: SUITES="bookworm trixie noble", each in a clean root of its own
	@deploy/install-packages $(PACKAGING_PACKAGES)
	@set -e; for suite in $(or $(SUITES),bookworm trixie noble); do deploy/deb $$suite; done

bundle: ## pack this commit with all Python packages, in build/bundle: for `make install` on machines that do not reach PyPI
	@deploy/bundle

image: ## make an image for containers out of Debian's packages and ours, as root, in build/image
	@deploy/install-packages $(PACKAGING_PACKAGES) /usr/bin/buildah:buildah
	@deploy/image

$(VENV)/.installed: requirements.txt pyproject.toml deploy/requirements-build.txt
	@deploy/install-packages venv:python3-venv
	$(PYTHON3) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r deploy/requirements-build.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@# The project itself, by a path to this folder: what is edited here is what runs.
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --config-settings editable_mode=compat --editable .
	touch $@

$(VENV)/.installed-tests: $(VENV)/.installed requirements-test.txt
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-test.txt
	touch $@

# sslyze wants an older cryptography than we run on: it lives apart.
.venv-tls/.installed: requirements-tls.txt
	$(PYTHON3) -m venv .venv-tls
	.venv-tls/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-tls.txt
	touch $@

.venv-release/.installed: requirements-release.txt
	$(PYTHON3) -m venv .venv-release
	.venv-release/bin/pip install --quiet --disable-pip-version-check --require-hashes -r requirements-release.txt
	touch $@

run: setup ## play the journeys on this machine, live, and stay up; ONCE=1 plays them once
	$(PYTHON) -m sandbox play $(if $(ONCE),--once)

cluster: setup $(VENV)/.installed-tests ## play a gateway of two nodes on this machine, with all that they share; ONCE=1 lets everybody die
	@deploy/install-packages $(CLUSTER_PACKAGES)
	$(PYTHON) -m sandbox cluster $(if $(ONCE),--once) $(if $(EVENTS),--events $(EVENTS)) $(if $(SEED),--seed $(SEED))

test-tools: setup $(VENV)/.installed-tests .venv-tls/.installed .venv-release/.installed
	@deploy/install-packages $(filter-out $(addprefix %:,$(LACKING)),$(TEST_PACKAGES))

test: test-tools ## everything that CI runs: check, then the tests on real processes
	$(MAKE) --no-print-directory check ALL=1
	$(PYTHON) deploy/audit
	$(PYTHON) -m pytest -m live

audit: $(VENV)/.installed-tests ## hold what is pinned against known holes, without a network; deploy/audit --refresh FOLDER renews them
	$(PYTHON) deploy/audit

release: setup .venv-release/.installed ## test, build everything twice, compare, list, sum and sign it, in build/release: MINISIGN_KEY=FILE
	@deploy/install-packages /usr/bin/minisign:minisign
	@MINISIGN_KEY='$(MINISIGN_KEY)' deploy/release

test-on: ## try this commit on another distribution, as root: SUITE=trixie, or noble; ARGUMENTS='-m live tests/live/test_edge.py' for pytest
	@deploy/install-packages $(PACKAGING_PACKAGES)
	@deploy/test-on $(or $(SUITE),trixie) HEAD $(ARGUMENTS)

test-packages: setup $(VENV)/.installed-tests ## build the packages of SUITES=bookworm, as root, and try each on a machine of its own: installed, upgraded, purged
	@deploy/install-packages $(PACKAGING_PACKAGES) /usr/bin/systemd-nspawn:systemd-container /usr/bin/buildah:buildah /usr/bin/podman:podman /usr/sbin/runc:runc
	SUITES='$(or $(SUITES),bookworm)' $(PYTHON) -m pytest -m packages tests/packages

no-loss: setup $(VENV)/.installed-tests ## the proof that nothing is lost, with any SEED=1 and EVENTS=2000; CLUSTER=1 over machines, EVENTS=10000
	@$(if $(CLUSTER),deploy/install-packages $(CLUSTER_PACKAGES))
	SEED=$(or $(SEED),1) EVENTS=$(or $(EVENTS),$(if $(CLUSTER),10000,2000)) WHOLE=1 $(PYTHON) -m pytest -q -s $(if $(CLUSTER),tests/live/test_cluster.py,tests/live/test_no_loss.py)

bench: setup $(VENV)/.installed-tests ## measure the three doors, each side by side with what is not the gateway; some nine minutes
	@deploy/install-packages $(BENCH_PACKAGES)
	$(PYTHON) -m bench.ingress
	$(PYTHON) -m bench.attachments
	$(PYTHON) -m bench.outbound

# The quick tests in a process more than there are cores, as some of them wait, and each process costs seconds to begin.
# Of what has many examples a part is tried, unless `make test` asks for all.
QUICKLY = --ignore=tests/live --ignore=tests/browser --ignore=tests/packages --numprocesses=$(shell echo $$(($$(nproc) + 1))) --dist=worksteal $(if $(ALL),,--hypothesis-profile=commit)

# What one process has compiled is there for the next: each test run has several, and starts a hundred more.
check: export PYTHONDONTWRITEBYTECODE :=

# Their files in memory, where there are two gigabytes of room: thousands of small databases wait for no disk there.
IN_MEMORY = $(shell df -k --output=avail /dev/shm 2>/dev/null | awk 'NR > 1 && $$1 >= 2097152 { print "/dev/shm" }')
check: export TMPDIR := $(or $(IN_MEMORY),$(TMPDIR),/tmp)

check: $(VENV)/.installed-tests ## format, lint, types and the quick tests: before every commit
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy
	$(PYTHON) -m pytest -m "not live" $(QUICKLY)

format: $(VENV)/.installed-tests ## format the code
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

commands: $(VENV)/.installed-tests ## make the lists of commands and complaints in docs/operations.md
	$(PYTHON) -m tests.command_list

# Laid out as they lie here, so that each link leads where it leads in the checkout.
SITE_PAGES := README.md CHANGELOG.md CONTRIBUTING.md SECURITY.md LICENSE certs/README.md nginx/README.md docs

docs: $(VENV)/.installed-tests ## make one site of all pages, in build/site: for a browser, without a server
	rm -rf build/pages build/site && mkdir -p build/pages && cp --parents -r $(SITE_PAGES) build/pages
	@# Its generator reports on itself at each start; who keeps this project reads that when he pins it anew.
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo 'Open build/site/index.html.'

# With fonts of their own, as everybody's pictures shall look alike.
SCREEN_PACKAGES := /usr/bin/chromium:chromium /usr/share/fonts/opentype/inter/Inter-Regular.otf:fonts-inter /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf:fonts-noto-color-emoji

screenshots: setup $(VENV)/.installed-tests ## take the pictures of both pages anew, docs/images/*.png, where they look otherwise
	@deploy/install-packages $(SCREEN_PACKAGES)
	$(PYTHON) -m tests.browser.screenshots

requirements: ## pin requirements*.in again, with hashes; needs uv
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements.in -o requirements.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements-test.in -o requirements-test.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements-tls.in -o requirements-tls.txt
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header requirements-release.in -o requirements-release.txt

clean: ## remove .venv and all caches
	rm -rf $(VENV) .venv-tls .venv-release build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
