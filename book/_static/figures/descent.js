/** Gradient descent on one problem before and after normalising its inputs, at one relative rate. */

import { axes, clipped, html, line, number, picture, plane, reading, set, sliders, svg } from "./drawing.js";
import { MATRICES, apply, bowl, descend, eigen, inverse, multiply, transpose } from "./mathematics.js";

const STEPS = 60;
/** What the model has to find, in the units of the centred data. */
const WANTED = [1, -2];
const FORMS = {
  centred: () => [
    [1, 0],
    [0, 1],
  ],
  standardised: MATRICES.BN,
  whitened: MATRICES.ZCA,
};

/**
 * The same linear problem for inputs multiplied by `matrix`.
 *
 * The inputs' covariance becomes W Σ Wᵀ, the Hessian of the mean squared error is twice that,
 * and the weights that solve it are W⁻ᵀ times the wanted ones. Descent starts at zero with
 * `relative` times the rate 1/λ of the steepest direction.
 */
export function problem(sigma, matrix, relative) {
  const covariance = multiply(multiply(matrix, sigma), transpose(matrix));
  const hessian = covariance.map((row) => row.map((value) => 2 * value));
  const minimum = apply(transpose(inverse(matrix)), WANTED);
  const { lam } = eigen(hessian);
  const path = descend(hessian, minimum, [0, 0], relative / lam[0], STEPS);
  const losses = path.map((point) => bowl(hessian, minimum, point));
  return { hessian, minimum, path, losses, condition: lam[0] / lam[1] };
}

export function draw(stage) {
  const state = { spread: 2.5, correlation: 0.8, relative: 1, steps: 20 };
  const panels = html("div", { class: "quartet" }, stage);
  const bowls = Object.keys(FORMS).map((name) => drawBowl(panels, name));
  const losses = drawLosses(panels);
  const controls = html("div", { class: "sliders wide-labels" }, stage);
  const add = sliders(state, update, controls);
  add("spread", "std of x₁", 0.5, 4, 0.1);
  add("correlation", "correlation", -0.95, 0.95, 0.05);
  add("relative", "rate · λ", 0.1, 2.1, 0.05);
  add("steps", "steps", 0, STEPS, 1, String);
  const say = reading(stage);

  function update(changes = {}) {
    Object.assign(state, changes);
    const cross = state.correlation * state.spread;
    const sigma = [
      [state.spread ** 2, cross],
      [cross, 1],
    ];
    const problems = Object.values(FORMS).map((form) => problem(sigma, form(sigma), state.relative));
    problems.forEach((one, k) => bowls[k](one, state.steps));
    losses(problems, state.steps);
    const left = problems.map(({ losses: values }, k) => {
      const share = (100 * values[state.steps]) / values[0];
      return `${Object.keys(FORMS)[k]} ${rounded(share)} %`;
    });
    const warning = state.relative > 2 ? " Above 2/λ every path climbs out of its bowl." : "";
    say(`Loss left after ${state.steps} steps: ${left.join(", ")}.${warning}`);
  }
  update();
}

function rounded(percent) {
  if (percent > 1000) return "over 1000";
  if (percent > 0 && percent < 0.001) return "under 0.001";
  return number(percent, percent > 0 && percent < 1 ? 3 : 0);
}

function drawBowl(parent, name) {
  const drawing = picture({ width: 210, height: 170, label: "", name: "descent" }, parent);
  const area = plane({ left: 24, top: 22, width: 178, height: 120, x: [-1, 1], y: [-1, 1] });
  const title = svg("text", { x: 24, y: 14, class: "title" }, drawing);
  svg("text", { x: 113, y: 160, "text-anchor": "middle", text: "weight 1 (up: weight 2)" }, drawing);
  svg(
    "rect",
    { class: "frame", fill: "none", x: area.left, y: area.top, width: area.width, height: area.height },
    drawing,
  );
  const group = clipped(area, drawing);
  const rings = Array.from({ length: 7 }, () => svg("path", { class: "contour" }, group));
  const walk = svg("path", { class: "walk" }, group);
  const feet = Array.from({ length: STEPS + 1 }, () => svg("circle", { class: "foot", r: 2.4 }, group));
  const goal = svg("path", { class: "goal" }, group);
  return ({ hessian, minimum, path, losses, condition }, steps) => {
    const reach = 1.5 * Math.hypot(...minimum);
    const ratio = area.width / area.height;
    const place = plane({
      ...area,
      x: [minimum[0] - reach * ratio, minimum[0] + reach * ratio],
      y: [minimum[1] - reach, minimum[1] + reach],
    });
    const { lam, u } = eigen(hessian);
    rings.forEach((ring, k) => {
      const level = losses[0] * ((k + 1) / 4) ** 2;
      set(ring, { d: line(place, ellipse(minimum, lam, u, level)) });
    });
    set(walk, { d: line(place, path.slice(0, steps + 1)) });
    feet.forEach((foot, k) => {
      const seen = k <= steps && Math.hypot(...path[k]) < 1e4;
      set(foot, {
        cx: seen ? place.x(path[k][0]) : 0,
        cy: seen ? place.y(path[k][1]) : 0,
        visibility: seen ? "visible" : "hidden",
      });
    });
    const [x, y] = [place.x(minimum[0]), place.y(minimum[1])];
    set(goal, { d: `M${x - 5} ${y}h10M${x} ${y - 5}v10` });
    title.textContent = `${name}, κ = ${number(condition, 1)}`;
    const share = number((100 * losses[steps]) / losses[0], 1);
    const seen = `Contours for ${name} inputs, condition number ${number(condition, 1)}`;
    set(drawing, { "aria-label": `${seen}; after ${steps} steps ${share} percent of the loss is left` });
  };
}

/** Where the bowl is `level` high. */
function ellipse(center, lam, u, level) {
  return Array.from({ length: 73 }, (_, k) => {
    const angle = (k * Math.PI) / 36;
    const along = [
      Math.cos(angle) * Math.sqrt((2 * level) / lam[0]),
      Math.sin(angle) * Math.sqrt((2 * level) / lam[1]),
    ];
    const [x, y] = apply(u, along);
    return [center[0] + x, center[1] + y];
  });
}

function drawLosses(parent) {
  const drawing = picture(
    { width: 210, height: 170, label: "Loss against step, on a logarithmic axis", name: "descent" },
    parent,
  );
  const area = plane({ left: 34, top: 22, width: 168, height: 112, x: [0, STEPS], y: [-9, 1] });
  svg("text", { x: 34, y: 14, class: "title", text: "loss left" }, drawing);
  axes(area, { x: [0, 20, 40, 60], xLabel: "step" }, drawing);
  for (const [power, text] of [
    [0, "1"],
    [-3, "10⁻³"],
    [-6, "10⁻⁶"],
    [-9, "10⁻⁹"],
  ]) {
    svg(
      "line",
      { class: "frame", x1: area.left, x2: area.right, y1: area.y(power), y2: area.y(power) },
      drawing,
    );
    svg("text", { x: area.left - 4, y: area.y(power) + 4, "text-anchor": "end", text }, drawing);
  }
  const group = clipped(area, drawing);
  const curves = Object.keys(FORMS).map((name) => svg("path", { class: `loss ${name}` }, group));
  const now = svg("line", { class: "now", y1: area.top, y2: area.bottom }, group);
  Object.keys(FORMS).forEach((name, k) => {
    svg("line", { class: `loss ${name}`, x1: 46, x2: 64, y1: 96 + 14 * k, y2: 96 + 14 * k }, drawing);
    svg("text", { x: 68, y: 100 + 14 * k, text: name }, drawing);
  });
  return (problems, steps) => {
    problems.forEach(({ losses }, k) => {
      const points = losses.map((value, step) => [step, Math.max(-12, Math.log10(value / losses[0]))]);
      set(curves[k], { d: line(area, points) });
    });
    set(now, { x1: area.x(steps), x2: area.x(steps) });
  };
}
