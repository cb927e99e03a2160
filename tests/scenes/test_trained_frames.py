"""Results of real training as explorables: a decoder's latent plane, a GAN's density in time."""

import itertools
import json
import re
from base64 import b64decode

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from d2l_lite.embedding import read
from d2l_lite.explore import Choice, explore
from d2l_lite.frames import Curves, Picture

GRID = np.linspace(-2.1, 2.1, 15).round(2).tolist()
STEPS = list(range(0, 1201, 80))
X_GRID = np.linspace(-2.5, 3.5, 43)
MEANS, SPREAD = (-1.0, 2.0), 0.4


def spec_of(made):
    return json.loads(re.search(r"^const spec = (.*);$", made.html, re.M).group(1))


def beyond_core(made):
    """Return the bytes of the output that are not the same in every output."""
    return len(made.html.encode()) - len(read("core.css", "page.js", "core.js").encode())


def stored(made):
    return sum(len(part.encode()) for part in made._repr_mimebundle_().values())


def dense(*widths):
    layers = []
    for width_in, width_out in itertools.pairwise(widths):
        layers += [nn.Linear(width_in, width_out), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@pytest.fixture(scope="module")
def vae():
    """A variational autoencoder of 8 × 8 digits: the decoder's pictures on a grid of codes."""
    from sklearn.datasets import load_digits

    torch.manual_seed(0)
    digits = load_digits()
    X = torch.tensor(digits.data / 16, dtype=torch.float32)
    encoder, decoder = dense(64, 128, 4), dense(2, 128, 64)
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=3e-3)
    pixels = X.mean(0).expand(len(X), -1)
    without_code = F.binary_cross_entropy(pixels, X, reduction="none").sum(1).mean().item()
    for _ in range(20):
        for rows in torch.randperm(len(X)).split(128):
            mean, log_var = encoder(X[rows]).chunk(2, 1)
            z = mean + torch.randn_like(mean) * (log_var / 2).exp()
            fit = F.binary_cross_entropy_with_logits(decoder(z), X[rows], reduction="none").sum(1)
            divergence = -0.5 * (1 + log_var - mean**2 - log_var.exp()).sum(1)
            loss = (fit + divergence).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        codes = torch.cartesian_prod(torch.tensor(GRID), torch.tensor(GRID))
        images = decoder(codes).sigmoid()
        nearest = digits.target[torch.cdist(images, X).argmin(1)]
    shape = (len(GRID), len(GRID))
    return (loss.item(), without_code), images.numpy().reshape(*shape, 8, 8), nearest.reshape(shape)


@pytest.fixture(scope="module")
def latent_plane(vae):
    _, images, nearest = vae

    def decode(z1, z2):
        at = GRID.index(z1), GRID.index(z2)
        return Picture(images[at], text=f"Most like a {nearest[at]}.")

    controls = {name: Choice(GRID, 0, label=text) for name, text in (("z1", "z₁"), ("z2", "z₂"))}
    return explore(decode, label="What a decoder draws on its latent plane", **controls)


def density(samples):
    """Return a Gaussian kernel density estimate on the grid."""
    return np.exp(-0.5 * ((X_GRID[:, None] - samples) / 0.15) ** 2).mean(1) / (0.15 * 2.5066)


@pytest.fixture(scope="module")
def gan():
    """A GAN in one dimension: samples and the discriminator's opinion after so many steps."""
    torch.manual_seed(1)

    def real(n):
        means = torch.tensor(MEANS)[torch.randint(2, (n, 1))]
        return means + SPREAD * torch.randn(n, 1)

    generator, critic = dense(2, 32, 32, 1), dense(1, 32, 32, 1)
    optimizers = [
        torch.optim.Adam(net.parameters(), lr=2e-3, betas=(0.5, 0.9)) for net in (generator, critic)
    ]
    score, fixed, history = F.binary_cross_entropy_with_logits, torch.randn(1000, 2), {}
    ones, zeros, grid = torch.ones(128, 1), torch.zeros(128, 1), torch.tensor(X_GRID[:, None])
    for step in range(STEPS[-1] + 1):
        if step in STEPS:
            with torch.no_grad():
                opinion = critic(grid.float()).sigmoid().numpy().ravel()
                history[step] = generator(fixed).numpy().ravel(), opinion
        fake = generator(torch.randn(128, 2))
        loss = score(critic(real(128)), ones) + score(critic(fake.detach()), zeros)
        optimizers[1].zero_grad()
        loss.backward()
        optimizers[1].step()
        loss = score(critic(fake), ones)
        optimizers[0].zero_grad()
        loss.backward()
        optimizers[0].step()
    return history, real(2000).numpy().ravel()


@pytest.fixture(scope="module")
def density_in_time(gan):
    history, real = gan

    def frame(step):
        samples, opinion = history[step]
        lines = {"data": density(real), "generator": density(samples), "discriminator": opinion}
        text = (
            f"After {step} steps the generated numbers have mean {samples.mean():.2f} and standard "
            f"deviation {samples.std():.2f}; those of the data are {real.mean():.2f} and "
            f"{real.std():.2f}."
        )
        return Curves(
            {name: (X_GRID, y) for name, y in lines.items()},
            "x",
            "density, probability",
            text=text,
            points={"samples": (samples[:15], np.zeros(15))},
        )

    step = Choice(STEPS, label="training step", play=True)
    return explore(frame, label="A generator learns a density", step=step)


def test_the_networks_have_learned(vae, gan):
    (loss, without_code), images, nearest = vae
    assert loss < without_code - 1.5  # the best that one picture can do for all digits
    assert len(np.unique(nearest)) >= 6  # the plane holds many digits
    assert np.abs(images[0, 0] - images[-1, -1]).max() > 0.5
    history, real = gan
    apart = {
        step: np.abs(np.sort(s) - np.sort(real)[::2]).mean() for step, (s, _) in history.items()
    }
    assert apart[STEPS[-1]] < 0.5 * apart[0]  # the distance of Wasserstein


def test_both_are_small(latent_plane, density_in_time):
    for made in (latent_plane, density_in_time):
        print(f"{made.label}: {beyond_core(made)} B beyond the core, {stored(made)} B stored")
        assert beyond_core(made) <= 20_000
        assert stored(made) <= 100_000


#: Every setting of two sliders: what the text says, and the gray at the middle of every pixel.
READ = """
async () => {
  const [first, second] = document.querySelectorAll("input");
  const canvas = document.querySelector("canvas");
  const ctx = canvas.getContext("2d");
  const found = [];
  const zoom = Math.floor(Math.min(canvas.width, canvas.height) / 8);
  const [x, y] = [canvas.width, canvas.height].map((side) => Math.floor((side - 8 * zoom) / 2));
  for (let i = 0; i <= Number(first.max); i++) {
    for (let j = 0; j <= Number(second.max); j++) {
      first.value = i;
      second.value = j;
      second.dispatchEvent(new Event("input"));
      const all = ctx.getImageData(0, 0, canvas.width, canvas.height).data;
      const gray = [];
      for (let k = 0; k < 64; k++) {
        const row = y + Math.floor((Math.floor(k / 8) + 0.5) * zoom);
        gray.push(all[4 * (row * canvas.width + x + Math.floor(((k % 8) + 0.5) * zoom))]);
      }
      found.push([document.querySelector(".d2l-text").textContent, gray]);
    }
  }
  return found;
}
"""


def test_the_browser_shows_what_the_decoder_drew(latent_plane, vae, open_page):
    _, images, nearest = vae
    page = open_page(latent_plane.html, width=400)
    canvas = 'document.querySelector("canvas")'
    page.wait_for_function(
        f"{canvas} && {canvas}.getContext('2d').getImageData(184, 115, 1, 1).data[3]"
    )
    found = page.evaluate(READ)
    assert [text for text, _ in found] == [f"Most like a {digit}." for digit in nearest.ravel()]
    shown = np.array([gray for _, gray in found]).reshape(images.shape)
    error = np.abs(shown - 255 * images)
    print(f"largest error {error.max():.1f} of 255, mean {error.mean():.2f}")
    assert error.max() <= 0.51  # pictures that small are stored without loss


def test_the_pixels_of_a_setting_are_found_on_the_sheet(latent_plane, node):
    spec = spec_of(latent_plane)
    [sheet] = spec["data"]["sheets"]
    script = (
        "return given.places.map((k) => Array.from({ length: 64 },"
        " (_, p) => core.onSheet(given.sheet, k, [Math.floor(p / 8), p % 8])))"
    )
    places = [0, 1, 15, 16, 112, 224]
    for woven in (False, True):
        found = node(script, sheet={**sheet, "woven": woven}, places=places)
        numbered = np.arange(15 * 15 * 64).reshape(15, 15, 8, 8)
        if woven:
            laid = numbered.transpose(2, 0, 3, 1).copy()
            laid[1::2] = laid[1::2, ::-1].copy()
            laid[:, :, 1::2] = laid[:, :, 1::2, ::-1].copy()
        else:
            laid = numbered.transpose(0, 2, 1, 3)
        laid = laid.reshape(120, 120)
        for k, at in zip(places, found, strict=True):
            rows, columns = np.array(at).T
            assert (laid[rows, columns] == 64 * k + np.arange(64)).all()


def test_the_curves_drawn_are_those_of_the_training(density_in_time, gan, node):
    history, real = gan
    spec = spec_of(density_in_time)
    for step in (STEPS[0], STEPS[7], STEPS[-1]):
        samples, opinion = history[step]
        calls, text = node(
            "const { ctx, calls } = recorder(); const s = core.frames(given.spec);"
            "s.draw(ctx, { step: given.step }, given.spec.data, theme(720, 380));"
            "return [calls, s.describe({ step: given.step })]",
            spec=spec,
            step=step,
        )
        assert f"mean {samples.mean():.2f} and standard deviation {samples.std():.2f}" in text
        [head] = spec["data"]["heads"]
        starts = [i for i, c in enumerate(calls) if c[0] == "set strokeStyle"]
        paths = {
            calls[i][1]: np.array(
                [c[1:] for c in calls[i:] if c[0] in ("moveTo", "lineTo")][: len(X_GRID)]
            )
            for i in starts[-3:]
        }
        disks = np.array([c[1:3] for c in calls if c[0] == "arc"])
        assert len(disks) == 1 + 15  # one in the legend
        expected = {"color0": density(real), "color1": density(samples), "color2": opinion}
        assert list(paths) == list(expected)
        # Two points of known height, one of the densities' tops and the axis, give the scale.
        (x0, x1), (y0, y1) = head["xlim"], head["ylim"]
        span = paths["color0"][:, 0]
        pixel = (span[-1] - span[0]) / (X_GRID[-1] - X_GRID[0])
        right = span[0] + pixel * (samples[:15] - X_GRID[0])
        np.testing.assert_allclose(disks[1:, 0], right, atol=0.2)
        zero = disks[1, 1]
        top = (zero - paths["color0"][:, 1]).max() / density(real).max()
        for color, line in expected.items():
            np.testing.assert_allclose(zero - paths[color][:, 1], top * line, atol=0.2)
        assert top * (y1 - y0) < 380
        assert pixel * (x1 - x0) < 720


def test_time_runs_over_the_training(density_in_time, open_page):
    page = open_page(density_in_time.html)
    page.wait_for_selector("canvas")
    page.locator("input").focus()
    page.keyboard.press("End")
    text = page.locator(".d2l-text")
    assert text.text_content().startswith("After 1200 steps the generated numbers have mean")
    shown = "document.querySelector('.d2l-text').textContent"
    played = page.evaluate(f"document.querySelector('button').click(), {shown}")
    assert played.startswith("After 0 steps")  # at the end it begins again
    page.wait_for_function(f"!{shown}.startsWith('After 0 ')")


#: Millions of numbers would take half a minute one by one: their bytes, as base64.
BYTES = """({ data }) => {
  let text = "";
  for (let i = 0; i < data.length; i += 32768) {
    text += String.fromCharCode(...data.subarray(i, i + 32768));
  }
  return btoa(text);
}"""


@pytest.mark.parametrize("zoom", [1, 2])
def test_each_pixel_is_a_sharp_square_of_one_size(latent_plane, vae, open_page, zoom):
    _, images, _ = vae
    page = open_page(latent_plane.html, width=720, device_scale_factor=zoom)
    canvas = "document.querySelector('canvas')"
    all_pixels = f"{canvas}.getContext('2d').getImageData(0, 0, {canvas}.width, {canvas}.height)"
    page.wait_for_function(f"{canvas} && {all_pixels}.data.some((part) => part > 0)")
    data = b64decode(page.evaluate(BYTES, page.evaluate_handle(all_pixels)))
    shown = np.frombuffer(data, np.uint8).astype(float).reshape(zoom * 380, zoom * (720 - 32), 4)
    rows, columns = (np.flatnonzero(shown[..., 3].max(axis)) for axis in (1, 0))
    side = zoom * (380 // 8)
    assert len(rows) == len(columns) == 8 * side
    square = shown[np.ix_(rows, columns)]
    expected = np.kron(np.rint(255 * images[7, 7]), np.ones((side, side)))
    assert np.abs(square[..., 0] - expected).max() <= 1
    assert (square[..., 3] == 255).all()
