"""The cache of found mappings: same answers with and without, and nothing that happens to the folder does harm."""

from __future__ import annotations

import errno
import gzip
import os
import shutil
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from nearbank.devices import device
from nearbank.pim import Product, cache, compile, compile_product, time_product
from nearbank.pim.cache import MappingCache

PRODUCT = Product(49, 64, 96)


def forget() -> None:
    """What the process remembers."""
    compile_product.cache_clear()
    time_product.cache_clear()


@pytest.fixture
def folder(tmp_path: Path):
    forget()
    cache.use(MappingCache(tmp_path / "kept"))
    yield tmp_path / "kept"
    cache.use(None)
    forget()


def never(*_: object) -> None:
    raise AssertionError("searched in spite of the cache")


def files(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.exists() else []


@pytest.mark.parametrize("name", ["newton-gddr6", "newton-gddr6-pimflow", "newton-hbm2", "aim-gddr6"])
def test_the_same_answers_without_a_search(monkeypatch, folder: Path, name: str) -> None:
    unit = device(name)
    compiled, timing = compile_product(unit, PRODUCT, 3, "search"), time_product(unit, PRODUCT, 3, "search")
    assert len(files(folder)) == 2
    forget()
    monkeypatch.setattr(compile, "MAPPINGS", {"search": never})
    monkeypatch.setattr(compile, "time_program", never)
    assert time_product(unit, PRODUCT, 3, "search") == timing
    assert compile_product(unit, PRODUCT, 3, "search") == compiled
    assert str(compile_product(unit, PRODUCT, 3, "search").program) == str(compiled.program)
    forget()
    cache.use(None)
    with pytest.raises(AssertionError):
        time_product(unit, PRODUCT, 3, "search")


@pytest.mark.parametrize("mapping", ["newton+", "newton++", "resident"])
def test_every_mapping_comes_back_as_it_was(folder: Path, mapping: str) -> None:
    unit, product = device("newton-gddr6"), Product(100, 1300, 40)
    first = compile_product(unit, product, 16, mapping)
    forget()
    assert compile_product(unit, product, 16, mapping) == first


def shorten(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    text = bytearray(gzip.decompress(path.read_bytes()))
    text[-5] ^= 1
    path.write_bytes(gzip.compress(bytes(text)))


def replace_by_another_answer(path: Path) -> None:
    text = b'{"mapping": 3}'
    path.write_bytes(gzip.compress(cache._digest(text).encode() + b"\n" + text))


def make_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


HARM = {
    "empty": lambda path: path.write_bytes(b""),
    "truncated": shorten,
    "one bit flipped": flip,
    "no archive": lambda path: path.write_bytes(b"nonsense"),
    "something else": replace_by_another_answer,
    "gone": os.unlink,
}


@pytest.mark.parametrize("harm", HARM.values(), ids=HARM)
def test_a_damaged_file_is_replaced(folder: Path, harm: Callable[[Path], object]) -> None:
    unit = device("newton-gddr6")
    timing = time_product(unit, PRODUCT, 3, "search")
    before = {path: path.read_bytes() for path in files(folder)}
    for path in before:
        harm(path)
    forget()
    assert time_product(unit, PRODUCT, 3, "search") == timing
    assert {path: path.read_bytes() for path in files(folder)} == before


def test_a_folder_in_the_place_of_a_file_does_no_harm(folder: Path) -> None:
    unit = device("newton-gddr6")
    timing = time_product(unit, PRODUCT, 3, "search")
    for path in files(folder):
        make_a_folder(path)
    forget()
    assert time_product(unit, PRODUCT, 3, "search") == timing
    assert not [path for path in files(folder) if path.name.endswith(".partial")]


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    kept = MappingCache(tmp_path / "file" / "kept")
    kept.store([1], "question")
    assert kept.load("question") is None


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
@pytest.mark.parametrize("step", ["mkstemp", "compress", "replace"])
def test_what_cannot_be_written_is_left_out(monkeypatch, folder: Path, number: int, step: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    module = {"mkstemp": cache.tempfile, "compress": cache.gzip, "replace": cache.os}[step]
    monkeypatch.setattr(module, step, fail)
    timing = time_product(device("newton-gddr6"), PRODUCT, 3, "search")
    assert timing.timing.cycles > 0
    assert files(folder) == []


@pytest.mark.parametrize("step", ["compress", "replace"])
def test_an_interrupt_leaves_no_file(monkeypatch, folder: Path, step: str) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.gzip if step == "compress" else cache.os, step, interrupt)
    with pytest.raises(KeyboardInterrupt):
        time_product(device("newton-gddr6"), PRODUCT, 3, "search")
    assert files(folder) == []


def test_many_at_once_while_the_folder_is_deleted(folder: Path) -> None:
    """Every reader sees a whole answer or none, whatever the writers and the deleter do."""
    kept, answer, wrong, stop = MappingCache(folder), list(range(2000)), list[object](), threading.Event()

    def work() -> None:
        try:
            while not stop.is_set():
                kept.store(answer, "question")
                found = kept.load("question")
                if found not in (None, answer):
                    wrong.append(found)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(50):
        shutil.rmtree(folder, ignore_errors=True)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    kept.store(answer, "question")
    assert kept.load("question") == answer


def test_the_folder_stays_below_its_limit(tmp_path: Path) -> None:
    kept, noise = MappingCache(tmp_path, limit=100_000), np.random.default_rng(0)
    for i in range(60):
        kept.store(noise.integers(1 << 30, size=1000).tolist(), i)
        for path in tmp_path.iterdir():  # a second older each time, as if they had been written so
            about = path.stat()
            os.utime(path, (about.st_atime, about.st_mtime - 1))
        assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 100_000
    assert kept.load(59) is not None
    assert kept.load(0) is None


def test_what_a_killed_process_left_goes(tmp_path: Path) -> None:
    old, fresh = tmp_path / "a.partial", tmp_path / "b.partial"
    for path in (old, fresh, tmp_path / "someone's.txt"):
        path.write_text("half")
    os.utime(old, (0, 0))
    os.utime(tmp_path / "someone's.txt", (0, 0))
    MappingCache(tmp_path).store([1], "question")
    assert not old.exists()
    assert fresh.exists()
    assert (tmp_path / "someone's.txt").exists()


def test_what_an_answer_depends_on_tells_files_apart(monkeypatch, tmp_path: Path) -> None:
    kept, plain = MappingCache(tmp_path), device("newton-gddr6")
    questions = [
        (plain.hash, PRODUCT, 3, "search"),
        (device("newton-gddr6", {"refresh": "off"}).hash, PRODUCT, 3, "search"),
        (plain.hash, Product(49, 64, 97), 3, "search"),
        (plain.hash, PRODUCT, 4, "search"),
        (plain.hash, PRODUCT, 3, "resident"),
    ]
    for i, question in enumerate(questions):
        kept.store(i, *question)
    assert [kept.load(*question) for question in questions] == list(range(5))
    monkeypatch.setattr(cache, "_sources", lambda: "edited")
    assert [kept.load(*question) for question in questions] == [None] * 5


def test_an_edited_source_changes_the_digest(monkeypatch, tmp_path: Path) -> None:
    for package in cache._PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(cache, "__file__", str(tmp_path / "pim" / "cache.py"))
    digest = cache._sources.__wrapped__
    first = digest()
    (tmp_path / "sim" / "a.py").write_text("x = 2\n")
    second = digest()
    (tmp_path / "sim" / "a.py").rename(tmp_path / "sim" / "b.py")
    assert len({first, second, digest()}) == 3
    shutil.rmtree(tmp_path / "sim")
    with pytest.raises(OSError):
        digest()


def test_a_question_holds_nothing_that_has_no_exact_text(tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        MappingCache(tmp_path).store(1, np.zeros(3))
