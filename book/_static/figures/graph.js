/** The graph of Batch Normalization, forward and backward, one node at a time with its numbers. */

import { html, number, picture, set, sliders, spoken, stepper, svg } from "./drawing.js";
import { batchnormBackward, batchnormForward } from "./mathematics.js";
import { STEPS } from "./graph_steps.js";

const LEFT = 2;
const RIGHT = 214;
/** Where each node's card stands: left, top, width. */
const NODES = {
  x: [LEFT, 2, 172],
  mean: [RIGHT, 46, 142],
  centered: [LEFT, 118, 172],
  squared: [RIGHT, 150, 142],
  var: [RIGHT, 222, 142],
  std: [RIGHT, 294, 142],
  x_hat: [LEFT, 322, 172],
  gamma: [RIGHT, 374, 142],
  beta: [RIGHT, 446, 142],
  y: [LEFT, 446, 172],
};
const SYMBOLS = {
  x: "x",
  mean: "μ",
  centered: "c",
  squared: "q",
  var: "σ²",
  std: "s",
  x_hat: "x̂",
  gamma: "γ",
  beta: "β",
  y: "y",
};
const EDGES = [
  "x mean",
  "x centered",
  "mean centered",
  "centered squared",
  "squared var",
  "var std",
  "std x_hat",
  "centered x_hat",
  "x_hat y",
  "gamma y",
  "beta y",
];
const HEIGHT = 52;

export function draw(stage) {
  const state = { x: [1, 2, 4, 5], dout: [1, -0.5, 0.5, 0.2], gamma: 1.5, beta: 0.5, eps: 1e-5, step: 0 };
  const layout = html("div", { class: "beside graph" }, stage);
  const graph = drawGraph(layout);
  const side = html("div", { class: "explanation" }, layout);
  stepper(state, STEPS.length, update, side);
  const text = html("div", { class: "text" }, side);
  const title = html("p", { class: "title" }, text);
  const formula = html("p", { class: "formula" }, text);
  const worked = html("p", { class: "worked" }, text);
  const why = html("p", {}, text);
  const tell = spoken(side);
  addInputs("x", "x", state, update, side);
  addInputs("dout", "∂ℓ/∂y", state, update, side);
  const add = sliders(state, update, side);
  add("gamma", "γ", -3, 3);
  add("beta", "β", -3, 3);

  function update(changes = {}) {
    Object.assign(state, changes);
    const forward = batchnormForward(state.x, state.gamma, state.beta, state.eps);
    const backward = batchnormBackward(state.dout, forward, state.gamma);
    const values = { ...state, ...forward, ...backward, dy: state.dout };
    const step = STEPS[state.step];
    graph(values, state.step);
    const way = step.backward ? "backward" : "forward";
    title.textContent = `Step ${state.step} of ${STEPS.length - 1}, ${way}: ${step.title}`;
    formula.textContent = step.formula;
    worked.textContent = step.worked(values);
    why.textContent = step.why;
    tell(`${title.textContent}. ${step.formula}. ${worked.textContent}. ${step.why}`);
  }
  update();
}

/** A row of number fields, one for each example. */
function addInputs(name, label, state, update, parent) {
  const group = html("fieldset", { class: "values" }, parent);
  html("legend", { text: label }, group);
  state[name].forEach((value, i) => {
    const bounds = { type: "number", min: -9, max: 9, step: 0.5 };
    const input = html("input", { ...bounds, value, "aria-label": `${label}, example ${i + 1}` }, group);
    input.addEventListener("input", () => {
      const typed = Math.min(9, Math.max(-9, input.valueAsNumber || 0));
      update({ [name]: state[name].map((v, k) => (k === i ? typed : v)) });
    });
  });
}

function drawGraph(parent) {
  const label = "Computational graph with ten nodes; the text beside it tells each step";
  const drawing = picture({ width: 358, height: 500, label, name: "graph" }, parent);
  addArrowheads(drawing);
  const edges = Object.fromEntries(
    EDGES.map((name) => [name, svg("line", { class: "edge", ...ends(name) }, drawing)]),
  );
  const cards = Object.fromEntries(Object.keys(NODES).map((name) => [name, drawCard(name, drawing)]));

  return (values, position) => {
    const step = STEPS[position];
    for (const [name, edge] of Object.entries(edges)) {
      const active = step.edges.includes(name);
      const way = active ? (step.backward ? "backward" : "forward") : "quiet";
      set(edge, { class: `edge ${way}` });
      edge.removeAttribute("marker-start");
      edge.removeAttribute("marker-end");
      set(edge, { [way === "backward" ? "marker-start" : "marker-end"]: `url(#arrow-${way})` });
    }
    const done = STEPS.slice(0, position + 1);
    for (const [name, card] of Object.entries(cards)) {
      const known = (backward) =>
        done.some((one) => Boolean(one.backward) === backward && one.nodes.includes(name));
      card({
        value: known(false) ? values[name] : null,
        gradient: known(true) ? values[`d${name}`] : null,
        active: step.nodes.includes(name) ? (step.backward ? "backward" : "forward") : "",
      });
    }
  };
}

function addArrowheads(parent) {
  const definitions = svg("defs", {}, parent);
  const size = { viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 8, markerHeight: 8 };
  const way = { orient: "auto-start-reverse", markerUnits: "userSpaceOnUse" };
  for (const name of ["quiet", "forward", "backward"]) {
    const marker = svg(
      "marker",
      { id: `arrow-${name}`, class: `arrow ${name}`, ...size, ...way },
      definitions,
    );
    svg("path", { d: "M0 0L8 4L0 8z" }, marker);
  }
}

/** From border to border: down a column, or across, out of the lower half and into the upper. */
function ends(edge) {
  const [[left, top, width], [left2, top2, width2]] = edge.split(" ").map((name) => NODES[name]);
  if (left === left2) {
    const middle = left + width / 2;
    return { x1: middle, y1: top + HEIGHT, x2: middle, y2: top2 - 2 };
  }
  const rightwards = left < left2;
  const arrival = top === top2 ? 0.75 : 0.25;
  return {
    x1: rightwards ? left + width : left,
    y1: top + 0.75 * HEIGHT,
    x2: rightwards ? left2 - 2 : left2 + width2 + 2,
    y2: top2 + arrival * HEIGHT,
  };
}

/** A node: its name, its value in the first line and its gradient in the second. */
function drawCard(name, parent) {
  const [left, top, width] = NODES[name];
  const group = svg("g", { transform: `translate(${left} ${top})` }, parent);
  svg("rect", { class: "box", width, height: HEIGHT, rx: 6 }, group);
  svg("text", { class: "title", x: 8, y: 15, text: SYMBOLS[name] }, group);
  if (name !== SYMBOLS[name])
    svg("text", { class: "name", x: width - 6, y: 14, "text-anchor": "end", text: name }, group);
  const lines = ["value", "gradient"].map((kind, k) => {
    const y = 30 + 15 * k;
    const band = svg(
      "rect",
      { class: `band ${kind}`, x: 2, y: y - 11, width: width - 4, height: 14, rx: 3 },
      group,
    );
    const columns = [0, 1, 2, 3].map((i) => {
      const x = (width / 4) * (i + 1) - 5;
      return svg("text", { class: "number", x, y, "text-anchor": "end" }, group);
    });
    return { band, columns };
  });
  return ({ value, gradient, active }) => {
    set(group, { class: `node ${active}` });
    [value, gradient].forEach((given, k) => {
      const numbers = given === null ? [] : [given].flat();
      set(lines[k].band, { visibility: numbers.length ? "visible" : "hidden" });
      const first = numbers.length === 1 ? 1 : 0;
      lines[k].columns.forEach(
        (text, i) => (text.textContent = i - first in numbers ? number(numbers[i - first]) : ""),
      );
    });
  };
}
