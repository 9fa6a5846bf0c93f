/** A mini-batch of six numbers walked through the four lines of Algorithm 1. */

import { button, factor, handle, html, number, picture, plane, reading, set, signed, slider, svg } from "./drawing.js";
import { batchnormForward, sum } from "./mathematics.js";

const LINES = [
  "Mini-batch",
  "1 Mean",
  "2 Variance",
  "3 Normalise",
  "4 Scale and shift",
];
const ROWS = ["x", "x − μ", "(x − μ)²", "x̂", "y"];
/** The step at which a row of the table, or a strip of the picture, appears. */
const APPEARS = { x: 0, "x − μ": 2, "(x − μ)²": 2, "x̂": 3, y: 4 };

export function draw(stage) {
  const state = { x: [1, 2, 3, 5, 6, 8.5], gamma: 1.5, beta: 2, exponent: -5, step: 0 };
  const tabs = html("div", { class: "steps buttons", role: "group", "aria-label": "Lines of Algorithm 1" }, stage);
  const buttons = LINES.map((title, step) => button(title, () => update({ step }), tabs));
  const layout = html("div", { class: "beside" }, stage);
  const strips = drawStrips(layout, state, update);
  const side = html("div", { class: "explanation" }, layout);
  const row = html("div", { class: "buttons" }, side);
  const count = LINES.length;
  button("Back", () => update({ step: (state.step + count - 1) % count }), row);
  button("Next", () => update({ step: (state.step + 1) % count }), row);
  const text = html("div", { class: "text" }, side);
  const formula = html("p", { class: "formula" }, text);
  const say = reading(text);
  const table = drawTable(stage, state.x.length);
  slider({ label: "γ", min: -3, max: 3, step: 0.1, value: state.gamma, change: (gamma) => update({ gamma }) }, side);
  slider({ label: "β", min: -4, max: 4, step: 0.1, value: state.beta, change: (beta) => update({ beta }) }, side);
  const power = (exponent) => (10 ** exponent).toExponential(0).replace("-", "−");
  slider(
    { label: "ε", min: -5, max: 1, step: 1, value: -5, format: power, change: (exponent) => update({ exponent }) },
    side,
  );

  function update(changes = {}) {
    Object.assign(state, changes);
    const eps = 10 ** state.exponent;
    const nodes = batchnormForward(state.x, state.gamma, state.beta, eps);
    buttons.forEach((element, step) => set(element, { "aria-pressed": step === state.step }));
    strips(nodes);
    table(state, nodes);
    const [worked, sentence] = explain(state, nodes, eps);
    formula.textContent = worked;
    say(sentence);
  }
  update();
}

/** The line of this step with the numbers put in, and a sentence on what it does. */
function explain({ x, gamma, beta, step }, { mean, centered, squared, var: variance, std, x_hat: xHat, y }, eps) {
  const m = x.length;
  const digits = (value) => number(value);
  return [
    [
      `m = ${m} values of one feature`,
      "Drag a point, or move it with the arrow keys. Then take the lines one by one.",
    ],
    [
      `μ = (${x.map((v) => number(v, 1)).join(" + ").replaceAll("+ −", "− ")}) / ${m} = ${digits(mean)}`,
      "The mean is where the values would balance.",
    ],
    [
      `σ² = ${digits(sum(squared))} / ${m} = ${digits(variance)}, so that σ = ${digits(Math.sqrt(variance))}`,
      `Add up the squares and divide by m = ${m}. The bar reaches one σ to either side of the mean.`,
    ],
    [
      `x̂₁ = ${digits(centered[0])} / √(${digits(variance)} + ${eps.toExponential(0).replace("-", "−")}) = ${digits(xHat[0])}`,
      `The mean of x̂ is 0 and its standard deviation ${number(Math.sqrt(variance) / std, 3)}.`,
    ],
    [
      `y₁ = ${digits(gamma)} · ${factor(xHat[0])} ${signed(beta)} = ${digits(y[0])}`,
      `The mean of y is β = ${digits(beta)}, its standard deviation ${number((Math.abs(gamma) * Math.sqrt(variance)) / std, 3)}: |γ|, nearly.`,
    ],
  ][step];
}

function drawStrips(stage, state, update) {
  const label = "Three number lines: the mini-batch, normalised, and after scale and shift";
  const drawing = picture({ width: 358, height: 216, label, role: "group", name: "strips" }, stage);
  const bounds = [-8, 10];
  const [x, xHat, y] = ["x", "x̂", "y"].map((name, i) => {
    const area = plane({ left: 34, top: 8 + 70 * i, width: 312, height: 40, x: bounds, y: [-1, 1] });
    const group = svg("g", { class: "strip" }, drawing);
    svg("line", { x1: area.left, x2: area.right, y1: area.y(0), y2: area.y(0) }, group);
    for (let tick = -8; tick <= 10; tick += 2) {
      svg("line", { x1: area.x(tick), x2: area.x(tick), y1: area.y(0), y2: area.y(0) + 5 }, group);
      svg("text", { x: area.x(tick), y: area.y(0) + 27, "text-anchor": "middle", text: number(tick, 0) }, group);
    }
    svg("text", { x: 6, y: area.y(0) + 5, class: "title", text: name }, group);
    return { area, group };
  });
  const links = state.x.map(() => [0, 1].map(() => svg("line", { class: "link" }, drawing)));
  const spread = svg("line", { class: "spread" }, drawing);
  const balance = svg("path", { class: "balance" }, drawing);
  const word = svg("text", { class: "title", "text-anchor": "middle", text: "μ" }, drawing);
  const dots = [xHat, y].map(({ area }) => state.x.map(() => svg("circle", { class: "dot", r: 6, cy: area.y(0) }, drawing)));
  const handles = state.x.map((_, i) => {
    const move = ([value]) => update({ x: state.x.map((v, k) => (k === i ? value : v)) });
    const tell = ([value]) => number(value, 1);
    return handle({ area: x.area, label: `x${"₁₂₃₄₅₆"[i]}`, step: 0.1, axis: "x", move, tell, name: "value" }, drawing);
  });

  return (nodes) => {
    handles.forEach((point, i) => point.place([state.x[i], 0]));
    const { area } = x;
    const [middle, half] = [area.x(nodes.mean), Math.sqrt(nodes.var)];
    set(balance, { d: `M${middle} ${area.y(0) - 12}l-5 -9h10z`, visibility: shown(1) });
    set(word, { x: middle + 13, y: area.y(0) - 13, visibility: shown(1) });
    const bar = { x1: area.x(nodes.mean - half), x2: area.x(nodes.mean + half) };
    set(spread, { ...bar, y1: area.y(0) + 10, y2: area.y(0) + 10, visibility: shown(2) });
    const from = [[state.x, nodes.x_hat], [nodes.x_hat, nodes.y]];
    const areas = [x.area, xHat.area, y.area];
    for (const k of [0, 1]) {
      set([xHat, y][k].group, { visibility: shown(3 + k) });
      state.x.forEach((_, i) => {
        const [above, below] = from[k];
        const place = areas[k + 1].x(below[i]);
        set(dots[k][i], { cx: place, visibility: shown(3 + k) });
        const ends = { x1: areas[k].x(above[i]), y1: areas[k].y(0), x2: place, y2: areas[k + 1].y(0) };
        set(links[i][k], { ...ends, visibility: shown(3 + k) });
      });
    }
  };

  function shown(step) {
    return state.step >= step ? "visible" : "hidden";
  }
}

function drawTable(stage, count) {
  const table = html("table", { class: "numbers" }, stage);
  const head = html("tr", {}, html("thead", {}, table));
  html("th", { scope: "col", text: "i" }, head);
  for (let i = 1; i <= count; i += 1) html("th", { scope: "col", text: i }, head);
  const body = html("tbody", {}, table);
  const cells = ROWS.map((name) => {
    const row = html("tr", {}, body);
    html("th", { scope: "row", text: name }, row);
    return Array.from({ length: count }, () => html("td", {}, row));
  });
  return ({ x, step }, { centered, squared, x_hat: xHat, y }) => {
    [x, centered, squared, xHat, y].forEach((values, k) => {
      const visible = step >= APPEARS[ROWS[k]];
      cells[k].forEach((cell, i) => (cell.textContent = visible ? number(values[i]) : ""));
      const fresh = [["x"], [], ["x − μ", "(x − μ)²"], ["x̂"], ["y"]][step].includes(ROWS[k]);
      cells[k][0].parentElement.classList.toggle("fresh", fresh);
    });
  };
}
