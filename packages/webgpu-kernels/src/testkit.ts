import type { DType, Tensor, TypedArray } from '@seq/tensor';
import { cpu, createCpu, tensor, valueAndGrad } from '@seq/tensor';
import { expect } from 'vitest';
import type { WebGPUDevice } from './device.js';
import type { WebGPUOptions } from './request.js';
import { requestWebGPU } from './request.js';

let shared: Promise<WebGPUDevice> | null = null;

/** The device of this test process: the adapter that `SEQ_GPU` names. */
export function testDevice(): Promise<WebGPUDevice> {
  return (shared ??= requestWebGPU({ name: 'webgpu under test' }));
}

let floorDevice: Promise<WebGPUDevice> | null = null;

/** A device that has no more than every WebGPU device has. */
export function floorTestDevice(): Promise<WebGPUDevice> {
  return (floorDevice ??= requestWebGPU({ name: 'webgpu at the floor', floor: true }));
}

/** A device with options of its own, which shares the compiled kernels of the device under test. */
export async function besideDevice(options: WebGPUOptions): Promise<WebGPUDevice> {
  return requestWebGPU({ ...options, device: (await testDevice()).gpu });
}

/** A device of one's own. */
export function freshDevice(options: WebGPUOptions = {}): Promise<WebGPUDevice> {
  return requestWebGPU(options);
}

/** One argument of a function under test. Without `data`, numbers between `low` and `high` drawn from `seed`. */
export interface Input {
  readonly shape: readonly number[];
  readonly dtype?: DType;
  readonly data?: readonly number[] | TypedArray;
  readonly seed?: number;
  readonly low?: number;
  readonly high?: number;
}

/** Numbers in [0, 1) from a seed; the same everywhere. */
export function random(seed: number): () => number {
  let s = (seed * 2_654_435_761) >>> 0;
  return () => {
    s = (s + 0x6d2b_79f5) >>> 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function elements({ shape, dtype = 'f32', data, seed = 1, low = -2, high = 2 }: Input): number[] {
  if (data !== undefined) return Array.from(data as ArrayLike<number>);
  const next = random(seed + shape.length * 7919);
  const n = shape.reduce((a, b) => a * b, 1);
  const float = dtype.startsWith('f');
  return Array.from({ length: n }, () => {
    const v = low + (high - low) * next();
    return float ? Math.fround(v) : dtype === 'bool' ? Number(v > (low + high) / 2) : Math.floor(v);
  });
}

const arrays = {
  f32: Float32Array,
  f64: Float64Array,
  i32: Int32Array,
  u32: Uint32Array,
  bool: Uint8Array,
} as const;

/** The argument as a tensor of a device; on the CPU floats are f64 unless `exact`. */
export function place(
  input: Input,
  device: WebGPUDevice | ReturnType<typeof cpu>,
  exact: boolean = false,
): Tensor {
  const { shape, dtype = 'f32' } = input;
  const kind = dtype === 'f32' && device.kind === 'cpu' && !exact ? 'f64' : dtype;
  if (kind === 'f16')
    return tensor(Float32Array.from(elements(input)), { device })
      .reshape([...shape])
      .cast('f16');
  return tensor(arrays[kind].from(elements(input)), { device, dtype: kind }).reshape([...shape]);
}

/** How a comparison is made. */
export interface SameOptions {
  /** |ours − theirs| ≤ tolerance · (1 + |theirs|); default 2e-6. Integers and flags are compared exactly. */
  tolerance?: number;
  /** Compare with the CPU in f32 instead of f64: for functions that ask for an element type. Default false. */
  exact?: boolean;
  device?: WebGPUDevice;
}

type F = (...xs: Tensor[]) => Tensor | readonly Tensor[];

function compare(ours: ArrayLike<number>, theirs: ArrayLike<number>, tolerance: number, what: string): void {
  expect(ours.length, `${what}: number of elements`).toBe(theirs.length);
  for (let i = 0; i < ours.length; i++) {
    const [a, b] = [ours[i], theirs[i]];
    if (Object.is(a, b) || a === b) continue;
    if (Number.isNaN(a) !== Number.isNaN(b) || !(Math.abs(a - b) <= tolerance * (1 + Math.abs(b)))) {
      expect.fail(`${what}: element ${i} must be ${b} within ${tolerance}, got ${a}`);
    }
  }
}

const list = (r: Tensor | readonly Tensor[]): readonly Tensor[] => (Array.isArray(r) ? r : [r as Tensor]);

/** Runs a function on WebGPU and on the CPU and expects the same values; no CPU kernel runs in between. */
export async function same(f: F, inputs: readonly Input[], options: SameOptions = {}): Promise<void> {
  const { tolerance = 2e-6, exact = false } = options;
  const gpu = options.device ?? (await testDevice());
  const reference = createCpu({ name: 'reference' });
  const theirs = list(f(...inputs.map((x) => place(x, reference, exact))));
  const before = cpu().counters.kernels;
  const ours = list(f(...inputs.map((x) => place(x, gpu))));
  expect(ours.length).toBe(theirs.length);
  for (let i = 0; i < ours.length; i++) {
    expect(ours[i].shape).toEqual(theirs[i].shape);
    expect(ours[i].device).toBe(gpu);
    const [a, b] = [ours[i].dtype === 'f16' ? ours[i].cast('f32') : ours[i], theirs[i]];
    const bits = a.dtype === 'f32' ? tolerance : 0;
    compare(
      await a.data(),
      await (b.dtype === 'f16' ? b.cast('f32') : b).data(),
      bits,
      `result ${i} of ${inputs.map((x) => `${x.dtype ?? 'f32'} [${x.shape.join(', ')}]`).join(', ')}`,
    );
  }
  expect(cpu().counters.kernels, 'kernels of the CPU device').toBe(before);
  for (const t of [...ours, ...theirs]) t.dispose();
}

/** The same for the gradient of Σ w · f(…) by all floating inputs, w fixed random weights. */
export async function sameGrad(f: F, inputs: readonly Input[], options: SameOptions = {}): Promise<void> {
  const { tolerance = 1e-5, exact = false } = options;
  const gpu = options.device ?? (await testDevice());
  const floats = inputs.map((x) => (x.dtype ?? 'f32') === 'f32');
  const gradients = async (device: WebGPUDevice | ReturnType<typeof cpu>): Promise<TypedArray[]> => {
    const all = inputs.map((x) => place(x, device, exact));
    const wanted = all.filter((_, i) => floats[i]);
    const [, grads] = valueAndGrad((params: readonly Tensor[]) => {
      let next = 0;
      const results = list(f(...all.map((t, i) => (floats[i] ? params[next++] : t))));
      return results
        .filter((r) => r.dtype === 'f32' || r.dtype === 'f64')
        .map((r, i) =>
          r.mul(place({ shape: r.shape, seed: 77 + i }, device, exact || r.dtype === 'f32')).sum(),
        )
        .reduce((a, b) => a.add(b));
    }, wanted);
    return Promise.all((grads as Tensor[]).map((g) => g.data()));
  };
  const theirs = await gradients(createCpu({ name: 'reference' }));
  const ours = await gradients(gpu);
  ours.forEach((g, i) => compare(g, theirs[i], tolerance, `gradient ${i}`));
}
