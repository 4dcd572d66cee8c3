"""The networks against their plain definitions; the blind spot, proved by changing pixels."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from napari_aprrd.core.method.networks import BlindSpotNetwork
from napari_aprrd.core.method.students import Student, StudentSkipsBeforePools

from .. import naive
from ..makers import DEVICE, KINDS, NetworkKind, random_denoiser

SIZES = [(32, 32), (24, 40)]
# One pixel for each place in the grid of the pools, which is 4 x 4 at depth 2.
PIXELS = [(8 + i, 9 + j) for i in range(4) for j in range(4)]


def blind_spot_network(channels: int = 2) -> BlindSpotNetwork:
    network = random_denoiser(channels=channels).network.double().to(DEVICE)
    assert isinstance(network, BlindSpotNetwork)
    return network


def one_shift(network: BlindSpotNetwork, image: Tensor, shift: int) -> Tensor:
    return network(image, shift)


def all_shifts(network: BlindSpotNetwork, image: Tensor, shift: int) -> Tensor:
    return network.all_shifts(image, range(6))[:, shift]


@torch.no_grad()
def where_changed(forward, shift: int, size: tuple[int, int]) -> Tensor:
    """Which output pixels a change of each of PIXELS reaches: (16, H, W), bool."""
    image = torch.rand(1, 2, *size, generator=torch.Generator().manual_seed(1)).double()
    image = image.to(DEVICE)
    images = image.repeat(1 + len(PIXELS), 1, 1, 1)
    for n, (row, column) in enumerate(PIXELS, start=1):
        images[n, :, row, column] += 1
    output = forward(blind_spot_network(), images, shift)
    return (output[1:] - output[0]).abs().amax(1) > 1e-12


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("forward", [one_shift, all_shifts])
def test_shift_s_hides_exactly_a_window_of_2s_minus_1(
    forward, shift: int, size: tuple[int, int]
) -> None:
    s = shift
    for changed, (r, c) in zip(where_changed(forward, shift, size), PIXELS, strict=True):
        assert not changed[r, c]
        assert not changed[r - s + 1 : r + s, c - s + 1 : c + s].any()
        ring = (slice(r - s, r + s + 1), slice(c - s, c + s + 1))
        assert changed[r - s, ring[1]].any()
        assert changed[r + s, ring[1]].any()
        assert changed[ring[0], c - s].any()
        assert changed[ring[0], c + s].any()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("forward", [one_shift, all_shifts])
def test_shift_0_hides_nothing(forward, size: tuple[int, int]) -> None:
    for changed, (row, column) in zip(where_changed(forward, 0, size), PIXELS, strict=True):
        assert changed[row, column]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [2, 3])
@torch.no_grad()
def test_the_blind_spot_network_equals_its_plain_definition(
    depth: int, size: tuple[int, int]
) -> None:
    network = random_denoiser(channels=3, depth=depth).network.double().to(DEVICE)
    assert isinstance(network, BlindSpotNetwork)
    image, shifts = torch.rand(2, 3, *size).double().to(DEVICE), [5, 0, 3]
    together = network.all_shifts(image, shifts)
    assert together.shape == (2, 3, 3, *size)
    for i, shift in enumerate(shifts):
        plain = naive.blind_spot(network.state_dict(), image, shift)
        torch.testing.assert_close(network(image, shift), plain)
        torch.testing.assert_close(together[:, i], plain)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("depth", [2, 3])
@torch.no_grad()
def test_the_students_equal_their_plain_definitions(depth: int, size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size).double().to(DEVICE)
    after = random_denoiser("student-1.00M", channels=3, depth=depth).network.double().to(DEVICE)
    torch.testing.assert_close(after(image), naive.unet(after.state_dict(), image))
    before = random_denoiser("student-1.02M", channels=3, depth=depth).network.double().to(DEVICE)
    torch.testing.assert_close(before(image), naive.student_102(before.state_dict(), image))


@pytest.mark.parametrize("kind", ["student-1.00M", "student-1.02M"])
@torch.no_grad()
def test_the_fast_float32_students_equal_their_plain_definitions(kind: NetworkKind) -> None:
    student = random_denoiser(kind, channels=3, width=8, depth=3).network.to(DEVICE)
    plain = naive.unet if kind == "student-1.00M" else naive.student_102
    for size in SIZES:
        image = torch.rand(2, 3, *size).to(DEVICE)
        expected = plain(student.state_dict(), image)
        torch.testing.assert_close(student(image), expected, atol=1e-5, rtol=1e-5)
        image = image.contiguous(memory_format=torch.channels_last)
        torch.testing.assert_close(student(image), expected, atol=1e-5, rtol=1e-5)


def test_the_students_differ_in_their_last_activation() -> None:
    image = torch.rand(1, 1, 16, 16)
    for kind, may_be_negative in [("student-1.00M", 0.1), ("student-1.02M", 1.0)]:
        network = random_denoiser(kind).network
        with torch.no_grad():
            last = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)][-1]
            last.weight.zero_()
            last.bias.fill_(-1)
            assert torch.allclose(network(image), torch.tensor(-may_be_negative))


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (BlindSpotNetwork, 1_268_547),
        (Student, 1_003_011),
        (StudentSkipsBeforePools, 1_021_107),
    ],
)
def test_the_published_sizes(network: type[torch.nn.Module], parameters: int) -> None:
    assert sum(p.numel() for p in network(3, 48, 5).parameters()) == parameters


@pytest.mark.parametrize("kind", KINDS)
def test_all_parameters_learn(kind: NetworkKind) -> None:
    network = random_denoiser(kind).network.to(DEVICE)
    image = torch.rand(1, 1, 16, 16).to(DEVICE)
    output = network(image, 1) if kind == "blind-spot" else network(image)
    output.square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_weights_start_kaiming_normal_and_biases_zero() -> None:
    torch.manual_seed(0)
    network = BlindSpotNetwork(1, 48, 2)
    for name, parameter in network.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
        elif parameter.numel() > 10_000:
            fan_in = parameter[0].numel()
            sd = (2 / (1 + 0.1**2) / fan_in) ** 0.5
            assert float(parameter.detach().std()) == pytest.approx(sd, rel=0.03), name
    last = torch.cat([BlindSpotNetwork(8, 8, 2).nin_C.weight.detach().flatten() for _ in range(20)])
    assert float(last.std()) == pytest.approx((1 / 16) ** 0.5, rel=0.1)  # linear gain: 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("shift", [0, 3, 40])
def test_gradients_equal_those_of_the_plain_definition(size: tuple[int, int], shift: int) -> None:
    network = random_denoiser(channels=2, depth=2).network.double().to(DEVICE)
    image, wanted = torch.rand(2, 2, 2, *size).double().to(DEVICE)
    parameters = dict(network.named_parameters())
    outputs = network(image, shift), naive.blind_spot(parameters, image, shift)
    fast, plain = (
        torch.autograd.grad((output - wanted).square().sum(), list(parameters.values()))
        for output in outputs
    )
    for name, a, b in zip(parameters, fast, plain, strict=True):
        torch.testing.assert_close(a, b, msg=name)


def test_the_input_is_left_alone() -> None:
    for kind in KINDS:
        network = random_denoiser(kind).network
        image = torch.rand(1, 1, 16, 16) - 0.5  # LeakyReLU works in place
        before = image.clone()
        _ = network(image, 1) if kind == "blind-spot" else network(image)
        assert torch.equal(image, before)


@pytest.mark.parametrize("kind", KINDS)
def test_separate_channels_have_networks_of_their_own(kind: NetworkKind) -> None:
    denoiser = random_denoiser(kind, channels=3, separate=True)
    image = torch.rand(2, 3, 24, 32)
    shift = (2,) if denoiser.is_teacher else ()
    with torch.no_grad():
        output = denoiser.network(image, *shift)
        alone = [
            network(image[:, c : c + 1], *shift)
            for c, network in enumerate(denoiser.network.networks)
        ]
        torch.testing.assert_close(output, torch.cat(alone, 1))
        changed = denoiser.network(image + torch.tensor([0.0, 1.0, 0.0])[:, None, None], *shift)
        assert ((changed != output).any(dim=(0, 2, 3)).tolist()) == [False, True, False]
        if denoiser.is_teacher:
            targets = denoiser.network.all_shifts(image, iter((0, 2)))
            torch.testing.assert_close(targets[:, 1], output)
