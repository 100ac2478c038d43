"""The source distribution and the wheel: built from the tree, and tried where the tree is not."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
pytest.importorskip("build")

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = (
    "spear_amal",
    "labeling_functions",
    "datasets",
    "tests",
    "docs",
    "examples",
    "benchmarks",
)
WHERE = """
import spear_amal
from spear_amal.data import CORPORA, IMAGES
from spear_amal.io.shipped import shipped_file
print(spear_amal.__file__)
print(shipped_file("labeling_functions", "plots.py"))
print(all(spec.card.is_file() for spec in [*CORPORA.values(), IMAGES["cifar10"]]))
"""
# What pages are made of; the program of others goes with its licence.
WORKBENCH = {
    f"spear_amal/workbench/{name}"
    for name in (
        *("templates/base.html", "templates/_lf_list.html", "static/workbench.css"),
        *("static/workbench.js", "static/htmx.min.js", "static/htmx.LICENSE"),
    )
}
OPEN = """
import sys
from pathlib import Path
from starlette.testclient import TestClient
from spear_amal.cli.workbench import project_of
from spear_amal.workbench import Workspace
from spear_amal.workbench.app import create_app
if __name__ == "__main__":
    workspace = Workspace(project_of(Path(sys.argv[1])))
    app = create_app(workspace, "t", ("127.0.0.1:1",))
    client = TestClient(app, base_url="http://127.0.0.1:1", cookies={"spear_amal_1": "t"})
    for path in sys.argv[2:]:
        print(path, client.get(path).status_code)
    app.state.previewer.close()
    workspace.close()
"""


def run(*command, cwd):
    """Run a command that must succeed, away from the user's folders; return what it prints."""
    env = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "SPEAR_AMAL_DATA")}
    env["SPEAR_AMAL_CACHE"] = str(cwd / "cache")
    ran = subprocess.run([*map(str, command)], cwd=cwd, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def files_below(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A copy of the tree, so that building writes nothing into the tree itself."""
    copy = tmp_path_factory.mktemp("source") / "spear-amal"
    made = shutil.ignore_patterns("__pycache__", "_build", "*.egg-info", ".*")
    built_before = [str(ROOT / name) for name in ("build", "dist")]

    def ignored(folder, names):
        return made(folder, names) | {n for n in names if os.path.join(folder, n) in built_before}

    shutil.copytree(ROOT, copy, ignore=ignored)
    return copy


@pytest.fixture(scope="module")
def built(source, tmp_path_factory):
    """Folder with the source distribution, and the wheel that was made from it alone."""
    dist = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, source, cwd=dist)
    return dist


@pytest.fixture
def environment(tmp_path):
    """Install into a new environment, which sees the dependencies but not this project."""

    def install(*what):
        folder = tmp_path / "environment"
        run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=tmp_path)
        programs = folder / ("Scripts" if os.name == "nt" else "bin")
        (site,) = folder.rglob("site-packages")
        # Of a folder that is named in a .pth file, the .pth files do nothing: an editable
        # installation of this project stays out of sight.
        seen = [entry for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))]
        (site / "dependencies.pth").write_text("\n".join(seen))
        pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install")
        quiet = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-build-isolation")
        run(*pip, *quiet, "--ignore-installed", *what, cwd=tmp_path)
        return programs, site

    return install


def test_sources_are_complete(source, built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        packed = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {name for name in files_below(source) if name.startswith(FOLDERS)}
    assert wanted and wanted <= packed
    assert {"README.md", "CHANGELOG.md", "LICENSE", "Makefile", "constraints.txt"} <= packed
    assert packed >= WORKBENCH
    assert not [name for name in packed if name.endswith(".pyc")]


def test_the_wheel_holds_the_package_and_its_data_alone(source, built):
    with zipfile.ZipFile(next(built.glob("*.whl"))) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    wanted = files_below(source / "spear_amal")
    for folder in ("labeling_functions", "datasets"):
        wanted |= {f"{folder}/{name}" for name in files_below(source / folder)}
    assert packed == {f"spear_amal/{name}" for name in wanted if "egg-info" not in name}
    assert packed >= WORKBENCH


def test_demo_of_an_installed_wheel(built, environment, tmp_path):
    programs, site = environment(next(built.glob("*.whl")))
    package = site / "spear_amal"
    where = run(programs / "python", "-c", WHERE, cwd=tmp_path).splitlines()
    lfs = package / "labeling_functions" / "plots.py"
    assert where == [str(package / "__init__.py"), str(lfs), "True"]

    said = run(programs / "spear-amal", "demo", "--offline", "--max-epochs", "1", cwd=tmp_path)
    assert "Corpus 'generated'" in said and "Recommended pool, 5 folds" in said
    assert all(name in said for name in ("wedding", "outlaws", "tender_tone"))
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Methods compared on made-up movie plots" in page


def test_the_workbench_of_an_installed_wheel(built, environment, tmp_path):
    pytest.importorskip("starlette")
    programs, _ = environment(next(built.glob("*.whl")))
    project = tmp_path / "project"
    project.mkdir()
    (project / "rows.csv").write_text("text,label\nfree prize,spam\nlunch,ham\n", encoding="utf-8")
    settings = 'data = "rows.csv"\ntext_column = "text"\nlabel_column = "label"\n'
    (project / "spear.toml").write_text(settings, encoding="utf-8")
    (tmp_path / "open.py").write_text(OPEN, encoding="utf-8")
    static = [f"/static/{name}" for name in ("workbench.css", "htmx.min.js", "htmx.LICENSE")]
    paths = ("/rules", "/rows", "/label", "/suggestions", "/training", "/report", *static)
    said = run(programs / "python", "open.py", project, *paths, cwd=tmp_path)
    assert said.splitlines() == [f"{path} 200" for path in paths]


def test_an_editable_installation_finds_the_folders_of_the_tree(source, environment, tmp_path):
    programs, _ = environment("--editable", source)
    where = run(programs / "python", "-c", WHERE, cwd=tmp_path).splitlines()
    lfs = source / "labeling_functions" / "plots.py"
    assert where == [str(source / "spear_amal" / "__init__.py"), str(lfs), "True"]
    # `datasets` may be the package of Hugging Face, and is never the folder of cards.
    top = "import importlib.util as u; print(u.find_spec('datasets'), u.find_spec('tests'))"
    specs = run(programs / "python", "-c", top, cwd=tmp_path).strip()
    assert specs.endswith(" None")
    assert str(source) not in specs
