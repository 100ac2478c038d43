"""Labelling by keys in a browser: ten rows, double presses, slow and killed servers."""

from __future__ import annotations

import pandas as pd
import pytest

pytestmark = pytest.mark.slow

ROW = "#label[data-row]"
READY = f"{ROW}[data-ready]:not([aria-busy])"


def row_of(page) -> int:
    return int(page.get_attribute(ROW, "data-row") or -1)


def press(page, key: str) -> int:
    """Press a key as a person does, who has seen the row; wait for the next one."""
    row = row_of(page)
    page.wait_for_selector(READY)
    page.keyboard.press(key)
    page.wait_for_selector(f"{ROW}:not([data-row='{row}'])")
    return row


def records(folder) -> list[tuple[int, str]]:
    table = pd.read_csv(folder / "gold.csv")
    return list(zip(table["id"].tolist(), table["label"].tolist(), strict=True))


def test_ten_rows_by_keys(serve, open_tab, project_folder) -> None:
    tab = open_tab(serve(project_folder), "/label?queue=next")
    page, expected = tab.page, []
    for key in "1212121212":
        row = press(page, key)
        expected.append((row, {"1": "ham", "2": "spam"}[key]))
        assert records(project_folder) == expected
    assert page.inner_text("#n-given") == "10"
    press(page, "u")
    assert records(project_folder) == expected[:-1] and row_of(page) == expected[-1][0]
    skipped = press(page, "s")
    press(page, " ")
    page.reload()
    assert row_of(page) != skipped
    assert not tab.problems


def test_a_key_takes_all_rows_with_one_text(
    serve, open_tab, write_project, made_up_rows, tmp_path
) -> None:
    frame = made_up_rows()
    frame.loc[[30, 50, 70], "text"] = "Check this out"
    folder = write_project(tmp_path / "copies", frame)
    tab = open_tab(serve(folder), "/label?queue=search&words=check&gold=none")
    tab.page.wait_for_selector(READY)
    tab.page.keyboard.press("x")
    assert tab.page.is_checked("[name=copies]")
    tab.page.keyboard.press("2")
    tab.page.get_by_text("Nothing waits here").wait_for()
    assert sorted(records(folder)) == [(30, "spam"), (50, "spam"), (70, "spam")]
    tab.page.wait_for_selector(READY)
    tab.page.keyboard.press("u")
    tab.page.wait_for_selector('#label[data-row="30"]')
    assert records(folder) == [] and not tab.problems


def test_a_key_that_is_pressed_twice_labels_one_row(serve, open_tab, project_folder) -> None:
    page = open_tab(serve(project_folder), "/label?queue=search&gold=none").page
    page.wait_for_selector(READY)
    for _ in range(5):
        page.keyboard.press("2")
    page.wait_for_selector(f'{READY}[data-row="21"]')
    page.evaluate("delete document.getElementById('label').dataset.ready")  # as if it just came
    page.keyboard.press("2")
    page.click("button[value=spam]")
    page.evaluate("document.getElementById('label').dataset.ready = ''")
    assert press(page, "1") == 21
    assert records(project_folder) == [(20, "spam"), (21, "ham")]


def test_keys_wait_for_a_slow_server(serve, open_tab, project_folder) -> None:
    page = open_tab(serve(project_folder), "/label?queue=search&gold=none").page
    page.wait_for_selector(READY)
    waiting = []
    page.route("**/label?*", lambda route: waiting.append(route))
    page.keyboard.press("2")
    page.wait_for_selector("#label[aria-busy]")
    page.keyboard.press("1")
    page.keyboard.press("s")
    assert len(waiting) == 1
    waiting[0].continue_()
    page.wait_for_selector(f'{ROW}[data-row="21"]:not([aria-busy])')
    assert records(project_folder) == [(20, "spam")] and len(waiting) == 1


def test_two_tabs_on_one_row_see_both_labels(serve, open_tab, project_folder) -> None:
    served = serve(project_folder)
    ours = open_tab(served, "/label?queue=search&gold=none&row=30")
    theirs = open_tab(served, "/label?queue=search&gold=none&row=30")
    press(theirs.page, "1")
    ours.page.wait_for_selector(READY)
    ours.page.keyboard.press("2")
    message = ours.page.wait_for_selector("#messages form")
    assert "got the label ham elsewhere; you chose spam" in ours.page.inner_text("#messages")
    assert records(project_folder) == [(30, "ham")]
    message.query_selector("button[name=label]").click()
    ours.page.wait_for_selector(f'{ROW}:not([data-row="30"])')
    assert records(project_folder) == [(30, "spam")]
    assert ours.page.inner_text("#messages") == ""


def test_a_killed_server_loses_no_label(serve, open_tab, project_folder) -> None:
    served = serve(project_folder)
    page = open_tab(served, "/label?queue=search&gold=none").page
    press(page, "2")
    press(page, "1")
    served.end(kill=True)
    page.wait_for_selector(READY)
    page.keyboard.press("2")
    page.wait_for_selector("#messages .message")
    assert row_of(page) == 22
    assert records(project_folder) == [(20, "spam"), (21, "ham")]
    again = open_tab(serve(project_folder), "/label?queue=search&gold=none").page
    assert row_of(again) == 22


def test_rows_are_chosen_by_keys(serve, open_tab, project_folder) -> None:
    page = open_tab(serve(project_folder), "/rows?words=free").page
    for key in ("j", "x", "j", "j", "x"):
        page.keyboard.press(key)
    assert page.get_attribute("#similar", "href") == "/rules?kind=similar&rows=3,15"
    page.fill("#words", "lunch")
    page.wait_for_url("**/rows?words=lunch")
    page.wait_for_selector(".rows .choose[value='0']")
    assert page.inner_text("#n-chosen") == "2"
    assert not page.is_checked(".rows .choose >> nth=0")


def test_the_answers_to_a_long_text_are_in_sight(
    serve, open_tab, write_project, made_up_rows, tmp_path
) -> None:
    frame = made_up_rows(40, 10)
    frame["text"] = [f"{text} " + "and so on " * 1000 for text in frame["text"]]
    served = serve(write_project(tmp_path / "messages", frame))
    for width in (380, 1600):
        window = {"width": width, "height": 800}
        page = open_tab(served, "/label?queue=search&gold=none", viewport=window).page
        box = page.locator("button[value=spam]").bounding_box()
        assert box["y"] + box["height"] <= window["height"]
