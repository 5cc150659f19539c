"""A calibrated network begins with what tells documents apart."""

from __future__ import annotations

import random

import torch

from engines.doc2lora.reading import layer_states, padded
from engines.doc2lora.training.base import new_network
from engines.doc2lora.training.starting import calibrate
from tests.engines.doc2lora.training.training_data import NETWORK, base, settings


def _documents(number, seed):
    chance = random.Random(seed)
    return [[chance.randrange(3, 400) for _ in range(12)] for _ in range(number)]


def _ranks(network, of, documents):
    ids, mask = padded(documents, "cpu")
    ranks = network.read_layers(layer_states(of.model, ids, mask), mask)
    return ranks / ranks.norm(dim=-1, keepdim=True)


def _differing(units):
    return (units - units.mean(0)).pow(2).sum(-1).mean().item()


def _network(tmp_path, of, **changes):
    return new_network(of, settings(tmp_path, **changes))


def _with_something_in_common(of):
    """Give all embeddings one huge direction, as a real model's states have."""
    with torch.no_grad():
        of.model.get_input_embeddings().weight[:, 3] += 40.0
    return of


@torch.no_grad()
def test_documents_differ_more_in_what_the_perceiver_makes_of_them(tmp_path):
    of = _with_something_in_common(base())
    network = _network(tmp_path, of)
    new = _documents(8, seed=1)
    before = _differing(_ranks(network, of, new))
    calibrate(network, of.model, _documents(40, seed=0))
    assert _differing(_ranks(network, of, new)) > 2 * before


@torch.no_grad()
def test_rows_of_b_point_to_the_words_of_their_own_document(tmp_path):
    of = base()
    network = _network(tmp_path, of, network={**NETWORK, "latent": 64, "projection_hidden": 96})
    calibrate(network, of.model, _documents(400, seed=0))
    network.heads.scaler_b.fill_(1.0)
    new = _documents(20, seed=1)
    around = network.config.affixes
    ids, mask = padded([[*around.prefix, *d, *around.suffix] for d in new], "cpu")
    b = network(layer_states(of.model, ids, mask), mask).b[:, 0].mean(1)
    words = torch.stack([of.model.lm_head.weight[d].mean(0) for d in new])
    likeness = torch.cosine_similarity(b[:, None], (words - words.mean(0))[None], dim=-1)
    own, other = likeness.diagonal(), likeness[~torch.eye(20, dtype=torch.bool)]
    assert own.mean() > other.mean() + 0.1


@torch.no_grad()
def test_it_still_begins_without_effect_and_comes_out_the_same_again(tmp_path):
    of = base()
    first, second = _network(tmp_path, of), _network(tmp_path, of)
    for network in (first, second):
        calibrate(network, of.model, _documents(40, seed=0), seed=5)
    assert torch.equal(first.heads.weight, second.heads.weight)
    ids, mask = padded(_documents(2, seed=1), "cpu")
    generated = first(layer_states(of.model, ids, mask), mask)
    assert generated.b.abs().max() == 0
    assert generated.bias_b.abs().max() == 0
