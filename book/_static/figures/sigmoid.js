/** A unit's inputs on their way through normalising, γ and β, and the sigmoid, as histograms. */

import {
  axes,
  button,
  clipped,
  html,
  line,
  number,
  picture,
  plane,
  reading,
  set,
  sliders,
  svg,
} from "./drawing.js";
import { batchnormForward, mean, normals, sigmoid, variance } from "./mathematics.js";

const SAMPLE = normals(5, 600);
const BOUNDS = [-8, 8];
const BINS = 40;
/** The sigmoid counts as flat where its slope has fallen to a fifth of its largest, 1/4. */
const FLAT = 0.05;

export function draw(stage) {
  const state = { place: -3, width: 2, gamma: 1, beta: 0 };
  const layout = html("div", { class: "beside unequal" }, stage);
  const show = drawHistograms(layout);
  const side = html("div", { class: "explanation wide-labels" }, layout);
  const add = sliders(state, update, side);
  const controls = {
    place: add("place", "mean of x", -5, 5),
    width: add("width", "std of x", 0.2, 4),
    gamma: add("gamma", "γ", -4, 4),
    beta: add("beta", "β", -6, 6),
  };
  const row = html("div", { class: "buttons" }, side);
  button("γ = 1, β = 0", () => choose({ gamma: 1, beta: 0 }), row);
  button("Undo: γ = s, β = μ", () => choose({ gamma: state.width, beta: state.place }), row);
  const say = reading(side);

  function choose(values) {
    for (const [name, value] of Object.entries(values)) controls[name].set(value);
    update(values);
  }

  function update(changes = {}) {
    Object.assign(state, changes);
    const { x, y, out, slope, flat, flatBefore } = through(state);
    show(x, y, out);
    const moments = `y has mean ${number(mean(y))} and std ${number(Math.sqrt(variance(y)))}.`;
    const shares = `${percent(flat)} of y meet the flat parts; of x it would be ${percent(flatBefore)}.`;
    say(`${moments} The sigmoid's mean slope is ${number(slope)}, of at most 0.25. ${shares}`);
  }
  update();
}

const percent = (share) => `${number(100 * share, 0)} %`;

const slopes = (outputs) => outputs.map((value) => value * (1 - value));
const shareOfFlat = (outputs) => mean(slopes(outputs).map((slope) => (slope < FLAT ? 1 : 0)));

/** Inputs before and after BN, outputs, their mean slope, and the flat share with BN and without. */
export function through({ place, width, gamma, beta }) {
  // Exactly this mean and standard deviation, so that the labels of the sliders are true.
  const unit = batchnormForward(SAMPLE, 1, 0, 0).y;
  const x = unit.map((value) => place + width * value);
  const { y } = batchnormForward(x, gamma, beta, 1e-5);
  const out = y.map(sigmoid);
  return {
    x,
    y,
    out,
    slope: mean(slopes(out)),
    flat: shareOfFlat(out),
    flatBefore: shareOfFlat(x.map(sigmoid)),
  };
}

/** How many values fall into each of `bins` parts of [low, high]; what lies outside is left out. */
function counts(values, [low, high], bins) {
  const found = new Array(bins).fill(0);
  for (const value of values) {
    const bin = Math.floor(((value - low) / (high - low)) * bins);
    if (bin >= 0 && bin < bins) found[bin] += 1;
  }
  return found;
}

function drawHistograms(parent) {
  const label =
    "Histograms of a unit's inputs x, of y after Batch Normalization, and of the sigmoid's outputs";
  const drawing = picture({ width: 358, height: 372, label, name: "sigmoid" }, parent);
  const wide = { left: 30, width: 236, x: BOUNDS };
  const curve = plane({ ...wide, top: 18, height: 130, y: [0, 1] });
  const after = plane({ ...wide, top: 170, height: 74, y: [0, 110] });
  const before = plane({ ...wide, top: 284, height: 52, y: [0, 110] });
  const outputs = plane({ left: 278, top: 18, width: 74, height: 130, x: [0, 1], y: [0, 1] });
  const ticks = [-8, -4, 0, 4, 8];

  axes(curve, { y: [0, 0.5, 1] }, drawing);
  axes(outputs, { y: [] }, drawing);
  axes(after, { x: ticks }, drawing);
  axes(before, { x: ticks }, drawing);
  for (const [x, y, text] of [
    [30, 12, "sigmoid(y)"],
    [278, 12, "outputs"],
    [30, 166, "y = γ x̂ + β"],
    [30, 280, "x, before"],
  ]) {
    svg("text", { x, y, class: "title", text }, drawing);
  }
  drawCurve(curve, after, drawing);
  const bars = [
    upright(after, "bar after", drawing),
    upright(before, "bar before", drawing),
    lying(outputs, "bar out", drawing),
  ];
  return (x, y, out) => {
    bars[0](counts(y, BOUNDS, BINS));
    bars[1](counts(x, BOUNDS, BINS));
    bars[2](counts(out, [0, 1 + 1e-9], 20));
  };
}

/** The sigmoid with its tangent, and the parts of the inputs where it is flat. */
function drawCurve(curve, after, parent) {
  const output = (1 + Math.sqrt(1 - 4 * FLAT)) / 2; // where output · (1 − output) = FLAT
  const edge = Math.log(output / (1 - output));
  for (const [low, high] of [
    [BOUNDS[0], -edge],
    [edge, BOUNDS[1]],
  ]) {
    const [x, width] = [curve.x(low), curve.x(high) - curve.x(low)];
    for (const { top, height } of [curve, after]) {
      svg("rect", { class: "flat", x, width, y: top, height }, parent);
    }
  }
  svg("text", { x: curve.x(-7.8), y: curve.top + 14, text: "flat" }, parent);
  svg("text", { x: curve.x(7.8), y: curve.bottom - 6, "text-anchor": "end", text: "flat" }, parent);
  const tangent = [-2, 2].map((t) => [t, 0.5 + t / 4]);
  svg("path", { class: "tangent", d: line(curve, tangent) }, parent);
  const points = Array.from({ length: 81 }, (_, k) => -8 + k / 5).map((t) => [t, sigmoid(t)]);
  svg("path", { class: "curve", d: line(curve, points) }, parent);
}

function upright(area, name, parent) {
  const group = clipped(area, parent);
  const size = area.width / BINS;
  const bars = Array.from({ length: BINS }, (_, k) =>
    svg("rect", { class: name, x: area.left + k * size, width: size - 0.8 }, group),
  );
  return (found) =>
    found.forEach((count, k) => set(bars[k], { y: area.y(count), height: area.bottom - area.y(count) }));
}

function lying(area, name, parent) {
  const group = clipped(area, parent);
  const size = area.height / 20;
  const bars = Array.from({ length: 20 }, (_, k) =>
    svg("rect", { class: name, x: area.left, y: area.bottom - (k + 1) * size, height: size - 0.8 }, group),
  );
  return (found) => {
    const most = Math.max(...found);
    found.forEach((count, k) => set(bars[k], { width: area.x(count / most) - area.left }));
  };
}
