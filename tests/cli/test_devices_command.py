"""``rnngen devices``: what ``--device`` can name here."""

import json
import sys

import pytest
import torch


def test_the_json_lists_devices_that_torch_takes(run):
    devices = json.loads(run("devices", "--json").out)
    for device in devices:
        told = {"name", "description", "memory_free", "memory_total", "bf16", "driver", "kernels", "auto"}
        assert set(device) == told
        torch.device(device["name"])
    assert devices[0]["name"] == "cpu"
    if sys.platform == "linux":
        assert 0 < devices[0]["memory_free"] <= devices[0]["memory_total"]


def test_exactly_one_is_what_auto_takes(run):
    assert sum(device["auto"] for device in json.loads(run("devices", "--json").out)) == 1


def test_the_table_lists_the_same(run):
    devices = json.loads(run("devices", "--json").out)
    _, *rows = run("devices").out.splitlines()
    assert [row.split()[0] for row in rows] == [device["name"] for device in devices]
    assert [" *" in row for row in rows] == [device["auto"] for device in devices]


@pytest.mark.parametrize("numba", [True, False])
def test_what_numba_would_bring_is_told_where_it_is_missing(run, monkeypatch, numba):
    monkeypatch.setattr("rnngen.nn.devices.has_numba", lambda: numba)
    assert ("rnngen[fast]" in run("devices").err) == (not numba)
    assert json.loads(run("devices", "--json").out)[0]["kernels"] == numba
