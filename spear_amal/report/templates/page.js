"use strict";
(() => {
  // Tables: a click on a column's head sorts by it, and once more the other way round. Columns of
  // numbers, of percentages and of intervals go by their first number; what is missing goes last.
  const MISSING = new Set(["", "n/a", "-"]);
  const NUMBER = /^[+-]?\d[\d,]*(\.\d+)?(e[+-]?\d+)?(?=%|\s|$)/i;
  const words = new Intl.Collator(undefined, { numeric: true });
  const numberOf = (text) => {
    const match = NUMBER.exec(text);
    return match ? parseFloat(match[0].replaceAll(",", "")) : NaN;
  };

  function sort(head) {
    const table = head.closest("table"), body = table.tBodies[0], place = head.cellIndex;
    const down = head.getAttribute("aria-sort") === "ascending";
    const rows = [...body.rows].map((row) => ({ row, text: row.cells[place].textContent.trim() }));
    const given = rows.filter(({ text }) => !MISSING.has(text));
    const missing = rows.filter(({ text }) => MISSING.has(text));
    const numbers = given.every(({ text }) => !Number.isNaN(numberOf(text)));
    const compare = numbers
      ? (a, b) => numberOf(a.text) - numberOf(b.text)
      : (a, b) => words.compare(a.text, b.text);
    given.sort(down ? (a, b) => compare(b, a) : compare);
    body.append(...[...given, ...missing].map(({ row }) => row));
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
  }

  for (const button of document.querySelectorAll("th button")) {
    button.addEventListener("click", () => sort(button.closest("th")));
  }

  // Explanations: shown for the mouse, the keyboard and the finger; a title is for the mouse alone.
  const tip = Object.assign(document.createElement("div"), { id: "tip", hidden: true });
  tip.setAttribute("role", "tooltip");
  document.body.append(tip);
  const hide = () => { tip.hidden = true; };
  function show(element) {
    tip.textContent = element.dataset.tip;
    tip.hidden = false;
    const box = element.getBoundingClientRect();
    const left = Math.min(box.left, window.innerWidth - tip.offsetWidth - 8);
    const fits = box.bottom + tip.offsetHeight + 8 < window.innerHeight;
    tip.style.left = `${Math.max(8, left)}px`;
    tip.style.top = `${fits ? box.bottom + 6 : Math.max(8, box.top - tip.offsetHeight - 6)}px`;
  }
  for (const element of document.querySelectorAll("main [title]")) {
    element.dataset.tip = element.title;
    element.removeAttribute("title");
    element.setAttribute("aria-describedby", "tip");
    if (element.tagName === "ABBR") element.tabIndex = 0;
    for (const event of ["mouseenter", "focus"]) element.addEventListener(event, () => show(element));
    for (const event of ["mouseleave", "blur"]) element.addEventListener(event, hide);
  }
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hide(); });
  document.addEventListener("scroll", hide, true);

  // Light or dark: as the reader's system has it, until the button says otherwise.
  const root = document.documentElement;
  document.querySelector(".theme").addEventListener("click", () => {
    root.dataset.theme = getComputedStyle(root).colorScheme === "dark" ? "light" : "dark";
  });

  // The contents show where the reader is.
  const links = new Map([...document.querySelectorAll(".contents a")].map((a) => [a.hash.slice(1), a]));
  const seen = new Set();
  const headings = [...document.querySelectorAll("h2[id]")];
  const watch = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) seen[isIntersecting ? "add" : "delete"](target);
    const first = headings.find((heading) => seen.has(heading));
    if (!first) return;
    for (const link of links.values()) link.removeAttribute("aria-current");
    links.get(first.id)?.setAttribute("aria-current", "true");
  });
  for (const heading of headings) watch.observe(heading);

  // Figures: each has its specification beside it; nothing of it is run as code.
  const config = document.getElementById("chart-config");
  for (const place of document.querySelectorAll(".chart")) {
    const spec = JSON.parse(place.querySelector("script").textContent);
    const look = JSON.parse(config.textContent);
    look.axis.labelLimit = Math.min(230, Math.round(place.clientWidth * 0.42));
    look.legend.labelLimit = place.clientWidth - 70;
    vegaEmbed(place, spec, {
      mode: "vega-lite", logLevel: 1 /* errors */, renderer: "svg", ast: true, config: look,
      actions: { export: true, source: false, compiled: false, editor: false },
      tooltip: { theme: "custom", disableDefaultStyle: true },
    }).catch((error) => { place.textContent = `This figure could not be drawn: ${error}`; });
  }
})();
