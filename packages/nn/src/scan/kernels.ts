// Plans of the scan's WebGPU kernels: which shaders run over which operands. Nothing here depends on T but grids.
import type { GpuCall, GpuKernels, GpuLimits, GpuPlan } from '@seq/tensor/engine';
import { carryColumnsShader, carryShader, carryTilesShader } from './gpu-carry.js';
import { name, planOf } from './gpu-plan.js';
import type { Plan } from './gpu-plan.js';
import {
  decayShader,
  headDecayShader,
  packShader,
  packSize,
  rowsBackwardShader,
  rowsForwardShader,
} from './gpu-rows.js';
import { backwardShader, forwardShader, group } from './gpu-text.js';
import type { Leaving } from './gpu-tile-leave.js';
import { tileLeaveShader } from './gpu-tile-leave.js';
import type { Reading } from './gpu-tile-read.js';
import { tileReadShader } from './gpu-tile-read.js';
import type { System } from './gpu-tile-solve.js';
import { tileSolveShader, tileWriteShader } from './gpu-tile-solve.js';
import { operandNames, operandsOf } from './shapes.js';
import type { ScanAttrs } from './shapes.js';

export { stepKernels } from './gpu-step.js';

/** Longest column or row, and longest chunk, that an invocation keeps to itself. */
const longest = 256;

/** Carries states from chunk to chunk; where there are tiles, that of the last chunk stands in `state`. */
function carry(plan: Plan, forward: boolean, tiled: boolean): void {
  const { B, H, K, V } = plan.sizes;
  if (plan.key.erase === 'none')
    plan.run(carryShader, B * H * K * V, K * V, { forward, last: forward && tiled });
  else if (tiled) plan.run(carryTilesShader, B * H * Math.ceil(V / 16) * group, V, { forward });
  else plan.run(carryColumnsShader, B * H * V, V, { forward });
}

/** A plan of the forward op whose operands have names, its factors made: with their products where there are tiles. */
function begin(call: GpuCall<ScanAttrs>, tiled: boolean): Plan {
  const operands = operandsOf(call.inputs, call.attrs);
  const plan = planOf(call, operands);
  name(plan, operandNames(call.attrs), 0);
  name(plan, ['o', 'state', 'states', 'u'], call.inputs.length);
  if (operands.g) plan.keep(operands.g, tiled);
  return plan;
}

function forwardColumns(call: GpuCall<ScanAttrs>): GpuPlan {
  const plan = begin(call, false);
  const { B, H, K, V, N } = plan.sizes;
  const cols = V + plan.extra;
  plan.take('turn', N > 1 ? B * N * H * plan.extra * K : 0);
  if (N > 1) plan.run(forwardShader, B * N * H * cols, cols, { phase: 'local' });
  carry(plan, true, false);
  if (call.attrs.erase !== 'none') plan.run(forwardShader, B * N * H * V, V, { phase: 'write' });
  plan.run(forwardShader, B * N * H * V, V, { phase: 'read' });
  return plan.plan;
}

function forwardTiles(call: GpuCall<ScanAttrs>): GpuPlan {
  const plan = begin(call, true);
  const { B, H, K, N } = plan.sizes;
  const { erase } = call.attrs;
  const own = erase === 'own';
  plan.take('turn', B * N * H * plan.extra * K);
  // What is written: values, with keys; what erasing made, with keys in their stead or beside them with its own.
  const written = [
    ...(own ? [] : [{ y: 'k', z: 'v', strict: false }]),
    ...(erase === 'none' ? [] : [{ y: own ? 'k' : 'b', z: 'u', strict: false }]),
  ];
  if (own) solve(plan, { x: 'a', values: 'v', y: 'k', reversed: false });
  if (erase === 'pair')
    solve(plan, { x: 'a', known: { y: 'k', z: 'v', strict: true }, y: 'b', reversed: false });
  const left = written.map(({ y, z, strict }) => ({ x: y, y: z === 'u' ? 'solved' : z, strict }));
  leave(plan, { terms: left, reversed: false });
  carry(plan, true, true);
  if (erase !== 'none') write(plan, 'u', 'states');
  read(plan, { x: 'q', terms: written, out: 'o', S: 'states', reversed: false, turned: false });
  return plan.plan;
}

/** What chunks leave behind. */
function leave(plan: Plan, leaving: Leaving): void {
  const { K, V } = plan.sizes;
  plan.tiles(tileLeaveShader, K, plan.key.erase === 'none' ? V : V + K, K, leaving);
}

/** What erasing makes of chunks. */
function solve(plan: Plan, system: System): void {
  const { B, T, H, K, V } = plan.sizes;
  plan.take('solved', B * T * H * (V + K));
  plan.tiles(tileSolveShader, K, V + K, 1, system);
}

/** The same with the states that they begin with, or what comes from behind. */
function write(plan: Plan, out: string, S: Reading['S']): void {
  const { K, V } = plan.sizes;
  plan.tiles(tileWriteShader, K, V, plan.chunk, { out, S });
}

/** A reading: with keys by keys for values, or turned by values for keys. */
function read(plan: Plan, reading: Reading): void {
  const { K, V } = plan.sizes;
  const [D, J] = reading.turned ? [V, K] : [K, V];
  plan.tiles(tileReadShader, D, J, plan.chunk, reading);
}

/** The same of the gradient. */
function beginBackward({ inputs: all, outputs, attrs }: GpuCall<ScanAttrs>, tiled: boolean): Plan {
  const operands = operandsOf(all.slice(2, 2 + outputs.length), attrs);
  const plan = planOf({ inputs: all, outputs, attrs, alias: [] }, operands);
  const { B, H, K, V, N } = plan.sizes;
  const names = operandNames(attrs);
  name(plan, ['dO', 'dState', ...names, 'states', 'u'], 0);
  name(
    plan,
    names.map((operand) => (operand === 'initial' ? 'dInitial' : `d${operand}`)),
    all.length,
  );
  if (operands.g) plan.keep(operands.g, tiled);
  plan.take('w', B * (N + 1) * H * K * V);
  plan.take('turn', B * N * H * plan.extra * K);
  return plan;
}

/** Gradients of log-decays. */
function decayGradients(plan: Plan): void {
  const { B, T, N, H, K } = plan.sizes;
  const { decay, erase } = plan.key;
  if (decay === 'none') return;
  if (decay === 'key') plan.at['terms'] = plan.at['dg'];
  else plan.take('terms', B * T * H * K);
  plan.take('packed', B * T * H * K * packSize(erase));
  plan.run(packShader, B * T * H * K, K);
  plan.run(decayShader, B * N * H * K, K, { chunk: plan.chunk });
  if (decay === 'head') plan.run(headDecayShader, B * T * H, K);
}

function backwardColumns(call: GpuCall<ScanAttrs>): GpuPlan {
  const plan = beginBackward(call, false);
  const { B, T, H, K, V, N } = plan.sizes;
  const { erase } = call.attrs;
  const [pair, erasing] = [erase === 'pair', erase !== 'none'];
  if (pair) plan.take('du', B * T * H * V);
  else plan.at['du'] = plan.at['dv'];
  const cols = V + plan.extra;
  const units = B * N * H;
  plan.run(backwardShader, units * cols, cols, { phase: 'back' });
  carry(plan, false, false);
  if (pair) plan.run(backwardShader, units * V, V, { phase: 'written' });
  plan.run(backwardShader, units * V, V, { phase: 'values' });
  const forwards = pair ? [['dq'], ['da']] : [erasing ? ['dq', 'da'] : ['dq']];
  for (const want of forwards) plan.run(rowsForwardShader, units * K, K, { want });
  for (const want of pair ? ['dk', 'db'] : ['dk']) plan.run(rowsBackwardShader, units * K, K, { want });
  decayGradients(plan);
  return plan.plan;
}

/** What is written is read against time by keys as queries; queries and keys read the state turned, by gradients and values. */
function backwardTiles(call: GpuCall<ScanAttrs>): GpuPlan {
  const plan = beginBackward(call, true);
  const { B, T, H, V } = plan.sizes;
  const { erase } = call.attrs;
  const [own, pair] = [erase === 'own', erase === 'pair'];
  const later = { y: 'q', z: 'dO', strict: false };
  // What later positions make of a state: they read it, and erase.
  const terms = [later, ...(erase === 'none' ? [] : [{ y: 'a', z: 'du', strict: true }])];
  const turned = terms.map(({ y, z, strict }) => ({ y: z, z: y, strict }));
  const left = terms.map(({ y, z, strict }) => ({ x: y, y: z === 'du' ? 'solved' : z, strict }));
  if (erase !== 'none') {
    if (pair) plan.take('du', B * T * H * V);
    else plan.at['du'] = plan.at['dv'];
    solve(plan, { x: pair ? 'b' : 'k', known: later, y: 'a', reversed: true });
  }
  leave(plan, { terms: left, reversed: true });
  carry(plan, false, true);
  const back = { S: 'w', reversed: true } as const;
  if (erase !== 'none') write(plan, 'du', 'w');
  if (!own) read(plan, { ...back, x: 'k', terms, out: 'dv', turned: false });
  read(plan, { ...back, x: own ? 'u' : 'v', terms: turned, out: 'dk', turned: true });
  if (pair) read(plan, { ...back, x: 'u', terms: turned, out: 'db', turned: true });
  const kept = (strict: boolean): Omit<Reading, 'x' | 'out'> => ({
    S: 'states',
    reversed: false,
    turned: true,
    terms: [
      ...(own ? [] : [{ y: 'v', z: 'k', strict }]),
      ...(erase === 'none' ? [] : [{ y: 'u', z: own ? 'k' : 'b', strict }]),
    ],
  });
  read(plan, { ...kept(false), x: 'dO', out: 'dq' });
  if (erase !== 'none') read(plan, { ...kept(true), x: 'du', out: 'da' });
  decayGradients(plan);
  return plan.plan;
}

/** Kernels of an op whose inputs are those of the scan behind `skip` others. */
const kernels = (
  tiles: (call: GpuCall<ScanAttrs>) => GpuPlan,
  columns: (call: GpuCall<ScanAttrs>) => GpuPlan,
  skip: number,
): GpuKernels<ScanAttrs> => {
  const fits = ({ inputs, attrs }: GpuCall<ScanAttrs>, size: number): true | string => {
    if (inputs[skip].dtype !== 'f32') return 'computes f32 only';
    const most = Math.max(size, attrs.chunk);
    return most <= longest || `keeps columns and chunks of at most ${longest} in registers, got ${most}`;
  };
  return {
    variants: [
      {
        name: 'tiles',
        supports(call, { software }: GpuLimits) {
          if (software) return 'barriers are dear where the adapter is a program on the CPU';
          return fits(call, call.attrs.erase === 'none' ? 0 : call.inputs[skip].shape[3]);
        },
        plan: tiles,
      },
      {
        name: 'columns',
        supports: (call) => fits(call, Math.max(call.inputs[skip].shape[3], call.inputs[skip + 2].shape[3])),
        plan: columns,
      },
    ],
  };
};

/** WebGPU kernels of `matrixScanOp`. */
export const scanKernels: GpuKernels<ScanAttrs> = /* @__PURE__ */ kernels(forwardTiles, forwardColumns, 0);

/** WebGPU kernels of `matrixScanBackwardOp`. */
export const scanBackwardKernels: GpuKernels<ScanAttrs> = /* @__PURE__ */ kernels(
  backwardTiles,
  backwardColumns,
  2,
);
