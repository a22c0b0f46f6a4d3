import { expect, test } from 'vitest';
import * as s from '../index.js';

/** A device whose workers are ready. */
async function ready(threads: number): Promise<s.CpuDevice> {
  const device = s.createCpu({ threads, poison: true });
  expect(device.threads).toBe(1);
  await s.zeros([512, 512], { device }).exp().data();
  for (let i = 0; device.threads < threads && i < 2000; i++) await new Promise((done) => setTimeout(done, 5));
  expect([device.threads, device.threadsOff]).toEqual([threads, null]);
  return device;
}

/** Results large enough to be cut, with sizes that no cut divides. */
const programs: Record<string, (random: (...shape: number[]) => s.Tensor) => s.Tensor> = {
  'tall product': (r) => r(517, 131).matmul(r(131, 203)),
  'wide product': (r) => r(131, 203).matmul(r(203, 517)),
  'turned product': (r) => r(203, 301).transpose().matmul(r(259, 203).transpose()),
  'row times matrix': (r) => r(1, 1500).matmul(r(1500, 1111)),
  'batch of small products': (r) => r(3, 33, 41, 37).matmul(r(3, 33, 37, 43)),
  'batch of large products': (r) => r(3, 210, 205).matmul(r(205, 190)),
  softmax: (r) => s.softmax(r(411, 517)),
  'log-sum-exp': (r) => s.logSumExp(r(411, 1017), -1),
  'functions by a step': (r) => r(711, 517).transpose().tanh(),
  'operands that repeat': (r) => r(1201, 611).mul(r(611)).add(r(1201, 1)),
  cumsum: (r) => s.cumsum(r(3000, 133), 0),
  convolution: (r) => s.conv1d(r(2, 1001, 64), r(4, 64, 64)),
};

test.each(Object.entries(programs))('%s: the same bits on 1, 2 and 3 threads', async (_, program) => {
  const run = (device: s.CpuDevice): Promise<ArrayLike<number>> => {
    let seed = 1;
    return program((...shape) => s.normal(s.key(seed++, { device }), shape)).data();
  };
  const want = await run(s.createCpu());
  for (const threads of [2, 3]) {
    const got = await run(await ready(threads));
    expect(got.length).toBe(want.length);
    let different = 0;
    for (let i = 0; i < want.length; i++) if (!Object.is(got[i], want[i])) different++;
    expect(different).toBe(0);
  }
});

test('values survive growth of a shared heap', async () => {
  const device = await ready(2);
  const x = s.normal(s.key(1, { device }), [600, 300]);
  const y = x.transpose().matmul(x);
  const before = [...(await y.data())];
  await s.full([16 * 2 ** 20], 3, { device }).realize();
  expect([...(await x.transpose().matmul(x).data())]).toEqual(before);
  expect(
    await s
      .full([8 * 2 ** 20], 1, { device })
      .exp()
      .sum()
      .item(),
  ).toBeCloseTo(8 * 2 ** 20 * Math.E, -2);
});

test('numbers of threads that make no sense are refused', () => {
  for (const threads of [0, 1.5, 17, NaN]) {
    expect(() => s.createCpu({ threads })).toThrow('createCpu: threads must be an integer from 1 to 16, got');
  }
  expect(s.createCpu({ threads: 2, wasm: false }).threadsOff).toBe('there is no WebAssembly here');
  expect(s.createCpu().threadsOff).toBe(null);
});
