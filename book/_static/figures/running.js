/** Running statistics against the momentum and the batch size, and the gap between the two modes. */

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
import {
  batchnormForward,
  batchnormInference,
  mean,
  normals,
  updateRunningStatistics,
} from "./mathematics.js";

const BATCHES = 120;
const MOMENTA = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1];
const SIZES = [2, 4, 8, 16, 32, 64];
const EPS = 1e-5;
/** True mean and standard deviation of the data, as in the chapter. */
const TRUE = { mean: 5, std: 2 };
const SHIFT = { from: 61, by: 3 };
const STREAM = normals(3, BATCHES * SIZES.at(-1));
/** 64 values of mean exactly 0 and standard deviation exactly 1: the gap is the statistics' alone. */
const HELD_OUT = batchnormForward(normals(8, 64), 1, 0, 0).y;

/**
 * The running statistics after each mini-batch, and how far apart the modes then are.
 *
 * The gap is the mean difference between a held-out mini-batch's outputs in the two modes.
 */
export function follow(momentum, m, shifted) {
  let running = [0, 1];
  const path = [];
  for (let step = 1; step <= BATCHES; step += 1) {
    const place = TRUE.mean + (shifted && step >= SHIFT.from ? SHIFT.by : 0);
    const real = (value) => place + TRUE.std * value;
    const batch = STREAM.slice((step - 1) * m, step * m).map(real);
    const { mean: batchMean, var: batchVar } = batchnormForward(batch, 1, 0, EPS);
    running = updateRunningStatistics(...running, batchMean, batchVar, m, momentum);
    const held = HELD_OUT.map(real);
    const training = batchnormForward(held, 1, 0, EPS).y;
    const inference = batchnormInference(held, 1, 0, ...running, EPS);
    const gap = mean(training.map((value, i) => Math.abs(value - inference[i])));
    path.push({ step, place, batch, batchMean, batchVar, running, held, training, inference, gap });
  }
  return path;
}

export function draw(stage) {
  const state = { momentum: 4, size: 3, step: 40, shifted: false };
  const panels = html("div", { class: "quartet" }, stage);
  const shows = [
    drawPath(panels, "running mean", [0, 10], [0, 5, 10], (one) => [
      one.batchMean,
      one.running[0],
      one.place,
    ]),
    drawPath(panels, "running variance", [0, 12], [0, 4, 8, 12], (one) => [
      (one.batchVar * one.batch.length) / (one.batch.length - 1),
      one.running[1],
      TRUE.std ** 2,
    ]),
    drawPath(panels, "gap between the modes", [0, 4], [0, 2, 4], (one) => [null, one.gap, null]),
    drawModes(panels),
  ];
  const controls = html("div", { class: "sliders wide-labels" }, stage);
  const add = sliders(state, update, controls);
  add("momentum", "momentum", 0, MOMENTA.length - 1, 1, (index) => String(MOMENTA[index]));
  add("size", "batch size m", 0, SIZES.length - 1, 1, (index) => String(SIZES[index]));
  add("step", "batches seen", 1, BATCHES, 1, String);
  const toggle = button("Data move by 3 after batch 60", () => update({ shifted: !state.shifted }), controls);
  const say = reading(stage);

  function update(changes = {}) {
    Object.assign(state, changes);
    set(toggle, { "aria-pressed": state.shifted });
    const path = follow(MOMENTA[state.momentum], SIZES[state.size], state.shifted);
    for (const show of shows) show(path, state.step);
    const { step, running, gap, place } = path[state.step - 1];
    const truth = `true ${number(place, 0)} and ${TRUE.std ** 2}`;
    const statistics = `running mean ${number(running[0])} and variance ${number(running[1])} (${truth})`;
    say(`After ${step} batches: ${statistics}. The modes differ by ${number(gap)}.`);
  }
  update();
}

/** Against the batches seen: each batch's own value as dots, the running one and the true one as lines. */
function drawPath(parent, title, y, ticks, values) {
  const drawing = picture({ width: 210, height: 170, label: title, name: "running" }, parent);
  const area = plane({ left: 24, top: 22, width: 178, height: 112, x: [0, BATCHES], y });
  svg("text", { x: 24, y: 14, class: "title", text: title }, drawing);
  axes(area, { x: [0, 60, 120], y: ticks, xLabel: "batches seen" }, drawing);
  const group = clipped(area, drawing);
  const dots = Array.from({ length: BATCHES }, () => svg("circle", { class: "batch", r: 1.8 }, group));
  const truth = svg("path", { class: "truth" }, group);
  const still = svg("path", { class: "ahead" }, group);
  const curve = svg("path", { class: "curve" }, group);
  const now = svg("circle", { class: "now", r: 4.5 }, group);
  return (path, step) => {
    const all = path.map((one) => values(one));
    all.forEach(([own], i) => {
      const place = { cx: area.x(i + 1), cy: area.y(own ?? 0) };
      set(dots[i], { ...place, visibility: own === null || i >= step ? "hidden" : "visible" });
    });
    if (all[0][2] !== null)
      set(truth, {
        d: line(
          area,
          all.map((value, i) => [i + 1, value[2]]),
        ),
      });
    const points = all.map((value, i) => [i + 1, value[1]]);
    set(still, { d: line(area, points) });
    set(curve, { d: line(area, points.slice(0, step)) });
    set(now, { cx: area.x(step), cy: area.y(points[step - 1][1]) });
    set(drawing, { "aria-label": `${title}: ${number(points[step - 1][1])} after ${step} batches` });
  };
}

/** The held-out examples: output in training across, at inference upwards. */
function drawModes(parent) {
  const drawing = picture({ width: 210, height: 170, label: "", name: "running" }, parent);
  const area = plane({ left: 24, top: 22, width: 178, height: 112, x: [-4.5, 4.5], y: [-4.5, 4.5] });
  svg("text", { x: 24, y: 14, class: "title", text: "one batch in both modes" }, drawing);
  axes(area, { x: [-4, 0, 4], y: [-4, 0, 4], xLabel: "y in training (up: inference)" }, drawing);
  const group = clipped(area, drawing);
  svg(
    "path",
    {
      class: "truth",
      d: line(area, [
        [-4.5, -4.5],
        [4.5, 4.5],
      ]),
    },
    group,
  );
  const dots = HELD_OUT.map(() => svg("circle", { class: "example", r: 2.2 }, group));
  return (path, step) => {
    const { training, inference, gap } = path[step - 1];
    dots.forEach((dot, i) => set(dot, { cx: area.x(training[i]), cy: area.y(inference[i]) }));
    const form = `Outputs at inference against those in training: ${number(gap)} off the diagonal on average`;
    set(drawing, { "aria-label": form });
  };
}
