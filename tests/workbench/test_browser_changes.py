"""Two tabs on one project, and files that change on the disk beside open pages, in a browser."""

from __future__ import annotations

import csv

import pandas as pd
import pytest

from spear_amal.declared_lfs import read_rules_file

pytestmark = pytest.mark.slow

PATIENCE = 30_000  # ms; nothing here is about time
READY = "#label[data-ready]:not([aria-busy])"


@pytest.fixture
def two_tabs(serve, open_tab, project_folder):
    """Opens a path in two browsers, each with its own cookies, on one project."""
    served = serve(project_folder)

    def open_both(path, other_path=None):
        tabs = open_tab(served, path), open_tab(served, other_path or path)
        for tab in tabs:
            tab.page.set_default_timeout(PATIENCE)
        return tabs

    return open_both


def type_keywords(page, words, name):
    page.locator("#keywords").fill(words)
    page.locator("#rule-name").fill(name)


def wait_for_lf(page, name):
    page.locator("#lf-list").get_by_role("link", name=name, exact=True).wait_for()


def lf_line(page, name):
    return page.locator("#lf-list tr", has=page.get_by_role("link", name=name, exact=True)).first


def edit(path, *changes):
    """Change a text in a file, as an editor does."""
    text = path.read_text(encoding="utf-8")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path.write_text(text, encoding="utf-8")


def rules_of(folder):
    return {rule.name: rule for rule in read_rules_file(folder / "rules.toml").rules}


def labels_of(folder):
    with (folder / "gold.csv").open(encoding="utf-8", newline="") as file:
        return [(int(row["id"]), row["label"]) for row in csv.DictReader(file)]


def conflicts(tab):
    """Return the answers of 409, which the browser lists among its errors."""
    return [problem for problem in tab.problems if "409" in problem]


# -- two tabs -------------------------------------------------------------------------------------


def test_rules_of_two_tabs_are_all_kept(two_tabs, project_folder):
    first, second = two_tabs("/rules")
    type_keywords(second.page, "cash", "of_second")  # typed before, and kept while the list changes
    for number, words in enumerate(("lunch", "claim")):
        type_keywords(first.page, words, f"of_first_{number}")
        first.page.keyboard.press("Control+Enter")
        wait_for_lf(first.page, f"of_first_{number}")
        wait_for_lf(second.page, f"of_first_{number}")
    assert second.page.locator("#keywords").input_value() == "cash"
    type_keywords(first.page, "see", "at_once")
    for tab in (first, second):  # neither waits for the other
        tab.page.keyboard.press("Control+Enter")
    names = {"of_first_0", "of_first_1", "of_second", "at_once"}
    for tab in (first, second):
        for name in names:
            wait_for_lf(tab.page, name)
    assert set(rules_of(project_folder)) == names
    assert first.problems == second.problems == []


def test_one_name_in_two_tabs_is_one_lf_and_an_error(two_tabs, project_folder):
    first, second = two_tabs("/rules")
    type_keywords(first.page, "cash", "mine")
    type_keywords(second.page, "lunch", "mine")
    first.page.keyboard.press("Control+Enter")
    wait_for_lf(first.page, "mine")
    second.page.keyboard.press("Control+Enter")
    second.page.locator("#messages .message", has_text="mine").wait_for()
    assert rules_of(project_folder)["mine"].keywords == ("cash",)
    assert second.page.locator("#keywords").input_value() == "lunch"
    second.page.locator("#rule-name").fill("another")
    second.page.keyboard.press("Control+Enter")
    wait_for_lf(second.page, "another")
    assert rules_of(project_folder)["another"].keywords == ("lunch",)


def test_a_rule_that_two_tabs_edit_is_overwritten_only_on_purpose(two_tabs, project_folder):
    first, second = two_tabs("/rules")
    type_keywords(first.page, "cash", "mine")
    first.page.keyboard.press("Control+Enter")
    wait_for_lf(second.page, "mine")
    for tab, words in ((first, "cash, claim"), (second, "cash, prize")):
        tab.go("/rules?edit=mine")
        tab.page.locator("#keywords").fill(words)
    first.page.keyboard.press("Control+Enter")
    first.page.locator("#messages .done").wait_for()
    second.page.keyboard.press("Control+Enter")
    second.page.locator("#messages", has_text="now says").wait_for()
    assert set(rules_of(project_folder)["mine"].keywords) == {"cash", "claim"}
    assert second.page.locator("#keywords").input_value() == "cash, prize"
    second.page.locator("#keywords").focus()
    second.page.keyboard.press("Control+Enter")
    second.page.locator("#messages .done").wait_for()
    assert set(rules_of(project_folder)["mine"].keywords) == {"cash", "prize"}
    assert len(conflicts(second)) == 1


def test_a_row_that_another_tab_labels_is_not_labelled_over(two_tabs, project_folder):
    first, second = two_tabs("/label?queue=search&gold=none&row=30")
    for tab, key in ((first, "1"), (second, "2")):
        tab.page.locator(READY).wait_for()
        tab.page.keyboard.press(key)
        if tab is first:
            tab.page.locator('#label:not([data-row="30"])').wait_for()
    choice = second.page.locator("#messages form")
    choice.wait_for()
    assert labels_of(project_folder) == [(30, "ham")] and len(conflicts(second)) == 1
    choice.get_by_role("button", name="Leave it ham").click()
    second.page.locator('#label:not([data-row="30"])').wait_for()
    assert labels_of(project_folder) == [(30, "ham")]


def test_pages_that_follow_nothing_say_that_they_are_old(two_tabs):
    first, second = two_tabs("/label?queue=search&gold=none&row=30", "/rows/30")
    older = second.page.locator("#older")
    first.page.locator(READY).wait_for()
    first.page.keyboard.press("1")
    older.wait_for()
    second.page.get_by_role("link", name="Show it as it is now").click()
    second.page.locator(".says .chip", has_text="ham").wait_for()
    assert second.page.locator("#older").is_hidden()
    second.go("/rows?gold=none")
    first.page.locator('#label:not([data-row="30"])').wait_for()
    first.page.locator(READY).wait_for()
    first.page.keyboard.press("2")
    second.page.locator("#older").wait_for()
    second.page.locator("#words").fill("lunch")  # what is asked for anew is of the present
    second.page.locator("#older").wait_for(state="hidden")
    assert first.problems == second.problems == []


# -- files ----------------------------------------------------------------------------------------


def test_rules_that_change_on_the_disk_win(two_tabs, project_folder):
    first, second = two_tabs("/rules")
    type_keywords(first.page, "cash", "mine")
    first.page.keyboard.press("Control+Enter")
    wait_for_lf(second.page, "mine")
    first.go("/rules?edit=mine")
    path = project_folder / "rules.toml"
    edit(path, ("cash", "claim"))
    lf_line(second.page, "mine").get_by_text("claim").first.wait_for()
    first.page.locator("#keywords").fill("cash, free")
    first.page.keyboard.press("Control+Enter")
    first.page.locator("#messages", has_text="now says").wait_for()
    assert rules_of(project_folder)["mine"].keywords == ("claim",)
    edit(path, ("claim", "claim\nthis is no TOML"))  # half of an edit
    for tab in (first, second):
        tab.page.locator("#problems .message", has_text="rules.toml").wait_for()
    wait_for_lf(second.page, "mine")  # the LFs are those of before
    type_keywords(second.page, "lunch", "other")
    second.page.keyboard.press("Control+Enter")
    second.page.locator("#messages .message", has_text="rules.toml").wait_for()
    assert "this is no TOML" in path.read_text(encoding="utf-8")
    edit(path, ("claim\nthis is no TOML", "prize"))
    for tab in (first, second):
        tab.page.locator("#problems .message").wait_for(state="detached")
    lf_line(second.page, "mine").get_by_text("prize").first.wait_for()
    second.page.locator("#keywords").focus()
    second.page.keyboard.press("Control+Enter")
    wait_for_lf(second.page, "other")
    assert rules_of(project_folder)["mine"].keywords == ("prize",)


def test_python_lfs_run_anew_and_their_errors_stand_beside_them(two_tabs, project_folder):
    first, second = two_tabs("/rules")
    path = project_folder / "lfs.py"
    wait_for_lf(second.page, "shouts")
    edit(path, ('return "!" in x.text', 'return x.no_such_column == "!"'))
    for tab in (first, second):
        trouble = tab.page.locator("#lf-list .trouble", has_text="shouts")
        trouble.wait_for()
        assert "no_such_column" in trouble.inner_text() and "lfs.py" in trouble.inner_text()
    edit(path, ('x.no_such_column == "!"', '"cash" in x.text'), ("prize =", "renamed ="))
    for tab in (first, second):
        tab.page.locator("#lf-list .trouble").wait_for(state="detached")
        lf_line(tab.page, "shouts").get_by_text("16.7").first.wait_for()  # 20 of 120 rows
    edit(path, ("CLASSES =", "CLASSES = ("))  # no Python
    for tab in (first, second):
        tab.page.locator("#problems .message", has_text="lfs.py").wait_for()
    edit(path, ("CLASSES = (", "CLASSES ="))
    for tab in (first, second):
        tab.page.locator("#problems .message").wait_for(state="detached")
        wait_for_lf(tab.page, "shouts")
    assert first.problems == second.problems == []


def test_labels_that_change_on_the_disk_win(two_tabs, project_folder):
    page = two_tabs("/label?queue=search&gold=none&row=30")[0].page
    gold = project_folder / "gold.csv"
    page.locator(READY).wait_for()
    page.keyboard.press("1")
    page.locator('#label[data-row="31"]').wait_for()
    with gold.open("a", encoding="utf-8") as file:  # somebody labels the row that is shown
        file.write('"31","win cash! 31","ham",""\n')
    page.locator(READY).wait_for()
    page.keyboard.press("2")
    page.locator("#messages form").wait_for()
    assert labels_of(project_folder) == [(30, "ham"), (31, "ham")]
    page.get_by_role("button", name="Make it spam").click()
    page.locator('#label:not([data-row="31"])').wait_for()
    assert dict(labels_of(project_folder)) == {30: "ham", 31: "spam"}


def test_a_table_that_changes_takes_no_label_for_other_rows(two_tabs, project_folder):
    first, second = two_tabs("/label?queue=search&gold=none&row=30", "/rows/30")
    page, table = first.page, project_folder / "rows.csv"
    text = second.page.locator(".text").first.inner_text()
    page.locator(READY).wait_for()
    pd.read_csv(table)[::-1].to_csv(table, index=False)
    second.page.locator("#older").wait_for()
    page.keyboard.press("1")
    page.locator("#messages", has_text="table has changed").wait_for()
    assert not (project_folder / "gold.csv").exists()
    page.get_by_role("link", name="Show the queue anew").click()
    page.locator(READY).wait_for()
    row = int(page.locator("#label").get_attribute("data-row"))
    page.keyboard.press("1")
    page.locator(f'#label:not([data-row="{row}"])').wait_for()
    assert labels_of(project_folder) == [(119 - row, "ham")]  # by its id
    second.go("/rows/89")
    assert second.page.locator(".text").first.inner_text() == text
