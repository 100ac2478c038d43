"""A small problem with shared parameters and own heads, and what the upper level should find."""

import torch
from torch.autograd.functional import jacobian

from spear_amal.mixers import Step

B, B_VAL = 11, 7
SIZES = {"trunk.0.weight": 3, "trunk.1.weight": 5, "heads.label.weight": 2, "heads.turn.weight": 2}
NAMES = ("turn", "label", "norm")  # the main loss does not come first
MAIN = 1
DOUBLE = torch.float64


class Problem:
    """Squared errors: "label" and "turn" see the trunk and their heads, "norm" half the trunk.

    Also the ``Graphs`` of a mixer. The validation loss is neither quadratic nor large.
    """

    def __init__(self, sign=1):
        self.generator, self.sign = torch.Generator().manual_seed(0), sign
        self.x = self.draw(B, 8)
        self.z = self.draw(B, 2)
        self.targets = self.draw(B, 3)
        self.x_val, self.z_val, self.y_val = self.draw(B_VAL, 8), self.draw(B_VAL, 2), torch.ones(7)
        self.applies = torch.rand(B, 3, generator=self.generator) < 0.8
        self.parameters = {n: self.draw(1, d).requires_grad_() for n, d in SIZES.items()}

    def draw(self, *shape):
        return torch.randn(*shape, generator=self.generator, dtype=DOUBLE)

    def columns_at(self, at):
        trunk = self.x[:, :3] @ at["trunk.0.weight"][0] + self.x[:, 3:] @ at["trunk.1.weight"][0]
        said = [
            trunk.square() * 0.1 + trunk + self.z @ at["heads.turn.weight"][0],
            trunk + self.z @ at["heads.label.weight"][0],
            self.x[:, :3] @ at["trunk.0.weight"][0],
        ]
        errors = [(s - t).square() / 2 for s, t in zip(said, self.targets.unbind(1), strict=True)]
        on = self.applies.unbind(1)
        return [torch.where(o, e, torch.zeros_like(e)) for o, e in zip(on, errors, strict=True)]

    def values_at(self, at):
        """(1/n_k) sum_i l_ik."""
        n = self.applies.sum(0)
        return [c.sum() / n[k] for k, c in enumerate(self.columns_at(at))]

    def penalty_at(self, at):
        return sum(p.square().sum() for p in at.values()) * 0.05

    def validation_at(self, at):
        trunk = torch.cat([at["trunk.0.weight"][0], at["trunk.1.weight"][0]])
        scores = self.x_val @ trunk + self.z_val @ at["heads.label.weight"][0]
        return 1e-2 * torch.nn.functional.softplus(-scores * self.y_val).mean()

    def columns(self):
        return self.columns_at(self.parameters)

    def penalty(self):
        return self.penalty_at(self.parameters)

    def validation_loss(self):
        return self.sign * self.validation_at(self.parameters)

    def step(self, separate):
        columns = self.columns()
        losses = torch.stack(columns, 1)
        more = (columns, self.parameters) if separate else ()
        return Step(losses, torch.ones_like(losses), self.applies, *more)

    # -- what is expected -------------------------------------------------------------------------

    @property
    def at(self):
        return torch.cat([p.detach().reshape(-1) for p in self.parameters.values()])

    def move_to(self, flat):
        with torch.no_grad():
            for name, piece in unflat(flat).items():
                self.parameters[name].copy_(piece)

    def settle(self, field):
        """Go to where the field is zero, by Newton's steps."""
        at = self.at
        for _ in range(43):
            if field(at).abs().max() < 1e-13:
                break
            at = at - torch.linalg.solve(jacobian(field, at), field(at))
        assert field(at).abs().max() < 1e-13
        self.move_to(at)


def unflat(flat):
    return {n: p.unsqueeze(0) for n, p in zip(SIZES, flat.split([*SIZES.values()]), strict=True)}


def gradient(value, flat):
    """Gradient with its graph by a flat vector of parameters; zeros where nothing is reached."""
    flat = flat if flat.requires_grad else flat.detach().requires_grad_()
    found = torch.autograd.grad(value(unflat(flat)), flat, create_graph=True)
    return found[0]


def through_steps(problem, field, upper, eta, n):
    """Derivative of the validation loss by `upper` through n real SGD steps on field(w, upper)."""
    upper = upper.detach().requires_grad_()
    w = problem.at.requires_grad_()
    for _ in range(n):
        w = w - eta * field(w, upper)
    return torch.autograd.grad(problem.validation_at(unflat(w)), upper)[0]


def by_matrices(problem, field, upper, eta, n):
    """Same with matrices at the parameters as they are; n None gives the exact inverse."""
    w = problem.at
    j = jacobian(lambda at: field(at, upper), w)
    b = jacobian(lambda u: field(w, u), upper).flatten(1)
    v = jacobian(lambda at: problem.validation_at(unflat(at)), w)
    if n is None:
        return -(torch.linalg.solve(j.T, v) @ b).view_as(upper)
    power = torch.eye(len(w), dtype=DOUBLE) - eta * j
    p = sum(torch.linalg.matrix_power(power, t) for t in range(n)).T @ v
    return -eta * (p @ b).view_as(upper)


def attach(mixer, n_rows=B, names=NAMES, mixable=(True, True, True)):
    mixer.attach(n_rows, names, torch.ones(n_rows, len(names)) > 0, torch.tensor(mixable))
    return mixer


def close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-8, atol=1e-13)
    assert expected.abs().max() > 1e-6


# -- what is learnt -------------------------------------------------------------------------------


class TugOfWar:
    """Least squares with few noisy rows of the main loss, and one loss that knows the truth.

    One loss is drawn to the opposite, and one to the truth in the first block of parameters and to
    its opposite in the second.
    """

    names = ("main", "with", "against", "half")

    def __init__(self):
        generator = torch.Generator().manual_seed(1)

        def draw(*shape):
            return torch.randn(*shape, generator=generator, dtype=DOUBLE)

        self.x, truth, self.x_val = draw(41, 5), draw(5), draw(53, 5)
        turned = truth * torch.tensor([1.0, 1.0, -1.0, -1.0, -1.0])
        self.y_val = self.x_val @ truth
        noisy = self.x @ truth + draw(41)
        self.y = [noisy, self.x @ truth, -self.x @ truth, self.x @ turned]
        self.applies = torch.ones(41, 4, dtype=torch.bool)
        self.applies[7:, 0] = False
        sizes = {"low.weight": 2, "high.weight": 3}
        self.parameters = {n: draw(1, d).requires_grad_() for n, d in sizes.items()}

    def said(self, x):
        return x @ torch.cat([p[0] for p in self.parameters.values()])

    def columns(self):
        errors = [(self.said(self.x) - y).square() / 2 for y in self.y]
        return [torch.where(self.applies[:, k], e, 0.0) for k, e in enumerate(errors)]

    def penalty(self):
        return 0.0

    def validation_loss(self):
        return (self.said(self.x_val) - self.y_val).square().mean()

    def train(self, mixer, n_steps=241):
        """Train with a mixer from the start; all weights ever told are at least 0."""
        attach(mixer, 41, self.names, (True,) * 4)
        for _ in range(n_steps):
            if mixer.due():
                mixer.learn(self)
            columns = self.columns()
            losses = torch.stack(columns, 1)
            weights = mixer.weights(None, losses.detach())
            step = Step(losses, weights, self.applies, columns, self.parameters)
            for parameter in self.parameters.values():
                parameter.grad = None
            mixer.combine(step).backward()
            with torch.no_grad():
                for parameter in self.parameters.values():
                    parameter -= 0.1 * parameter.grad
            told = [*mixer.mean_weights(torch.arange(41)).values()]
            assert min([*told, *mixer.module_weights().values()]) >= 0
