import { simpleGlaScan } from '@seq/linear-attn';
import { selectiveScan, ssd } from '@seq/ssm';
import { compile, key, normal, stopGradient, vjp } from '@seq/tensor';
import type { Tensor } from '@seq/tensor';
import { createRecording, loadKernels } from '@seq/webgpu-kernels';
import { expect, test } from 'vitest';

await loadKernels();

test('a decay per head: linear attention with gates and state space duality are one recurrence', async () => {
  const draw = (seed: number, shape: number[]): Tensor => normal(key(seed), shape, { dtype: 'f64' });
  const [B, T, H, N, P] = [2, 37, 3, 5, 4];
  const [x, dt, A] = [draw(1, [B, T, H, P]), draw(2, [B, T, H]).square(), draw(3, [H]).square().neg()];
  const [Bs, Cs, initial] = [draw(4, [B, T, 1, N]), draw(5, [B, T, 1, N]), draw(6, [B, H, N, P])];
  const weights = [draw(7, [B, T, H, P]), draw(8, [B, H, N, P])] as const;

  const space = (p: Tensor[]): [Tensor, Tensor] => ssd(p[0], p[1], A, p[2], p[3], { initial, chunkSize: 8 });
  const attention = (p: Tensor[]): [Tensor, Tensor] =>
    simpleGlaScan(p[3], p[2], p[0].mul(p[1].expandDims(3)), p[1].mul(A), {
      initial,
      scale: 1,
      chunkSize: 16,
    });
  const inputs = [x, dt, Bs, Cs];
  const [[y, state], [dspace]] = vjp(space, [inputs], weights);
  const [[o, memory], [dattention]] = vjp(attention, [inputs], weights);
  const pairs = [[y, o], [state, memory], ...dspace.map((d, i) => [d, dattention[i]])];
  for (const [a, b] of pairs) {
    const size = await a.abs().max().item();
    expect(size).toBeGreaterThan(0.1);
    expect(await a.sub(b).abs().max().item()).toBeLessThan(1e-12 * size);
  }
});

type Scan = (p: Tensor[]) => Tensor;

const selective: Scan = (p) => selectiveScan(p[0], p[1], p[2], p[3], p[4], { deltaSoftplus: true })[0];
/** Each channel a head. The gradient by A, a sum over positions outside the op, takes as many passes as they ask for. */
const dual: Scan = ([u, delta, A, ...rest]) => {
  const [Bs, Cs] = rest.map((x) => x.expandDims(2));
  return ssd(u.expandDims(3), delta, stopGradient(A.at(0, 1)), Bs, Cs, { dtSoftplus: true })[0].reshape(
    u.shape,
  );
};

/** Dispatches of a program over T positions, counted on a device that runs nothing. */
async function dispatches(program: (p: Tensor[], dy: Tensor) => Tensor[], T: number): Promise<number> {
  const { device, recorded } = createRecording();
  const draw = (seed: number, shape: number[]): Tensor => normal(key(seed, { device }), shape);
  const [B, C, N] = [1, 8, 4];
  const rows = [1, 2].map((seed) => draw(seed, [B, T, C]));
  const params = [...rows, draw(3, [C, N]), draw(4, [B, T, N]), draw(5, [B, T, N])];
  const dy = draw(6, [B, T, C]);
  const plan = compile(program);
  const once = async (): Promise<void> => {
    plan(params, dy);
    device.flush();
    await new Promise((resolve) => setTimeout(resolve, 0));
  };
  for (let i = 0; i < 3; i++) await once();
  const before = recorded.dispatches;
  await once();
  return recorded.dispatches - before;
}

test.each([
  ['selective scan', selective, 9, 12],
  ['state space duality', dual, 6, 18],
] as const)(
  '%s: as many dispatches for 64k positions as for 1k, forward and with gradients',
  async (_, scan, forward, both) => {
    for (const [program, most] of [
      [(p: Tensor[]) => [scan(p)], forward],
      [(p: Tensor[], dy: Tensor) => vjp(scan, [p], dy)[1][0], both],
    ] as const) {
      const few = await dispatches(program, 1024);
      expect(few).toBeGreaterThan(0);
      expect(few).toBeLessThanOrEqual(most);
      expect(await dispatches(program, 65_536)).toBe(few);
    }
  },
);
