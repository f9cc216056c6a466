"""The answer in sentences: a winner only where the seeds tell one."""

from pathlib import Path

from fake_runs import write_run

from grux.results.answer import answers
from grux.results.record import find_runs
from grux.results.table import make_table


def answer(root: Path, scores: dict[str, list[float]], **options) -> list[str]:
    for arch, values in scores.items():
        write_run(root, arch=arch, scores=values, **options)
    return answers(make_table(find_runs([root])))


def test_a_sure_winner_is_named_with_its_lead(tmp_path):
    (sentence,) = answer(tmp_path, {"gru": [0.80, 0.81, 0.82, 0.80], "lstm": [0.70, 0.72, 0.71, 0.70]})
    assert sentence.startswith("On sst2, gru has the best test accuracy: 80.8 ± 1.5 % (4 seeds); lstm is next, at ")
    assert "+10.0 ± " in sentence and "points, p = " in sentence


def test_a_lead_by_chance_is_no_answer(tmp_path):
    (sentence,) = answer(tmp_path, {"gru": [0.70, 0.90, 0.80], "lstm": [0.79, 0.75, 0.84], "elman": [0.29, 0.5, 0.4]})
    assert "These seeds do not tell it from lstm (" in sentence and "It is better than elman." in sentence


def test_one_seed_says_nothing_about_chance(tmp_path):
    (sentence,) = answer(tmp_path, {"gru": [0.9], "lstm": [0.7]})
    assert "gru has the best test accuracy: 90.0 % (one seed), before lstm with 70.0 %" in sentence
    assert "chance and merit cannot be told apart" in sentence


def test_several_data_sets_are_summed_up_first(tmp_path):
    answer(tmp_path, {"gru": [0.80, 0.81, 0.82, 0.80], "lstm": [0.70, 0.72, 0.71, 0.70]})
    first, *rest = answer(tmp_path, {"gru": [0.5, 0.52, 0.51], "lstm": [0.4, 0.43, 0.41]}, data="ett")
    assert first == "On 2 of 2 data sets one arch is told from all others: gru on 1, lstm on 1."
    assert rest[0].startswith("On ett, lstm has the best test MSE")  # lower is better


def test_one_contestant_and_none(tmp_path):
    (sentence,) = answer(tmp_path, {"gru": [0.8, 0.9]})
    assert sentence.endswith("there is no other arch to compare it with.")


def test_where_the_best_seed_was_chosen_nobody_wins(tmp_path):
    answer(tmp_path, {"gru": [0.80, 0.81, 0.82, 0.80], "lstm": [0.70, 0.72, 0.71, 0.70]})
    sentences = answers(make_table(find_runs([tmp_path]), select="max_over_seeds"))
    assert sentences[0] == "On sst2, test accuracy of the best seed: gru 82.0 % (of 4), lstm 72.0 % (of 4)."
    assert sentences[1].endswith("so no arch is named best.") and len(sentences) == 2
