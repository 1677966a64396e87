from __future__ import annotations

import numpy as np
import pytest

from bandits import BayesianRouter
from bandits.reward_models import RoutedReward
from metarouter.exceptions import DataError

N = 40
PROMPTS = [f"{'sum' if i % 2 else 'poem'} {i}" for i in range(N)]


def long_is_good(prompts, completions):
    return [len(c) for c in completions]


def short_is_good(prompts, completions):
    return [-len(c) for c in completions]


def encode(texts):
    return np.array([[float(t.startswith("sum")), float(len(t) % 7)] for t in texts])


def truth(prompts, first, second):
    """Long poems and short sums are right."""
    sign = [1.0 if p.startswith("poem") else -1.0 for p in prompts]
    return [s * np.sign(len(a) - len(b)) for s, a, b in zip(sign, first, second, strict=True)]


def batch(seed):
    rng = np.random.default_rng(seed)
    return {
        "prompts": 2 * PROMPTS,
        "completions": ["x" * int(k) for k in rng.permutation(2 * N) + 1],
        "completion_ids": [[0]] * 2 * N,
        "trainer_state": None,
    }


def routed(**others):
    router = BayesianRouter(arms=("long", "short"), random_state=0)
    router.partial_fit(np.zeros((2, 4)), ["long", "short"], [0.5, 0.5])
    return RoutedReward(router, {"long": long_is_good, "short": short_is_good}, encode, **others)


def test_the_router_learns_whom_to_ask_from_verified_labels():
    reward = routed(label=truth)
    for seed in range(12):
        scores = np.array(reward(**batch(seed)))
    assert sum(reward.calls.values()) == 12 * N  # one call per pair
    last = batch(11)["completions"]
    right = np.array(truth(PROMPTS, last[:N], last[N:]))
    assert (np.sign(scores[:N] - scores[N:]) == right).mean() > 0.9
    assert (scores[:N] == -scores[N:]).all()


def test_the_loss_is_the_reward_where_log_ratios_are_known():
    reward = routed(
        log_ratio=lambda prompts, completions: np.array(long_is_good(None, completions))
    )
    for seed in range(8):
        reward(**batch(seed))
    assert reward.normalizer.n_seen == 8 * N
    assert reward.calls["long"] > 1.5 * reward.calls["short"]  # whose verdicts surprise less


def test_without_feedback_it_only_chooses_and_conversations_are_read():
    reward = routed()
    before = reward.router.n_updates_
    talk = [[{"role": "user", "content": p}] for p in 2 * PROMPTS]
    answers = [[{"role": "assistant", "content": c}] for c in batch(0)["completions"]]
    assert len(reward(prompts=talk, completions=answers)) == 2 * N
    assert reward.router.n_updates_ == before


@pytest.mark.parametrize(
    ("prompts", "completions"), [([], []), (["a"], ["x"]), (["a", "b"], ["x", "y"])]
)
def test_rows_that_do_not_pair_are_refused(prompts, completions):
    with pytest.raises(DataError, match="do not pair"):
        routed()(prompts=prompts, completions=completions)


def test_models_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="Both label and log_ratio"):
        routed(label=truth, log_ratio=long_is_good)
    with pytest.raises(DataError, match="two or more"):
        RoutedReward(None, {"long": long_is_good}, encode)
    reward = routed()
    reward.models = {"north": long_is_good, "east": short_is_good}
    with pytest.raises(DataError, match="The router chose"):
        reward(**batch(0))
    reward.models = dict.fromkeys(("long", "short"), lambda prompts, completions: [1.0])
    with pytest.raises(DataError, match="returned scores of shape"):
        reward(**batch(0))


@pytest.mark.slow
def test_the_trainer_of_trl_trains_with_a_routed_reward(tmp_path):
    pytest.importorskip("trl", reason="trl is not installed (extra 'trl')")
    datasets = pytest.importorskip("datasets")
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast
    from trl.experimental.online_dpo import OnlineDPOConfig, OnlineDPOTrainer

    words = ["<pad>", "<eos>", "sum", "poem", *map(str, range(N))]
    plain = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="<pad>"))
    plain.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>", padding_side="left"
    )
    tiny = GPT2Config(vocab_size=len(words), n_positions=64, n_embd=16, n_layer=1, n_head=2)
    tiny.pad_token_id, tiny.eos_token_id, tiny.bos_token_id = 0, 1, 1
    reward = routed(label=truth)
    arguments = OnlineDPOConfig(
        output_dir=str(tmp_path), per_device_train_batch_size=4, max_steps=3, max_new_tokens=6,
        report_to=[], save_strategy="no", use_cpu=True, bf16=False, gradient_checkpointing=False,
        disable_tqdm=True, logging_steps=1,
    )  # fmt: skip
    model = GPT2LMHeadModel(tiny)
    before = model.transformer.wte.weight.detach().clone()
    trainer = OnlineDPOTrainer(
        model=model, reward_funcs=reward, args=arguments, processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_dict({"prompt": PROMPTS}),
    )  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == 3
    assert sum(reward.calls.values()) == 12
    assert (model.transformer.wte.weight != before).any()
