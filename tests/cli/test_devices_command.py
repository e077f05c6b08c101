"""``rnngen devices``: what ``--device`` can name here."""

import json

import torch


def test_the_json_lists_devices_that_torch_takes(run):
    devices = json.loads(run("devices", "--json").out)
    for device in devices:
        assert set(device) == {"name", "description", "memory_free", "memory_total", "bf16", "auto"}
        torch.device(device["name"])
    assert devices[0]["name"] == "cpu"


def test_exactly_one_is_what_auto_takes(run):
    assert sum(device["auto"] for device in json.loads(run("devices", "--json").out)) == 1


def test_the_table_lists_the_same(run):
    devices = json.loads(run("devices", "--json").out)
    _, *rows = run("devices").out.splitlines()
    assert [row.split()[0] for row in rows] == [device["name"] for device in devices]
    assert [" *" in row for row in rows] == [device["auto"] for device in devices]
