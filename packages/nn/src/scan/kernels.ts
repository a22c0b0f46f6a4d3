// Plans of the scan's WebGPU kernels: which shaders run over which operands. Nothing here depends on T but grids.
import type {
  GpuCall,
  GpuKernels,
  GpuLimits,
  GpuPass,
  GpuPlan,
  GpuShader,
  GpuView,
} from '@seq/tensor/engine';
import { grid } from '@seq/webgpu-kernels/wgsl';
import { carryShader } from './gpu-carry.js';
import {
  decayShader,
  headDecayShader,
  packShader,
  packSize,
  rowsBackwardShader,
  rowsForwardShader,
} from './gpu-rows.js';
import { backwardShader, forwardShader, group, keepShader } from './gpu-text.js';
import type { ScanKey } from './gpu-text.js';
import { listOf, operandsOf, sizesOf } from './shapes.js';
import type { ScanAttrs, ScanOperands, ScanSizes } from './shapes.js';

/** Longest column or row that an invocation keeps to itself. */
const longest = 256;

/** Collects the passes of a call and the scratch memory they share. */
class Plan {
  readonly passes: GpuPass[] = [];
  readonly scratch: number[] = [];
  readonly at: Record<string, number> = {};
  readonly key: Omit<ScanKey, 'at'>;
  readonly sizes: ScanSizes;
  readonly chunk: number;
  /** Number of the first scratch operand. */
  readonly behind: number;

  constructor(key: Omit<ScanKey, 'at'>, sizes: ScanSizes, chunk: number, behind: number) {
    this.key = key;
    this.sizes = sizes;
    this.chunk = chunk;
    this.behind = behind;
  }

  /** Memory of so many floats by name. */
  take(name: string, floats: number): void {
    this.at[name] = this.behind + this.scratch.length;
    this.scratch.push(4 * Math.max(floats, 1));
  }

  /** Rows or columns beside those of the state that make up a chunk's transition. */
  get extra(): number {
    const { erase, decay, K } = this.key;
    return erase !== 'none' ? K : decay !== 'none' ? 1 : 0;
  }

  run(make: (key: string) => GpuShader, units: number, cols: number, more: object = {}): void {
    const { B, T, G, H, N } = this.sizes;
    this.passes.push({
      shader: make(JSON.stringify({ ...this.key, at: this.at, ...more })),
      params: [B, T, G, H, N, this.chunk, cols, this.extra],
      workgroups: grid(units, group),
    });
  }

  /** Factors e^g. */
  keep(g: GpuView): void {
    const floats = g.shape.reduce((n, d) => n * d, 1);
    this.take('keep', floats);
    const shader = keepShader(JSON.stringify([this.at['g'], this.at['keep']]));
    this.passes.push({ shader, params: [floats], workgroups: grid(floats, group) });
  }

  get plan(): GpuPlan {
    return { passes: this.passes, scratch: this.scratch };
  }
}

const lanes = (size: number, views: readonly GpuView[]): 1 | 4 =>
  size % 4 === 0 && views.every((view) => view.aligned % 4 === 0) ? 4 : 1;

function planOf({ inputs: all, outputs, attrs }: GpuCall<ScanAttrs>, operands: ScanOperands<GpuView>): Plan {
  const sizes = sizesOf(operands.q, operands.v, attrs);
  const { K, V } = sizes;
  const views = [...all, ...outputs];
  const key = {
    decay: attrs.decay,
    erase: attrs.erase,
    lanesK: lanes(K, views),
    lanesV: lanes(V, views),
    K,
    V,
  };
  return new Plan(key, sizes, attrs.chunk, views.length);
}

/** Names operands by their numbers. */
function name(plan: Plan, names: readonly string[], from: number): void {
  names.forEach((operand, i) => (plan.at[operand] = from + i));
}

function operandNames(operands: ScanOperands<unknown>): string[] {
  const named = listOf({
    q: 'q',
    k: 'k',
    v: 'v',
    initial: 'initial',
    ...(operands.g !== undefined && { g: 'g' }),
    ...(operands.a !== undefined && { a: 'a' }),
    ...(operands.b !== undefined && { b: 'b' }),
  });
  return named;
}

function forwardPlan(call: GpuCall<ScanAttrs>): GpuPlan {
  const operands = operandsOf(call.inputs, call.attrs);
  const plan = planOf(call, operands);
  const { B, H, K, V, N } = plan.sizes;
  name(plan, operandNames(operands), 0);
  name(plan, ['o', 'state', 'states', 'u'], call.inputs.length);
  if (operands.g) plan.keep(operands.g);
  const cols = V + plan.extra;
  plan.take('turn', N > 1 ? B * N * H * plan.extra * K : 0);
  if (N > 1) plan.run(forwardShader, B * N * H * cols, cols, { phase: 'local' });
  plan.run(carryShader, B * H * V, V, { forward: true });
  if (call.attrs.erase !== 'none') plan.run(forwardShader, B * N * H * V, V, { phase: 'write' });
  plan.run(forwardShader, B * N * H * V, V, { phase: 'read' });
  return plan.plan;
}

function backwardPlan(call: GpuCall<ScanAttrs>): GpuPlan {
  const { inputs: all, outputs, attrs } = call;
  const operands = operandsOf(all.slice(2, 2 + outputs.length), attrs);
  const plan = planOf(call, operands);
  const { B, T, H, K, V, N } = plan.sizes;
  const names = operandNames(operands);
  name(plan, ['dO', 'dState', ...names, 'states', 'u'], 0);
  name(
    plan,
    names.map((operand) => (operand === 'initial' ? 'dInitial' : `d${operand}`)),
    all.length,
  );
  const [pair, erasing] = [attrs.erase === 'pair', attrs.erase !== 'none'];
  if (operands.g) plan.keep(operands.g);
  plan.take('w', B * (N + 1) * H * K * V);
  plan.take('turn', B * N * H * plan.extra * K);
  if (pair) plan.take('du', B * T * H * V);
  else plan.at['du'] = plan.at['dv'];
  const cols = V + plan.extra;
  const units = B * N * H;
  plan.run(backwardShader, units * cols, cols, { phase: 'back' });
  plan.run(carryShader, B * H * V, V, { forward: false });
  if (pair) plan.run(backwardShader, units * V, V, { phase: 'written' });
  plan.run(backwardShader, units * V, V, { phase: 'values' });
  const forwards = pair ? [['dq'], ['da']] : [erasing ? ['dq', 'da'] : ['dq']];
  for (const want of forwards) plan.run(rowsForwardShader, units * K, K, { want });
  for (const want of pair ? ['dk', 'db'] : ['dk']) plan.run(rowsBackwardShader, units * K, K, { want });
  if (attrs.decay !== 'none') {
    if (attrs.decay === 'key') plan.at['terms'] = plan.at['dg'];
    else plan.take('terms', B * T * H * K);
    plan.take('packed', B * T * H * K * packSize(attrs.erase));
    plan.run(packShader, B * T * H * K, K);
    plan.run(decayShader, units * K, K, { chunk: attrs.chunk });
    if (attrs.decay === 'head') plan.run(headDecayShader, B * T * H, K);
  }
  return plan.plan;
}

const columns = (
  plan: (call: GpuCall<ScanAttrs>, limits: GpuLimits) => GpuPlan,
  skip: number,
): GpuKernels<ScanAttrs> => ({
  variants: [
    {
      name: 'columns',
      supports({ inputs, attrs }) {
        const [q, , v] = inputs.slice(skip);
        if (q.dtype !== 'f32') return 'computes f32 only';
        const most = Math.max(q.shape[3], v.shape[3], attrs.chunk);
        return most <= longest || `keeps columns and chunks of at most ${longest} in registers, got ${most}`;
      },
      plan,
    },
  ],
});

/** WebGPU kernels of `matrixScanOp`. */
export const scanKernels: GpuKernels<ScanAttrs> = columns(forwardPlan, 0);

/** WebGPU kernels of `matrixScanBackwardOp`. */
export const scanBackwardKernels: GpuKernels<ScanAttrs> = columns(backwardPlan, 2);
