"""Which build made a row: the version, and the commit of a checkout."""

import subprocess

import pytest

import spear_amal
from spear_amal.package_build import package_build


def git(folder, *arguments):
    command = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def module(tmp_path, monkeypatch):
    """File of a package that lies in a folder of its own."""
    path = tmp_path / "spear_amal" / "__init__.py"
    path.parent.mkdir()
    path.write_text("")
    monkeypatch.setattr(spear_amal, "__file__", str(path))
    return path


def test_an_installed_package_is_known_by_its_version(module):
    assert package_build.__wrapped__() == spear_amal.__version__


def test_a_checkout_is_known_by_its_commit_and_whether_it_was_changed(module, tmp_path):
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    git(tmp_path, "tag", "v9")
    commit = git(tmp_path, "rev-parse", "HEAD")
    name, _, found = package_build.__wrapped__().partition("+")
    assert name == spear_amal.__version__ and len(found) >= 7 and commit.startswith(found)
    module.write_text("changed")
    assert package_build.__wrapped__() == f"{name}+{found}-dirty"


def test_a_folder_that_git_cannot_read_has_the_version_alone(module, tmp_path):
    (tmp_path / ".git").write_text("no such thing")
    assert package_build.__wrapped__() == spear_amal.__version__


def test_a_hook_of_another_repository_does_not_lend_its_commit(module, tmp_path, monkeypatch):
    own, other = tmp_path, tmp_path / "other"
    other.mkdir()
    for folder, message in ((own, "first"), (other, "second")):
        git(folder, "init")
        git(folder, "commit", "--allow-empty", "-m", message)
    before = package_build.__wrapped__()
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    assert package_build.__wrapped__() == before
