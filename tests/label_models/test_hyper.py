"""The hyper label model: what must not matter to it, what it computes, and how good it is."""

import numpy as np
import pytest
from safetensors.numpy import load_file

from spear_amal import LabelMatrix
from spear_amal.data import synthetic_votes
from spear_amal.errors import InputError
from spear_amal.label_models import HyperLabelModel, MajorityVote, hyper_network
from spear_amal.label_models.hyper import WEIGHTS_FILE, network_weights
from spear_amal.label_models.hyper_network import (
    BELIEFS,
    ROUNDS,
    WIDTH,
    network_states,
    vote_graph,
    weight_shapes,
)
from spear_amal.label_models.vote_patterns import find_patterns

N, M, C = 101, 7, 3


@pytest.fixture(scope="module")
def drawn():
    """Votes of some LFs with one class and some with several, not all rows covered; classes."""
    L, y = synthetic_votes(N, M, C, accuracies=0.7, coverages=0.3, seed=4)
    votes = np.asarray(L).copy()
    votes[:, 5:] = np.where(votes[:, 5:] == 1, 1, -1)
    return votes, y


def answers(votes, y=None, n_classes=C, **options):
    L = LabelMatrix.from_dense(votes, classes=range(n_classes))
    return HyperLabelModel(**options).fit(L, y).predict_proba(L)


@pytest.mark.parametrize("with_gold", [False, True])
def test_the_order_of_rows_lfs_and_classes_does_not_matter(drawn, with_gold):
    votes, y = drawn
    gold = np.where(np.arange(N) % 3 == 0, y, -1) if with_gold else None
    p = answers(votes, gold)
    assert len(np.unique(p.round(6), axis=0)) > 10  # or else any order would do
    rng = np.random.default_rng(0)
    rows, lfs, classes = rng.permutation(N), rng.permutation(M), np.array([2, 0, 1])
    of_rows = None if gold is None else gold[rows]
    np.testing.assert_allclose(answers(votes[rows], of_rows), p[rows], atol=1e-9)
    np.testing.assert_allclose(answers(votes[:, lfs], gold), p, atol=1e-9)
    renamed = np.where(votes < 0, -1, classes[votes])
    of_classes = None if gold is None else np.where(gold < 0, -1, classes[gold])
    np.testing.assert_allclose(answers(renamed, of_classes)[:, classes], p, atol=1e-9)


def test_what_says_nothing_changes_nothing(drawn):
    votes, _y = drawn
    p = answers(votes)
    silent = np.c_[votes[:, :3], np.full(N, -1), votes[:, 3:]]
    np.testing.assert_allclose(answers(silent), p, atol=1e-12)
    np.testing.assert_allclose(answers(np.tile(votes, (3, 1)))[:N], p, atol=1e-9)
    more = np.r_[votes, np.full((50, M), -1)]
    np.testing.assert_allclose(answers(more)[:N], p, atol=1e-12)


def test_rows_count_by_their_number(drawn):
    votes, y = drawn
    gold = np.where(np.arange(N) % 3 == 0, y, -1)
    L = LabelMatrix.from_dense(votes, classes=range(C))
    times = np.arange(N) % 4 + 1
    model = HyperLabelModel().fit(L)  # sets what _fit relies on
    model._fit(L, gold, times.astype(float))
    each = np.repeat(np.arange(N), times)
    expected = HyperLabelModel().fit(L[each], gold[each])
    np.testing.assert_allclose(model.predict_proba(L), expected.predict_proba(L), atol=1e-9)
    np.testing.assert_allclose(model.accuracies_, expected.accuracies_, atol=1e-9)


def test_rows_in_many_parts_give_the_same(drawn, monkeypatch):
    votes, y = drawn
    expected = answers(votes, y)
    monkeypatch.setattr(hyper_network, "MESSAGES_AT_ONCE", 13)
    monkeypatch.setattr(hyper_network, "PAIRS_AT_ONCE", 5)
    monkeypatch.setattr("spear_amal.label_models.hyper.STATES_AT_ONCE", 17)
    np.testing.assert_allclose(answers(votes, y), expected, atol=1e-9)


def drawn_weights(seed=0):
    rng = np.random.default_rng(seed)
    return {
        name: rng.normal(size=shape) / np.sqrt(shape[0]) for name, shape in weight_shapes().items()
    }


def network(weights, name, **inputs):
    hidden = weights[f"{name}.bias"]
    for part, values in inputs.items():
        hidden = hidden + np.asarray(values) @ weights[f"{name}.{part}"]
    return np.maximum(hidden, 0) @ weights[f"{name}.out"]


def bounded(state):
    """Numbers (C, w), centred over classes and squashed."""
    state = state - state.mean(0)
    return state / (1 + abs(state))


def message(state):
    """What one state (C, WIDTH) of a row says."""
    beliefs = np.exp(state[:, :BELIEFS])
    return np.c_[beliefs / beliefs.sum(0), bounded(state[:, BELIEFS:])]


def states_by_loops(votes, facts, class_facts, weights):
    """States by pair (LF, class) and of classes (C, WIDTH): row by row, as the module says it."""
    rows = [[(j, v) for j, v in enumerate(row) if v >= 0] for row in votes if (row >= 0).any()]
    pairs = {pair: network(weights, "pair0", facts=facts[pair]) for pair in facts}
    classes = network(weights, "class0", facts=class_facts)
    for step in range(1, ROUNDS + 1):
        z = [classes + sum(pairs[pair] for pair in row) for row in rows]
        near = np.mean([message(state) for state in z], axis=0)
        heard_from = {
            pair: [message(z[i] - pairs[pair]) for i, row in enumerate(rows) if pair in row]
            for pair in pairs
        }
        heard = {pair: np.mean(said, axis=0) for pair, said in heard_from.items()}
        by_lf = {
            j: np.mean([m for (lf, _), said in heard_from.items() if lf == j for m in said], axis=0)
            for j, _ in pairs
        }
        pairs = {
            (j, v): state
            + network(
                weights,
                f"pair{step}",
                facts=facts[j, v],
                state=state,
                state_of_vote=state[v],
                heard=heard[j, v],
                heard_of_vote=heard[j, v][v],
                heard_by_lf=by_lf[j],
                of_class=near,
                log_heard=np.log(heard[j, v][:, :BELIEFS] + 0.01),
                log_of_class=np.log(near[:, :BELIEFS] + 0.01),
            )
            for (j, v), state in pairs.items()
        }
        classes = classes + network(
            weights,
            f"class{step}",
            facts=class_facts,
            state=classes,
            of_class=near,
            log_of_class=np.log(near[:, :BELIEFS] + 0.01),
            evenness=(near**2).sum(0),
        )
    return pairs, classes


def test_states_are_those_of_plain_loops(drawn):
    votes = drawn[0][:23]
    L = LabelMatrix.from_dense(votes, classes=range(C))
    graph, columns = vote_graph(find_patterns(L, C), C)
    names = [tuple(map(int, divmod(column, C))) for column in columns]
    weights = drawn_weights()
    found, of_classes = network_states(graph, weights)
    facts = dict(zip(names, graph.pair_facts, strict=True))
    pairs, classes = states_by_loops(votes, facts, graph.class_facts[0], weights)
    assert set(names) == {(j, v) for row in votes for j, v in enumerate(row) if v >= 0}
    np.testing.assert_allclose(found, [pairs[name] for name in names], rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(of_classes[0], classes, rtol=1e-9, atol=1e-9)

    model = HyperLabelModel().fit(L)
    model.readout_ = np.random.default_rng(1).normal(size=(2, WIDTH))
    row = votes[np.flatnonzero((votes >= 0).sum(1) > 1)[0]]
    state = model.class_states_[0] + sum(
        model.pair_states_[names.index((j, v))] for j, v in enumerate(row) if v >= 0
    )
    logits = state @ model.readout_[0] + bounded(state) @ model.readout_[1]
    expected = np.exp(logits) / np.exp(logits).sum()
    np.testing.assert_allclose(model.predict_proba(row[None])[0], expected, rtol=1e-9)


def test_facts_of_a_matrix_that_was_counted_by_hand():
    votes = [[0, 0, -1], [0, 0, -1], [0, 1, 1], [-1, 1, 1], [0, -1, -1], [-1, -1, -1]]
    L = LabelMatrix.from_dense(votes, classes=range(2))
    y = np.array([0, -1, 1, -1, -1, 1])
    graph, columns = vote_graph(find_patterns(L, 2, y), 2, np.array([0.25, 0.75]))
    assert columns.tolist() == [0, 2, 3, 5]  # LF 0 for 0; LF 1 for 0 and for 1; LF 2 for 1
    first = graph.pair_facts[0]  # 4 of 5 rows with votes, alone on one of them
    np.testing.assert_allclose(first[:, 0], [1, 0])
    np.testing.assert_allclose(first[:, 1:6], [[np.log10(0.8)] * 2 + [1, 0.25, np.log1p(1)]] * 2)
    # Others on its three rows in company: for 0, for 0, for 1 twice.
    np.testing.assert_allclose(first[:, 8], [2 / 3, 1 / 3])
    # Correlation of LF 0 with LF 1 for class 0: (0.4 - 0.8 * 0.4) / sqrt(0.16 * 0.24).
    r2 = 0.08**2 / (0.16 * 0.24)
    np.testing.assert_allclose(first[:, 6:8], [[np.log1p(r2), np.log1p(r2**4)]] * 2)
    np.testing.assert_allclose(graph.pair_facts[3, :, 6:8], np.log(2))  # LF 2 copies LF 1 there
    np.testing.assert_allclose(first[:, 10], np.log1p(2) / 3)  # two gold rows, one of each class
    np.testing.assert_allclose(first[:, 11], 0)
    np.testing.assert_allclose(graph.class_facts[0, :, 5], np.log([0.51, 1.51]))


def test_weights_come_with_the_package():
    stored = load_file(WEIGHTS_FILE)
    assert {name: w.shape for name, w in stored.items()} == weight_shapes()
    assert all(np.isfinite(w).all() for w in stored.values())
    assert WEIGHTS_FILE.stat().st_size < 1_000_000
    assert network_weights()["readout"].dtype == float


def right_share(p, y):
    return (p.argmax(1) == y).mean()


@pytest.mark.parametrize("n_classes", [2, 5, 17])
def test_better_than_the_majority_where_lfs_differ(n_classes):
    accuracies = [0.9, 0.9, *[0.55] * 5]
    L, y = synthetic_votes(2003, 7, n_classes, accuracies=accuracies, coverages=0.5, seed=0)
    L, y = L[L.covered()], y[L.covered()]
    majority = right_share(MajorityVote().fit(L).predict_proba(L), y)
    model = HyperLabelModel().fit(L)
    assert right_share(model.predict_proba(L), y) > majority + 0.02
    assert model.get_weights()[:2].min() > model.get_weights()[2:].max()


def test_gold_turns_a_liar_round():
    L, y = synthetic_votes(2003, 3, 2, accuracies=[0.1, 0.6, 0.6], coverages=0.7, seed=0)
    L, y = L[L.covered()], y[L.covered()]
    gold = np.where(np.arange(len(y)) < 200, y, -1)
    p = HyperLabelModel().fit(L, gold).predict_proba(L)
    assert right_share(p, y) > right_share(HyperLabelModel().fit(L).predict_proba(L), y) + 0.1


def test_a_class_balance_moves_the_answers(drawn):
    votes, _y = drawn
    shares = [
        answers(votes, class_balance=balance).mean(0)
        for balance in ([0.8, 0.1, 0.1], {2: 0.8, 1: 0.1, 0: 0.1})
    ]
    assert shares[0][0] > shares[1][0] and shares[0][2] < shares[1][2]
    with pytest.raises(InputError, match="class_balance"):
        answers(votes, class_balance=[0.5, 0.5])


def test_a_vote_that_fit_never_saw_says_nothing(drawn):
    votes, _y = drawn
    model = HyperLabelModel().fit(LabelMatrix.from_dense(votes, classes=range(C)))
    row = np.full((2, M), -1)
    row[:, 0] = 1
    row[1, 6] = 2  # LF 6 voted for class 1 only
    np.testing.assert_array_equal(*model.predict_proba(row))
