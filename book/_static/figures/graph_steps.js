/** The steps through the graph: which nodes get their numbers, along which edges, and why. */

import { factor, number, signed } from "./drawing.js";

const list = (values) =>
  values
    .map((value) => signed(value))
    .join(" ")
    .replace(/^\+ /, "")
    .replace(/^− /, "−");
const products = (left, right) =>
  left.map((value, i) => `${factor(value)} · ${factor(right[i])}`).join(" + ");

const FORWARD = [
  {
    title: "what is given",
    nodes: ["x", "gamma", "beta"],
    edges: [],
    formula: "x, γ, β",
    worked: ({ x }) => `m = ${x.length} examples of one feature`,
    why: "Press Next. Values flow along the arrows.",
  },
  {
    title: "mean",
    nodes: ["mean"],
    edges: ["x mean"],
    formula: "μ = (x₁ + … + xₘ) / m",
    worked: ({ x, mean }) => `(${list(x)}) / ${x.length} = ${number(mean)}`,
    why: "Every example enters the mean. This is where they begin to touch each other.",
  },
  {
    title: "centered",
    nodes: ["centered"],
    edges: ["x centered", "mean centered"],
    formula: "c = x − μ",
    worked: ({ x, mean, centered }) => `c₁ = ${number(x[0])} ${signed(-mean)} = ${number(centered[0])}`,
    why: "x has two ways out: one to the mean and one to the difference.",
  },
  {
    title: "squared",
    nodes: ["squared"],
    edges: ["centered squared"],
    formula: "q = c²",
    worked: ({ centered, squared }) => `q₁ = (${number(centered[0])})² = ${number(squared[0])}`,
    why: "c has two ways out as well: one to the square and, later, one to the quotient.",
  },
  {
    title: "var",
    nodes: ["var"],
    edges: ["squared var"],
    formula: "σ² = (q₁ + … + qₘ) / m",
    worked: ({ squared, var: variance }) => `(${list(squared)}) / ${squared.length} = ${number(variance)}`,
    why: "The mean of the squares, divided by m.",
  },
  {
    title: "std",
    nodes: ["std"],
    edges: ["var std"],
    formula: "s = √(σ² + ε)",
    worked: ({ var: variance, eps, std }) => `√(${number(variance)} + ${number(eps, 5)}) = ${number(std)}`,
    why: "ε stands inside the root.",
  },
  {
    title: "x_hat",
    nodes: ["x_hat"],
    edges: ["centered x_hat", "std x_hat"],
    formula: "x̂ = c / s",
    worked: ({ centered, std, x_hat: xHat }) =>
      `x̂₁ = ${number(centered[0])} / ${number(std)} = ${number(xHat[0])}`,
    why: "All examples share one s.",
  },
  {
    title: "y",
    nodes: ["y"],
    edges: ["x_hat y", "gamma y", "beta y"],
    formula: "y = γ x̂ + β",
    worked: ({ gamma, beta, x_hat: xHat, y }) =>
      `y₁ = ${number(gamma)} · ${factor(xHat[0])} ${signed(beta)} = ${number(y[0])}`,
    why: "The forward pass is done. The next step turns round.",
  },
];

const BACKWARD = [
  {
    title: "the gradient arrives",
    nodes: ["y"],
    edges: [],
    formula: "∂ℓ/∂y",
    worked: ({ dout }) => `∂ℓ/∂y₁ = ${number(dout[0])}`,
    why: "It comes from the layers above. Gradients flow against the arrows.",
  },
  {
    title: "beta and gamma",
    nodes: ["beta", "gamma"],
    edges: ["beta y", "gamma y"],
    formula: "∂ℓ/∂β = Σ ∂ℓ/∂yᵢ,  ∂ℓ/∂γ = Σ ∂ℓ/∂yᵢ · x̂ᵢ",
    worked: ({ dout, dbeta, dgamma }) =>
      `∂ℓ/∂β = ${list(dout)} = ${number(dbeta)}; ∂ℓ/∂γ = ${number(dgamma)}`,
    why: "One β and one γ feed every example, so each collects a sum.",
  },
  {
    title: "x_hat",
    nodes: ["x_hat"],
    edges: ["x_hat y"],
    formula: "∂ℓ/∂x̂ = ∂ℓ/∂y · γ",
    worked: ({ dout, gamma, dx_hat: dxHat }) =>
      `for x̂₁: ${number(dout[0])} · ${factor(gamma)} = ${number(dxHat[0])}`,
    why: "Along an edge, multiply by the edge's own derivative.",
  },
  {
    title: "std",
    nodes: ["std"],
    edges: ["std x_hat"],
    formula: "∂ℓ/∂s = −(Σ ∂ℓ/∂x̂ᵢ · cᵢ) / s²",
    worked: ({ dx_hat: dxHat, centered, std, dstd }) =>
      `−(${products(dxHat, centered)}) / ${number(std)}² = ${number(dstd)}`,
    why: "The quotient c / s has the derivative −c / s². All examples share s: a sum.",
  },
  {
    title: "var",
    nodes: ["var"],
    edges: ["var std"],
    formula: "∂ℓ/∂σ² = ∂ℓ/∂s / (2s)",
    worked: ({ dstd, std, dvar }) => `${number(dstd)} / (2 · ${number(std)}) = ${number(dvar)}`,
    why: "The derivative of a root.",
  },
  {
    title: "squared",
    nodes: ["squared"],
    edges: ["squared var"],
    formula: "∂ℓ/∂q = ∂ℓ/∂σ² / m",
    worked: ({ dvar, dsquared }) => `${number(dvar)} / ${dsquared.length} = ${number(dsquared[0], 3)}`,
    why: "Each square is one of m terms of a mean. All get the same share.",
  },
  {
    title: "centered",
    nodes: ["centered"],
    edges: ["centered x_hat", "centered squared"],
    formula: "∂ℓ/∂c = ∂ℓ/∂x̂ / s + 2c · ∂ℓ/∂q",
    worked: ({ dx_hat: dxHat, std, centered, dsquared, dcentered }) =>
      `for c₁: ${number(dxHat[0])} / ${number(std)} + 2 · ${factor(centered[0])} · ${factor(dsquared[0], 3)}` +
      ` = ${number(dcentered[0])}`,
    why: "Two edges leave c, so two terms come back. Where edges leave, add.",
  },
  {
    title: "mean",
    nodes: ["mean"],
    edges: ["mean centered"],
    formula: "∂ℓ/∂μ = −Σ ∂ℓ/∂cᵢ",
    worked: ({ dcentered, dmean }) => `−(${list(dcentered)}) = ${number(dmean)}`,
    why: "The mean is subtracted in every c: a minus sign and a sum.",
  },
  {
    title: "x",
    nodes: ["x"],
    edges: ["x centered", "x mean"],
    formula: "∂ℓ/∂x = ∂ℓ/∂c + ∂ℓ/∂μ / m",
    worked: ({ dcentered, dmean, dx }) =>
      `for x₁: ${number(dcentered[0])} ${signed(dmean / dx.length)} = ${number(dx[0])}`,
    why: "Two edges leave x as well. All of ∂ℓ/∂x add up to zero, since the mean goes along with x.",
  },
];

export const STEPS = [...FORWARD, ...BACKWARD.map((step) => ({ ...step, backward: true }))];
