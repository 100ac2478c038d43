"""The file of answers: shared, damaged, full, killed."""

import multiprocessing
import os
import random
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from scripted_server import Say, content_of

from spear_amal.errors import FileFormatError
from spear_amal.llm import ChatAnswer
from spear_amal.llm.answer_cache import FILE, AnswerCache

ROOT = Path(__file__).parents[2]


def echo(request):
    return Say(content_of(request).upper(), usage=(100, 5))


def opened(folder, warned=None):
    return AnswerCache(folder, (lambda text: None) if warned is None else warned.append)


def filled(folder, n=200):
    cache = opened(folder)
    answers = {f"key {i}": ChatAnswer(f"answer {i} " * 9, prompt_tokens=i + 1) for i in range(n)}
    for key, answer in answers.items():
        cache.write(key, answer)
    cache.close()
    return {key: answer.text for key, answer in answers.items()}


def read(folder, keys, warned):
    cache = opened(folder, warned)
    kept = {key: answer.text for key, answer in cache.read(list(keys)).items()}
    cache.close()
    return kept


def test_flipped_bits_never_give_another_answer(tmp_path):
    expected = filled(tmp_path / "good", 40)
    whole = (tmp_path / "good" / FILE).read_bytes()
    chance, n_kept = random.Random(0), []
    for i in range(30):
        folder, damaged = tmp_path / str(i), bytearray(whole)
        damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        folder.mkdir()
        (folder / FILE).write_bytes(damaged)
        try:
            kept = read(folder, expected, [])
        except FileFormatError:  # the bit was one of the number of the format
            continue
        assert kept.items() <= expected.items()
        n_kept.append(len(kept))
    assert sum(n_kept) > 0.8 * 40 * len(n_kept)


def test_what_is_no_database_is_set_aside(tmp_path):
    content = b"no database at all, but long enough for its head" * 9
    (tmp_path / FILE).write_bytes(content)
    warned = []
    assert read(tmp_path, ["key"], warned) == {}
    assert "set aside as answers.sqlite.damaged-1, 0 answers" in warned[0]
    assert (tmp_path / "answers.sqlite.damaged-1").read_bytes() == content


def test_answers_that_can_be_read_are_taken_over(tmp_path):
    expected = filled(tmp_path)
    path = tmp_path / FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 4096] = bytes(4096)  # a page that was lost
    path.write_bytes(content)
    warned = []
    kept = read(tmp_path, expected, warned)
    assert kept.items() <= expected.items() and len(kept) > 20
    assert len(warned) == 1 and f"{len(kept)} answers of it" in warned[0]
    assert read(tmp_path, expected, warned) == kept and len(warned) == 1


def test_a_file_of_a_newer_version(tmp_path):
    filled(tmp_path, 1)
    file = sqlite3.connect(tmp_path / FILE)
    file.execute("PRAGMA user_version=99")
    file.close()
    with pytest.raises(FileFormatError, match=r"format 99.*update spear_amal"):
        opened(tmp_path)
    assert (tmp_path / FILE).is_file()


def test_a_full_disk_is_a_clear_error_and_keeps_what_there_is(
    served, client_of, questions, monkeypatch, tmp_path
):
    write, n = AnswerCache.write, 0

    def limited(self, key, answer):
        nonlocal n
        n += 1
        if n == 9:  # SQLite's own way to be full
            self._file.execute("PRAGMA max_page_count=1")
            answer = ChatAnswer("long " * 20_000)
        return write(self, key, answer)

    monkeypatch.setattr(AnswerCache, "write", limited)
    server = served(echo)
    with pytest.raises(OSError, match=r"answers\.sqlite cannot be used \(database or disk is full"):
        client_of(server).ask(questions(100))
    assert len(server.requests) < 20
    monkeypatch.setattr(AnswerCache, "write", write)
    assert sum(answer.is_cached for answer in client_of(server).ask(questions(100))) >= 8


@pytest.mark.skipif(sys.platform == "win32", reason="permissions")
def test_a_folder_that_cannot_be_written_is_found_before_anything_is_paid(
    served, client_of, questions, tmp_path
):
    (tmp_path / "file").write_text("")
    server = served(echo)
    with pytest.raises(OSError, match="file"):
        client_of(server, cache_dir=tmp_path / "file").ask(questions(1))
    assert not server.requests


def _write_many(folder, start):
    cache = opened(folder)
    for i in range(start, start + 50):
        cache.write(f"key {i}", ChatAnswer(f"{i}"))
    cache.close()


@pytest.mark.slow
def test_processes_share_the_file(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=_write_many, args=(tmp_path, 40 * i)) for i in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    assert len(read(tmp_path, [f"key {i}" for i in range(200)], [])) == 130


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_killed_runs_go_on_and_what_is_kept_is_not_asked_again():
    command = [sys.executable, str(ROOT / "benchmarks" / "llm.py"), "--kills", "6", "--rows", "60"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "asked again though kept: 0" in done.stdout
    assert "same answers as a run that was not killed: True" in done.stdout
