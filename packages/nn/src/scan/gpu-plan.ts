// What a call of the scan asks of a GPU: passes over named operands and the scratch memory they share.
import type { GpuCall, GpuPass, GpuPlan, GpuShader, GpuView } from '@seq/tensor/engine';
import { grid } from '@seq/webgpu-kernels/wgsl';
import { group, keepShader } from './gpu-text.js';
import type { ScanKey } from './gpu-text.js';
import { factorsShader, tile } from './gpu-tiles.js';
import { sizesOf } from './shapes.js';
import type { ScanAttrs, ScanOperands, ScanSizes } from './shapes.js';

/** Collects the passes of a call and the scratch memory they share. */
export class Plan {
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

  /** The same for a block of 32 × 64 numbers in each workgroup: `rows` blocks of x by those of the columns. */
  tiles(make: (key: string) => GpuShader, D: number, J: number, rows: number, more: object): void {
    const { B, T, G, H, N } = this.sizes;
    const { decay, erase } = this.key;
    this.passes.push({
      shader: make(JSON.stringify({ at: this.at, decay, erase, ...more })),
      params: [B, T, G, H, N, this.chunk, D, J],
      workgroups: grid(B * N * H * Math.ceil(rows / tile.rows) * Math.ceil(J / tile.columns)),
    });
  }

  /** Factors e^g, and for tiles their products within blocks behind them. */
  keep(g: GpuView, tiled: boolean): void {
    const floats = g.shape.reduce((n, d) => n * d, 1);
    this.take('keep', tiled ? 3 * floats : floats);
    if (tiled) {
      this.at['factors'] = this.at['keep'];
      const { B, T, G, H, N } = this.sizes;
      const perHead = floats / (B * T * H);
      const units = B * N * Math.ceil(this.chunk / tile.rows) * H * perHead;
      this.passes.push({
        shader: factorsShader(JSON.stringify({ at: this.at })),
        params: [B, T, G, H, N, this.chunk, perHead, 0],
        workgroups: grid(units, group),
      });
      return;
    }
    const shader = keepShader(JSON.stringify([this.at['g'], this.at['keep']]));
    this.passes.push({ shader, params: [floats], workgroups: grid(floats, group) });
  }

  get plan(): GpuPlan {
    return { passes: this.passes, scratch: this.scratch };
  }
}

const lanes = (size: number, views: readonly GpuView[]): 1 | 4 =>
  size % 4 === 0 && views.every((view) => view.aligned % 4 === 0) ? 4 : 1;

/** A plan without passes. */
export function planOf(
  { inputs: all, outputs, attrs }: GpuCall<ScanAttrs>,
  operands: ScanOperands<GpuView>,
): Plan {
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
export function name(plan: Plan, names: readonly string[], from: number): void {
  names.forEach((operand, i) => (plan.at[operand] = from + i));
}
