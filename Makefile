# make test   everything that CI runs; installs what it needs on Debian
# make build  bin/sfu, one static binary
# make check  formatting, vet, staticcheck, types of the pages
# make bench  what sending costs: the floor, batches, castcode, the naive fan-out
#             (rushes of joins and repair: go run ./internal/bench joins, and loss)
# make fuzz   every fuzz target for FUZZTIME

GO       ?= go
FUZZTIME ?= 30s
TOOLS    := $(CURDIR)/bin/tools

.PHONY: test build check unit race bench-test e2e bench fuzz setup tools clean

test: setup check unit race bench-test e2e

setup:
	bash .ci/setup.sh

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-s -w" -o bin/sfu ./cmd/sfu

tools:
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@v0.12.0
	GOBIN=$(TOOLS) $(GO) install honnef.co/go/tools/cmd/staticcheck@v0.8.2

check: tools
	@unformatted="$$($(TOOLS)/gofumpt -l $$(git ls-files -co --exclude-standard '*.go'))"; \
	  if [ -n "$$unformatted" ]; then echo "not formatted with gofumpt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(TOOLS)/staticcheck ./...
	cd web && npm ci --no-audit --no-fund --loglevel=error && npx tsc --noEmit -p tsconfig.json && node --test test/

# Unit tests and fuzz seeds, without the browsers; then the same under the race detector.
# internal/bench measures, so it runs alone and without the race detector.
PACKAGES = $$($(GO) list ./... | grep -v -e internal/e2e -e internal/bench)
unit:
	$(GO) test $(PACKAGES)
race:
	CGO_ENABLED=1 $(GO) test -race $(PACKAGES)

bench-test:
	$(GO) test -count=1 ./internal/bench

e2e:
	$(GO) test -count=1 -timeout 15m ./internal/e2e

bench:
	$(GO) run ./internal/bench floor

fuzz:
	@$(GO) list ./... | while read -r p; do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) $$p || exit 1; \
	  done; \
	done

clean:
	rm -rf bin web/node_modules
