"""A benchmark on made-up corpora in WRENCH's format: what is run, kept, failed and put beside."""

import dataclasses
import io
import json
import tarfile
import zipfile

import numpy as np
import pandas as pd
import pytest

from spear_amal.data import WrenchPart, write_wrench
from spear_amal.errors import InputError
from spear_amal.estimators import GoldClassifier
from spear_amal.label_models import LABEL_MODELS
from spear_amal.studies import Method, load_corpus_votes, parse_method, register_method
from spear_amal.studies.bench import entries as entries_module
from spear_amal.studies.bench import published as published_module
from spear_amal.studies.bench.entries import BENCH_METHODS, bench_entries
from spear_amal.studies.bench.published import (
    SOURCES,
    PublishedCorpus,
    PublishedFigure,
    published_corpus,
    published_figures,
)
from spear_amal.studies.bench.run import run_bench
from spear_amal.studies.bench.table import bench_tables, mean_ranks
from spear_amal.votes.label_matrix import LabelMatrix

SIZES = {"train": 61, "valid": 23, "test": 31}
QUICK = {"seeds": 2, "max_epochs": 1}


def part(n, seed, m):
    generator = np.random.default_rng(seed)
    y = generator.permutation(np.arange(n) % 2)
    x = y[:, None] + generator.normal(size=(n, 3))
    votes = np.where(generator.random((n, m)) < 0.6, y[:, None], -1)
    votes[generator.random((n, m)) < 0.1] = 0
    frame = pd.DataFrame({"feature": x.tolist(), "label": y})
    return WrenchPart(frame, LabelMatrix.from_dense(votes, classes=("ham", "spam")))


def make_folder(path, m=5, first_seed=0):
    parts = {name: part(n, first_seed + i, m) for i, (name, n) in enumerate(SIZES.items())}
    write_wrench(parts, path)
    return path


@pytest.fixture
def folder(tmp_path):
    """A WRENCH folder of 61, 23 and 31 rows with 5 LFs."""
    return make_folder(tmp_path / "letters")


def packed(folder, path):
    """The folder as an archive of the kind that the path's ending says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w") as archive:
            for file in folder.iterdir():
                archive.write(file, f"{folder.name}/{file.name}")
    else:
        with tarfile.open(path, "w:gz") as archive:
            archive.add(folder, folder.name)
    return path


def entries(label_models=("majority",), ends=None, methods=("only-lv:crossfit=2",)):
    return bench_entries(label_models, ends, methods)


def texts(bench):
    return list(dict.fromkeys(bench.runs["method"]))


def test_default_entries_take_every_label_model_of_the_registry(methods):
    made = bench_entries()
    pairs = {(entry.label_model, entry.end_model) for entry in made}
    for name in set(LABEL_MODELS) - {"snorkel"}:
        assert {(name, "none"), (name, "linear")} <= pairs
    own = [parse_method(text).text for text in BENCH_METHODS]
    assert [entry.spec.text for entry in made][-len(own) :] == own
    titles = [entry.title for entry in made]
    assert "Majority vote alone" in titles and len(set(titles)) == len(titles)


def test_entries_read_options_and_refuse_what_is_unknown():
    [alone, mlp] = bench_entries(["dawid-skene:model_abstains=true"], ["none", "mlp"], [])
    assert alone.title == "Dawid-Skene alone, model_abstains=True"
    assert mlp.spec.text == "dawid-skene:feature_model=mlp,model_abstains=true"
    for wrong in (["majorit"], ["majority:nothing=1"]):
        with pytest.raises(InputError, match="majority"):
            bench_entries(wrong)
    with pytest.raises(InputError, match="at least one label model or method"):
        bench_entries([], None, [])


@pytest.mark.parametrize("ending", ["tar.gz", "zip"])
def test_an_archive_gives_what_the_folder_gives(folder, tmp_path, ending):
    archive = packed(folder, tmp_path / f"letters.{ending}")
    some = entries(methods=("spear",))
    runs = [run_bench(some, [source], **QUICK).runs for source in (folder, archive)]
    assert runs[0]["score"].notna().all() and set(runs[1]["corpus"]) == {"letters"}
    assert runs[0]["score"].tolist() == runs[1]["score"].tolist()
    assert [config["data"] for config in runs[0]["config"]] == [
        config["data"] for config in runs[1]["config"]
    ]


def test_majority_vote_alone_is_scored_as_votes_counted_by_hand(folder):
    source = load_corpus_votes(folder)
    test = source.corpus.rows("test")
    votes, gold = source.votes[test].to_dense(), source.corpus.labels[test]
    counts = np.stack([(votes == k).sum(1) for k in range(2)], axis=1)
    decided = counts[:, 0] != counts[:, 1]
    right = (counts.argmax(1) == gold)[decided].sum()
    bench = run_bench(entries(ends=["none"], methods=()), [folder], protocols=["wrench"], **QUICK)
    scores = np.round(bench.runs["score"] * len(test)).astype(int)
    assert len(set(scores)) == 1  # ties do not hang on the seed
    assert right <= scores.iloc[0] <= right + (~decided).sum()
    assert set(bench.runs["given"]) == {"votes on 61"}


def test_names_of_classes_need_not_be_sorted(tmp_path):
    # Without gold a model has its classes sorted by name, whatever codes the corpus gives them.
    folder = make_folder(tmp_path / "renamed", first_seed=7)
    (folder / "label.json").write_text(json.dumps({"0": "z", "1": "a"}))
    given = entries(ends=["linear"], methods=())
    bench = run_bench(given, [folder], protocols=["wrench"], seeds=2, max_epochs=5)
    assert bench.runs["score"].min() > 0.6  # the wrong way round it would be below 0.4


def test_ties_go_to_either_class_and_to_the_same_again():
    model = LABEL_MODELS["majority"]().fit([[0, 1], [1, 0]])
    tied, clear = np.tile([0, 1], (40, 1)), np.array([[1, -1]])
    p = entries_module._ByVotes(model).predict_proba(None, np.concatenate([tied, clear]))
    assert 8 < p[:40].argmax(1).sum() < 32 and p[40].argmax() == 1
    assert np.allclose(p[:40], 0.5) and np.allclose(p[40], [0, 1])
    assert (entries_module._ByVotes(model).predict_proba(None, tied) == p[:40]).all()


def test_protocols_give_what_they_say(folder):
    bench = run_bench(
        entries(("majority",), ["linear"], ("spear", "supervised")), [folder], **QUICK
    )
    given = bench.runs.groupby(["protocol", "method"])["given"].first()
    assert given["wrench", "majority"] == "0 gold, votes on 61; V: 23 to choose the epoch"
    assert given["wrench", "spear"] == "11 gold, votes on 61; V: 12 to choose the epoch"
    assert given["wrench", "supervised"] == "gold on all 61; V: 23 to choose the epoch"
    assert given["random", "spear"] == "8 gold, votes on 68; V: 8 to choose the epoch"
    assert set(bench.runs["n_test"]) == {31}


def test_without_own_validation_rows_there_is_one_protocol(source):
    bench = run_bench(entries(ends=["none"], methods=()), [source], **QUICK)
    assert set(bench.runs["protocol"]) == {"random"}
    with pytest.raises(InputError, match="no validation part"):
        run_bench(entries(), [source], protocols=["wrench"], **QUICK)


def test_killed_and_continued_in_one_file_and_in_a_folder(folder, tmp_path):
    other = make_folder(tmp_path / "other", first_seed=7)
    wrench = {**QUICK, "protocols": ["wrench"]}
    some = entries(ends=["none"], methods=("only-lv",))
    for output in (tmp_path / "all.json", tmp_path / "each"):
        told = []

        def kill(done, total, what, told=told):
            told.append(what)
            if len(told) == 3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            run_bench(some, [folder, other], output=output, progress=kill, **wrench)
        counted = []
        bench = run_bench(
            *(some, [folder, other]),
            output=output,
            progress=lambda done, total, what, counted=counted: counted.append((done, total)),
            **wrench,
        )
        kept = counted[0][0]
        assert kept >= 2 and counted[0][1] == 4  # 2 entries, 2 seeds
        assert len(bench.runs) == 8 and bench.runs["error"].isna().all()
        again = []
        run_bench(
            *(some, [folder, other]),
            output=output,
            progress=lambda done, total, what, again=again: again.append((done, total)),
            **wrench,
        )
        assert again == [(4, 4), (4, 4)]
        files = [output] if output.suffix else sorted(output.glob("*.json"))
        stored = [row for file in files for row in json.loads(file.read_text())["rows"]]
        assert len(stored) == 8 and len(files) == (1 if output.suffix else 2)


class Broken(GoldClassifier):
    """A method that fails in training."""

    def _plan(self, pool, given=None):
        raise RuntimeError("broken on purpose")


def test_what_fails_stops_nothing_and_stands_in_the_table(folder, tmp_path, methods):
    register_method(Method("broken", "Broken", Broken, uses_votes=False))
    bad = tmp_path / "bad.tar.gz"
    bad.write_bytes(b"\x1f\x8b no archive")
    outside = tmp_path / "outside.tar.gz"
    with tarfile.open(outside, "w:gz") as archive:
        info = tarfile.TarInfo("../train.json")
        archive.addfile(info, io.BytesIO(b""))
    some = entries(methods=("broken", "only-lv"))
    bench = run_bench(some, [bad, folder, outside, "nowhere"], **QUICK)
    reasons = {item.name: item.reason for item in bench.not_at_hand}
    assert "damaged" in reasons[str(bad)] and "outside the archive" in reasons[str(outside)]
    assert "neither a corpus nor a folder" in reasons["nowhere"]
    assert all(item.is_asked_for for item in bench.not_at_hand)
    for _, _, table in bench_tables(bench):
        errors = table.set_index("method")["error"]
        assert errors["broken"] == "RuntimeError: broken on purpose" and not errors["only-lv"]
        assert table.set_index("method")["score"].notna().tolist() == [True, True, False, True]
    for _, ranks in mean_ranks(bench):
        assert "Broken" not in set(ranks["title"])
    with pytest.raises(InputError, match="no corpus can be run"):
        run_bench(some, [bad], **QUICK)


def test_two_corpora_of_one_name_are_refused(folder, tmp_path):
    twin = make_folder(tmp_path / "elsewhere" / "letters", first_seed=5)
    bench = run_bench(entries(ends=["none"], methods=()), [folder, twin], **QUICK)
    assert "another corpus 'letters'" in bench.not_at_hand[0].reason


def test_mean_ranks_by_hand(folder, tmp_path):
    other = make_folder(tmp_path / "other", first_seed=7)
    some = entries(ends=["none"], methods=("only-lv", "only-l", "supervised"))
    bench = run_bench(some, [folder, other], protocols=["random"], **QUICK)
    [(_, ranks)] = mean_ranks(bench)
    means = bench.runs.groupby(["corpus", "title"])["score"].mean().unstack("corpus")
    ranked = means.drop(index="Supervised")
    by_hand = {
        title: np.mean(
            [
                1
                + (ranked[c] > ranked.loc[title, c]).sum()
                + ((ranked[c] == ranked.loc[title, c]).sum() - 1) / 2
                for c in ranked
            ]
        )
        for title in ranked.index
    }
    found = dict(zip(ranks["title"], ranks["mean_rank"], strict=True))
    assert np.isnan(found.pop("Supervised")) and ranks["title"].iloc[-1] == "Supervised"
    assert found == pytest.approx(by_hand)
    assert ranks.set_index("title")["letters"].to_dict() == pytest.approx(
        (100 * means["letters"]).to_dict()
    )


def test_published_figures_stand_beside_the_same_corpus_only(folder, tmp_path, monkeypatch):
    known = PublishedCorpus("theirs", (61, 23, 31, 5, 2), "f1")
    figure = PublishedFigure("theirs", "majority", "none", 12.5, 0.1, "votes", "WRENCH", "there")
    further = dataclasses.replace(figure, end_model="bert", value=77.7)
    monkeypatch.setattr(published_module, "_corpora", lambda: [known])
    monkeypatch.setattr(published_module, "_figures", lambda: [figure, further])
    other = make_folder(tmp_path / "theirs", m=3)  # of that name, with other LFs
    bench = run_bench(entries(), [folder, other], **QUICK)
    assert [facts.metric for facts in bench.corpora] == ["f1", "accuracy"]
    assert [facts.published for facts in bench.corpora] == ["theirs", ""]
    tables = {(facts.name, protocol): table for facts, protocol, table in bench_tables(bench)}
    beside = tables["letters", "wrench"].set_index("title")["published"].dropna()
    assert beside.to_dict() == {"Majority vote alone": 12.5, "Majority vote + BERT (theirs)": 77.7}
    for key in (("letters", "random"), ("theirs", "wrench")):
        assert tables[key]["published"].isna().all()


def test_every_published_figure_has_a_corpus_a_source_and_a_place():
    figures = published_module._figures()
    assert len(figures) > 20
    names = {corpus.name for corpus in published_module._corpora()}
    for figure in figures:
        assert figure.corpus in names and figure.source in SOURCES
        assert 0 < figure.value < 100 and figure.given and figure.place
    keys = [(figure.corpus, figure.label_model, figure.end_model) for figure in figures]
    assert len(set(keys)) == len(keys)
    census = {(f.label_model, f.end_model): f.value for f in published_figures("census")}
    assert census["majority", "none"] == 32.8 and census["gold", "linear"] == 67.1


def test_a_corpus_is_known_by_its_sizes(folder):
    assert published_corpus(load_corpus_votes(folder)) is None
    sizes = {corpus.name: corpus.sizes for corpus in published_module._corpora()}
    assert sizes["youtube"] == (1586, 120, 250, 10, 2)
