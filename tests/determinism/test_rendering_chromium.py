"""The HTML report in a real browser: it fits, it can be read, it stays quiet.

A copy of the page is measured from the outside: it stands in a frame of a page of ours, whose script
writes what it finds into the document that Chromium then prints.
"""

import asyncio
import json
import random
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from random import Random

import pytest
from pydantic import BaseModel

from lift_sys import BaseNode, End, Fork, Graph, RunContext
from lift_sys.determinism import check_determinism

CHROMIUM = next(
    filter(None, map(shutil.which, ["chromium", "chromium-browser", "google-chrome", "chrome"])),
    None,
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
]
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on PATH"),
    pytest.mark.timeout(120),
]

# Contrast after WCAG 2.2, 1.4.3: relative luminance of text against what is painted behind it.
MEASURE = """
<script>
addEventListener("load", () => {
  const page = document.querySelector("iframe").contentDocument, view = page.defaultView;
  const numbers = text => (text.match(/[\\d.]+/g) || [0, 0, 0, 0]).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(
    v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4
  ).reduce((sum, v, at) => sum + v * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = element => {
    for (let at = element; at; at = at.parentElement) {
      const box = at.closest("g.node, g.marker")?.querySelector("rect");
      const colour = numbers(box ? view.getComputedStyle(box).fill : view.getComputedStyle(at).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const worst = {ratio: 99, text: ""};
  const walk = page.createTreeWalker(page.body, NodeFilter.SHOW_TEXT);
  let letters = 0;
  while (walk.nextNode()) {
    const element = walk.currentNode.parentElement, style = view.getComputedStyle(element);
    if (!walk.currentNode.textContent.trim() || ["title", "desc"].includes(element.localName)) continue;
    letters += walk.currentNode.textContent.length;
    const ink = numbers(element.closest("svg") ? style.fill : style.color);
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < worst.ratio) Object.assign(worst, {ratio, text: walk.currentNode.textContent});
  }
  const outside = [...page.querySelectorAll("g.node")].filter(node => {
    const box = node.querySelector("rect").getBoundingClientRect();
    return [...node.querySelectorAll("text")].some(text => {
      const own = text.getBoundingClientRect();
      return own.left < box.left || own.right > box.right || own.top < box.top || own.bottom > box.bottom;
    });
  }).map(node => node.textContent);
  const found = {
    letters, worst, outside,
    wide: page.documentElement.scrollWidth, room: page.documentElement.clientWidth,
    high: page.documentElement.scrollHeight,
    dark: view.matchMedia("(prefers-color-scheme: dark)").matches,
    bars: [...page.querySelectorAll("rect.bar")].filter(bar => bar.getBoundingClientRect().width > 0).length,
    nodes: page.querySelectorAll("g.node").length,
    loaded: view.performance.getEntriesByType("resource").length,
    hijacked: Boolean(view.hijacked || window.hijacked),
  };
  document.body.textContent = "FOUND" + JSON.stringify(found) + "END";
});
</script>
"""


class Review(BaseModel):
    text: str = ""
    notes: dict[str, str] = {}


class Plan(BaseNode[Review]):
    async def run(
        self, ctx: RunContext[Review]
    ) -> "Fork[SearchTheWholeWideWebForLicences | Rate, Write]":
        return Fork([SearchTheWholeWideWebForLicences(), Rate()], then=Write())


class SearchTheWholeWideWebForLicences(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End:
        attack = "</style><script>parent.hijacked = hijacked = 1</script>"
        ctx.state.notes = {"web": f"{random.choice('abc')} {attack} {'long' * 60}"}
        return End()


class Rate(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> End:
        await asyncio.sleep(0.001)
        return End()


class Write(BaseNode[Review]):
    async def run(self, ctx: RunContext[Review]) -> "Write | End[str]":
        ctx.state.text = "; ".join(ctx.state.notes.values())
        return End(ctx.state.text)


async def race(state):
    """Two tasks whose order of completion is the result."""
    seen = []

    async def add(name):
        await asyncio.sleep(0.001)
        seen.append(name)

    await asyncio.gather(add("a"), add("b"))
    return {"seen": seen}


async def fail_at_length(state):
    """What a provider answers to a wrong request is often all on one line."""
    raise ValueError(f"{random.choice('ab')}: {'no such model, ' * 40}{'x' * 300}")


@pytest.fixture(scope="module")
def pages():
    """A graph that differs between repeats, and a function that differs between schedules."""

    async def made():
        return {
            "graph": (
                await check_determinism(Graph(Plan, name="licence_review"), Review, 30)
            ).to_html(),
            "function": (await check_determinism(race, {}, 3, explore=50)).to_html(),
            "failure": (await check_determinism(fail_at_length, {}, 9)).to_html(),
        }

    random.seed(4)
    yield asyncio.run(made())
    random.seed(Random().random())


def run_chromium(folder, path, *arguments):
    """Run a fresh Chromium on a file; it prints what it was asked for."""
    done = subprocess.run(
        [CHROMIUM, *FLAGS, f"--user-data-dir={folder / 'profile'}", *arguments, path.as_uri()],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    return done.stdout


def measured(folder, page, *, width, dark=False):
    """What the script above finds in `page`, in a frame that is so wide."""
    inside = page.replace("&", "&amp;").replace('"', "&quot;")
    frame = f'<iframe srcdoc="{inside}" style="width:{width}px;height:3000px;border:0"></iframe>'
    path = folder / "outside.html"
    path.write_text(f"<!DOCTYPE html><meta charset=utf-8><body>{frame}{MEASURE}", encoding="utf-8")
    scheme = [f"--blink-settings=preferredColorScheme={0 if dark else 1}"]
    printed = run_chromium(folder, path, "--window-size=1400,1000", *scheme, "--dump-dom")
    found = printed.partition("FOUND")[2].partition("END")[0]
    return json.loads(found.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


@pytest.mark.parametrize(
    ("width", "dark"),
    [
        (1280, False),
        (400, True),
        pytest.param(1280, True, marks=pytest.mark.slow),
        pytest.param(400, False, marks=pytest.mark.slow),
    ],
)
def test_graph_report_fits_and_can_be_read(pages, tmp_path, width, dark):
    """No sideways scrolling of the page, text with enough contrast, labels inside of their boxes."""
    found = measured(tmp_path, pages["graph"], width=width, dark=dark)

    assert found["dark"] == dark
    assert found["room"] == width
    assert found["wide"] <= width
    assert found["letters"] > 1000
    assert found["worst"]["ratio"] >= 4.5, found["worst"]
    assert found["outside"] == []
    assert found["nodes"] == 4
    assert found["bars"] >= 2 * 4


def test_report_of_an_exploration_fits_on_a_phone(pages, tmp_path):
    found = measured(tmp_path, pages["function"], width=400)

    assert found["wide"] <= 400
    assert found["worst"]["ratio"] >= 4.5, found["worst"]


@pytest.mark.parametrize("width", [1280, 400])
def test_long_lines_of_failures_stay_on_the_page(pages, tmp_path, width):
    found = measured(tmp_path, pages["failure"], width=width)

    assert found["wide"] <= width


def test_page_loads_nothing_and_no_value_gets_to_run(pages, tmp_path):
    """A script that a node has put into the state is text."""
    found = measured(tmp_path, pages["graph"], width=1280)

    assert found["loaded"] == 0
    assert found["hijacked"] is False


def test_screenshot_shows_a_page_and_not_nothing(pages, tmp_path):
    """The verdict's red and the graph's green are there, on a page that is mostly card."""
    path, picture = tmp_path / "report.html", tmp_path / "report.png"
    path.write_text(pages["graph"], encoding="utf-8")

    run_chromium(
        tmp_path,
        path,
        "--window-size=1280,1200",
        "--blink-settings=preferredColorScheme=1",
        f"--screenshot={picture}",
    )

    colours = counted_colours(picture.read_bytes())
    total = sum(colours.values())
    assert total == 1280 * 1200
    assert colours[255, 255, 255] > total / 3
    assert colours[0xA8, 0x20, 0x1A] > 500  # the mark of what differs
    assert colours[0xE6, 0xF4, 0xEA] > 500  # a node that agrees


def counted_colours(data):
    """How many pixels of a PNG have which colour; 8 bits, without interlacing, as Chromium writes."""
    packed, at = b"", 8
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            wide, high, bits, colour, *_, interlaced = struct.unpack(">IIBBBBB", body)
            assert (bits, interlaced) == (8, 0)
            size = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            packed += body
        at += length + 12
    raw, row = zlib.decompress(packed), bytearray(wide * size)
    colours = Counter()
    for y in range(high):
        start = y * (wide * size + 1)
        row = unfiltered(raw[start], raw[start + 1 : start + 1 + wide * size], row, size)
        colours.update(zip(row[0::size], row[1::size], row[2::size], strict=True))
    return colours


def unfiltered(kind, line, above, size):
    """One line of a PNG without its filter; https://www.w3.org/TR/png-3/#9Filters."""
    row = bytearray(line)
    for at in range(len(row)):
        left = row[at - size] if at >= size else 0
        up, corner = above[at], above[at - size] if at >= size else 0
        if kind == 1:
            row[at] = (row[at] + left) & 255
        elif kind == 2:
            row[at] = (row[at] + up) & 255
        elif kind == 3:
            row[at] = (row[at] + (left + up) // 2) & 255
        elif kind == 4:
            near = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
            row[at] = (row[at] + near) & 255
    return row
