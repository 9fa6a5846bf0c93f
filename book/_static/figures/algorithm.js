/** A mini-batch of six numbers walked through the four lines of Algorithm 1. */

import {
  button,
  factor,
  handle,
  html,
  number,
  picture,
  plane,
  reading,
  set,
  signed,
  sliders,
  stepper,
  svg,
} from "./drawing.js";
import { batchnormForward, sum } from "./mathematics.js";

const LINES = ["Mini-batch", "1 Mean", "2 Variance", "3 Normalise", "4 Scale and shift"];
const ROWS = ["x", "x − μ", "(x − μ)²", "x̂", "y"];
/** The step at which a row of the table, or a strip of the picture, appears. */
const APPEARS = { x: 0, "x − μ": 2, "(x − μ)²": 2, x̂: 3, y: 4 };

export function draw(stage) {
  const state = { x: [1, 2, 3, 5, 6, 8.5], gamma: 1.5, beta: 2, exponent: -5, step: 0 };
  const tabs = html(
    "div",
    { class: "steps buttons", role: "group", "aria-label": "Lines of Algorithm 1" },
    stage,
  );
  const buttons = LINES.map((title, step) => button(title, () => update({ step }), tabs));
  const layout = html("div", { class: "beside" }, stage);
  const strips = drawStrips(layout, state, update);
  const side = html("div", { class: "explanation" }, layout);
  stepper(state, LINES.length, update, side);
  const text = html("div", { class: "text" }, side);
  const formula = html("p", { class: "formula" }, text);
  const say = reading(text);
  const table = drawTable(stage, state.x.length);
  const add = sliders(state, update, side);
  add("gamma", "γ", -3, 3);
  add("beta", "β", -4, 4);
  add("exponent", "ε", -5, 1, 1, power);

  function update(changes = {}) {
    Object.assign(state, changes);
    const eps = 10 ** state.exponent;
    const nodes = batchnormForward(state.x, state.gamma, state.beta, eps);
    buttons.forEach((element, step) => set(element, { "aria-pressed": step === state.step }));
    strips(nodes);
    table(state, nodes);
    const [worked, sentence] = explain(state, nodes);
    formula.textContent = worked;
    say(sentence);
  }
  update();
}

const power = (exponent) => (10 ** exponent).toExponential(0).replace("-", "−");

/** The line of this step with the numbers put in, and a sentence on what it does. */
function explain(
  { x, gamma, beta, exponent, step },
  { mean, centered, squared, var: variance, std, x_hat: xHat, y },
) {
  const m = x.length;
  const spread = Math.sqrt(variance);
  const first = signed(x[0], 1).replace("+ ", "").replace("− ", "−");
  const summands = [first, ...x.slice(1).map((value) => signed(value, 1))].join(" ");
  return [
    [
      `m = ${m} values of one feature`,
      "Drag a point, or move it with the arrow keys. Then take the lines one by one.",
    ],
    [`μ = (${summands}) / ${m} = ${number(mean)}`, "The mean is where the values would balance."],
    [
      `σ² = ${number(sum(squared))} / ${m} = ${number(variance)}, so that σ = ${number(spread)}`,
      `Add up the squares and divide by m = ${m}. The bar reaches one σ to either side of the mean.`,
    ],
    [
      `x̂₁ = ${number(centered[0])} / √(${number(variance)} + ${power(exponent)}) = ${number(xHat[0])}`,
      `The mean of x̂ is 0 and its standard deviation ${number(spread / std, 3)}.`,
    ],
    [
      `y₁ = ${number(gamma)} · ${factor(xHat[0])} ${signed(beta)} = ${number(y[0])}`,
      `The mean of y is β = ${number(beta)}, its standard deviation |γ| times that of x̂.`,
    ],
  ][step];
}

function drawStrips(stage, state, update) {
  const label = "Three number lines: the mini-batch, normalised, and after scale and shift";
  const drawing = picture({ width: 358, height: 216, label, role: "group", name: "strips" }, stage);
  const strips = ["x", "x̂", "y"].map((name, i) => drawNumberLine(name, 8 + 70 * i, drawing));
  const areas = strips.map(({ area }) => area);
  const links = state.x.map(() => [0, 1].map(() => svg("line", { class: "link" }, drawing)));
  const statistics = drawStatistics(areas[0], state, drawing);
  const dots = areas
    .slice(1)
    .map((area) => state.x.map(() => svg("circle", { class: "dot", r: 6, cy: area.y(0) }, drawing)));
  const handles = state.x.map((_, i) => {
    const move = ([value]) => update({ x: state.x.map((v, k) => (k === i ? value : v)) });
    const tell = ([value]) => number(value, 1);
    return handle(
      { area: areas[0], label: `x${"₁₂₃₄₅₆"[i]}`, step: 0.1, axis: "x", move, tell, name: "value" },
      drawing,
    );
  });

  return (nodes) => {
    handles.forEach((point, i) => point.place([state.x[i], 0]));
    statistics(nodes);
    const values = [state.x, nodes.x_hat, nodes.y];
    for (const k of [0, 1]) {
      const visibility = shown(state, 3 + k);
      set(strips[k + 1].group, { visibility });
      state.x.forEach((_, i) => {
        const [x1, x2] = [areas[k].x(values[k][i]), areas[k + 1].x(values[k + 1][i])];
        set(dots[k][i], { cx: x2, visibility });
        set(links[i][k], { x1, y1: areas[k].y(0), x2, y2: areas[k + 1].y(0), visibility });
      });
    }
  };
}

const shown = (state, step) => (state.step >= step ? "visible" : "hidden");

function drawNumberLine(name, top, parent) {
  const area = plane({ left: 34, top, width: 312, height: 40, x: [-8, 10], y: [-1, 1] });
  const group = svg("g", { class: "strip" }, parent);
  const middle = area.y(0);
  svg("line", { x1: area.left, x2: area.right, y1: middle, y2: middle }, group);
  for (let tick = -8; tick <= 10; tick += 2) {
    const x = area.x(tick);
    svg("line", { x1: x, x2: x, y1: middle, y2: middle + 5 }, group);
    svg("text", { x, y: middle + 27, "text-anchor": "middle", text: number(tick, 0) }, group);
  }
  svg("text", { x: 6, y: middle + 5, class: "title", text: name }, group);
  return { area, group };
}

/** The mean as a pointer above the values, and one standard deviation to either side as a bar. */
function drawStatistics(area, state, parent) {
  const bar = svg("line", { class: "spread" }, parent);
  const pointer = svg("path", { class: "balance" }, parent);
  const word = svg("text", { class: "title", "text-anchor": "middle", text: "μ" }, parent);
  const level = area.y(0);
  return ({ mean, var: variance }) => {
    const [middle, sigma] = [area.x(mean), Math.sqrt(variance)];
    set(pointer, { d: `M${middle} ${level - 12}l-5 -9h10z`, visibility: shown(state, 1) });
    set(word, { x: middle + 13, y: level - 13, visibility: shown(state, 1) });
    const ends = { x1: area.x(mean - sigma), x2: area.x(mean + sigma) };
    set(bar, { ...ends, y1: level + 10, y2: level + 10, visibility: shown(state, 2) });
  };
}

function drawTable(stage, count) {
  const table = html(
    "table",
    { class: "numbers", "aria-label": "The mini-batch, and what each line makes of it" },
    stage,
  );
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
