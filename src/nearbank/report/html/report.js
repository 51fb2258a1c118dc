"use strict";
(() => {
  const settings = { responsive: true, displaylogo: false, scrollZoom: true, modeBarButtonsToRemove: ["select2d", "lasso2d", "toImage"] };
  const plots = [...document.querySelectorAll("script[data-plot]")];
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 1));

  // One plot at a time, so that the page can be read and scrolled while the later ones are drawn.
  function draw(next) {
    if (next >= plots.length) {
      performance.mark("drawn");
      document.documentElement.dataset.ready = "yes";
      return;
    }
    const figure = JSON.parse(plots[next].textContent);
    const target = document.getElementById(plots[next].dataset.plot);
    const config = { ...settings, scrollZoom: target.id === "timeline" };
    Plotly.newPlot(target, figure.data, figure.layout, config).then(() => idle(() => draw(next + 1)));
  }
  // Plots have the window's width, which a sheet of paper has not.
  function resize(width) {
    for (const plot of document.querySelectorAll(".plot.js-plotly-plot")) Plotly.relayout(plot, width ? { width } : { width: null, autosize: true });
  }
  addEventListener("beforeprint", () => resize(700));
  addEventListener("afterprint", () => resize());
  // This script stands before the library, so that tables sort while that is still read.
  document.addEventListener("DOMContentLoaded", () => draw(0));

  const timeline = document.getElementById("timeline");
  for (const button of document.querySelectorAll("[data-zoom]")) {
    button.addEventListener("click", () => {
      const axis = timeline.layout.xaxis;
      const whole = [0, axis.maxallowed / 1.02 * 1.005];
      let [low, high] = axis.range;
      const span = high - low;
      const by = { in: [span / 4, -span / 4], out: [-span / 2, span / 2], left: [-span / 2, -span / 2], right: [span / 2, span / 2] };
      if (button.dataset.zoom === "whole") [low, high] = whole;
      else [low, high] = [low + by[button.dataset.zoom][0], high + by[button.dataset.zoom][1]];
      const width = Math.min(high - low, whole[1]);
      low = Math.min(Math.max(low, 0), whole[1] - width);
      Plotly.relayout(timeline, { "xaxis.range": [low, low + width] });
    });
  }

  function key(row, column) {
    const cell = row.cells[column];
    const text = cell.dataset.key ?? cell.textContent;
    const number = Number(text);
    return text !== "" && !Number.isNaN(number) ? number : text;
  }
  for (const button of document.querySelectorAll("th[aria-sort] button")) {
    button.addEventListener("click", () => {
      const head = button.parentElement, body = head.closest("table").tBodies[0];
      const up = head.getAttribute("aria-sort") !== "ascending";
      for (const other of head.parentElement.children) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      const rows = [...body.rows].map((row) => [key(row, head.cellIndex), row]);
      rows.sort(([a], [b]) => {
        const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
        return up ? order : -order;
      });
      body.append(...rows.map(([, row]) => row));
    });
  }

  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => {
    const wanted = filter.value.trim().toLowerCase();
    for (const row of document.getElementById("layers-table").tBodies[0].rows) {
      row.hidden = !row.textContent.toLowerCase().includes(wanted);
    }
  });

  document.getElementById("copy").addEventListener("click", async () => {
    const text = document.getElementById("command"), said = document.getElementById("copied");
    try {
      await navigator.clipboard.writeText(text.textContent);
      said.textContent = "Copied.";
    } catch {
      getSelection().selectAllChildren(text);
      said.textContent = "Selected: press Ctrl+C.";
    }
  });
})();
