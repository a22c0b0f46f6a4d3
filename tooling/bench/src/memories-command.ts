import { flashAttention } from '@seq/flash';
import { gatedDeltaScan, glaScan, linearAttend, simpleGlaScan } from '@seq/linear-attn';
import { compile, createCpu, disposeTree, grad, key, normal, sigmoid, split, square, sum } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import type { DeviceKind } from './items.js';
import { median } from './measure.js';
import { installWebGPU } from './platform.js';

/** Forward and backward of one memory beside attention. */
export interface MemoryRow {
  readonly memory: string;
  readonly T: number;
  /** Milliseconds, medians. */
  readonly ours: number;
  readonly flash: number;
}

/** q, k, v [B, T, H, D] and gates: g [B, T, H] ≤ 0 for heads, of key channels [B, T, H, D], beta [B, T, H]. */
type Operands = Readonly<Record<'q' | 'k' | 'v' | 'g' | 'channels' | 'beta', Tensor>>;

const memories: Readonly<Record<string, (x: Operands) => Tensor>> = {
  'linear attention': ({ q, k, v }) => linearAttend(sigmoid(q), sigmoid(k), v)[0],
  'simple GLA': ({ q, k, v, g }) => simpleGlaScan(q, k, v, g)[0],
  GLA: ({ q, k, v, channels }) => glaScan(q, k, v, channels)[0],
  'gated delta rule': ({ q, k, v, g, beta }) => gatedDeltaScan(q, k, v, g, beta)[0],
};

const attention = ({ q, k, v }: Operands): Tensor => flashAttention(q, k, v, { causal: true });

/** Gates that keep most, keys of about unit length. */
function operandsOn(device: Device, T: number): Operands {
  const [B, H, D] = [1, 4, 64];
  const draw = (shape: number[], seed: number): Tensor => normal(split(key(seed, { device }), 1)[0], shape);
  const wide = [B, T, H, D];
  return {
    q: draw(wide, 1),
    k: draw(wide, 2).mul(D ** -0.5),
    v: draw(wide, 3),
    g: draw([B, T, H], 4).abs().mul(-0.1),
    channels: draw(wide, 5).abs().mul(-0.1),
    beta: sigmoid(draw([B, T, H], 6)),
  };
}

/** One evaluation of all gradients: milliseconds. */
function trained(f: (x: Operands) => Tensor): (x: Operands) => Promise<number> {
  const plan = compile((x: Operands) => grad((y: Operands) => sum(square(f(y))), x));
  return async (x) => {
    const began = performance.now();
    const grads = plan(x);
    await grads.v.data();
    const took = performance.now() - began;
    disposeTree(grads);
    return took;
  };
}

async function deviceOf(kind: DeviceKind): Promise<Device> {
  if (kind === 'cpu') return createCpu({ name: 'memories' });
  installWebGPU();
  const { requestWebGPU } = await import('@seq/webgpu-kernels');
  return requestWebGPU();
}

/**
 * Times forward and backward of memories of fixed size beside causal attention, B = 1, H = 4, D = 64, in turns after one
 * run to warm up; all inputs that a mechanism has get gradients.
 */
export async function memoriesCommand(
  kind: DeviceKind,
  { T, turns }: { readonly T: number; readonly turns: number },
  print: (text: string) => void,
): Promise<MemoryRow[]> {
  const device = await deviceOf(kind);
  const x = operandsOn(device, T);
  const entries = Object.entries({ flash: attention, ...memories }).map(([name, f]) => ({
    name,
    run: trained(f),
    times: [] as number[],
  }));
  for (let turn = 0; turn <= turns; turn++) {
    for (const { run, times } of entries) {
      const took = await run(x);
      if (turn > 0) times.push(took);
    }
  }
  const [flash, ...others] = entries.map(({ name, times }) => ({ name, ms: median(times) }));
  return others.map(({ name, ms }) => {
    const row = { memory: name, T, ours: ms, flash: flash.ms };
    print(memoryLine(row));
    return row;
  });
}

/** A row as a line. */
export function memoryLine({ memory, T, ours, flash }: MemoryRow): string {
  const ratio = ours / flash;
  const verdict = ratio < 1 ? 'ok' : 'ABOVE';
  return `${memory.padEnd(18)} T ${T}: ${ours.toPrecision(3)} ms, flash ${flash.toPrecision(3)} ms, ratio ${ratio.toFixed(2)} (bar 1) ${verdict}`;
}
