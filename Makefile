# The verbs of the project; CI calls these and nothing else.
GO ?= go
OUT ?= eemt-out
# Empty in a tarball, whose files name the commit (cmd/internal/build).
VERSION ?= $(if $(wildcard .git),$(shell git describe --tags --always --dirty 2>/dev/null))
FUZZTIME ?= 10s
# Older ones fail a target now and then for having reached its time, go.dev/issue/75804.
FUZZ_TOOLCHAIN ?= go1.27.2

.PHONY: help run build web clients test lint race fuzz compare bench images e2e nightly

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

run: build ## compute a year of EEMT for the example DEM, into ./eemt-out
	bin/eemt run eemt examples/maungawhau/dem.tif --climate table:examples/maungawhau/climate.csv --output $(OUT)

build: ## build bin/eemt
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/eemt ./cmd/eemt

web: ## build the page from its TypeScript sources, test it, walk it in chromium where that is; needs Node 20
	cd functions/submission/web && npm ci --no-audit --no-fund && npm run build && npm test
	$(GO) -C integration/browser test -count=1 ./...

clients: ## make clients of the definition in Python, Go and TypeScript, run a job with each, load the maps with odc-stac; log in with an OpenID provider
	$(GO) -C integration/clients test -count=1 -timeout 10m ./...
	$(GO) -C integration/identity test -count=1 -timeout 10m ./...

test: ## run all tests; those that need GDAL, PROJ or GRASS skip where it is missing
	$(GO) test ./...

# Modules of their own, for what is not part of the product.
MODULES := $(filter-out .,$(patsubst ./%/go.mod,%,$(shell find . -mindepth 2 -name go.mod -not -path '*/node_modules/*')))
GOLANGCI := $(GO) run github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0

lint: ## formatting, vet, staticcheck, dead code, golangci-lint, in all modules
	@list=$$($(GO) run mvdan.cc/gofumpt@v0.12.0 -l .) && { test -z "$$list" || { echo "not formatted: $$list"; false; }; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...
	@mkdir -p bin && $(GO) run golang.org/x/tools/cmd/deadcode@v0.52.0 -f '{{range .Funcs}}{{println (print $$.Path "." .Name)}}{{end}}' ./cmd/... > bin/deadcode
	@sed "s#^$$($(GO) list -m)/##" bin/deadcode | LC_ALL=C sort -u | grep . > bin/deadcode.found; grep -v '^#' .deadcode | LC_ALL=C sort | grep . | \
	  diff - bin/deadcode.found || { echo "functions that nothing calls (>), or that .deadcode lists and are called or gone (<): delete them, or give a reason"; false; }
	$(GOLANGCI) run --allow-parallel-runners ./...
	@for m in $(MODULES); do echo "== $$m"; (cd $$m && $(GOLANGCI) run --allow-parallel-runners -c $(CURDIR)/.golangci.yml ./...) || exit 1; done

# Whole jobs, whole commands and storms take minutes under the race detector: make nightly runs them.
RACE_SLOW := /functions/compute$$|/integration/chaos$$|/cmd/eemt$$|/cmd/eemt/internal/local$$

race: ## run the tests under the race detector, but for those of make nightly
	$(GO) test -race -short -timeout 40m $$($(GO) list ./... | grep -vE '$(RACE_SLOW)')

fuzz: ## fuzz every parser for FUZZTIME each
	@tc=$(FUZZ_TOOLCHAIN); GOTOOLCHAIN=$$tc $(GO) version || tc=auto; \
	for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "== $$p $$f"; GOTOOLCHAIN=$$tc $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$p || exit 1; \
	  done; done

compare: ## compare with GDAL, PROJ and the reference rasters, which must be there; the chart with what Knative accepts
	EEMT_REQUIRE_TOOLS=1 EEMT_REQUIRE_SHARED=1 EEMT_SLOW=1 $(GO) test -count=1 -timeout 40m ./...
	$(GO) -C integration/chart test -count=1 ./...

bench: ## time a year of sun: 48 thousand cells, a million cells; and against the machine's limits
	$(GO) test -run '^$$' -bench 'Year' -benchtime 1x -timeout 20m ./shared/solar
	$(GO) run ./integration/rsunbench -limit

# Where images go and what they are built on are ko's own settings: KO_DOCKER_REPO, KO_DEFAULTBASEIMAGE.
E2E ?= .
E2E_SKIP ?= ^$$
E2E_DRIVERS ?= s3
KO ?= $(shell command -v ko || echo $(CURDIR)/bin/ko)
EEMT_DRIVERS ?= gcs
EEMT_PLATFORMS ?= linux/amd64,linux/arm64

bin/ko:
	CGO_ENABLED=0 $(GO) -C integration/tools build -trimpath -o $(CURDIR)/bin/ko github.com/google/ko

images: $(filter bin/ko,$(KO:$(CURDIR)/%=%)) ## build and push the images of the three services with ko, without Docker; bin/images.yaml names them; PIN=yes first pins their base by digest
	@mkdir -p bin
	$(if $(PIN),$(GO) -C integration/tools run ./pin $(CURDIR)/.ko.yaml)
	EEMT_DRIVERS=$(EEMT_DRIVERS) $(KO) resolve --base-import-paths --platform $(EEMT_PLATFORMS) -f ko/images.yaml > bin/images.yaml

e2e: images ## try everything on the cluster of KUBECONFIG, which must have Knative; E2E=NAME runs one test, E2E_SKIP=NAMES leaves some out
	for d in $(E2E_DRIVERS); do EEMT_DRIVERS=$$d $(KO) resolve --base-import-paths --platform $(EEMT_PLATFORMS) -f ko/images.yaml > bin/images-$$d.yaml || exit 1; done
	cd integration/tools && KO_CONFIG_PATH=$(CURDIR) $(KO) build --base-import-paths --sbom none --platform $(EEMT_PLATFORMS) github.com/fsouza/fake-gcs-server github.com/johannesboyne/gofakes3/cmd/gofakes3 > $(CURDIR)/bin/test-images
	cd integration/cluster && KO_CONFIG_PATH=$(CURDIR) $(KO) build --base-import-paths --sbom none --platform $(EEMT_PLATFORMS) ./waiter ./volume ./caller >> $(CURDIR)/bin/test-images
	$(GO) -C integration/cluster test -count=1 -parallel 4 -timeout 40m -v -run '$(E2E)' -skip '$(E2E_SKIP)' .

# The cluster beside the project, which make nightly boots once more, with senders of events authenticated, if it is there.
CLUSTER ?= $(abspath ../shared/cluster)
# The tests of make e2e that boot a deployment of their own and rarely break.
E2E_NIGHTLY := ^Test(Dev|Hybrid|Restore)$$

nightly: ## what is slow and rarely breaks: storms, floods, recorded answers of all routes, GDAL on every map of real terrain, Keycloak, schemathesis, the rest of make race, long fuzzing, the rest of make e2e, signatures, a store that enforces rights, images of both architectures; wants the cluster of KUBECONFIG
	EEMT_NIGHTLY=1 $(GO) test -count=1 -timeout 60m ./integration/chaos ./integration/golden
	EEMT_NIGHTLY=1 $(GO) test -count=1 -timeout 30m -run '^TestStoreEnforcesRights$$' ./cmd/internal/service
	EEMT_NIGHTLY=1 EEMT_SLOW=1 EEMT_REQUIRE_TOOLS=1 EEMT_REQUIRE_SHARED=1 $(GO) test -count=1 -timeout 30m -run '^Test(RealTerrain|Flood)' ./integration
	$(GO) test -race -short -timeout 60m $$($(GO) list ./... | grep -E '$(RACE_SLOW)')
	EEMT_NIGHTLY=1 EEMT_REQUIRE_TOOLS=1 $(GO) -C integration/browser test -count=1 -timeout 20m -run '^TestKeycloak$$' ./...
	EEMT_NIGHTLY=1 EEMT_REQUIRE_TOOLS=1 $(GO) -C integration/clients test -count=1 -timeout 20m -run '^TestSchemathesis$$' ./...
	$(MAKE) fuzz FUZZTIME=10s
	EEMT_REQUIRE_CLUSTER=1 $(MAKE) e2e E2E='$(E2E_NIGHTLY)'
	EEMT_REQUIRE_CLUSTER=1 $(GO) -C integration/signing test -count=1 -timeout 30m .
	[ ! -x $(CLUSTER)/up ] || { $(CLUSTER)/down && EEMT_CLUSTER_OIDC=1 $(CLUSTER)/up; }
	[ ! -x $(CLUSTER)/up ] || EEMT_CLUSTER_OIDC=1 EEMT_REQUIRE_CLUSTER=1 $(MAKE) e2e E2E='^TestIdentities$$'
	[ ! -x $(CLUSTER)/up ] || { $(CLUSTER)/down && $(CLUSTER)/up; }
	EEMT_IMAGES=1 EEMT_DRIVERS=gcs $(GO) -C integration/tools test -count=1 -timeout 20m -v ./...
