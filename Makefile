# Every target sets up what it needs. `make demo` does the main job; `make test` passes the tests.
SHELL := /bin/bash
VENV  := .venv
BIN   := $(VENV)/bin
OUT   ?= runs/lift-demo
export MUJOCO_GL ?= egl

.PHONY: setup system demo detector test lint format clean bench-quick
.DEFAULT_GOAL := help

help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

system:  ## system libraries (OpenGL, Chromium for the browser test), through apt where it may
	@bash scripts/system.sh

$(VENV)/.ready: pyproject.toml constraints.txt scripts/venv.sh
	@bash scripts/venv.sh $(VENV)

setup: system $(VENV)/.ready  ## everything that the other targets need

demo: setup  ## diagnose the shipped Lift policy: rollouts, ranking, verification, report
	$(BIN)/faultfield run studies/lift-demo.yaml --out $(OUT)

# Lift and Stack with a reason for two episodes of three, reasons from metaworld; half of the scenes look otherwise.
FAULTS := --tasks Lift,Stack --episodes 2400 --dense 1600 --test 120 --vary 0.5 \
  --unseen PickPlaceCan,bin-picking-v3,coffee-push-v3 --sight 1200 --transfer-dense 1760 --transfer \
  assembly-v3,basketball-v3,button-press-topdown-v3,button-press-v3,coffee-button-v3,coffee-pull-v3,door-open-v3,$\
  drawer-close-v3,drawer-open-v3,faucet-open-v3,hand-insert-v3,handle-press-v3,peg-insert-side-v3,$\
  pick-out-of-hole-v3,pick-place-v3,pick-place-wall-v3,plate-slide-side-v3,plate-slide-v3,push-v3,reach-v3,$\
  shelf-place-v3,sweep-into-v3,window-open-v3

# How learned policies end, without a reason: as a study's rollouts tell it, for nothing.
LEARNED := lift-hard stack-demo

# bfloat16 where the processor has instructions for it: a step in three quarters of the time.
BF16 := $(if $(shell grep -m1 -oE 'avx512_bf16|amx_bf16' /proc/cpuinfo 2>/dev/null),true,false)

detector: setup  ## a pocket detector in runs/detector: data, eyes, training
	$(BIN)/faultfield detector generate $(FAULTS) --out runs/faults
	for study in $(LEARNED); do \
	  $(BIN)/faultfield collect studies/$$study.yaml --out runs/learned/$$study && \
	  { test -d runs/learned/$$study-llava || \
	    $(BIN)/faultfield export runs/learned/$$study --format llava --out runs/learned/$$study-llava; } || exit 1; \
	done
	$(BIN)/faultfield detector train --data runs/faults --split train-sparse --split train-dense \
	  --split train-transfer $(LEARNED:%=--data runs/learned/%-llava/conversations.json) \
	  --settings '{bf16: $(BF16)}' --sight runs/faults --sight-settings '{epochs: 5, captions: 2.5}' \
	  --store float16 --out runs/detector

bench-quick: setup  ## every benchmark program at its small size
	$(BIN)/python benchmarks/quick.py

test: setup  ## all tests
	$(BIN)/pytest

lint: setup  ## style, types, layers
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/mypy && $(BIN)/lint-imports

format: setup  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

clean:  ## forget the virtual environment and the demo
	rm -rf $(VENV) runs
