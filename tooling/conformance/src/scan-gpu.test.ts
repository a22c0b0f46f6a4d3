// The kernels of the scan on WebGPU: every variant against the CPU, extreme gates against double precision, and what one
// step asks of a GPU.
import { compile, cpu, grad, key, normal, sum, tensor, zeros } from '@seq/tensor';
import type { Device, Tensor } from '@seq/tensor';
import type { GpuCase } from '@seq/tensor/engine';
import { createRecording, requestWebGPU, verify } from '@seq/webgpu-kernels';
import type { WebGPUDevice } from '@seq/webgpu-kernels';
import { beforeAll, describe, expect, test } from 'vitest';
import { matrixScan, scanCases } from '@seq/nn/scan';

let floor: WebGPUDevice;
beforeAll(async () => {
  floor = await requestWebGPU({ floor: true, poison: true });
});

const kinds = (['none', 'head', 'key'] as const).flatMap((decay) =>
  (['none', 'own', 'pair'] as const).map((erase) => ({ decay, erase })),
);
type Kind = (typeof kinds)[number];

/** Judges all variants by cases; answers with those that ran. */
const judge = async (device: WebGPUDevice, cases: readonly GpuCase[]): Promise<string[]> => {
  const report = await verify(device, { only: true, cases });
  expect(String(report)).toContain('all agree with the CPU');
  return report.verdicts.filter((v) => v.cases > 0).map((v) => `${v.op}/${v.variant}`);
};

/** A step of these binds more buffers than every device allows, unless it is given the state to write to. */
const many = ({ decay, erase }: Kind): boolean => decay !== 'none' && erase === 'pair';

test.each(kinds)('columns and steps, decay: $decay, erase: $erase', async (kind) => {
  const names = await judge(floor, scanCases([kind]));
  const wanted = ['matrixScan/columns', 'matrixScan.backward/columns', 'matrixScan.step/halves'];
  expect(names).toEqual(
    expect.arrayContaining([...wanted, ...(many(kind) ? [] : ['matrixScan.step/whole'])]),
  );
});

test('a step at once, where there are bindings enough', async () => {
  const device = await requestWebGPU({ poison: true });
  // The last of the sizes is one position.
  const cases = kinds.filter(many).flatMap((kind) => scanCases([kind]).slice(-2));
  expect(await judge(device, cases)).toContain('matrixScan.step/whole');
});

type Operands = Record<string, Tensor>;

function run({ q, k, v, read, write, ...rest }: Operands, chunkSize?: number): [Tensor, Tensor] {
  const erase = read && { erase: { read, ...(write && { write }) } };
  return matrixScan(q, k, v, { ...rest, ...erase, ...(chunkSize && { chunkSize }) });
}

describe('gates of −∞, −50 and 0 for a thousand positions', () => {
  const [T, K, V] = [1000, 3, 5];

  /** Erasing takes back a part of what a key of unit length at most points to. */
  function draw({ decay, erase }: Kind): Operands {
    const at = { dtype: 'f64' } as const;
    const draws = (seed: number, width: number): Tensor => normal(key(seed), [1, T, 1, width], at);
    const k = draws(2, K)
      .tanh()
      .mul(K ** -0.5);
    const gates = [-Infinity, -50, 0, -1e-3];
    const n = decay === 'key' ? T * K : T;
    const shape = decay === 'key' ? [1, T, 1, K] : [1, T, 1];
    const g = Float64Array.from(
      { length: n },
      (_, i) => gates[Math.floor(i / 7) % 3 === 0 ? (i * 5) % 4 : 2],
    );
    return {
      q: draws(1, K),
      k,
      v: draws(3, V),
      initial: normal(key(4), [1, 1, K, V], at),
      logDecay: tensor(g, { shape }),
      ...(erase !== 'none' && { read: k.mul(-0.5) }),
      ...(erase === 'pair' && { write: k.mul(0.5) }),
    };
  }

  async function results(x: Operands, chunkSize: number): Promise<Record<string, ArrayLike<number>>> {
    const [o, state] = run(x, chunkSize);
    const grads = grad((y: Operands) => {
      const out = run(y, chunkSize);
      return sum(out[0].tanh()).add(sum(out[1].tanh()));
    }, x);
    const all = Object.entries({
      o,
      state,
      ...Object.fromEntries(Object.entries(grads).map(([n, g]) => [`d${n}`, g])),
    });
    return Object.fromEntries(await Promise.all(all.map(async ([n, t]) => [n, await t.data()] as const)));
  }

  async function expectExact(kind: Kind, device: Device, chunkSize: number): Promise<void> {
    const exact = draw(kind);
    const want = await results(exact, chunkSize);
    const single = await Promise.all(
      Object.entries(exact).map(
        async ([n, t]) => [n, tensor(Float32Array.from(await t.data()), { shape: t.shape, device })] as const,
      ),
    );
    const got = await results(Object.fromEntries(single), chunkSize);
    for (const [name, values] of Object.entries(want)) {
      const list = Array.from(values);
      const scale = list.reduce((most, x) => Math.max(most, Math.abs(x)), 1);
      const off = list.map((x, i) => Math.abs(x - got[name][i]) / scale);
      expect(
        off.every((x) => x < 2e-5),
        `${name} of ${kind.decay}, ${kind.erase}: ${Math.max(...off)}`,
      ).toBe(true);
    }
  }

  const fading = kinds.filter(({ decay }) => decay !== 'none');
  test.each(fading)('in WebAssembly, decay: $decay, erase: $erase', (kind) => expectExact(kind, cpu(), 64));
  // With the chunks of the cases above, whose shaders are there.
  test.each(fading)('columns, decay: $decay, erase: $erase', (kind) => expectExact(kind, floor, 4));
});

describe('a step', () => {
  /** A position of every operand, and the state before it. */
  function draw(device: Device, { decay, erase }: Kind): [Operands, Tensor] {
    const of = (...shape: number[]): Tensor => zeros(shape, { device });
    const rows = (): Tensor => of(2, 1, 4, 16);
    const operands = {
      q: rows(),
      k: rows(),
      v: of(2, 1, 4, 32),
      ...(decay !== 'none' && { logDecay: decay === 'key' ? rows() : of(2, 1, 4) }),
      ...(erase !== 'none' && { read: rows() }),
      ...(erase === 'pair' && { write: rows() }),
    };
    return [operands, of(2, 4, 16, 32)];
  }

  test.each(kinds)(
    'is one dispatch and takes no memory in a loop, decay: $decay, erase: $erase',
    async (kind) => {
      const { device, recorded } = createRecording();
      const [operands, initial] = draw(device, kind);
      const step = compile((x: Operands, S: Tensor) => run({ ...x, initial: S }), { donate: [1] });
      let S = initial;
      const steps = async (n: number): Promise<void> => {
        for (let i = 0; i < n; i++) {
          const [o, next] = step(operands, S);
          o.dispose();
          S = next;
        }
        device.flush();
        await new Promise((resolve) => setTimeout(resolve, 0));
      };
      await steps(4);
      const before = { ...recorded };
      await steps(16);
      expect(recorded.dispatches - before.dispatches).toBe(16);
      for (const made of ['buffers', 'bytes', 'bindGroups', 'pipelines', 'shaderModules'] as const)
        expect(recorded[made], made).toBe(before[made]);
    },
  );

  test('a state that is kept costs a pair with decays one dispatch more, where there are 8 bindings', async () => {
    for (const [storageBuffers, dispatches] of [
      [8, 2],
      [10, 1],
    ]) {
      const { device, recorded } = createRecording({ limits: { storageBuffers } });
      const [operands, initial] = draw(device, { decay: 'key', erase: 'pair' });
      const step = compile((x: Operands, S: Tensor) => run({ ...x, initial: S }));
      for (let i = 0; i < 2; i++) {
        const before = recorded.dispatches;
        step(operands, initial);
        device.flush();
        await new Promise((resolve) => setTimeout(resolve, 0));
        if (i > 0) expect(recorded.dispatches - before).toBe(dispatches);
      }
    }
  });
});
