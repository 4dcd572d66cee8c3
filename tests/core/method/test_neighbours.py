"""Networks that see neighbouring planes: the blind spot stays on the plane itself alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_aprrd.core.method.networks import BlindSpotNetwork

from ..makers import DEVICE, KINDS, NetworkKind, random_denoiser

SIZE = (24, 40)
# One pixel for each place in the grid of the pools, which is 4 x 4 at depth 2.
PIXELS = [(8 + i, 9 + j) for i in range(4) for j in range(4)]


def network_of(kind: NetworkKind = "blind-spot", **settings: int) -> torch.nn.Module:
    return random_denoiser(kind, **{"neighbours": 1, **settings}).network.double().to(DEVICE)


def stack(planes: int, *size: int, batch: int = 1) -> Tensor:
    image = torch.rand(batch, planes, *size, generator=torch.Generator().manual_seed(1))
    return image.double().to(DEVICE)


def output_of(kind: NetworkKind, network: torch.nn.Module, image: Tensor) -> Tensor:
    return network(image, 2) if kind == "blind-spot" else network(image)


@pytest.mark.parametrize("shift", [1, 2, 3, 5])
@torch.no_grad()
def test_only_the_plane_itself_has_a_blind_spot(shift: int) -> None:
    network, image = network_of(), stack(3, *SIZE)
    for plane in range(3):
        images = image.repeat(1 + len(PIXELS), 1, 1, 1)
        for n, (row, column) in enumerate(PIXELS, start=1):
            images[n, plane, row, column] += 1
        output = network(images, shift)
        changed = (output[1:] - output[0]).abs().amax(1) > 1e-12
        for reached, (row, column) in zip(changed, PIXELS, strict=True):
            near = (
                slice(row - shift + 1, row + shift),
                slice(column - shift + 1, column + shift),
            )
            if plane == 0:
                assert not reached[near].any()
            else:
                assert reached[row, column]
            assert reached[row - shift].any()


@torch.no_grad()
def test_a_network_with_neighbours_starts_as_one_without() -> None:
    torch.manual_seed(0)
    alone = BlindSpotNetwork(1, 4, 2)
    torch.manual_seed(0)
    beside = BlindSpotNetwork(1, 4, 2, neighbours=2)
    image = torch.rand(1, 5, *SIZE)
    assert torch.equal(beside(image, 2), alone(image[:, :1], 2))


def test_what_joins_the_neighbours_learns_from_the_first_step_on() -> None:
    torch.manual_seed(0)
    network = BlindSpotNetwork(1, 4, 2, neighbours=1)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for learns in ("beside.join.weight", "beside.unet.intro.conv.weight"):
        network(torch.rand(2, 3, *SIZE), 1).square().sum().backward()
        gradient = network.get_parameter(learns).grad
        assert gradient is not None
        assert gradient.any()
        optimizer.step()
        optimizer.zero_grad()


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_planes_without_neighbours_are_denoised_alone(kind: NetworkKind) -> None:
    network, image = network_of(kind), stack(3, *SIZE, batch=2)
    image[1, 1:] = 0  # so are neighbours that are not there
    alone = output_of(kind, network, image[:, :1])
    output = output_of(kind, network, image)
    torch.testing.assert_close(output[1], alone[1])
    assert not torch.allclose(output[0], alone[0])


@pytest.mark.parametrize("kind", KINDS)
@torch.no_grad()
def test_a_channel_sees_its_own_neighbours_only(kind: NetworkKind) -> None:
    denoiser = random_denoiser(kind, channels=2, separate=True, neighbours=1)
    image = torch.rand(1, 6, *SIZE)
    changed = image.clone()
    changed[:, 3] += 1  # the second channel of the first neighbour
    before, after = (output_of(kind, denoiser.network, images) for images in (image, changed))
    assert torch.equal(before[:, 0], after[:, 0])
    assert not torch.equal(before[:, 1], after[:, 1])


@pytest.mark.parametrize("separate", [False, True])
@torch.no_grad()
def test_targets_are_with_neighbours_or_without(separate: bool) -> None:
    network = random_denoiser(channels=2, separate=separate, neighbours=1).network
    image = torch.rand(2, 6, *SIZE)
    wanted = [(0, True), (3, False), (2, True)]
    targets = network.targets(image, wanted)
    for target, (shift, with_neighbours) in zip(targets.unbind(1), wanted, strict=True):
        seen = image if with_neighbours else image[:, :2]
        torch.testing.assert_close(target, network(seen, shift))


@pytest.mark.parametrize("separate", [False, True])
@torch.no_grad()
def test_neighbours_that_are_given_once_contribute_the_same(separate: bool) -> None:
    network = random_denoiser(channels=2, separate=separate, neighbours=1).network
    image = torch.rand(2, 6, *SIZE)
    given_once = network.among(image[:, 2:])
    torch.testing.assert_close(given_once(image[:, :2], 2), network(image, 2), rtol=0, atol=0)
