"use strict";
// Show the page anew after a while, unless somebody is reading something in it.
const seconds = document.querySelector("progress") ? 5 : 60;
setInterval(() => {
  const used = document.querySelector("details[open], .chart:focus-within, .scroll:focus");
  if (!document.hidden && !used && String(getSelection()) === "") location.reload();
}, seconds * 1000);
// A chart is one stop of the Tab key; the arrow keys go from day to day.
for (const chart of document.querySelectorAll(".chart")) {
  const days = [...chart.querySelectorAll(".day")];
  chart.setAttribute("tabindex", "0");
  for (const day of days) {
    day.setAttribute("tabindex", "-1");
    day.setAttribute("role", "img");
    day.setAttribute("aria-label", day.textContent);
  }
  chart.addEventListener("keydown", event => {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = days.indexOf(document.activeElement);
    const next = at < 0 ? days.length - 1 : at + step;
    days[Math.min(Math.max(next, 0), days.length - 1)].focus();
  });
}
