"""CAGE on distinct rows and sparse votes is CAGE on all rows and dense votes."""

import numpy as np
import pytest
import torch

from spear_amal.label_models import Cage
from spear_amal.maths import cage
from spear_amal.votes.label_matrix import LabelMatrix

N, M, C, EPOCHS = 211, 13, 3, 17


def drawn(scored):
    rng = np.random.default_rng(5)
    votes = np.where(rng.random((N, M)) < 0.2, rng.integers(0, C, (N, M)), -1)
    if not scored:
        return LabelMatrix.from_dense(votes)
    continuous = rng.random(M) < 0.4
    return LabelMatrix.from_dense(votes, scores=rng.random((N, M)), continuous=continuous)


@pytest.mark.parametrize("scored", [False, True])
def test_equals_dense_steps_over_all_rows(scored):
    L = drawn(scored)
    model = Cage(epochs=EPOCHS).fit(L)
    unipolar = L.to_unipolar(model.plan_)
    fired = torch.as_tensor((unipolar.codes > 0).toarray(), dtype=torch.float64)
    at = np.flatnonzero(unipolar.continuous)
    scores = torch.as_tensor(unipolar.dense_scores()[:, at], dtype=torch.float64)
    k = torch.as_tensor(model.k_)
    guides = torch.full((len(k),), 0.9, dtype=torch.float64)
    believed = cage.Guides.of(C, k, guides)
    theta = cage.guided_start(C, k, guides).requires_grad_()
    pi = torch.ones(C, len(at), dtype=torch.float64, requires_grad=True)
    optimiser = torch.optim.Adam([theta, pi], lr=model.lr)
    for _ in range(EPOCHS):
        optimiser.zero_grad()
        potentials = cage.Potentials(theta)
        joint = potentials.log_joint(fired)
        if scored:
            q_c = torch.full((len(at),), model.quality_index, dtype=torch.float64)
            densities = cage.ScoreDensities(pi, cage.mean_scores(len(pi), k[at], q_c))
            joint = joint + densities.log_density(cage.LogScores.of(fired[:, at], scores))
        value = potentials.quality_penalty(believed) - joint.logsumexp(1).mean()
        value.backward()
        optimiser.step()
    np.testing.assert_allclose(model.theta_, theta.detach(), atol=1e-9)
    np.testing.assert_allclose(model.pi_, pi.detach(), atol=1e-9)
    # Rows with equal votes, and no others, get equal posteriors.
    again = Cage(epochs=EPOCHS).fit(L[::-1])
    np.testing.assert_allclose(again.predict_proba(L), model.predict_proba(L), atol=1e-8)
