"""The losses against their plain definitions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from torch import Tensor

from napari_aprrd.core.method.apr import apr_loss, replace_pixels, replacer_maps
from napari_aprrd.core.method.rd import distillation_loss

from .. import naive
from ..makers import DEVICE, ON_CPU, random_denoiser

Norm = Literal["l1", "l2"]
POWER = {"l1": 1, "l2": 2}


def gradients(loss: Tensor, network: torch.nn.Module) -> Tensor:
    parts = torch.autograd.grad(loss, list(network.parameters()))
    return torch.cat([part.flatten() for part in parts])


class AprCase:
    """A small network, noisy images and the maps of their replacer."""

    def __init__(self) -> None:
        self.network = random_denoiser(channels=2).network.double().to(DEVICE)
        noisy = torch.rand(2, 2, 8, 8, generator=torch.Generator().manual_seed(0)).double()
        maps = replacer_maps(2, 8, 8, generator=torch.Generator().manual_seed(0))
        self.noisy, self.maps = noisy.to(DEVICE), maps.to(DEVICE)
        self.offsets = [naive.offsets_of(m, 8, 8) for m in self.maps]

    def f(self, image: Tensor) -> Tensor:
        return self.network(image, 2)


@pytest.fixture
def case() -> AprCase:
    return AprCase()


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("factor", [0.0, 1.0, 4.0])
def test_apr_loss_and_its_gradient_equal_equation_6(
    case: AprCase, factor: float, norm: Norm
) -> None:
    fast = apr_loss(case.f, case.noisy, case.maps, regularization=factor, norm=norm)
    plain = naive.apr_loss(case.f, case.noisy, *case.offsets, factor, power=POWER[norm])
    torch.testing.assert_close(fast, plain)
    torch.testing.assert_close(gradients(fast, case.network), gradients(plain, case.network))


def test_no_gradient_flows_through_the_second_pass(case: AprCase) -> None:
    fast = gradients(apr_loss(case.f, case.noisy, case.maps), case.network)
    with_gradient = naive.apr_loss(case.f, case.noisy, *case.offsets, 4.0, detach=False)
    assert not torch.allclose(fast, gradients(with_gradient, case.network), rtol=1e-3)


def test_lambda_is_4_and_the_norm_l1_unless_said_otherwise(case: AprCase) -> None:
    said = apr_loss(case.f, case.noisy, case.maps, regularization=4.0, norm="l1")
    assert torch.equal(apr_loss(case.f, case.noisy, case.maps), said)


@pytest.mark.parametrize(("factor", "passes"), [(0.0, 1), (4.0, 2)])
def test_without_the_second_term_its_pass_is_saved(
    case: AprCase, factor: float, passes: int
) -> None:
    calls = []

    def counted(image: Tensor) -> Tensor:
        calls.append(torch.is_grad_enabled())
        return case.f(image)

    apr_loss(counted, case.noisy, case.maps, regularization=factor)
    assert len(calls) == passes
    assert calls.count(True) == 1


def test_a_noise_free_constant_costs_nothing(case: AprCase) -> None:
    identity: Callable[[Tensor], Tensor] = torch.clone
    assert apr_loss(identity, torch.full((2, 2, 8, 8), 0.5, device=DEVICE), case.maps) == 0


@pytest.mark.parametrize("norm", ["l1", "l2"])
@pytest.mark.parametrize("j", [1, 6])
def test_distillation_loss_equals_equation_9(j: int, norm: Norm) -> None:
    generator = torch.Generator().manual_seed(0)
    student = torch.rand(2, 3, 4, 5, generator=generator).to(DEVICE).requires_grad_()
    targets = torch.rand(2, j, 3, 4, 5, generator=generator).to(DEVICE)
    fast = distillation_loss(student, targets, norm=norm)
    plain = naive.distillation_loss(student, targets, power=POWER[norm])
    torch.testing.assert_close(fast, plain)
    torch.testing.assert_close(*(torch.autograd.grad(v, student)[0] for v in (fast, plain)))


def test_the_l1_optimum_of_distillation_is_the_median_of_the_targets() -> None:
    targets = torch.tensor([0.0, 1.0, 2.0, 3.0, 90.0]).view(1, 5, 1, 1, 1)
    values = torch.arange(0, 90, 0.5)
    losses = [float(distillation_loss(v.view(1, 1, 1, 1), targets)) for v in values]
    assert values[losses.index(min(losses))] == 2


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_pixels_off_the_mask_have_no_say(case: AprCase, norm: Norm) -> None:
    mask = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(1)) < 0.6
    mask = mask.to(DEVICE)
    every = torch.ones_like(mask)
    masked, half = (
        apr_loss(case.f, case.noisy, case.maps, norm=norm, mask=m) for m in (mask, ~mask)
    )
    share = mask.double().mean()
    whole = apr_loss(case.f, case.noisy, case.maps, norm=norm)
    torch.testing.assert_close(share * masked + (1 - share) * half, whole)
    torch.testing.assert_close(
        apr_loss(case.f, case.noisy, case.maps, norm=norm, mask=every), whole
    )
    one = torch.zeros_like(mask)
    one[1, 0, 3, 5] = True
    h1, h2 = replace_pixels(case.noisy, case.maps)
    first = case.f(h1) - h2
    second = first - torch.sub(*replace_pixels(case.f(case.noisy), case.maps))
    there = [(d[1, :, 3, 5].abs() ** POWER[norm]).mean() for d in (first, second)]
    found = apr_loss(case.f, case.noisy, case.maps, norm=norm, mask=one)
    torch.testing.assert_close(found, there[0] + 4 * there[1])
    targets = torch.rand(2, 6, 2, 8, 8, generator=torch.Generator().manual_seed(2)).double()
    targets = targets.to(DEVICE)
    changed = torch.where(mask[:, None], targets, 9.0)
    ours = (distillation_loss(case.noisy, t, norm=norm, mask=mask) for t in (targets, changed))
    torch.testing.assert_close(*ours)


def plain_copy(network: torch.nn.Module) -> dict[str, Tensor]:
    return {k: v.detach().clone().requires_grad_() for k, v in network.named_parameters()}


def follows(fast: torch.nn.Module, plain: dict[str, Tensor], atol: float = 1e-5) -> bool:
    """Whether two networks that learnt the same have the same weights, but for rounding."""
    return all(torch.allclose(v, plain[k], atol=atol) for k, v in fast.named_parameters())


@pytest.mark.parametrize("detach", [True, False])
def test_steps_of_training_follow_the_plain_ones(detach: bool) -> None:
    network = random_denoiser(channels=3).network.to(DEVICE)
    plain = plain_copy(network)
    before = {k: v.detach().clone() for k, v in plain.items()}
    slow = torch.optim.Adam(plain.values(), lr=1e-3)
    fast = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        y = torch.rand(2, 3, 32, 32, generator=generator).to(DEVICE)
        maps = replacer_maps(2, 32, 32, generator=generator).to(DEVICE)
        fast.zero_grad()
        loss = apr_loss(lambda image: network(image, 5), y, maps)
        loss.backward()
        fast.step()
        expected = naive.apr_step(plain, slow, y, maps, detach=detach)
        if detach:
            torch.testing.assert_close(loss.detach(), expected)
    assert follows(network, plain) == detach  # the published code differentiates f^ too
    assert not follows(network, before)


def test_steps_of_distillation_follow_the_plain_ones() -> None:
    network = random_denoiser("student-1.00M", channels=3).network.to(DEVICE)
    plain = plain_copy(network)
    before = {k: v.detach().clone() for k, v in plain.items()}
    slow = torch.optim.Adam(plain.values(), lr=1e-3)
    fast = torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        images = torch.rand(2, 7, 3, 32, 32, generator=generator).to(DEVICE)
        y, targets = images.split([1, 6], dim=1)
        fast.zero_grad()
        loss = distillation_loss(network(y[:, 0]), targets)
        loss.backward()
        fast.step()
        torch.testing.assert_close(
            loss.detach(), naive.distillation_step(plain, slow, y[:, 0], targets)
        )
    # Five steps move a weight by up to 5e-3. On a GPU, where a gradient is nearly 0, rounding may
    # decide most of one step.
    atol = 1e-5 if ON_CPU else 1e-3
    assert follows(network, plain, atol)
    assert not follows(network, before, atol)
