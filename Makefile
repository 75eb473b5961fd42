# Everything a newcomer types. `make help` lists it.
SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
MAKEFLAGS   += --no-print-directory
export CGO_ENABLED := 0

LDFLAGS := -s -w
CONFORMANCE := v0.0.0-20260831232431-97274622c111

.DEFAULT_GOAL := help

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## bin/cairn, one static binary
	@go build -trimpath -ldflags '$(LDFLAGS)' -o bin/cairn ./cmd/cairn

.PHONY: demo
demo: ## build, then the main job on real data: images to a registered, traced model
	@start=$$(date +%s); $(MAKE) build; echo "built bin/cairn in $$(( $$(date +%s) - start )) s" >&2
	@scripts/demo.sh

.PHONY: demo-clean
demo-clean: ## remove everything that the demo left
	@scripts/demo-clean.sh

.PHONY: test
test: build lint ## the tests: no network beyond Go modules, no Docker, no cluster
	@go test -count=1 ./internal # imports and budget: they look at files that the cache of go test does not know of
	@go test -timeout 9m ./...

.PHONY: lint
lint: ## gofmt and go vet, for this and the other platforms
	@bad=$$(gofmt -l $$(git ls-files '*.go')); if [ -n "$$bad" ]; then echo "gofmt: $$bad" >&2; exit 1; fi
	@go vet ./...

.PHONY: test-cross
test-cross: ## compiles for darwin and linux/arm64
	@for p in darwin/arm64 darwin/amd64 linux/arm64; do echo "build $$p"; GOOS=$${p%/*} GOARCH=$${p#*/} go build -o /dev/null ./cmd/cairn; done

.PHONY: test-race
test-race: ## the concurrent rooms under the race detector (needs a C compiler)
	@command -v gcc >/dev/null || { apt-get update -q && apt-get install -q -y gcc libc6-dev; } >/dev/null
	@CGO_ENABLED=1 go test -race -short -timeout 20m ./internal/store/... ./internal/run/... ./internal/runner/... ./internal/cas/... ./internal/asset/... ./internal/server/... \
	  ./internal/gateway/... ./internal/deploy/... ./internal/oci/...

.PHONY: test-kill
test-kill: ## kill -9 of owner, supervisor and step at twenty points each, three times over
	@go test -count=3 -timeout 20m -run 'Kill' ./internal/run ./internal/runner/host ./internal/server ./internal/gateway

.PHONY: test-serve
test-serve: build ## 50 connections over deployments and rollbacks, then kill -9 of what serves, 50 times
	@go run ./scripts/servetest -cairn bin/cairn $(if $(SEED),-seed $(SEED))

.PHONY: test-docker
test-docker: build ## images, registry, jobs in containers, services and environments with real Docker, buildah, skopeo; starts an engine where none answers
	@CAIRN_TEST_DOCKER=1 scripts/with-docker.sh $(if $(DOCKER_OPTIONAL),--if-possible) --need busybox --need buildah --need skopeo --need redis-server \
	  sh -c "go test -p 1 -count=1 -timeout 15m -run 'Docker|ForReal|RegistryClients' ./internal/oci/build ./internal/deploy/local ./internal/runner/docker ./internal/server && scripts/e2e-environments.sh"

.PHONY: test-conformance
test-conformance: ## the registry against the conformance program of the OCI distribution specification
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	(cd "$$dir" && go mod init conformance && go get github.com/opencontainers/distribution-spec/conformance@$(CONFORMANCE) && \
	  go build -o conformance github.com/opencontainers/distribution-spec/conformance) >"$$dir/log" 2>&1 || { cat "$$dir/log"; exit 1; }; \
	CAIRN_OCI_CONFORMANCE=$$dir/conformance go test ./internal/oci/registry -run Conformance -count=1 -v >"$$dir/log" 2>&1 || { cat "$$dir/log"; exit 1; }; \
	grep -vE '^(=== |PASS)|: +Pass$$|^ *$$' "$$dir/log"

.PHONY: test-web
test-web: ## the pages in a real browser
	@command -v chromium >/dev/null || { apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium; } >/dev/null
	@CAIRN_TEST_BROWSER=1 go test -count=1 -timeout 5m -run 'Browser' ./internal/server

.PHONY: test-oracle
test-oracle: ## expressions and workflow files against GitHub's own npm packages
	@for d in expr workflow; do (cd internal/$$d/testdata/oracle && npm install --no-audit --no-fund --no-package-lock --silent); done
	@CAIRN_ORACLE=1 go test -count=1 -timeout 15m -run 'Oracle' ./internal/expr/ ./internal/workflow/

.PHONY: test-azureml
test-azureml: ## files of Azure ML against its own Python package, on thousands of mutants; SEED=2: others
	@python=$$(scripts/python-with.sh azureml azure-ai-ml==1.35.2) && \
	  CAIRN_AZUREML_PYTHON=$$python $(if $(SEED),CAIRN_AZUREML_SEED=$(SEED)) go test -count=1 -timeout 30m -run 'Oracle|Fuzz' ./internal/pipeline

.PHONY: test-clients
test-clients: build ## GitHub's own npm packages (artifact, cache, core, octokit) against this Cairn; CLIENT_BYTES=1073741824 CLIENT_FILES=10000: figures
	@command -v npm >/dev/null || { apt-get update -q && apt-get install -q -y nodejs npm; } >/dev/null
	@CAIRN_TEST_CLIENTS=1 go test -count=1 -timeout 20m -run 'Clients|Zip64|OIDCClient|Octokit|JavaScript|StageOrder|Toolkit' $(if $(CLIENT_BYTES),-v) ./internal/api/... ./internal/server ./internal/runner/host
	@$(if $(CLIENT_BYTES),BYTES=$(CLIENT_BYTES) FILES=$(or $(CLIENT_FILES),10000) scripts/clienttest.sh)
	@$(MAKE) github-script && git diff --exit-code --stat internal/runner/action/githubscript

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10m)
	@for d in $$(grep -rl --include='*_test.go' '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
	  for f in $$(grep -ho '^func Fuzz[A-Za-z]*' $$d/*_test.go | cut -c6-); do \
	    case $$f in FuzzOracle) continue ;; esac; echo "$$d $$f"; go test $$d -run '^$$' -fuzz "^$$f\$$" -fuzztime $(or $(FUZZTIME),10m) || exit 1; done; done

.PHONY: test-az
test-az: ## the az dialect beside azure-cli, jmespath.py and knack from PyPI
	@CAIRN_TEST_AZ=1 go test -count=1 -timeout 20m -run Oracle -v ./internal/cli/az/...

.PHONY: test-mlflow
test-mlflow: ## the stock mlflow clients, 2.x and 3.x, against our tracking API
	@CAIRN_TEST_MLFLOW=1 go test -count=1 -timeout 20m -run 'MLflow' ./internal/api/mlflow/...

.PHONY: test-python
test-python: ## interpreters, uv, Node, setup-python, setup-node and packages laid into images, with the real package indexes
	@CAIRN_TEST_NETWORK=1 go test -count=1 -timeout 10m ./internal/runner/python ./internal/runner/node ./internal/runner/action ./internal/oci/wheel ./internal/oci/base
	@CAIRN_TEST_NETWORK=1 go test -count=1 -timeout 10m -run BuildPackages ./internal/server

.PHONY: test-sdk
test-sdk: ## the package that stands in for azureml.core, on each Python that is here
	@cd internal/runner/azureml/lib_test && for v in 6 7 8 9 10 11 12 13 14; do \
	  python=$$(ls $${PYENV_ROOT:-$$HOME/.pyenv}/versions/3.$$v.*/bin/python 2>/dev/null | tail -n 1 || true); [ -n "$$python" ] || python=$$(command -v python3.$$v) || continue; \
	  $$python -c '' 2>/dev/null || continue; \
	  echo "Python 3.$$v"; PYTHONDONTWRITEBYTECODE=1 $$python -W error::DeprecationWarning -m unittest -b || exit 1; done
	@python3 scripts/sdk-table.py

.PHONY: test-e2e
test-e2e: build ## the demo twice, skipped steps, pinned versions, the plain example, bad repositories; the pipelines of the handwriting example; az and the first SDK
	@scripts/e2e.sh
	@scripts/e2e-pipelines.sh
	@scripts/e2e-azure.sh

.PHONY: bench
bench: build ## jobs beside bash, images beside docker, push to live, the gateway beside the bare program, memory, size; ACT=1: act too; COLD=1: the cold build
	@go run ./scripts/bench -cairn bin/cairn $(if $(ACT),-act) $(if $(COLD),-cold)
	@go test -run '^$$' -bench . -benchtime 0.3s ./internal/... | grep -E '^(Benchmark|pkg:)'

.PHONY: docs
docs: ## regenerate the references of commands, of .cairn/stages.yml, of the workflow language and of Azure ML's files
	@go test ./internal ./internal/cli ./internal/stages -run Reference -update

.PHONY: github-script
github-script: ## bundle what actions/github-script runs; needs node and npm
	@cd internal/runner/action/githubscript && npm ci --no-audit --no-fund --silent && npx esbuild main.js --bundle --minify --platform=node --target=node16 \
	  --legal-comments=none --log-level=warning --banner:js="// Code generated by make github-script; DO NOT EDIT. Licences: NOTICE.md" --outfile=bundle.js && \
	  node notice.js >NOTICE.md && rm -r node_modules

.PHONY: clean
clean: ## remove what was built
	@rm -rf bin
