import { afterEach, describe, expect, test, vi } from 'vitest';
import * as s from '../index.js';
import { numbers } from '../testkit.js';
import { createHeap } from './heap.js';

const MB = 2 ** 20;

describe('heap', () => {
  test('blocks are aligned, never overlap, and merge again when given back', () => {
    const heap = createHeap(true, 1)!;
    const random = numbers(4000, 3);
    const live: { at: number; bytes: number }[] = [];
    for (let i = 0; i < 2000; i++) {
      if (random[2 * i] < 0.2 || live.length < 5) {
        const bytes = Math.floor(Math.abs(random[2 * i + 1]) * 20000);
        const at = heap.take(bytes);
        if (at < 0) continue;
        expect(at % 64).toBe(0);
        if (bytes === 0) continue;
        for (const b of live) expect(at >= b.at + b.bytes || at + bytes <= b.at).toBe(true);
        expect(at + bytes).toBeLessThanOrEqual(heap.buffer.byteLength);
        live.push({ at, bytes });
      } else {
        const [b] = live.splice(Math.floor(Math.abs(random[2 * i + 1]) * live.length), 1);
        heap.give(b.at, b.bytes);
      }
    }
    for (const b of live) heap.give(b.at, b.bytes);
    // All of it is one block again.
    const first = heap.take(64);
    heap.give(first, 64);
    expect(heap.take(heap.buffer.byteLength - first)).toBe(first);
    expect(heap.take(64)).toBe(-1);
  });

  test('values and plans survive growth', async () => {
    const device = s.createCpu();
    const before = device.heap!.buffer;
    const x = s.tensor([1, 2, 3], { device });
    const step = s.compile((a: s.Tensor, b: s.Tensor) => a.mul(b).add(1));
    expect([...(await step(x, x).data())]).toEqual([2, 5, 10]);
    const large = s.full([6 * MB], 2, { device });
    await large.realize();
    const pending = x.exp().log();
    const larger = s.full([16 * MB], 3, { device });
    await larger.realize();
    expect(device.heap!.buffer).not.toBe(before);
    expect(before.byteLength).toBe(0);
    expect([...(await step(x, x).data())]).toEqual([2, 5, 10]);
    expect([...(await pending.data())].map((v) => Math.round(v * 1e5) / 1e5)).toEqual([1, 2, 3]);
    // A plan whose own results make the heap grow.
    const wide = s.compile((a: s.Tensor) => [a.mul(2).sum(), a.add(1)] as const);
    for (let i = 0; i < 3; i++) {
      const [sum, next] = wide(larger);
      expect(await sum.item()).toBe(6 * 16 * MB);
      expect(await next.slice(0, 5, 6).item()).toBe(4);
    }
  });

  test('a loop goes on after growth', async () => {
    const device = s.createCpu();
    const run = s.compile((x: s.Tensor) =>
      s.scan((c: s.Tensor, v: s.Tensor) => [c.add(v), c] as [s.Tensor, s.Tensor], x.at(0, 0).zeros(), x),
    );
    const x = s.tensor(numbers(50, 1), { device }).reshape([25, 2]);
    const want = [...(await run(x)[0].data())];
    const big = s.zeros([20 * MB], { device });
    await big.realize();
    expect([...(await run(x)[0].data())]).toEqual(want);
  });

  test('more than 4 GiB is refused with the way out', () => {
    const device = s.createCpu();
    const x = s.tensor([1], { device });
    expect(() => device.allocate('f32', 2 ** 30)).toThrow(s.MemoryError);
    expect(() => device.allocate('f32', 2 ** 30)).toThrow(
      /4 GiB.*4294967296 bytes with 4 in use.*wasm: false/s,
    );
    x.dispose();
    expect(device.memory().bytes).toBe(0);
  });

  test('what the pool keeps is given back before the heap grows', () => {
    const device = s.createCpu();
    const buffers = Array.from({ length: 6 }, () => device.allocate('f32', MB / 2));
    for (const b of buffers) device.free(b);
    expect(device.memory().pooledBytes).toBe(12 * MB);
    const size = device.heap!.buffer.byteLength;
    device.free(device.allocate('f32', 3 * MB));
    expect(device.heap!.buffer.byteLength).toBe(size);
    expect(device.memory()).toMatchObject({ bytes: 0, pooledBytes: 12 * MB });
  });
});

describe('builds', () => {
  afterEach(() => void vi.unstubAllGlobals());

  test('the best build is taken, others on request', () => {
    expect(s.createCpu().build).toBe('relaxed');
    expect(s.createCpu({ wasm: 'plain' }).build).toBe('plain');
    const loops = s.createCpu({ wasm: false });
    expect([loops.build, loops.heap]).toEqual(['loops', null]);
    expect(() => s.createCpu({ wasm: 'fast' as 'plain' })).toThrow(
      /wasm must be true, false or 'plain', got "fast"/,
    );
  });

  test.each([
    ['an engine without relaxed SIMD', 'plain', { validate: (b: Uint8Array) => b.length < 0 }],
    [
      'a policy that forbids modules',
      'loops',
      {
        Module: () => {
          throw new Error('refused by CSP');
        },
      },
    ],
    ['no WebAssembly', 'loops', undefined],
  ])('%s', async (name, build, change) => {
    const real = WebAssembly;
    let calls = 0;
    const stub =
      change === undefined
        ? undefined
        : {
            ...Object.fromEntries(
              Object.getOwnPropertyNames(real).map((key) => [key, real[key as keyof typeof real]]),
            ),
            ...change,
            // The first module asked about is the one with relaxed SIMD.
            ...('validate' in change
              ? { validate: (b: Uint8Array<ArrayBuffer>) => calls++ > 0 && real.validate(b) }
              : {}),
          };
    vi.resetModules();
    vi.stubGlobal('WebAssembly', stub);
    const fresh = await import('../index.js');
    const device = fresh.createCpu({ name });
    expect(device.build).toBe(build);
    const x = fresh.tensor(
      [
        [1, 2],
        [3, 4],
      ],
      { device },
    );
    expect([...(await fresh.matmul(x, x).data())]).toEqual([7, 10, 15, 22]);
  });
});
