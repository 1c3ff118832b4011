# make run and make test fetch what they need. SHEAF_CACHE is where a fetched
# mongod is kept (by default the user's cache folder).

GO       ?= go
SCHEMA   ?= examples/blog/schema
LISTEN   ?= 127.0.0.1:8080
FUZZTIME ?= 10s
GROWTH   ?=
SOAK     ?= 10m
VULN_VERSION ?= v1.9.0
BENCH    ?= --operations get,create,list,update,transfer,invalid,page,include,batch,guarded-get,guarded-create --tasks import,export,export-unordered,plan --rounds 5

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: build ## Serve examples/blog on a private mongod (SCHEMA=, LISTEN=).
	bin/sheaf serve --schema $(SCHEMA) --listen $(LISTEN) --log-level info

.PHONY: build
build: ## Build bin/sheaf.
	$(GO) build -trimpath -o bin/sheaf ./cmd/sheaf

.PHONY: test
test: ## Run all tests, with the race detector, against a real mongod.
	$(GO) test -race -p 2 -timeout 15m ./...
	$(MAKE) test-deploy

.PHONY: test-deploy
test-deploy: ## Hold what is in deploy/ against the types of Kubernetes, Helm and compose.
	cd deploy/check && $(GO) test -count=1 ./... # reads files that the cache of results does not know of

.PHONY: test-browser
test-browser: ## Run the tests of the API page in a real browser (chromium on the PATH).
	$(GO) test -tags browser -count=1 -run Browser ./internal/reference

.PHONY: lint
lint: ## Check format and code.
	@test -z "$$(gofmt -l cmd internal pkg deploy)" || { gofmt -l cmd internal pkg deploy; echo 'run gofmt -w on these'; exit 1; }
	$(GO) vet ./...
	golangci-lint run
	cd deploy/check && $(GO) vet ./... && golangci-lint run

.PHONY: soak
soak: ## Load the service for SOAK, hostile clients included, and hold what it takes flat.
	SOAK=$(SOAK) $(GO) test -count=1 -v -timeout 0 -run '^TestSoak$$' ./internal/proof

.PHONY: licences
licences: ## List the licences of all modules in docs/licences.md.
	$(GO) run ./internal/supply licences > docs/licences.new && mv docs/licences.new docs/licences.md

.PHONY: release
release: ## Make the archives of VERSION in dist/, with SBOM and sums; built twice and compared.
	.ci/release $(VERSION)

.PHONY: vuln
vuln: ## Look for known vulnerabilities in what the program calls (needs vuln.go.dev).
	$(GO) run golang.org/x/vuln/cmd/govulncheck@$(VULN_VERSION) ./...

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME.
	@set -e; for package in $$(grep -rl --include='*_test.go' '^func Fuzz' internal | xargs -n1 dirname | sort -u); do \
		for target in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$package/*_test.go | cut -c6-); do \
			echo "fuzz $$package $$target"; \
			$(GO) test ./$$package -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5x; \
		done; \
	done

.PHONY: bench
bench: build ## Measure Sheaf beside a hand-written service; print ratios (BENCH=flags).
	$(GO) build -trimpath -o bin/handwritten ./internal/bench/handwritten
	bin/sheaf bench --self --against bin/handwritten $(BENCH)

.PHONY: bench-growth
bench-growth: build ## Measure Sheaf as documents, collections and connections grow.
	bin/sheaf bench --self --growth --rounds 3 --duration 2s $(GROWTH)

.PHONY: bench-chart
bench-chart: build ## Draw the rate over the connections, docs/benchmarks.svg.
	$(GO) build -trimpath -o bin/handwritten ./internal/bench/handwritten
	bin/sheaf bench --self --against bin/handwritten --connections 1,2,4,8,16,32,64,128,256,512 \
		--operations get,create --rounds 3 --duration 1s --chart docs/benchmarks.svg

.PHONY: clean
clean: ## Delete what was built; the data in .sheaf stays.
	rm -rf bin dist
