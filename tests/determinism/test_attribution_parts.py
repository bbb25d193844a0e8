"""The parts of attribution that are functions of their arguments."""

import json
from textwrap import dedent

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lift_sys.determinism.attribution.effects import effect_behind
from lift_sys.determinism.attribution.frames import Frames, Place
from lift_sys.determinism.attribution.observation import Observation, views_of
from lift_sys.determinism.attribution.search import ddmin
from lift_sys.determinism.attribution.varying import varied

items = st.lists(st.integers(0, 30), min_size=1, max_size=8, unique=True)


@given(items=items, data=st.data())
def test_ddmin_finds_exactly_the_items_that_are_needed(items, data):
    needed = data.draw(st.sets(st.sampled_from(items), min_size=1))

    assert set(ddmin(items, lambda subset: needed <= set(subset))) == needed


@given(items=items, data=st.data())
def test_ddmin_asks_about_no_sublist_twice(items, data):
    needed = data.draw(st.sets(st.sampled_from(items), min_size=1))
    asked = []

    def diverges(subset):
        asked.append(tuple(subset))
        return needed <= set(subset)

    ddmin(items, diverges)

    assert len(asked) == len(set(asked))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-99, 99) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)


@given(answer=json_values, level=st.integers(1, 3))
def test_a_varied_answer_keeps_its_form(answer, level):
    changed = varied(answer, level)

    assert shape(changed) == shape(answer)
    assert varied(answer, level) == changed
    assert varied(answer, 0) == answer


@given(answer=st.text(min_size=1, max_size=20) | st.integers() | st.booleans())
def test_every_level_varies_a_value(answer):
    assert all(varied(answer, level) != answer for level in (1, 2, 3))


def shape(value):
    if isinstance(value, dict):
        return {key: shape(part) for key, part in value.items()}
    return [shape(part) for part in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_varied_text_keeps_marks_and_json(level):
    marked = "[[ ## answer ## ]]\nred and green\n\n[[ ## completed ## ]]\n"

    changed = varied(marked, level)
    record = json.loads(varied('{"name": "red", "shades": [1, 2]}', level))

    assert changed.startswith("[[ ## answer ## ]]\n")
    assert changed.endswith("\n\n[[ ## completed ## ]]\n")
    assert changed != marked
    assert (list(record), len(record["shades"])) == (["name", "shades"], 2)


def observed(value):
    return Observation(digest="", **{k: v for k, v in views(value).items() if k != "digest"})


def views(value):
    found = views_of(value)
    return found | {"floats": [float.fromhex(text) for text in found["floats"]]}


@given(values=st.lists(st.integers() | st.text(max_size=3), max_size=6), data=st.data())
def test_values_in_another_order_are_reordered(values, data):
    other = data.draw(st.permutations(values))

    assert observed({"rows": values}).is_reordered(observed({"rows": other}))
    assert not observed([*values, "one more"]).is_reordered(observed(values))


@given(values=st.lists(st.floats(0.1, 1e6), min_size=1, max_size=6))
def test_last_digits_are_rounding_and_more_is_not(values):
    before = observed(values)

    assert before.is_rounded(observed([value * (1 + 1e-12) for value in values]))
    assert not before.is_rounded(observed([value * (1 + 1e-6) for value in values]))
    assert not before.is_rounded(observed([*values, 1.0]))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("await sleep(1)  # waits\nfound.append(1)  # effect", True),
        ("found.append(await ask())  # waits effect", True),
        ("own = []\nawait sleep(1)  # waits\nown.append(1)\nreturn own", False),
        ("await sleep(1)  # waits\nif x:\n    self.total += 1  # effect", True),
        ("global total\nawait sleep(1)  # waits\ntotal += 1  # effect", True),
        ("total = 0\nawait sleep(1)  # waits\ntotal += 1\nreturn total", False),
        ("for x in y:\n    found[x] = 1  # effect\n    await sleep(1)  # waits", True),
        ("found.append(1)\nawait sleep(1)  # waits\nreturn 1", False),
        ("await sleep(1)  # waits\nctx.state.total += 1", False),
    ],
)
def test_the_effect_behind_an_await_is_found(body, expected, tmp_path):
    lines = ["async def work(ctx, self, found, x, y):"]
    lines += ["    " + line for line in dedent(body).splitlines()]
    file = tmp_path / "program.py"
    file.write_text("\n".join(lines), encoding="utf-8")
    waits = next(number for number, line in enumerate(lines, 1) if "waits" in line)

    found = effect_behind([Place(file=str(file), line=waits, function="work")])

    effect = [number for number, line in enumerate(lines, 1) if "effect" in line]
    assert ([] if found is None else [found.line]) == effect
    assert bool(effect) == expected


def test_code_of_installed_packages_is_the_users_only_if_it_is_said_to_be():
    import pydantic

    assert not Frames().is_user(pydantic.__file__)
    assert not Frames().is_user(json.__file__)
    assert Frames().is_user(__file__)
    folder = pydantic.__file__.removesuffix("__init__.py")
    assert Frames([folder]).is_user(pydantic.__file__)
