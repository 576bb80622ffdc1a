"""The memory of a card as it is planned, and the device that is chosen with it."""

from __future__ import annotations

import dataclasses

import pytest

import ossnb
from ossnb.checkpoint.config import Config
from ossnb.checkpoint.layout import open_checkpoint
from ossnb.devices import cards
from ossnb.devices.cards import Card, Cards
from ossnb.devices.choice import Place, available, choose, fitting
from ossnb.devices.names import device_name, memory_limit
from ossnb.devices.plan import LEAST_TOKENS, Plan
from ossnb.testing import SHAPES, write_random_checkpoint

SMALL, LARGE = Config(), Config(num_hidden_layers=36, num_local_experts=128)


def card(total, *, free=None, ordinal=0, name="Card", why_not=""):
    return Card(ordinal, name, (8, 9), int(total), int(total if free is None else free), False, why_not)


# ---- the plan ----------------------------------------------------------------------------------------------


def test_the_weights_of_the_20b_and_the_120b():
    assert Plan(SMALL).weights == pytest.approx(10.15e9 + 0.96e9 + 1.16e9 + 0.47e9, rel=0.005)
    assert Plan(SMALL, "fast").weights == pytest.approx(10.15e9 + 0.68e9 + 1.16e9 + 0.47e9, rel=0.005)
    assert Plan(SMALL, has_copies=False).weights == pytest.approx(10.15e9 + 1.27e9 + 1.16e9, rel=0.005)
    assert Plan(LARGE).weights == pytest.approx(60.9e9 + 1.43e9 + 1.16e9 + 0.47e9, rel=0.005)
    assert Plan(SMALL, is_mxfp4=False).weights == pytest.approx(38.2e9 + 0.96e9 + 1.16e9 + 0.47e9, rel=0.005)
    without = Plan(SMALL).weights - Plan(SMALL, host_layers=11).weights
    assert without == pytest.approx(11 * 0.42e9, rel=0.01)  # a layer's experts


def test_keys_and_values_a_token():
    assert [Plan(c).kv_bytes_per_token for c in (SMALL, LARGE)] == [96 * 1024, 144 * 1024]
    assert Plan(SMALL, kv="bf16").kv_bytes_per_token == 48 * 1024
    assert Plan(SMALL, kv="int8").kv_bytes_per_token == 24 * 1024 + 24 * 1024 // 16


def test_the_20b_has_32k_tokens_on_a_card_of_16_gb_and_the_120b_all_on_one_of_80():
    assert Plan(SMALL).tokens(available(card(16.6e9))) >= 32_768
    assert Plan(SMALL, kv="bf16").tokens(available(card(16.6e9))) >= 2 * 32_768
    assert Plan(LARGE).tokens(available(card(85e9))) == 131_072
    assert Plan(SMALL).tokens(12_000_000_000) == 0


def test_older_keys_of_sliding_layers_are_with_the_host_where_the_card_is_full():
    """At the limit the context is nearly twice as long; it never needs more of the host than it may have."""
    alone = Plan(SMALL).tokens(16_000_000_000)
    assert Plan(SMALL, host_memory=64 << 30).tokens(16_000_000_000) > 1.7 * alone
    assert Plan(LARGE, host_memory=8 << 30).tokens(80_000_000_000) == 131_072
    half = Plan(SMALL).block_bytes // 2
    for host in (0, 10 * half, 300 * half, 1 << 40):
        plan = Plan(SMALL, host_memory=host)
        for has in (13_500_000_000, 14_000_000_000, 20_000_000_000):
            blocks, places = plan.room(has) // plan.block_bytes, plan.on_card(has) // half
            at_hand = places - blocks
            assert (blocks - at_hand) * half <= host or at_hand >= blocks
            assert at_hand >= min(blocks, 256)
            assert plan.needed(plan.tokens(has)) <= has


def test_a_wider_window_has_more_of_its_keys_on_the_card():
    wide = Plan(dataclasses.replace(SMALL, sliding_window=8_192), host_memory=1 << 40)
    tokens = wide.tokens(16_000_000_000)
    assert (
        Plan(wide.config).tokens(16_000_000_000)
        < tokens
        < Plan(SMALL, host_memory=1 << 40).tokens(16_000_000_000)
    )
    places = wide.on_card(16_000_000_000) // (wide.block_bytes // 2)
    assert tokens // 32 + (8_192 + 512) // 32 + 2 <= places, (
        "a text of this length, and what a pass reads of it"
    )


def test_a_model_without_sliding_layers_has_nothing_to_move():
    config = dataclasses.replace(SMALL, layer_types=("full_attention",) * SMALL.num_hidden_layers)
    assert (
        Plan(config, host_memory=1 << 40).tokens(16_000_000_000)
        == Plan(config).tokens(16_000_000_000)
        > 28_000
    )


def test_a_card_with_the_host_s_own_memory_moves_nothing(machine):
    plan, own = Plan(SMALL, host_memory=1 << 40), dataclasses.replace(card(17e9), is_integrated=True)
    machine(own)
    assert choose("auto", plan).tokens == Plan(SMALL).tokens(available(own))
    machine(card(17e9))
    place = choose("auto", plan)
    assert place.tokens == plan.tokens(available(card(17e9))) > 1.7 * Plan(SMALL).tokens(available(own))
    assert place.on_card <= place.room < 2 * place.on_card


@pytest.mark.parametrize("name", ["tiny", "20b", "120b"])
@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize("host", [0, 1 << 40])
def test_what_is_needed_for_tokens_has_room_for_them(name, precision, host):
    plan = Plan(SHAPES[name], precision, host_memory=host)
    for tokens in (1, 32, 33, 512, 1000, plan.config.max_position_embeddings):
        tokens = min(tokens, plan.config.max_position_embeddings)
        needed = plan.needed(tokens)
        assert plan.tokens(needed) >= tokens
        assert plan.tokens(needed - (64 << 20) - (2 << 20)) < max(tokens, 1) or tokens < 512
        assert plan.on_card(needed) <= needed - plan.weights - plan.work


def test_the_weights_are_those_of_the_tensors(tmp_path):
    opened = open_checkpoint(write_random_checkpoint(tmp_path / "tiny", "tiny", seed=1))
    stored = sum(t.nbytes for name, t in opened.tensors.items() if name != "model.embed_tokens.weight")
    plan = Plan(opened.config, has_copies=False, is_mxfp4=opened.quantized)
    assert stored <= plan.weights <= stored + 256 * len(opened.tensors) + (2 << 20)


def test_the_changes_that_would_help():
    short = Plan(SMALL).needed(20_000)
    told = Plan(SMALL).what_fits(short, 40_000)
    assert told[0].startswith("context=")
    assert int(told[0].removeprefix("context=")) >= 20_000
    assert told[1:] == ['kv="bf16"', 'kv="int8"']
    assert Plan(SMALL).what_fits(13_000_000_000, LEAST_TOKENS) == ['precision="fast"']
    assert Plan(SMALL).what_fits(1_000_000_000, LEAST_TOKENS) == []


# ---- the place ---------------------------------------------------------------------------------------------


@pytest.fixture
def machine(monkeypatch):
    """A machine with these cards, or without any for a reason."""

    def has(*there, why_none=""):
        found = Cards(there, why_none)
        monkeypatch.setattr("ossnb.devices.choice.look", lambda **_: found)

    return has


def test_auto_takes_the_card_with_most_room(machine, capsys):
    machine(card(17e9), card(25e9, ordinal=1), card(25e9, free=5e9, ordinal=2))
    place = choose("auto", Plan(SMALL))
    assert (place.device, place.host_layers) == ("cuda:1", 0)
    assert place.tokens == Plan(SMALL).tokens(available(card(25e9)))
    assert capsys.readouterr().err == ""


def test_experts_that_do_not_fit_stay_with_the_cpu_and_a_line_says_so(machine, capsys):
    machine(card(8e9, name="RTX 3070"))
    place = choose("auto", Plan(SMALL))
    assert place.device == "cuda:0"
    assert 10 <= place.host_layers <= 15
    assert place.tokens >= 4096
    assert capsys.readouterr().err == (
        f"cuda:0 (RTX 3070) has no room for all experts: the CPU computes those of {place.host_layers} of 24 "
        "layers\n"
    )
    more = fitting(card(8e9), Plan(SMALL), context=20_000)
    assert more.host_layers > place.host_layers
    assert more.tokens(available(card(8e9))) >= 20_000
    assert fitting(card(4e9), Plan(SMALL)).host_layers > 20  # a card that is named
    assert fitting(card(17e9), Plan(SMALL)).host_layers == 0


def test_auto_says_once_why_no_card_is_taken(machine, capsys):
    machine(card(4e9, name="A"), card(90e9, ordinal=1, name="B", why_not="it is prohibited"))
    assert choose("auto", Plan(SMALL)) == Place("cpu")
    needed = Plan(SMALL, host_layers=18).needed(4096)
    assert capsys.readouterr().err == (
        f"cuda:0 (A) is not used: {needed / 1e9:.1f} GB are needed for 4,096 tokens, and 4.0 GB of 4.0 GB "
        "are free; cuda:1 (B) is not used: it is prohibited; the CPU computes\n"
    )


def test_auto_wants_a_useful_context_or_the_one_that_was_asked_for(machine, capsys):
    plan = Plan(SMALL)
    machine(card(Plan(SMALL, host_layers=18).needed(2048) / 0.979))
    assert choose("auto", plan).device == "cpu"
    assert choose("auto", plan, context=1024).device == "cuda:0"
    machine(card(12e9))
    assert choose("auto", plan, context=131_072).device == "cpu"
    assert choose("auto", plan, limit=int(3e9)).device == "cpu"
    assert "and device_memory allows 3.0 GB" in capsys.readouterr().err


@pytest.mark.parametrize(
    "why", ["there is no NVIDIA driver (libcuda.so.1)", "the NVIDIA driver sees no card; check nvidia-smi"]
)
def test_auto_says_nothing_where_there_is_no_card(machine, capsys, why):
    machine(why_none=why)
    assert choose("auto", Plan(SMALL)) == Place("cpu")
    assert capsys.readouterr().err == ""


def test_auto_tells_of_a_driver_that_is_no_use(machine, capsys):
    machine(why_none="the NVIDIA driver is too old")
    assert choose("auto", Plan(SMALL)) == Place("cpu")
    assert capsys.readouterr().err == "the NVIDIA driver is too old; the CPU computes\n"


def test_a_model_that_does_not_fit_says_all_numbers():
    with pytest.raises(MemoryError) as caught:
        fitting(card(2e9, free=1.5e9, name="MX"), Plan(SMALL))
    assert str(caught.value) == (
        "the model needs 3.9 GB on cuda:0 (MX): 2.6 GB for weights beside the experts of 24 layers, 797 MB "
        "of work space and 470 MB for the keys and values of 4,096 tokens; 1.5 GB of 2.0 GB are free (40.0 "
        'MB of them are left to the driver); try device="cpu", or close what else uses the card'
    )
    with pytest.raises(MemoryError, match=r'try context=\d+ or kv="bf16" or kv="int8" or device="cpu"'):
        fitting(card(8e9), Plan(SMALL), context=60_000)
    with pytest.raises(
        MemoryError, match=r'and device_memory allows 3\.6 GB; try context=\d+ or kv="int8" or prec'
    ):
        fitting(card(17e9), Plan(SMALL), limit=3_600_000_000)


def test_a_card_s_free_memory_is_shared_out(machine):
    machine(card(17e9))
    place, plan, has = choose("auto", Plan(SMALL)), Plan(SMALL), available(card(17e9))
    assert has == 17_000_000_000 - (128 << 20)
    assert place.room == plan.room(has)
    assert plan.weights + plan.work + place.room <= has
    assert place.tokens * plan.kv_bytes_per_token <= place.room


# ---- names -------------------------------------------------------------------------------------------------


def test_names_of_devices(monkeypatch):
    assert [device_name(n) for n in ("auto", "CPU", "cuda", "cuda:0", " cuda:11 ", "cuda:01")] == [
        *("auto", "cpu", "cuda:0", "cuda:0", "cuda:11", "cuda:1")
    ]
    monkeypatch.delenv("OSSNB_DEVICE", raising=False)
    assert device_name() == "auto"
    monkeypatch.setenv("OSSNB_DEVICE", "cuda:2")
    assert device_name() == "cuda:2"
    monkeypatch.setenv("OSSNB_DEVICE", "tpu")
    with pytest.raises(ValueError, match=r"OSSNB_DEVICE must be 'auto', 'cpu', 'cuda' or .* got 'tpu'"):
        device_name()
    with pytest.raises(ValueError, match="device must be 'auto', 'cpu', 'cuda' or"):
        device_name("gpu")
    for wrong in ("cuda:", "cuda:x", "cuda:-1", "cuda:12345"):
        with pytest.raises(ValueError, match="device must have a card's number behind the colon"):
            device_name(wrong)
    with pytest.raises(TypeError, match="device must be a text"):
        device_name(0)


def test_sizes_of_a_card_s_memory():
    assert [memory_limit(n) for n in (None, 5, "8 GB", "500MB")] == [None, 5, 8 * 10**9, 5 * 10**8]
    for wrong in (0, -1, True, 1.5, "0", []):
        with pytest.raises(ValueError, match="device_memory must be bytes >= 1, a size such as '8 GB'"):
            memory_limit(wrong)
    with pytest.raises(ValueError, match="device_memory must be a size such as"):
        memory_limit("much")


def test_a_load_checks_its_device_before_anything_else(tmp_path):
    with pytest.raises(ValueError, match="device must be 'auto'"):
        ossnb.load(tmp_path / "nothing", device="gpu")
    with pytest.raises(ValueError, match="device_memory must be"):
        ossnb.load(tmp_path / "nothing", device_memory=-1)


def test_looking_for_cards_is_quick_and_never_raises():
    assert cards.look(with_free_memory=True).why_none or cards.look().cards
    assert dataclasses.is_dataclass(cards.look())
